"""Cycles of the blocks that pass beats on: fork, FIFO, register, adder, merge, gate; and of the embedding.

Most have one register at their output. It is free in the cycle in which its beat moves on, so with ``y`` the cycle in
which a beat of the output moves,

    taken[k] = max(on offer, y[k-1])     on offer at the output[k] = taken[k] + 1
"""

from collections.abc import Sequence

from hnlpu.sim.cycle_tokens import Passage
from hnlpu.sim.network import Block, Process

__all__ = ["Adder", "Embedding", "Fifo", "Fork", "Gate", "Join", "PairGate", "Register"]


class Embedding(Block):
    """A row of ``length`` elements for each token; the next token is taken with the last of them."""

    def __init__(self, name: str, passage: Passage, *, length: int) -> None:
        super().__init__(name)
        self.length = length

    def process(self) -> Process:
        x, y = self.inputs["x"], self.outputs["y"]
        gone = tokens = 0
        while True:
            x.take(gone)
            tokens += 1
            if len(x.moved) < tokens:
                x.need = tokens
                yield x.came
            gone = x.moved[tokens - 1]
            for _ in range(self.length):
                gone = y.give(gone + 1)
                if gone < 0:
                    yield y.gone
                    gone = y.moved[-1]


class Fork(Block):
    """Copies: each goes when its taker likes, the input when the last of them went. Nothing is stored."""

    def __init__(self, name: str, passage: Passage, *, n_outputs: int) -> None:
        super().__init__(name)
        self.n_outputs = n_outputs

    def process(self) -> Process:
        x = self.inputs["x"]
        outputs = [self.outputs[f"y_{i}"] for i in range(self.n_outputs)]
        while True:
            if x.offered < 0:
                yield x.offering
            cycle = x.offered
            for y in outputs:
                y.give(cycle)
            for y in outputs:
                if y.offered >= 0:
                    yield y.gone
            x.take(max(y.moved[-1] for y in outputs))


class Fifo(Block):
    """Room for ``depth`` beats; a place is free, and a beat on offer, in the cycle after."""

    def __init__(self, name: str, passage: Passage, *, depth: int) -> None:
        super().__init__(name)
        self.depth = depth

    def process(self) -> Process:
        x, y = self.inputs["x"], self.outputs["y"]
        for _ in range(self.depth):
            x.take(0)
        gone, beats = -1, 0
        while True:
            beats += 1
            if len(x.moved) < beats:
                x.need = beats
                yield x.came
            gone = y.give(max(x.moved[beats - 1], gone) + 1)
            if gone < 0:
                yield y.gone
                gone = y.moved[-1]
            x.take(gone + 1)


class Register(Block):
    """A beat in a register: what scales or rounds elements."""

    def __init__(self, name: str, passage: Passage) -> None:
        super().__init__(name)

    def process(self) -> Process:
        x, y = self.inputs["x"], self.outputs["y"]
        gone = beats = 0
        while True:
            x.take(gone)
            beats += 1
            if len(x.moved) < beats:
                x.need = beats
                yield x.came
            gone = y.give(x.moved[beats - 1] + 1)
            if gone < 0:
                yield y.gone
                gone = y.moved[-1]


class Join(Block):
    """An element of every input at a time."""

    ports: Sequence[str]

    def __init__(self, name: str, passage: Passage) -> None:
        super().__init__(name)

    def process(self) -> Process:
        inputs = [self.inputs[port] for port in self.ports]
        y = self.outputs["y"]
        gone = 0
        while True:
            cycle = gone
            for x in inputs:
                if x.offered < 0:
                    yield x.offering
                cycle = max(cycle, x.offered)
            for x in inputs:
                x.take(cycle)
            gone = y.give(cycle + 1)
            if gone < 0:
                yield y.gone
                gone = y.moved[-1]


class Adder(Join):
    """Residual adder."""

    ports = "x", "delta"


class PairGate(Join):
    """SwiGLU with gates and ups in two streams."""

    ports = "gate", "up"


class Gate(Block):
    """SwiGLU with gates and ups by turns in one stream: a gate is always taken, an up gives a result."""

    def __init__(self, name: str, passage: Passage) -> None:
        super().__init__(name)

    def process(self) -> Process:
        x, y = self.inputs["x"], self.outputs["y"]
        gone = beats = 0
        while True:
            x.take(0)
            x.take(gone)
            beats += 2
            if len(x.moved) < beats:
                x.need = beats
                yield x.came
            gone = y.give(x.moved[beats - 1] + 1)
            if gone < 0:
                yield y.gone
                gone = y.moved[-1]
