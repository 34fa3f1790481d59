"""Twin of ``hnlpu.rtl.chip`` and ``hnlpu.rtl.grid`` in cycles: the blocks and streams of a chip, and of all chips.

Names, and the order of the streams, are the RTL's. A chip alone is a grid of one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hnlpu.chip_plan import HALF_TOKENS, ChipPlan
from hnlpu.grid import Tile
from hnlpu.partition import Partition, Slice
from hnlpu.sim.cycle_interconnect import Interconnect, Source
from hnlpu.sim.cycle_layout import Layout
from hnlpu.widths import blend_bits, sum_bits, vector_bits

__all__ = ["chip_layout", "grid_layout"]

_ALL = ("row", "column")


def chip_layout(plan: ChipPlan) -> Layout:
    """Blocks and streams of the chip of ``plan``, under the RTL's names.

    With other chips in the grid the links of it still lack their far ends.
    """
    net = Layout()
    _Builder(plan, net, Interconnect(net, plan), plan.partition).build()
    return net


def grid_layout(plans: Mapping[Tile, ChipPlan]) -> Layout:
    """All chips of a grid and the links between them; names of all but the first begin with the chip's."""
    whole = Layout()
    for tile, plan in plans.items():
        whole.include(chip_layout(plan), _prefix(tile), plan.grid.number(tile))
    for tile in plans:
        for to in plans:
            sender, receiver = f"{_prefix(tile)}{to}_sender", f"{_prefix(to)}{tile}_receiver"
            if sender in whole.blocks:
                whole.wire(sender, "wire", receiver, "wire")
                whole.wire(receiver, "credit", sender, "credit")
    return whole


def _prefix(tile: Tile) -> str:
    return "" if tile == Tile() else f"{tile}."


