"""The trace against the rules of its format, and that the check can fail."""

import copy
import json

import pytest
from systems import small_plan

from hnlpu.chrome_trace import check_trace, trace_object
from hnlpu.sim.measurement import trace_tokens
from hnlpu.system_verbs import trace_slices


@pytest.fixture(scope="module")
def trace():  # type: ignore[no-untyped-def]
    plan = small_plan(batch=6, context=300, buffer_bytes=1e3)
    return trace_object(trace_slices(trace_tokens(plan, 20)), 1000.0)


def test_a_trace_is_sound_and_survives_json(trace) -> None:  # type: ignore[no-untyped-def]
    assert check_trace(json.loads(json.dumps(trace))) == []
    names = [e["args"]["name"] for e in trace["traceEvents"] if e["name"] == "thread_name"]
    assert {"VEX", "column links", "row links", "HBM", "layer 0 stage 1: last Y, norm"} <= set(
        names
    )


def test_cycles_become_microseconds(trace) -> None:  # type: ignore[no-untyped-def]
    event = next(e for e in trace["traceEvents"] if e["ph"] == "X")
    assert event["ts"] == event["args"]["start_cycle"] / 1000
    assert event["dur"] == event["args"]["cycles"] / 1000


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        (lambda e: e.pop("pid"), "lacks pid"),
        (lambda e: e.update(ph="Z"), "unknown phase"),
        (lambda e: e.update(ts=-1), "has ts -1"),
        (lambda e: e.update(dur="long"), "dur 'long'"),
        (lambda e: e.update(tid=10_000), "has no name"),
    ],
)
def test_faults_are_found(trace, fault, complaint) -> None:  # type: ignore[no-untyped-def]
    broken = copy.deepcopy(trace)
    fault(next(e for e in broken["traceEvents"] if e["ph"] == "X"))
    assert any(complaint in item for item in check_trace(broken))


def test_events_that_overlap_are_found(trace) -> None:  # type: ignore[no-untyped-def]
    broken = copy.deepcopy(trace)
    vex = [e for e in broken["traceEvents"] if e["ph"] == "X" and e["cat"] == "stages"]
    track = [e for e in vex if e["tid"] == vex[0]["tid"]]
    track[0]["dur"] = track[1]["ts"] - track[0]["ts"] + track[1]["dur"] / 2
    assert any("overlap" in item for item in check_trace(broken))
    assert check_trace([]) == ["no list traceEvents"]
