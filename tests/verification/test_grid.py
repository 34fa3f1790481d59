"""Grids of chips on Verilator: the single chip's bits, whatever stalls, and a check that can fail."""

from pathlib import Path

import pytest
from checkpoints import (
    GPT_OSS,
    LLAMA,
    SIXTEEN_EXPERTS,
    gpt_oss_tensors,
    llama_tensors,
    write_checkpoint,
)

from hnlpu.bundle import read_manifest
from hnlpu.generator import GenerateOptions, generate
from hnlpu.grid import parse_grid
from hnlpu.link_plan import LinkOptions
from hnlpu.progress import Silent
from hnlpu.verification.chip import batch_step, check_chip, protocol_steps, sequence_steps
from hnlpu.verification.chip_run import ChipSimulation, idle, prompt, reset

pytestmark = [pytest.mark.cosim, pytest.mark.slow]

SHARED = Path(__file__).parents[2].parent / "shared" / "checkpoints"
#: Checkpoint, grid, links.
SYSTEMS = {
    "padded-dense": ("llama", "2x1", LinkOptions(width=11, latency=3, channel_depth=2)),
    "uneven-experts": ("gpt-oss", "1x2", LinkOptions(crc=True)),
    "adder_mini": ("adder_mini", "1x2", LinkOptions()),
    "adder2": ("adder2", "2x2", LinkOptions(latency=2)),
    "random": ("random", "4x4", LinkOptions()),
}


def source_of(name: str, folder: Path) -> Path:
    if name == "llama":
        return write_checkpoint(folder / name, LLAMA, llama_tensors(LLAMA))
    if name in ("gpt-oss", "random"):
        config = SIXTEEN_EXPERTS if name == "random" else GPT_OSS
        return write_checkpoint(folder / name, config, gpt_oss_tensors(config, 7))
    if not (SHARED / name).is_dir():
        pytest.skip(f"no checkpoint {name}")
    return SHARED / name


@pytest.fixture(scope="module", params=SYSTEMS)
def system(request, tmp_path_factory):
    """All chips of a model, four sequences at a time, whose streams can pause."""
    name, grid, link = SYSTEMS[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    quantize = "int4" if name == "llama" else None
    options = GenerateOptions(quantize, context=12, sequences=4, grid=parse_grid(grid), link=link)
    manifest = generate(source_of(name, folder), folder / "bundle", options)
    return manifest["model"]["vocab"], ChipSimulation(folder / "bundle", stalls=True)


def test_sixteen_sequences_equal_each_alone(system):
    """More sequences of random length than places, with pauses on all streams and on all links."""
    vocab, simulation = system
    steps = [
        *sequence_steps(vocab, 12, 2, 8, seed=1),
        reset(),
        batch_step(vocab, 12, 16, 8, seed=2),
        *protocol_steps(vocab),
    ]
    result = check_chip(simulation, steps, Silent())
    assert result["mismatches"] == result["wrong_tokens"] == result["protocol_failures"] == 0
    assert result["first_mismatch"] is None
    assert result["sequences"] >= 16 + 3
    assert result["vectors"] == result["tokens"] > 60
    if read_manifest(simulation.bundle)["chip"]["link"]["crc"]:
        assert result["link_errors"] > 1000


def test_a_wrong_constant_on_another_chip_is_found(system):
    vocab, simulation = system
    chip = list(simulation.chip["others"].values())[-1]
    window = next(w for w in chip["boot"] if w["block"] == "layer_0_v")
    address = f"{window['base'] + 1:08x}"
    image = (simulation.bundle / "boot" / "image.hex").read_text()
    word = next(line for line in image.splitlines() if line.startswith(address))
    wrong = f"{address}{int(word[8:], 16) ^ 1024:08x}"
    steps = [reset(), prompt([1, 2, 3]), idle(), *protocol_steps(vocab)]
    result = check_chip(simulation, steps, Silent(), image=image.replace(word, wrong))
    assert result["mismatches"] > 0
    assert result["first_mismatch"]["stream"] == "layer_0_o"
