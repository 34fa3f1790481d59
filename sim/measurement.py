"""A plan, run until it is steady, and what the counters say."""

from dataclasses import dataclass
from itertools import product

from hnlpu.sim.stages import Program, compile_plan
from hnlpu.sim.steady import Measured, run_until_steady
from hnlpu.sim.system import Counters, Event, Requests, SystemTwin
from hnlpu.system_plan import SHARED, SystemPlan
from hnlpu.system_result import BREAKDOWN, LinkLoad, ResourceLoad, StageLoad, SystemResult

__all__ = ["breakdown_cycles", "measure", "trace_tokens"]


@dataclass(frozen=True, slots=True)
class _Mix:
    """Share of prompts among the tokens that pass."""

    prompts: float

    def of(self, written: float, prompt: float) -> float:
        return (1 - self.prompts) * written + self.prompts * prompt


def measure(
    plan: SystemPlan, *, prompt_tokens: int = 0, output_tokens: int = 0, seed: int = 0
) -> SystemResult:
    """Rates, latency, loads and limits of a plan in its steady state.

    Parameters
    ----------
    prompt_tokens, output_tokens : int
        Of a sequence; 0 and 0: sequences only write, and never end.
    seed : int
        Of the choice of experts.
    """
    program = compile_plan(plan)
    endless = not prompt_tokens and not output_tokens
    requests = (
        Requests(plan.batch) if endless else Requests(plan.batch, prompt_tokens, output_tokens)
    )
    twin = SystemTwin(program, requests, seed=seed)
    window = plan.batch * (1 if endless else prompt_tokens + output_tokens)
    found = run_until_steady(twin, window)
    mix = _Mix(0.0 if endless else prompt_tokens / (prompt_tokens + output_tokens))
    return _result(plan, program, found, mix, prompt_tokens, output_tokens)


def trace_tokens(plan: SystemPlan, tokens: int, *, seed: int = 0) -> list[Event]:
    """Events of the first ``tokens`` that leave the head."""
    twin = SystemTwin(compile_plan(plan), Requests(plan.batch), seed=seed, trace=True)
    twin.run(tokens)
    assert twin.events is not None
    return twin.events


def breakdown_cycles(program: Program, counters: Counters) -> dict[str, int]:
    """Cycles of all tokens by key of ``BREAKDOWN``, waiting to enter included."""
    found = dict.fromkeys(BREAKDOWN, 0)
    for kind, stages in enumerate(program.parts):
        for stage, variants in enumerate(stages):
            for parts, times in zip(variants, counters.passed[kind][stage], strict=True):
                for part in parts:
                    found[part.category] += times * part.latency_cycles
    waits = sum(
        cycles for name, cycles in zip(SHARED, counters.waits, strict=True) if name != "hbm"
    )
    found["stall"] = counters.stall
    found["waiting"] = waits + counters.blocked + counters.entry_wait
    return found


def _result(
    plan: SystemPlan,
    program: Program,
    found: Measured,
    mix: _Mix,
    prompt_tokens: int,
    output_tokens: int,
) -> SystemResult:
    counters, clock = found.counters, plan.hardware.clock_hz
    seconds = counters.cycles / clock
    rate = counters.left / counters.cycles
    busy = dict(zip(SHARED, counters.busy, strict=True))
    waits = dict(zip(SHARED, counters.waits, strict=True))
    stages = [
        StageLoad(
            stage.name, stage.number, stage.layer, mix.of(stage.mean_cycles, prompt.mean_cycles),
            min(mix.of(stage.mean_cycles, prompt.mean_cycles) * rate, held / counters.cycles),
            held / counters.cycles,
        )
        for stage, prompt, held in zip(
            plan.stages, plan.prompt_stages, counters.stage_held, strict=True
        )
    ]  # fmt: skip
    buffer = _read(plan, "n_bytes", mix) / plan.hardware.buffer_bytes_per_cycle
    resources = [
        ResourceLoad(name, busy[name] / counters.cycles, busy[name] / counters.left,
                     waits[name] / counters.left)
        for name in SHARED
    ]  # fmt: skip
    resources.append(ResourceLoad("buffer", buffer * rate, buffer, 0.0))
    links = [
        LinkLoad(kind, plan.n_links[kind], moved, moved * rate * clock, busy[kind] / counters.cycles)
        for kind in ("column", "row")
        for moved in (sum(stage.mean(kind, "n_bytes") for stage in plan.stages),)
    ]  # fmt: skip
    cycles = breakdown_cycles(program, counters)
    return SystemResult(
        plan=plan,
        tokens_per_s=counters.written / seconds,
        positions_per_s=counters.left / seconds,
        latency_s=counters.latency / counters.written / clock,
        path_s=plan.path_cycles / clock,
        bounds={name: clock * bound for name, bound in _bounds(plan, buffer, mix).items()},
        breakdown={name: value / counters.left / clock for name, value in cycles.items()},
        stages=tuple(stages),
        resources=tuple(resources),
        links=tuple(links),
        hbm_bytes_per_token=_read(plan, "fetch_bytes", mix),
        is_steady=found.is_steady,
        spread=found.spread,
        windows=found.windows,
        prompt_tokens=prompt_tokens,
        output_tokens=output_tokens,
    )


def _read(plan: SystemPlan, attribute: str, mix: _Mix) -> float:
    """Bytes that a token's attention reads on a chip."""
    written, prompt = (
        sum(stage.mean("attention", attribute) for stage in stages)
        for stages in (plan.stages, plan.prompt_stages)
    )
    return mix.of(written, prompt)


def _bounds(plan: SystemPlan, buffer: float, mix: _Mix) -> dict[str, float]:
    """Tokens per cycle that each resource lets pass at most; nothing for one that is not used."""
    intervals = {
        name: mix.of(plan.demand_cycles(name), plan.demand_cycles(name, prompt=True))
        for name in SHARED
    }
    intervals["buffer"] = buffer
    intervals["stages"] = max(
        mix.of(stage.mean_cycles, prompt.mean_cycles)
        for stage, prompt in zip(plan.stages, plan.prompt_stages, strict=True)
    )
    every = (plan.stages, plan.prompt_stages)
    intervals["arrays"] = max(
        part.busy_cycles
        for stages, kind in product(every, ("array",))
        for stage in stages
        for parts in stage.variants
        for part in parts
        if part.kind == kind
    )
    # a sequence's prompt enters no faster than the others allow, its written tokens wait for each other
    alone = mix.of(plan.path_cycles, max(intervals.values()))
    intervals["sequences"] = alone / plan.batch
    return {name: 1 / cycles for name, cycles in intervals.items() if cycles}
