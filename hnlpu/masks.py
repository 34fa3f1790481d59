"""Layout: the metal of a bundle as masks, and everything that goes with them.

    OUT/layout.json            rules, arrays with their areas and shapes, files with their digests
    OUT/rules.toml             the rule sets that were drawn with
    OUT/base/NAME/M10.oas ...  masks of a base that hold no weights
    OUT/metal/NAME/VIA8.oas .. masks that hold the weights of a matrix
    OUT/base/NAME/base.lef     with --also: the base as a macro
    OUT/metal/NAME/metal.def   ... its metal as routed nets, lines.spef, array.gds
    OUT/bundle/                what of the bundle the masks do not hold: boot image, reference, manifest

The wiring is read from the bundle's Verilog, not planned again: what is drawn is what was verified.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from hnlpu import __version__
from hnlpu.bundle import digest, new_folder, write_json
from hnlpu.errors import HnlpuError
from hnlpu.layout.arrays import place_metal, plan_ground
from hnlpu.layout.def_files import write_def, write_lef
from hnlpu.layout.drawing import array_pins
from hnlpu.layout.floorplan import Floorplan
from hnlpu.layout.geometry import write_gds
from hnlpu.layout.ground import Ground
from hnlpu.layout.masks import MaskFile, write_base, write_weights
from hnlpu.layout.options import DrawingOptions
from hnlpu.layout.parasitics import line_nets, write_spef
from hnlpu.layout.rules import Rules
from hnlpu.layout.strips import Strips
from hnlpu.metal import MetalPlan
from hnlpu.progress import Progress, Silent
from hnlpu.verification.bundle_metal import BundleMetal

__all__ = ["ALSO", "LayoutOptions", "draw_masks"]

#: Files beside the masks: DEF comes with the LEF of its base.
ALSO = ("def", "spef", "gds")
#: Weights of an array that DEF and GDS, which name every shape, are written for.
_MOST = 1 << 18


@dataclass(frozen=True)
class LayoutOptions(DrawingOptions):
    """How masks are drawn, and of what.

    Attributes
    ----------
    match : str
        Draw the matrices whose names hold this; all if empty.
    also : tuple of str
        Other files of each array, of :data:`ALSO`.
    """

    match: str = ""
    also: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        for kind in self.also:
            if kind not in ALSO:
                raise HnlpuError("no such file", where="--also", got=repr(kind),
                                 do=f"choose of {', '.join(ALSO)}")  # fmt: skip


def draw_masks(
    bundle: str | Path,
    out: str | Path,
    options: LayoutOptions = LayoutOptions(),
    *,
    force: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Draw the masks of every array of a bundle.

    Parameters
    ----------
    bundle : path
        A folder that :func:`hnlpu.generate` wrote.
    out : path
        Receives the masks; appears whole or not at all.
    options : LayoutOptions
    force : bool
        Replace what ``out`` holds.

    Returns
    -------
    dict
        What ``layout.json`` holds.

    Raises
    ------
    HnlpuError
        Not a bundle, unknown or contradicting rules, wires that fit no strip.
    """
    show = progress or Silent()
    metal = BundleMetal(Path(bundle))
    rules = options.load()
    matrices = metal.matching(options.match)
    with new_folder(Path(out), force=force) as folder:
        drawing = _Drawing(metal, rules, options, folder)
        arrays: list[dict[str, Any]] = []
        for base in dict.fromkeys(entry["base"] for entry in matrices):
            own = [entry for entry in matrices if entry["base"] == base]
            show("layout", len(arrays), len(matrices), f"{base}: floorplan")
            drawing.start(base, own)
            for entry in own:
                show("layout", len(arrays), len(matrices), entry["name"])
                arrays.append(drawing.array(entry))
        order = {entry["metal"]: n for n, entry in enumerate(matrices)}
        arrays.sort(key=lambda array: order[array["metal"]])
        show("layout", len(matrices), len(matrices))
        _copy_rest(metal.path, folder / "bundle")
        result = drawing.summary(arrays)
        write_json(folder / "layout.json", result)
    return result


