"""Simulate a model on a grid of chips, from its configuration alone.

result = hnlpu.simulate(model="gpt-oss-120b", options=hnlpu.SimulateOptions(context=2048, batch=216))
result.tokens_per_s, result.bottleneck, result.shares
"""

from dataclasses import dataclass, replace
from pathlib import Path

from hnlpu.costmodel.consistent import DEFAULT_NODE, Design
from hnlpu.costmodel.presets import outline_preset
from hnlpu.costmodel.system_hardware import system_hardware
from hnlpu.costmodel.workload import Workload
from hnlpu.errors import HnlpuError
from hnlpu.estimation import EstimateOptions, counted_arrays, result_bits, workload_for
from hnlpu.exact_links import ExactLinks, exact_links
from hnlpu.grid import Grid, parse_grid
from hnlpu.grid_mapping import STAGES_PER_LAYER, plan_system
from hnlpu.outline import ModelOutline, read_outline
from hnlpu.progress import Progress, Silent
from hnlpu.sim.measurement import measure
from hnlpu.system_plan import SystemHardware, SystemPlan
from hnlpu.system_result import SystemResult

__all__ = ["SimulateOptions", "System", "measure_point", "open_system", "point_options", "simulate"]

#: Tokens of one round of all requests of a workload; prompt and output are cut in proportion.
_ROUND_TOKENS = 1000


@dataclass(frozen=True, slots=True)
class SimulateOptions:
    """What is simulated of a model.

    Attributes
    ----------
    grid : str
        ``RxC``.
    workload : str or None
        Name or ``PROMPT,OUTPUT,CONCURRENCY``; None takes the default, cut to the model's context and slots.
    context, batch : int or None
        Instead of a workload: sequences that only write, all at one context.
    node, activation_bits, phases, settings
        See :class:`hnlpu.EstimateOptions`; ``settings`` may also name an input of ``system.toml``.
    collective : str
        How chips add up vectors, one of ``hnlpu.grid_mapping.COLLECTIVES``.
    link_credit_bytes : int or None
        Room of a link's receiver; enough for full rate unless given.
    seed : int
        Of the choice of experts.
    """

    grid: str = "4x4"
    workload: str | None = None
    context: int | None = None
    batch: int | None = None
    node: str = DEFAULT_NODE
    activation_bits: int = 8
    phases: int = 3
    settings: tuple[str, ...] = ()
    collective: str = "whole"
    link_credit_bytes: int | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True)
