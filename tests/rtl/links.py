"""A link in Amaranth's simulator, cycle by cycle, with errors on its wires."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from amaranth.sim import Simulator


@dataclass
class LinkRun:
    """What came out, and the cycles of every beat."""

    payloads: list[int] = field(default_factory=list)
    taken: list[int] = field(default_factory=list)
    offered: list[int] = field(default_factory=list)
    received: list[int] = field(default_factory=list)
    words_hit: int = 0  # flips that met a word that was valid
    cycles: int = 0


def run_link(
    dut: Any,
    payloads: Sequence[int],
    offered: Sequence[int],
    ready: Sequence[bool],
    *,
    flips: Mapping[int, tuple[int, int]] | None = None,
    limit: int,
) -> LinkRun:
    """Offer beat ``k`` from cycle ``offered[k]`` on, be ready when ``ready`` says (always, after its end).

    ``flips[cycle]`` are the bits inverted on the forward and on the reverse wire. Stops a while after as many beats
    came out as went in, or after ``limit`` cycles; a beat that changes or goes before it is taken is an error.
    """
    run = LinkRun()
    flips = flips or {}
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)

    async def bench(ctx: Any) -> None:
        sent, offering, waiting, flipped = 0, False, None, False
        receiving = None
        for cycle in range(limit):
            if not offering and sent < len(payloads) and cycle >= offered[sent]:
                offering = True
                ctx.set(dut.x.payload, payloads[sent])
                ctx.set(dut.x.valid, 1)
            now_ready = bool(ready[cycle]) if cycle < len(ready) else True
            if now_ready != receiving:
                ctx.set(dut.y.ready, now_ready)
                receiving = now_ready
            if cycle in flips or flipped:
                forward, reverse = flips.get(cycle, (0, 0))
                ctx.set(dut.forward_flip, forward)
                ctx.set(dut.reverse_flip, reverse)
                flipped = bool(forward or reverse)
                if forward:
                    run.words_hit += ctx.get(dut.sending)
            _, _, x_ready, valid, payload = await ctx.tick().sample(
                dut.x.ready, dut.y.valid, dut.y.payload
            )
            if offering and x_ready:
                run.taken.append(cycle)
                sent, offering = sent + 1, False
                if sent == len(payloads) or cycle + 1 < offered[sent]:
                    ctx.set(dut.x.valid, 0)
            assert waiting is None or (valid and payload == waiting), "a waiting beat changed"
            if valid:
                if waiting is None:
                    run.offered.append(cycle)
                waiting = payload
                if now_ready:
                    run.payloads.append(int(payload))
                    run.received.append(cycle)
                    waiting = None
            run.cycles = cycle + 1
            # Anything that came twice would come in the time after the last.
            done = len(run.payloads) >= len(payloads) and sent == len(payloads)
            if done and cycle > run.received[-1] + 4 * dut.plan.round_trip_cycles:
                return

    simulator.add_testbench(bench)
    simulator.run()
    return run


def random_ends(
    rng: random.Random, n: int, n_cycles: int, send: float, receive: float
) -> tuple[list[int], list[bool]]:
    """Cycles in which beats are offered and in which the taker is ready, in bursts and pauses."""
    offered, cycle = [], 0
    for _ in range(n):
        cycle += 1 if rng.random() < send else rng.randrange(1, 12)
        offered.append(cycle)
    ready: list[bool] = []
    while len(ready) < n_cycles:
        going = rng.random() < receive
        ready += [going] * rng.randrange(1, 4 if rng.random() < 0.9 else 30)
    return offered, ready
