"""Every architecture on the same random cases, in Amaranth's simulator."""

from typing import Any

import numpy as np
import pytest
from arrays import run
from conformance import (
    BASELINES,
    CODEBOOKS,
    HARDWIRED,
    Case,
    build,
    draw,
    mac_loading,
    mac_plan,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from streams import run_streams

from hnlpu.rtl.cell_array import CellArray
from hnlpu.rtl.mac_array import MacArray

N_CASES = 5
N_EXAMPLES = 4
N_MORE = 10  # make check-all; tests/verification/test_conformance.py has larger ones
N_MORE_EXAMPLES = 12


def results(simulate, case: Case, arch: str, seed: int) -> np.ndarray:
    waits = np.random.default_rng(seed).integers(0, 4, (2, len(case.x) + 1)).tolist()
    if seed % 2:
        waits = [[0] * (len(case.x) + 1)] * 2
    stalls = waits[0].__getitem__, waits[1].__getitem__
    if arch in HARDWIRED:
        return run(simulate, build(case, arch), case.x, *stalls).y
    rows = case.matrix.n_rows
    if arch == "cell":
        dut = CellArray(case.matrix, case.activation_bits, bool(seed % 3), adder=case.adder)
        return run_streams(simulate, dut, case.x, rows, *stalls).y
    plan = mac_plan(case)
    loading = list(mac_loading(plan, case.matrix))
    return run_streams(simulate, MacArray(plan), case.x, rows, *stalls, loading).y


@pytest.mark.parametrize("seed", range(N_CASES))
@pytest.mark.parametrize("arch", HARDWIRED + BASELINES)
def test_a_case(simulate, arch, seed):
    case = draw(seed, most_columns=12, n_random=25)
    assert results(simulate, case, arch, seed).tolist() == case.y.tolist()


SHAPES = st.fixed_dictionaries(
    {
        "rows": st.integers(1, 3),
        "columns": st.integers(1, 10),
        "magnitudes": st.sampled_from(CODEBOOKS)
        | st.sets(st.integers(1, 40), min_size=1, max_size=12).map(
            lambda values: tuple(sorted(values))
        ),
        "bits": st.integers(2, 6),
        "spread": st.integers(0, 3),
        "kind": st.integers(0, 3),
        "phases": st.integers(1, 4),
        "cuts": st.integers(0, 3),
        "adder": st.sampled_from([24, 28]),
    }
)
LONG = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def is_exact(simulate, arch: str, seed: int, chosen: dict[str, Any]) -> bool:
    case = draw(seed, most_columns=10, n_random=10, **chosen)
    return np.array_equal(results(simulate, case, arch, seed % 1000), case.y)


@pytest.mark.parametrize("arch", HARDWIRED + BASELINES)
@settings(LONG, max_examples=N_EXAMPLES)
@given(seed=st.integers(0, 2**32), chosen=SHAPES)
def test_any_shape_and_codebook(simulate, arch, seed, chosen):
    assert is_exact(simulate, arch, seed, chosen)


@pytest.mark.slow
@pytest.mark.parametrize("arch", HARDWIRED + BASELINES)
@settings(LONG, max_examples=N_MORE_EXAMPLES)
@given(seed=st.integers(0, 2**32), chosen=SHAPES)
def test_more_shapes_and_codebooks(simulate, arch, seed, chosen):
    assert is_exact(simulate, arch, seed, chosen)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(N_CASES, N_CASES + N_MORE))
@pytest.mark.parametrize("arch", HARDWIRED + BASELINES)
def test_another_case(simulate, arch, seed):
    case = draw(seed, most_columns=20, n_random=25)
    assert results(simulate, case, arch, seed).tolist() == case.y.tolist()


@pytest.mark.parametrize("arch", HARDWIRED + BASELINES)
def test_a_wrong_weight_is_seen(simulate, arch):
    case = draw(2, most_columns=12, n_random=25)
    case.matrix.multiples[0, 0] = 1 if case.matrix.multiples[0, 0] != 1 else -1
    assert results(simulate, case, arch, 1).tolist() != case.y.tolist()
