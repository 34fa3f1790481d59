"""Evaluate: how far the chip's integers are from floating point, and what that does to tokens.

The twin, which is the chip bit for bit, runs beside a float64 model with the same weights: their difference
is the numerics'. Beside the original weights, where quantising changed them, it is the whole loss.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hnlpu.accuracy import (
    Record,
    compare_logits,
    compare_streams,
    planted_outlier,
    record_floating,
    record_twin,
    same_experts,
)
from hnlpu.bundle import new_folder, write_json
from hnlpu.checkpoint import open_checkpoint
from hnlpu.chip_loading import (
    ModelWeights,
    bundle_numerics,
    weights_from_bundle,
    weights_from_checkpoint,
)
from hnlpu.errors import HnlpuError
from hnlpu.numerics import ARRAY_INPUTS, INPUT_OF_ROLE, Numerics, change_numerics
from hnlpu.progress import Progress, Silent
from hnlpu.references import Reference, own_samples, read_references
from hnlpu.reports.accuracy import sweep_chart
from hnlpu.scoring import MakeModel, answer_problems, cut_text, read_problems, score_windows
from hnlpu.sim.chip import ChipTwin
from hnlpu.sim.floating import FloatingModel, FloatingWeights
from hnlpu.tokenizer import load_tokenizer
from hnlpu.transformers_reference import TransformersModel

__all__ = ["EvaluateOptions", "evaluate", "write_sweep"]

#: Values of a sweep; those that do not go with the other widths are left out.
SWEEPS: dict[str, tuple[int, ...]] = {
    "activation_bits": (4, 5, 6, 7, 8, 9, 10, 12, 14, 16),
    "kv_bits": (3, 4, 5, 6, 7, 8, 10, 12, 14),
    "rsqrt_table_bits": (2, 3, 4, 5, 6, 8),
    "exp_table_bits": (2, 4, 6, 8, 10),
    "sigmoid_table_bits": (3, 4, 6, 8, 10),
    "rope_table_bits": (4, 6, 8, 10, 12),
    "routing_bits": (6, 8, 10, 12, 14),
}
#: Widths tried for one array input at a time, the others left as they are.
INPUT_SWEEP = (4, 6, 8, 10, 12, 16)
#: Positions of a window of text, unless told otherwise or the model has fewer.
TEXT_CONTEXT = 512


@dataclass(frozen=True, slots=True)
class EvaluateOptions:
    """What is evaluated.

    Attributes
    ----------
    quantize : str or None
        Format the weights of a checkpoint are rounded to.
    activation_bits : str or None
        ``8`` or ``8,down=10``; None leaves the bundle's, or the default.
    kv_bits : int or None
    settings : sequence of str
        ``FIELD=VALUE`` of the numerics.
    reference : path or None
        Sequences and logits (``hnlpu.references``); None takes ``reference.npz`` of a checkpoint, or what
        the model itself writes.
    text : path or None
        A text to be scored, or problems to be answered.
    context : int or None
        Positions of a window of text; None takes the model's, at most ``TEXT_CONTEXT``.
    sweep : bool
    transformers : bool
        Also run transformers on the sequences and the text.
    """

    quantize: str | None = None
    activation_bits: str | None = None
    kv_bits: int | None = None
    settings: Sequence[str] = ()
    reference: Path | None = None
    text: Path | None = None
    context: int | None = None
    sweep: bool = False
    transformers: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class _Subject:
    """Weights as wired, and as they were before where that is known."""

    folder: Path
    weights: ModelWeights
    wired: FloatingWeights
    original: FloatingWeights | None
    numerics: Numerics

    @property
    def yardstick(self) -> FloatingWeights:
        return self.wired if self.original is None else self.original


def evaluate(
    source: str | Path,
    options: EvaluateOptions | None = None,
    *,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Measure the chip's distance to floating point.

    Parameters
    ----------
    source : path or hub id
        A checkpoint, or a bundle with its own numerics.
    options : EvaluateOptions, optional
    progress : Progress, optional

    Returns
    -------
    dict
        ``model``, ``source``, ``quantize``, ``numerics``; ``rows``: per set of sequences the figures of
        ``hnlpu.accuracy.compare_logits`` beside the reference, and ``numerics_rmse`` beside float64 with
        the same weights; ``arrays``: signal-to-noise by layer and stream; ``saturations`` by block;
        ``outlier``; ``text``, ``sweep`` and ``transformers`` where asked for, else None.

    Raises
    ------
    HnlpuError
        Bad checkpoint, bundle, reference, text or numerics.
    MissingToolError
        ``transformers`` without the extra ``[reference]``.
    """
    options = options or EvaluateOptions()
    show = progress or Silent()
    subject = _load(source, options, show)
    other = TransformersModel(subject.folder) if options.transformers else None
    chip = subject.weights.chip(subject.numerics)
    references = _references(subject, options)
    rows, transformers_rows = [], []
    saturations: dict[str, int] = {}
    arrays: list[dict[str, Any]] = []
    wired: list[Record] = []
    for i, reference in enumerate(references):
        show("compare", i, len(references), reference.name)
        twin, floating = (
            record_twin(chip, reference.ids),
            record_floating(subject.wired, reference.ids),
        )
        wired.append(floating)
        rows.append(_row(subject, reference, twin, floating))
        for block, count in twin.saturations.items():
            saturations[block] = saturations.get(block, 0) + count
        arrays = arrays or compare_streams(twin, floating, reference.valid)
        if other is not None:
            transformers_rows.append(_transformers_row(subject, reference, twin, floating, other))
    show("compare", len(references), len(references))
    outlier = planted_outlier(chip, references[0].ids)
    text = None if options.text is None else _text(subject, options, other, show)
    sweep = None
    if options.sweep:
        sweep = list(_sweep(subject, references[0], wired[0], show))
    return {
        "model": chip.shape.name,
        "source": str(source),
        "quantize": options.quantize,
        "numerics": subject.numerics.as_dict(),
        "rows": rows,
        "arrays": arrays,
        "saturations": {block: n for block, n in saturations.items() if n},
        "outlier": outlier,
        "text": text,
        "sweep": sweep,
        "transformers": None if other is None else transformers_rows,
    }


