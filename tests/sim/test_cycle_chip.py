"""The model of a chip's cycles by itself; ``tests/verification/test_cycles.py`` compares it with the RTL."""

import itertools

import numpy as np
import pytest
from checkpoints import GPT_OSS, LLAMA
from shapes import shape_plan

from hnlpu.chip_plan import HALF_TOKENS
from hnlpu.errors import HnlpuError
from hnlpu.host import LAST, Register
from hnlpu.sim.cycle_chip import MODELS, build, chip_layout
from hnlpu.sim.cycle_host import Look, Pausing, Request, Until
from hnlpu.sim.cycle_streams import Fifo
from hnlpu.sim.cycle_tokens import GivenText, GivenWorkload, Token


def given(chosen=((0, 1),)):
    """Sequences that never end, of tokens that all choose the same experts."""
    return GivenWorkload(lambda _: GivenText(itertools.repeat(Token(chosen))))


def ask(tokens, generate):
    """A driver: a prompt, then tokens until the last."""
    reply = yield Request(0, Register.LIMIT, generate)
    for i in range(tokens):
        last = LAST if i == tokens - 1 else 0
        reply = yield Request(reply.cycle + 1, Register.PROMPT, i % 10 | last)
    for _ in range(generate):
        reply = yield Until(reply.cycle, True)
        reply = yield Request(reply.cycle + 1, Register.TOKEN)


def test_one_token_by_hand():
    plan = shape_plan(LLAMA | {"num_hidden_layers": 1}, 32)
    chip = build(chip_layout(plan))
    chip.run(ask(1, 0), given(()))
    hidden, inner, head, vocab = 12, 34, 4, 10
    array = 36
    cycles = {name: (moved[0], moved[-1]) for name, moved in chip.cycles().items()}
    # LIMIT is taken in 0, PROMPT in 2, the token is there in 3.
    assert cycles["token"] == (3, 3)
    assert cycles["embedding"] == (4, 3 + hidden)
    norm = 3 + hidden + 6  # first element of the norm
    assert cycles["layer_0_attention_norm"] == (norm, norm + hidden - 1)
    feed = norm + hidden - 1 + 3
    assert cycles["layer_0_attention_norm_x"] == (feed, feed + hidden - 1)
    q = feed + hidden + array + 1
    assert cycles["layer_0_q"] == (q, q + hidden - 1)
    # The last key waits for half a head, and for all of its head in the quantizer.
    k_cache = q + head - 1 + 1 + head // 2 + 3
    assert cycles["layer_0_k_cache"] == (k_cache, k_cache + head - 1)
    collected = max(q + hidden - 1 + 1 + head // 2, k_cache + head - 1)
    first = collected + 2 + 2 * 1 + 6 + 19 + 1  # one position: keys, values, division, register
    heads = 3
    assert cycles["layer_0_attention"][0] == first
    assert cycles["layer_0_attention"][1] == first + (heads - 1) * (2 + head + 25) + head - 1
    assert len(chip.cycles()["layer_0_swiglu"]) == inner
    assert len(chip.cycles()["head_logits"]) == vocab
    assert cycles["sampled"][0] == cycles["head_logits"][1] + 2


def test_a_window_bounds_what_a_token_costs():
    chip = build(chip_layout(shape_plan(GPT_OSS, 64)))
    chip.run(ask(20, 0), given())
    windows = np.array(chip.cycles()["layer_0_attention"]).reshape(20, -1)
    # Tokens behind the first few, in pairs: what three places in front of attention let in comes in turns.
    pairs = np.diff(windows[7::2, 0])
    assert (pairs == pairs[0]).all()
    unbounded = shape_plan(GPT_OSS | {"sliding_window": 64}, 64)
    chip = build(chip_layout(unbounded))
    chip.run(ask(20, 0), given())
    grown = np.diff(np.array(chip.cycles()["layer_0_attention"]).reshape(20, -1)[7::2, 0])
    assert grown[-1] > grown[0]


def test_experts_decide_which_streams_move():
    chip = build(chip_layout(shape_plan(GPT_OSS, 64)))
    chip.run(ask(3, 0), given(((2, 0),)))
    beats = {e: len(chip.cycles()[f"layer_0_expert_{e}_down"]) for e in range(3)}
    assert beats == {0: 3 * 40, 1: 0, 2: 3 * 40}


def test_a_fifo_too_small_for_what_goes_around_is_a_deadlock():
    class Small(Fifo):
        def __init__(self, name, passage, *, depth):
            super().__init__(name, passage, depth=max(1, depth // (2 * HALF_TOKENS)))

    chip = build(chip_layout(shape_plan(LLAMA, 32)), models=MODELS | {"fifo": Small})
    with pytest.raises(HnlpuError, match="nothing can move") as error:
        chip.run(ask(1, 1), given(()))
    waits = error.value.got.split("; ")
    assert "layer_0_attention_fork waits for layer_0_attention_skip's x to be taken" in waits
    assert "layer_0_attention_skip waits for layer_0_attention_residual's x to be taken" in waits
    assert "layer_0_attention_norm waits for layer_0_attention_fork's y_0" in waits
    assert not any("host" in wait for wait in waits)


def test_a_driver_that_waits_for_nothing_is_told_so():
    def driver():
        yield Until(0, True)

    chip = build(chip_layout(shape_plan(LLAMA, 32)))
    with pytest.raises(HnlpuError, match="host waits for sampler's y") as error:
        chip.run(driver(), given(()))
    assert error.value.got.endswith("embedding waits for host's token")


def test_pauses_in_the_middle_are_refused():
    def driver():
        yield Request(0, Register.PROMPT, 1)
        yield Look(50)
        yield Pausing(50, True)

    chip = build(chip_layout(shape_plan(LLAMA, 32)), stalls=True)
    with pytest.raises(HnlpuError, match="while beats are on their way"):
        chip.run(driver(), given(()))