@dataclass(slots=True)
class _Builder:
    plan: ChipPlan
    net: Layout
    links: Interconnect
    partition: Partition

    def build(self) -> None:
        net, shape = self.net, self.plan.shape
        last, stream = self._embedded(), "embedding"
        for i in range(shape.n_layers):
            last = self._layer(i, last, stream), "y"
            stream = f"layer_{i}_mlp_residual"
        net.add("norm", "head_norm", length=shape.hidden)
        net.join(*last, "head_norm", "x", stream)
        feed = self._quantised("head_norm", "head_norm", Slice.all(shape.hidden), 1)
        logits = self._logits((self._array(feed, 0, "lm_head", "head_logits"), "y"))
        if logits is not None:
            self._host(logits)
        self.links.connect()

    def _embedded(self) -> Source:
        """The residual stream that enters the first layer, from this chip or another."""
        plan, links, name = self.plan, self.links, "embedding"
        n_bits = vector_bits(plan.numerics.residual_bits, plan.position_bits)
        row = links.others("row") if plan.tile.column == 0 else ()
        if plan.is_root:
            self.net.add("embedding", name, length=plan.shape.hidden)
            return links.broadcast(name, (name, "y"), (*links.others("column"), *row), n_bits)
        copy = self.net.add("fork", "embedding_copy", n_outputs=1)
        from_ = Tile(0, 0) if plan.tile.column == 0 else Tile(plan.tile.row, 0)
        links.receive(from_, name, (copy, "x"), n_bits)
        return links.broadcast(name, (copy, "y_0"), row, n_bits)

    def _logits(self, source: Source) -> Source | None:
        """All logits, on the first chip."""
        grid, tile, vocab = self.plan.grid, self.plan.tile, self.plan.shape.vocab
        length, n_bits = self.partition.vocabulary(tile).length, self.plan.numerics.value_bits
        rows = [self.partition.row_vocabulary(row) for row in range(grid.rows)]
        of_row = self.links.gather(
            "head_logits_row", source, "row", n_bits, [length] * grid.columns, rows[tile.row]
        )
        if of_row is None:
            return None
        # What a row has put together has no padding any more.
        lengths = rows if grid.columns > 1 else [length] * grid.rows
        return self.links.gather("head_logits_column", of_row, "column", n_bits, lengths, vocab)

    def _host(self, logits: Source) -> None:
        net, plan = self.net, self.plan
        vocab = plan.shape.vocab
        net.add("sampler", "sampler", vocab=vocab)
        net.join(*logits, "sampler", "x", "head_logits")
        net.add(
            "host", "host", vocab=vocab, context=plan.context, slots=plan.slots,
            sequences=plan.sequences,
        )  # fmt: skip
        net.join("host", "token", "embedding", "x", "token")
        net.join("sampler", "y", "host", "sampled", "sampled")

    def _quantised(
        self, source: str, stream: str, part: Slice, n_always: int, *, agree: Sequence[str] = (),
        **chosen: Any,
    ) -> str:  # fmt: skip
        """Quantise the vectors of ``source`` and hand them, or a part of each, to arrays.

        With ``agree`` the vector lies on the chips of these axes, and has one exponent.
        """
        net = self.net
        agreed = any(self.links.others(axis) for axis in agree)
        quantizer = net.add(
            "agreed quantizer" if agreed else "quantizer", f"{stream}_quantizer", length=part.total
        )
        net.join(source, "y", quantizer, "x", stream)
        if agreed:
            n_bits = self.plan.numerics.value_bits
            seen = self.links.all_reduce(f"{stream}_seen", (quantizer, "seen"), agree, n_bits)
            net.join(*seen, quantizer, "seen_by_all", f"{stream}_seen_by_all")
        feed = net.add("feed", f"{stream}_feed", length=part.length, n_always=n_always, **chosen)
        if part.whole:
            net.join(quantizer, "y", feed, "x", f"{stream}_x")
        else:
            cut = net.add(
                "cut", f"{stream}_cut", n=part.total, first=part.first, length=part.length
            )
            net.join(quantizer, "y", cut, "x", f"{stream}_x")
            net.join(cut, "y", feed, "x", f"{stream}_part")
        return feed

    def _array(
        self, feed: str, index: int, matrix: str, name: str, *, axes: Sequence[str] = ()
    ) -> str:
        """A hardwired array behind ``feed``, whose rows go on over the chips of ``axes``."""
        net, base = self.net, self.plan.arrays[matrix].base
        array_ = net.add("array", f"{name}_array", plan=base)
        if any(self.links.others(axis) for axis in axes):
            drain = net.add("unload", f"{name}_unload", length=base.n_rows)
            whole = self.links.all_reduce(
                f"{name}_sum", (drain, "y"), axes, base.y_bits, grows=True
            )
            scale = net.add("scale", name)
            net.join(*whole, scale, "x", f"{name}_sums")
        else:
            drain = scale = net.add("drain", name, length=base.n_rows)
        net.wire(feed, f"array_{index}", array_, "x")
        net.wire(array_, "y", drain, "array")
        return scale

    def _around(self, stem: str, source: Source, stream: str) -> tuple[str, str]:
        """Fork a residual stream: to the norm of what comes, and around it to the adder."""
        net = self.net
        fork = net.add("fork", f"{stem}_fork", n_outputs=2)
        net.join(*source, fork, "x", stream)
        fifo = net.add("fifo", f"{stem}_skip", depth=HALF_TOKENS * self.plan.shape.hidden)
        net.join(fork, "y_1", fifo, "x", f"{stem}_skip_in")
        adder = net.add("adder", f"{stem}_residual")
        net.join(fifo, "y", adder, "x", f"{stem}_skip_out")
        return fork, adder

    def _layer(self, i: int, source: Source, stream: str) -> str:
        stem, name = f"layer_{i}", f"model.layers.{i}"
        fork, adder = self._around(f"{stem}_attention", source, stream)
        self._attention(i, stem, name, fork, adder)
        fork, out = self._around(f"{stem}_mlp", (adder, "y"), f"{stem}_attention_residual")
        norm = self.net.add("norm", f"{stem}_mlp_norm", length=self.plan.shape.hidden)
        self.net.join(fork, "y_0", norm, "x", f"{stem}_mlp_in")
        if self.plan.shape.is_moe:
            self._experts(i, stem, name, norm, out)
        else:
            self._dense(stem, name, norm, out)
        return out

    def _attention(self, i: int, stem: str, name: str, fork: str, adder: str) -> None:
        net, plan, shape = self.net, self.plan, self.plan.shape
        hidden = self.partition.hidden(plan.tile.row)
        norm = net.add("norm", f"{stem}_attention_norm", length=shape.hidden)
        net.join(fork, "y_0", norm, "x", f"{stem}_attention_in")
        feed = self._quantised(norm, f"{stem}_attention_norm", hidden, 3)
        attention = self._heads(i, stem)
        for index, role in enumerate("qkv"):
            last = self._array(
                feed, index, f"{name}.self_attn.{role}_proj", f"{stem}_{role}", axes=("column",)
            )
            stream = f"{stem}_{role}"
            if role != "v":
                rope = net.add("rope", f"{stem}_{role}_rope", head_dim=shape.head_dim)
                net.join(last, "y", rope, "x", stream)
                last, stream = rope, f"{stem}_{role}_rope"
            if role != "q":
                cached = net.add("quantizer", f"{stem}_{role}_quantizer", length=shape.head_dim)
                net.join(last, "y", cached, "x", stream)
                last, stream = cached, f"{stem}_{role}_cache"
            net.join(last, "y", attention, role, stream)
        feed = self._quantised(
            attention, f"{stem}_attention", Slice.all(self.partition.n_heads * shape.head_dim), 1,
            agree=("row",),
        )  # fmt: skip
        o = self._array(feed, 0, f"{name}.self_attn.o_proj", f"{stem}_o", axes=("row",))
        gathered = self.links.all_gather(
            f"{stem}_o_slices", (o, "y"), "column", plan.numerics.residual_bits,
            [hidden.length] * plan.grid.rows, shape.hidden,
        )  # fmt: skip
        net.join(*gathered, adder, "delta", f"{stem}_o")

    def _heads(self, i: int, stem: str) -> str:
        """Attention over the positions of this row, and what rows tell one another."""
        net, plan, shape = self.net, self.plan, self.plan.shape
        n, rows, name = plan.numerics, plan.grid.rows, f"{stem}_attention"
        sizes: dict[str, Any] = {
            "n_heads": self.partition.n_heads, "n_kv_heads": self.partition.n_kv_heads,
            "head_dim": shape.head_dim, "window": shape.windows[i],
        }  # fmt: skip
        if rows == 1:
            return net.add("attention", name, **sizes)
        net.add("row attention", name, **sizes, rows=rows, row=plan.tile.row)
        # A block of its own, since sums go out while others come in.
        parts = net.add("attention parts", f"{name}_parts", head_dim=shape.head_dim)
        net.wire(name, "sums", parts, "sums")
        for part, source, n_bits in (
            ("peak", name, n.score_bits),
            ("parts", parts, sum_bits(plan.context, n)),
        ):
            of_all = self.links.all_reduce(f"{name}_{part}", (source, part), ("column",), n_bits)
            net.join(*of_all, name, f"{part}_of_all", f"{name}_{part}_of_all")
        return name

    def _dense(self, stem: str, name: str, norm: str, adder: str) -> None:
        net, shape = self.net, self.plan.shape
        feed = self._quantised(norm, f"{stem}_mlp_norm", Slice.all(shape.hidden), 2)
        gate = net.add("pair gate", f"{stem}_swiglu")
        for index, role in enumerate(("gate", "up")):
            drain = self._array(feed, index, f"{name}.mlp.{role}_proj", f"{stem}_{role}")
            net.join(drain, "y", gate, role, f"{stem}_{role}")
        inner = self.partition.inner(self.plan.tile)
        feed = self._quantised(gate, f"{stem}_swiglu", Slice.all(inner.length), 1, agree=_ALL)
        down = self._array(feed, 0, f"{name}.mlp.down_proj", f"{stem}_down", axes=_ALL)
        net.join(down, "y", adder, "delta", f"{stem}_down")

    def _experts(self, i: int, stem: str, name: str, norm: str, adder: str) -> None:
        net, shape = self.net, self.plan.shape
        own = self.partition.experts(self.plan.tile)
        feed = self._quantised(
            norm, f"{stem}_mlp_norm", Slice.all(shape.hidden), 1, layer=i, own=own, by_token=True
        )
        logits = self._array(feed, 0, f"{name}.mlp.router", f"{stem}_router")
        router = net.add(
            "router", f"{stem}_routing", n_experts=shape.n_experts, k=shape.experts_per_token
        )
        net.join(logits, "y", router, "x", f"{stem}_router")
        net.join(router, "chosen", feed, "select", f"{stem}_chosen")
        route = self._routes(i, stem, router, own)

        def merged(role: str, drains: list[str], length: int, output: int) -> str:
            merge = net.add("merge", f"{stem}_{role}_merge", layer=i, length=length, own=own)
            for e, drain in enumerate(drains):
                net.join(drain, "y", merge, f"x_{e}", f"{stem}_expert_{e}_{role}")
            route(output, merge, "select")
            return merge

        def arrays(role: str, first: int) -> list[str]:
            return [
                self._array(
                    feed, first + place, f"{name}.mlp.experts.{e}.{role}_proj",
                    f"{stem}_expert_{place}_{role}",
                )
                for place, e in enumerate(own)
            ]  # fmt: skip

        gate_up = merged("gate_up", arrays("gate_up", 1), 2 * shape.intermediate, 0)
        gate = net.add("gate", f"{stem}_swiglu")
        net.join(gate_up, "y", gate, "x", f"{stem}_gate_up")
        feed = self._quantised(
            gate, f"{stem}_swiglu", Slice.all(shape.intermediate), 0, layer=i, own=own
        )
        route(1, feed, "select")
        down = merged("down", arrays("down", 0), shape.hidden, 3)
        combine, rounding = self._blended(i, stem, own)
        net.join(down, "y", combine, "x", f"{stem}_down")
        route(2, combine, "weights")
        result = (combine, "y")
        if rounding is not None:
            result = self._everywhere(f"{stem}_experts", (combine, "y"), rounding)
        net.join(*result, adder, "delta", f"{stem}_experts")

    def _blended(self, i: int, stem: str, own: range) -> tuple[str, str | None]:
        """The weighted sum over a chip's experts, and what rounds that over all chips' if they are several."""
        net, shape = self.net, self.plan.shape
        if self.plan.grid.n_chips == 1:
            return net.add("combine", f"{stem}_experts", layer=i, length=shape.hidden), None
        blend = net.add("blend", f"{stem}_experts_blend", layer=i, length=shape.hidden, own=own)
        return blend, net.add("round", f"{stem}_experts")

    def _everywhere(self, name: str, source: Source, rounding: str) -> Source:
        """Sums over all chips, rounded: each chip adds up and rounds its slice, and gets those of the others."""
        n, total = self.plan.numerics, self.plan.shape.hidden
        n_bits = blend_bits(self.plan.shape.experts_per_token, n)
        slices = []
        for axis in _ALL:
            source, length = self.links.reduce_scatter(
                f"{name}_sum_{axis}", source, axis, n_bits, total
            )
            slices.append((axis, length, total))
            total = length
        self.net.join(*source, rounding, "x", f"{name}_total")
        source = rounding, "y"
        for axis, length, total in reversed(slices):
            lengths = [length] * len(self.links.group(axis))
            source = self.links.all_gather(
                f"{name}_{axis}", source, axis, n.residual_bits, lengths, total
            )
        return source

    def _routes(
        self, i: int, stem: str, router: str, own: range
    ) -> Callable[[int, str, str], None]:
        """Copies of the routes, of own experts only, that wait where they are needed later."""
        net, shape = self.net, self.plan.shape
        routes = net.add("fork", f"{stem}_routes", n_outputs=4)
        net.join(router, "route", routes, "x", f"{stem}_routing")

        def route(output: int, target: str, port: str) -> None:
            name, source, from_ = f"{stem}_route_{output}", routes, f"y_{output}"
            if len(own) < shape.n_experts:
                kind = "claim" if output == 2 else "pick"
                picked = net.add(kind, f"{name}_own", layer=i, own=own)
                net.join(source, from_, picked, "x", f"{name}_all")
                source, from_ = picked, "y"
            fifo = net.add("fifo", name, depth=HALF_TOKENS * shape.experts_per_token)
            net.join(source, from_, fifo, "x", f"{name}_in")
            net.join(fifo, "y", target, port, f"{name}_out")

        return route
