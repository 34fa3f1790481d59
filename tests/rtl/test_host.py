"""The host interface with a pipeline that only waits: tokens, positions, errors."""

from typing import Any

import numpy as np
import pytest
from amaranth.hdl import Cat, Elaboratable, Module, Signal
from amaranth.sim import Simulator
from slow import more_of

from hnlpu.host import LAST, Control, HostError, Register, Status, TokenWord
from hnlpu.rtl.host import Host

VOCAB, CONTEXT = 10, 6


class Chip(Elaboratable):
    """A host whose layers answer token t at position p with (t + p) mod 8, after some cycles each."""

    def __init__(self, delay: int) -> None:
        self.host = Host(VOCAB, CONTEXT, 3, 4, 3)
        self.delay = delay

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.host = host = self.host
        count, held = Signal(8), Signal()
        token, position = Signal(4), Signal(3)
        done = held & (count == 0)
        m.d.comb += [
            host.token.ready.eq(~held | (done & host.sampled.ready)),
            host.sampled.valid.eq(done),
            host.sampled.p.token.eq((token + position)[:3]),
            host.sampled.p.position.eq(position),
        ]
        with m.If(held & (count != 0)):
            m.d.sync += count.eq(count - 1)
        with m.If(done & host.sampled.ready):
            m.d.sync += held.eq(0)
        with m.If(host.token.valid & host.token.ready):
            m.d.sync += [
                held.eq(1), count.eq(self.delay),
                token.eq(host.token.p.token), position.eq(host.token.p.position),
            ]  # fmt: skip
        return m


class Driver:
    def __init__(self, ctx: Any, host: Host) -> None:
        self.ctx, self.host = ctx, host

    async def request(self, register: int, word: int | None = None) -> tuple[int, bool]:
        ctx, host = self.ctx, self.host
        ctx.set(host.request.p.write, word is not None)
        ctx.set(host.request.p.address, int(register))
        ctx.set(host.request.p.data, word or 0)
        ctx.set(host.request.valid, 1)
        await ctx.tick().until(host.request.ready)
        ctx.set(host.request.valid, 0)
        *_, payload = await ctx.tick().sample(host.response.p).until(host.response.valid)
        return payload.data, bool(payload.error)

    async def generate(self, tokens: list[int], limit: int) -> list[int]:
        await self.request(Register.LIMIT, limit)
        for i, token in enumerate(tokens):
            last = LAST if i == len(tokens) - 1 else 0
            assert not (await self.request(Register.PROMPT, token | last))[1]
        got = []
        while True:
            word, _ = await self.request(Register.TOKEN)
            if word & TokenWord.VALID:
                got.append(word & 0xFFFF)
                if word & TokenWord.END:
                    return got

    async def reset(self) -> None:
        await self.request(Register.CONTROL, Control.RESET_SEQUENCE | Control.CLEAR_ERROR)
        while (await self.request(Register.STATUS))[0] & Status.BUSY:
            pass


def run(bench: Any, delay: int) -> None:
    chip = Chip(delay)

    async def testbench(ctx: Any) -> None:
        ctx.set(chip.host.response.ready, 1)
        driver = Driver(ctx, chip.host)
        await driver.request(Register.CONTROL, Control.BOOTED)
        await bench(driver)

    simulator = Simulator(chip)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run_until(2e-2)


def expected(tokens: list[int], limit: int) -> list[int]:
    """What the pipeline of ``Chip`` generates."""
    tokens, got = list(tokens), []
    while len(got) < limit:
        got.append((tokens[-1] + len(tokens) - 1) % 8)
        if len(tokens) == CONTEXT:
            break
        tokens.append(got[-1])
    return got


@pytest.mark.parametrize("delay", [0, 1, 9])
def test_generates_until_limit_or_context(delay):
    seen = []

    async def bench(driver: Driver) -> None:
        for tokens, limit in (([3], 2), ([1, 2, 3], 1), ([5, 4], 40), ([1] * 6, 3)):
            seen.append((await driver.generate(tokens, limit), expected(tokens, limit)))
            await driver.reset()

    run(bench, delay)
    assert len(seen) == 4
    assert all(got == wanted for got, wanted in seen)


def test_stop_token_ends_a_sequence():
    seen = []

    async def bench(driver: Driver) -> None:
        stop = expected([3, 3], 3)[1]
        await driver.request(Register.STOP, LAST | stop)
        seen.append(await driver.generate([3, 3], 9))

    run(bench, 2)
    assert seen == [expected([3, 3], 9)[:2]]


