"""Links between chips: every beat once and in order, cycles of the twin, errors and their repair."""

import random

import numpy as np
import pytest
from amaranth.hdl import Module, ResetInserter, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from links import LinkRun, random_ends, run_link
from lints import lint

from hnlpu.link_plan import CRC_BITS, LinkPlan
from hnlpu.rtl.link import Link, LinkReceiver, LinkSender, link_ends
from hnlpu.rtl.reliable_link import ReliableReceiver, ReliableSender
from hnlpu.rtl.wire import Wire
from hnlpu.sim.crc import crc_polynomial
from hnlpu.sim.link import link_times

SHAPES = [
    (8, 8, 1, 1),
    (8, 8, 3, 4),
    (20, 8, 2, 3),
    (20, 8, 2, 7),
    (33, 16, 5, 12),
    (64, 64, 10, 40),
    (5, 1, 2, 25),
]
ENDS = {"no-stall": (1.0, 1.0), "stalls": (0.9, 0.9), "long-stalls": (0.7, 0.5)}
MODES = pytest.mark.parametrize("crc", [False, True], ids=["plain", "crc"])


def words(plan: LinkPlan, n: int, rng: random.Random) -> list[int]:
    found = [rng.getrandbits(plan.payload_bits) for _ in range(n)]
    found[:2] = 0, (1 << plan.payload_bits) - 1
    return found


def differences(run: LinkRun, plan: LinkPlan, offered: list[int], ready: list[bool]) -> list[int]:
    """Beats whose cycles differ: taken, offered, received."""
    times = link_times(plan, np.array(offered), np.array(ready, dtype=bool))
    measured = run.taken, run.offered, run.received
    return [int(np.sum(np.array(m) != t)) for m, t in zip(measured, times, strict=True)]


