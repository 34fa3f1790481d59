"""Attention against the twin: caches that fill, windows, sinks, groups, and values at the corners."""

import re
from dataclasses import dataclass

import numpy as np
import pytest
from amaranth.hdl import Module
from amaranth.lib.wiring import Component, connect, flipped
from blocks import STALLS, beats, run_block, vectors

from hnlpu.numerics import Numerics
from hnlpu.rtl.all_reduce import AllReduce
from hnlpu.rtl.attention import HEAD_CYCLES, Attention
from hnlpu.rtl.fork import Fork
from hnlpu.rtl.hierarchy import Library
from hnlpu.sim.attention import AttentionParameters, attention
from hnlpu.sim.fixed_point import Saturation
from hnlpu.sim.quantizer import quantize
from hnlpu.widths import largest_exponent

NUMERICS = Numerics()
#: log2(e) / sqrt(4), 16 significant bits.
SCALE, SCALE_FRACTION = 47274, 16


@dataclass(frozen=True)
class Case:
    n_heads: int = 2
    n_kv_heads: int = 1
    head_dim: int = 4
    context: int = 7
    sinks: tuple[int, ...] | None = (300, -500)
    window: int | None = None
    numerics: Numerics = NUMERICS
    n_sequences: int = 1

    def component(self, rows=1):
        return Attention(
            self.n_heads, self.n_kv_heads, self.head_dim, self.context, SCALE, SCALE_FRACTION,
            self.sinks is not None, self.numerics, self.n_sequences, rows,
        )  # fmt: skip

    def boot(self):
        padded = 1 << (self.n_heads - 1).bit_length()
        return dict(enumerate(self.sinks or ())) | {padded: self.window or 0}

    def twin(self, q, keys, values):
        """Of one sequence, token by token; what was clipped, and the outputs."""
        sinks = None if self.sinks is None else np.array(self.sinks)
        parameters = AttentionParameters(SCALE, SCALE_FRACTION, sinks, self.window)
        saturate = Saturation()
        out = attention(
            q[None], keys[None], values[None], np.arange(len(q)), parameters, self.numerics,
            saturate, "y",
        )  # fmt: skip
        return sum(saturate.counts.values()), out.reshape(len(q), -1)


def cache_beats(integers, exponents, positions):
    taken = beats(integers, positions)
    for beat, exponent in zip(
        taken, np.repeat(exponents, integers.shape[-1]).tolist(), strict=True
    ):
        beat["exponent"] = exponent
    return taken


def check(case, sequences, stall=STALLS["no-stall"]):
    """``sequences`` of (q, (k, its exponents), (v, its exponents)), one after another."""
    streams = {"q": [], "k": [], "v": []}
    wanted, clipped, cycles = [], 0, 0
    for q, k, v in sequences:
        positions = range(len(q))
        streams["q"] += beats(q, positions)
        streams["k"] += cache_beats(*k, positions)
        streams["v"] += cache_beats(*v, positions)
        keys, values = (integers << exponents[..., None] for integers, exponents in (k, v))
        n, out = case.twin(q, keys, values)
        wanted += out.tolist()
        clipped += n
        for p in positions:
            n_visible = min(p + 1, case.window or p + 1)
            cycles += case.n_heads * (2 * n_visible + case.head_dim + HEAD_CYCLES)
    n_beats = len(wanted) * case.n_heads * case.head_dim
    found = run_block(case.component(), streams, {"y": n_beats}, stall=stall, boot=case.boot())
    assert vectors(found["y"]) == wanted
    assert found["saturated"] == clipped
    positions = [p for q, _, _ in sequences for p in range(len(q))]
    assert [beat["position"] for beat in found["y"]] == np.repeat(
        positions, case.n_heads * case.head_dim
    ).tolist()
    if stall is STALLS["no-stall"]:
        collecting = len(wanted) * (case.n_heads * case.head_dim + 1)
        assert found["cycles"] == cycles + collecting + len(case.boot()) + 1
    return clipped, np.array(wanted)


