"""Attention of one layer: a token's queries over every key and value its position can see.

A token's keys and values are written to the cache and its queries to a buffer; the vectors of the next
token wait in their streams. Then, for one query head after the other:

    scores   a key per cycle; scores go to a buffer, and their maximum is kept (the sink is in it)
    values   a score and its value per cycle; terms and weighted values are added
    result   one reciprocal of the total, and a product with it for every lane

All sums are exact, so a score, a term, the reciprocal and a result are rounded once each. The buffer holds
a score for every position: ``context`` is its limit as it is the cache's.

Positions can lie on several chips (``rows``), number ``p`` on row ``p`` modulo ``rows``. Each goes over its own; before the
terms they agree on the maximum, before the reciprocal on total and sums, so the result is that of one chip, and
each has it.

Contract (checked by ``tests/rtl/test_attention.py`` against ``hnlpu.sim.attention``): bit-exact, in any
pattern of stalls; a head takes ``2 * n + head_dim + HEAD_CYCLES`` cycles over ``n`` visible positions.
"""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
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
from hnlpu.rtl.vectors import (
    BOOT_DATA_BITS,
    boot_signature,
    integer_signature,
    vector_signature,
    word_signature,
)
from hnlpu.rtl.weighted_sum import WeightedSum
from hnlpu.tables import EXP_BITS, RECIPROCAL_BITS
from hnlpu.widths import sum_bits

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
    rows : int
        Chips that the positions lie on, a power of two below ``context``.

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
    row : In(range(rows))
        Constant. It and what follows: only with several rows.
    peak, peak_of_all : Out(word stream), In(word stream)
        The maximum of a head, here and on all rows.
    parts, parts_of_all : Out(word stream), In(word stream)
        Of a head, first the total, then the sum of every lane; here and on all rows.
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
        rows: int = 1,
    ) -> None:
        self.n_heads, self.n_kv_heads, self.head_dim = n_heads, n_kv_heads, head_dim
        self.context, self.has_sinks, self.numerics = context, has_sinks, numerics
        self.scale, self.scale_fraction = scale, scale_fraction
        self.sequences, self.rows = sequences, rows
        self.row_bits = (rows - 1).bit_length()
        self.own_bits = max(1, (context - 1).bit_length())
        self.position_bits = self.own_bits + (sequences - 1).bit_length()
        peak, parts = (
            word_signature(numerics.score_bits),
            word_signature(sum_bits(context, numerics)),
        )
        exchange = {
            "row": In(self.row_bits),
            "peak": Out(peak),
            "peak_of_all": In(peak),
            "parts": Out(parts),
            "parts_of_all": In(parts),
        }
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
                **(exchange if rows > 1 else {}),
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
            + (f"_r{self.rows}" if self.rows > 1 else "")
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        n, head_dim = self.numerics, self.head_dim
        bits = self.position_bits - self.row_bits
        here = -(-self.context // self.rows)
        places = here if self.sequences == 1 else self.sequences << (self.own_bits - self.row_bits)
        cache = (self.n_kv_heads, head_dim, places, n, bits)
        keys = place(m, "keys", platform, KvCache, *cache)
        values = place(m, "values", platform, KvCache, *cache)
        queries = place(
            m, "queries", platform, QueryBuffer, self.n_heads, head_dim, n.value_bits,
            self.position_bits,
        )  # fmt: skip
        dot = (head_dim, self.scale, self.scale_fraction, n)
        scores = place(m, "scores", platform, Scores, *dot)
        buffer = place(m, "buffer", platform, Sram, n.score_bits, here)
        exp2 = place(m, "exp2", platform, Exp2, n.score_bits, n)
        sums = place(m, "sums", platform, WeightedSum, head_dim, self.context, n)
        reciprocal = place(m, "reciprocal", platform, Reciprocal, len(sums.total))

        # Places are positions on this row. ``at`` is what is read in this cycle, while ``reading``;
        # ``behind`` is where the result belongs that comes out of a pipeline in this cycle. The last one
        # ends a pass.
        at, behind = Signal(bits), Signal(bits)
        reading, read = Signal(), Signal()
        largest = Signal(signed(n.score_bits))
        lane = Signal(sums.lane.shape())
        last_lane = lane == head_dim - 1
        give, finish = Signal(), Signal()
        head, group, last_head = self._heads(m, give & last_lane)
        sink, window = self._boot(m, platform, head)
        first, until, none = self._visible(m, queries.position, window)
        passed = behind == until
        several = self.rows > 1
        with m.FSM() as state:
            with m.State("COLLECT"), m.If(queries.full & keys.full & values.full):
                m.next = "PREPARE"
            with m.State("PREPARE"):
                m.d.sync += largest.eq(sink)
                m.next = "SCORES"
                if several:
                    with m.If(none):
                        m.next = "OFFER"
            with m.State("SCORES"), m.If(scores.scored):
                with m.If(scores.score > largest):
                    m.d.sync += largest.eq(scores.score)
                with m.If(passed):
                    m.next = "OFFER" if several else "SINK"
            if several:
                with m.State("OFFER"), m.If(self.peak.ready):
                    m.next = "AGREE"
                with m.State("AGREE"), m.If(self.peak_of_all.valid):
                    m.d.sync += largest.eq(self.peak_of_all.p.word.as_signed())
                    m.next = "SINK"
            with m.State("SINK"):
                m.next = "VALUES"
                if several:
                    with m.If(none):
                        m.next = "START"
            with m.State("VALUES"), m.If(sums.added & passed):
                m.next = "START"
            with m.State("START"):
                if several:
                    with m.If(self.parts_of_all.valid):
                        m.next = "DIVIDE"
                else:
                    m.next = "DIVIDE"
            with m.State("DIVIDE"), m.If(reciprocal.done):
                m.next = "RESULT"
            with m.State("RESULT"), m.If(give & last_lane):
                m.next = "PREPARE"
                with m.If(last_head):
                    m.next = "COLLECT"
        starting, resulting = state.ongoing("START"), state.ongoing("RESULT")
        m.d.comb += finish.eq(give & last_lane & last_head)

        # Both passes go from the first visible position of the sequence to the token's own.
        sinking = state.ongoing("SINK")
        begin = state.ongoing("PREPARE") | sinking
        with m.If(begin):
            m.d.sync += [at.eq(first), behind.eq(first)]
        with m.Else():
            m.d.sync += [at.eq(at + reading), behind.eq(behind + (scores.scored | sums.added))]
        m.d.sync += [
            reading.eq((begin & ~none) | (~begin & reading & (at != until))),
            read.eq(reading),
        ]

        wiring.connect(m, wiring.flipped(self.q), queries.x)
        for stream, store in ((self.k, keys), (self.v, values)):
            kept, place_ = self._place(stream.p.position)
            m.d.comb += [
                store.x.p.value.eq(stream.p.value),
                store.x.p.exponent.eq(stream.p.exponent),
                store.x.p.position.eq(place_),
                store.x.p.last.eq(stream.p.last),
                store.keep.eq(kept),
                store.x.valid.eq(stream.valid),
                stream.ready.eq(store.x.ready),
            ]
        m.d.comb += [store.release.eq(finish) for store in (queries, keys, values)]
        own_bits = self.own_bits - self.row_bits
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
            buffer.write_address.eq(behind[:own_bits]),
            buffer.write_data.eq(scores.score),
            buffer.read_address.eq(at[:own_bits]),
        ]

        # Before the first score, the same table gives the sink's term, which one row adds.
        below = largest - Mux(sinking, sink, buffer.read_data.as_signed())
        no_term = sinking if not self.has_sinks else Const(0)
        if several:
            no_term = no_term | (sinking & (self.row != 0))
        m.d.comb += [
            exp2.below.eq(below),
            sums.term.eq(Mux(no_term, 0, exp2.term)),
            sums.value.eq(values.word),
            sums.exponent.eq(values.exponent),
            sums.start.eq(sinking),
            sums.valid.eq(read & state.ongoing("VALUES")),
        ]

        free = ~self.y.valid | self.y.ready
        total, sum_, ready = sums.total, sums.sum, Const(1)
        if several:
            m.d.comb += [
                self.peak.valid.eq(state.ongoing("OFFER")),
                self.peak.p.word.eq(largest),
                self.peak_of_all.ready.eq(state.ongoing("AGREE")),
            ]
            whole = self._exchange(m, sums, starting, resulting & free)
            total, sum_, ready = whole[: len(total)], whole.as_signed(), self.parts_of_all.valid
        else:
            m.d.comb += sums.lane.eq(lane)
        m.d.comb += [
            give.eq(resulting & free & ready),
            reciprocal.total.eq(total),
            reciprocal.start.eq(starting & ready),
        ]
        quotient = _quotient(sum_, reciprocal.factor, reciprocal.shift)
        result, clipped = saturate(m, quotient, n.value_bits, "result")
        m.d.comb += self.saturated.eq(scores.saturated | (give & clipped))
        m.d.sync += self.y.valid.eq(give | (self.y.valid & ~self.y.ready))
        with m.If(give):
            m.d.sync += [
                lane.eq(Mux(last_lane, 0, lane + 1)),
                self.y.p.value.eq(result),
                self.y.p.position.eq(queries.position),
                self.y.p.last.eq(finish),
            ]
        return m

    def _place(self, position: Value) -> tuple[Value, Value]:
        """Whether a position lies on this row, and where."""
        if self.rows == 1:
            return Const(1, 1), position
        return position[: self.row_bits] == self.row, position[self.row_bits :]

    def _visible(self, m: Module, position: Value, window: Value) -> tuple[Value, Value, Value]:
        """First and last place that a token sees on this row, and whether there is none."""
        own, sequence = position[: self.own_bits], position[self.own_bits :]
        limited = (window != 0) & (window <= own)
        earliest = Mux(limited, own + 1 - window, 0)[: self.own_bits]
        if self.rows == 1:
            return Cat(earliest, sequence), position, Const(0, 1)
        # Positions below ``p`` on this row are as many as multiples of ``rows`` below ``p - row``.
        n_bits = self.own_bits - self.row_bits
        before, below = (Signal(n_bits + 1, name=name) for name in ("before", "below"))
        m.d.comb += [
            before.eq((earliest + (self.rows - 1 - self.row)) >> self.row_bits),
            below.eq((own + (self.rows - self.row)) >> self.row_bits),
        ]
        last = (below - 1)[:n_bits]
        return Cat(before[:n_bits], sequence), Cat(last, sequence), before == below

    def _exchange(self, m: Module, sums: Any, starting: Value, resulting: Value) -> Value:
        """Sends total and sums, and takes those of all rows; what is on offer of these."""
        parts, whole = self.parts, self.parts_of_all
        sent, sending, before = Signal(range(self.head_dim + 1)), Signal(), Signal()
        last = sent == self.head_dim
        done = parts.valid & parts.ready
        # The sums stand from here on until the next head's sink.
        m.d.sync += [
            before.eq(starting),
            sending.eq((starting & ~before) | (sending & ~(done & last))),
        ]
        with m.If(done):
            m.d.sync += sent.eq(Mux(last, 0, sent + 1))
        m.d.comb += [
            sums.lane.eq(sent - 1),
            parts.valid.eq(sending),
            parts.p.word.eq(Mux(sent == 0, sums.total, sums.sum)),
            whole.ready.eq(starting | resulting),
        ]
        word: Value = whole.p.word
        return word

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
