"""Defects: random damage to the metal of a bundle's arrays, chip after chip, and what it does to answers.

    density -> defects at random places -> nets that they break and join -> what pins read
            -> what rows sum up -> the twin's answers

The metal is that of ``hnlpu layout``. Of each chip it is told whether any defect broke or joined anything, whether any pin
reads another thing than it should, and what it answers; and the same with spare rows, which take the place of
rows that have a stub, pad or via of their own broken. The share of chips that no defect hits has a second road:
``exp(-A D)`` with the critical area ``A`` (``hnlpu.layout.critical``).

Contract (checked by ``tests/test_defects.py``): both roads agree within the error of sampling; no defects, no
change; same seed, same result.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp, isfinite, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hnlpu.answers import Questions, Score, problem_references, reference_questions
from hnlpu.base import HIGH, Pins
from hnlpu.bundle import read_manifest
from hnlpu.checkpoint import open_checkpoint
from hnlpu.chip import Chip, HardwiredMatrix
from hnlpu.chip_loading import bundle_numerics, weights_from_bundle
from hnlpu.costmodel.loader import DataFile
from hnlpu.costmodel.wafers import murphy
from hnlpu.errors import HnlpuError
from hnlpu.layout.critical import knows_weights, mean_critical_area_um2
from hnlpu.layout.damage import BEHAVIOURS, DamagedPins, find_nets, hits, read_damaged
from hnlpu.layout.defects import (
    MECHANISMS,
    DefectModel,
    SizeLaw,
    draw_defects,
    least_size_nm,
)
from hnlpu.layout.drawing import array_pins
from hnlpu.layout.floorplan import Floorplan, plan_floorplan
from hnlpu.layout.options import DrawingOptions
from hnlpu.layout.pieces import Pieces, metal_pieces
from hnlpu.layout.rules import Rules
from hnlpu.metal import exponents_of_bits
from hnlpu.progress import Progress, Silent
from hnlpu.references import own_samples
from hnlpu.sim.chip import ChipTwin
from hnlpu.sim.defective import ArrayChange, DefectiveTwin
from hnlpu.sim.floating import FloatingWeights
from hnlpu.sim.pins import row_sums
from hnlpu.taps import TapsPlan
from hnlpu.tokenizer import load_tokenizer
from hnlpu.verification.bundle_metal import BundleMetal

__all__ = ["DENSITIES", "DefectOptions", "damage_chips", "load_model"]

#: Defects per cm2 of a sweep.
DENSITIES = (1e5, 2e5, 5e5, 1e6, 2e6, 5e6)
_UM2_PER_CM2 = 1e8


@dataclass(frozen=True)
class DefectOptions(DrawingOptions):
    """What is drawn, and how often.

    Attributes
    ----------
    densities : tuple of float
        Defects of all mechanisms and sizes per cm2.
    trials : int
        Chips of each density.
    seed : int
    spare_rows : int
        Rows more in each array, each of which can take the place of any row.
    behaviour : str
        What a net does that nothing drives, or several do: ``low``, ``high``, or ``worst``, the worse of
        both for each chip.
    text : path or None
        Lines of ``problem=answer``; None takes the checkpoint's ``reference.npz``, or what the model writes.
    """

    densities: tuple[float, ...] = DENSITIES
    trials: int = 100
    seed: int = 0
    spare_rows: int = 0
    behaviour: str = "worst"
    text: Path | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for density in self.densities:
            if not isfinite(density) or density < 0:
                raise HnlpuError("no density of defects", where="--density", got=f"{density:g}",
                                 do="give defects per cm2, zero or more")  # fmt: skip
        if not self.densities:
            raise HnlpuError("no density of defects", where="--density", got="none",
                             do="give one or more")  # fmt: skip
        for name, value, least in (("--trials", self.trials, 1), ("--seed", self.seed, 0),
                                   ("--spare-rows", self.spare_rows, 0)):  # fmt: skip
            if value < least:
                raise HnlpuError("number is out of range", where=name, got=str(value),
                                 do=f"give {least} or more")  # fmt: skip
        if self.behaviour not in (*BEHAVIOURS, "worst"):
            raise HnlpuError("no such behaviour", where="--behaviour", got=repr(self.behaviour),
                             do=f"choose {', '.join(BEHAVIOURS)} or worst")  # fmt: skip

    @property
    def behaviours(self) -> tuple[str, ...]:
        return BEHAVIOURS if self.behaviour == "worst" else (self.behaviour,)


def load_model(rules: Rules, path: Path | None = None) -> DefectModel:
    """Sizes and shares of defects under some rules, from ``costmodel/data/defects.toml``."""
    data = DataFile("defects.toml", path)
    data.only(("peak", "most", "shares"))
    narrowest = min(least_size_nm(rules, mechanism) for mechanism in MECHANISMS)
    keys = {mechanism: mechanism.name.replace(" ", "_") for mechanism in MECHANISMS}
    data.only(keys.values(), "shares")
    weights = {m: data.quantity(f"shares.{key}", "1").value for m, key in keys.items()}
    total = sum(weights.values())
    if total <= 0:
        raise data.error("shares", "no defects at all", "0", "give a share above zero")
    law = SizeLaw(*(data.quantity(key, "1").value * narrowest for key in ("peak", "most")))
    return DefectModel(law, {m: weight / total for m, weight in weights.items()})


def damage_chips(
    bundle: str | Path,
    checkpoint: str | Path,
    options: DefectOptions = DefectOptions(),
    *,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Yield and answers of chips with random defects of their metal.

    Parameters
    ----------
    bundle : path
        A folder that :func:`hnlpu.generate` wrote, of the ``taps`` architecture, on one chip.
    checkpoint : path or hub id
        What it was generated from: problems and tokenizer.
    options : DefectOptions
    progress : Progress, optional

    Returns
    -------
    dict
        ``rows``: per density (``per_cm2``; ``faults_per_cm2`` of the metal) the means per chip of ``faults`` (defects that break or join
        something), ``rows_wrong``, ``weights_wrong``; shares of chips ``no_fault`` (with its standard
        error and the laws ``poisson`` and ``murphy``), ``no_effect``, ``as_intact``; ``accuracy``, and with
        ``spare_rows`` the same as ``repaired_...``; ``critical``: critical areas by mechanism, their sum
        ``critical_um2``, ``metal_um2`` that wires lie on;
        ``intact_accuracy``; ``questions``; ``options``.

    Raises
    ------
    HnlpuError
        Not a bundle, another architecture, several chips, a checkpoint that does not fit.
    """
    show = progress or Silent()
    rules = options.load()
    model = load_model(rules)
    chip, weights = _chip(Path(bundle))
    source = open_checkpoint(checkpoint)
    if source.shape != chip.shape:
        raise HnlpuError("the checkpoint is of another model", where=str(checkpoint),
                         got=source.shape.name, do=f"give the one that {bundle} was made from")  # fmt: skip
    arrays = list(_arrays(Path(bundle), chip, rules, options, show))
    questions = _questions(source.folder, chip, weights, options).asked(
        lambda n: ChipTwin(chip, n_sequences=n)
    )
    intact = questions.score(lambda n: ChipTwin(chip, n_sequences=n))
    critical = _critical(arrays, model, rules, show)
    total_um2 = sum(entry["effective_um2"] for entry in critical)
    metal_um2 = sum(array.metal_um2 for array in arrays)
    trial = _Trial(chip, arrays, model, rules, questions, intact, options)
    rows = []
    n_all = len(options.densities) * options.trials
    for i, density in enumerate(options.densities):
        found = []
        for n in range(options.trials):
            show("chips", i * options.trials + n, n_all, f"{density:g} per cm2")
            rng = np.random.default_rng([options.seed, i, n])
            found.append(trial(rng, density))
        row = _row(density, found, total_um2, options)
        rows.append(row | {"faults_per_cm2": density * total_um2 / metal_um2})
    show("chips", n_all, n_all)
    return {
        "rows": rows,
        "critical": critical,
        "critical_um2": total_um2,
        "metal_um2": metal_um2,
        "weights": sum(array.matrix.weights.size for array in arrays),
        "arrays": len(arrays),
        "intact_accuracy": intact.share,
        "questions": {"kind": questions.kind, "n": questions.n},
        "sizes": {"peak_nm": model.law.peak_nm, "most_nm": model.law.most_nm},
        "options": {
            "rules": rules.name,
            "layers": options.layers,
            "trials": options.trials,
            "seed": options.seed,
            "spare_rows": options.spare_rows,
            "behaviour": options.behaviour,
        },
    }


