"""What links, VEX and attention buffer a rate would need: found by bisection on the simulator.

Each resource is first varied alone, the other two being so ample that they do not count: the least with which the rate is
reached is a necessary condition. Least values together fall short, since tokens wait for all three; the factor by which
all of them must be multiplied is found the same way. The time of flight of a link and the depth of the VEX stay: they
bound a stage, and with it the rate (a stage holds one token), whatever the bandwidth.
"""

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from hnlpu.progress import Progress, Silent
from hnlpu.simulation import System
from hnlpu.system_plan import SystemHardware, SystemLink

__all__ = ["RESOLUTION", "Need", "find_needs", "least_factor", "scaled"]

#: Relative width of the interval in which a factor is known.
RESOLUTION = 0.02
_AMPLE, _LEAST = 64.0, 1 / 64
_MOST_TOGETHER = 8.0
#: What is varied.
_VARIED = ("link", "vex", "buffer")
_BOUNDS = {"link": ("column", "row"), "vex": ("vex",), "buffer": ("buffer", "hbm")}
_ALL_AMPLE = dict.fromkeys(_VARIED, _AMPLE)


@dataclass(frozen=True, slots=True)
class Need:
    """What a rate needs.

    Attributes
    ----------
    reached : float
        Rate of the hardware as it is.
    ample_rate, ample_limit : float, str
        Rate with all three ample, and what limits it then: no bandwidth gives more.
    latency : float or None
        Factor on the time of flight of a link: 1, or where ``ample_rate`` falls short half of the largest with which it
        does not. None: no factor down to 1/64 does.
    alone : dict of str to float or None
        By resource: the least factor, the others being ample. None: no factor up to 64 does.
    together : float or None
        The factor on all of ``alone`` with which the rate is reached at once.
    hardware : SystemHardware or None
        That of ``together``.
    """

    target: float
    reached: float
    ample_rate: float
    ample_limit: str
    latency: float | None
    alone: dict[str, float | None]
    together: float | None
    hardware: SystemHardware | None

    def as_dict(self) -> dict[str, Any]:
        """Stable keys for JSON."""
        hardware = self.hardware
        return {
            "target_tokens_per_s": self.target,
            "tokens_per_s": self.reached,
            "ample_tokens_per_s": self.ample_rate,
            "ample_limit": self.ample_limit,
            "reachable_with_bandwidth": self.ample_rate >= self.target,
            "latency": self.latency,
            "alone": self.alone,
            "together": self.together,
            "needs": None
            if hardware is None
            else {
                "link_latency_s": hardware.link.plan.latency / hardware.clock_hz,
                "link_bytes_per_s": hardware.link.bytes_per_cycle * hardware.clock_hz,
                "vex_lanes": hardware.vex_lanes,
                "vex_macs_per_cycle": hardware.vex_macs_per_cycle,
                "buffer_bytes_per_s": hardware.buffer_bytes_per_cycle * hardware.clock_hz,
                "hbm_bytes_per_s": hardware.hbm_bytes_per_cycle * hardware.clock_hz,
            },
        }


def scaled(
    hardware: SystemHardware,
    *,
    link: float = 1.0,
    vex: float = 1.0,
    buffer: float = 1.0,
    latency: float = 1.0,
) -> SystemHardware:
    """Other bandwidths, of every link, of the VEX (lanes and attention), of buffer and HBM; another time of flight."""
    plan, flit = hardware.link.plan, hardware.link.flit_bits
    changed = SystemLink.of(plan.width * link / 8, max(plan.latency * latency, 1), flit // 8)
    return replace(
        hardware,
        link=hardware.link if link == latency == 1 else changed,
        vex_lanes=hardware.vex_lanes * vex,
        vex_macs_per_cycle=hardware.vex_macs_per_cycle * vex,
        buffer_bytes_per_cycle=hardware.buffer_bytes_per_cycle * buffer,
        hbm_bytes_per_cycle=hardware.hbm_bytes_per_cycle * buffer,
    )


def least_factor(reaches: Callable[[float], bool], low: float, high: float) -> float | None:
    """The least factor that ``reaches``, known to ``RESOLUTION``, by bisection of its logarithm; None if ``high`` does not."""
    if not reaches(high):
        return None
    if reaches(low):
        return low
    while high / low > 1 + RESOLUTION:
        middle = (low * high) ** 0.5
        low, high = (low, middle) if reaches(middle) else (middle, high)
    return high


@dataclass(frozen=True, slots=True)
class _Search:
    """Searches of one target; sent to other processes."""

    system: System
    target: float
    context: int
    batch: int

    def rate(self, **factors: float) -> float:
        hardware = scaled(self.system.hardware, **factors)
        return self.system.with_hardware(hardware).run(self.context, self.batch).tokens_per_s

    def alone(self, name: str) -> float | None:
        """The least factor of one resource."""

        def reaches(factor: float) -> bool:
            return self.rate(**{**_ALL_AMPLE, name: factor}) >= self.target

        bounds = self.system.run(self.context, 1).bounds
        # what the resource's own bound asks for: cycles are rounded up, so the least lies a little beside it
        near = self.target / min(bounds[key] for key in _BOUNDS[name] if key in bounds)
        low, high = (min(max(near * side, _LEAST), _AMPLE) for side in (0.8, 1.6))
        if not reaches(high):
            return least_factor(reaches, high, _AMPLE)
        return least_factor(reaches, _LEAST if reaches(low) else low, high)

    def latency(self) -> float | None:
        """The largest factor on the time of flight."""
        found = least_factor(
            lambda shorter: self.rate(**_ALL_AMPLE, latency=1 / shorter) >= self.target, 1.0, _AMPLE
        )
        return None if found is None else 1 / found

    def together(self, least: dict[str, float]) -> float | None:
        """The factor on all of them."""
        return least_factor(
            lambda factor: self.rate(**_times(least, factor)) >= self.target, 1.0, _MOST_TOGETHER
        )


def _times(least: dict[str, float], factor: float) -> dict[str, float]:
    return {name: value * factor for name, value in least.items()}


def find_needs(
    system: System, target: float, *, context: int, batch: int, progress: Progress | None = None
) -> Need:
    """What ``target`` tokens per second need at a context and a batch."""
    show, stage = progress or Silent(), f"needs of {target:,.0f} tokens/s"
    search = _Search(system, target, context, batch)
    reached = system.run(context, batch).tokens_per_s
    ample = system.with_hardware(scaled(system.hardware, **_ALL_AMPLE)).run(context, batch)
    show(stage, 1, 5, "time of flight")
    latency: float | None = 1.0
    if ample.tokens_per_s < target:
        longest = search.latency()
        latency = None if longest is None else longest / 2
    alone: dict[str, float | None] = dict.fromkeys(_VARIED)
    together = hardware = None
    if latency is not None:
        near = system.with_hardware(scaled(system.hardware, latency=latency))
        search = replace(search, system=near)
        show(stage, 2, 5, ", ".join(_VARIED))
        with ProcessPoolExecutor(os.cpu_count()) as pool:
            alone = dict(zip(_VARIED, pool.map(search.alone, _VARIED), strict=True))
        show(stage, 4, 5, "all together")
        known = {name: factor for name, factor in alone.items() if factor is not None}
        together = search.together(known) if len(known) == len(_VARIED) else None
        if together is not None:
            hardware = scaled(near.hardware, **_times(known, together))
    show(stage, 5, 5)
    return Need(
        target, reached, ample.tokens_per_s, ample.bottleneck, latency, alone, together, hardware
    )
