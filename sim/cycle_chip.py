"""Twin of ``hnlpu.rtl.chip`` in cycles: the blocks and streams of a chip, each block as a model of its cycles.

    layout = chip_layout(plan)              blocks (kind, name, parameters) and streams, as in the RTL
    chip = build(layout)                    a network of models, one for each kind in MODELS
    chip.run(driver, workload)              the cycle of every beat: chip.cycles()

Nothing is measured and no weight is known: every number follows from the plan that the RTL is made from.

Contract (checked by ``tests/verification/test_cycles.py`` on the emitted Verilog): every beat of every stream moves
in the cycle in which the RTL's does, with and without pauses.
"""

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hnlpu.chip_plan import ChipPlan
from hnlpu.sim.cycle_arrays import Array, Drain, Feed
from hnlpu.sim.cycle_heads import Attention, Router, Sampler
from hnlpu.sim.cycle_host import Driver, Host
from hnlpu.sim.cycle_streams import (
    Adder,
    Combine,
    Embedding,
    Fifo,
    Fork,
    Gate,
    Merge,
    PairGate,
)
from hnlpu.sim.cycle_tokens import Passage, Workload
from hnlpu.sim.cycle_vectors import Norm, Quantizer, Rope
from hnlpu.sim.network import Block, Network

__all__ = ["MODELS", "ChipCycles", "Edge", "Layout", "Placed", "build", "chip_layout"]

#: The model of every kind of block: called with a name, the passage and the block's parameters.
MODELS: Mapping[str, type[Block]] = {
    "adder": Adder,
    "array": Array,
    "attention": Attention,
    "combine": Combine,
    "drain": Drain,
    "embedding": Embedding,
    "feed": Feed,
    "fifo": Fifo,
    "fork": Fork,
    "gate": Gate,
    "host": Host,
    "merge": Merge,
    "norm": Norm,
    "pair gate": PairGate,
    "quantizer": Quantizer,
    "rope": Rope,
    "router": Router,
    "sampler": Sampler,
}


@dataclass(frozen=True, slots=True)
class Placed:
    """A block: its kind, its name, and what its cycles depend on."""

    kind: str
    name: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Edge:
    """A stream from ``source.output`` to ``target.port``; of the RTL's streams if ``traced``."""

    name: str
    source: str
    output: str
    target: str
    port: str
    traced: bool = True


@dataclass(slots=True)
class Layout:
    """Blocks and streams; the streams in the RTL's order, which is that of the bits that let them go."""

    blocks: dict[str, Placed] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)

    def add(self, kind: str, name: str, **parameters: Any) -> str:
        """Place a block; its name."""
        assert name not in self.blocks, name
        self.blocks[name] = Placed(kind, name, parameters)
        return name

    def join(self, source: str, output: str, target: str, port: str, name: str) -> None:
        """A stream of the RTL."""
        self.edges.append(Edge(name, source, output, target, port))

    def wire(self, source: str, output: str, target: str, port: str) -> None:
        """A handshake of the RTL that is no stream, and never pauses."""
        name = f"{source}.{output}"
        self.edges.append(Edge(name, source, output, target, port, traced=False))


class ChipCycles:
    """The models of a chip, joined.

    Attributes
    ----------
    network : Network
    passage : Passage
        Tokens as they entered.
    """

    def __init__(self, network: Network, passage: Passage) -> None:
        self.network, self.passage = network, passage

    def run(self, driver: Driver, workload: Workload, first_cycle: int = 0) -> None:
        """Carry out what ``driver`` asks for.

        Parameters
        ----------
        driver : Driver
        workload : Workload
            Sequences in the order in which they begin.
        first_cycle : int
            In which the host looks first; counted from reset.

        Raises
        ------
        HnlpuError
            Nothing can move though the driver waits for something.
        """
        host = self.network.blocks["host"]
        assert isinstance(host, Host)
        host.driver, host.workload, host.first_cycle = driver, workload, first_cycle
        self.network.run()

    def cycles(self) -> dict[str, "array[int]"]:
        """The cycle of every beat of every stream."""
        return {c.name: c.moved for c in self.network.channels.values() if c.traced}


