"""Interconnect engine: what a chip has of the links to its row and its column, and the collectives over them.

A chip has a link to every other one of its row and of its column. Collectives are exact integer arithmetic on
streams: every chip of a group sends its elements straight to the others, and joins what it gets. The chips of a
group know a collective by its name.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from hnlpu.chip_plan import ChipPlan
from hnlpu.grid import Tile
from hnlpu.link_plan import LinkPlan
from hnlpu.rtl.all_reduce import AllReduce
from hnlpu.rtl.channels import Channels
from hnlpu.rtl.cut import Cut
from hnlpu.rtl.fork import Fork
from hnlpu.rtl.gather import Gather
from hnlpu.rtl.link import link_ends
from hnlpu.rtl.netlist import Block, Netlist, stream_bits
from hnlpu.rtl.structure import Port
from hnlpu.widths import channel_bits, growth_bits

__all__ = ["Interconnect", "Source", "element_bits"]

#: A block and the name of its output stream.
Source = tuple[Block, str]


@dataclass(frozen=True, slots=True)
class _Channel:
    """A stream to or from a neighbour: the end of it on this chip."""

    name: str
    block: Block
    port: str
    n_bits: int
    first: int | None = None


@dataclass(slots=True)
class Interconnect:
    """Collectives of one chip, and the links they need.

    Attributes
    ----------
    net : Netlist
        Receives the blocks.
    plan : ChipPlan
    sent, received : dict of Tile to channels
        Filled by the collectives, connected by :meth:`connect`.
    out_links : dict of Tile to LinkPlan
        The link to each neighbour, once connected.
    """

    net: Netlist
    plan: ChipPlan
    sent: dict[Tile, list[_Channel]] = field(default_factory=dict)
    received: dict[Tile, list[_Channel]] = field(default_factory=dict)
    out_links: dict[Tile, LinkPlan] = field(default_factory=dict)

    def group(self, axis: str) -> tuple[Tile, ...]:
        """Chips of this one's ``row`` or ``column``, in their order."""
        return self.plan.grid.group(self.plan.tile, axis)

    def others(self, axis: str) -> tuple[Tile, ...]:
        """The same without this one."""
        return self.plan.grid.others(self.plan.tile, axis)

    def send(self, to: Tile, name: str, source: Source, n_bits: int | None = None) -> None:
        """A channel to a neighbour; of a payload, the low ``n_bits``."""
        block, port = source
        whole = stream_bits(block, port)
        first = None if n_bits in (None, whole) else 0
        channel = _Channel(name, block, port, n_bits or whole, first)
        self.sent.setdefault(to, []).append(channel)

    def receive(self, from_: Tile, name: str, target: Source) -> None:
        """A channel from a neighbour."""
        block, port = target
        channel = _Channel(name, block, port, stream_bits(block, port))
        self.received.setdefault(from_, []).append(channel)

    def broadcast(self, name: str, source: Source, to: Sequence[Tile]) -> Source:
        """Send a stream to others; it goes on here, too."""
        if not to:
            return source
        return self._copied(name, source, to), "y_0"

    def all_reduce(
        self, name: str, source: Source, operation: str, kind: str, axes: Sequence[str], *,
        grows: bool = False,
    ) -> Source:  # fmt: skip
        """The elements of all chips of a group joined, on each of them.

        Parameters
        ----------
        name : str
        source : Source
        operation, kind : str
            See :class:`hnlpu.rtl.all_reduce.AllReduce`.
        axes : sequence of str
            ``row``, ``column`` or both, one after the other.
        grows : bool
            A sum takes more bits than its terms have; if not, its terms have room for it.
        """
        for axis in axes:
            others = self.others(axis)
            if others:
                source = self._reduced(f"{name}_{axis}", source, operation, kind, others, grows)
        return source

    def _reduced(
        self,
        name: str,
        source: Source,
        operation: str,
        kind: str,
        others: Sequence[Tile],
        grows: bool,
    ) -> Source:
        n_bits = element_bits(source)
        y_bits = n_bits + (growth_bits(1 + len(others)) if grows else 0)
        reduce = self.net.add(
            f"{name}_reduce", AllReduce, operation, kind, 1 + len(others), n_bits, y_bits,
            self.plan.position_bits,
        )  # fmt: skip
        fork = self._copied(name, source, others, n_bits)
        self.net.join(fork, "y_0", reduce, "x", f"{name}_own")
        for i, tile in enumerate(others):
            self.receive(tile, name, (reduce, f"others_{i}"))
        return reduce, "y"

    def reduce_scatter(
        self, name: str, source: Source, axis: str, total: int
    ) -> tuple[Source, int]:
        """Vectors of ``total`` elements of all chips of a group added up, a slice on each chip: its stream and length.

        Slices have one length; the terms have room for the sum.
        """
        group = self.group(axis)
        if len(group) == 1:
            return source, total
        length, n_bits = -(-total // len(group)), element_bits(source)
        fork = self.net.add(f"{name}_copies", Fork, stream_bits(*source), len(group))
        self.net.join(*source, fork, "x", f"{name}_mine")
        reduce = self.net.add(
            f"{name}_reduce", AllReduce, "sum", "vector", len(group), n_bits, n_bits,
            self.plan.position_bits,
        )  # fmt: skip
        for i, tile in enumerate(group):
            cut = self.net.add(
                f"{name}_cut_{i}", Cut, total, i * length, length, n_bits, self.plan.position_bits,
                "vector",
            )  # fmt: skip
            self.net.join(fork, f"y_{i}", cut, "x", f"{name}_copy_{i}")
            if tile == self.plan.tile:
                self.net.join(cut, "y", reduce, "x", f"{name}_own")
            else:
                self.send(tile, name, (cut, "y"), n_bits)
        for i, tile in enumerate(self.others(axis)):
            self.receive(tile, name, (reduce, f"others_{i}"))
        return (reduce, "y"), length

    def all_gather(self, name: str, source: Source, axis: str, length: int, total: int) -> Source:
        """Slices of ``length`` of all chips of a group put together, on each of them."""
        others = self.others(axis)
        if not others:
            return source
        n_bits = element_bits(source)
        fork = self._copied(name, source, others)
        return self._gathered(name, (fork, "y_0"), axis, n_bits, length, total)

    def gather(
        self, name: str, source: Source, axis: str, length: int, total: int
    ) -> Source | None:
        """The same on the group's first chip only; the others have nothing."""
        first = self.group(axis)[0]
        if self.plan.tile != first:
            self.send(first, name, source)
            return None
        if not self.others(axis):
            return source
        return self._gathered(name, source, axis, element_bits(source), length, total)

    def _gathered(
        self, name: str, own: Source, axis: str, n_bits: int, length: int, total: int
    ) -> Source:
        group = self.group(axis)
        gather = self.net.add(
            f"{name}_gather", Gather, len(group), length, total, n_bits, self.plan.position_bits
        )
        for i, tile in enumerate(group):
            if tile == self.plan.tile:
                self.net.join(*own, gather, f"x_{i}", f"{name}_own")
            else:
                self.receive(tile, name, (gather, f"x_{i}"))
        return gather, "y"

    def _copied(
        self, name: str, source: Source, to: Sequence[Tile], n_bits: int | None = None
    ) -> Block:
        """A fork whose first output stays here; the others send the payload, or its low ``n_bits``."""
        fork = self.net.add(f"{name}_copies", Fork, stream_bits(*source), 1 + len(to))
        self.net.join(*source, fork, "x", f"{name}_mine")
        for i, tile in enumerate(to):
            self.send(tile, name, (fork, f"y_{i + 1}"), n_bits)
        return fork

    def connect(self) -> None:
        """Channels, links and pins for everything that was asked for."""
        for tile in sorted({*self.sent, *self.received}):
            outgoing, incoming = (
                sorted(each.get(tile, []), key=lambda channel: channel.name)
                for each in (self.sent, self.received)
            )
            out_bits = tuple(channel.n_bits for channel in outgoing)
            in_bits = tuple(channel.n_bits for channel in incoming)
            link = self.plan.link
            channels = self.net.add(
                f"{tile}_channels", Channels, out_bits, in_bits, link.channel_depth
            )
            for i, each in enumerate(outgoing):
                self.net.join(
                    each.block, each.port, channels, f"x_{i}", f"{each.name}_to_{tile}",
                    first=each.first,
                )  # fmt: skip
            for i, each in enumerate(incoming):
                self.net.join(channels, f"y_{i}", each.block, each.port, f"{each.name}_from_{tile}")
            there = link.plan(channel_bits(out_bits, len(in_bits)))
            back = link.plan(channel_bits(in_bits, len(out_bits)))
            self.out_links[tile] = there
            sender = self.net.add(f"{tile}_sender", link_ends(there)[0], there)
            receiver = self.net.add(f"{tile}_receiver", link_ends(back)[1], back)
            self.net.join(channels, "tx", sender, "x", f"{tile}_tx")
            self.net.join(receiver, "y", channels, "rx", f"{tile}_rx")
            for block, pin, direction, n_bits in (
                (sender, "forward", "output", there.forward_bits),
                (sender, "reverse", "input", there.reverse_bits),
                (receiver, "forward", "input", back.forward_bits),
                (receiver, "reverse", "output", back.reverse_bits),
            ):
                port = f"{tile}_{'to' if block is sender else 'from'}__{pin}"
                block.pins[pin] = port
                self.net.ports.append(Port(direction, port, n_bits))

    def channels(self, tile: Tile) -> tuple[list[tuple[str, int]], list[tuple[str, int]]]:
        """Names and widths of what goes to a neighbour, and of what comes from it."""
        sent, received = (
            sorted((channel.name, channel.n_bits) for channel in each.get(tile, []))
            for each in (self.sent, self.received)
        )
        return sent, received


def element_bits(source: Source) -> int:
    """Width of the element of a stream: of its first field."""
    block, port = source
    shape = getattr(block.component, port).payload.shape()
    return int(next(iter(shape))[1].width)