def sequence(case, n_tokens, seed=0, spread=400.0, largest=False):
    """Normal queries, keys and values; or everything up to the ends of its range."""
    rng = np.random.default_rng(seed)
    n = case.numerics
    limit = 1 << (n.value_bits - 1)
    vectors = []
    for heads in (case.n_heads, case.n_kv_heads, case.n_kv_heads):
        shape = (n_tokens, heads, case.head_dim)
        drawn = rng.integers(-limit, limit, shape) if largest else rng.normal(0, spread, shape)
        vectors.append(np.clip(np.rint(drawn), -limit, limit - 1).astype(np.int64))
    q, k, v = vectors
    return q, quantize(k, n.kv_bits), quantize(v, n.kv_bits)


@pytest.mark.parametrize("stall", STALLS.values(), ids=STALLS)
@pytest.mark.parametrize("window", [None, 1, 3])
@pytest.mark.parametrize("sinks", [None, (300, -500)], ids=["plain", "sinks"])
@pytest.mark.parametrize("n_kv_heads", [1, 2])
def test_fills_its_cache_and_starts_again(n_kv_heads, sinks, window, stall):
    case = Case(n_kv_heads=n_kv_heads, sinks=sinks, window=window)
    check(case, [sequence(case, 7, 1), sequence(case, 3, 2)], stall)


@pytest.mark.parametrize(
    "case",
    [
        Case(n_heads=1, n_kv_heads=1, head_dim=1, context=1, sinks=(0,)),
        Case(n_heads=1, n_kv_heads=1, head_dim=1, context=2, sinks=None),
        Case(n_heads=6, n_kv_heads=2, head_dim=2, context=5, sinks=(0, 9, -900, 4000, 77, -3)),
        Case(n_heads=3, n_kv_heads=3, head_dim=5, context=8, sinks=None, window=2),
        Case(n_heads=3, n_kv_heads=1, head_dim=2, context=4, sinks=(1, 2, 3), window=4),
        Case(context=3, window=128),
    ],
    ids=["1x1", "context-2", "groups", "odd", "window-is-context", "window-beyond-context"],
)
def test_shapes(case):
    check(case, [sequence(case, case.context, seed) for seed in range(2)], STALLS["stalls"])
    check(case, [sequence(case, case.context, 2)])


@pytest.mark.parametrize(
    "numerics",
    [
        Numerics(kv_bits=16, score_bits=28, exp_table_bits=12),
        Numerics(value_bits=10, value_fraction=2, kv_bits=16, score_bits=12, sigmoid_table_bits=6),
        Numerics(kv_bits=2, exp_table_bits=2),
    ],
    ids=["wide", "kv-wider-than-values", "narrow"],
)
@pytest.mark.parametrize("largest", [False, True], ids=["normal", "largest"])
def test_other_numerics(numerics, largest):
    case = Case(numerics=numerics)
    spread = 3.0 * (1 << numerics.value_fraction)
    check(case, [sequence(case, 7, 3, spread, largest), sequence(case, 2, 4, spread, largest)])


@pytest.mark.parametrize("sinks", [None, (524287, -524288)], ids=["plain", "sinks"])
def test_saturates(sinks):
    """Products beyond every score; exponents as large as they become; sinks at both ends."""
    case = Case(sinks=sinks)
    scores, _ = check(case, [sequence(case, 7, 5, largest=True)], STALLS["stalls"])
    assert scores > 0
    limit = 1 << (case.numerics.value_bits - 1)
    lowest = np.full((7, 1, 4), -limit)
    lowest[3:] = limit - 1
    integers, exponents = quantize(lowest, case.numerics.kv_bits)
    assert exponents.max() == largest_exponent(case.numerics)
    q = np.full((7, 2, 4), -limit)
    q[:, 1] = limit - 1
    check(case, [(q, (integers, exponents), (integers, exponents))], STALLS["stalls"])


