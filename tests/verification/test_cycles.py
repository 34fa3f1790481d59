"""The cycle of every beat of every stream of whole chips on Verilator, beside the model's."""

import math
import os

import pytest
from chips import cycles_beside_model, gpt_oss_chip, llama_chip, prompts_and_jobs

from hnlpu.generator import GenerateOptions, generate
from hnlpu.host import LAST, Register
from hnlpu.sim.cycle_arrays import Array
from hnlpu.sim.cycle_chip import MODELS
from hnlpu.sim.cycle_host import Host
from hnlpu.sim.cycle_vectors import Norm
from hnlpu.verification.chip import batch_step, protocol_steps, sequence_steps
from hnlpu.verification.chip_run import ChipSimulation, idle, prompt, reset, stall, wait, write
from hnlpu.verification.cycles import predict_cycles

pytestmark = [pytest.mark.cosim, pytest.mark.slow]

PAUSES = stall()


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Where compiled arrays and chips are kept: the caller's cache, if it is named, else one of these tests."""
    with pytest.MonkeyPatch.context() as patch:
        if "HNLPU_CACHE" not in os.environ:
            patch.setenv("HNLPU_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def experts(cache, tmp_path_factory):
    """A gpt-oss chip: a layer with three experts of which two are taken, a window of 4."""
    return ChipSimulation(gpt_oss_chip(tmp_path_factory.mktemp("experts")), stalls=True)


@pytest.fixture(scope="module")
def dense(cache, tmp_path_factory):
    """A Llama chip of two layers that works on three sequences."""
    bundle = llama_chip(tmp_path_factory.mktemp("dense"), context=24, sequences=3)
    return ChipSimulation(bundle, stalls=True)


def is_exact(simulation, steps):
    found = cycles_beside_model(simulation, steps)
    assert found.streams == len(simulation.streams)
    assert found.beats > 0
    return not found.differences


@pytest.mark.parametrize("pauses", [[], [PAUSES]], ids=["no-stall", "stalls"])
def test_experts_and_windows(experts, pauses):
    steps = [*pauses, reset(), prompt([3, 1, 4, 1, 5, 9], 6), idle()]
    assert is_exact(experts, steps)


def test_resets_refusals_and_the_end_of_the_context(experts):
    steps = sequence_steps(12, 12, 4, 8, seed=1)
    steps += [reset(), prompt(range(12)), idle(), write(Register.PROMPT, 0)]
    assert is_exact(experts, [*steps, *protocol_steps(12)])


@pytest.mark.parametrize("pauses", [[], [PAUSES]], ids=["no-stall", "stalls"])
def test_a_sequence_after_the_other(dense, pauses):
    assert is_exact(
        dense, [*pauses, *sequence_steps(10, 24, 4, 9, seed=2), stall(on=False), reset()]
    )


@pytest.mark.parametrize("seed", [3, 4])
@pytest.mark.parametrize("pauses", [[], [PAUSES]], ids=["no-stall", "stalls"])
def test_continuous_batching(dense, pauses, seed):
    assert is_exact(dense, [*pauses, batch_step(10, 24, 12, 9, seed), idle()])


def test_sampling_with_a_temperature(dense):
    steps = [
        reset(), write(Register.TEMPERATURE, round(math.log2(math.e) * 4096 / 1.5)),
        write(Register.TOP_K, 5), write(Register.SEED, 77), prompt([2, 7], 9), idle(),
    ]  # fmt: skip
    assert is_exact(dense, steps)


def test_a_stop_token_and_a_host_that_reads_late(dense):
    begin = [reset(), write(Register.LIMIT, 8), write(Register.PROMPT, 3 | LAST)]
    # Two tokens wait to be read, the third is held until one is.
    late = [*begin, wait(30_000), {"kind": "tokens", "count": 8}, idle()]
    tokens = predict_cycles(dense.bundle, late, stalls=True).passage.tokens
    assert is_exact(dense, late)
    last = tokens[4].sampled
    n = 1 + [token.sampled for token in tokens].index(last)
    stop = [
        reset(),
        write(Register.STOP, LAST | last),
        *begin,
        {"kind": "tokens", "count": 8},
        idle(),
    ]
    assert len(predict_cycles(dense.bundle, stop, stalls=True).passage.tokens) == n
    assert is_exact(dense, stop)


class _SlowNorm(Norm):
    thinks = Norm.thinks + 1


class _FastArray(Array):
    def __init__(self, *given, **parameters):
        super().__init__(*given, **parameters)
        self.result_after -= 1


class _PromptsFirst(Host):
    def _cycle(self, *given):
        self._prompt_turn = True
        return super()._cycle(*given)


@pytest.mark.parametrize(
    ("kind", "model", "stream"),
    [
        ("norm", _SlowNorm, "layer_0_attention_norm"),
        ("array", _FastArray, "layer_0_q"),
    ],
)
def test_a_cycle_too_many_is_found_and_named(experts, kind, model, stream):
    steps = [reset(), prompt([3, 1, 4]), idle()]
    found = cycles_beside_model(experts, steps, models=MODELS | {kind: model})
    first = found.differences[0]
    assert abs(first.expected - first.got) == 1
    assert (first.stream, first.first) == (stream, 0)
    sampled = next(d for d in found.differences if d.stream == "sampled")
    assert sampled.beats == 3


def test_another_order_of_tokens_is_found(dense):
    steps = [batch_step(10, 24, 12, 9, 3), idle()]
    found = cycles_beside_model(dense, steps, models=MODELS | {"host": _PromptsFirst})
    assert found.differences
    assert found.differences[0].stream == "layer_0_attention"  # sees other positions


def _adder(shared_checkpoint, folder, name, **options):
    options = GenerateOptions(**{"context": 64, **options})
    generate(shared_checkpoint(name), folder / "bundle", options)
    return ChipSimulation(folder / "bundle", stalls=True)


@pytest.mark.parametrize("sequences", [1, 3])
def test_adder_mini(cache, shared_checkpoint, tmp_path, sequences):
    chip = _adder(shared_checkpoint, tmp_path, "adder_mini", sequences=sequences)
    for seed, pauses in enumerate(([], [PAUSES])):
        assert is_exact(chip, [*pauses, *prompts_and_jobs(64, sequences, seed)])


def test_adder2(cache, shared_checkpoint, tmp_path):
    chip = _adder(shared_checkpoint, tmp_path, "adder2")
    for seed, pauses in enumerate(([], [PAUSES])):
        assert is_exact(chip, [*pauses, *prompts_and_jobs(64, 1, seed)])