@MODES
@pytest.mark.parametrize("ends", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_beat_in_the_cycle_of_the_twin(shape, ends, crc):
    plan, n = LinkPlan(*shape, crc=crc), 400
    rng = random.Random(repr((shape, ends)))
    payloads = words(plan, n, rng)
    offered, ready = random_ends(rng, n, 20 * n, *ends)
    run = run_link(Link(plan), payloads, offered, ready, limit=60 * n)
    assert run.payloads == payloads
    assert differences(run, plan, offered, ready) == [0, 0, 0]


@MODES
@pytest.mark.parametrize(
    "change", [(0, 8), (2, 1), (3, 4)], ids=["payload_bits", "latency", "depth"]
)
def test_another_link_has_other_cycles(change, crc):
    """The comparison can fail: one parameter of the twin differs."""
    shape = [20, 8, 2, 7]
    rng = random.Random(1)
    plan, n = LinkPlan(*shape, crc=crc), 100
    offered, ready = random_ends(rng, n, 20 * n, 0.9, 0.9)
    run = run_link(Link(plan), words(plan, n, rng), offered, ready, limit=60 * n)
    assert differences(run, plan, offered, ready) == [0, 0, 0]
    shape[change[0]] = change[1]
    other = LinkPlan(*shape, crc=crc)
    assert all(d > 0 for d in differences(run, other, offered, ready))


@MODES
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_rate_of_the_law(shape, crc):
    plan = LinkPlan(*shape, crc=crc)
    n = 10 * plan.beats + 20
    run = run_link(Link(plan), [1] * n, [0] * n, [], limit=60 * n)
    received = np.array(run.received)
    period = set((received[plan.beats :] - received[: -plan.beats])[-plan.beats :])
    assert period == {plan.beats / plan.beats_per_cycle}
    assert run.offered[0] - run.taken[0] == plan.latency_cycles


def random_flips(
    rng: random.Random, plan: LinkPlan, n: int, n_cycles: int
) -> dict[int, tuple[int, int]]:
    """``n`` errors in different cycles: one bit, a few anywhere, or a burst, on one wire or on both."""
    flips = {}
    for cycle in rng.sample(range(n_cycles), n):
        masks = []
        for n_bits in (plan.forward_bits, plan.reverse_bits):
            kind = rng.randrange(4)
            if kind < 2:
                mask = 1 << rng.randrange(n_bits)
            elif kind == 2:
                mask = sum(1 << i for i in rng.sample(range(n_bits), rng.randrange(2, 9)))
            else:
                burst = rng.getrandbits(16) | 1
                mask = burst << rng.randrange(n_bits) & ((1 << n_bits) - 1)
            masks.append(mask)
        which = rng.randrange(5)
        flips[cycle] = masks[0] * (which != 1 and which != 2), masks[1] * (which in (0, 1, 2))
    return flips


@pytest.mark.parametrize(
    ("shape", "n"), [((20, 8, 2, 12), 5_000), ((32, 32, 6, 16), 12_500)], ids=str
)
def test_a_thousand_errors(shape, n):
    """On words, on idle wires and on the way back, also several in one round trip."""
    plan, n_cycles = LinkPlan(*shape, crc=True), 24_000
    rng = random.Random(repr(shape))
    flips = random_flips(rng, plan, 1_000, n_cycles)
    payloads = words(plan, n, rng)
    offered, ready = random_ends(rng, n, 2 * n_cycles, 0.97, 0.8)
    run = run_link(Link(plan), payloads, offered, ready, flips=flips, limit=4 * n_cycles)
    forward = sum(f != 0 for f, _ in flips.values())
    reverse = sum(r != 0 for _, r in flips.values())
    print(
        f"{len(flips)} errors, {forward} forward ({run.words_hit} on a word), {reverse} reverse; "
        f"{len(run.payloads)} beats in {run.cycles} cycles"
    )
    assert run.payloads == payloads
    assert run.received[-1] > max(flips), "the run ended before the last error"
    assert len(flips) == 1_000 and run.words_hit > 200 and forward > 300 and reverse > 300
    # The errors cost time: there was something to repair.
    times = link_times(plan, np.array(offered), np.array(ready))
    assert run.received[-1] > times.received[-1]


@pytest.mark.parametrize("shape", [(8, 8, 1, 4), (20, 8, 4, 12)], ids=str)
def test_time_of_a_repair(shape):
    """NAK: the wrong word's place, there and back. A lost word that none follows: the timeout."""
    plan = LinkPlan(*shape, crc=True)
    offered = [0, 100]
    first = word_cycle(plan, 0) + 100
    for word in range(plan.words):
        # The second data bit; valid of the word, and of those that follow it.
        nak = {first + word: (2 << CRC_BITS + 1, 0)}
        silence = {first + i: (1 << CRC_BITS, 0) for i in range(word, plan.words)}
        for flips, delay in ((nak, 2 * plan.latency + 7 + word), (silence, plan.timeout + 2)):
            run = run_link(Link(plan), [1, 2], offered, [], flips=flips, limit=400)
            assert run.payloads == [1, 2]
            assert run.words_hit == len(flips)
            assert run.offered[1] - run.taken[1] == plan.latency_cycles + delay


def test_a_wire_cut_for_a_while():
    plan = LinkPlan(20, 8, 2, 12, crc=True)
    rng = random.Random(9)
    payloads = words(plan, 300, rng)
    everything = (1 << plan.forward_bits) - 1, (1 << plan.reverse_bits) - 1
    flips = {c: (everything[0], 0) for c in range(100, 400)}
    flips |= {c: (0, everything[1]) for c in range(600, 900)}
    flips |= {c: (rng.getrandbits(20) << 3, rng.getrandbits(12)) for c in range(1200, 1500)}
    run = run_link(Link(plan), payloads, [0] * 300, [], flips=flips, limit=10_000)
    assert run.payloads == payloads
    assert max(np.diff(run.received)) > 290


def word_cycle(plan: LinkPlan, k: int) -> int:
    """Cycle in which the first word of beat ``k`` leaves, when ends never wait and words do not."""
    return int(link_times(plan, np.zeros(k + 1, dtype=np.int64)).taken[k]) + (3 if plan.crc else 1)


@pytest.mark.parametrize("bit", [0, 1, 8], ids=["valid", "data", "last-data"])
def test_without_crc_an_error_corrupts(bit):
    """What the reliable link repairs is an error indeed."""
    shape, rng = (8, 8, 2, 4), random.Random(5)
    payloads = [rng.getrandbits(8) for _ in range(60)]
    for crc in (False, True):
        dut = Link(plan := LinkPlan(*shape, crc=crc))
        flips = {word_cycle(plan, 20): (1 << bit + CRC_BITS * crc, 0)}
        run = run_link(dut, payloads, [0] * 60, [], flips=flips, limit=900)
        assert run.words_hit == 1
        assert (run.payloads == payloads) == crc


def test_without_crc_a_lost_credit_is_lost():
    plan = LinkPlan(8, 8, 2, 1)
    lost = run_link(Link(plan), [1] * 20, [0] * 20, [], limit=400)
    credit = lost.received[4] + 1
    run = run_link(Link(plan), [1] * 20, [0] * 20, [], flips={credit: (0, 1)}, limit=400)
    assert (len(lost.payloads), len(run.payloads)) == (20, 5)


def test_an_error_that_the_checksum_cannot_see():
    """Flips that are a multiple of the polynomial: delivered, and wrong. Nothing hides it."""
    plan = LinkPlan(8, 8, 2, 4, crc=True)
    unseen = (0x10000 + crc_polynomial(plan.forward_bits - CRC_BITS)) << 1  # 17: the first data bit
    rng = random.Random(5)
    payloads = [rng.getrandbits(8) for _ in range(60)]
    for mask, wrong in ((unseen, 1), (unseen ^ 2, 0)):
        flips = {word_cycle(plan, 20): (mask, 0)}
        run = run_link(Link(plan), payloads, [0] * 60, [], flips=flips, limit=900)
        assert run.words_hit == 1
        assert sum(a != b for a, b in zip(run.payloads, payloads, strict=True)) == wrong


class Late(wiring.Component):
    """A link one of whose ends leaves reset later than the other."""

    def __init__(self, plan: LinkPlan, late: str, n_cycles: int) -> None:
        self.plan, self.late, self.n_cycles = plan, late, n_cycles
        signature = stream.Signature(plan.payload_bits)
        super().__init__({"x": In(signature), "y": Out(signature)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan = self.plan
        count, hold = Signal(range(self.n_cycles + 1)), Signal()
        m.d.comb += hold.eq(count != self.n_cycles)
        m.d.sync += count.eq(count + hold)
        sender, receiver = (kind(plan) for kind in link_ends(plan))
        m.submodules.wire = wire = Wire(plan.forward_bits, plan.reverse_bits, plan.latency)
        for name, end in (("sender", sender), ("receiver", receiver)):
            m.submodules[name] = ResetInserter(hold)(end) if name == self.late else end
        wiring.connect(m, receiver.y, wiring.flipped(self.y))
        m.d.comb += [
            sender.x.payload.eq(self.x.payload),
            # A chip in reset takes nothing.
            sender.x.valid.eq(self.x.valid & ~(hold & (self.late == "sender"))),
            self.x.ready.eq(sender.x.ready & ~(hold & (self.late == "sender"))),
            wire.forward_x.eq(sender.forward),
            receiver.forward.eq(wire.forward_y),
            wire.reverse_x.eq(receiver.reverse),
            sender.reverse.eq(wire.reverse_y),
        ]
        return m


@pytest.mark.parametrize("late", ["sender", "receiver"])
def test_ends_that_leave_reset_at_different_times(late):
    """The reliable link needs no common reset; the plain one loses what comes before its receiver is there."""
    payloads = list(range(40))
    found = {}
    for crc in (False, True):
        dut = Late(LinkPlan(8, 8, 2, 4, crc=crc), late, 50)
        found[crc] = run_link(dut, payloads, [0] * 40, [], limit=800).payloads
    assert found[True] == payloads
    assert (found[False] == payloads) == (late == "sender")


BLOCKS = [
    (LinkSender, (LinkPlan(20, 8, 2, 7),)),
    (LinkSender, (LinkPlan(8, 8, 1, 1),)),
    (LinkReceiver, (LinkPlan(20, 8, 2, 7),)),
    (LinkReceiver, (LinkPlan(8, 8, 1, 1),)),
    (ReliableSender, (LinkPlan(20, 8, 2, 7, crc=True),)),
    (ReliableSender, (LinkPlan(8, 8, 1, 1, crc=True),)),
    (ReliableReceiver, (LinkPlan(20, 8, 2, 7, crc=True),)),
    (ReliableReceiver, (LinkPlan(8, 8, 1, 1, crc=True),)),
    (Wire, (9, 1, 3)),
    (Link, (LinkPlan(33, 16, 5, 12),)),
    (Link, (LinkPlan(33, 16, 5, 12, crc=True),)),
]


@pytest.mark.parametrize(("kind", "parameters"), BLOCKS, ids=[k(*p).module_name for k, p in BLOCKS])
def test_verilator_says_nothing(kind, parameters, tmp_path):
    assert lint(tmp_path, kind, *parameters) == ""


def test_distinct_blocks_have_distinct_names():
    assert len({kind(*parameters).module_name for kind, parameters in BLOCKS}) == len(BLOCKS)
