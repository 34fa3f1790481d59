"""Twin of ``hnlpu.rtl.interconnect`` in cycles: collectives of a chip, and its end of the links they need.

Names, and the order of the streams, are the RTL's.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hnlpu.chip_plan import ChipPlan
from hnlpu.grid import Tile
from hnlpu.sim.cycle_layout import Layout
from hnlpu.widths import channel_bits, growth_bits, vector_bits

__all__ = ["Interconnect", "Source"]

#: A block and the name of its output.
Source = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Channel:
    """A stream to or from a neighbour: the end of it on this chip, and its width."""

    name: str
    block: str
    port: str
    n_bits: int


@dataclass(slots=True)
class Interconnect:
    """Collectives of one chip.

    Attributes
    ----------
    net : Layout
        Receives the blocks.
    plan : ChipPlan
    sent, received : dict of Tile to channels
        Filled by the collectives, connected by :meth:`connect`.
    """

    net: Layout
    plan: ChipPlan
    sent: dict[Tile, list[_Channel]] = field(default_factory=dict)
    received: dict[Tile, list[_Channel]] = field(default_factory=dict)

    def group(self, axis: str) -> tuple[Tile, ...]:
        """Chips of this one's ``row`` or ``column``, in their order."""
        return self.plan.grid.group(self.plan.tile, axis)

    def others(self, axis: str) -> tuple[Tile, ...]:
        """The same without this one."""
        return self.plan.grid.others(self.plan.tile, axis)

    def send(self, to: Tile, name: str, source: Source, n_bits: int) -> None:
        """A channel to a neighbour."""
        self.sent.setdefault(to, []).append(_Channel(name, *source, n_bits))

    def receive(self, from_: Tile, name: str, target: Source, n_bits: int) -> None:
        """A channel from a neighbour."""
        self.received.setdefault(from_, []).append(_Channel(name, *target, n_bits))

    def broadcast(self, name: str, source: Source, to: Sequence[Tile], n_bits: int) -> Source:
        """Send a stream to others; it goes on here, too."""
        if not to:
            return source
        return self._copied(name, source, to, n_bits), "y_0"

    def all_reduce(
        self, name: str, source: Source, axes: Sequence[str], n_bits: int, *, grows: bool = False
    ) -> Source:
        """The elements of all chips of a group joined, on each of them; a sum that ``grows`` gets wider."""
        for axis in axes:
            others = self.others(axis)
            if not others:
                continue
            whole = f"{name}_{axis}"
            reduce = self.net.add("reduce", f"{whole}_reduce", n_others=len(others))
            fork = self._copied(whole, source, others, n_bits)
            self.net.join(fork, "y_0", reduce, "x", f"{whole}_own")
            for i, tile in enumerate(others):
                self.receive(tile, whole, (reduce, f"others_{i}"), n_bits)
            source = reduce, "y"
            n_bits += growth_bits(1 + len(others)) if grows else 0
        return source

    def reduce_scatter(
        self, name: str, source: Source, axis: str, n_bits: int, total: int
    ) -> tuple[Source, int]:
        """Vectors of ``total`` elements of all chips of a group added up, a slice on each chip."""
        group, others = self.group(axis), self.others(axis)
        if not others:
            return source, total
        length = -(-total // len(group))
        fork = self.net.add("fork", f"{name}_copies", n_outputs=len(group))
        self.net.join(*source, fork, "x", f"{name}_mine")
        reduce = self.net.add("reduce", f"{name}_reduce", n_others=len(others))
        for i, tile in enumerate(group):
            sizes: dict[str, Any] = {"n": total, "first": i * length, "length": length}
            cut = self.net.add("cut", f"{name}_cut_{i}", **sizes)
            self.net.join(fork, f"y_{i}", cut, "x", f"{name}_copy_{i}")
            if tile == self.plan.tile:
                self.net.join(cut, "y", reduce, "x", f"{name}_own")
            else:
                self.send(tile, name, (cut, "y"), n_bits)
        for i, tile in enumerate(others):
            self.receive(tile, name, (reduce, f"others_{i}"), n_bits)
        return (reduce, "y"), length

    def all_gather(
        self, name: str, source: Source, axis: str, n_bits: int, lengths: Sequence[int], total: int
    ) -> Source:
        """Slices of all chips of a group put together, on each of them; ``lengths`` with their padding."""
        others = self.others(axis)
        if not others:
            return source
        fork = self._copied(name, source, others, self._beat_bits(n_bits))
        return self._gathered(name, (fork, "y_0"), axis, n_bits, lengths, total)

    def gather(
        self, name: str, source: Source, axis: str, n_bits: int, lengths: Sequence[int], total: int
    ) -> Source | None:
        """The same on the group's first chip only; the others have nothing."""
        first = self.group(axis)[0]
        if self.plan.tile != first:
            self.send(first, name, source, self._beat_bits(n_bits))
            return None
        if not self.others(axis):
            return source
        return self._gathered(name, source, axis, n_bits, lengths, total)

    def _gathered(
        self, name: str, own: Source, axis: str, n_bits: int, lengths: Sequence[int], total: int
    ) -> Source:
        gather = self.net.add("gather", f"{name}_gather", lengths=tuple(lengths), total=total)
        for i, tile in enumerate(self.group(axis)):
            if tile == self.plan.tile:
                self.net.join(*own, gather, f"x_{i}", f"{name}_own")
            else:
                self.receive(tile, name, (gather, f"x_{i}"), self._beat_bits(n_bits))
        return gather, "y"

    def _copied(self, name: str, source: Source, to: Sequence[Tile], n_bits: int) -> str:
        """A fork whose first output stays here."""
        fork = self.net.add("fork", f"{name}_copies", n_outputs=1 + len(to))
        self.net.join(*source, fork, "x", f"{name}_mine")
        for i, tile in enumerate(to):
            self.send(tile, name, (fork, f"y_{i + 1}"), n_bits)
        return fork

    def _beat_bits(self, n_bits: int) -> int:
        return vector_bits(n_bits, self.plan.position_bits)

    def connect(self) -> None:
        """Channels and ends of links for everything that was asked for."""
        for tile in sorted({*self.sent, *self.received}):
            self._connect(tile)

    def _connect(self, tile: Tile) -> None:
        net, link = self.net, self.plan.link
        outgoing, incoming = (
            sorted(each.get(tile, []), key=lambda channel: channel.name)
            for each in (self.sent, self.received)
        )
        sizes: dict[str, Any] = {"n_out": len(outgoing), "n_in": len(incoming)}
        channels = net.add("channels", f"{tile}_channels", **sizes, depth=link.channel_depth)
        for i, each in enumerate(outgoing):
            net.join(each.block, each.port, channels, f"x_{i}", f"{each.name}_to_{tile}")
        for i, each in enumerate(incoming):
            store = net.add("store", f"{tile}_store_{i}", depth=link.channel_depth)
            net.wire(channels, f"store_{i}", store, "x")
            net.wire(store, "freed", channels, f"freed_{i}")
            net.join(store, "y", each.block, each.port, f"{each.name}_from_{tile}")
        plan = link.plan(channel_bits([each.n_bits for each in outgoing], len(incoming)))
        sender = net.add("link sender", f"{tile}_sender", plan=plan)
        receiver = net.add("link receiver", f"{tile}_receiver")
        net.join(channels, "tx", sender, "x", f"{tile}_tx")
        net.join(receiver, "y", channels, "rx", f"{tile}_rx")
