"""What a simulated system did: rates, latencies, what limits them, where the time of a token goes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hnlpu.system_plan import SystemPlan

__all__ = ["BOUNDS", "BREAKDOWN", "LinkLoad", "ResourceLoad", "StageLoad", "SystemResult"]

#: What can limit the rate, and how a reader calls it.
BOUNDS = {
    "arrays": "HN arrays",
    "vex": "VEX",
    "buffer": "attention buffer",
    "hbm": "HBM",
    "column": "column links",
    "row": "row links",
    "stages": "slowest stage, a token at a time",
    "sequences": "sequences in flight",
}

#: Where the time of a token goes: Figure 14's parts, and waiting for VEX, links, the next stage or to enter.
BREAKDOWN = ("communication", "projection", "non-linear", "attention", "stall", "waiting")


@dataclass(frozen=True, slots=True)
class StageLoad:
    """One stage: share of the time in which it works on a token, and in which it holds one."""

    name: str
    number: int
    layer: int
    cycles: float
    working: float
    held: float


@dataclass(frozen=True, slots=True)
class ResourceLoad:
    """One shared resource of a chip: share of the time it is busy, and a token's cycles with it."""

    name: str
    busy: float
    cycles_per_token: float
    wait_cycles_per_token: float


@dataclass(frozen=True, slots=True)
class LinkLoad:
    """Links of one kind, which all carry the same."""

    kind: str
    links: int
    bytes_per_token: float
    bytes_per_s: float
    busy: float


@dataclass(frozen=True, slots=True)
class SystemResult:
    """A measured run.

    Attributes
    ----------
    tokens_per_s, positions_per_s : float
        Tokens written; all that pass, prompts included.
    latency_s : float
        From a written token to the next of the same sequence.
    path_s : float
        Of a token that waits for nothing.
    bounds : mapping of str to float
        By key of ``BOUNDS``: positions per second that each lets pass at most.
    breakdown : mapping of str to float
        By key of ``BREAKDOWN``: seconds per position.
    is_steady, spread, windows
        See :class:`hnlpu.sim.steady.Measured`.
    prompt_tokens, output_tokens : int
        Of a simulated sequence; 0 and 0: sequences that only write.
    """

    plan: SystemPlan
    tokens_per_s: float
    positions_per_s: float
    latency_s: float
    path_s: float
    bounds: Mapping[str, float]
    breakdown: Mapping[str, float]
    stages: tuple[StageLoad, ...]
    resources: tuple[ResourceLoad, ...]
    links: tuple[LinkLoad, ...]
    hbm_bytes_per_token: float
    is_steady: bool
    spread: float
    windows: int
    prompt_tokens: int
    output_tokens: int

    @property
    def bottleneck(self) -> str:
        """The key of ``BOUNDS`` that lets pass least."""
        return min(self.bounds, key=lambda name: self.bounds[name])

    @property
    def shares(self) -> dict[str, float]:
        """The breakdown in parts of one."""
        total = sum(self.breakdown.values())
        return {name: value / total for name, value in self.breakdown.items()}

    def as_row(self) -> dict[str, Any]:
        """One flat row of a sweep."""
        return {
            "context": self.plan.context,
            "batch": self.plan.batch,
            "tokens_per_s": self.tokens_per_s,
            "latency_s": self.latency_s,
            "bottleneck": self.bottleneck,
            "spilled_bytes": self.plan.cache.spilled_bytes,
            "steady": self.is_steady,
            **{f"{name}_share": value for name, value in self.shares.items()},
            **{f"{item.name}_busy": item.busy for item in self.resources},
        }

    def as_dict(self) -> dict[str, Any]:
        """Stable keys for JSON."""
        plan, cache = self.plan, self.plan.cache
        return {
            "tokens_per_s": self.tokens_per_s,
            "latency_s": self.latency_s,
            "bottleneck": self.bottleneck,
            "positions_per_s": self.positions_per_s,
            "path_s": self.path_s,
            "model": plan.model,
            "grid": str(plan.grid),
            "context": plan.context,
            "prompt_context": plan.prompt_context,
            "batch": plan.batch,
            "slots": plan.slots,
            "clock_hz": plan.hardware.clock_hz,
            "bounds": dict(self.bounds),
            "breakdown_s": dict(self.breakdown),
            "breakdown": self.shares,
            "stages": {
                "rows": [
                    {"stage": s.name, "layer": s.layer, "number": s.number, "cycles": s.cycles,
                     "working": s.working, "held": s.held}
                    for s in self.stages
                ]
            },
            "resources": {
                "rows": [
                    {"resource": r.name, "busy": r.busy, "cycles_per_token": r.cycles_per_token,
                     "wait_cycles_per_token": r.wait_cycles_per_token}
                    for r in self.resources
                ]
            },
            "links": {
                "rows": [
                    {"kind": k.kind, "links": k.links, "bytes_per_token": k.bytes_per_token,
                     "bytes_per_s": k.bytes_per_s, "busy": k.busy}
                    for k in self.links
                ]
            },
            "kv": {
                "sequence_bytes": cache.sequence_bytes,
                "total_bytes": cache.total_bytes,
                "buffer_bytes": cache.buffer_bytes,
                "capacity_bytes": cache.capacity_bytes,
                "spilled_bytes": cache.spilled_bytes,
                "hbm_bytes_per_token": self.hbm_bytes_per_token,
            },
            "measured": {
                "steady": self.is_steady,
                "spread": self.spread,
                "windows": self.windows,
                "prompt_tokens": self.prompt_tokens,
                "output_tokens": self.output_tokens,
            },
            "notes": list(plan.notes),
        }  # fmt: skip
