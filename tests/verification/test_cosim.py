"""Verify on Verilator: an intact bundle passes, a broken one fails where it is broken."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from bundles import remembered_bases
from checkpoints import GPT_OSS, gpt_oss_tensors, write_checkpoint

from hnlpu.errors import MissingToolError
from hnlpu.generator import GenerateOptions, generate
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
    result = verify(bundle, n_random=4, waves=True)
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
    waves = [path for path in (bundle / "waves").rglob("dump.*") if path.is_file()]
    assert waves and all(path.stat().st_size > 1000 for path in waves)


@pytest.mark.cosim
def test_broken_bundle(bundle, tmp_path):
    """One tap moved, one row-exponent tie moved, and a base that takes the sign for a magnitude."""
    broken = shutil.copytree(bundle, tmp_path / "b", ignore=shutil.ignore_patterns("waves"))
    metal = broken / "rtl" / "metal"

    q = metal / "model_layers_0_self_attn_q_proj.v"
    text = q.read_text()
    tap = re.search(r"\.taps_2\(\{.*lines_0\[(\d+)\]\}\)", text)  # input 0 of row 2
    assert tap is not None
    q.write_text(f"{text[: tap.start(1)]}{(int(tap[1]) + 1) % 15}{text[tap.end(1) :]}")

    router = metal / "model_layers_0_mlp_router.v"
    text = router.read_text()
    tie = re.search(r"assign row_exponents = \{.*(tie_(?:low|high))\};", text)  # bit 0 of row 0
    assert tie is not None
    other = "tie_low" if tie[1] == "tie_high" else "tie_high"
    router.write_text(text[: tie.start(1)] + other + text[tie.end(1) :])

    neuron = next((broken / "rtl" / "base").glob("hn_neuron_4_*"))  # those with 4 inputs
    text = neuron.read_text()
    assert "superblock_0__count[0] ^ sign" in text
    neuron.write_text(re.sub(r"(superblock_0__count\[\d\]) \^ sign", r"\1", text))

    result = verify(broken, n_random=2, with_mutants=False)
    failures = {f["matrix"].rpartition(".")[2]: f for f in result["failures"]}
    assert set(failures) == {"q_proj", "router", "o_proj", "down_proj"}
    first = failures["q_proj"]["first_mismatch"]
    assert first["row"] == 2 and first["vector"] == 1  # vector 0 is all zero
    assert first["expected"] != first["got"]
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