def write_sweep(result: dict[str, Any], out: Path, *, force: bool = False) -> None:
    """Write ``evaluate.json`` and the sweep's chart to a folder.

    Raises
    ------
    HnlpuError
        ``out`` is not empty and ``force`` is not set.
    """
    chart = sweep_chart(result["sweep"])
    with new_folder(out, force=force) as folder:
        write_json(folder / "evaluate.json", result)
        (folder / "sweep.png").write_bytes(chart.png)
        (folder / "sweep.svg").write_text(chart.svg, encoding="utf-8")


def _load(source: str | Path, options: EvaluateOptions, show: Progress) -> _Subject:
    def changed(numerics: Numerics) -> Numerics:
        return change_numerics(
            numerics,
            activation_bits=options.activation_bits,
            kv_bits=options.kv_bits,
            settings=options.settings,
        )

    folder = Path(source)
    if (folder / "manifest.json").is_file():
        for option, given in (
            ("--quantize", options.quantize),
            ("--transformers", options.transformers),
        ):
            if given:
                raise HnlpuError(
                    f"{option} needs a checkpoint",
                    where=str(source),
                    got="a bundle, whose weights are quantised already",
                    do="name the checkpoint, or leave the option out",
                )
        weights = weights_from_bundle(folder)
        wired = FloatingWeights.of_wired(weights)
        return _Subject(folder, weights, wired, None, changed(bundle_numerics(folder)))
    numerics = changed(Numerics())
    checkpoint = open_checkpoint(source)
    weights = weights_from_checkpoint(checkpoint, options.quantize, show)
    wired = FloatingWeights.of_wired(weights)
    original = FloatingWeights.of_checkpoint(checkpoint)
    same = all(np.array_equal(original.matrices[name], m) for name, m in wired.matrices.items())
    return _Subject(checkpoint.folder, weights, wired, None if same else original, numerics)


def _references(subject: _Subject, options: EvaluateOptions) -> list[Reference]:
    beside = subject.folder / "reference.npz"
    if options.reference is not None or beside.is_file():
        return read_references(options.reference or beside, subject.weights.shape)
    return [own_samples(subject.yardstick)]


def _row(subject: _Subject, reference: Reference, twin: Record, floating: Record) -> dict[str, Any]:
    """Figures of one set of sequences."""
    wanted = reference.logits
    beside = "file"
    if wanted is None:
        original = subject.original
        wanted = (
            floating.logits
            if original is None
            else (record_floating(original, reference.ids).logits)
        )
        beside = "float64 with the same weights" if original is None else "float64, not quantised"
    agree, scored = same_experts(twin, floating), reference.scored
    own = compare_logits(twin.logits, floating.logits, scored, agree)
    other = compare_logits(floating.logits, wanted, scored)
    return {
        "sequences": reference.name,
        "beside": beside,
        **compare_logits(twin.logits, wanted, scored, agree),
        "numerics_rmse": own["logit_rmse"],
        "numerics_rmse_same_experts": own["logit_rmse_same_experts"],
        "numerics_top1_agreement": own["top1_agreement"],
        "floating_rmse": other["logit_rmse"],
        "floating_top1_agreement": other["top1_agreement"],
    }


