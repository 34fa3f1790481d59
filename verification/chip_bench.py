"""cocotb bench of a chip: carries out a list of steps through the host port and writes down what happens.

Runs inside the simulator. ``HNLPU_JOB`` names a folder with ``job.json``; events go to ``events.jsonl`` there, a
line each, as they happen. The steps are those of ``hnlpu.verification.chip_run.Step``.
"""

import json
import os
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, ReadOnly, RisingEdge, SimTimeoutError, with_timeout
from cocotb.utils import get_sim_time

from hnlpu.host import LAST, MAX_SEQUENCES, Control, HostError, Register, Status, TokenWord

_PERIOD_NS = 2
_TOKEN_MASK = (1 << TokenWord.SEQUENCE_SHIFT) - 1


class _Hang(Exception):
    pass


class _Bench:
    def __init__(self, dut: Any, job: dict[str, Any], events: Any) -> None:
        self.dut, self.events = dut, events
        self.limit_ns = job["watchdog_cycles"] * _PERIOD_NS

    def tell(self, event: str, **values: Any) -> None:
        cycle = round(get_sim_time("ns") / _PERIOD_NS)
        self.events.write(json.dumps({"event": event, "cycle": cycle, **values}) + "\n")
        self.events.flush()

    async def wait(self, trigger: Any, what: str) -> None:
        try:
            await with_timeout(trigger, self.limit_ns, "ns")
        except SimTimeoutError:
            raise _Hang(what) from None

    async def request(self, register: int, word: int | None = None) -> tuple[int, bool]:
        """One request; what was read, and whether it was refused."""
        dut = self.dut
        await FallingEdge(dut.clk)
        dut.request__payload.value = (word or 0) | int(register) << 32 | int(word is not None) << 40
        dut.request__valid.value = 1
        waited = 0
        while True:
            await ReadOnly()
            if int(dut.request__ready.value):
                break
            await FallingEdge(dut.clk)
            waited += _PERIOD_NS
            if waited > self.limit_ns:
                raise _Hang(f"a request to {Register(register).name} is not taken")
        await FallingEdge(dut.clk)
        dut.request__valid.value = 0
        while not int(dut.response__valid.value):
            await FallingEdge(dut.clk)
            waited += _PERIOD_NS
            if waited > self.limit_ns:
                raise _Hang(f"a request to {Register(register).name} is not answered")
        answer = int(dut.response__payload.value)
        return answer & 0xFFFFFFFF, bool(answer >> 32)

    async def until_idle(self) -> None:
        if not int(self.dut.idle.value):
            await self.wait(RisingEdge(self.dut.idle), "the chip does not become idle")

    async def step(self, step: dict[str, Any]) -> None:
        kind = step["kind"]
        if kind == "write":
            _, refused = await self.request(step["register"], step["word"])
            self.tell("written", register=step["register"], refused=refused)
        elif kind == "read":
            word, refused = await self.request(step["register"])
            self.tell("read", register=step["register"], word=word, refused=refused)
        elif kind == "wait":
            for _ in range(step["cycles"]):
                await FallingEdge(self.dut.clk)
        elif kind == "idle":
            await self.until_idle()
        elif kind == "stall":
            self.dut.stall.value = step["on"]
        elif kind == "glitch":
            self.dut.glitch.value = step["on"]
        elif kind == "reset":
            await self.request(Register.CONTROL, Control.RESET_SEQUENCE | Control.CLEAR_ERROR)
            await self.until_idle()
            self.tell("reset")
        elif kind == "prompt":
            await self.prompt(step["tokens"], step["generate"])
        elif kind == "tokens":
            await self.take(step["count"])
        elif kind == "batch":
            await self.batch(step["jobs"])
        else:
            raise ValueError(kind)

    async def prompt(self, tokens: list[int], generate: int) -> None:
        await self.request(Register.LIMIT, generate)
        for i, token in enumerate(tokens):
            last = LAST if i == len(tokens) - 1 else 0
            _, refused = await self.request(Register.PROMPT, token | last)
            if refused:
                word, _ = await self.request(Register.STATUS)
                code = word >> Status.ERROR_SHIFT
                self.tell("refused", token=token, place=i, error=HostError(code).name)
                return
        self.tell("prompted", tokens=len(tokens))
        if generate:
            await self.take(generate)

    async def batch(self, jobs: list[dict[str, Any]]) -> None:
        """Continuous batching: a job starts in whatever sequence is free, prompts are fed in turn."""
        n, _ = await self.request(Register.SEQUENCES)
        waiting, running, feeding = list(range(len(jobs))), dict[int, int](), dict[int, list[int]]()
        while waiting or running:
            for sequence in range(n):
                if sequence not in running and waiting:
                    running[sequence] = job = waiting.pop(0)
                    feeding[sequence] = list(jobs[job]["tokens"])
                    await self.request(Register.SEQUENCE, sequence)
                    await self.request(Register.LIMIT, jobs[job]["generate"])
                    self.tell("job", job=job, sequence=sequence)
            for sequence in [key for key, tokens in feeding.items() if tokens]:
                token = feeding[sequence].pop(0)
                await self.request(Register.SEQUENCE, sequence)
                last = 0 if feeding[sequence] else LAST
                _, refused = await self.request(Register.PROMPT, token | last)
                if refused:
                    self.tell("refused", token=token, job=running[sequence])
            if not int(self.dut.interrupt.value):
                if any(feeding.values()):
                    continue
                await self.wait(RisingEdge(self.dut.interrupt), "no token comes")
            word, _ = await self.request(Register.TOKEN)
            sequence = word >> TokenWord.SEQUENCE_SHIFT & (MAX_SEQUENCES - 1)
            end = bool(word & TokenWord.END)
            self.tell("token", token=word & _TOKEN_MASK, end=end, job=running[sequence])
            if end:
                self.tell("ended", job=running.pop(sequence))
                await self.request(Register.SEQUENCE, sequence)
                await self.request(Register.CONTROL, Control.RESET_SEQUENCE)
                while (await self.request(Register.SEQUENCE_STATUS))[0] & Status.BUSY:
                    pass
        await self.request(Register.SEQUENCE, 0)

    async def take(self, count: int) -> None:
        """Take generated tokens, ``count`` at most, until the last of the sequence."""
        for _ in range(count):
            if not int(self.dut.interrupt.value):
                await self.wait(RisingEdge(self.dut.interrupt), "no token comes")
            word, _ = await self.request(Register.TOKEN)
            end = bool(word & TokenWord.END)
            self.tell("token", token=word & _TOKEN_MASK, end=end)
            if end:
                break


