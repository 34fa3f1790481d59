"""Grid: the chips of a model, and the wires between them.

The host port is the first chip's. Boot words leave it on pins of their own, which all chips share; every other
chip says on one pin back that something of it was clipped.

Contract (checked by ``hnlpu.verification.chip`` on the emitted Verilog against ``hnlpu.sim.chip``): logits of every
step equal the single chip's twin bit for bit, whatever stalls, on the streams of a chip and between chips.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hnlpu.boot import Window
from hnlpu.chip_plan import ChipPlan
from hnlpu.grid import Tile
from hnlpu.link_plan import LinkPlan
from hnlpu.rtl.chip import chip_netlist
from hnlpu.rtl.hierarchy import Library
from hnlpu.rtl.interconnect import Interconnect
from hnlpu.rtl.netlist import Netlist
from hnlpu.rtl.stall import Glitch
from hnlpu.rtl.structure import Instance, Port, Structure, concat
from hnlpu.rtl.wire import Wire

__all__ = ["GLITCH", "GRID", "SystemNetlist", "system_netlist"]

#: Module name of several chips.
GRID = "hn_grid"
#: End of the name of a block that makes errors on a wire.
GLITCH = "_glitch"


@dataclass(frozen=True, slots=True, eq=False)
class SystemNetlist:
    """All chips of a model.

    Attributes
    ----------
    chips : dict of Tile to Netlist
    top : str
        Module name of the whole: the chip's own, or ``GRID``.
    library : Library
    plans, links : dict by Tile
    stalls : bool
        While port ``stall`` is high every stream pauses; while ``glitch`` is, bits on links with CRC are
        inverted (no such port without CRC).
    """

    chips: Mapping[Tile, Netlist]
    top: str
    library: Library
    plans: Mapping[Tile, ChipPlan]
    links: Mapping[Tile, Interconnect]
    stalls: bool = False

    def modules(self) -> Iterator[tuple[str, Iterator[str]]]:
        """``(module name, pieces of Verilog)`` of everything but the arrays, top first."""
        if len(self.chips) > 1:
            yield self.top, self._grid().render()
        for tile, netlist in self.chips.items():
            plan = self.plans[tile]
            title = f"{plan.shape.n_layers} layers of the {plan.shape.family} family, context "
            if len(self.chips) > 1:
                title = f"Chip {tile} of {plan.grid}: its part of {title}"
            structure = netlist.structure(
                f"{title}{plan.context}.\nverilator lint_off UNUSEDSIGNAL"
            )
            yield structure.name, structure.render()
        for name, text in self.library.modules():
            yield name, iter([text])

    def _grid(self) -> Structure:
        net = Netlist(self.top, self.library)
        root, *others = self.chips
        saturated = concat(f"{tile}_saturated" for tile in others)
        for tile, chip in self.chips.items():
            pins = []
            for port in chip.ports:
                name = port.name
                if _is_link(port) or name == "saturated":
                    wire = net.wire(f"{tile}_{name}", port.n_bits)
                elif name == "others_saturated":
                    wire = saturated
                else:  # one wire for all: what all chips share, and the first one's own pins
                    wire = name
                    if tile == root and name.startswith("boot__"):
                        net.wire(name, port.n_bits)
                    elif tile == root:
                        net.ports.append(port)
                pins.append((name, wire))
            net.others.append(Instance(chip.name, str(tile), tuple(pins)))
        if self.stalls and any(link.crc for _, _, link in self._directions()):
            net.ports.append(Port("input", "glitch"))
        self._wire(net)
        return net.structure(
            f"{len(self.chips)} chips and the wires between them.\nverilator lint_off UNUSEDSIGNAL"
        )

    def _directions(self) -> Iterator[tuple[Tile, Tile, LinkPlan]]:
        """From which chip to which, and their link."""
        for tile, links in self.links.items():
            for to, link in links.out_links.items():
                yield tile, to, link

    def _wire(self, net: Netlist) -> None:
        for tile, to, link in self._directions():
            sent, received = self.links[tile].channels(to)[0], self.links[to].channels(tile)[1]
            assert sent == received, f"{tile} to {to}: {sent} is not {received}"
            wire = net.add(
                f"{tile}_{to}_wire", Wire, link.forward_bits, link.reverse_bits, link.latency
            )
            wire.pins.update(
                {
                    "forward_x": f"{tile}_{to}_to__forward",
                    "forward_y": f"{to}_{tile}_from__forward",
                    "reverse_x": f"{to}_{tile}_from__reverse",
                    "reverse_y": f"{tile}_{to}_to__reverse",
                    "forward_flip": self._flips(
                        net, f"{tile}_{to}_forward", link, link.forward_bits
                    ),
                    "reverse_flip": self._flips(
                        net, f"{tile}_{to}_reverse", link, link.reverse_bits
                    ),
                }
            )

    def _flips(self, net: Netlist, name: str, link: LinkPlan, n_bits: int) -> str:
        """Errors of a wire: none, or random ones where the link repairs them."""
        if not (link.crc and self.stalls):
            return f"{n_bits}'d0"
        glitch = net.add(f"{name}{GLITCH}", Glitch, n_bits, len(net.blocks))
        glitch.pins["enable"] = "glitch"
        net.output(glitch, "count")
        return net.output(glitch, "flip")


def _is_link(port: Port) -> bool:
    return "_to__" in port.name or "_from__" in port.name


def system_netlist(
    plans: Mapping[Tile, ChipPlan],
    windows: Mapping[Tile, tuple[Window, ...]],
    *,
    stalls: bool = False,
) -> SystemNetlist:
    """Every chip of a model, and what is between them.

    Parameters
    ----------
    plans : mapping of Tile to ChipPlan
    windows : mapping of Tile to windows
        The boot map (``hnlpu.boot``); only addresses matter.
    stalls : bool
        See :class:`SystemNetlist`.
    """
    library = Library()
    chips, links = {}, {}
    for tile, plan in plans.items():
        chips[tile], links[tile] = chip_netlist(plan, windows[tile], library, stalls=stalls)
    top = GRID if len(plans) > 1 else plans[Tile()].name
    return SystemNetlist(chips, top, library, plans, links, stalls)