# What is damaged.


@dataclass(frozen=True, slots=True, eq=False)
class _Array:
    """An array with its spare rows, which stand above the others and are wired as its first row."""

    matrix: HardwiredMatrix
    plan: TapsPlan
    floorplan: Floorplan
    pins: Pins
    pieces: Pieces
    around: tuple[float, float, float, float]

    @property
    def n_rows(self) -> int:
        return self.plan.n_rows

    @property
    def metal_um2(self) -> float:
        """Area that wires lie on: no accumulators."""
        return self.floorplan.stations.width_nm * self.floorplan.height_nm * 1e-6


def _chip(bundle: Path) -> tuple[Chip, FloatingWeights]:
    manifest = read_manifest(bundle)
    for entry in manifest["matrices"]:
        if entry["rows"] != [0, entry["n_rows"]] or entry["columns"] != [0, entry["n_columns"]]:
            raise HnlpuError("a matrix lies on several chips", where=f"{bundle}: {entry['name']}",
                             got=f"chip {entry['chip']} has rows {entry['rows']}",
                             do="generate it on one chip, --grid 1x1")  # fmt: skip
    weights = weights_from_bundle(bundle)
    return weights.chip(bundle_numerics(bundle)), FloatingWeights.of_wired(weights)


def _matrices(chip: Chip) -> dict[str, HardwiredMatrix]:
    """Every matrix by its name."""
    found = [chip.unembedding]
    for layer in chip.layers:
        found += [layer.q, layer.k, layer.v, layer.o, *([layer.router] if layer.router else [])]
        for expert in layer.experts:
            found += [*expert.gate_up, expert.down]
    return {matrix.name: matrix for matrix in found}


