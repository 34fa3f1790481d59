"""Masks: which of the stack carry weights, and what the shared and the per-chip ones cost.

The unit is the price of one DUV mask. With U units in a full set and w units of masks that carry
weights, a full set costing F:

    shared = F (U - w) / U,   per chip = F w / U,   respin = chips x per chip
"""

from dataclasses import dataclass
from pathlib import Path

from hnlpu.costmodel.loader import DataFile
from hnlpu.costmodel.quantity import Figure, Quantity, Ranged, combine
from hnlpu.errors import HnlpuError

__all__ = ["MaskCost", "MaskLayer", "MaskStack", "load_masks", "mask_cost"]


@dataclass(frozen=True, slots=True)
class MaskLayer:
    """One mask, or one of a group of like masks."""

    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class MaskStack:
    """Every mask of the process, and those that carry weights under each architecture."""

    layers: tuple[MaskLayer, ...]
    full_set: Quantity
    euv_weight: Quantity
    weight_masks: dict[str, tuple[str, ...]]
    confidence: dict[str, str]
    source: str

    def units(self, names: tuple[str, ...] | None = None) -> float:
        """Price of the named masks, or of all, in DUV masks."""
        chosen = [layer for layer in self.layers if names is None or layer.name in names]
        n_euv = sum(layer.kind == "euv" for layer in chosen)
        return len(chosen) - n_euv + n_euv * self.euv_weight.value

    def weight_units(self, architecture: str) -> float:
        """Price of the masks that carry weights, in DUV masks."""
        if architecture not in self.weight_masks:
            raise HnlpuError(
                "unknown architecture",
                where="architecture",
                got=repr(architecture),
                do=f"choose one of {', '.join(self.weight_masks)}",
            )
        return self.units(self.weight_masks[architecture])


@dataclass(frozen=True, slots=True)
class MaskCost:
    """Mask cost of a system in one accounting.

    Attributes
    ----------
    shared : Figure
        Masks that are the same for every chip and every set of weights.
    per_chip : Figure
        Masks of one chip's weights.
    total : Figure
        First system: shared, and per-chip masks for every chip.
    respin : Figure
        New weights over the same base.
    """

    architecture: str
    n_masks: int
    n_weight_masks: int
    shared: Figure
    per_chip: Figure
    total: Figure
    respin: Figure


def load_masks(path: Path | None = None) -> MaskStack:
    """Read ``masks.toml``; HnlpuError names the file and key of a bad entry."""
    file = DataFile("masks.toml", path)
    file.only(("source", "layers", "full_set", "euv_weight", "architectures"))
    layers = []
    groups = file.get("layers")
    if not isinstance(groups, list):
        raise file.error("layers", "not a list", repr(groups), "write [[layers]] tables")
    for index, group in enumerate(groups):
        key = f"layers[{index}]"
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
    weight_masks, confidence = {}, {}
    for name in file.names("architectures"):
        key = f"architectures.{name}"
        file.only(("weight_masks", "source", "confidence"), key)
        file.text(f"{key}.source")
        weight_masks[name] = file.texts(f"{key}.weight_masks")
        confidence[name] = file.text(f"{key}.confidence")
        unknown = set(weight_masks[name]) - {layer.name for layer in layers}
        if unknown:
            raise file.error(f"{key}.weight_masks", "no such mask", min(unknown),
                             "use the names of [[layers]]")  # fmt: skip
    return MaskStack(
        layers=tuple(layers),
        full_set=file.quantity("full_set", "USD"),
        euv_weight=file.quantity("euv_weight", "1"),
        weight_masks=weight_masks,
        confidence=confidence,
        source=file.text("source"),
    )


def mask_cost(stack: MaskStack, architecture: str, chips: Ranged) -> MaskCost:
    """Cost of the masks of a system of ``chips`` chips, each with weights of its own."""
    total, weights = stack.units(), stack.weight_units(architecture)
    tag = "assumed" if stack.confidence[architecture] == "assumed" else None
    shares = f"{weights:g} of {total:g} DUV-mask units carry weights"

    def figure(formula: str, units_shared: float, units_per_chip: float, *inputs: Ranged) -> Figure:
        def cost(full_set: float, n_chips: float = 1.0) -> float:
            return full_set * (units_shared + units_per_chip * n_chips) / total

        note = f"{formula}; {shares}"
        return combine(cost, stack.full_set, *inputs, unit="USD", note=note, tag=tag)

    return MaskCost(
        architecture=architecture,
        n_masks=len(stack.layers),
        n_weight_masks=len(stack.weight_masks[architecture]),
        shared=figure("full set x shared units / all units", total - weights, 0.0),
        per_chip=figure("full set x weight units / all units", 0.0, weights),
        total=figure("shared + chips x per chip", total - weights, weights, chips),
        respin=figure("chips x per chip", 0.0, weights, chips),
    )
