"""All-reduce against Python's integers."""

import numpy as np
import pytest
from blocks import STALLS, beats, run_block

from hnlpu.rtl.all_reduce import AllReduce

OPERATIONS = {"sum": np.sum, "max": np.max, "or": np.bitwise_or.reduce}


def words(row, n_bits):
    return [{"word": int(value) % (1 << n_bits)} for value in row]


@pytest.mark.parametrize("stall", STALLS.values(), ids=STALLS)
@pytest.mark.parametrize("n_inputs", [2, 3, 4])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_words(operation, n_inputs, stall):
    n_bits, y_bits = 7, 9 if operation == "sum" else 7
    x = np.random.default_rng(n_inputs).integers(-64, 64, (n_inputs, 30))
    x[:, 0], x[:, 1] = -64, 63
    if operation == "or":
        x = x & 127
    inputs = {"x": words(x[0], n_bits)}
    inputs |= {f"others_{i}": words(row, n_bits) for i, row in enumerate(x[1:])}
    block = AllReduce(operation, "word", n_inputs, n_bits, y_bits, 1)
    found = run_block(block, inputs, {"y": 30}, stall=stall)
    wanted = OPERATIONS[operation](x, axis=0)
    assert [beat["word"] for beat in found["y"]] == [int(v) % (1 << y_bits) for v in wanted]


@pytest.mark.parametrize("stall", STALLS.values(), ids=STALLS)
@pytest.mark.parametrize("kind", ["integers", "vector"])
def test_what_belongs_to_a_vector_is_this_chips(kind, stall):
    x = np.random.default_rng(3).integers(-64, 64, (2, 5, 6))
    own = beats(x[0], [3, 1, 4, 1, 5], exponent=[-5, 4, 0, 1, 2])
    if kind == "vector":
        for beat in own:
            del beat["exponent"]
    found = run_block(
        AllReduce("sum", kind, 2, 7, 8, 4),
        {"x": own, "others_0": words(x[1].ravel(), 7)},
        {"y": 30},
        stall=stall,
    )
    wanted = [beat | {"value": int(v)} for beat, v in zip(own, x.sum(axis=0).ravel(), strict=True)]
    assert found["y"] == wanted


def test_an_element_a_cycle():
    x = words(range(40), 7)
    found = run_block(AllReduce("sum", "word", 2, 7, 8, 1), {"x": x, "others_0": x}, {"y": 40})
    assert found["cycles"] <= 43