def _arrays(
    bundle: Path, chip: Chip, rules: Rules, options: DefectOptions, show: Progress
) -> Iterator[_Array]:
    source = BundleMetal(bundle)
    matrices = _matrices(chip)
    floorplans: dict[str, Floorplan] = {}
    entries = source.matrices
    for i, entry in enumerate(entries):
        show("metal", i, len(entries), entry["name"])
        base = entry["base"]
        plan = source.plan(base)
        if not isinstance(plan, TapsPlan):
            raise HnlpuError("an architecture whose damage is not followed", where=f"{bundle}: {base}",
                             got=plan.arch, do="generate with --arch taps")  # fmt: skip
        metal = source.metal(entry)
        matrix = matrices[entry["name"]]
        sums = row_sums(plan, metal.pins)
        if not np.array_equal(sums.weights, matrix.weights) or sums.offset.any():
            raise HnlpuError("the metal holds other weights than the bundle", got="other integers",
                             where=f"{bundle}: {entry['name']}", do="generate it again")  # fmt: skip
        if base not in floorplans:
            taller = replace(plan, n_rows=plan.n_rows + options.spare_rows)
            floorplans[base] = plan_floorplan(taller, rules, layers=options.layers)
        floorplan = floorplans[base]
        pins = array_pins(metal)
        pins = np.concatenate([pins, np.repeat(pins[:1], options.spare_rows, axis=0)])
        pieces = metal_pieces(floorplan, pins)
        low, high = pieces.wires[:, :2].min(axis=0), pieces.wires[:, 2:].max(axis=0)
        around = (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
        yield _Array(matrix, plan, floorplan, pins, pieces, around)
    show("metal", len(entries), len(entries))


def _questions(
    folder: Path, chip: Chip, weights: FloatingWeights, options: DefectOptions
) -> Questions:
    if options.text is not None:
        return problem_references(options.text, load_tokenizer(folder), chip.shape)
    reference = folder / "reference.npz"
    if reference.is_file():
        return reference_questions(reference, chip.shape)
    return Questions("tokens", (own_samples(weights),))


def _critical(
    arrays: Sequence[_Array], model: DefectModel, rules: Rules, show: Progress
) -> list[dict[str, Any]]:
    """Critical areas of all arrays by mechanism: mean over sizes, and that times the mechanism's share."""
    total = dict.fromkeys(MECHANISMS, 0.0)
    known: dict[tuple[str, str], float] = {}
    for i, array in enumerate(arrays):
        show("critical area", i, len(arrays), array.matrix.name)
        for mechanism in MECHANISMS:
            weights = knows_weights(array.pieces, mechanism)
            # Else one array of a base stands for all.
            key = (array.matrix.name if weights else array.floorplan.plan.name, mechanism.name)
            if key not in known:
                least = least_size_nm(rules, mechanism)
                known[key] = mean_critical_area_um2(array.pieces, mechanism, model.law, least)
            total[mechanism] += known[key]
    show("critical area", len(arrays), len(arrays))
    return [
        {
            "mechanism": mechanism.name,
            "share": model.shares[mechanism],
            "mean_um2": area,
            "effective_um2": area * model.shares[mechanism],
        }
        for mechanism, area in total.items()
    ]


# One chip.


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of a chip with its rows as they are, or after repair."""

    pins_wrong: int
    rows_wrong: int
    weights_wrong: int
    score: Score

    def worse(self, other: "_Outcome") -> "_Outcome":
        """The larger damage of both."""
        score = Score(min(self.score.share, other.score.share),
                      self.score.as_intact and other.score.as_intact)  # fmt: skip
        return _Outcome(
            max(self.pins_wrong, other.pins_wrong),
            max(self.rows_wrong, other.rows_wrong),
            max(self.weights_wrong, other.weights_wrong),
            score,
        )


@dataclass(frozen=True, slots=True)
class _Found:
    """A chip: its faults, and what they do without and with spare rows."""

    faults: int
    plain: _Outcome
    repaired: _Outcome


@dataclass(frozen=True, slots=True, eq=False)
class _Trial:
    """Makes chips."""

    chip: Chip
    arrays: Sequence[_Array]
    model: DefectModel
    rules: Rules
    questions: Questions
    intact: Score
    options: DefectOptions

    def __call__(self, rng: np.random.Generator, per_cm2: float) -> _Found:
        n_faults = 0
        read: dict[str, list[tuple[_Array, DamagedPins]]] = {b: [] for b in self.options.behaviours}
        for array in self.arrays:
            drawn = draw_defects(rng, self.model, self.rules, array.around, per_cm2)
            harmful = hits(array.pieces, drawn)
            n_faults += int(harmful.sum())
            if not harmful.any():
                continue
            nets = find_nets(array.pieces, drawn)
            for behaviour, damaged in read.items():
                damaged.append(
                    (array, read_damaged(array.floorplan, array.pieces, nets, behaviour))
                )
        outcomes = [self._outcomes(behaviour, damaged) for behaviour, damaged in read.items()]
        plain, repaired = outcomes[0]
        for other, mended in outcomes[1:]:
            plain, repaired = plain.worse(other), repaired.worse(mended)
        return _Found(n_faults, plain, repaired)

    def _outcomes(
        self, behaviour: str, damaged: Sequence[tuple[_Array, DamagedPins]]
    ) -> tuple[_Outcome, _Outcome]:
        lost = any(read.supplies_joined for _, read in damaged)
        plain = [(array, read.pins[: array.n_rows], read.joined) for array, read in damaged]
        mended = [(array, _repair(array, read), read.joined) for array, read in damaged]
        outcome = self._outcome(behaviour, plain, lost)
        same = all(np.array_equal(a[1], b[1]) for a, b in zip(plain, mended, strict=True))
        return outcome, outcome if same else self._outcome(behaviour, mended, lost)

    def _outcome(
        self,
        behaviour: str,
        damaged: Sequence[tuple[_Array, Pins, list[tuple[int, ...]]]],
        lost: bool,
    ) -> _Outcome:
        changes: dict[str, ArrayChange] = {}
        n_pins = n_rows = n_weights = 0
        for array, pins, joined in damaged:
            wrong = pins != array.pins[: array.n_rows]
            rows = np.flatnonzero(wrong.any(axis=1))
            if not len(rows):
                continue
            n_pins += int(wrong.sum())
            n_rows += len(rows)
            change = _change(array, pins, rows, joined, behaviour == "low")
            n_weights += int((change.sums.weights != array.matrix.weights[rows]).sum())
            changes[array.matrix.name] = change
        if lost:
            score = Score(0.0, False)
        elif changes:
            score = self.questions.score(lambda n: DefectiveTwin(self.chip, changes, n_sequences=n))
        else:
            score = self.intact
        return _Outcome(n_pins + lost, n_rows, n_weights, score)


def _repair(array: _Array, read: DamagedPins) -> Pins:
    """Pins after spare rows took the place of rows with a break of their own, as many as are sound."""
    pins = read.pins[: array.n_rows].copy()
    n_sound = int((~read.broken_rows[array.n_rows :]).sum())
    replaced = np.flatnonzero(read.broken_rows[: array.n_rows])[:n_sound]
    pins[replaced] = read.repaired[replaced]
    return pins


def _change(
    array: _Array,
    pins: Pins,
    rows: npt.NDArray[np.int64],
    joined: Sequence[tuple[int, ...]],
    low_wins: bool,
) -> ArrayChange:
    """What the rows with these pins compute."""
    plan = array.plan
    bits = pins[rows, plan.n_pins :]
    loose: npt.NDArray[np.bool_] = np.any(bits > HIGH, axis=1)
    sums = row_sums(plan, pins[rows, : plan.n_pins], joined, low_wins=low_wins, bad=loose)
    exponents = array.matrix.row_exponents.copy()
    read = exponents_of_bits((bits == HIGH).astype(np.int64))
    exponents[rows[~loose]] = read[~loose]
    return ArrayChange(rows, sums, exponents)


# All chips of a density.


def _row(
    density: float, found: Sequence[_Found], critical_um2: float, options: DefectOptions
) -> dict[str, Any]:
    n = len(found)
    expected = critical_um2 / _UM2_PER_CM2 * density
    no_fault = sum(f.faults == 0 for f in found) / n
    poisson = exp(-expected)
    row = {
        "per_cm2": density,
        "chips": n,
        "faults": sum(f.faults for f in found) / n,
        "expected_faults": expected,
        "no_fault": no_fault,
        "no_fault_error": sqrt(poisson * (1 - poisson) / n),
        "poisson": poisson,
        "murphy": float(murphy.function(critical_um2 / _UM2_PER_CM2, density)) if expected else 1.0,
        **_shares([f.plain for f in found]),
    }
    if options.spare_rows:
        repaired = _shares([f.repaired for f in found])
        row |= {f"repaired_{key}": value for key, value in repaired.items()}
    return row


def _shares(outcomes: Sequence[_Outcome]) -> Mapping[str, float]:
    n = len(outcomes)
    accuracies = np.array([o.score.share for o in outcomes])
    return {
        "no_effect": sum(o.pins_wrong == 0 for o in outcomes) / n,
        "as_intact": sum(o.score.as_intact for o in outcomes) / n,
        "accuracy": float(accuracies.mean()),
        "accuracy_error": float(accuracies.std() / sqrt(n)),
        "rows_wrong": sum(o.rows_wrong for o in outcomes) / n,
        "weights_wrong": sum(o.weights_wrong for o in outcomes) / n,
    }