class _Drawing:
    """The arrays of one bundle, each base drawn once."""

    def __init__(
        self, metal: BundleMetal, rules: Rules, options: LayoutOptions, folder: Path
    ) -> None:
        self._metal, self._rules, self._options = metal, rules, options
        self._folder = folder
        self._bases: dict[str, tuple[Ground, list[MaskFile], list[dict[str, Any]]]] = {}
        source = options.rules_file or files("hnlpu.layout") / "data" / "rules.toml"
        (folder / "rules.toml").write_bytes(source.read_bytes())

    def start(self, name: str, matrices: Sequence[Mapping[str, Any]]) -> None:
        """Plan a base for some matrices, and draw what does not depend on them."""
        pins = (array_pins(self._metal.metal(entry)) for entry in matrices)
        ground = plan_ground(self._metal.plan(name), self._rules, layers=self._options.layers,
                             n_tracks=self._options.tracks, matrices=pins)  # fmt: skip
        folder = self._folder / "base" / name
        folder.mkdir(parents=True)
        masks = write_base(ground, folder)
        self._bases[name] = ground, masks, [self._mask(mask) for mask in masks]

    def array(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        """Draw one matrix; its entry in ``layout.json``."""
        ground, base_masks, base_entries = self._bases[entry["base"]]
        plan = self._metal.metal(entry)
        path = Path(entry["metal"]).relative_to("rtl/metal").with_suffix("")
        folder = self._folder / "metal" / path
        folder.mkdir(parents=True)
        masks = write_weights(place_metal(ground, plan, entry["name"]), folder)
        if self._options.also:
            self._also(ground, plan, folder, [*base_masks, *masks], entry["name"])
        return {
            "name": entry["name"],
            "chip": entry["chip"],
            "metal": entry["metal"],
            "base": entry["base"],
            "n_weights": entry["n_weights"],
            "area_um2": ground.area_um2,
            "masks": [*base_entries, *map(self._mask, masks)],
        }

    def _also(self, ground: Ground, plan: MetalPlan, folder: Path,
              masks: list[MaskFile], name: str) -> None:  # fmt: skip
        """Other files of an array."""
        n_weights = plan.base.n_rows * plan.base.n_columns
        pins = array_pins(plan)
        for kind in self._options.also:
            if kind != "spef" and n_weights > _MOST:
                raise HnlpuError(f"an array is too large for {kind.upper()}", where=name,
                                 got=f"{n_weights} weights", do=f"at most {_MOST}; the OASIS masks "
                                 "hold any array, --match chooses smaller ones")  # fmt: skip
        if "gds" in self._options.also:
            write_gds(folder / "array.gds", {mask.mask: mask.path for mask in masks})
        others = [kind for kind in self._options.also if kind != "gds"]
        if not others:
            return
        if not isinstance(ground, Floorplan):
            raise HnlpuError(f"no {others[0].upper()} of a region base", where=name, got=plan.base.arch,
                             do="leave it out; --also gds and the OASIS masks hold any array")  # fmt: skip
        floorplan = ground
        if "def" in self._options.also:
            with (self._folder / "base" / floorplan.plan.name / "base.lef").open("w") as file:
                write_lef(file, floorplan)
            with (folder / "metal.def").open("w") as file:
                write_def(file, floorplan, pins)
        if "spef" in self._options.also:
            with (folder / "lines.spef").open("w") as file:
                write_spef(file, floorplan.plan.name, line_nets(floorplan, pins))

    def _mask(self, mask: MaskFile) -> dict[str, Any]:
        return {
            "mask": mask.mask,
            "file": str(mask.path.relative_to(self._folder)),
            "n_base": mask.n_base,
            "n_weights": mask.n_weights,
            "sha256": digest(mask.path),
        }

    def summary(self, arrays: list[dict[str, Any]]) -> dict[str, Any]:
        """What ``layout.json`` holds."""
        bases = [_base(name, ground) for name, (ground, _, _) in self._bases.items()]
        grounds = [ground for ground, _, _ in self._bases.values()]
        n_weights = sum(array["n_weights"] for array in arrays)
        names = {mask["file"]: mask for array in arrays for mask in array["masks"]}
        n_bytes = sum((self._folder / file).stat().st_size for file in names)
        area = sum(array["area_um2"] for array in arrays)
        return {
            "version": __version__,
            "rules": {"set": self._rules.name, "title": self._rules.title, "file": "rules.toml"},
            "layers": self._options.layers,
            "match": self._options.match,
            "totals": {
                "arrays": len(arrays),
                "weights": n_weights,
                "shapes": sum(mask["n_weights"] for mask in names.values()),
                "area_mm2": area * 1e-6,
                "um2_per_weight": area / n_weights,
                "bytes": n_bytes,
                "bytes_per_weight": n_bytes / n_weights,
                "exposures": {
                    m: max(ground.exposures(m) for ground in grounds) for m in self._rules.masks
                },
                "weight_masks": [
                    m for m in self._rules.masks if any(m in g.weight_masks for g in grounds)
                ],
            },
            "bases": bases,
            "arrays": arrays,
        }


def _base(name: str, ground: Ground) -> dict[str, Any]:
    """A base in ``layout.json``."""
    assert isinstance(ground, (Floorplan, Strips))
    own: dict[str, Any]
    if isinstance(ground, Floorplan):
        own = {"bundle_um": ground.stations.kinds[0].width_nm / 1000, "m9_tracks": 0}
    else:
        own = {"bundle_um": ground.strip_nm / 1000 / ground.plan.n_bundles,
               "m9_tracks": ground.n_tracks}  # fmt: skip
    return {
        "name": name,
        "parameters": ground.plan.as_dict(),
        "width_um": ground.width_nm / 1000,
        "height_um": ground.height_nm / 1000,
        "row_um": ground.row_nm / 1000,
        "segment_rows": ground.segment_rows,
        "um2_per_weight": ground.um2_per_weight,
        "wires_um2_per_weight": ground.wires_um2_per_weight,
        "silicon_um2_per_weight": ground.silicon_um2_per_weight,
        "tracks": ground.plan.tracks,
        "tracks_available": ground.plan.tracks_available,
    } | own


def _copy_rest(bundle: Path, folder: Path) -> None:
    """A bundle without its Verilog, and without what verbs wrote that ran it."""
    shutil.copytree(bundle, folder, ignore=shutil.ignore_patterns("rtl", "waves", "filelist.f"))
