"""Masks of a node: the layer list, and what share of its price carries weights under an architecture.

The unit of price is one DUV mask. What the shares cost is in ``costmodel/engineering.py``.
"""

from dataclasses import dataclass
from pathlib import Path

from hnlpu.costmodel.inputs import Inputs
from hnlpu.costmodel.loader import DataFile
from hnlpu.costmodel.quantity import Quantity
from hnlpu.errors import HnlpuError

__all__ = ["ARCHITECTURES", "MaskLayer", "MaskStack", "load_masks"]

#: Architectures of the arrays, and the list of a node's masks that carry their weights.
ARCHITECTURES = {"taps": "taps", "paper": "regions", "merged": "regions"}


@dataclass(frozen=True, slots=True)
class MaskLayer:
    """One mask, or one of a group of like masks; ``kind`` is ``duv`` or ``euv``."""

    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class MaskStack:
    """Every mask of a node, those that carry weights, and those of these that take a second exposure."""

    node: str
    layers: tuple[MaskLayer, ...]
    weight_masks: dict[str, tuple[str, ...]]
    twice: dict[str, tuple[str, ...]]
    euv_weight: Quantity
    source: str
    confidence: str

    def units(self, names: tuple[str, ...] | None = None) -> float:
        """Price of the named masks, or of all, in DUV masks."""
        chosen = [layer for layer in self.layers if names is None or layer.name in names]
        n_euv = sum(layer.kind == "euv" for layer in chosen)
        return len(chosen) - n_euv + n_euv * self.euv_weight.value

    def inputs(self, architecture: str) -> Inputs:
        """``mask_units``, ``weight_mask_units``, and ``second_exposure_units`` among these.

        Raises
        ------
        HnlpuError
            Unknown architecture.
        """
        if architecture not in ARCHITECTURES:
            raise HnlpuError(
                "unknown architecture",
                where="architecture",
                got=repr(architecture),
                do=f"choose one of {', '.join(ARCHITECTURES)}",
            )
        carriers = self.weight_masks[ARCHITECTURES[architecture]]
        twice = self.twice[ARCHITECTURES[architecture]]
        source = f"{self.source}; under {architecture} weights are in {', '.join(carriers)}"
        if twice:
            source += f"; {', '.join(twice)} take two exposures, as drawn (docs/metal.md)"

        def units(value: float) -> Quantity:
            return Quantity(value, "mask", value, value, source, self.confidence)

        second = self.units(twice)
        return {
            "mask_units": units(self.units()),
            "weight_mask_units": units(self.units(carriers) + second),
            "second_exposure_units": units(second),
        }


def load_masks(node: str, path: Path | None = None) -> MaskStack:
    """Masks of ``node`` from ``masks.toml``; HnlpuError names the file and key of a bad entry."""
    file = DataFile("masks.toml", path)
    nodes = tuple(name for name in file.names() if name != "euv_weight")
    if node not in nodes:
        raise HnlpuError("unknown node", where=f"{file.name}", got=repr(node),
                         do=f"known are {', '.join(nodes)}")  # fmt: skip
    lists = tuple(dict.fromkeys(ARCHITECTURES.values()))
    keys = [key for name in lists for key in (name, f"{name}_twice")]
    file.only(("source", "confidence", "layers", *keys), node)
    layers = []
    groups = file.get(f"{node}.layers")
    if not isinstance(groups, list):
        raise file.error(f"{node}.layers", "not a list", repr(groups), "write a list of groups")
    for index, group in enumerate(groups):
        key = f"{node}.layers[{index}]"
        if not isinstance(group, dict) or set(group) != {"names", "kind", "count"}:
            raise file.error(key, "incomplete group", repr(group), "give names, kind and count")
        names, kind, count = group["names"], group["kind"], group["count"]
        if kind not in ("euv", "duv"):
            raise file.error(f"{key}.kind", "unknown kind of mask", repr(kind), "use euv or duv")
        if isinstance(names, list) and len(names) == count:
            layers += [MaskLayer(str(name), kind) for name in names]
        elif isinstance(names, list) and len(names) == 1 and isinstance(count, int) and count > 0:
            layers += [MaskLayer(f"{names[0]} {n + 1}", kind) for n in range(count)]
        else:
            raise file.error(key, "names and count differ", f"{names!r} and {count!r}",
                             "name every mask, or the group once")  # fmt: skip
    named = {}
    for key in keys:
        named[key] = file.texts(f"{node}.{key}")
        known = (
            named[key.removesuffix("_twice")]
            if key.endswith("_twice")
            else [w.name for w in layers]
        )
        unknown = set(named[key]) - set(known)
        if unknown:
            raise file.error(f"{node}.{key}", "no such mask", min(unknown),
                             "use the names of layers, for a second exposure of those with weights")  # fmt: skip
    return MaskStack(
        node=node,
        layers=tuple(layers),
        weight_masks={name: named[name] for name in lists},
        twice={name: named[f"{name}_twice"] for name in lists},
        euv_weight=file.quantity("euv_weight", "mask"),
        source=file.text(f"{node}.source"),
        confidence=file.text(f"{node}.confidence"),
    )