def test_refusals_change_nothing():
    done = []

    async def bench(driver: Driver) -> None:
        async def refused(code: HostError, register: int, word: int | None = None) -> None:
            assert (await driver.request(register, word))[1]
            status, _ = await driver.request(Register.STATUS)
            assert status >> Status.ERROR_SHIFT == code
            await driver.request(Register.CONTROL, Control.CLEAR_ERROR)

        await refused(HostError.TOKEN, Register.PROMPT, VOCAB)
        await refused(HostError.REGISTER, Register.STATUS, 1)
        await refused(HostError.REGISTER, Register.SEED)
        await refused(HostError.REGISTER, Register.TOP_K, 5)
        await refused(HostError.REGISTER, 77)
        await driver.request(Register.LIMIT, 5)
        assert (await driver.request(Register.POSITION))[0] == 0
        await driver.request(Register.PROMPT, 1 | LAST)
        await refused(HostError.BUSY, Register.PROMPT, 1)
        await refused(HostError.BUSY, Register.BOOT_DATA, 1)
        await refused(HostError.BUSY, Register.LIMIT, 1)
        assert (await driver.request(Register.LIMIT))[0] == 5
        await driver.reset()  # in the middle of the sequence
        assert (await driver.request(Register.POSITION))[0] == 0
        await driver.request(Register.LIMIT, 0)
        for _ in range(CONTEXT):
            assert not (await driver.request(Register.PROMPT, 2))[1]
        await refused(HostError.CONTEXT, Register.PROMPT, 2)
        await driver.reset()
        assert await driver.generate([2, 6], 2) == expected([2, 6], 2)
        done.append(True)

    run(bench, 30)
    assert done


def test_a_prompt_before_boot_is_refused():
    chip = Chip(1)
    done = []

    async def testbench(ctx: Any) -> None:
        ctx.set(chip.host.response.ready, 1)
        driver = Driver(ctx, chip.host)
        assert (await driver.request(Register.PROMPT, 1))[1]
        assert (await driver.request(Register.STATUS))[0] >> Status.ERROR_SHIFT == (
            HostError.NOT_BOOTED
        )
        done.append(True)

    simulator = Simulator(chip)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run_until(1e-3)
    assert done


def test_counters_stick():
    seen = []

    async def bench(driver: Driver) -> None:
        driver.ctx.set(driver.host.saturated, 0b010)
        await driver.ctx.tick().repeat(7)
        driver.ctx.set(driver.host.saturated, 0)
        for i in range(3):
            await driver.request(Register.COUNTER, i)
            seen.append((await driver.request(Register.SATURATIONS))[0])

    run(bench, 0)
    assert seen == [0, 7, 0]


def test_boot_words_go_to_ascending_addresses():
    words = []
    chip = Chip(0)

    async def testbench(ctx: Any) -> None:
        ctx.set(chip.host.response.ready, 1)
        driver = Driver(ctx, chip.host)
        await driver.request(Register.BOOT_ADDRESS, 100)
        await driver.request(Register.BOOT_DATA, 7)
        await driver.request(Register.BOOT_DATA, 8)

    async def watch(ctx: Any) -> None:
        async for _, _, write, address, word in ctx.tick().sample(
            chip.host.boot.write, chip.host.boot.address, chip.host.boot.data
        ):
            if write:
                words.append((address, word))

    simulator = Simulator(chip)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.add_process(watch)
    simulator.run_until(1e-4)
    assert words == [(100, 7), (101, 8)]


class Pipeline(Elaboratable):
    """A host whose layers hold up to ``depth`` tokens of ``n`` sequences, each for ``depth`` cycles or more."""

    def __init__(self, n: int, depth: int) -> None:
        bits = (n - 1).bit_length()
        self.own_bits = 3
        self.host = Host(VOCAB, CONTEXT, self.own_bits + bits, 4, 3, n)
        self.depth = depth

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.host = host = self.host
        bits = 1 + len(host.token.payload.as_value())
        stages = [Signal(bits, name=f"s{i}") for i in range(self.depth)]
        moves = host.sampled.ready | ~stages[-1][0]
        m.d.comb += host.token.ready.eq(moves)
        entering = Cat(host.token.valid, host.token.payload.as_value())
        for stage, before in zip(stages, [entering, *stages], strict=False):
            with m.If(moves):
                m.d.sync += stage.eq(before)
        token, position = stages[-1][1:5], stages[-1][5:]
        m.d.comb += [
            host.sampled.valid.eq(stages[-1][0]),
            host.sampled.p.token.eq((token + position[: self.own_bits])[:3]),
            host.sampled.p.position.eq(position),
        ]
        return m


def run_many(bench: Any, n: int, depth: int) -> None:
    chip = Pipeline(n, depth)

    async def testbench(ctx: Any) -> None:
        ctx.set(chip.host.response.ready, 1)
        driver = Driver(ctx, chip.host)
        await driver.request(Register.CONTROL, Control.BOOTED)
        await bench(driver)

    simulator = Simulator(chip)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run_until(5e-2)


