"""The streams of an array as one component, in Amaranth's simulator."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass
class Run:
    """Results (n_vectors, n_rows) and the cycles in which vectors were offered and results came."""

    y: np.ndarray
    offered: list[int]  # first cycle in which the vector was offered
    valid: list[int]  # first cycle in which the result was


Stall = Callable[[int], int]


def run_streams(
    simulate: Any,
    dut: Any,
    x: np.ndarray,
    n_rows: int,
    x_stall: Stall,
    y_stall: Stall,
    load: Iterable[dict[str, int]] = (),
) -> Run:
    """Apply ``load``, a cycle each, then offer and take vectors as ``arrays.run`` does.

    ``dut.plan`` tells activation_bits, y_bits and latency_cycles.
    """
    plan = dut.plan
    n_bits, y_bits = plan.activation_bits, plan.y_bits
    packed = [sum((int(v) % (1 << n_bits)) << (n_bits * i) for i, v in enumerate(row)) for row in x]
    seen = Run(np.zeros((len(x), n_rows), dtype=np.int64), [], [])

    def results(y: int) -> list[int]:
        values = [y >> (y_bits * n) & ((1 << y_bits) - 1) for n in range(n_rows)]
        return [value - (value >> (y_bits - 1) << y_bits) for value in values]

    async def bench(ctx: Any) -> None:
        previous: Iterable[str] = ()
        for step in load:
            for name in previous:
                ctx.set(getattr(dut, name), 0)
            for name, value in step.items():
                ctx.set(getattr(dut, name), value)
            previous = step
            await ctx.tick()
        for name in previous:
            ctx.set(getattr(dut, name), 0)
        await ctx.tick()
        x_wait, y_wait, taken, sent, waiting = x_stall(0), y_stall(0), 0, 0, False
        limit = sum(plan.latency_cycles + 2 + x_stall(k) + y_stall(k) for k in range(len(x)))
        for cycle in range(limit):
            sending = sent < len(x) and x_wait == 0
            if sending and len(seen.offered) == sent:
                seen.offered.append(cycle)
            ctx.set(dut.x_valid, sending)
            ctx.set(dut.x, packed[sent] if sending else 0)
            valid = ctx.get(dut.y_valid)
            assert not (waiting and not valid), "a result was withdrawn"
            ctx.set(dut.y_ready, valid and y_wait == 0)
            if valid:
                values = results(ctx.get(dut.y))
                if not waiting:
                    seen.valid.append(cycle)
                    seen.y[taken] = values
                assert seen.y[taken].tolist() == values, "a waiting result changed"
            if sending and ctx.get(dut.x_ready):
                sent += 1
                x_wait = x_stall(sent)
            elif x_wait:
                x_wait -= 1
            if valid and y_wait == 0:
                taken, waiting = taken + 1, False
                y_wait = y_stall(taken)
                if taken == len(x):
                    return
            elif valid:
                waiting, y_wait = True, y_wait - 1
            await ctx.tick()
        raise AssertionError(f"{taken} of {len(x)} results after {limit} cycles")

    simulate(dut, bench)
    return seen


def steady(run: Run, latency_cycles: int, interval_cycles: int) -> bool:
    """Without stalls: every vector's result after the latency, vectors at the interval."""
    latencies = {valid - offered for offered, valid in zip(run.offered, run.valid, strict=True)}
    return latencies == {latency_cycles} and set(np.diff(run.valid)) <= {interval_cycles}


Simulate = Callable[..., None]
