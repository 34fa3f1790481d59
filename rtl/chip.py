"""The chip: hardwired arrays and vector blocks, connected by streams. Token in, token out.

    host -> embedding -> layers -> norm -> unembedding -> sampler -> host

A layer is a pipeline of its own: a token enters it as soon as its first block is free, so tokens of a prompt, and
tokens of other sequences, follow one another through the layers. A position says whose token it is, and where.
Stream names are those of the twin's trace (``hnlpu.sim.chip``), with ``_`` for ``.``.

A chip is one tile of a grid (``hnlpu.partition``): it holds its parts of the matrices and asks its interconnect engine for
the rest. On a grid of one there is nothing to ask for. The chip with the host port also has embedding and sampler.

Contract (checked by ``hnlpu.verification.chip`` on the emitted Verilog against ``hnlpu.sim.chip``): logits of
every step equal the twin's bit for bit, whatever stalls.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hnlpu.boot import Window
from hnlpu.chip import norm_epsilon
from hnlpu.chip_plan import HALF_TOKENS, ArrayPlace, ChipPlan
from hnlpu.grid import Tile
from hnlpu.metal import ROW_EXPONENT_BITS
from hnlpu.partition import Partition, Slice
from hnlpu.rtl.attention import Attention
from hnlpu.rtl.boot import BootDecoder
from hnlpu.rtl.claim import Claim, Pick
from hnlpu.rtl.clock_gate import ClockGate
from hnlpu.rtl.combine import Blend, Combine
from hnlpu.rtl.cut import Cut
from hnlpu.rtl.drain import Drain
from hnlpu.rtl.embedding import Embedding
from hnlpu.rtl.feed import Feed
from hnlpu.rtl.fifo import Fifo
from hnlpu.rtl.fork import Fork
from hnlpu.rtl.hierarchy import Library
from hnlpu.rtl.host import Host
from hnlpu.rtl.interconnect import Interconnect, Source, element_bits
from hnlpu.rtl.merge import Merge
from hnlpu.rtl.netlist import Block, Netlist, stream_bits
from hnlpu.rtl.quantizer import Quantizer
from hnlpu.rtl.residual import Residual
from hnlpu.rtl.rmsnorm import RmsNorm
from hnlpu.rtl.rope import Rope
from hnlpu.rtl.rounding import Round
from hnlpu.rtl.router import Router
from hnlpu.rtl.sampler import Sampler
from hnlpu.rtl.scale import Scale
from hnlpu.rtl.stall import Noise
from hnlpu.rtl.structure import Instance, Port, concat
from hnlpu.rtl.swiglu import Swiglu
from hnlpu.rtl.unload import Unload
from hnlpu.rtl.vectors import BOOT_ADDRESS_BITS, BOOT_DATA_BITS, EXPONENT_BITS
from hnlpu.tables import rope_steps, score_scale
from hnlpu.widths import blend_bits

__all__ = ["chip_netlist"]

_BOOT = {"address": BOOT_ADDRESS_BITS, "data": BOOT_DATA_BITS, "write": 1}


def chip_netlist(
    plan: ChipPlan, windows: tuple[Window, ...], library: Library, *, stalls: bool = False
) -> tuple[Netlist, Interconnect]:
    """Blocks and streams of a chip, and its links.

    Parameters
    ----------
    plan : ChipPlan
    windows : tuple of Window
        The chip's boot map (``hnlpu.boot``); only addresses matter.
    library : Library
    stalls : bool
        Every stream pauses while port ``stall`` is high.
    """
    net = Netlist(plan.name, library, stalls=stalls)
    builder = _Builder(plan, windows, net, Interconnect(net, plan), plan.partition)
    builder.build()
    return net, builder.links


@dataclass(slots=True)
class _Builder:
    plan: ChipPlan
    windows: tuple[Window, ...]
    net: Netlist
    links: Interconnect
    partition: Partition

    def build(self) -> None:
        net, plan, shape = self.net, self.plan, self.plan.shape
        net.ports += [Port("input", "clk"), Port("input", "rst")]
        last, port, name = self._embedded()
        for i in range(shape.n_layers):
            last, port, name = self._layer(i, last, port, name)
        norm = self._norm("head_norm", last, port, name)
        feed = self._quantised(
            norm, "y", "head_norm", Slice.all(shape.hidden), "unembedding", 1, norm
        )
        logits = self._array(feed, 0, "lm_head", "head_logits")
        gathered = self._logits((logits, "y"))
        counting = [block for block in net.blocks.values() if "saturated" in block.ports()]
        if plan.is_root:
            assert gathered is not None
            boot = self._host(gathered, counting)
        else:
            boot = {part: f"boot__{part}" for part in _BOOT}
            net.ports += [Port("input", f"boot__{part}", n) for part, n in _BOOT.items()]
            net.ports.append(Port("output", "saturated"))
            net.assigns.append(
                ("saturated", f"|{concat(net.output(block, 'saturated') for block in counting)}")
            )
        self._boot(boot)
        self.links.connect()
        if net.stalls:
            self._noise()

    def _embedded(self) -> tuple[Block, str, str]:
        """The residual stream that enters the first layer, from this chip or another."""
        plan, n, links = self.plan, self.plan.numerics, self.links
        shape, position_bits, name = plan.shape, plan.position_bits, "embedding"
        row = links.others("row") if plan.tile.column == 0 else ()
        if plan.is_root:
            embedding = self.net.add(
                "embedding", Embedding, shape.vocab, shape.hidden, n.residual_bits, position_bits
            )
            block, port = links.broadcast(name, (embedding, "y"), (*links.others("column"), *row))
        else:
            n_bits = n.residual_bits + position_bits + 1
            copy = self.net.add("embedding_copy", Fork, n_bits, 1)
            from_ = Tile(0, 0) if plan.tile.column == 0 else Tile(plan.tile.row, 0)
            links.receive(from_, name, (copy, "x"))
            block, port = links.broadcast(name, (copy, "y_0"), row)
        return block, port, "embedding"

    def _logits(self, source: Source) -> Source | None:
        """All logits, on the first chip."""
        grid, tile = self.plan.grid, self.plan.tile
        vocab, length = self.plan.shape.vocab, self.partition.vocabulary(tile).length
        in_row = self.partition.row_vocabulary(tile.row)
        of_row = self.links.gather("head_logits_row", source, "row", length, in_row)
        if of_row is None:
            return None
        return self.links.gather(
            "head_logits_column", of_row, "column", grid.columns * length, vocab
        )

    def _host(self, logits: Source, counting: list[Block]) -> dict[str, str]:
        """Host port and sampler; the wires of the boot port."""
        net, plan, n = self.net, self.plan, self.plan.numerics
        shape, position_bits = plan.shape, plan.position_bits
        sampler = net.add("sampler", Sampler, shape.vocab, plan.slots, n, position_bits)
        net.join(*logits, sampler, "x", "head_logits")
        n_others = plan.grid.n_chips - 1
        host = net.add(
            "host", Host, shape.vocab, plan.context, position_bits, plan.slots,
            len(counting) + n_others, plan.sequences,
        )  # fmt: skip
        net.join(host, "token", net.blocks["embedding"], "x", "token")
        net.join(sampler, "y", host, "sampled", "sampled")
        self._host_pins(host, sampler)
        saturated = [net.output(block, "saturated") for block in counting]
        boot = {part: net.output(host, f"boot__{part}") for part in _BOOT}
        if n_others:
            net.ports.append(Port("input", "others_saturated", n_others))
            saturated.append("others_saturated")
            net.ports += [Port("output", f"boot__{part}", bits) for part, bits in _BOOT.items()]
            net.assigns += [(f"boot__{part}", wire) for part, wire in boot.items()]
        host.pins["saturated"] = concat(saturated)
        return boot

    def _host_pins(self, host: Block, sampler: Block) -> None:
        net = self.net
        for stream, inward in (("request", True), ("response", False)):
            parts = {"payload": stream_bits(host, stream), "valid": 1, "ready": 1}
            for part, n_bits in parts.items():
                outward = inward == (part == "ready")
                net.ports.append(
                    Port("output" if outward else "input", f"{stream}__{part}", n_bits)
                )
                host.pins[f"{stream}__{part}"] = f"{stream}__{part}"
        for name in ("interrupt", "idle"):
            net.ports.append(Port("output", name))
            host.pins[name] = name
        for name in ("temperature", "top_k", "seed", "seed_write"):
            sampler.pins[name] = net.output(host, name)

    def _boot(self, boot: dict[str, str]) -> None:
        """Every block sees the address within its own window."""
        net = self.net
        address, word, write = (boot[part] for part in ("address", "data", "write"))
        layout = tuple((window.base, window.address_bits) for window in self.windows)
        decoder = net.add("boot_decoder", BootDecoder, layout)
        decoder.pins.update(boot__address=address, boot__data=word, boot__write=write)
        writes = net.output(decoder, "writes")
        for i, window in enumerate(self.windows):
            pins = net.blocks[window.block].pins
            bits = window.address_bits
            zero = f"{BOOT_ADDRESS_BITS}'d0"
            own = f"{{{BOOT_ADDRESS_BITS - bits}'d0, {address}[{bits - 1}:0]}}" if bits else zero
            pins |= {"boot__address": own, "boot__data": word}
            pins["boot__write"] = f"{writes}[{i}]" if len(self.windows) > 1 else writes

    def _noise(self) -> None:
        stalls = [block for name, block in self.net.blocks.items() if name.endswith("_stall")]
        self.net.ports.append(Port("input", "stall"))
        noise = self.net.add("noise", Noise, len(stalls), self.plan.grid.number(self.plan.tile))
        noise.pins["enable"] = "stall"
        go = self.net.output(noise, "go")
        for i, stall in enumerate(stalls):
            stall.pins["go"] = f"{go}[{i}]"

    def _norm(self, name: str, source: Block, port: str, stream: str) -> Block:
        n, shape = self.plan.numerics, self.plan.shape
        norm = self.net.add(
            name, RmsNorm, shape.hidden, norm_epsilon(shape, n), n, self.plan.position_bits
        )
        self.net.join(source, port, norm, "x", stream)
        return norm

    def _quantised(
        self,
        source: Block,
        port: str,
        stream: str,
        part: Slice,
        array_input: str,
        n_always: int,
        norm: Block | None = None,
        n_selected: int = 0,
        agree: Sequence[str] = (),
    ) -> Block:
        """Quantise the vectors of ``source`` and hand them, or a part of each, to arrays.

        The grid is the norm's, if any. With ``agree`` the vector lies on the chips of these axes, and has one
        exponent.
        """
        n, net, position_bits = self.plan.numerics, self.net, self.plan.position_bits
        bits = n.input_bits(array_input)
        agreed = any(self.links.others(axis) for axis in agree)
        quantizer = net.add(
            f"{stream}_quantizer", Quantizer, part.total, 1, n.value_bits, bits, position_bits,
            agreed,
        )  # fmt: skip
        net.join(source, port, quantizer, "x", stream)
        if agreed:
            seen = self.links.all_reduce(f"{stream}_seen", (quantizer, "seen"), "or", "word", agree)
            net.join(*seen, quantizer, "seen_by_all", f"{stream}_seen_by_all")
        fraction = -n.value_fraction % (1 << EXPONENT_BITS)
        quantizer.pins["base"] = (
            f"{EXPONENT_BITS}'d{fraction}" if norm is None else net.output(norm, "exponent")
        )
        feed = net.add(
            f"{stream}_feed", Feed, part.length, bits, n_always, n_selected, position_bits
        )
        if part.whole:
            net.join(quantizer, "y", feed, "x", f"{stream}_x")
        else:
            cut = net.add(
                f"{stream}_cut", Cut, part.total, part.first, part.length, bits, position_bits
            )
            net.join(quantizer, "y", cut, "x", f"{stream}_x")
            net.join(cut, "y", feed, "x", f"{stream}_part")
        n_arrays = n_always + n_selected
        net.output(feed, "array_valid")
        ready = concat(net.wire(f"{feed.name}__ready_{i}", 1) for i in range(n_arrays))
        feed.pins["array_ready"] = ready
        return feed

    def _array(
        self,
        feed: Block,
        index: int,
        matrix: str,
        name: str,
        *,
        residual: bool = False,
        axes: Sequence[str] = (),
    ) -> Block:
        """A hardwired array behind ``feed``, and the block that brings its results to a grid.

        Rows go on over the chips of ``axes``: what the array gives are parts of sums.
        """
        net, plan, n = self.net, self.plan, self.plan.numerics
        place: ArrayPlace = plan.arrays[matrix]
        base = place.base
        grid = (
            (n.residual_bits, n.residual_fraction) if residual else (n.value_bits, n.value_fraction)
        )
        rest = (*grid, place.has_multipliers, plan.position_bits)
        row_exponents = net.wire(f"{name}__row_exponents", base.n_rows * ROW_EXPONENT_BITS)
        if any(self.links.others(axis) for axis in axes):
            drain = net.add(f"{name}_unload", Unload, base.n_rows, base.y_bits, plan.position_bits)
            whole = self.links.all_reduce(
                f"{name}_sum", (drain, "y"), "sum", "integers", axes, grows=True
            )
            scale = net.add(name, Scale, base.n_rows, element_bits(whole), *rest)
            net.join(*whole, scale, "x", f"{name}_sums")
        else:
            drain = scale = net.add(name, Drain, base.n_rows, base.y_bits, *rest)
        scale.pins["row_exponents"] = row_exponents
        self._place_array(feed, index, place, name, drain, row_exponents)
        return scale

    def _place_array(
        self, feed: Block, index: int, place: ArrayPlace, name: str, drain: Block, rows: str
    ) -> None:
        net, base = self.net, place.base
        valid = net.output(feed, "array_valid")
        if feed.ports()["array_valid"][1] > 1:
            valid = f"{valid}[{index}]"
        ready = f"{feed.name}__ready_{index}"
        y_valid = net.wire(f"{drain.name}__array_y_valid", 1)
        y = net.wire(f"{drain.name}__array_y", base.n_rows * base.y_bits)
        drain.pins.update(
            {
                "array_y": y,
                "array_y_valid": y_valid,
                "accepted": f"{valid} & {ready}",
                "exponent": net.output(feed, "exponent"),
                "position": net.output(feed, "position"),
            }
        )
        y_ready = net.output(drain, "array_y_ready")
        gate = net.add(f"{name}_gate", ClockGate)
        gate.pins.update(x_valid=valid, x_ready=ready, y_valid=y_valid, y_ready=y_ready)
        pins = (
            ("clk", net.output(gate, "gated")),
            ("rst", "rst"),
            ("x_valid", valid),
            ("x_ready", ready),
            ("x", net.output(feed, "array_x")),
            ("y_valid", y_valid),
            ("y_ready", y_ready),
            ("y", y),
            ("row_exponents", rows),
        )
        net.others.append(Instance(place.module, f"{name}_array", pins))

    def _around(self, stem: str, source: Block, port: str, stream: str) -> tuple[Block, Block]:
        """Fork a residual stream: to the norm of what comes, and around it to the adder."""
        net, n, shape = self.net, self.plan.numerics, self.plan.shape
        n_bits = stream_bits(source, port)
        fork = net.add(f"{stem}_fork", Fork, n_bits, 2)
        net.join(source, port, fork, "x", stream)
        fifo = net.add(f"{stem}_skip", Fifo, n_bits, HALF_TOKENS * shape.hidden)
        net.join(fork, "y_1", fifo, "x", f"{stem}_skip_in")
        adder = net.add(f"{stem}_residual", Residual, n.residual_bits, self.plan.position_bits)
        net.join(fifo, "y", adder, "x", f"{stem}_skip_out")
        return fork, adder

    def _layer(self, i: int, source: Block, port: str, stream: str) -> tuple[Block, str, str]:
        stem, name = f"layer_{i}", f"model.layers.{i}"
        fork, adder = self._around(f"{stem}_attention", source, port, stream)
        self._attention(stem, name, fork, adder)
        fork, out = self._around(f"{stem}_mlp", adder, "y", f"{stem}_attention_residual")
        if self.plan.shape.is_moe:
            self._experts(stem, name, fork, out)
        else:
            self._dense(stem, name, fork, out)
        return out, "y", f"{stem}_mlp_residual"

    def _attention(self, stem: str, name: str, fork: Block, adder: Block) -> None:
        net, plan, n, shape = self.net, self.plan, self.plan.numerics, self.plan.shape
        position_bits, rows = plan.position_bits, plan.grid.rows
        n_heads, n_kv_heads = self.partition.n_heads, self.partition.n_kv_heads
        hidden = self.partition.hidden(plan.tile.row)
        norm = self._norm(f"{stem}_attention_norm", fork, "y_0", f"{stem}_attention_in")
        feed = self._quantised(norm, "y", f"{stem}_attention_norm", hidden, "qkv", 3, norm)
        scale, fraction = score_scale(shape.rope, shape.head_dim)
        has_sinks = shape.family == "gpt-oss"
        attention = net.add(
            f"{stem}_attention", Attention, n_heads, n_kv_heads, shape.head_dim,
            plan.context, scale, fraction, has_sinks, n, plan.sequences, rows,
        )  # fmt: skip
        if rows > 1:
            attention.pins["row"] = f"{(rows - 1).bit_length()}'d{plan.tile.row}"
            for part, operation in (("peak", "max"), ("parts", "sum")):
                of_all = self.links.all_reduce(
                    f"{stem}_attention_{part}", (attention, part), operation, "word", ("column",)
                )
                net.join(*of_all, attention, f"{part}_of_all", f"{stem}_attention_{part}_of_all")
        steps = tuple(rope_steps(shape.rope, shape.head_dim).tolist())
        for index, role in enumerate("qkv"):
            last = self._array(
                feed, index, f"{name}.self_attn.{role}_proj", f"{stem}_{role}", axes=("column",)
            )
            stream = f"{stem}_{role}"
            if role != "v":
                rotated = net.add(
                    f"{stem}_{role}_rope", Rope, shape.head_dim, steps, n, position_bits,
                    plan.sequence_bits,
                )  # fmt: skip
                net.join(last, "y", rotated, "x", stream)
                last, stream = rotated, f"{stem}_{role}_rope"
            if role != "q":
                cached = net.add(
                    f"{stem}_{role}_quantizer", Quantizer, shape.head_dim, n_kv_heads,
                    n.value_bits, n.kv_bits, position_bits,
                )  # fmt: skip
                cached.pins["base"] = f"{EXPONENT_BITS}'d0"
                net.join(last, "y", cached, "x", stream)
                last, stream = cached, f"{stem}_{role}_cache"
            net.join(last, "y", attention, role, stream)
        feed = self._quantised(
            attention, "y", f"{stem}_attention", Slice.all(n_heads * shape.head_dim), "o", 1,
            agree=("row",),
        )  # fmt: skip
        o = self._array(
            feed, 0, f"{name}.self_attn.o_proj", f"{stem}_o", residual=True, axes=("row",)
        )
        gathered = self.links.all_gather(
            f"{stem}_o_slices", (o, "y"), "column", hidden.length, shape.hidden
        )
        net.join(*gathered, adder, "delta", f"{stem}_o")

    def _dense(self, stem: str, name: str, fork: Block, adder: Block) -> None:
        net, plan, n, shape = self.net, self.plan, self.plan.numerics, self.plan.shape
        inner = self.partition.inner(plan.tile)
        norm = self._norm(f"{stem}_mlp_norm", fork, "y_0", f"{stem}_mlp_in")
        feed = self._quantised(
            norm, "y", f"{stem}_mlp_norm", Slice.all(shape.hidden), "mlp", 2, norm
        )
        swiglu = net.add(f"{stem}_swiglu", Swiglu, False, shape.swiglu_limit, n, plan.position_bits)
        for index, role in enumerate(("gate", "up")):
            drain = self._array(feed, index, f"{name}.mlp.{role}_proj", f"{stem}_{role}")
            net.join(drain, "y", swiglu, role, f"{stem}_{role}")
        feed = self._quantised(
            swiglu, "y", f"{stem}_swiglu", Slice.all(inner.length), "down", 1, agree=_ALL
        )
        down = self._array(
            feed, 0, f"{name}.mlp.down_proj", f"{stem}_down", residual=True, axes=_ALL
        )
        net.join(down, "y", adder, "delta", f"{stem}_down")

    def _experts(self, stem: str, name: str, fork: Block, adder: Block) -> None:
        net, plan, n, shape = self.net, self.plan, self.plan.numerics, self.plan.shape
        count, k, position_bits = shape.n_experts, shape.experts_per_token, plan.position_bits
        own = self.partition.experts(plan.tile)
        norm = self._norm(f"{stem}_mlp_norm", fork, "y_0", f"{stem}_mlp_in")
        feed = self._quantised(
            norm, "y", f"{stem}_mlp_norm", Slice.all(shape.hidden), "mlp", 1, norm,
            n_selected=len(own),
        )  # fmt: skip
        logits = self._array(feed, 0, f"{name}.mlp.router", f"{stem}_router")
        router = net.add(f"{stem}_routing", Router, count, k, n, position_bits)
        net.join(logits, "y", router, "x", f"{stem}_router")
        net.join(router, "chosen", feed, "select", f"{stem}_chosen", first=own.start)
        route = self._routes(stem, router, own)

        def merged(role: str, drains: list[Block], n_bits: int, output: int) -> Block:
            merge = net.add(f"{stem}_{role}_merge", Merge, len(own), n_bits, position_bits)
            for e, drain in enumerate(drains):
                net.join(drain, "y", merge, f"x_{e}", f"{stem}_expert_{e}_{role}")
            route(output, merge, "select")
            return merge

        drains = [
            self._array(
                feed, 1 + i, f"{name}.mlp.experts.{e}.gate_up_proj", f"{stem}_expert_{i}_gate_up"
            )
            for i, e in enumerate(own)
        ]
        gate_up = merged("gate_up", drains, n.value_bits, 0)
        swiglu = net.add(f"{stem}_swiglu", Swiglu, True, shape.swiglu_limit, n, position_bits)
        net.join(gate_up, "y", swiglu, "x", f"{stem}_gate_up")
        feed = self._quantised(
            swiglu, "y", f"{stem}_swiglu", Slice.all(shape.intermediate), "down", 0,
            n_selected=len(own),
        )  # fmt: skip
        route(1, feed, "select")
        drains = [
            self._array(
                feed,
                i,
                f"{name}.mlp.experts.{e}.down_proj",
                f"{stem}_expert_{i}_down",
                residual=True,
            )
            for i, e in enumerate(own)
        ]
        routed = merged("down", drains, n.residual_bits, 3)
        if plan.grid.n_chips == 1:
            combine = net.add(f"{stem}_experts", Combine, shape.hidden, k, count, n, position_bits)
            blend = combine
        else:
            blend = net.add(
                f"{stem}_experts_blend", Blend, shape.hidden, k, len(own), n, position_bits
            )
            combine = net.add(
                f"{stem}_experts", Round, blend_bits(k, n), n.routing_bits, n.residual_bits,
                position_bits,
            )  # fmt: skip
        net.join(routed, "y", blend, "x", f"{stem}_down")
        route(2, blend, "weights")
        result = (combine, "y")
        if blend is not combine:
            result = self._everywhere(f"{stem}_experts", (blend, "y"), combine)
        net.join(*result, adder, "delta", f"{stem}_experts")

    def _everywhere(self, name: str, source: Source, rounding: Block) -> Source:
        """Sums over all chips, rounded: each chip adds up and rounds its slice, and gets those of the others."""
        total = self.plan.shape.hidden
        slices = []
        for axis in _ALL:
            source, length = self.links.reduce_scatter(f"{name}_sum_{axis}", source, axis, total)
            slices.append((axis, length, total))
            total = length
        self.net.join(*source, rounding, "x", f"{name}_total")
        source = rounding, "y"
        for axis, length, total in reversed(slices):
            source = self.links.all_gather(f"{name}_{axis}", source, axis, length, total)
        return source

    def _routes(self, stem: str, router: Block, own: range) -> Callable[[int, Block, str], None]:
        """Copies of the routes, of own experts only, that wait where they are needed later.

        Copy 2 goes to the weighted sum, which has something to give for every token.
        """
        net, n, shape = self.net, self.plan.numerics, self.plan.shape
        count, k = shape.n_experts, shape.experts_per_token
        bits = stream_bits(router, "route")
        routes = net.add(f"{stem}_routes", Fork, bits, 4)
        net.join(router, "route", routes, "x", f"{stem}_routing")

        def route(output: int, target: Block, port: str) -> None:
            name = f"{stem}_route_{output}"
            source, from_ = routes, f"y_{output}"
            if len(own) < count:
                kind = Claim if output == 2 else Pick
                own_routes = net.add(
                    f"{name}_own", kind, count, own.start, len(own), n.routing_bits
                )
                net.join(routes, from_, own_routes, "x", f"{name}_all")
                source, from_ = own_routes, "y"
            fifo = net.add(name, Fifo, stream_bits(source, from_), HALF_TOKENS * k)
            net.join(source, from_, fifo, "x", f"{name}_in")
            net.join(fifo, "y", target, port, f"{name}_out", first=0)

        return route


_ALL = ("row", "column")
