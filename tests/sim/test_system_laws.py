"""Every event of a run against the laws of the system, from the trace alone: another road than the simulator's."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from systems import small_plan

from hnlpu.grid_mapping import COLLECTIVES
from hnlpu.sim.stages import compile_plan
from hnlpu.sim.system import Event, Requests, SystemTwin
from hnlpu.system_plan import SHARED, SystemPlan


def broken_laws(plan: SystemPlan, events: Sequence[Event]) -> Iterator[str]:
    """What contradicts the plan: parts in order and in time, first come first served, one token in a stage.

    The run must have ended; no part of the cache may lie in HBM.
    """
    places = {stage.name: i for i, stage in enumerate(plan.stages)}
    stays: dict[tuple[int, int], list[Event]] = defaultdict(list)
    services: dict[tuple[int, int], list[Event]] = defaultdict(list)
    for event in events:
        if event.track != "arrays":
            kept = stays if event.track in places else services
            kept[event.sequence, event.position].append(event)
    asked: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
    visits: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
    for who, found in stays.items():
        if [places[stay.track] for stay in found] != list(range(len(places))):
            yield f"{who} did not pass every stage once, in order"
            return
        mine = iter(services[who])
        for place, (stage, stay) in enumerate(zip(plan.stages, found, strict=True)):
            now = stay.start
            for part in stage.variants[0]:
                if part.kind == "array":
                    now += part.latency_cycles
                    continue
                event = next(mine)
                if (event.name, event.cycles) != (part.name, part.busy_cycles):
                    yield f"{who} was served {event.name} for {part.name}"
                asked[event.track].append((event.start, now, event.cycles))
                now = event.start + part.latency_cycles
            visits[place].append((stay.start, now, stay.start + stay.cycles))
    for name, queue in asked.items():
        free = latest = 0
        for start, arrival, cycles in sorted(queue):
            if arrival < latest:
                yield f"{name}: what came at {arrival} was served after what came at {latest}"
            if start != max(arrival, free):
                yield f"{name}: came at {arrival}, free at {free}, served at {start}"
            free, latest = start + cycles, arrival
    for place, visit in visits.items():
        if place + 1 < len(places):
            free = 0
            for (_, done, left), (_, _, next_left) in zip(
                sorted(visit), sorted(visits[place + 1]), strict=True
            ):
                if left != max(done, free):
                    yield f"stage {place}: done at {done}, next free at {free}, left at {left}"
                free = next_left


def finished(plan: SystemPlan, tokens: int) -> list[Event]:
    twin = SystemTwin(
        compile_plan(plan), Requests(plan.batch, 2, tokens), trace=True, endless=False
    )
    twin.run(1 << 30)
    assert twin.events is not None
    return twin.events


@given(
    batch=st.integers(1, 12), grid=st.sampled_from(["1x1", "2x1", "2x2", "4x4"]),
    link_rate=st.sampled_from([1.0, 8.0, 64.0]), vex_lanes=st.sampled_from([1.0, 8.0, 64.0]),
    link_latency=st.integers(1, 50), collective=st.sampled_from(COLLECTIVES),
)  # fmt: skip
@settings(max_examples=30, deadline=None)
def test_every_event_obeys_the_laws(**changed) -> None:  # type: ignore[no-untyped-def]
    plan = small_plan(**changed)
    assert list(broken_laws(plan, finished(plan, 4))) == []


@pytest.mark.parametrize("track", [*SHARED[:3], "stage 4"])
@pytest.mark.parametrize("shift", [-1, 1])
def test_a_shifted_event_is_found(track: str, shift: int) -> None:
    plan = small_plan(batch=6, link_rate=2.0)
    events = finished(plan, 3)
    at = [i for i, event in enumerate(events) if track in event.track][40]
    events[at] = events[at]._replace(start=events[at].start + shift)
    assert list(broken_laws(plan, events))


def test_a_lost_stage_is_found() -> None:
    plan = small_plan(batch=2)
    events = finished(plan, 2)
    lost = next(i for i, event in enumerate(events) if "stage 5" in event.track)
    assert "every stage" in next(broken_laws(plan, [*events[:lost], *events[lost + 1 :]]))