def build(
    layout: Layout, *, stalls: bool = False, models: Mapping[str, type[Block]] = MODELS
) -> ChipCycles:
    """Models of a chip, joined by streams.

    Parameters
    ----------
    layout : Layout
    stalls : bool
        As of ``hnlpu.rtl.chip.chip_netlist``: streams pause once the driver asks for it.
    models : mapping of kind to model
    """
    network, passage = Network(), Passage()
    for placed in layout.blocks.values():
        network.add(models[placed.kind](placed.name, passage, **placed.parameters))  # type: ignore[call-arg]
    host = network.blocks["host"]
    number = 0
    for edge in layout.edges:
        source, target = network.blocks[edge.source], network.blocks[edge.target]
        channel = network.join(
            source, edge.output, target, edge.port, edge.name, traced=edge.traced
        )
        if edge.traced:
            if stalls:
                assert isinstance(host, Host)
                channel.pause = host.noise.stream(number)
            number += 1
    return ChipCycles(network, passage)


def chip_layout(plan: ChipPlan) -> Layout:
    """Blocks and streams of the chip of ``plan``, under the RTL's names."""
    return _Builder(plan, Layout()).build()


@dataclass(slots=True)
class _Builder:
    plan: ChipPlan
    net: Layout

    def build(self) -> Layout:
        net, plan, shape = self.net, self.plan, self.plan.shape
        last, stream = net.add("embedding", "embedding", length=shape.hidden), "embedding"
        for i in range(shape.n_layers):
            last = self._layer(i, last, stream)
            stream = f"layer_{i}_mlp_residual"
        net.add("norm", "head_norm", length=shape.hidden)
        net.join(last, "y", "head_norm", "x", stream)
        feed = self._quantised("head_norm", "head_norm", shape.hidden, 1)
        logits = self._array(feed, 0, "lm_head", "head_logits")
        net.add("sampler", "sampler", vocab=shape.vocab)
        net.join(logits, "y", "sampler", "x", "head_logits")
        net.add(
            "host", "host", vocab=shape.vocab, context=plan.context, slots=plan.slots,
            sequences=plan.sequences,
        )  # fmt: skip
        net.join("host", "token", "embedding", "x", "token")
        net.join("sampler", "y", "host", "sampled", "sampled")
        return net

    def _quantised(
        self, source: str, stream: str, length: int, n_always: int, **chosen: Any
    ) -> str:
        """Quantise the vectors of ``source`` and hand them to arrays."""
        net = self.net
        quantizer = net.add("quantizer", f"{stream}_quantizer", length=length)
        net.join(source, "y", quantizer, "x", stream)
        feed = net.add("feed", f"{stream}_feed", length=length, n_always=n_always, **chosen)
        net.join(quantizer, "y", feed, "x", f"{stream}_x")
        return feed

    def _array(self, feed: str, index: int, matrix: str, name: str) -> str:
        net, base = self.net, self.plan.arrays[matrix].base
        array_ = net.add("array", f"{name}_array", plan=base)
        drain = net.add("drain", name, length=base.n_rows)
        net.wire(feed, f"array_{index}", array_, "x")
        net.wire(array_, "y", drain, "array")
        return drain

    def _around(self, stem: str, source: str, stream: str) -> tuple[str, str]:
        """Fork a residual stream: to the norm of what comes, and around it to the adder."""
        net = self.net
        fork = net.add("fork", f"{stem}_fork", n_outputs=2)
        net.join(source, "y", fork, "x", stream)
        fifo = net.add("fifo", f"{stem}_skip", depth=self.plan.shape.hidden)
        net.join(fork, "y_1", fifo, "x", f"{stem}_skip_in")
        adder = net.add("adder", f"{stem}_residual")
        net.join(fifo, "y", adder, "x", f"{stem}_skip_out")
        return fork, adder

    def _layer(self, i: int, source: str, stream: str) -> str:
        stem, name = f"layer_{i}", f"model.layers.{i}"
        fork, adder = self._around(f"{stem}_attention", source, stream)
        self._attention(i, stem, name, fork, adder)
        fork, out = self._around(f"{stem}_mlp", adder, f"{stem}_attention_residual")
        norm = self.net.add("norm", f"{stem}_mlp_norm", length=self.plan.shape.hidden)
        self.net.join(fork, "y_0", norm, "x", f"{stem}_mlp_in")
        if self.plan.shape.is_moe:
            self._experts(i, stem, name, norm, out)
        else:
            self._dense(stem, name, norm, out)
        return out

    def _attention(self, i: int, stem: str, name: str, fork: str, adder: str) -> None:
        net, shape = self.net, self.plan.shape
        norm = net.add("norm", f"{stem}_attention_norm", length=shape.hidden)
        net.join(fork, "y_0", norm, "x", f"{stem}_attention_in")
        feed = self._quantised(norm, f"{stem}_attention_norm", shape.hidden, 3)
        attention = net.add(
            "attention", f"{stem}_attention", n_heads=shape.n_heads, n_kv_heads=shape.n_kv_heads,
            head_dim=shape.head_dim, window=shape.windows[i],
        )  # fmt: skip
        for index, role in enumerate("qkv"):
            last = self._array(feed, index, f"{name}.self_attn.{role}_proj", f"{stem}_{role}")
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
        feed = self._quantised(attention, f"{stem}_attention", shape.n_heads * shape.head_dim, 1)
        o = self._array(feed, 0, f"{name}.self_attn.o_proj", f"{stem}_o")
        net.join(o, "y", adder, "delta", f"{stem}_o")

    def _dense(self, stem: str, name: str, norm: str, adder: str) -> None:
        net, shape = self.net, self.plan.shape
        feed = self._quantised(norm, f"{stem}_mlp_norm", shape.hidden, 2)
        gate = net.add("pair gate", f"{stem}_swiglu")
        for index, role in enumerate(("gate", "up")):
            drain = self._array(feed, index, f"{name}.mlp.{role}_proj", f"{stem}_{role}")
            net.join(drain, "y", gate, role, f"{stem}_{role}")
        feed = self._quantised(gate, f"{stem}_swiglu", shape.intermediate, 1)
        down = self._array(feed, 0, f"{name}.mlp.down_proj", f"{stem}_down")
        net.join(down, "y", adder, "delta", f"{stem}_down")

    def _experts(self, i: int, stem: str, name: str, norm: str, adder: str) -> None:
        net, shape = self.net, self.plan.shape
        experts, k = range(shape.n_experts), shape.experts_per_token
        feed = self._quantised(norm, f"{stem}_mlp_norm", shape.hidden, 1, layer=i, by_token=True)
        logits = self._array(feed, 0, f"{name}.mlp.router", f"{stem}_router")
        router = net.add("router", f"{stem}_routing", n_experts=shape.n_experts, k=k)
        net.join(logits, "y", router, "x", f"{stem}_router")
        net.join(router, "chosen", feed, "select", f"{stem}_chosen")
        routes = net.add("fork", f"{stem}_routes", n_outputs=4)
        net.join(router, "route", routes, "x", f"{stem}_routing")

        def route(output: int, target: str, port: str) -> None:
            """The routes wait where they are needed later."""
            fifo = net.add("fifo", f"{stem}_route_{output}", depth=k)
            net.join(routes, f"y_{output}", fifo, "x", f"{stem}_route_{output}_in")
            net.join(fifo, "y", target, port, f"{stem}_route_{output}_out")

        def merged(role: str, drains: list[str], length: int, output: int) -> str:
            merge = net.add("merge", f"{stem}_{role}_merge", layer=i, length=length)
            for e, drain in enumerate(drains):
                net.join(drain, "y", merge, f"x_{e}", f"{stem}_expert_{e}_{role}")
            route(output, merge, "select")
            return merge

        def arrays(role: str, first: int) -> list[str]:
            return [
                self._array(
                    feed, first + e, f"{name}.mlp.experts.{e}.{role}_proj",
                    f"{stem}_expert_{e}_{role}",
                )
                for e in experts
            ]  # fmt: skip

        gate_up = merged("gate_up", arrays("gate_up", 1), 2 * shape.intermediate, 0)
        gate = net.add("gate", f"{stem}_swiglu")
        net.join(gate_up, "y", gate, "x", f"{stem}_gate_up")
        feed = self._quantised(gate, f"{stem}_swiglu", shape.intermediate, 0, layer=i)
        route(1, feed, "select")
        down = merged("down", arrays("down", 0), shape.hidden, 3)
        combine = net.add("combine", f"{stem}_experts", layer=i, length=shape.hidden)
        net.join(down, "y", combine, "x", f"{stem}_down")
        route(2, combine, "weights")
        net.join(combine, "y", adder, "delta", f"{stem}_experts")