@cocotb.test()
async def chip(dut: Any) -> None:
    """Every step of the job."""
    folder = Path(os.environ["HNLPU_JOB"])
    job = json.loads((folder / "job.json").read_text())
    with (folder / "events.jsonl").open("w") as events:
        bench = _Bench(dut, job, events)
        dut.rst.value = 1
        dut.stall.value = 0
        dut.glitch.value = 0
        dut.report.value = 0
        dut.tracing.value = job["trace"]
        dut.request__valid.value = 0
        dut.response__ready.value = 1
        Clock(dut.clk, _PERIOD_NS, unit="ns").start()
        for _ in range(3):
            await FallingEdge(dut.clk)
        dut.rst.value = 0
        await FallingEdge(dut.clk)
        try:
            boot_limit = (job["boot_requests"] * 4 + 1000) * _PERIOD_NS
            if int(dut.booting.value):
                await with_timeout(FallingEdge(dut.booting), boot_limit, "ns")
            bench.tell("booted", refused=bool(int(dut.refused.value)))
            for step in job["steps"]:
                await bench.step(step)
            bench.tell("done")
        except _Hang as hang:
            dut.report.value = 1
            await FallingEdge(dut.clk)
            await FallingEdge(dut.clk)
            bench.tell("hang", what=str(hang))
        dut.report.value = 1  # flushes the trace
        await FallingEdge(dut.clk)
        await FallingEdge(dut.clk)
