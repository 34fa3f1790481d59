"""Blocks of a chip in Amaranth's simulator: vectors in, vectors out, with stalls."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from amaranth.sim import Simulator

#: Fields of one beat.
Beat = dict[str, int]
#: Idle cycles before beat ``k``.
Stall = Callable[[int], int]


def beats(vectors: Any, positions: Sequence[int] | None = None, **others: Any) -> list[Beat]:
    """Beats of a vector stream: every row of ``vectors`` is a vector; ``others`` are further fields,
    a value for all or one per vector."""
    rows = [np.asarray(row).ravel() for row in vectors]
    positions = list(range(len(rows))) if positions is None else positions
    extra = {k: list(v) if np.ndim(v) else [v] * len(rows) for k, v in others.items()}
    return [
        {
            "value": int(value),
            "position": int(positions[n]),
            "last": int(i == len(row) - 1),
            **{k: int(v[n]) for k, v in extra.items()},
        }
        for n, row in enumerate(rows)
        for i, value in enumerate(row)
    ]


def vectors(taken: Sequence[Beat], field: str = "value") -> list[list[int]]:
    """The vectors of the beats of a stream."""
    rows: list[list[int]] = [[]]
    for beat in taken:
        rows[-1].append(beat[field])
        if beat["last"]:
            rows.append([])
    assert not rows[-1], "the last vector is not complete"
    return rows[:-1]


def run_block(
    dut: Any,
    inputs: Mapping[str, Sequence[Beat]],
    outputs: Mapping[str, int],
    *,
    stall: Stall = lambda _: 0,
    boot: Mapping[int, int] | None = None,
    constants: Mapping[str, int] | None = None,
    limit: int = 200_000,
) -> dict[str, Any]:
    """Boot a block, feed its input streams, take its output streams.

    Parameters
    ----------
    inputs : mapping of stream name to beats
    outputs : mapping of stream name to the number of beats to take
    stall : callable
        Idle cycles before beat ``k``, on every stream (offset by the stream's place).
    boot : mapping of address to data
        Written through ``dut.boot`` first.
    constants : mapping of port to value
        Static inputs.

    Returns
    -------
    dict
        Beats of every output stream, and ``cycles`` and the number of ``saturated`` cycles (if the block has
        this output) under those names.
    """
    found: dict[str, Any] = {name: [] for name in outputs}
    found["cycles"], found["saturated"] = 0, 0
    done = {name: False for name in (*inputs, *outputs)}
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    booted: list[bool] = []

    def fields(stream: Any) -> list[str]:
        return list(stream.p.shape().members)

    async def load(ctx: Any) -> None:
        for name, value in (constants or {}).items():
            ctx.set(getattr(dut, name), value)
        for address, word in (boot or {}).items():
            ctx.set(dut.boot.write, 1)
            ctx.set(dut.boot.address, address)
            ctx.set(dut.boot.data, word & 0xFFFFFFFF)
            await ctx.tick()
        if boot:
            ctx.set(dut.boot.write, 0)
        await ctx.tick()
        booted.append(True)

    def feeder(name: str, place: int) -> Any:
        stream = getattr(dut, name)

        async def bench(ctx: Any) -> None:
            while not booted:
                await ctx.tick()
            for k, beat in enumerate(inputs[name]):
                for _ in range(stall(k + place)):
                    await ctx.tick()
                for field in fields(stream):
                    ctx.set(getattr(stream.p, field), beat[field])
                ctx.set(stream.valid, 1)
                await ctx.tick().until(stream.ready)
                ctx.set(stream.valid, 0)
            done[name] = True

        return bench

    def taker(name: str, place: int) -> Any:
        stream = getattr(dut, name)

        async def bench(ctx: Any) -> None:
            for k in range(outputs[name]):
                for _ in range(stall(k + place)):
                    await ctx.tick()
                ctx.set(stream.ready, 1)
                *_, payload = await ctx.tick().sample(stream.p).until(stream.valid)
                ctx.set(stream.ready, 0)
                found[name].append(
                    {field: int(getattr(payload, field)) for field in fields(stream)}
                )
            done[name] = True

        return bench

    async def watch(ctx: Any) -> None:
        """Counts, and sees that no beat is withdrawn or changed."""
        waiting: dict[str, Any] = {}
        counts = hasattr(dut, "saturated")
        async for values in ctx.tick().sample(
            *([dut.saturated] if counts else []),
            *(s for name in outputs for s in (
                getattr(dut, name).valid, getattr(dut, name).ready, getattr(dut, name).payload)),
        ):  # fmt: skip
            if all(done.values()):
                return
            values = values[2:]
            if counts:
                found["saturated"] += int(values[0])
                values = values[1:]
            for i, name in enumerate(outputs):
                valid, ready, payload = values[3 * i : 3 * i + 3]
                before = waiting.pop(name, None)
                assert before is None or (valid and before == payload), f"{name}: beat changed"
                if valid and not ready:
                    waiting[name] = payload
            found["cycles"] += 1
            assert found["cycles"] < limit, f"hangs; done: {done}"

    simulator.add_testbench(load)
    for place, name in enumerate(inputs):
        simulator.add_testbench(feeder(name, place))
    for place, name in enumerate(outputs):
        simulator.add_testbench(taker(name, place + len(inputs)))
    simulator.add_testbench(watch)
    simulator.run()
    return found


STALLS: dict[str, Stall] = {
    "no-stall": lambda _: 0,
    "stalls": lambda k: (k * 7 + 3) % 5 // 2,
    "long-stalls": lambda k: 23 * (k % 11 == 5),
}
