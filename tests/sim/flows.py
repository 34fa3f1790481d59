"""Where beats come from and go to in tests of the model of cycles."""

from hnlpu.sim.network import Block


class Source(Block):
    """Offers beats from given cycles on, each in the cycle after the one before has moved at the earliest."""

    must_finish = True

    def __init__(self, name, cycles):
        super().__init__(name)
        self.cycles = cycles

    def process(self):
        (y,) = self.outputs.values()
        for cycle in self.cycles:
            if y.give(max(cycle, y.moved[-1] + 1 if y.moved else 0)) < 0:
                yield y.gone


class Sink(Block):
    """Is ready for each beat from a given cycle on."""

    def __init__(self, name, cycles):
        super().__init__(name)
        self.cycles = cycles

    def process(self):
        for cycle in self.cycles:
            self.inputs["x"].take(cycle)
        yield from ()
