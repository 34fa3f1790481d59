"""Attention of one layer: a token's queries over every key and value its position can see.

A token's keys and values are written to the cache and its queries to a buffer; the vectors of the next
token wait in their streams. Then, for one query head after the other:

    scores   a key per cycle; scores go to a buffer, and their maximum is kept (the sink is in it)
    values   a score and its value per cycle; terms and weighted values are added
    result   one reciprocal of the total, and a product with it for every lane

All sums are exact, so a score, a term, the reciprocal and a result are rounded once each. The buffer holds
a score for every position: ``context`` is its limit as it is the cache's.

Contract (checked by ``tests/rtl/test_attention.py`` against ``hnlpu.sim.attention``): bit-exact, in any
pattern of stalls; a head takes ``2 * n + head_dim + HEAD_CYCLES`` cycles over ``n`` visible positions.
"""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib.wiring import In, Out

from hnlpu.numerics import Numerics
from hnlpu.rtl.fixed_point import saturate
from hnlpu.rtl.head_words import head_bits
from hnlpu.rtl.hierarchy import SharedComponent, place
from hnlpu.rtl.kv_cache import KvCache
from hnlpu.rtl.memory import RegisterFile, Sram
from hnlpu.rtl.query_buffer import QueryBuffer
from hnlpu.rtl.scores import Scores
from hnlpu.rtl.softmax import Exp2, Reciprocal
from hnlpu.rtl.vectors import BOOT_DATA_BITS, boot_signature, integer_signature, vector_signature
from hnlpu.rtl.weighted_sum import WeightedSum
from hnlpu.tables import EXP_BITS, RECIPROCAL_BITS

__all__ = ["HEAD_CYCLES", "Attention"]

#: Preparation, two drained pipelines, the sink's term, division.
HEAD_CYCLES = 25

#: A total is at least 1.0, so the shift of its reciprocal is at least this.
_LEAST_SHIFT = EXP_BITS + RECIPROCAL_BITS - 1