class System:
    """A model with the hardware that it runs on: all that a run needs besides context and batch."""

    model: ModelOutline
    grid: Grid
    hardware: SystemHardware
    work: Workload
    options: SimulateOptions
    exact: ExactLinks | None = None

    def plan(self, context: int, batch: int) -> SystemPlan:
        """Sequences that only write, at one context."""
        return plan_system(
            self.model, self.grid, self.hardware, context=context, batch=batch,
            collective=self.options.collective, exact=self.exact,
        )  # fmt: skip

    def run(self, context: int, batch: int) -> SystemResult:
        """Measure :meth:`plan`."""
        return measure(self.plan(context, batch), seed=self.options.seed)

    def run_workload(self) -> SystemResult:
        """Measure requests of the workload, cut in proportion so that a round is about 1,000 tokens.

        A written token sees the mean context of those written, a token of a prompt half the prompt.
        """
        work = self.work
        prompt, output = cut(work)
        plan = plan_system(
            self.model,
            self.grid,
            self.hardware,
            context=max(1, work.prompt_tokens + work.output_tokens // 2),
            prompt_context=max(1, work.prompt_tokens // 2),
            end_context=work.context,
            batch=work.concurrency,
            collective=self.options.collective,
            exact=self.exact,
        )
        note = f"requests of {work.prompt_tokens:,} + {work.output_tokens:,} tokens stand as {prompt} + {output}"
        notes = plan.notes if prompt == work.prompt_tokens else (*plan.notes, note)
        return measure(
            replace(plan, notes=notes), prompt_tokens=prompt, output_tokens=output,
            seed=self.options.seed,
        )  # fmt: skip

    def with_hardware(self, hardware: SystemHardware) -> "System":
        return replace(self, hardware=hardware)


def cut(work: Workload) -> tuple[int, int]:
    """Prompt and output of a workload in proportion, at least one token each."""
    share = min(1.0, _ROUND_TOKENS / (work.concurrency * work.context))
    output = max(1, round(work.output_tokens * share))
    prompt = max(1, round(output * work.prompt_tokens / work.output_tokens))
    return prompt, output


def open_system(
    source: str | Path | None = None,
    *,
    model: str | None = None,
    options: SimulateOptions = SimulateOptions(),
    progress: Progress | None = None,
) -> System:
    """The model and the hardware it runs on.

    Raises
    ------
    HnlpuError
        No model or two, an unknown name, a bad configuration or setting, link parameters that cannot work.
    """
    if (source is None) == (model is None):
        raise HnlpuError(
            "name one model", where="simulate",
            got="nothing" if model is None else "a source and a named model",
            do="give a config.json or its folder, or --model gpt-oss-120b",
        )  # fmt: skip
    outline = outline_preset(model) if model is not None else _read(Path(str(source)))
    grid = parse_grid(options.grid)
    work = workload_for(outline, options.workload)
    slots = STAGES_PER_LAYER * outline.n_layers
    if options.workload is None and work.concurrency > slots:
        work = replace(work, name=f"{work.name}, cut to the slots", concurrency=slots)
    if work.context > outline.max_context:
        raise HnlpuError(
            "a request longer than the model's context", where=f"workload {work.name}",
            got=f"{work.context:,} positions, and {outline.name} takes {outline.max_context:,}",
            do="shorten prompt or output, or give --context and --batch to go beyond it",
        )  # fmt: skip
    usual = workload_for(outline, None)
    base = EstimateOptions(
        node=options.node, activation_bits=options.activation_bits, phases=options.phases
    )
    arrays = counted_arrays(outline, base, progress or Silent())
    hardware = system_hardware(
        outline, arrays, usual, Design(node=options.node, chips=grid.n_chips),
        settings=options.settings, link_credit_bytes=options.link_credit_bytes,
    )  # fmt: skip
    exact = None
    if options.collective.startswith("exact"):
        exact = exact_links(outline, grid, lambda item, n: result_bits(item.n_rows, n, base))
    return System(outline, grid, hardware, work, options, exact)


def simulate(
    source: str | Path | None = None,
    *,
    model: str | None = None,
    options: SimulateOptions = SimulateOptions(),
    progress: Progress | None = None,
) -> SystemResult:
    """Simulate a folder (or file) with a ``config.json``, or a named ``model``.

    With ``options.context`` or ``options.batch`` sequences only write, at one context; otherwise requests of the workload
    are served, each replaced by the next when it ends.

    Raises
    ------
    HnlpuError
        See :func:`open_system`; a grid that does not fit the model, more sequences than slots, a context beyond the
        KV capacity.
    """
    system = open_system(source, model=model, options=options, progress=progress)
    return measure_point(system, progress=progress)


def measure_point(system: System, *, progress: Progress | None = None) -> SystemResult:
    """The point that the options name, or else their workload."""
    show, options = progress or Silent(), system.options
    show("simulate", 0, 1, system.model.name)
    if options.context is None and options.batch is None:
        result = system.run_workload()
    else:
        result = system.run(*point_options(system))
    show("simulate", 1, 1)
    return result


def point_options(system: System) -> tuple[int, int]:
    """Context and batch as the user gives them; what is missing is the workload's."""
    options, work = system.options, system.work
    context = options.context if options.context is not None else work.context
    return context, options.batch if options.batch is not None else work.concurrency


def _read(path: Path) -> ModelOutline:
    return read_outline(path if path.is_file() else path / "config.json")
