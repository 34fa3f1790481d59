"""The bench of a chip (``hnlpu.verification.chip_bench``) as the model of cycles sees it: which request in which cycle.

The bench acts in the middle of a cycle, or at the beginning of one if it waited for a pin to rise. A request that it
makes in the middle of cycle c is on the port in the next one; one that follows a pin that rose in c, in c itself.
"""

from collections.abc import Generator, Sequence
from typing import Any

from hnlpu.host import LAST, MAX_SEQUENCES, Control, Register, Status, TokenWord
from hnlpu.sim.cycle_host import Driver, Look, Pausing, Reply, Request, Until
from hnlpu.verification.chip_run import Step

__all__ = ["bench_driver", "first_cycle"]

_Acts = Generator[Request | Until | Look | Pausing, Reply, Any]


def first_cycle(n_boot_requests: int) -> int:
    """The cycle in which the bench begins: a boot request a cycle, the last response, and a register that it is over."""
    return n_boot_requests + 2


def bench_driver(steps: Sequence[Step], begin: int) -> Driver:
    """A driver that carries out ``steps`` from cycle ``begin`` on."""
    return _Bench(begin).run(steps)


class _Bench:
    def __init__(self, begin: int) -> None:
        self._now = self._next = begin  # where the bench is, and the cycle of its next request

    def run(self, steps: Sequence[Step]) -> Driver:
        for step in steps:
            yield from self._step(step)

    def _request(self, register: int, word: int | None = None) -> _Acts:
        reply = yield Request(self._next, register, word)
        self._now, self._next = reply.cycle, reply.cycle + 1
        return reply

    def _until(self, *, interrupt: bool) -> _Acts:
        reply = yield Until(self._now, interrupt)
        if reply.cycle > self._now:
            self._now = self._next = reply.cycle

    def _step(self, step: Step) -> _Acts:
        kind = step["kind"]
        if kind == "write":
            yield from self._request(step["register"], step["word"])
        elif kind == "read":
            yield from self._request(step["register"])
        elif kind == "wait":
            self._now = self._next + step["cycles"] - 1
            self._next = self._now + 1
        elif kind == "idle":
            yield from self._until(interrupt=False)
        elif kind == "stall":
            yield Pausing(self._now, bool(step["on"]))
        elif kind == "glitch":
            pass  # nothing errs where the model is asked
        elif kind == "reset":
            word = Control.RESET_SEQUENCE | Control.CLEAR_ERROR
            yield from self._request(Register.CONTROL, word)
            yield from self._until(interrupt=False)
        elif kind == "prompt":
            yield from self._prompt(step["tokens"], step["generate"])
        elif kind == "tokens":
            yield from self._take(step["count"])
        elif kind == "batch":
            yield from self._batch(step["jobs"])
        else:
            raise ValueError(kind)

    def _prompt(self, tokens: Sequence[int], generate: int) -> _Acts:
        yield from self._request(Register.LIMIT, generate)
        for i, token in enumerate(tokens):
            last = LAST if i == len(tokens) - 1 else 0
            reply = yield from self._request(Register.PROMPT, token | last)
            if reply.refused:
                yield from self._request(Register.STATUS)
                return
        yield from self._take(generate)

    def _take(self, count: int) -> _Acts:
        for _ in range(count):
            yield from self._until(interrupt=True)
            reply = yield from self._request(Register.TOKEN)
            if reply.word & TokenWord.END:
                break

    def _batch(self, jobs: Sequence[dict[str, Any]]) -> _Acts:
        reply = yield from self._request(Register.SEQUENCES)
        waiting, running = list(jobs), set[int]()
        feeding = dict[int, list[int]]()
        while waiting or running:
            for sequence in range(reply.word):
                if sequence not in running and waiting:
                    job = waiting.pop(0)
                    running.add(sequence)
                    feeding[sequence] = list(job["tokens"])
                    yield from self._request(Register.SEQUENCE, sequence)
                    yield from self._request(Register.LIMIT, job["generate"])
            for sequence in [key for key, tokens in feeding.items() if tokens]:
                token = feeding[sequence].pop(0)
                yield from self._request(Register.SEQUENCE, sequence)
                last = 0 if feeding[sequence] else LAST
                yield from self._request(Register.PROMPT, token | last)
            if any(feeding.values()):
                pins = yield Look(self._now)
                if not pins.word:
                    continue
            else:
                yield from self._until(interrupt=True)
            token = yield from self._request(Register.TOKEN)
            if token.word & TokenWord.END:
                sequence = token.word >> TokenWord.SEQUENCE_SHIFT & (MAX_SEQUENCES - 1)
                running.remove(sequence)
                yield from self._request(Register.SEQUENCE, sequence)
                yield from self._request(Register.CONTROL, Control.RESET_SEQUENCE)
                busy = Status.BUSY
                while busy:
                    status = yield from self._request(Register.SEQUENCE_STATUS)
                    busy = status.word & Status.BUSY
        yield from self._request(Register.SEQUENCE, 0)
