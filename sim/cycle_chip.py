"""Cycles of a chip, or of all chips of a grid: each block as a model of its cycles.

    layout = chip_layout(plan)              blocks (kind, name, parameters) and streams, as in the RTL
    layout = grid_layout(plans)             the same of all chips, with the links between them
    chip = build(layout)                    a network of models, one for each kind in MODELS
    chip.run(driver, workload)              the cycle of every beat: chip.cycles()

Nothing is measured and no weight is known: every number follows from the plan that the RTL is made from.

Contract (checked by ``tests/verification/test_cycles.py`` on the emitted Verilog): every beat of every stream moves
in the cycle in which the RTL's does, with and without pauses.
"""

from array import array
from collections import Counter
from collections.abc import Mapping

from hnlpu.sim.cycle_arrays import Array, Drain, Feed, Unload
from hnlpu.sim.cycle_attention import Attention, AttentionParts, RowAttention
from hnlpu.sim.cycle_channels import Channels, Store
from hnlpu.sim.cycle_collectives import Cut, Gather, Reduce
from hnlpu.sim.cycle_experts import Blend, Claim, Combine, Merge, Pick
from hnlpu.sim.cycle_heads import Router, Sampler
from hnlpu.sim.cycle_host import Driver, Host
from hnlpu.sim.cycle_layout import Edge, Layout, Placed
from hnlpu.sim.cycle_link import LinkReceiver, LinkSender
from hnlpu.sim.cycle_netlist import chip_layout, grid_layout
from hnlpu.sim.cycle_streams import (
    Adder,
    Embedding,
    Fifo,
    Fork,
    Gate,
    PairGate,
    Register,
)
from hnlpu.sim.cycle_tokens import Passage, Workload
from hnlpu.sim.cycle_vectors import AgreedQuantizer, Norm, Quantizer, Rope
from hnlpu.sim.network import Block, Network
from hnlpu.sim.stall import Noise

__all__ = [
    "MODELS",
    "ChipCycles",
    "Edge",
    "Layout",
    "Placed",
    "build",
    "chip_layout",
    "grid_layout",
]

#: The model of every kind of block: called with a name, the passage and the block's parameters.
MODELS: Mapping[str, type[Block]] = {
    "adder": Adder,
    "agreed quantizer": AgreedQuantizer,
    "array": Array,
    "attention": Attention,
    "attention parts": AttentionParts,
    "blend": Blend,
    "channels": Channels,
    "claim": Claim,
    "combine": Combine,
    "cut": Cut,
    "drain": Drain,
    "embedding": Embedding,
    "feed": Feed,
    "fifo": Fifo,
    "fork": Fork,
    "gate": Gate,
    "gather": Gather,
    "host": Host,
    "link receiver": LinkReceiver,
    "link sender": LinkSender,
    "merge": Merge,
    "norm": Norm,
    "pair gate": PairGate,
    "pick": Pick,
    "quantizer": Quantizer,
    "reduce": Reduce,
    "rope": Rope,
    "round": Register,
    "router": Router,
    "row attention": RowAttention,
    "sampler": Sampler,
    "scale": Register,
    "store": Store,
    "unload": Unload,
}


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
    """Models of a chip, or of a grid of them, joined by streams.

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
    assert isinstance(host, Host)
    noises: dict[int, Noise] = {}
    numbers = Counter[int]()
    for edge in layout.edges:
        source, target = network.blocks[edge.source], network.blocks[edge.target]
        channel = network.join(
            source, edge.output, target, edge.port, edge.name, traced=edge.traced
        )
        if edge.traced:
            if stalls:
                noise = noises.setdefault(edge.chip, Noise(edge.chip))
                channel.pause = noise.stream(numbers[edge.chip])
            numbers[edge.chip] += 1
    host.noises = list(noises.values())
    return ChipCycles(network, passage)
