"""The chip: hardwired arrays and vector blocks, connected by streams. Token in, token out.

    host -> embedding -> layers -> norm -> unembedding -> sampler -> host

A layer is a pipeline of its own: a token enters it as soon as its first block is free, so tokens of a prompt, and
tokens of other sequences, follow one another through the layers. A position says whose token it is, and where. Stream names are those of the twin's trace (``hnlpu.sim.chip``), with
``_`` for ``.``.

Contract (checked by ``hnlpu.verification.chip`` on the emitted Verilog against ``hnlpu.sim.chip``): logits of
every step equal the twin's bit for bit, whatever stalls.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from hnlpu.boot import Window
from hnlpu.chip import norm_epsilon
from hnlpu.chip_plan import ArrayPlace, ChipPlan
from hnlpu.metal import ROW_EXPONENT_BITS
from hnlpu.rtl.attention import Attention
from hnlpu.rtl.boot import BootDecoder
from hnlpu.rtl.clock_gate import ClockGate
from hnlpu.rtl.combine import Combine
from hnlpu.rtl.drain import Drain
from hnlpu.rtl.embedding import Embedding
from hnlpu.rtl.feed import Feed
from hnlpu.rtl.fifo import Fifo
from hnlpu.rtl.fork import Fork
from hnlpu.rtl.hierarchy import Library
from hnlpu.rtl.host import Host
from hnlpu.rtl.merge import Merge
from hnlpu.rtl.netlist import Block, Netlist, stream_bits
from hnlpu.rtl.quantizer import Quantizer
from hnlpu.rtl.residual import Residual
from hnlpu.rtl.rmsnorm import RmsNorm
from hnlpu.rtl.rope import Rope
from hnlpu.rtl.router import Router
from hnlpu.rtl.sampler import Sampler
from hnlpu.rtl.stall import Noise
from hnlpu.rtl.structure import Instance, Port, concat
from hnlpu.rtl.swiglu import Swiglu
from hnlpu.rtl.vectors import BOOT_ADDRESS_BITS, EXPONENT_BITS
from hnlpu.tables import rope_steps, score_scale

__all__ = ["CHIP", "chip_modules", "chip_netlist"]

#: Module name of a chip.
CHIP = "hn_chip"


def chip_modules(
    plan: ChipPlan, windows: tuple[Window, ...]
) -> tuple[Netlist, Iterator[tuple[str, Iterator[str]]]]:
    """The chip's netlist, and ``(module name, pieces of Verilog)`` of it and its blocks, top first.

    Parameters
    ----------
    plan : ChipPlan
    windows : tuple of Window
        The boot map (``hnlpu.boot``); only addresses matter.
    """
    library = Library()
    netlist = chip_netlist(plan, windows, library)

    def modules() -> Iterator[tuple[str, Iterator[str]]]:
        top = netlist.structure(
            f"{plan.shape.n_layers} layers of the {plan.shape.family} family, context "
            f"{plan.context}.\nverilator lint_off UNUSEDSIGNAL"
        )
        yield top.name, top.render()
        for name, text in library.modules():
            yield name, iter([text])

    return netlist, modules()


def chip_netlist(
    plan: ChipPlan, windows: tuple[Window, ...], library: Library, *, stalls: bool = False
) -> Netlist:
    """Blocks and streams of a chip; with ``stalls`` every stream pauses while port ``stall`` is high."""
    return _Builder(plan, windows, Netlist(CHIP, library, stalls=stalls)).build()


@dataclass(slots=True)
class _Builder:
    plan: ChipPlan
    windows: tuple[Window, ...]
    net: Netlist
    arrays_used: set[str] = field(default_factory=set)

    def build(self) -> Netlist:
        net, plan = self.net, self.plan
        shape, n, position_bits = plan.shape, plan.numerics, plan.position_bits
        embedding = net.add(
            "embedding", Embedding, shape.vocab, shape.hidden, n.residual_bits, position_bits
        )
        last, port = embedding, "y"
        name = "embedding"
        for i in range(shape.n_layers):
            last, port, name = self._layer(i, last, port, name)
        norm = self._norm("head_norm", last, port, name)
        feed = self._quantised(norm, "y", "head_norm", shape.hidden, "unembedding", 1, norm)
        logits = self._array(feed, 0, "lm_head", "head_logits")
        sampler = net.add("sampler", Sampler, shape.vocab, plan.slots, n, position_bits)
        net.join(logits, "y", sampler, "x", "head_logits")
        counting = [block for block in net.blocks.values() if "saturated" in block.ports()]
        host = net.add(
            "host", Host, shape.vocab, plan.context, position_bits, plan.slots, len(counting),
            plan.sequences,
        )  # fmt: skip
        net.join(host, "token", embedding, "x", "token")
        net.join(sampler, "y", host, "sampled", "sampled")
        self._host_pins(host, sampler, counting)
        self._boot(host)
        if net.stalls:
            self._noise()
        return net

    def _host_pins(self, host: Block, sampler: Block, counting: list[Block]) -> None:
        net = self.net
        net.ports += [Port("input", "clk"), Port("input", "rst")]
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
        host.pins["saturated"] = concat(net.output(block, "saturated") for block in counting)

    def _boot(self, host: Block) -> None:
        """Every block sees the address within its own window."""
        net = self.net
        address, word, write = (
            net.output(host, f"boot__{x}") for x in ("address", "data", "write")
        )
        layout = tuple((window.base, window.address_bits) for window in self.windows)
        decoder = net.add("boot_decoder", BootDecoder, layout)
        decoder.pins.update(boot__address=address, boot__data=word, boot__write=write)
        writes = net.output(decoder, "writes")
        for i, window in enumerate(self.windows):
            pins = net.blocks[window.block].pins
            bits = window.address_bits
            own = f"{{{BOOT_ADDRESS_BITS - bits}'d0, {address}[{bits - 1}:0]}}" if bits else "0"
            pins |= {"boot__address": own, "boot__data": word}
            pins["boot__write"] = f"{writes}[{i}]" if len(self.windows) > 1 else writes

    def _noise(self) -> None:
        stalls = [block for name, block in self.net.blocks.items() if name.endswith("_stall")]
        self.net.ports.append(Port("input", "stall"))
        noise = self.net.add("noise", Noise, len(stalls))
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
        length: int,
        array_input: str,
        n_always: int,
        norm: Block | None = None,
        n_selected: int = 0,
    ) -> Block:
        """Quantise the vectors of ``source`` and hand them to arrays; the grid is the norm's, if any."""
        n, net, position_bits = self.plan.numerics, self.net, self.plan.position_bits
        bits = n.input_bits(array_input)
        quantizer = net.add(
            f"{stream}_quantizer", Quantizer, length, 1, n.value_bits, bits, position_bits
        )
        net.join(source, port, quantizer, "x", stream)
        fraction = -n.value_fraction % (1 << EXPONENT_BITS)
        quantizer.pins["base"] = (
            f"{EXPONENT_BITS}'d{fraction}" if norm is None else net.output(norm, "exponent")
        )
        feed = net.add(f"{stream}_feed", Feed, length, bits, n_always, n_selected, position_bits)
        net.join(quantizer, "y", feed, "x", f"{stream}_x")
        n_arrays = n_always + n_selected
        net.output(feed, "array_valid")
        ready = concat(net.wire(f"{feed.name}__ready_{i}", 1) for i in range(n_arrays))
        feed.pins["array_ready"] = ready
        return feed

    def _array(
        self, feed: Block, index: int, matrix: str, name: str, *, residual: bool = False
    ) -> Block:
        """A hardwired array behind ``feed``, and the block that drains it."""
        net, plan, n = self.net, self.plan, self.plan.numerics
        place: ArrayPlace = plan.arrays[matrix]
        base = place.base
        grid = (
            (n.residual_bits, n.residual_fraction) if residual else (n.value_bits, n.value_fraction)
        )
        drain = net.add(
            name, Drain, base.n_rows, base.y_bits, *grid, place.has_multipliers, plan.position_bits
        )
        valid = net.output(feed, "array_valid")
        if feed.ports()["array_valid"][1] > 1:
            valid = f"{valid}[{index}]"
        ready = f"{feed.name}__ready_{index}"
        wires = {
            "y_valid": net.wire(f"{name}__array_y_valid", 1),
            "y": net.wire(f"{name}__array_y", base.n_rows * base.y_bits),
            "row_exponents": net.wire(f"{name}__row_exponents", base.n_rows * ROW_EXPONENT_BITS),
        }
        drain.pins.update(
            {
                "array_y": wires["y"],
                "array_y_valid": wires["y_valid"],
                "row_exponents": wires["row_exponents"],
                "accepted": f"{valid} & {ready}",
                "exponent": net.output(feed, "exponent"),
                "position": net.output(feed, "position"),
            }
        )
        y_ready = net.output(drain, "array_y_ready")
        gate = net.add(f"{name}_gate", ClockGate)
        gate.pins.update(x_valid=valid, x_ready=ready, y_valid=wires["y_valid"], y_ready=y_ready)
        pins = (
            ("clk", net.output(gate, "gated")),
            ("rst", "rst"),
            ("x_valid", valid),
            ("x_ready", ready),
            ("x", net.output(feed, "array_x")),
            ("y_valid", wires["y_valid"]),
            ("y_ready", y_ready),
            ("y", wires["y"]),
            ("row_exponents", wires["row_exponents"]),
        )
        net.others.append(Instance(place.module, f"{name}_array", pins))
        return drain

    def _around(self, stem: str, source: Block, port: str, stream: str) -> tuple[Block, Block]:
        """Fork a residual stream: to the norm of what comes, and around it to the adder."""
        net, n, shape = self.net, self.plan.numerics, self.plan.shape
        n_bits = stream_bits(source, port)
        fork = net.add(f"{stem}_fork", Fork, n_bits, 2)
        net.join(source, port, fork, "x", stream)
        fifo = net.add(f"{stem}_skip", Fifo, n_bits, shape.hidden)
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
        position_bits = plan.position_bits
        norm = self._norm(f"{stem}_attention_norm", fork, "y_0", f"{stem}_attention_in")
        feed = self._quantised(norm, "y", f"{stem}_attention_norm", shape.hidden, "qkv", 3, norm)
        scale, fraction = score_scale(shape.rope, shape.head_dim)
        has_sinks = shape.family == "gpt-oss"
        attention = net.add(
            f"{stem}_attention", Attention, shape.n_heads, shape.n_kv_heads, shape.head_dim,
            plan.context, scale, fraction, has_sinks, n, plan.sequences,
        )  # fmt: skip
        steps = tuple(rope_steps(shape.rope, shape.head_dim).tolist())
        for index, role in enumerate("qkv"):
            last = self._array(feed, index, f"{name}.self_attn.{role}_proj", f"{stem}_{role}")
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
                    f"{stem}_{role}_quantizer", Quantizer, shape.head_dim, shape.n_kv_heads,
                    n.value_bits, n.kv_bits, position_bits,
                )  # fmt: skip
                cached.pins["base"] = f"{EXPONENT_BITS}'d0"
                net.join(last, "y", cached, "x", stream)
                last, stream = cached, f"{stem}_{role}_cache"
            net.join(last, "y", attention, role, stream)
        length = shape.n_heads * shape.head_dim
        feed = self._quantised(attention, "y", f"{stem}_attention", length, "o", 1)
        o = self._array(feed, 0, f"{name}.self_attn.o_proj", f"{stem}_o", residual=True)
        net.join(o, "y", adder, "delta", f"{stem}_o")

    def _dense(self, stem: str, name: str, fork: Block, adder: Block) -> None:
        net, plan, n, shape = self.net, self.plan, self.plan.numerics, self.plan.shape
        norm = self._norm(f"{stem}_mlp_norm", fork, "y_0", f"{stem}_mlp_in")
        feed = self._quantised(norm, "y", f"{stem}_mlp_norm", shape.hidden, "mlp", 2, norm)
        swiglu = net.add(f"{stem}_swiglu", Swiglu, False, shape.swiglu_limit, n, plan.position_bits)
        for index, role in enumerate(("gate", "up")):
            drain = self._array(feed, index, f"{name}.mlp.{role}_proj", f"{stem}_{role}")
            net.join(drain, "y", swiglu, role, f"{stem}_{role}")
        feed = self._quantised(swiglu, "y", f"{stem}_swiglu", shape.intermediate, "down", 1)
        down = self._array(feed, 0, f"{name}.mlp.down_proj", f"{stem}_down", residual=True)
        net.join(down, "y", adder, "delta", f"{stem}_down")

    def _experts(self, stem: str, name: str, fork: Block, adder: Block) -> None:
        net, plan, n, shape = self.net, self.plan, self.plan.numerics, self.plan.shape
        count, k, position_bits = shape.n_experts, shape.experts_per_token, plan.position_bits
        norm = self._norm(f"{stem}_mlp_norm", fork, "y_0", f"{stem}_mlp_in")
        feed = self._quantised(
            norm, "y", f"{stem}_mlp_norm", shape.hidden, "mlp", 1, norm, n_selected=count
        )
        logits = self._array(feed, 0, f"{name}.mlp.router", f"{stem}_router")
        router = net.add(f"{stem}_routing", Router, count, k, n, position_bits)
        net.join(logits, "y", router, "x", f"{stem}_router")
        net.join(router, "chosen", feed, "select", f"{stem}_chosen")
        route_bits = stream_bits(router, "route")
        routes = net.add(f"{stem}_routes", Fork, route_bits, 4)
        net.join(router, "route", routes, "x", f"{stem}_routing")

        def route(output: int, target: Block, port: str) -> None:
            """The routes wait where they are needed later."""
            fifo = net.add(f"{stem}_route_{output}", Fifo, route_bits, k)
            net.join(routes, f"y_{output}", fifo, "x", f"{stem}_route_{output}_in")
            net.join(fifo, "y", target, port, f"{stem}_route_{output}_out", low=True)

        def merged(role: str, drains: list[Block], n_bits: int, output: int) -> Block:
            merge = net.add(f"{stem}_{role}_merge", Merge, count, n_bits, position_bits)
            for e, drain in enumerate(drains):
                net.join(drain, "y", merge, f"x_{e}", f"{stem}_expert_{e}_{role}")
            route(output, merge, "select")
            return merge

        drains = [
            self._array(
                feed, 1 + e, f"{name}.mlp.experts.{e}.gate_up_proj", f"{stem}_expert_{e}_gate_up"
            )
            for e in range(count)
        ]
        gate_up = merged("gate_up", drains, n.value_bits, 0)
        swiglu = net.add(f"{stem}_swiglu", Swiglu, True, shape.swiglu_limit, n, position_bits)
        net.join(gate_up, "y", swiglu, "x", f"{stem}_gate_up")
        feed = self._quantised(
            swiglu, "y", f"{stem}_swiglu", shape.intermediate, "down", 0, n_selected=count
        )
        route(1, feed, "select")
        drains = [
            self._array(
                feed,
                e,
                f"{name}.mlp.experts.{e}.down_proj",
                f"{stem}_expert_{e}_down",
                residual=True,
            )
            for e in range(count)
        ]
        routed = merged("down", drains, n.residual_bits, 3)
        combine = net.add(f"{stem}_experts", Combine, shape.hidden, count, n, position_bits)
        net.join(routed, "y", combine, "x", f"{stem}_down")
        route(2, combine, "weights")
        net.join(combine, "y", adder, "delta", f"{stem}_experts")
