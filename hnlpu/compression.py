"""Compression: the adder cells that count the bits of a row, planned so that they can be wired.

A row is a strip: its input bits arrive along it, and the wires that run along it are few. The plan is
made by walking the strip from both ends towards the middle. Bits that wait to be added are *pending*;
each is one wire across the strip, so the number pending is the number of tracks in use, and it never
exceeds a given budget as long as the budget can hold one bit of each weight. Two rules decide:

    three pending bits of equal weight, polarity and about equal depth   are added at once
    more pending than tracks                                             the shallowest are added anyway

The first makes trees, which are shallow; the second turns them, where tracks are scarce, into chains.

The full adder of 24 transistors (a mirror adder without output inverters) delivers both outputs
inverted. The function is self-dual: with all inputs inverted its outputs are true. Bits therefore carry
a polarity, adders take bits of one polarity, and an inverter is spent where that is not possible. Where
an input may come in either polarity (a tap has both at hand), the plan chooses.

Every full adder removes one bit, so any plan has ``inputs - outputs`` of them; plans differ in
depth, in tracks, and in the few half adders and inverters.

Contract (checked by ``tests/test_compression.py``): the outputs weigh what the inputs weigh, for every
input; no more tracks than told.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

__all__ = ["SLACKS", "Adder", "Compression", "Input", "Register", "compress"]

Polarity = Literal[-1, 1]
#: Depths by which bits may differ to be added without need; the cheapest plan is taken.
SLACKS = (0, 1, 2, 3, 5)


@dataclass(frozen=True, slots=True)
class Input:
    """A bit that enters a row.

    Attributes
    ----------
    column : int
        It weighs ``2**column``.
    free : bool
        It may be wired in either polarity; the plan chooses.
    depth : int
        Adders passed already.
    group : int
        Neighbours of one group stay in one segment.
    """

    column: int
    free: bool = False
    depth: int = 0
    group: int = -1


@dataclass(frozen=True, slots=True)
class Adder:
    """A full adder (three inputs) or half adder (two).

    Attributes
    ----------
    column : int
    inputs : tuple of int
        Bits; ``inverted[i]`` tells of an inverter before input ``i``.
    inverted : tuple of bool
    sum, carry : int
        The bits it makes; the carry belongs to ``column + 1``.
    inverting : bool
        The 24-transistor kind: outputs are the complements of sum and carry.
    """

    column: int
    inputs: tuple[int, ...]
    inverted: tuple[bool, ...]
    sum: int
    carry: int
    inverting: bool


@dataclass(frozen=True, slots=True)
class Register:
    """A flip-flop at a cut: ``output`` is ``input`` one cycle later."""

    input: int
    output: int


@dataclass(frozen=True, slots=True, eq=False)
class Compression:
    """Adders of a row in topological order.

    Attributes
    ----------
    n_inputs : int
        Bits 0 .. n_inputs - 1 are the inputs, in strip order.
    polarity : tuple of int
        Of every bit: 1 true, -1 the wire carries the complement.
    steps : tuple of Adder or Register
    outputs : tuple of (int or None)
        One bit per column, None where nothing can be set.
    tracks, mean_tracks : int, float
        Most wires across the strip at any place, and their mean.
    depth : int
        Adders in series, most between registers.
    segment : tuple of int
        Of every input, the register cuts before it: it must arrive that many cycles later.
    n_cuts : int
        Registers that a bit of segment 0 passes.
    """

    n_inputs: int
    polarity: tuple[int, ...]
    steps: tuple[Adder | Register, ...]
    outputs: tuple[int | None, ...]
    tracks: int
    mean_tracks: float
    depth: int
    segment: tuple[int, ...]
    n_cuts: int

    @property
    def adders(self) -> list[Adder]:
        return [step for step in self.steps if isinstance(step, Adder)]

    @property
    def n_full_adders(self) -> int:
        return sum(len(adder.inputs) == 3 for adder in self.adders)

    @property
    def n_half_adders(self) -> int:
        return sum(len(adder.inputs) == 2 for adder in self.adders)

    @property
    def n_inverters(self) -> int:
        """Before adders and behind the outputs."""
        behind = sum(bit is not None and self.polarity[bit] < 0 for bit in self.outputs)
        return behind + sum(sum(adder.inverted) for adder in self.adders)

    @property
    def cost(self) -> int:
        """Transistors, roughly: what plans are compared by."""
        full = sum(24 if a.inverting else 28 for a in self.adders if len(a.inputs) == 3)
        return full + 14 * self.n_half_adders + 2 * self.n_inverters + 24 * self.n_registers

    @property
    def n_registers(self) -> int:
        return sum(isinstance(step, Register) for step in self.steps)


class _Builder:
    def __init__(
        self, inputs: Sequence[Input], n_columns: int, inverting: bool, slack: int
    ) -> None:
        self.inverting = inverting
        self.n_columns = n_columns
        self.free = [bit.free and inverting for bit in inputs]
        self.polarity = [1] * len(inputs)
        self.slack = slack
        self.depth = [bit.depth for bit in inputs]
        self.steps: list[Adder | Register] = []
        self.pending: list[list[int]] = [[] for _ in range(n_columns)]
        self.n_pending = 0
        self.deepest = 0
        self.changed: set[int] = set()  # columns that ``settle`` must look at

    def add(self, bit: int, column: int) -> None:
        if column < self.n_columns:  # a carry beyond is never set
            self.pending[column].append(bit)
            self.n_pending += 1
            self.changed.add(column)

    def _new(self, polarity: int, depth: int) -> int:
        self.polarity.append(polarity)
        self.free.append(False)
        self.depth.append(depth)
        self.deepest = max(self.deepest, depth)
        return len(self.polarity) - 1

    def combine(self, column: int, bits: Sequence[int]) -> None:
        """Add two or three pending bits of ``column``."""
        for bit in bits:
            self.pending[column].remove(bit)
        self.n_pending -= len(bits)
        inverting = self.inverting and len(bits) == 3
        fixed = [self.polarity[bit] for bit in bits if not self.free[bit]]
        wanted = -1 if inverting and fixed.count(-1) > fixed.count(1) else 1
        for bit in bits:
            if self.free[bit]:
                self.polarity[bit], self.free[bit] = wanted, False
        depth = 1 + max(self.depth[bit] for bit in bits)
        made = -wanted if inverting else 1
        inverted = tuple(self.polarity[bit] != wanted for bit in bits)
        total, carry = self._new(made, depth), self._new(made, depth)
        self.steps.append(Adder(column, tuple(bits), inverted, total, carry, inverting))
        self.add(total, column)
        self.add(carry, column + 1)

    def _triple(self, column: int, *, mixed: bool) -> list[int] | None:
        """The three shallowest bits that an adder takes, of one polarity unless ``mixed``."""
        bits = sorted(self.pending[column], key=lambda bit: self.depth[bit])
        if mixed:
            return bits[:3] if len(bits) >= 3 else None
        for polarity in (1, -1):
            same = [bit for bit in bits if self.free[bit] or self.polarity[bit] == polarity]
            if len(same) >= 3:
                return same[:3]
        return None

    def settle(self, budget: int) -> None:
        """Apply both rules."""
        while self.changed:
            column = min(self.changed)
            bits = self._triple(column, mixed=False)
            if bits and self.depth[bits[2]] - self.depth[bits[0]] <= self.slack:
                self.combine(column, bits)
            else:
                self.changed.remove(column)
        while self.n_pending > budget:
            found = [
                (mixed, max(self.depth[bit] for bit in bits), column, bits)
                for column in range(self.n_columns)
                for mixed in (False, True)
                if (bits := self._triple(column, mixed=mixed))
            ]
            if found:
                _, _, column, bits = min(found)
                self.combine(column, bits)
                continue
            # No column holds three. A half adder moves a bit up, to where it completes three.
            pairs = [
                column
                for column in range(self.n_columns - 1)
                if len(self.pending[column]) == 2 and len(self.pending[column + 1]) == 2
            ]
            if not pairs:
                return
            self.combine(pairs[-1], list(self.pending[pairs[-1]]))

    def cut(self) -> None:
        """Register everything pending."""
        self.changed.update(range(self.n_columns))
        for column in self.pending:
            for i, bit in enumerate(column):
                self.free[bit] = False
                new = self._new(self.polarity[bit], 0)
                self.steps.append(Register(bit, new))
                column[i] = new

    def finish(self) -> tuple[int | None, ...]:
        """Add until every column holds one bit at most, lowest column first."""
        for column in range(self.n_columns):
            while len(self.pending[column]) > 1:
                bits = self._triple(column, mixed=False) or self._triple(column, mixed=True)
                self.combine(column, bits or list(self.pending[column]))
        return tuple(column[0] if column else None for column in self.pending)


def _group_ends(groups: Sequence[int]) -> list[int]:
    """Where one may cut: after how many inputs a group (or an input without one) ends."""
    return [
        i + 1
        for i, group in enumerate(groups)
        if i + 1 == len(groups) or group < 0 or groups[i + 1] != group
    ]


@lru_cache(maxsize=256)
def compress(
    inputs: tuple[Input, ...],
    *,
    n_columns: int,
    tracks: int,
    reserved: int = 0,
    n_cuts: int = 0,
    inverting: bool = True,
    two_sided: bool = True,
    slacks: tuple[int, ...] = SLACKS,
) -> Compression:
    """Plan the adders of a row.

    Parameters
    ----------
    inputs : tuple of Input
        In the order in which they stand along the strip.
    n_columns : int
        Bits of the sum; it must hold the greatest one.
    tracks : int
        Wires that may cross the strip anywhere.
    reserved : int
        Tracks that are taken between groups, by what stands there (a superblock's own adders).
    n_cuts : int
        Register cuts on the way to the middle; each half is divided into as many segments of equal
        length, and the bits of segment ``j`` must arrive ``j`` cycles after those of segment 0.
    inverting : bool
        Use the 24-transistor full adder.
    two_sided : bool
        Walk from both ends; else from the left to the right.
    slacks : tuple of int
        Depths by which bits may differ to be added without need; one plan is made for each.

    Returns
    -------
    Compression
    """
    plans = [
        _compress(inputs, n_columns, tracks, reserved, n_cuts, inverting, two_sided, slack)
        for slack in slacks
    ]
    return min(plans, key=lambda plan: (max(plan.tracks, tracks), plan.cost, plan.depth))


def _compress(
    inputs: tuple[Input, ...],
    n_columns: int,
    tracks: int,
    reserved: int,
    n_cuts: int,
    inverting: bool,
    two_sided: bool,
    slack: int,
) -> Compression:
    n = len(inputs)
    build = _Builder(inputs, n_columns, inverting, slack)
    half = (n + 1) // 2 if two_sided else n
    sides = (range(half), range(n - 1, half - 1, -1))
    segment = [0] * n
    used: list[int] = []
    waiting: list[list[list[int]]] = []
    for side in sides:
        build.pending = [[] for _ in range(n_columns)]
        build.n_pending = 0
        ends = _group_ends([inputs[bit].group for bit in side])
        bounds = [([0, *ends])[len(ends) * (cut + 1) // n_cuts] for cut in range(n_cuts)]
        for i, bit in enumerate(side):
            segment[bit] = sum(bound <= i for bound in bounds)
            build.add(bit, inputs[bit].column)
            taken = reserved if i + 1 in ends else 0
            build.settle(max(1, tracks - taken))
            used.append(build.n_pending + taken)
            for _ in range(bounds.count(i + 1)):
                build.cut()
        waiting.append(build.pending)
    build.pending = [[bit for side in waiting for bit in side[c]] for c in range(n_columns)]
    build.n_pending = sum(map(len, build.pending))
    outputs = build.finish()
    return Compression(
        n_inputs=n,
        polarity=tuple(build.polarity),
        steps=tuple(build.steps),
        outputs=outputs,
        tracks=max(used, default=0),
        mean_tracks=sum(used) / len(used) if used else 0.0,
        depth=build.deepest,
        segment=tuple(segment),
        n_cuts=n_cuts,
    )