def _transformers_row(
    subject: _Subject,
    reference: Reference,
    twin: Record,
    floating: Record,
    other: TransformersModel,
) -> dict[str, Any]:
    logits = other.logits(reference.ids)
    agree, scored = same_experts(twin, floating), reference.scored
    own = record_floating(subject.yardstick, reference.ids)
    return {
        "sequences": reference.name,
        **compare_logits(twin.logits, logits, scored, agree),
        "float64_rmse": compare_logits(own.logits, logits, scored)["logit_rmse"],
    }


def _text(
    subject: _Subject, options: EvaluateOptions, other: TransformersModel | None, show: Progress
) -> dict[str, Any]:
    assert options.text is not None
    try:
        text = options.text.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise HnlpuError(
            "cannot read the text",
            where=str(options.text),
            got=getattr(error, "strerror", None) or str(error),
            do="give a file of UTF-8 text, or of problem=answer lines",
        ) from error
    tokenizer = load_tokenizer(subject.folder)
    shape, chip = subject.weights.shape, subject.weights.chip(subject.numerics)
    context = min(options.context or TEXT_CONTEXT, shape.max_context)
    models: dict[str, tuple[MakeModel, float]] = {
        "twin": (lambda n: ChipTwin(chip, n_sequences=n), 2.0**-subject.numerics.value_fraction),
        "floating": (lambda n: FloatingModel(subject.wired, n_sequences=n), 1.0),
    }
    original = subject.original
    if original is not None:
        models["original"] = (lambda n: FloatingModel(original, n_sequences=n), 1.0)
    if other is not None:
        models["transformers"] = (other.start, 1.0)
    problems = read_problems(text)
    result: dict[str, Any] = {"file": str(options.text), "kind": "problems" if problems else "text"}
    windows = None
    if not problems:
        windows = cut_text(tokenizer.encode(text), shape.bos_token, context)
        result |= {"tokens": int((windows.targets >= 0).sum()), "context": context}
    for i, (name, (make, unit)) in enumerate(models.items()):
        show("text", i, len(models), name)
        started = time.monotonic()
        if windows is None:
            result[name] = answer_problems(make, tokenizer, problems, shape.eos_tokens)
        else:
            result[name] = score_windows(make, windows, shape.vocab, unit)
        result[name]["seconds"] = round(time.monotonic() - started, 2)
    show("text", len(models), len(models))
    return result


def _sweep(
    subject: _Subject, reference: Reference, floating: Record, show: Progress
) -> Iterator[dict[str, Any]]:
    """One field at a time around the given numerics, beside float64 with the same weights."""
    points = list(_points(subject))
    for i, (field, value, numerics) in enumerate(points):
        show("sweep", i, len(points), f"{field} {value}")
        twin = record_twin(subject.weights.chip(numerics), reference.ids)
        agree = same_experts(twin, floating)
        yield {
            "field": field,
            "value": value,
            "default": numerics == subject.numerics,
            **compare_logits(twin.logits, floating.logits, reference.scored, agree),
            "saturations": sum(twin.saturations.values()),
        }
    show("sweep", len(points), len(points))


def _points(subject: _Subject) -> Iterator[tuple[str, int, Numerics]]:
    base = subject.numerics
    for field, values in SWEEPS.items():
        if field == "routing_bits" and not subject.weights.shape.is_moe:
            continue
        for value in sorted({*values, int(getattr(base, field))}):
            change: dict[str, Any] = {field: value}
            try:
                yield field, value, replace(base, **change)
            except HnlpuError:
                continue  # does not go with the other widths
    used = {INPUT_OF_ROLE[linear.role] for linear in subject.weights.shape.linears()}
    for name in ARRAY_INPUTS:
        for value in sorted({*INPUT_SWEEP, base.input_bits(name)}) if name in used else ():
            overrides = {**dict(base.activation_overrides), name: value}
            if value == base.input_bits(name):
                yield f"activation_bits, {name}", value, base
            else:
                changed = replace(base, activation_overrides=tuple(overrides.items()))
                yield f"activation_bits, {name}", value, changed
