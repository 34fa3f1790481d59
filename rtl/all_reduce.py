"""All-reduce: elements of several chips made one, the same on each of them.

Every chip of a group sends its elements to all others and joins what it gets with its own: a sum, a maximum
or a disjunction of integers, exact, so that the order of arrival cannot matter.

Contract (checked by ``tests/rtl/test_all_reduce.py`` against Python's integers): bit-exact, in any pattern of
stalls; an element a cycle, latency 1.
"""

from typing import Any

from amaranth.hdl import Module, Value
from amaranth.lib.wiring import In, Out

from hnlpu.rtl.hierarchy import SharedComponent
from hnlpu.rtl.trees import all_of, any_of, largest_of, total_of
from hnlpu.rtl.vectors import integer_signature, vector_signature, word_signature

__all__ = ["KINDS", "AllReduce"]

#: Streams whose elements can be reduced, and the field that is.
KINDS = {"integers": "value", "vector": "value", "word": "word"}


class AllReduce(SharedComponent):
    """Joins a chip's elements with those of others.

    Parameters
    ----------
    operation : str
        ``sum`` and ``max`` take two's complement.
    kind : str
        Kind of the streams ``x`` and ``y``.
    n_inputs : int
        Chips of the group, 2 or more.
    n_bits, y_bits : int
        Of an element here, and of a joined one, which must fit.
    position_bits : int

    Members
    -------
    x : In(stream)
        This chip's.
    others_0, others_1, ... : In(word stream)
        Elements of the other chips, in the same order.
    y : Out(stream)
        Everything but the element is that of ``x``.
    """

    clock_ports = ("clk", "rst")

    def __init__(
        self, operation: str, kind: str, n_inputs: int, n_bits: int, y_bits: int, position_bits: int
    ) -> None:
        assert operation in _JOINS and kind in KINDS, (operation, kind)
        self.operation, self.kind, self.n_inputs = operation, kind, n_inputs
        self.n_bits, self.y_bits, self.position_bits = n_bits, y_bits, position_bits
        word = word_signature(n_bits)
        others = {f"others_{i}": In(word) for i in range(n_inputs - 1)}
        super().__init__({"x": In(self._stream(n_bits)), **others, "y": Out(self._stream(y_bits))})

    def _stream(self, n_bits: int) -> Any:
        if self.kind == "word":
            return word_signature(n_bits)
        signature = integer_signature if self.kind == "integers" else vector_signature
        return signature(n_bits, self.position_bits)

    @property
    def module_name(self) -> str:
        place = "" if self.kind == "word" else f"_p{self.position_bits}"
        return (
            f"hn_all_reduce_{self.operation}_{self.kind}_{self.n_inputs}x{self.n_bits}"
            f"to{self.y_bits}{place}"
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        others = [getattr(self, f"others_{i}") for i in range(self.n_inputs - 1)]
        field = KINDS[self.kind]
        elements: list[Value] = [
            Value.cast(getattr(self.x.p, field)),
            *(other.p.word for other in others),
        ]
        if self.operation != "or":
            elements = [element.as_signed() for element in elements]
        joined = _JOINS[self.operation](elements)
        free = ~self.y.valid | self.y.ready
        streams = [self.x, *others]
        take = all_of([stream.valid for stream in streams]) & free
        m.d.comb += [stream.ready.eq(take) for stream in streams]
        m.d.sync += self.y.valid.eq(take | (self.y.valid & ~self.y.ready))
        with m.If(take):
            m.d.sync += [
                getattr(self.y.p, name).eq(joined if name == field else getattr(self.x.p, name))
                for name in self.y.p.shape().members
            ]
        return m


_JOINS: dict[str, Any] = {"sum": total_of, "max": largest_of, "or": any_of}
