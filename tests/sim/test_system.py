"""The event-driven system: exact when alone, bounded by its resources, every cycle accounted for, deadlocks named."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from systems import DENSE, EXPERTS, small_plan

from hnlpu.sim.measurement import breakdown_cycles, measure
from hnlpu.sim.queueing import fifo_starts
from hnlpu.sim.stages import Program, Step, compile_plan
from hnlpu.sim.system import Deadlock, Requests, SystemTwin
from hnlpu.system_plan import SHARED, SystemPlan
from hnlpu.system_result import BREAKDOWN

_RATES = st.sampled_from([1.0, 2.0, 8.0, 64.0])
_HARDWARE = st.fixed_dictionaries(
    {
        "link_rate": _RATES,
        "link_latency": st.integers(1, 60),
        "vex_lanes": st.sampled_from([1.0, 4.0, 64.0]),
        "vex_macs_per_cycle": st.sampled_from([8.0, 64.0, 1024.0]),
        "buffer_bytes": st.sampled_from([100.0, 1e3, 1e6]),
        "hbm_bytes_per_cycle": _RATES,
        "grid": st.sampled_from(["1x1", "1x2", "2x1", "2x2", "4x4"]),
        "context": st.integers(1, 300),
    }
)


def run(plan: SystemPlan, requests: Requests, tokens: int, **how: bool) -> SystemTwin:
    twin = SystemTwin(compile_plan(plan), requests, **how)
    twin.run(tokens)
    return twin


@given(hardware=_HARDWARE)
@settings(max_examples=40, deadline=None)
def test_alone_a_token_takes_the_sum_of_its_stages(hardware) -> None:  # type: ignore[no-untyped-def]
    plan = small_plan(batch=1, **(hardware | {"buffer_bytes": 1e9}))
    counters = run(plan, Requests(1), 5).counters()
    assert counters.left == 5 and counters.latency == 5 * plan.path_cycles
    assert sum(counters.waits) == counters.blocked == counters.stall == 0


@given(hardware=_HARDWARE, batch=st.integers(1, 12))
@settings(max_examples=40, deadline=None)
def test_no_faster_than_any_resource(hardware, batch) -> None:  # type: ignore[no-untyped-def]
    """Since the start, every token that has left has taken its share of every resource and stage, one after the other."""
    plan = small_plan(batch=batch, **hardware)
    counters = run(plan, Requests(batch), 60).counters()
    demands = {name: plan.demand_cycles(name) for name in SHARED}
    demands["slowest stage"] = max(stage.mean_cycles for stage in plan.stages)
    demands["sequences"] = plan.path_cycles / batch
    for name, cycles in demands.items():
        assert counters.left * cycles <= counters.cycles + batch * cycles * (name == "sequences"), (
            name
        )


@given(hardware=_HARDWARE, batch=st.integers(1, 12))
@settings(max_examples=25, deadline=None)
def test_nothing_is_busier_than_always(hardware, batch) -> None:  # type: ignore[no-untyped-def]
    result = measure(small_plan(batch=batch, **hardware))
    assert all(0 <= item.busy <= 1 for item in result.resources)
    assert all(0 <= item.working <= item.held <= 1 for item in result.stages)
    assert sum(result.shares.values()) == pytest.approx(1)
    assert result.bottleneck == min(result.bounds, key=lambda name: result.bounds[name])


@given(hardware=_HARDWARE, batch=st.integers(1, 12), prompt=st.integers(0, 5))
@settings(max_examples=40, deadline=None)
def test_every_cycle_is_counted_once(hardware, batch, prompt) -> None:  # type: ignore[no-untyped-def]
    plan = small_plan(EXPERTS, batch=batch, **(hardware | {"grid": "2x2"}))
    program = compile_plan(plan)
    twin = SystemTwin(program, Requests(batch, prompt, 3), endless=False)
    twin.run(10_000)
    counters = twin.counters()
    assert counters.left == batch * (prompt + 3) and counters.written == 3 * batch
    parts = breakdown_cycles(program, counters)
    assert tuple(parts) == BREAKDOWN
    assert sum(parts.values()) == counters.resident + counters.entry_wait
    assert sum(counters.stage_held) == counters.resident


def test_fast_hardware_is_no_slower() -> None:
    """More of one resource never lowers the rate of a sequence alone, whose time is a sum."""
    base = {"batch": 1, "context": 200, "buffer_bytes": 1e3, "hbm_bytes_per_cycle": 2.0}
    slow = measure(small_plan(**base)).tokens_per_s
    for name, value in {
        "link_rate": 64.0, "vex_lanes": 64.0, "vex_macs_per_cycle": 4096.0, "buffer_bytes": 1e6,
        "hbm_bytes_per_cycle": 256.0, "link_latency": 2,
    }.items():  # fmt: skip
        assert measure(small_plan(**(base | {name: value}))).tokens_per_s >= slow, name


@pytest.mark.parametrize("name", ["link_rate", "vex_lanes", "vex_macs_per_cycle"])
def test_more_of_the_bottleneck_is_faster(name: str) -> None:
    few = {"link_rate": 1.0} if name == "link_rate" else {name: 1.0, "link_rate": 1024.0}
    rates = []
    for factor in (1, 2, 4):
        changed = few | {name: few[name] * factor}
        rates.append(measure(small_plan(batch=12, **changed)).tokens_per_s)
    assert rates == sorted(rates) and rates[2] > 1.5 * rates[0]


def test_a_shared_resource_serves_in_order_of_arrival() -> None:
    """Arrivals at the column links, as the trace has them, served by the queue's own law."""
    plan = small_plan(batch=12, link_rate=2.0)
    twin = run(plan, Requests(12), 60, trace=True)
    assert twin.events is not None
    served = [event for event in twin.events if event.track == "column"]
    starts, work = np.array([e.start for e in served]), np.array([e.cycles for e in served])
    assert (np.diff(starts) >= work[:-1]).all()
    assert (fifo_starts(starts, work) == starts).all()
    assert work.sum() <= twin.counters().cycles + work[-20:].sum()