def _word(word: int) -> tuple[int, int, bool]:
    """Sequence, token and whether it is the last, of a word of TOKEN."""
    shift = TokenWord.SEQUENCE_SHIFT
    return word >> shift & 0x3FF, word & ((1 << shift) - 1), bool(word & TokenWord.END)


@pytest.mark.parametrize(
    ("n", "depth"),
    [(2, 1), (4, 9), *more_of((3, 2), (5, 3))],
)
def test_sequences_at_a_time_are_served_like_each_alone(n, depth):
    """More jobs than sequences: a new one starts wherever one has ended."""
    rng = np.random.default_rng(n)
    jobs = [
        (rng.integers(0, 8, rng.integers(1, CONTEXT + 1)).tolist(), int(rng.integers(1, 9)))
        for _ in range(4 * n)
    ]
    got: dict[int, list[int]] = {i: [] for i in range(len(jobs))}

    async def bench(driver: Driver) -> None:
        waiting, running, feeding = list(range(len(jobs))), {}, {}
        while waiting or running:
            for s in range(n):
                if s not in running and waiting:
                    running[s] = waiting.pop(0)
                    feeding[s] = list(jobs[running[s]][0])
                    await driver.request(Register.SEQUENCE, s)
                    await driver.request(Register.LIMIT, jobs[running[s]][1])
            for s in [s for s in feeding if feeding[s]]:
                token = feeding[s].pop(0)
                await driver.request(Register.SEQUENCE, s)
                last = 0 if feeding[s] else LAST
                assert not (await driver.request(Register.PROMPT, token | last))[1]
            word, _ = await driver.request(Register.TOKEN)
            if word & TokenWord.VALID:
                s, token, end = _word(word)
                got[running[s]].append(token)
                if end:
                    del running[s]
                    await driver.request(Register.SEQUENCE, s)
                    await driver.request(Register.CONTROL, Control.RESET_SEQUENCE)
                    while (await driver.request(Register.SEQUENCE_STATUS))[0] & Status.BUSY:
                        pass

    run_many(bench, n, depth)
    assert got == {i: expected(*job) for i, job in enumerate(jobs)}


def test_a_host_that_does_not_read_stops_sequences_but_not_the_layers():
    seen: list[tuple[int, int, bool]] = []

    async def bench(driver: Driver) -> None:
        for s in range(2):
            await driver.request(Register.SEQUENCE, s)
            await driver.request(Register.LIMIT, 5)
            await driver.request(Register.PROMPT, 1 | LAST)
        for _ in range(60):
            await driver.request(Register.STATUS)
        # both sequences wait with two tokens each; a third still enters and is answered
        await driver.request(Register.SEQUENCE, 2)
        await driver.request(Register.LIMIT, 1)
        assert not (await driver.request(Register.PROMPT, 4 | LAST))[1]
        for _ in range(40):
            await driver.request(Register.STATUS)
        while len(seen) < 11:
            word, _ = await driver.request(Register.TOKEN)
            if word & TokenWord.VALID:
                seen.append(_word(word))

    run_many(bench, 3, 2)
    assert [s for s, _, _ in seen[:5]].count(2) == 1  # behind two of each of the others
    for s, job in enumerate((([1], 5), ([1], 5), ([4], 1))):
        assert [token for t, token, _ in seen if t == s] == expected(*job)


def test_a_reset_drops_what_its_sequence_left_and_nothing_else():
    seen: list[tuple[int, int, bool]] = []

    async def bench(driver: Driver) -> None:
        for s, token in ((0, 2), (1, 3)):
            await driver.request(Register.SEQUENCE, s)
            await driver.request(Register.LIMIT, 4)
            await driver.request(Register.PROMPT, token | LAST)
        for _ in range(30):
            await driver.request(Register.STATUS)
        await driver.request(Register.SEQUENCE, 0)
        await driver.request(Register.CONTROL, Control.RESET_SEQUENCE)
        while (await driver.request(Register.SEQUENCE_STATUS))[0] & Status.BUSY:
            word, _ = await driver.request(Register.TOKEN)
            if word & TokenWord.VALID:
                seen.append(_word(word))
        assert (await driver.request(Register.POSITION))[0] == 0
        await driver.request(Register.PROMPT, 5 | LAST)
        while len(seen) < 8:
            word, _ = await driver.request(Register.TOKEN)
            if word & TokenWord.VALID:
                seen.append(_word(word))

    run_many(bench, 2, 3)
    assert [token for s, token, _ in seen if s == 0] == expected([5], 4)
    assert [token for s, token, _ in seen if s == 1] == expected([3], 4)


def test_there_are_no_more_sequences_than_built():
    async def bench(driver: Driver) -> None:
        assert (await driver.request(Register.SEQUENCES))[0] == 3
        assert (await driver.request(Register.SEQUENCE, 3))[1]
        assert not (await driver.request(Register.SEQUENCE, 2))[1]

    run_many(bench, 3, 1)
