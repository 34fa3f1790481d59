"""Cycles of router and sampler: blocks whose time is a sum of passes over what they have collected."""

from hnlpu.sim.cycle_tokens import Passage
from hnlpu.sim.network import Block, Process
from hnlpu.tables import RECIPROCAL_BITS

__all__ = ["DIVISION_CYCLES", "Router", "Sampler"]

#: A bit of a quotient a cycle, one above the point and one that says that it is complete; then it is used.
DIVISION_CYCLES = RECIPROCAL_BITS + 3


class Router(Block):
    """``k`` of ``n_experts`` logits: which, then their weights one by one."""

    def __init__(self, name: str, passage: Passage, *, n_experts: int, k: int) -> None:
        super().__init__(name)
        self.n_experts, self.k = n_experts, k

    def process(self) -> Process:
        x, chosen, route = self.inputs["x"], self.outputs["chosen"], self.outputs["route"]
        free, gone, beats = 0, 0, 0
        while True:
            for _ in range(self.n_experts):
                x.take(free)
            beats += self.n_experts
            if len(x.moved) < beats:
                x.need = beats
                yield x.came
            if chosen.offered >= 0:
                yield chosen.gone
            ranked = x.moved[-1] + 1
            if chosen.moved:
                ranked = max(ranked, chosen.moved[-1])
            chosen.give(ranked + 1)
            summed = ranked + self.k + 2  # the terms of all, one a cycle, and their sum
            routed = summed + DIVISION_CYCLES - 1
            for _ in range(self.k):
                routed = max(routed + 1, gone)
                gone = route.give(routed + 1)
                if gone < 0:
                    yield route.gone
                    gone = route.moved[-1]
            free = routed + 1


class Sampler(Block):
    """A token of ``vocab`` logits: the largest at once, any other after a pass over all and one up to it."""

    def __init__(self, name: str, passage: Passage, *, vocab: int) -> None:
        super().__init__(name)
        self.passage, self.vocab = passage, vocab

    def process(self) -> Process:
        x, y = self.inputs["x"], self.outputs["y"]
        free, gone, tokens = 0, 0, 0
        while True:
            for _ in range(self.vocab):
                x.take(free)
            tokens += 1
            if len(x.moved) < tokens * self.vocab:
                x.need = tokens * self.vocab
                yield x.came
            found = x.moved[-1] + 1
            if not self.passage.greedy:
                found += self.vocab + 2 + self.passage.tokens[tokens - 1].sampled
            found = max(found, gone)
            gone = y.give(found + 1)
            if gone < 0:
                yield y.gone
                gone = y.moved[-1]
            free = found + 1
