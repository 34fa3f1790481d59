"""Storing a vector and reading it back: what a block does that must see all of a vector first.

One memory is enough for vectors that follow one another: while a vector is read, the next is written
behind it.

Contract (checked by the tests of the blocks that use it): the elements come back in their order, and a
stalled reader keeps its element.
"""

from dataclasses import dataclass

from amaranth.hdl import Module, Mux, Signal, Value

from hnlpu.rtl.hierarchy import place
from hnlpu.rtl.memory import Sram

__all__ = ["Replay", "replay"]


@dataclass(frozen=True, slots=True)
class Replay:
    """What a block knows of its stored vector.

    Attributes
    ----------
    filled : Value
        In the cycle in which the last element is written.
    freed : Value
        The place of the next element has been read.
    data : Value
        The current element, in and after the second cycle after its vector's last was written.
    read_address : Value
        For a memory that is read along with the vector.
    last : Value
        The current element is the last one.
    """

    filled: Value
    freed: Value
    data: Value
    read_address: Value
    last: Value


def replay(
    m: Module, platform: object, n_bits: int, length: int, *, write: Value, word: Value, step: Value
) -> Replay:
    """Store vectors and read them back.

    Parameters
    ----------
    m : Module
        Receives the memory as submodule ``vector``.
    n_bits, length : int
        Of an element, and elements of a vector.
    write, word : Value
        Whether an element comes in this cycle, and which. While a vector is read: only when ``freed``.
    step : Value
        The current element is done with in this cycle.
    """
    store = place(m, "vector", platform, Sram, n_bits, length)
    places = range(max(length, 2))  # not zero bits, which are not Verilog
    fill, index = Signal(places), Signal(places)
    ends, last = fill == length - 1, index == length - 1
    following = Mux(last, 0, index + 1)
    m.d.comb += [
        store.write.eq(write),
        store.write_address.eq(fill),
        store.write_data.eq(word),
        # The memory has no enable: a reader that waits reads its element again.
        store.read_address.eq(Mux(step, following, index)),
    ]
    with m.If(write):
        m.d.sync += fill.eq(Mux(ends, 0, fill + 1))
    with m.If(step):
        m.d.sync += index.eq(following)
    return Replay(write & ends, fill < index, store.read_data, store.read_address, last)
