"""Cycles of the blocks that follow the routes of a token: merge, weighted sum, and which experts are on this chip.

Routes of every expert pass ``Pick`` or ``Claim`` where experts lie on several chips; with ``own`` the blocks behind see
the chip's own experts only, numbered from 0.
"""

from hnlpu.sim.cycle_tokens import Passage
from hnlpu.sim.network import Block, Process

__all__ = ["Blend", "Claim", "Combine", "Merge", "Pick"]


class _Routed(Block):
    """Vectors of ``length`` elements of the experts of ``layer``."""

    def __init__(
        self, name: str, passage: Passage, *, layer: int, length: int, own: range | None = None
    ) -> None:
        super().__init__(name)
        self.passage, self.layer, self.length, self.own = passage, layer, length, own


class Merge(_Routed):
    """The experts' vectors in the order of the routes."""

    def process(self) -> Process:
        select, y = self.inputs["select"], self.outputs["y"]
        experts = self.passage.experts(self.layer, self.own)
        gone = 0
        while True:
            if select.offered < 0:
                yield select.offering
            selected = select.offered
            x = self.inputs[f"x_{next(experts)[0]}"]
            for left in reversed(range(self.length)):
                if x.offered < 0:
                    yield x.offering
                cycle = max(selected, x.offered, gone)
                x.take(cycle)
                if not left:
                    select.take(cycle)
                gone = y.give(cycle + 1)
                if gone < 0:
                    yield y.gone
                    gone = y.moved[-1]


class Combine(_Routed):
    """Weighted sum over the experts of a token: only the elements of its last expert give results."""

    def process(self) -> Process:
        x, weights, y = self.inputs["x"], self.inputs["weights"], self.outputs["y"]
        experts = self.passage.experts(self.layer)
        gone = 0
        while True:
            if weights.offered < 0:
                yield weights.offering
            weighted = weights.offered
            gives = next(experts)[1]
            for left in reversed(range(self.length)):
                if x.offered < 0:
                    yield x.offering
                cycle = max(weighted, x.offered)
                if gives and gone > cycle:
                    cycle = gone
                x.take(cycle)
                if not left:
                    weights.take(cycle)
                if gives:
                    gone = y.give(cycle + 1)
                    if gone < 0:
                        yield y.gone
                        gone = y.moved[-1]


class Blend(_Routed):
    """The same without a register: an element goes in when its result goes out. A token may have no expert here."""

    def process(self) -> Process:
        x, weights, y = self.inputs["x"], self.inputs["weights"], self.outputs["y"]
        tokens = 0
        while True:
            if weights.offered < 0:
                yield weights.offering
            lasts = [last for _, last in self.passage.of_token(tokens, self.layer, self.own)]
            tokens += 1
            for last in lasts or [True]:
                if weights.offered < 0:
                    yield weights.offering
                cycle = weights.offered
                for _ in range(self.length):
                    if lasts:
                        if x.offered < 0:
                            yield x.offering
                        cycle = max(cycle, x.offered)
                    if last:
                        gone = y.give(cycle)
                        if gone < 0:
                            yield y.gone
                            gone = y.moved[-1]
                        cycle = gone
                    if lasts:
                        x.take(cycle)
                    cycle += 1
                weights.take(cycle - 1)


class _Routes(Block):
    """Routes of all experts of ``layer``, of which some are ``own``."""

    def __init__(self, name: str, passage: Passage, *, layer: int, own: range) -> None:
        super().__init__(name)
        self.passage, self.layer, self.own = passage, layer, own


class Pick(_Routes):
    """Lets the own ones through, and drops the others at once. Nothing is stored."""

    def process(self) -> Process:
        x, y = self.inputs["x"], self.outputs["y"]
        experts = self.passage.experts(self.layer)
        while True:
            if x.offered < 0:
                yield x.offering
            cycle = x.offered
            if next(experts)[0] in self.own:
                cycle = y.give(cycle)
                if cycle < 0:
                    yield y.gone
                    cycle = y.moved[-1]
            x.take(cycle)


class Claim(_Routes):
    """The same, each held until the next own one or the token's end is there; a beat for every token at least."""

    def process(self) -> Process:
        x, y = self.inputs["x"], self.outputs["y"]
        experts = self.passage.experts(self.layer)
        holds, free = False, 0
        while True:
            if x.offered < 0:
                yield x.offering
            cycle = max(x.offered, free)
            expert, last = next(experts)
            if expert in self.own:
                if holds:
                    cycle = y.give(cycle)
                    if cycle < 0:
                        yield y.gone
                        cycle = y.moved[-1]
                holds = True
            x.take(cycle)
            if last:
                gone = y.give(cycle + 1)
                if gone < 0:
                    yield y.gone
                    gone = y.moved[-1]
                holds, free = False, gone + 1
