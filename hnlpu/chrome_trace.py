"""Events in the Chrome trace format, which Perfetto (ui.perfetto.dev) and chrome://tracing open.

The format (Trace Event Format, "JSON Object Format"): an object with ``traceEvents``; a complete event has ``ph`` "X",
``name``, ``pid``, ``tid``, ``ts`` and ``dur`` in microseconds; a metadata event "M" names a process or a thread. Complete
events of one thread must nest: begin after the one before has ended, or end before it does.
"""

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any, NamedTuple

__all__ = ["Slice", "check_trace", "trace_object"]


class Slice(NamedTuple):
    """Something on a track: ``group`` and ``track`` are a process and a thread of the viewer; times in cycles."""

    group: str
    track: str
    name: str
    start: int
    cycles: int
    args: Mapping[str, int]


def trace_object(slices: Iterable[Slice], cycles_per_us: float) -> dict[str, Any]:
    """The trace, with a track for each pair of group and track in the order in which they first appear."""
    groups: dict[str, int] = {}
    tracks: dict[tuple[str, str], int] = {}
    events: list[dict[str, Any]] = []
    for item in slices:
        if item.group not in groups:
            groups[item.group] = len(groups) + 1
            events.append(_named("process_name", groups[item.group], 0, item.group))
        pid = groups[item.group]
        key = (item.group, item.track)
        if key not in tracks:
            tracks[key] = len(tracks) + 1
            events.append(_named("thread_name", pid, tracks[key], item.track))
        events.append({
            "ph": "X", "name": item.name, "cat": item.group, "pid": pid, "tid": tracks[key],
            "ts": item.start / cycles_per_us, "dur": item.cycles / cycles_per_us,
            "args": {**item.args, "start_cycle": item.start, "cycles": item.cycles},
        })  # fmt: skip
    return {"traceEvents": events, "displayTimeUnit": "ns"}


def check_trace(trace: Any) -> list[str]:
    """What is wrong with a trace by the rules of the format; nothing if it is sound."""
    if not isinstance(trace, dict) or not isinstance(trace.get("traceEvents"), list):
        return ["no list traceEvents"]
    wrong: list[str] = []
    named: set[tuple[int, int]] = set()
    spans: dict[tuple[int, int], list[tuple[float, float]]] = {}
    for number, event in enumerate(trace["traceEvents"]):
        if not isinstance(event, dict):
            wrong.append(f"event {number} is no object")
            continue
        lacks = [key for key in ("ph", "name", "pid", "tid") if key not in event]
        if lacks:
            wrong.append(f"event {number} lacks {', '.join(lacks)}")
            continue
        where = (event["pid"], event["tid"])
        if event["ph"] == "M":
            if not isinstance(event.get("args", {}).get("name"), str):
                wrong.append(f"event {number} names nothing")
            named.add(where)
        elif event["ph"] == "X":
            times = (event.get("ts"), event.get("dur"))
            if not all(isinstance(t, int | float) and t >= 0 for t in times):
                wrong.append(f"event {number} has ts {times[0]!r}, dur {times[1]!r}")
                continue
            spans.setdefault(where, []).append((event["ts"], event["ts"] + event["dur"]))
        else:
            wrong.append(f"event {number} has the unknown phase {event['ph']!r}")
    wrong += [f"thread {tid} of process {pid} has no name" for pid, tid in spans.keys() - named]
    for (pid, tid), found in spans.items():
        # the viewer's own tolerance: a nanosecond
        for (_, end), (begin, after) in pairwise(sorted(found, key=lambda s: (s[0], -s[1]))):
            if begin < end - 1e-3 and after > end + 1e-3:
                wrong.append(f"events of thread {tid} of process {pid} overlap at {begin} us")
                break
    return wrong


def _named(what: str, pid: int, tid: int, name: str) -> dict[str, Any]:
    return {"ph": "M", "name": what, "pid": pid, "tid": tid, "args": {"name": name}}
