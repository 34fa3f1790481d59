"""Grids of chips on Verilator: the single chip's bits and the model's cycles, whatever stalls, and checks that can fail."""

import os
from contextlib import nullcontext

import pytest
from checkpoints import SIXTEEN_EXPERTS
from chips import cycles_beside_model, gpt_oss_chip, llama_chip, prompts_and_jobs

from hnlpu.bundle import read_manifest
from hnlpu.errors import HnlpuError
from hnlpu.generator import GenerateOptions, generate
from hnlpu.grid import parse_grid
from hnlpu.link_plan import LinkOptions
from hnlpu.progress import Silent
from hnlpu.sim.cycle_channels import Channels
from hnlpu.sim.cycle_chip import MODELS
from hnlpu.verification.chip import batch_step, check_chip, protocol_steps, sequence_steps
from hnlpu.verification.chip_run import ChipSimulation, glitch, idle, prompt, reset, stall
from hnlpu.verification.cycles import predict_cycles

pytestmark = [pytest.mark.cosim, pytest.mark.slow]

#: Grid, context, links: padded slices with narrow links, chips without the experts of a token and links that repair
#: errors, a column's heads on two chips, rows and columns, a larger grid.
GRIDS = {
    "padded-dense": ("2x1", 12, LinkOptions(width=11, latency=3, channel_depth=2)),
    "uneven-experts": ("1x2", 12, LinkOptions(crc=True)),
    "adder_mini": ("1x2", 64, LinkOptions()),
    "adder2": ("2x2", 64, LinkOptions(latency=2)),
    "sixteen-experts": ("4x4", 12, LinkOptions()),
}


@pytest.fixture(scope="module", params=GRIDS)
def grid(request, shared_checkpoint, tmp_path_factory):
    """All chips of a model, four sequences at a time, whose streams can pause; vocabulary and context."""
    name = request.param
    shape, context, link = GRIDS[name]
    options = {"context": context, "sequences": 4, "grid": parse_grid(shape), "link": link}
    folder = tmp_path_factory.mktemp(name)
    with pytest.MonkeyPatch.context() as patch:
        if "HNLPU_CACHE" not in os.environ:
            patch.setenv("HNLPU_CACHE", str(folder / "cache"))
        if name.startswith("adder"):
            bundle = folder / "bundle"
            generate(shared_checkpoint(name), bundle, GenerateOptions(**options))
        elif name == "padded-dense":
            bundle = llama_chip(folder, **options)
        else:
            config = {"config": SIXTEEN_EXPERTS} if name == "sixteen-experts" else {}
            bundle = gpt_oss_chip(folder, **config, **options)
        simulation = ChipSimulation(bundle, stalls=True)
    return simulation, read_manifest(bundle)["model"]["vocab"], context


def test_sixteen_sequences_equal_each_alone(grid):
    """More sequences of random length than places, with pauses on all streams and on all links."""
    simulation, vocab, context = grid
    steps = [
        *sequence_steps(vocab, context, 2, 8, seed=1),
        reset(),
        batch_step(vocab, context, 16, 8, seed=2),
        *protocol_steps(vocab),
    ]
    result = check_chip(simulation, steps, Silent())
    print(result)
    assert result["mismatches"] == result["wrong_tokens"] == result["protocol_failures"] == 0
    assert result["first_mismatch"] is None
    assert result["sequences"] >= 16 + 3
    assert result["vectors"] == result["tokens"] > 60
    if read_manifest(simulation.bundle)["chip"]["link"]["crc"]:
        assert result["link_errors"] > 1000


def test_a_wrong_constant_on_another_chip_is_found(grid):
    simulation, vocab, _ = grid
    chip = list(simulation.chip["others"].values())[-1]
    window = next(w for w in chip["boot"] if w["block"] == "layer_0_v")
    address = f"{window['base'] + 1:08x}"
    image = (simulation.bundle / "boot" / "image.hex").read_text()
    word = next(line for line in image.splitlines() if line.startswith(address))
    wrong = f"{address}{int(word[8:], 16) ^ 1024:08x}"
    # Long enough that every row of chips has seen values of its own.
    steps = [reset(), prompt([1, 2, 3, 4, 5, 6]), idle(), *protocol_steps(vocab)]
    result = check_chip(simulation, steps, Silent(), image=image.replace(word, wrong))
    assert result["mismatches"] > 0
    assert result["first_mismatch"]["stream"] == "layer_0_o"


@pytest.mark.parametrize("pauses", [False, True], ids=["no-stall", "stalls"])
def test_every_beat_of_every_chip_in_its_cycle(grid, pauses):
    """Prompts one after the other, then more jobs of random length than places for them."""
    simulation, vocab, context = grid
    steps = [stall(on=pauses), *prompts_and_jobs(vocab, 4, int(pauses), context)]
    found = cycles_beside_model(simulation, steps)
    assert found.streams == len(simulation.streams)
    assert found.beats > 0
    assert not found.differences


def test_links_that_err_are_not_predicted(grid):
    simulation, _, _ = grid
    crc = read_manifest(simulation.bundle)["chip"]["link"]["crc"]
    with pytest.raises(HnlpuError, match="links that err") if crc else nullcontext():
        predict_cycles(simulation.bundle, [glitch(), reset()], stalls=True)


class _FirstChannelFirst(Channels):
    """Has no turns: the first channel that waits is sent."""

    def _in_turn(self, there, cycle, turn):
        return super()._in_turn(there, cycle, -1)


def test_channels_without_turns_are_found(grid):
    simulation, vocab, context = grid
    steps = prompts_and_jobs(vocab, 4, 0, context)
    models = MODELS | {"channels": _FirstChannelFirst}
    found = cycles_beside_model(simulation, steps, models=models)
    earliest = min(min(d.expected, d.got) for d in found.differences if d.expected and d.got)
    first = {d.stream for d in found.differences if earliest in (d.expected, d.got)}
    assert any(name.endswith("_tx") or "_to_r" in name for name in first), first
    # Nothing before the channels differs: what they send, and the copy that stays here in step with it.
    assert all(name.endswith(("_tx", "_mine")) or "_to_r" in name for name in first), first
