"""The estimate: every figure of one model, workload and design, beside accelerators and beside the paper's rules.

Consistent mode is :func:`hnlpu.costmodel.consistent.consistent_sheet`; paper mode is
:mod:`hnlpu.costmodel.paper_estimate`. Both give the same headline figures.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from hnlpu.costmodel.accelerators import Accelerator, accelerator_inputs, load_accelerators
from hnlpu.costmodel.consistent import Design, check_fits, consistent_inputs, consistent_sheet
from hnlpu.costmodel.contradiction import Note, contradictions
from hnlpu.costmodel.headline import headline_figures
from hnlpu.costmodel.inputs import Inputs
from hnlpu.costmodel.measured import load_measured
from hnlpu.costmodel.paper_estimate import paper_headline
from hnlpu.costmodel.quantity import Figure, Quantity
from hnlpu.costmodel.sheet import Sheet
from hnlpu.costmodel.speed import RESOURCES
from hnlpu.costmodel.uncertainty import Effect, Sample, figures, sample, tornado
from hnlpu.costmodel.workload import Workload
from hnlpu.errors import HnlpuError
from hnlpu.model import LinearShape
from hnlpu.outline import ModelOutline
from hnlpu.silicon import ArraySilicon

__all__ = [
    "COMPARED",
    "TORNADOES",
    "Bottleneck",
    "Comparison",
    "Estimate",
    "estimate",
    "estimate_from_dict",
]

#: Figures whose assumptions are ranked.
TORNADOES = ("tokens_per_s", "tokens_per_j", "tco_usd", "cost_advantage", "carbon_advantage")

#: Figures of a comparison with an accelerator.
COMPARED = (
    "gpu_tokens_per_s", "gpu_tokens_per_j", "gpus", "gpu_tco_usd", "gpu_carbon_kg", "cost_advantage",
    "energy_advantage", "carbon_advantage", "break_even_systems", "break_even_respins_per_year",
)  # fmt: skip

_NOTES = (
    "VEX, attention buffer, links and clock are assumptions here: no system has been simulated or closed at this node.",
    "Wires are those of the tap crossbar's lines and stubs; the base's own wiring and regions are not drawn.",
    "Weights are cut over chips anywhere; a rectangular grid is not enforced.",
    "An accelerator's concurrency is per group that holds the model, a system's is per system.",
)
_SIMULATED = (
    "Interval and token path are a simulated system's at the middle of every input; what VEX, attention buffer, links "
    "and clock can do is still assumed."
)


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """What limits the tokens per second: at the 5th percentile, in the middle, at the 95th.

    Attributes
    ----------
    shares : mapping of str to float
        How many of the draws each resource limits.
    """

    low: str
    mid: str
    high: str
    shares: Mapping[str, float]
    tag: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"unit": "resource"}


@dataclass(frozen=True, slots=True)
class Comparison:
    """One accelerator beside the design, for the same tokens of the same workload.

    Attributes
    ----------
    figures : mapping of str to Figure
        ``COMPARED``; empty for a machine of one model, of which only published rates are known.
    """

    accelerator: Accelerator
    figures: Mapping[str, Figure]


@dataclass(frozen=True, slots=True)
class Estimate:
    """Everything the cost model says about a model.

    Attributes
    ----------
    sheet, inputs : Sheet, mapping of str to Quantity
        What was evaluated.
    figures : mapping of str to Figure
        Every figure of the sheet.
    headline, paper : mapping of str to Figure
        The headline figures in consistent and in paper mode, by the keys of
        :data:`hnlpu.costmodel.headline.HEADLINE`.
    transistors : mapping of str to int
        Counted transistors of all arrays by part, see :data:`hnlpu.silicon.PARTS`.
    draws, seed : int
        Of the Monte Carlo.
    """

    model: ModelOutline
    design: Design
    workload: Workload
    sheet: Sheet
    inputs: Inputs
    figures: Mapping[str, Figure]
    headline: Mapping[str, Figure]
    bottleneck: Bottleneck
    paper: Mapping[str, Figure]
    comparisons: Mapping[str, Comparison]
    tornadoes: Mapping[str, Sequence[Effect]]
    transistors: Mapping[str, int]
    notes: tuple[str, ...]
    contradictions: tuple[Note, ...]
    draws: int
    seed: int

    def as_dict(self, mode: str = "both") -> dict[str, Any]:
        """Stable keys for JSON: the headline of the mode at the top, everything else below it.

        Parameters
        ----------
        mode : str
            ``consistent`` and ``both`` have consistent mode at the top, ``paper`` the paper's; ``both`` also has
            ``paper``.
        """
        own = {key: figure.as_dict() for key, figure in self.headline.items()}
        theirs = {key: figure.as_dict() for key, figure in self.paper.items()}
        found: dict[str, Any] = {"mode": mode, **(theirs if mode == "paper" else own)}
        if mode != "paper":
            found["bottleneck"] = self.bottleneck.as_dict()
        if mode == "both":
            found["paper"] = theirs
        return found | {
            "model": asdict(self.model),
            "design": asdict(self.design),
            "workload": asdict(self.workload),
            "baselines": {
                name: {
                    "name": item.accelerator.name,
                    **{key: figure.as_dict() for key, figure in item.figures.items()},
                    "measured": [asdict(entry) for entry in item.accelerator.measured],
                }
                for name, item in self.comparisons.items()
            },
            "figures": {
                name: {key: value for key, value in figure.as_dict().items() if key != "source"}
                | {"inputs": sorted(self.sheet.ancestors(name))}
                for name, figure in self.figures.items()
            },
            "inputs": {
                name: {
                    "low": item.low, "mid": item.value, "high": item.high, "unit": item.unit,
                    "tag": item.tag, "source": item.source,
                }
                for name, item in sorted(self.inputs.items())
            },
            "tornado": {
                name: [asdict(effect) for effect in effects]
                for name, effects in self.tornadoes.items()
            },
            "transistors_by_part": dict(self.transistors),
            "draws": self.draws,
            "seed": self.seed,
            "notes": list(self.notes),
            "contradictions": [asdict(note) for note in self.contradictions],
        }  # fmt: skip


def estimate(
    model: ModelOutline,
    arrays: Mapping[tuple[int, int], ArraySilicon],
    workload: Workload,
    design: Design = Design(),
    *,
    settings: Iterable[str] = (),
    draws: int = 2000,
    seed: int = 0,
    simulated: Inputs | None = None,
) -> Estimate:
    """Silicon, cost, speed, energy and carbon of ``model``, with percentiles.

    Parameters
    ----------
    arrays : mapping of (n_rows, n_columns) to ArraySilicon
        The counted base for every shape of ``model.linears``.
    settings : iterable of str
        Inputs changed by ``KEY=VALUE``, see :func:`hnlpu.costmodel.inputs.set_inputs`.
    draws, seed : int
        Of the Monte Carlo.
    simulated : mapping, optional
        Ratios of a simulated system, for a design whose throughput is simulated.

    Raises
    ------
    HnlpuError
        A shape without a counted base, an unknown name, a bad data file, a chip beyond the reticle, a workload beyond
        the context or the KV capacity, an input that leaves a figure without a number.
    """
    if draws < 1:
        raise HnlpuError("too few draws", where="--draws", got=str(draws), do="give 1 or more")
    inputs = consistent_inputs(
        model, arrays, workload, design, toggles=load_measured().toggles, settings=settings,
        simulated=simulated,
    )  # fmt: skip
    check_fits(consistent_sheet(design), inputs, design)
    transistors: Counter[str] = Counter()
    for linear in model.linears:
        for part, n in arrays[linear.n_rows, linear.n_columns].transistors_by_part.items():
            transistors[part] += linear.count * n
    return _evaluate(model, workload, design, inputs, transistors, draws, seed)


def estimate_from_dict(tree: Mapping[str, Any]) -> Estimate:
    """The estimate that :meth:`Estimate.as_dict` wrote, evaluated again from its inputs.

    Raises
    ------
    HnlpuError
        Not such a mapping, or one of another version.
    """
    try:
        model = dict(tree["model"])
        model["linears"] = tuple(LinearShape(**item) for item in model["linears"])
        model["windows"] = tuple(model["windows"])
        inputs = {
            name: Quantity(
                item["mid"], item["unit"], item["low"], item["high"], item["source"], item["tag"]
            )
            for name, item in tree["inputs"].items()
        }
        design = Design(**tree["design"])
        sheet = consistent_sheet(design)
        if set(sheet.inputs) - inputs.keys():
            raise KeyError(min(set(sheet.inputs) - inputs.keys()))
        return _evaluate(
            ModelOutline(**model), Workload(**tree["workload"]), design, inputs,
            tree["transistors_by_part"], tree["draws"], tree["seed"],
        )  # fmt: skip
    except (KeyError, TypeError, ValueError) as error:
        raise HnlpuError(
            "not an estimate of this version",
            where="estimate.json",
            got=f"{type(error).__name__}: {error}",
            do="run hnlpu estimate again",
        ) from error


def _evaluate(
    model: ModelOutline,
    workload: Workload,
    design: Design,
    inputs: Inputs,
    transistors: Mapping[str, int],
    draws: int,
    seed: int,
) -> Estimate:
    sheet = consistent_sheet(design)
    drawn = sample(sheet, inputs, draws, seed)
    found = figures(sheet, inputs, drawn)
    comparisons = {}
    compared = sheet.needed(COMPARED)
    for name, accelerator in load_accelerators().items():
        if not accelerator.has_roofline:
            comparisons[name] = Comparison(accelerator, {})
            continue
        # what the user set of the accelerator compared with stands
        given = {} if name == design.accelerator else accelerator_inputs(name, model)
        beside = {**inputs, **given}
        beside = {key: beside[key] for key in compared.inputs}
        theirs = figures(compared, beside, sample(compared, beside, draws, seed), COMPARED)
        comparisons[name] = Comparison(accelerator, theirs)
    return Estimate(
        model=model,
        design=design,
        workload=workload,
        sheet=sheet,
        inputs=inputs,
        figures=found,
        headline=headline_figures(found),
        bottleneck=_bottleneck(drawn, found["tokens_per_s"].tag),
        paper=paper_headline(model),
        comparisons=comparisons,
        tornadoes={name: tornado(sheet, inputs, name) for name in TORNADOES},
        transistors=dict(transistors),
        notes=_NOTES if design.throughput == "analytic" else (_SIMULATED, *_NOTES[1:]),
        contradictions=contradictions(model),
        draws=draws,
        seed=seed,
    )


def _bottleneck(found: Sample, tag: str) -> Bottleneck:
    names = list(RESOURCES)
    *times, rates = np.broadcast_arrays(*map(found.of, [*RESOURCES.values(), "tokens_per_s"]))
    limits = np.argmax(np.stack(times), axis=0)
    order = np.argsort(rates)
    low, high = (names[limits[order[len(order) * p // 100]]] for p in (5, 95))
    counts = Counter(limits.tolist())
    return Bottleneck(
        low=low,
        mid=max(names, key=lambda name: float(found.mid[RESOURCES[name]])),
        high=high,
        shares={names[i]: counts[i] / len(limits) for i in sorted(counts)},
        tag=tag,
    )
