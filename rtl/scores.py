"""Scores: a query against one key per cycle, in octaves.

    score = saturate(round((q . key << exponent) * scale / 2**shift))

The products of all lanes are added in a tree, exactly; only the score is rounded.

Contract (checked by ``tests/rtl/test_attention.py`` against ``hnlpu.sim.attention``): bit-exact; a score
follows its key by a cycle.
"""

from amaranth.hdl import Module, Signal, signed
from amaranth.lib.wiring import In, Out

from hnlpu.numerics import Numerics
from hnlpu.rtl.fixed_point import round_shift, saturate
from hnlpu.rtl.hierarchy import SharedComponent
from hnlpu.rtl.kv_cache import exponent_bits
from hnlpu.rtl.trees import total_of

__all__ = ["Scores"]


class Scores(SharedComponent):
    """Dot product and scale.

    Parameters
    ----------
    head_dim : int
    scale, scale_fraction : int
        What turns a product into octaves, ``scale / 2**scale_fraction``.
    numerics : Numerics

    Members
    -------
    q : In(head_dim * value_bits)
    key : In(head_dim * kv_bits)
    exponent : In
    valid : In(1)
    score : Out(signed score_bits)
    scored : Out(1)
        ``score`` is that of the valid key of the cycle before.
    saturated : Out(1)
        It had to be clipped.
    """

    clock_ports = ("clk", "rst")

    def __init__(self, head_dim: int, scale: int, scale_fraction: int, numerics: Numerics) -> None:
        self.head_dim, self.numerics = head_dim, numerics
        self.scale, self.scale_fraction = scale, scale_fraction
        # Never negative: a scale of 16 significant bits has at least 14 of fraction.
        self.shift = 2 * numerics.value_fraction + scale_fraction - numerics.exp_table_bits
        super().__init__(
            {
                "q": In(head_dim * numerics.value_bits),
                "key": In(head_dim * numerics.kv_bits),
                "exponent": In(exponent_bits(numerics)),
                "valid": In(1),
                "score": Out(signed(numerics.score_bits)),
                "scored": Out(1),
                "saturated": Out(1),
            }
        )

    @property
    def module_name(self) -> str:
        n = self.numerics
        return (
            f"hn_scores_{self.head_dim}x{n.value_bits}x{n.kv_bits}_e{exponent_bits(n)}"
            f"_{self.scale}_{self.shift}_{n.score_bits}"
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        n = self.numerics
        products = [
            self.q.word_select(i, n.value_bits).as_signed()
            * self.key.word_select(i, n.kv_bits).as_signed()
            for i in range(self.head_dim)
        ]
        total = total_of(products)
        dot = Signal(signed(len(total)))
        exponent = Signal.like(self.exponent)
        with m.If(self.valid):
            m.d.sync += [dot.eq(total), exponent.eq(self.exponent)]
        m.d.sync += self.scored.eq(self.valid)
        scaled = round_shift((dot << exponent) * self.scale, self.shift)
        score, clipped = saturate(m, scaled, n.score_bits, "scaled")
        m.d.comb += [self.score.eq(score), self.saturated.eq(self.scored & clipped)]
        return m