def test_stages_hold_one_token() -> None:
    twin = run(small_plan(batch=12, link_rate=2.0), Requests(12), 60, trace=True)
    assert twin.events is not None
    names = compile_plan(small_plan(batch=12)).names
    for name in names:
        spans = sorted((e.start, e.start + e.cycles) for e in twin.events if e.track == name)
        assert all(end <= begin for (_, end), (begin, _) in pairwise(spans))


def test_prompts_follow_back_to_back() -> None:
    """A prompt of n tokens takes the path once, then the slowest stage for each further token."""
    plan = small_plan(
        batch=1, link_rate=1024.0, vex_lanes=1e6, vex_macs_per_cycle=1e9, buffer_bytes_per_cycle=1e9
    )
    slowest = max(stage.mean_cycles for stage in plan.stages)
    counters = run(plan, Requests(1, 8, 0), 8, endless=False).counters()
    assert counters.cycles < plan.path_cycles + 8 * slowest < 3 * plan.path_cycles


def test_sequences_take_turns() -> None:
    twin = run(small_plan(batch=6), Requests(6), 600, trace=True)
    assert twin.events is not None
    last = compile_plan(small_plan(batch=6)).names[-1]
    counts = np.bincount([e.sequence for e in twin.events if e.track == last])
    assert counts.max() - counts.min() <= 1


def test_ended_sequences_are_replaced() -> None:
    counters = run(small_plan(batch=3), Requests(3, 2, 2), 400).counters()
    assert counters.left == 400 and abs(counters.written - 200) <= 6


def test_hbm_is_fetched_while_the_stage_before_computes() -> None:
    plan = small_plan(batch=1, context=300, buffer_bytes=1e3, hbm_bytes_per_cycle=1e3)
    assert plan.cache.spilled_share > 0.9
    assert run(plan, Requests(1), 5).counters().stall == 0
    slow = small_plan(batch=1, context=300, buffer_bytes=1e3, hbm_bytes_per_cycle=0.5)
    counters = run(slow, Requests(1), 5).counters()
    assert counters.stall > 0
    assert counters.latency == 5 * slow.path_cycles + counters.stall


def ring(n: int, entry_places: int) -> Program:
    step = (Step(0, 1, 3, "work"),)
    stages = (((step,),) * n, ((step,),) * n)
    return Program(
        tuple(f"s{i}" for i in range(n)), stages, ((((),),) * n,) * 2, ((1.0,),) * n, ((0,) * n,) * 2,
        n, entry_places,
    )  # fmt: skip


def test_a_ring_without_a_place_to_wait_is_a_deadlock() -> None:
    twin = SystemTwin(ring(3, 0), Requests(4))
    with pytest.raises(Deadlock, match="s0 -> s1 -> s2 -> s0") as caught:
        twin.run(100)
    assert caught.value.stages == ("s0", "s1", "s2")
    free = SystemTwin(ring(3, 4), Requests(4))
    free.run(100)
    assert free.counters().left == 100


def test_the_same_seed_gives_the_same_run() -> None:
    plan = small_plan(EXPERTS, batch=6)
    first, second = (measure(plan, seed=3).as_dict() for _ in range(2))
    assert first == second != measure(plan, seed=4).as_dict()


def test_an_unsteady_run_says_so() -> None:
    from hnlpu.sim.steady import run_until_steady

    program = compile_plan(small_plan(DENSE, batch=12))
    # windows of a few tokens catch whole bursts or none of them
    twin = SystemTwin(program, Requests(12, 200, 1))
    found = run_until_steady(twin, 1, max_windows=6)
    assert found.windows <= 6 and found.is_steady == (found.spread <= 0.005)


def test_counters_name_every_resource() -> None:
    counters = run(small_plan(batch=2), Requests(2), 10).counters()
    assert len(counters.busy) == len(counters.waits) == len(counters.served) == len(SHARED)