def test_a_clipped_result():
    """A value that rounding took to the end of the range is beyond it once the others agree."""
    case = Case(sinks=None)
    q = np.zeros((4, 2, 4), dtype=np.int64)
    k = np.zeros((4, 1, 4), dtype=np.int64), np.zeros((4, 1), dtype=np.int64)
    top = largest_exponent(case.numerics)
    v = np.full((4, 1, 4), 64), np.full((4, 1), top)
    v[0][:, :, 1], v[0][:, :, 2] = -64, 63
    clipped, out = check(case, [(q, k, v)])
    assert clipped > 0 and out.max() == (1 << 17) - 1 and out.min() == -(1 << 17)


@pytest.mark.parametrize("sinks", [None, (0, -4096)], ids=["plain", "sinks"])
def test_equal_scores(sinks):
    case = Case(sinks=sinks)
    q, _, v = sequence(case, 7, 6)
    k = np.zeros((7, 1, 4), dtype=np.int64), np.zeros((7, 1), dtype=np.int64)
    check(case, [(q, k, v)])


def test_scores_far_apart():
    """Terms that vanish, and a maximum that comes first, last or in between."""
    case = Case(n_heads=1, sinks=None)
    q = np.full((7, 1, 4), 256)
    steps = np.array([1, 90, 3, 127, -128, 126, 5])[:, None, None]
    for k in (steps, -steps.clip(-127), steps[::-1]):
        keys = np.broadcast_to(k, (7, 1, 4)).copy(), np.full((7, 1), 3)
        check(case, [(q, keys, sequence(case, 7, 7)[2])])


def test_emits_its_modules():
    library = Library()
    top = library.prototype(Attention, 8, 4, 8, 40, SCALE, SCALE_FRACTION, True, NUMERICS)
    names = list(dict(library.modules()))
    assert names[0] == top.module_name == "hn_attention_8_4x8_c40_47274_16_sinks_18_f8_k8_s20_t8"
    assert {re.sub(r"_\d.*", "", name) for name in names[1:]} == {
        "hn_exp2", "hn_head_words", "hn_kv_cache", "hn_queries", "hn_reciprocal", "hn_regfile",
        "hn_rom", "hn_scores", "hn_sram", "hn_weighted_sum",
    }  # fmt: skip


@pytest.mark.parametrize("stall", STALLS.values(), ids=STALLS)
@pytest.mark.parametrize("window", [None, 2])
def test_sequences_at_a_time_have_caches_of_their_own(window, stall):
    """Tokens of several sequences in any order: each sees what it would see alone."""
    case = Case(n_kv_heads=2, window=window, n_sequences=3)
    drawn = [sequence(case, n, seed) for seed, n in enumerate((7, 2, 5))]
    own_bits = case.component().own_bits
    turns = np.repeat(range(len(drawn)), [len(q) for q, _, _ in drawn])
    turns = np.random.default_rng(3).permutation(turns).tolist()
    order = [(s, turns[:i].count(s)) for i, s in enumerate(turns)]
    alone = [
        case.twin(q, *(integers << exponents[..., None] for integers, exponents in (k, v)))[1]
        for q, k, v in drawn
    ]
    streams = {"q": [], "k": [], "v": []}
    for s, p in order:
        q, (k, k_exponents), (v, v_exponents) = drawn[s]
        places = [(s << own_bits) + p]
        streams["q"] += beats(q[p : p + 1], places)
        streams["k"] += cache_beats(k[p : p + 1], k_exponents[p : p + 1], places)
        streams["v"] += cache_beats(v[p : p + 1], v_exponents[p : p + 1], places)
    n_beats = len(order) * case.n_heads * case.head_dim
    found = run_block(case.component(), streams, {"y": n_beats}, stall=stall, boot=case.boot())
    assert vectors(found["y"]) == [alone[s][p].tolist() for s, p in order]
    assert order != sorted(order)