class Attention(SharedComponent):
    """Scores, softmax and weighted values.

    Parameters
    ----------
    n_heads, n_kv_heads, head_dim : int
        A key and a value serve ``n_heads / n_kv_heads`` queries.
    context : int
        Positions.
    scale, scale_fraction : int
        Turn ``q . k`` into octaves.
    has_sinks : bool
    numerics : Numerics
    sequences : int
        Each with a cache of its own; the upper bits of a position say which.

    Members
    -------
    q : In(vector stream)
        Heads one after another.
    k, v : In(integer stream)
        The same token's; one exponent per head (``hnlpu.rtl.kv_cache``).
    y : Out(vector stream)
        Heads one after another; the position is that of ``q``.
    boot : In(boot)
        Word ``h`` is the sink of head ``h`` in octaves. The word at the next power of two from
        ``n_heads`` on is the window, 0 for none.
    saturated : Out(1)
        In a cycle in which a score or a result is clipped.
    """

    clock_ports = ("clk", "rst")

    def __init__(
        self,
        n_heads: int,
        n_kv_heads: int,
        head_dim: int,
        context: int,
        scale: int,
        scale_fraction: int,
        has_sinks: bool,
        numerics: Numerics,
        sequences: int = 1,
    ) -> None:
        self.n_heads, self.n_kv_heads, self.head_dim = n_heads, n_kv_heads, head_dim
        self.context, self.has_sinks, self.numerics = context, has_sinks, numerics
        self.scale, self.scale_fraction = scale, scale_fraction
        self.sequences = sequences
        self.own_bits = max(1, (context - 1).bit_length())
        self.position_bits = self.own_bits + (sequences - 1).bit_length()
        vector = vector_signature(numerics.value_bits, self.position_bits)
        integers = integer_signature(numerics.kv_bits, self.position_bits)
        super().__init__(
            {
                "q": In(vector),
                "k": In(integers),
                "v": In(integers),
                "y": Out(vector),
                "boot": In(boot_signature()),
                "saturated": Out(1),
            }
        )

    @property
    def module_name(self) -> str:
        n = self.numerics
        return (
            f"hn_attention_{self.n_heads}_{self.n_kv_heads}x{self.head_dim}_c{self.context}"
            f"_{self.scale}_{self.scale_fraction}_{'sinks' if self.has_sinks else 'plain'}"
            f"_{n.value_bits}_f{n.value_fraction}_k{n.kv_bits}_s{n.score_bits}_t{n.exp_table_bits}"
            + (f"_q{self.sequences}" if self.sequences > 1 else "")
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        n, head_dim, bits = self.numerics, self.head_dim, self.position_bits
        places = self.context if self.sequences == 1 else self.sequences << self.own_bits
        cache = (self.n_kv_heads, head_dim, places, n, bits)
        keys = place(m, "keys", platform, KvCache, *cache)
        values = place(m, "values", platform, KvCache, *cache)
        queries = place(
            m, "queries", platform, QueryBuffer, self.n_heads, head_dim, n.value_bits, bits
        )
        dot = (head_dim, self.scale, self.scale_fraction, n)
        scores = place(m, "scores", platform, Scores, *dot)
        buffer = place(m, "buffer", platform, Sram, n.score_bits, self.context)
        exp2 = place(m, "exp2", platform, Exp2, n.score_bits, n)
        sums = place(m, "sums", platform, WeightedSum, head_dim, self.context, n)
        reciprocal = place(m, "reciprocal", platform, Reciprocal, len(sums.total))

        # ``at`` is what is read in this cycle, while ``reading``; ``behind`` is where the result belongs
        # that comes out of a pipeline in this cycle. The last one ends a pass.
        at, behind = Signal(bits), Signal(bits)
        reading, read = Signal(), Signal()
        largest = Signal(signed(n.score_bits))
        lane = Signal(sums.lane.shape())
        free = ~self.y.valid | self.y.ready
        last_lane = lane == head_dim - 1
        passed = behind == queries.position
        give, finish = Signal(), Signal()
        head, group, last_head = self._heads(m, give & last_lane)
        sink, window = self._boot(m, platform, head)
        with m.FSM() as state:
            with m.State("COLLECT"), m.If(queries.full & keys.full & values.full):
                m.next = "PREPARE"
            with m.State("PREPARE"):
                m.d.sync += largest.eq(sink)
                m.next = "SCORES"
            with m.State("SCORES"), m.If(scores.scored):
                with m.If(scores.score > largest):
                    m.d.sync += largest.eq(scores.score)
                with m.If(passed):
                    m.next = "SINK"
            with m.State("SINK"):
                m.next = "VALUES"
            with m.State("VALUES"), m.If(sums.added & passed):
                m.next = "START"
            with m.State("START"):
                m.next = "DIVIDE"
            with m.State("DIVIDE"), m.If(reciprocal.done):
                m.next = "RESULT"
            with m.State("RESULT"), m.If(free & last_lane):
                m.next = "PREPARE"
                with m.If(last_head):
                    m.next = "COLLECT"
        m.d.comb += [
            give.eq(state.ongoing("RESULT") & free),
            finish.eq(give & last_lane & last_head),
        ]

        # Both passes go from the first visible position of the sequence to the token's own.
        position = queries.position
        own = position[: self.own_bits]
        limited = (window != 0) & (window <= own)
        sinking = state.ongoing("SINK")
        begin = state.ongoing("PREPARE") | sinking
        with m.If(begin):
            earliest = Mux(limited, own + 1 - window, 0)[: self.own_bits]
            first = Cat(earliest, position[self.own_bits :])
            m.d.sync += [at.eq(first), behind.eq(first)]
        with m.Else():
            m.d.sync += [at.eq(at + reading), behind.eq(behind + (scores.scored | sums.added))]
        m.d.sync += [reading.eq(begin | (reading & (at != position))), read.eq(reading)]

        for stream, store in ((self.q, queries), (self.k, keys), (self.v, values)):
            m.d.comb += [
                store.x.p.eq(stream.p),
                store.x.valid.eq(stream.valid),
                stream.ready.eq(store.x.ready),
                store.release.eq(finish),
            ]
        m.d.comb += [
            queries.head.eq(head),
            keys.head.eq(group),
            values.head.eq(group),
            keys.position.eq(at),
            values.position.eq(at),
            scores.q.eq(queries.word),
            scores.key.eq(keys.word),
            scores.exponent.eq(keys.exponent),
            scores.valid.eq(read & state.ongoing("SCORES")),
            buffer.write.eq(scores.scored),
            buffer.write_address.eq(behind[: self.own_bits]),
            buffer.write_data.eq(scores.score),
            buffer.read_address.eq(at[: self.own_bits]),
        ]

        # Before the first score, the same table gives the sink's term.
        below = largest - Mux(sinking, sink, buffer.read_data.as_signed())
        no_term = sinking if not self.has_sinks else Const(0)
        m.d.comb += [
            exp2.below.eq(below),
            sums.term.eq(Mux(no_term, 0, exp2.term)),
            sums.value.eq(values.word),
            sums.exponent.eq(values.exponent),
            sums.start.eq(sinking),
            sums.valid.eq(read & state.ongoing("VALUES")),
            sums.lane.eq(lane),
            reciprocal.total.eq(sums.total),
            reciprocal.start.eq(state.ongoing("START")),
        ]

        quotient = _quotient(sums.sum, reciprocal.factor, reciprocal.shift)
        result, clipped = saturate(m, quotient, n.value_bits, "result")
        m.d.comb += self.saturated.eq(scores.saturated | (give & clipped))
        m.d.sync += self.y.valid.eq(give | (self.y.valid & ~self.y.ready))
        with m.If(give):
            m.d.sync += [
                lane.eq(Mux(last_lane, 0, lane + 1)),
                self.y.p.value.eq(result),
                self.y.p.position.eq(position),
                self.y.p.last.eq(finish),
            ]
        return m

    def _heads(self, m: Module, step: Value) -> tuple[Signal, Signal, Value]:
        """The query head whose turn it is, its key and value head, and whether it is the last."""
        n_members = self.n_heads // self.n_kv_heads
        head = Signal(head_bits(self.n_heads))
        group = Signal(head_bits(self.n_kv_heads))
        member = Signal(head_bits(n_members))
        last, whole = head == self.n_heads - 1, member == n_members - 1
        with m.If(step):
            m.d.sync += [
                head.eq(Mux(last, 0, head + 1)),
                member.eq(Mux(whole, 0, member + 1)),
                group.eq(Mux(last, 0, group + whole)),
            ]
        return head, group, last

    def _boot(self, m: Module, platform: object, head: Signal) -> tuple[Value, Signal]:
        """The sink of ``head`` (without sinks: what no score lies below), and the window."""
        n_bits = self.numerics.score_bits
        padded = 1 << (self.n_heads - 1).bit_length()
        window = Signal(BOOT_DATA_BITS, reset_less=True)  # as a memory
        with m.If(self.boot.write & (self.boot.address == padded)):
            m.d.sync += window.eq(self.boot.data)
        if not self.has_sinks:
            return Const(-(1 << (n_bits - 1)), signed(n_bits)), window
        sinks = place(m, "sinks", platform, RegisterFile, n_bits, self.n_heads)
        m.d.comb += [
            sinks.write.eq(self.boot.write & (self.boot.address < self.n_heads)),
            sinks.write_address.eq(self.boot.address),
            sinks.write_data.eq(self.boot.data),
            sinks.read_address.eq(head),
        ]
        return sinks.read_data.as_signed(), window


def _quotient(total: Value, factor: Value, shift: Value) -> Value:
    """``total * factor / 2**shift`` rounded half up.

    What every shift has in common is wiring; one bit below the point is kept for the rounding.
    """
    further = (shift - _LEAST_SHIFT)[: len(shift) - 1]
    doubled = ((total * factor) >> (_LEAST_SHIFT - 1)) >> further
    return (doubled + 1) >> 1
