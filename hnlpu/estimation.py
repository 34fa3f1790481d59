"""Estimate: the silicon of every array of a model, counted or measured before, handed to the cost model."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hnlpu.alignment import align
from hnlpu.architecture import plan_from_dict
from hnlpu.base import ArrayPlan
from hnlpu.bundle import read_manifest, write_json
from hnlpu.checkpoint import open_checkpoint
from hnlpu.codebook import E2M1
from hnlpu.costmodel.consistent import DEFAULT_NODE, Design
from hnlpu.costmodel.estimate import Estimate
from hnlpu.costmodel.estimate import estimate as cost
from hnlpu.costmodel.measured import TapsKey, load_measured
from hnlpu.costmodel.presets import outline_preset
from hnlpu.costmodel.workload import DEFAULT_WORKLOAD, Workload, parse_workload
from hnlpu.errors import HnlpuError
from hnlpu.families import find_tensors
from hnlpu.grid import parse_grid
from hnlpu.matrices import load_matrix
from hnlpu.model import model_from_dict
from hnlpu.outline import ModelOutline, outline_of, read_outline
from hnlpu.progress import Progress, Silent
from hnlpu.rtl.synthesis import count_rows
from hnlpu.selection import BaseOptions, taps_base
from hnlpu.silicon import ArraySilicon, BaseCount
from hnlpu.simulated_speed import THROUGHPUTS, simulated_speed
from hnlpu.taps import TapsPlan
from hnlpu.weights import BLOCK

__all__ = ["EstimateOptions", "counted_arrays", "estimate", "result_bits", "workload_for"]

#: Exponent values per row where no weights are at hand: the base of DESIGN.md's MXFP4 figures.
_EXPONENT_VALUES = 4


@dataclass(frozen=True, slots=True)
class EstimateOptions:
    """What is estimated of a model.

    Attributes
    ----------
    node, yield_model, chips, accelerator
        See :class:`hnlpu.costmodel.consistent.Design`.
    workload : str or None
        Name or ``PROMPT,OUTPUT,CONCURRENCY``; None takes the default, cut to the model's context.
    activation_bits, phases : int
        Of the tap crossbar, where the source is no bundle.
    settings : tuple of str
        Inputs changed by ``KEY=VALUE``.
    draws, seed : int
        Of the Monte Carlo.
    throughput : str
        ``analytic``, or ``simulated``: consistent mode's speed is that of a simulated system of ``grid``.
    grid : str
        ``RxC`` chips that are simulated.
    """

    node: str = DEFAULT_NODE
    yield_model: str = "murphy"
    chips: int | None = None
    accelerator: str = "h100"
    workload: str | None = None
    activation_bits: int = 8
    phases: int = 3
    settings: tuple[str, ...] = ()
    draws: int = 2000
    seed: int = 0
    throughput: str = "analytic"
    grid: str = "4x4"


def estimate(
    source: str | Path | None = None,
    *,
    model: str | None = None,
    options: EstimateOptions = EstimateOptions(),
    progress: Progress | None = None,
) -> Estimate:
    """Estimate a bundle, a checkpoint, a folder (or file) with a ``config.json`` alone, or a named ``model``.

    A bundle is estimated with its own bases, and ``estimate.json`` is written into it. A checkpoint gets the bases
    ``generate`` would choose; a configuration or a named model, bases with 4 exponent values per row. A count comes
    from ``measured.toml`` where that holds the base, else from yosys.

    Raises
    ------
    HnlpuError
        None of these, or unsound; an option that names nothing; a design or a workload that does not fit.
    """
    show = progress or Silent()
    if (source is None) == (model is None):
        raise HnlpuError(
            "name one model",
            where="estimate",
            got="nothing" if model is None else "a source and a named model",
            do="give a bundle, checkpoint or config.json, or --model gpt-oss-120b",
        )
    if model is not None:
        outline = outline_preset(model)
        return _estimate(outline, _bases(outline, options), options, show)
    path = Path(str(source))
    if (path / "manifest.json").is_file():
        manifest = read_manifest(path)
        plans = [plan_from_dict(base["parameters"]) for base in manifest["bases"]]
        outline = outline_of(model_from_dict(manifest["model"]))
        result = _estimate(outline, plans, options, show)
        write_json(path / "estimate.json", result.as_dict())
        return result
    config = path if path.is_file() else path / "config.json"
    if config.is_file() and not list(config.parent.glob("*.safetensors")):
        outline = read_outline(config)
        return _estimate(outline, _bases(outline, options), options, show)
    checkpoint = open_checkpoint(path if path.exists() else str(source))
    spreads: dict[tuple[int, int], int] = {}
    matrices = find_tensors(checkpoint).matrices
    for i, matrix in enumerate(matrices):
        show("read", i, len(matrices), matrix.name)
        size = (matrix.n_rows, matrix.n_columns)
        spread = align(load_matrix(checkpoint, matrix).coded).spread
        spreads[size] = max(spread, spreads.get(size, 0))
    show("read", len(matrices), len(matrices))
    values = {size: 1 << spread.bit_length() for size, spread in spreads.items()}
    outline = outline_of(checkpoint.shape)
    return _estimate(outline, _bases(outline, options, values), options, show)


def workload_for(outline: ModelOutline, text: str | None) -> Workload:
    """The workload a user names, or the default cut to the model's context."""
    if text is not None:
        return parse_workload(text)
    usual = parse_workload(DEFAULT_WORKLOAD)
    half = outline.max_context // 2
    if usual.context <= outline.max_context:
        return usual
    return replace(
        usual,
        name=f"{usual.name}, cut to the model's context",
        prompt_tokens=min(usual.prompt_tokens, half),
        output_tokens=min(usual.output_tokens, half),
    )