class Column(Component):
    """Attention whose positions lie on several rows: one block for each, joined by all-reduces."""

    def __init__(self, case, rows):
        self.blocks = [case.component(rows) for _ in range(rows)]
        first = self.blocks[0].signature.members
        streams = {
            f"{name}_{row}": first[name] for row in range(rows) for name in ("q", "k", "v", "y")
        }
        super().__init__({**streams, "boot": first["boot"]})

    def elaborate(self, platform):
        m = Module()
        rows = len(self.blocks)
        for row, block in enumerate(self.blocks):
            m.submodules[f"row_{row}"] = block
            m.d.comb += block.row.eq(row)
            for name in ("q", "k", "v"):
                connect(m, flipped(getattr(self, f"{name}_{row}")), getattr(block, name))
            connect(m, block.y, flipped(getattr(self, f"y_{row}")))
            for part in ("write", "address", "data"):
                m.d.comb += getattr(block.boot, part).eq(getattr(self.boot, part))
        for name, operation in (("peak", "max"), ("parts", "sum")):
            n_bits = len(getattr(self.blocks[0], name).payload.as_value())
            reduces = []
            for row, block in enumerate(self.blocks):
                reduce = AllReduce(operation, "word", rows, n_bits, n_bits, 1)
                m.submodules[f"{name}_{row}"] = reduce
                reduces.append(reduce)
                connect(m, reduce.y, getattr(block, f"{name}_of_all"))
            for row, block in enumerate(self.blocks):
                m.submodules[f"{name}_fork_{row}"] = fork = Fork(n_bits, rows)
                own = getattr(block, name)
                m.d.comb += [
                    fork.x.payload.eq(own.payload),
                    fork.x.valid.eq(own.valid),
                    own.ready.eq(fork.x.ready),
                ]
                for to in range(rows):
                    reduce = reduces[to]
                    place = (row - to) % rows
                    target = reduce.x if place == 0 else getattr(reduce, f"others_{place - 1}")
                    copy = getattr(fork, f"y_{to}")
                    m.d.comb += [
                        target.payload.eq(copy.payload),
                        target.valid.eq(copy.valid),
                        copy.ready.eq(target.ready),
                    ]
        return m


@pytest.mark.parametrize(
    ("rows", "stall"),
    [(2, STALLS["no-stall"]), (2, STALLS["stalls"]), (4, STALLS["long-stalls"])],
    ids=["2", "2-stalls", "4-long-stalls"],
)
@pytest.mark.parametrize(
    "case",
    [
        Case(context=9, n_kv_heads=2),
        Case(context=8, sinks=None, window=3),
        Case(context=9, window=2, n_sequences=2),
    ],
    ids=["sinks", "window", "sequences"],
)
def test_positions_on_several_rows(case, rows, stall):
    """Every row gives what one chip gives, also for tokens that see nothing of theirs."""
    drawn = [sequence(case, n, seed) for seed, n in enumerate((9, 4)[: case.n_sequences])]
    drawn = [tuple(_cut(each, case.context) for each in one) for one in drawn]
    own_bits = case.component().own_bits
    streams = {f"{name}_{row}": [] for name in "qkv" for row in range(rows)}
    wanted = []
    for number, (q, k, v) in enumerate(drawn):
        positions = [(number << own_bits) + p for p in range(len(q))]
        for row in range(rows):
            streams[f"q_{row}"] += beats(q, positions)
            streams[f"k_{row}"] += cache_beats(*k, positions)
            streams[f"v_{row}"] += cache_beats(*v, positions)
        wanted += case.twin(q, *(i << e[..., None] for i, e in (k, v)))[1].tolist()
    n_beats = len(wanted) * case.n_heads * case.head_dim
    counts = {f"y_{row}": n_beats for row in range(rows)}
    found = run_block(Column(case, rows), streams, counts, stall=stall, boot=case.boot())
    for row in range(rows):
        assert vectors(found[f"y_{row}"]) == wanted


def _cut(vectors_, n):
    """At most ``n`` tokens of an array, or of integers and their exponents."""
    return tuple(v[:n] for v in vectors_) if isinstance(vectors_, tuple) else vectors_[:n]
