"""Units: a chip as its reader sees it, from ``chip.json``.

An array is one unit with the feed before it, the drain behind it and its clock gate. Forks and FIFOs are part
of the links, and the boot decoder, which touches every block, is left out. Every other block is a unit.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from hnlpu.errors import HnlpuError

__all__ = ["KINDS", "PLUMBING", "Kind", "Link", "Unit", "Units", "block_kind", "read_units"]


@dataclass(frozen=True, slots=True)
class Kind:
    """What a unit is.

    Attributes
    ----------
    name, plural : str
    title : str
        What stands in its box.
    colour : str
        Of its box.
    """

    name: str
    plural: str
    title: str
    colour: str


_ARRAY, _ATTENTION, _VECTOR, _EDGE = "#f3c98b", "#a9cdb8", "#b9d3e4", "#d5d9de"
#: Kinds by the component's name, which begins its module's name.
KINDS = {
    "array": Kind("array", "arrays", "array", _ARRAY),
    "attention": Kind("attention", "attention", "attention, KV cache", _ATTENTION),
    "rmsnorm": Kind("norm", "norms", "RMSNorm", _VECTOR),
    "quantizer": Kind("quantizer", "quantizers", "quantizer", _VECTOR),
    "rope": Kind("rope", "ropes", "rope", _VECTOR),
    "residual": Kind("residual", "residual adders", "adder", _VECTOR),
    "swiglu": Kind("swiglu", "SwiGLU", "SwiGLU", _VECTOR),
    "router": Kind("router", "routers", "top k, softmax", _VECTOR),
    "merge": Kind("merge", "merges", "merge", _VECTOR),
    "combine": Kind("combine", "combiners", "weighted sum", _VECTOR),
    "embedding": Kind("embedding", "embedding", "table", _EDGE),
    "sampler": Kind("sampler", "sampler", "top k, sampling", _EDGE),
    "host": Kind("host", "host", "registers", _EDGE),
}
#: Components that are no unit of their own.
PLUMBING = ("feed", "drain", "clock_gate", "fork", "fifo", "boot", "stall", "noise")
_LAYER = re.compile(r"layer_(\d+)_")
_EXPERT = re.compile(r"expert_(\d+)_")
_SIZE = re.compile(r"(\d+)x")
#: How many of a feed's arrays take every vector; the others are selected.
_ALWAYS = re.compile(r"_a(\d+)_s\d+")


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit.

    Attributes
    ----------
    name : str
        The block's; an array's without ``_array``.
    kind : Kind
    label : str
        Name for a reader, without layer and expert.
    size : str
        An array's inputs and outputs.
    layer, expert : int or None
    """

    name: str
    kind: Kind
    label: str
    size: str = ""
    layer: int | None = None
    expert: int | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """Vectors from one unit to another.

    Attributes
    ----------
    source, target : str
        Names of units.
    stream : str
        As it leaves the source.
    port : str
        Of the target.
    waits : bool
        It passes a FIFO.
    """

    source: str
    target: str
    stream: str
    port: str
    waits: bool = False

    @property
    def label(self) -> str:
        """The stream without layer and expert."""
        return _short(self.stream)


@dataclass(slots=True)
class Units:
    """A chip.

    Attributes
    ----------
    units : dict of Unit by name
        In the order of the netlist.
    links : list of Link
    """

    units: dict[str, Unit] = field(default_factory=dict)
    links: list[Link] = field(default_factory=list)

    @property
    def layers(self) -> list[int]:
        """Numbers of the layers."""
        return sorted({u.layer for u in self.units.values() if u.layer is not None})

    def into(self, name: str) -> list[Link]:
        """Links that end in a unit."""
        return [link for link in self.links if link.target == name]

    def out_of(self, name: str) -> list[Link]:
        """Links that begin in a unit."""
        return [link for link in self.links if link.source == name]

    def alike(self) -> bool:
        """Whether all layers have the same units and links."""
        return len({self._picture(layer) for layer in self.layers}) <= 1

    def _picture(self, layer: int) -> tuple[frozenset[tuple[str, ...]], ...]:
        own = {unit.name: unit for unit in self.units.values() if unit.layer == layer}
        strip = f"layer_{layer}_"
        return (
            frozenset((n.removeprefix(strip), u.kind.name, u.size) for n, u in own.items()),
            frozenset(
                (link.source.removeprefix(strip), link.target.removeprefix(strip), link.port)
                for link in self.links
                if link.source in own and link.target in own
            ),
        )


def _short(name: str) -> str:
    return _EXPERT.sub("", _LAYER.sub("", name))


def block_kind(module: str) -> str:
    """The component that a module's name begins with.

    Raises
    ------
    HnlpuError
        None that is known.
    """
    for name in (*KINDS, *PLUMBING):
        if module == f"hn_{name}" or module.startswith(f"hn_{name}_"):
            return name
    raise HnlpuError(
        "a block of an unknown kind",
        where="chip.json",
        got=module,
        do="generate the bundle again with this version of hnlpu",
    )


def read_units(chip: Mapping[str, Any]) -> Units:
    """Units and links of a chip.

    Parameters
    ----------
    chip : mapping
        What ``chip.json`` holds.

    Raises
    ------
    HnlpuError
        A block of an unknown kind, or an array whose feed is not named.
    """
    modules = {block["name"]: block["module"] for block in chip["blocks"]}
    kinds = {name: block_kind(module) for name, module in modules.items()}
    fed: dict[str, list[str]] = {}
    drained: dict[str, str] = {}
    for array in chip["arrays"]:
        if "feed" not in array:
            raise HnlpuError("the bundle does not say what feeds its arrays", where="chip.json",
                             got=f"no feed of {array['name']}",
                             do="generate the bundle again")  # fmt: skip
        drained[array["drain"]] = array["feed"]
        fed.setdefault(array["feed"], []).append(array["drain"])
    found = Units()
    for name, kind in kinds.items():
        if kind == "drain":
            size = f"{_first_size(modules[drained[name]])} to {_first_size(modules[name])}"
            found.units[name] = _unit(name, "array", size)
        elif kind in KINDS:
            found.units[name] = _unit(name, kind)
    leaving: dict[str, list[tuple[str, str]]] = {}
    for stream in chip["streams"]:
        leaving.setdefault(stream["source"].split(".")[0], []).append(
            (stream["name"], stream["target"])
        )

    def selected(feed: str) -> list[str]:
        always = _ALWAYS.search(modules[feed])
        return fed[feed][int(always[1]) if always else 0 :]

    def arrive(source: str, stream: str, end: str, waits: bool) -> Iterator[Link]:
        block, port = end.split(".")
        if kinds[block] == "feed":
            for drain in fed[block] if port == "x" else selected(block):
                yield Link(source, drain, stream, port, waits)
        elif kinds[block] in ("fork", "fifo", "stall"):
            for _, further in leaving[block]:
                yield from arrive(source, stream, further, waits or kinds[block] == "fifo")
        else:
            yield Link(source, block, stream, port, waits)

    for name in found.units:
        for stream, end in leaving.get(name, []):
            found.links.extend(arrive(name, stream, end, False))
    return found


def _unit(name: str, kind: str, size: str = "") -> Unit:
    layer, expert = _LAYER.match(name), _EXPERT.search(name)
    label = ("expert " if expert else "") + _short(name).replace("_", " ")
    return Unit(
        name, KINDS[kind], label, size,
        int(layer[1]) if layer else None, int(expert[1]) if expert else None,
    )  # fmt: skip


def _first_size(module: str) -> str:
    found = _SIZE.search(module)
    return found[1] if found else "?"