def _bases(
    outline: ModelOutline,
    options: EstimateOptions,
    exponent_values: Mapping[tuple[int, int], int] | None = None,
) -> list[ArrayPlan]:
    """A base for every array shape of a model."""
    known = exponent_values or {}
    return [
        _base(size, options, known.get(size, _EXPONENT_VALUES))
        for size in sorted({(linear.n_rows, linear.n_columns) for linear in outline.linears})
    ]


def _base(size: tuple[int, int], options: EstimateOptions, exponent_values: int) -> ArrayPlan:
    base = BaseOptions(activation_bits=options.activation_bits, phases=options.phases)
    return taps_base(
        size, base, exponent_values=exponent_values, magnitudes=E2M1.magnitudes, block=BLOCK
    )


def result_bits(n_rows: int, n_columns: int, options: EstimateOptions) -> int:
    """Bits of an exact result of an array of which only the shape is known."""
    return _base((n_rows, n_columns), options, _EXPONENT_VALUES).y_bits


def _estimate(
    outline: ModelOutline, plans: Iterable[ArrayPlan], options: EstimateOptions, show: Progress
) -> Estimate:
    todo = list(plans)
    arrays = _counts(todo, show)
    design = Design(
        node=options.node,
        architecture=todo[0].arch,
        yield_model=options.yield_model,
        chips=options.chips,
        accelerator=options.accelerator,
        throughput=options.throughput,
    )
    work = workload_for(outline, options.workload)
    simulated = None
    if options.throughput == "simulated":
        simulated = simulated_speed(
            outline, arrays, work, design, parse_grid(options.grid), settings=options.settings, show=show
        )  # fmt: skip
    elif options.throughput != "analytic":
        raise HnlpuError(
            "unknown throughput", where="--throughput", got=repr(options.throughput),
            do=f"choose one of {', '.join(THROUGHPUTS)}",
        )  # fmt: skip
    return cost(
        outline,
        arrays,
        work,
        design,
        simulated=simulated,
        settings=options.settings,
        draws=options.draws,
        seed=options.seed,
    )


def counted_arrays(
    outline: ModelOutline, options: EstimateOptions, show: Progress
) -> dict[tuple[int, int], ArraySilicon]:
    """Silicon of every array of a model of which only the configuration is known, by (n_rows, n_columns)."""
    return _counts(_bases(outline, options), show)


def _counts(plans: Sequence[ArrayPlan], show: Progress) -> dict[tuple[int, int], ArraySilicon]:
    arrays: dict[tuple[int, int], ArraySilicon] = {}
    counted: dict[ArrayPlan, BaseCount] = {}
    for i, plan in enumerate(plans):
        show("count cells", i, len(plans), plan.name)
        arrays[plan.n_rows, plan.n_columns] = _count(plan, counted)
    show("count cells", len(plans), len(plans))
    return arrays


def _count(plan: ArrayPlan, counted: dict[ArrayPlan, BaseCount]) -> ArraySilicon:
    """Silicon of a base: measured before, or counted by yosys once for every width of a row."""
    key = TapsKey(plan.n_columns, plan.activation_bits, plan.phases, plan.exponent_values)
    row = replace(plan, n_rows=1)
    usual = TapsPlan(
        1,
        plan.n_columns,
        activation_bits=plan.activation_bits,
        phases=plan.phases,
        exponent_values=plan.exponent_values,
    )
    known = load_measured().rows
    if row == usual and key in known:
        return known[key].array(plan.n_rows)
    if row not in counted:
        counted[row] = count_rows(plan)
    return counted[row].array(plan.n_rows)
