"""Mapping of a model onto a grid: which chip computes what, and what crosses the links.

HNLPU paper, Section 4.2 and Appendix A. Chip (r, c) of R x C; N = R C; a number is an element of a vector:

    stage 1   last Y: all-chip all-reduce (row, then column, of hidden); residual; RMSNorm of what enters
    stage 2   Q K V: outputs by column, inputs by row; all-reduce in the column (K and V only to row l mod R); RoPE
    stage 3   attention on the VEX: every row has 1/R of the positions
    stage 4   max, sum and weighted values: all-reduce in the column; O: inputs by column, outputs by row
    stage 5   Xo: all-reduce in the row of hidden/R, all-gather in the column
    stage 6   residual; RMSNorm; router (replicated); gate and up, SwiGLU, down of the experts of a chip; their weights
    head      two more stages: last Y, residual, norm; unembedding by chip, sampling, exchange of the best token

(Figure 11 draws stage 5 with rows and columns the other way round.) Without experts the inner width of the feed-forward
layers is cut by chip. Latent attention, which the paper does not map: every column holds the latents, heads by column.

Where chips differ, the plan takes the busiest: the row that holds K and V, the larger share of positions, the chip with
most experts of a token. Sums of what arrives are made by the interconnect engine while it arrives (Section 4.3).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, comb

from hnlpu.errors import HnlpuError
from hnlpu.exact_links import ExactLinks
from hnlpu.grid import Grid
from hnlpu.outline import ModelOutline
from hnlpu.system_plan import CachePlan, Part, Stage, SystemHardware, SystemPlan

__all__ = ["COLLECTIVES", "STAGES_PER_LAYER", "busiest_chip", "plan_system"]

STAGES_PER_LAYER = 6
#: How chips add up vectors: whole ones to every other chip, or pieces (twice over the wire, less in all), of numbers of
#: ``link_number_bytes``. Exact: sums are integers, as the RTL sends them: those of experts in pieces, which are rounded when
#: they are complete and then gathered, all others whole; or all in pieces, which no RTL does yet.
COLLECTIVES = ("whole", "pieces", "exact", "exact-pieces")

_UNIFORM = (
    "experts are chosen uniformly; every chip is taken to have as many of a token's as the busiest"
)
_PROJECTIONS = (("q", "k", "v", "q_a", "kv_a"), ("q_b",), ("kv_b",))
_GATES = ("gate", "up", "gate_up", "shared_gate", "shared_up", "dense_gate", "dense_up")
_DOWNS = ("down", "shared_down", "dense_down")


def plan_system(
    model: ModelOutline,
    grid: Grid,
    hardware: SystemHardware,
    *,
    context: int,
    batch: int,
    prompt_context: int | None = None,
    end_context: int | None = None,
    collective: str = "whole",
    exact: ExactLinks | None = None,
) -> SystemPlan:
    """Stages of ``model`` on ``grid``, in cycles.

    Parameters
    ----------
    context : int
        Positions that a written token sees, itself included.
    batch : int
        Sequences at a time.
    prompt_context : int, optional
        Positions that a token of a prompt sees; ``context`` unless given.
    end_context : int, optional
        Positions of a sequence at its end, for the size of the KV cache; ``context`` unless given.
    collective : str
        One of ``COLLECTIVES``.
    exact : ExactLinks, optional
        Widths of numbers on links, which the exact ones need.

    Raises
    ------
    HnlpuError
        A grid that does not divide the model, more sequences than slots, a KV cache beyond buffers and HBM.
    """
    _check_grid(model, grid)
    slots = STAGES_PER_LAYER * model.n_layers
    if not 1 <= batch <= slots:
        raise HnlpuError(
            "more sequences than slots" if batch > slots else "no sequences", where="batch",
            got=f"{batch:,} sequences, and {slots:,} slots ({STAGES_PER_LAYER} x {model.n_layers} layers)",
            do=f"give 1 to {slots:,}",
        )  # fmt: skip
    if context < 1:
        raise HnlpuError("no context", where="context", got=str(context), do="give 1 or more")
    if collective not in COLLECTIVES:
        raise HnlpuError(
            "unknown collective", where="--collective", got=repr(collective),
            do=f"choose one of {', '.join(COLLECTIVES)}",
        )  # fmt: skip
    if (exact is None) == collective.startswith("exact"):
        raise ValueError(f"collective {collective} with exact = {exact}")
    cache = _cache(model, grid, hardware, batch, end_context or context)
    if cache.total_bytes > cache.capacity_bytes:
        raise HnlpuError(
            "a context beyond the KV capacity", where="context",
            got=f"{cache.total_bytes / 1e9:,.1f} GB for {batch:,} sequences of "
            f"{end_context or context:,} positions, capacity {cache.capacity_bytes / 1e9:,.1f} GB",
            do="lower context or batch, or raise hbm_stacks",
        )  # fmt: skip
    mapping = _Mapping(
        model, grid, hardware, collective, cache.spilled_share, end_context or context, exact
    )
    notes = [
        f"every written token sees {context:,} positions: the context is held while it is measured"
    ]
    if exact is not None:
        notes.append("links carry exact integers, as wide as the RTL's (hnlpu/exact_links.py)")
    if collective == "exact-pieces":
        notes.append("all sums are added in pieces; the RTL does so for those of experts only")
    if model.is_moe:
        notes.append(_UNIFORM)
    if (end_context or context) > model.max_context:
        notes.append(f"beyond the model's own {model.max_context:,} positions")
    return SystemPlan(
        model=model.name,
        grid=grid,
        hardware=hardware,
        context=context,
        prompt_context=prompt_context or context,
        batch=batch,
        slots=slots,
        stages=tuple(mapping.stages(context)),
        prompt_stages=tuple(mapping.stages(prompt_context or context)),
        cache=cache,
        notes=tuple(notes),
    )


def busiest_chip(n_experts: int, chosen: int, chips: int) -> tuple[float, ...]:
    """Chance that the busiest chip has 1, 2, .. of the ``chosen`` experts, drawn uniformly.

    Each chip has ``n_experts / chips``. Counted exactly: draws with at most m experts on every chip are the
    coefficient of x^chosen in (sum of binom(per chip, j) x^j for j up to m) ^ chips.
    """
    per_chip = n_experts // chips
    at_most = [0]
    for most in range(1, min(chosen, per_chip) + 1):
        ways = [1] + [0] * chosen
        for _ in range(chips):
            ways = [
                sum(comb(per_chip, j) * ways[n - j] for j in range(min(most, n) + 1))
                for n in range(chosen + 1)
            ]
        at_most.append(ways[chosen])
    total = comb(n_experts, chosen)
    return tuple((at_most[m] - at_most[m - 1]) / total for m in range(1, len(at_most)))


def _check_grid(model: ModelOutline, grid: Grid) -> None:
    wanted = {
        "hidden size": (model.hidden, grid.rows),
        "query heads": (model.n_heads, grid.columns),
        "KV heads": (model.kv_heads if model.kv_heads > 1 else grid.columns, grid.columns),
        "experts": (model.n_experts, grid.n_chips),
        "width of the feed-forward layers": (
            model.dense_intermediate if model.n_dense_layers else grid.n_chips,
            grid.n_chips,
        ),
    }
    for what, (size, parts) in wanted.items():
        if size % parts:
            raise HnlpuError(
                "a grid that does not fit the model", where=f"--grid {grid}",
                got=f"{size:,} {what}, to be cut into {parts}",
                do="give rows that divide the hidden size, columns that divide the heads, "
                "and chips that divide the experts or the feed-forward width",
            )  # fmt: skip


def _cache(
    model: ModelOutline, grid: Grid, hardware: SystemHardware, batch: int, context: int
) -> CachePlan:
    copies = grid.columns if model.kv_heads == 1 else 1
    positions = sum(min(context, window or context) for window in model.windows)
    sequence = positions * model.kv_numbers_per_layer * hardware.kv_number_bytes * copies
    buffers = hardware.buffer_bytes * grid.n_chips
    return CachePlan(
        sequence, sequence * batch, buffers, buffers + hardware.hbm_bytes * grid.n_chips
    )


@dataclass(frozen=True, slots=True)
class _Mapping:
    """Parts of every stage."""

    model: ModelOutline
    grid: Grid
    hardware: SystemHardware
    collective: str
    spilled: float
    capacity: int  # positions of a sequence
    exact: ExactLinks | None

    def stages(self, context: int) -> Iterator[Stage]:
        for layer, window in enumerate(self.model.windows):
            seen = min(context, window or context)
            fixed = {
                1: ("last Y, norm", self._enter(layer)),
                2: ("Q K V", self._project()),
                3: ("attention", self._attend(seen)),
                4: ("values, O", self._values()),
                5: ("Xo", self._output()),
            }
            for number, (name, parts) in fixed.items():
                yield self._stage(layer, number, name, {1: tuple(parts)})
            if self._has_experts(layer):
                chances = busiest_chip(
                    self.model.n_experts, self.model.experts_per_token, self.grid.n_chips
                )
                variants = {m: tuple(self._experts(m)) for m in range(1, len(chances) + 1)}
                yield self._stage(layer, 6, "experts", variants, chances)
            else:
                yield self._stage(layer, 6, "feed-forward", {1: tuple(self._dense())})
        for number, (name, parts) in enumerate(
            (("last Y, norm", self._last()), ("logits, sampling", self._sample())), 1
        ):
            title = f"head stage {number}: {name}"
            yield Stage(title, number, self.model.n_layers, (tuple(parts),))

    def _stage(
        self,
        layer: int,
        number: int,
        name: str,
        variants: Mapping[int, tuple[Part, ...]],
        chances: tuple[float, ...] = (1.0,),
    ) -> Stage:
        title = f"layer {layer} stage {number}: {name}"
        return Stage(title, number, layer, tuple(variants.values()), chances)

    def _enter(self, layer: int) -> Iterator[Part]:
        model = self.model
        if layer:
            yield from self._all_chips("Y", model.hidden, layer - 1)
            yield self._vex("residual", model.hidden)
        # squares of the whole vector, and the slice that the arrays of this row take
        yield self._vex("RMSNorm", model.hidden + model.hidden / self.grid.rows)

    def _project(self) -> Iterator[Part]:
        model, columns, exact = self.model, self.grid.columns, self.exact
        rows = {item.role: item.n_rows for item in model.linears}
        for group in _PROJECTIONS:
            roles = [role for role in group if role in rows]
            if roles:
                yield self._array(roles)
                outputs = sum(rows[role] for role in roles) / columns
                bits = (exact.projection, exact.value) if exact else ()
                yield from self._all_reduce("column", " ".join(roles), outputs, *bits)
        keys = model.kv_numbers_per_layer / (columns if model.kv_heads > 1 else 1)
        yield self._vex("RoPE", model.q_width / columns + keys)

    def _attend(self, seen: int) -> Iterator[Part]:
        model, grid, hardware = self.model, self.grid, self.hardware
        positions = ceil(seen / grid.rows)
        macs = model.attention_macs_per_position * positions / grid.columns
        numbers = model.kv_numbers_per_layer / (grid.columns if model.kv_heads > 1 else 1)
        cached = numbers * positions * hardware.kv_number_bytes
        near, far = cached * (1 - self.spilled), cached * self.spilled
        busy = max(
            ceil(macs / hardware.vex_macs_per_cycle), ceil(near / hardware.buffer_bytes_per_cycle)
        )
        fetch = ceil(far / hardware.hbm_bytes_per_cycle) if far else 0
        yield Part(
            "attention", "attention", busy, busy + hardware.vex_depth_cycles, near, fetch, far
        )

    def _values(self) -> Iterator[Part]:
        model, grid = self.model, self.grid
        values, heads = self._inputs("o") / grid.columns, model.n_heads / grid.columns
        if self.exact is None:
            yield from self._all_reduce("column", "softmax sums, values", values + 2 * heads)
        else:  # scores are summed on the grid of the largest, so it comes first
            peak = self.exact.peak
            yield from self._all_reduce("column", "largest scores", heads, peak, peak)
            bits = self.exact.values(self.capacity), self.exact.value
            yield from self._all_reduce("column", "softmax sums, values", values + heads, *bits)
        if grid.rows > 1:
            yield self._vex("rescale", values * grid.rows)
        yield from self._agree(("row",))
        yield self._array(["o"])

    def _output(self) -> Iterator[Part]:
        slice_, exact = self.model.hidden / self.grid.rows, self.exact
        sums, rounded = (exact.output, exact.residual) if exact else (None, None)
        yield from self._all_reduce("row", "Xo", slice_, sums, rounded)
        yield from self._message("column", "Xo gather", slice_, rounded)

    def _experts(self, most: int) -> Iterator[Part]:
        model = self.model
        shared = model.n_shared_experts * model.intermediate / self.grid.n_chips
        yield self._vex("residual, RMSNorm", 3 * model.hidden)
        yield self._array(["router"])
        yield self._vex("top-k, softmax", model.n_experts)
        yield from self._feed_forward(most * model.intermediate + shared)
        yield self._vex("expert weights", most * model.hidden)

    def _dense(self) -> Iterator[Part]:
        model = self.model
        width = model.dense_intermediate or model.intermediate
        yield self._vex("residual, RMSNorm", 3 * model.hidden)
        yield from self._feed_forward(width / self.grid.n_chips, agree=("row", "column"))

    def _feed_forward(self, gated: float, agree: Sequence[str] = ()) -> Iterator[Part]:
        yield self._array(_GATES)
        yield self._vex("gate", gated)
        yield from self._agree(agree)
        yield self._array(_DOWNS)

    def _agree(self, axes: Sequence[str]) -> Iterator[Part]:
        """Chips that have parts of a vector agree on its exponent."""
        if self.exact is not None:
            bits = self.exact.value
            for kind in axes:
                yield from self._all_reduce(kind, "exponent", 1, bits, bits)

    def _last(self) -> Iterator[Part]:
        yield from self._all_chips("Y", self.model.hidden, self.model.n_layers - 1)
        yield self._vex("residual, RMSNorm", 3 * self.model.hidden)

    def _sample(self) -> Iterator[Part]:
        model = self.model
        yield self._array(["unembedding"])
        yield self._vex("sampling", ceil(model.vocab / self.grid.n_chips))
        # the best token of every chip and its logit
        bits = None if self.exact is None else self.exact.token / 2
        yield from self._message("row", "best token", 2, bits)
        yield from self._message("column", "best token", 2, bits)

    @property
    def _pieces(self) -> bool:
        return self.collective.endswith("pieces")

    def _has_experts(self, layer: int) -> bool:
        return self.model.is_moe and layer >= self.model.n_dense_layers

    def _hidden_bits(self, layer: int) -> tuple[int, int, int] | tuple[None, None, None]:
        """Of the sums of a layer's end in the rows and in the columns, and when they are rounded."""
        if self.exact is None:
            return None, None, None
        return *self.exact.hidden(experts=self._has_experts(layer)), self.exact.residual

    def _inputs(self, role: str) -> int:
        return next(item.n_columns for item in self.model.linears if item.role == role)

    def _array(self, roles: tuple[str, ...] | list[str]) -> Part:
        known = {role: self.hardware.arrays[role] for role in roles if role in self.hardware.arrays}
        busy = max(item.interval_cycles for item in known.values())
        latency = max(item.latency_cycles for item in known.values())
        return Part("HN " + " ".join(known), "array", min(busy, latency), latency)

    def _vex(self, name: str, elements: float) -> Part:
        busy = ceil(elements / self.hardware.vex_lanes)
        return Part(name, "vex", busy, busy + self.hardware.vex_depth_cycles)

    def _all_chips(self, name: str, numbers: float, layer: int) -> Iterator[Part]:
        """All-reduce of a layer's end over all chips: in the rows, then in the columns."""
        in_rows, in_columns, rounded = self._hidden_bits(layer)
        pieces = self._pieces or (self.exact is not None and self._has_experts(layer))
        if not pieces or min(self.grid.rows, self.grid.columns) == 1:
            yield from self._all_reduce("row", name, numbers, in_rows, rounded, pieces=pieces)
            yield from self._all_reduce("column", name, numbers, in_columns, rounded, pieces=pieces)
            return
        piece = numbers / self.grid.columns
        yield from self._message("row", f"{name} scatter", piece, in_rows)
        yield from self._all_reduce("column", name, piece, in_columns, rounded, pieces=True)
        yield from self._message("row", f"{name} gather", piece, rounded)

    def _all_reduce(
        self,
        kind: str,
        name: str,
        numbers: float,
        bits: int | None = None,
        rounded: int | None = None,
        *,
        pieces: bool | None = None,
    ) -> Iterator[Part]:
        """In exact collectives a term has ``bits``, and a sum that is complete is ``rounded`` to fewer."""
        if not (self._pieces if pieces is None else pieces):
            yield from self._message(kind, name, numbers, bits)
        else:
            chips = self.grid.rows if kind == "column" else self.grid.columns
            yield from self._message(kind, f"{name} scatter", numbers / chips, bits)
            yield from self._message(kind, f"{name} gather", numbers / chips, rounded)

    def _message(
        self, kind: str, name: str, numbers: float, bits: float | None = None
    ) -> Iterator[Part]:
        """``numbers`` from every chip to every other of its row or column, each over its own link; ``bits`` if exact."""
        chips = self.grid.rows if kind == "column" else self.grid.columns
        if chips > 1:
            n_bytes = numbers * (bits / 8 if bits else self.hardware.link_number_bytes)
            link = self.hardware.link
            yield Part(name, kind, link.busy_cycles(n_bytes), link.latency_cycles(n_bytes), n_bytes)
