"""A system plan as the steps that the simulator executes: integers only.

A step takes a shared resource for ``busy`` cycles and gives its result ``after`` cycles from its start; what no other
token waits for (arrays) is added to the step before it. Attention whose KV cache lies partly in HBM is preceded by a
step that waits for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from hnlpu.system_plan import SHARED, Part, Stage, SystemPlan

__all__ = ["DELAY", "FETCHED", "HBM", "Program", "Step", "compile_plan"]

HBM = SHARED.index("hbm")
#: Steps that take no resource: time passes; the KV cache must have arrived when attention of ``busy`` cycles ends.
DELAY, FETCHED = len(SHARED), len(SHARED) + 1

_RESOURCE = {"vex": 0, "attention": 0, "column": 1, "row": 2}


class Step(NamedTuple):
    """One step; ``name`` and ``tail`` (part, cycles) of what follows are for the trace."""

    resource: int
    busy: int
    after: int
    name: str
    tail: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Program:
    """Steps of every stage for every kind of token.

    Attributes
    ----------
    names : tuple of str
        Of the stages.
    steps : tuple of tuple of tuple of tuple of Step
        By kind of token, stage and variant.
    parts : the same of Part
        What the steps were made of.
    chances : tuple of tuple of float
        Of the variants, by stage.
    fetches : tuple of tuple of int
        By kind and stage: cycles of HBM that are asked for when a token enters, for the stage after it.
    slots : int
        Tokens that may be in the stages.
    entry_places : int
        Sequences that may wait before the first stage with their next token; one that finds no place stays in the
        last stage.
    """

    names: tuple[str, ...]
    steps: tuple[tuple[tuple[tuple[Step, ...], ...], ...], ...]
    parts: tuple[tuple[tuple[tuple[Part, ...], ...], ...], ...]
    chances: tuple[tuple[float, ...], ...]
    fetches: tuple[tuple[int, ...], ...]
    slots: int
    entry_places: int


def compile_plan(plan: SystemPlan, *, entry_places: int | None = None) -> Program:
    """The program of a plan: kind 0 are written tokens, kind 1 those of a prompt.

    Parameters
    ----------
    entry_places : int, optional
        A place for every sequence unless given.
    """
    kinds = (plan.stages, plan.prompt_stages)
    return Program(
        names=tuple(stage.name for stage in plan.stages),
        steps=tuple(
            tuple(tuple(map(_steps, stage.variants)) for stage in stages) for stages in kinds
        ),
        parts=tuple(tuple(stage.variants for stage in stages) for stages in kinds),
        chances=tuple(stage.chances for stage in plan.stages),
        fetches=tuple(_fetches(stages) for stages in kinds),
        slots=plan.slots,
        entry_places=plan.batch if entry_places is None else entry_places,
    )


def _steps(parts: Sequence[Part]) -> tuple[Step, ...]:
    steps: list[Step] = []
    for part in parts:
        if part.kind == "array":
            tail = (part.name, part.latency_cycles)
            last = steps.pop() if steps else Step(DELAY, 0, 0, "")
            steps.append(
                last._replace(after=last.after + part.latency_cycles, tail=(*last.tail, tail))
            )
            continue
        if part.fetch_cycles:
            steps.append(Step(FETCHED, part.busy_cycles, 0, "HBM"))
        steps.append(Step(_RESOURCE[part.kind], part.busy_cycles, part.latency_cycles, part.name))
    return tuple(steps)


def _fetches(stages: Sequence[Stage]) -> tuple[int, ...]:
    """Double buffering: a stage's fetch is asked for when the token enters the stage before."""
    wanted = [sum(part.fetch_cycles for part in stage.variants[0]) for stage in stages]
    if wanted[0]:
        raise ValueError(f"stage {stages[0].name} needs HBM, and no stage before it can ask")
    return (*wanted[1:], 0)
