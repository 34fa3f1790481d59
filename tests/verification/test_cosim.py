"""Verify on Verilator: an intact bundle passes, a broken one fails where it is broken."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from bundles import remembered_bases
from checkpoints import GPT_OSS, gpt_oss_tensors, write_checkpoint
from wires import other_line, pins, with_pin

from hnlpu.architecture import plan_from_dict
from hnlpu.errors import MissingToolError
from hnlpu.generator import GenerateOptions, generate
from hnlpu.selection import BaseOptions
from hnlpu.tools import find_verilator
from hnlpu.verification.mutants import MUTANT_KINDS
from hnlpu.verification.verify import verify

#: Every build, above all one with waves, takes time in proportion to the weights.
CONFIG = {
    **GPT_OSS,
    "intermediate_size": 4,
    "num_attention_heads": 1,
    "head_dim": 4,
    "vocab_size": 4,
    "num_local_experts": 1,
    "num_experts_per_tok": 1,
}


@pytest.fixture(autouse=True, scope="module")
def _simulator() -> Iterator[None]:
    try:
        find_verilator()
    except MissingToolError as error:
        pytest.skip(str(error))
    with remembered_bases():
        yield


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cosim")
    generate(write_checkpoint(folder / "c", CONFIG, gpt_oss_tensors(CONFIG)), folder / "b")
    return folder / "b"


@pytest.mark.cosim
def test_intact_bundle(bundle):
    result = verify(bundle, n_random=4)
    manifest = json.loads((bundle / "manifest.json").read_text())
    assert result["mismatches"] == 0
    assert result["failures"] == [] and result["surviving_mutants"] == []
    assert result["arrays"] == len(manifest["matrices"])
    columns = sum(entry["n_columns"] for entry in manifest["matrices"])
    assert result["vectors"] >= columns + (5 + 4) * result["arrays"]
    assert result["mutants"] == result["mutants_killed"]
    assert result["mutants"] == len(MUTANT_KINDS) * len(manifest["bases"])
    assert {entry["base"] for entry in result["by_base"]} == {b["name"] for b in manifest["bases"]}
    written = json.loads((bundle / "verify.json").read_text())
    assert written == json.loads(json.dumps(result))


@pytest.mark.cosim
@pytest.mark.slow
def test_waves(bundle, tmp_path):
    """Signals of every array, in files."""
    traced = shutil.copytree(bundle, tmp_path / "b")
    result = verify(traced, n_random=1, waves=True, with_mutants=False)
    assert result["mismatches"] == 0
    waves = [path for path in (traced / "waves").rglob("dump.*") if path.is_file()]
    assert waves and all(path.stat().st_size > 1000 for path in waves)


@pytest.mark.cosim
def test_register_cuts_and_the_other_adder(tmp_path):
    """Rows in segments that run one cycle after the other, and later results."""
    checkpoint = write_checkpoint(tmp_path / "c", CONFIG, gpt_oss_tensors(CONFIG))
    options = GenerateOptions(base=BaseOptions(cuts=2, adder=28, phases=1))
    manifest = generate(checkpoint, tmp_path / "b", options)
    late = {base["latency_cycles"] - base["interval_cycles"] for base in manifest["bases"]}
    assert late == {1, 3}  # two blocks allow one cut, four inputs two
    result = verify(tmp_path / "b", n_random=2, with_mutants=False)
    assert result["mismatches"] == 0 and result["failures"] == []


@pytest.mark.cosim
def test_broken_bundle(bundle, tmp_path):
    """A tap moved, a constant left out, a row-exponent tie moved, and a base without the last sign."""
    broken = shutil.copytree(bundle, tmp_path / "b", ignore=shutil.ignore_patterns("waves"))
    manifest = json.loads((broken / "manifest.json").read_text())
    base = next(base for base in manifest["bases"] if base["n_rows"] == 4)  # q, k, v and lm_head
    plan = plan_from_dict(base["parameters"])
    metal = broken / "rtl" / "metal"

    q = metal / "model_layers_0_self_attn_q_proj.v"
    drivers = pins(q.read_text(), 2)
    stub = next(i for i, driver in enumerate(drivers) if driver.startswith("lines"))
    q.write_text(with_pin(q.read_text(), 2, stub, other_line(drivers[stub])))

    k = metal / "model_layers_0_self_attn_k_proj.v"
    drivers = pins(k.read_text(), 1)
    stub = next(i for i, driver in enumerate(drivers) if driver.startswith("constants"))
    k.write_text(with_pin(k.read_text(), 1, stub, "tie_low"))
    port = plan.constant_ports[(stub - plan.n_stubs) // plan.phases]
    pair, value = divmod(int(drivers[stub].removeprefix("constants[")[:-1]), 3)
    left_out = (value + 1) << (2 * pair + port.column)

    router = metal / "model_layers_0_mlp_router.v"
    text = router.read_text()
    tie = re.search(r"assign row_exponents = \{.*(tie_(?:low|high))\};", text)  # bit 0 of row 0
    assert tie is not None
    other = "tie_low" if tie[1] == "tie_high" else "tie_high"
    router.write_text(text[: tie.start(1)] + other + text[tie.end(1) :])

    # Rows of 4 inputs: 2 ports and a constant port make counts of 2 bits.
    accumulator = next((broken / "rtl" / "base").glob("hn_accumulator_2_*"))
    text, n = re.subn(r"(count\[\d\]) \^ sign", r"\1", accumulator.read_text())
    assert n == 2
    accumulator.write_text(text)

    result = verify(broken, n_random=2, with_mutants=False)
    failures = {f["matrix"].rpartition(".")[2]: f for f in result["failures"]}
    assert set(failures) == {"q_proj", "k_proj", "router", "o_proj", "down_proj"}
    first = failures["q_proj"]["first_mismatch"]
    assert first["row"] == 2 and first["vector"] == 1  # vector 0 is all zero
    assert first["expected"] != first["got"]
    first = failures["k_proj"]["first_mismatch"]  # zero, too, needs its constant
    assert first == {"vector": 0, "row": 1, "expected": 0, "got": -left_out}
    assert failures["k_proj"]["mismatches"] > plan.n_columns
    assert failures["router"]["first_mismatch"]["row"] == 0
    assert failures["router"]["mismatches"] == 1
    assert failures["o_proj"]["mismatches"] > 4
    assert result["mismatches"] == sum(f["mismatches"] for f in failures.values())
    assert (result["mutants"], result["mutants_killed"]) == (0, 0)


@pytest.mark.cosim
@pytest.mark.slow
@pytest.mark.parametrize("name", ["adder_mini", "adder2", "stories260k"])
def test_local_checkpoints(tmp_path, shared_checkpoint, name):
    generate(shared_checkpoint(name), tmp_path / "b", GenerateOptions(quantize="mxfp4"))
    result = verify(tmp_path / "b")
    assert result["mismatches"] == 0 and result["failures"] == []
    assert result["mutants"] == result["mutants_killed"] > 0
