"""Event-driven simulation of a system: one token in each stage, shared resources served first come, first served.

A token moves on when the next stage is free; until then it keeps its own. Sequences with a token to enter wait in one
queue and take turns. Tokens of a prompt follow each other back to back; a written token waits until the one before it has
left the head. When a sequence ends another takes its place.

Law of a shared resource (checked by ``tests/sim/test_system.py`` against :func:`hnlpu.sim.queueing.fifo_starts`):

    start = max(arrival, end of the work before it), in order of arrival; ties in the order in which they were asked for

Every cycle of a token between entering and leaving is counted once: service of its parts, waiting for a resource, waiting
for HBM, or waiting for the next stage.
"""

import heapq
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from hnlpu.errors import HnlpuError
from hnlpu.sim.stages import DELAY, FETCHED, HBM, Program, Step
from hnlpu.system_plan import SHARED

__all__ = ["Counters", "Deadlock", "Event", "Requests", "SystemTwin"]

_N_DRAWS = 1 << 14


class Deadlock(HnlpuError):
    """Stages that wait for each other for ever."""

    def __init__(self, names: list[str]) -> None:
        shown = names if len(names) <= 6 else [*names[:3], f"({len(names) - 5} more)", *names[-2:]]
        self.stages = tuple(names)
        super().__init__(
            "stages wait for each other", where="system", got=" -> ".join([*shown, names[0]]),
            do="give the entry queue a place for every sequence",
        )  # fmt: skip


class Event(NamedTuple):
    """What happened on a track of the trace, in cycles."""

    track: str
    name: str
    start: int
    cycles: int
    sequence: int
    position: int


@dataclass(frozen=True, slots=True)
class Requests:
    """Sequences that run at a time, each replaced by the next when it ends.

    Attributes
    ----------
    batch : int
    prompt_tokens, output_tokens : int
        Of a sequence.
    """

    batch: int
    prompt_tokens: int = 0
    output_tokens: int = 1 << 40


@dataclass(frozen=True, slots=True)
class Counters:
    """What has happened since the start; differences of two say what happened between them.

    Attributes
    ----------
    cycles : int
    left, written : int
        Tokens that left the head; those of them that are no prompt's.
    latency : int
        Cycles of written tokens, from the one before having left (or the end of the prompt) to leaving themselves.
    entry_wait : int
        The part of ``latency`` before the first stage.
    resident : int
        Cycles of all tokens from entering the first stage to leaving the head.
    waits, busy, served : tuple of int
        By resource of ``SHARED``: cycles of waiting for it, for which it was busy, and services.
    blocked : int
        Waiting for the next stage.
    stall : int
        Waiting for HBM.
    stage_held : tuple of int
        Cycles for which each stage held a token.
    passed : tuple
        Tokens that entered, by kind, stage and variant.
    """

    cycles: int
    left: int
    written: int
    latency: int
    entry_wait: int
    resident: int
    waits: tuple[int, ...]
    busy: tuple[int, ...]
    served: tuple[int, ...]
    blocked: int
    stall: int
    stage_held: tuple[int, ...]
    passed: tuple[tuple[tuple[int, ...], ...], ...]

    def since(self, before: "Counters") -> "Counters":
        """What happened after ``before``."""

        def each(new: tuple[int, ...], old: tuple[int, ...]) -> tuple[int, ...]:
            return tuple(a - b for a, b in zip(new, old, strict=True))

        return Counters(
            cycles=self.cycles - before.cycles,
            left=self.left - before.left,
            written=self.written - before.written,
            latency=self.latency - before.latency,
            entry_wait=self.entry_wait - before.entry_wait,
            resident=self.resident - before.resident,
            waits=each(self.waits, before.waits),
            busy=each(self.busy, before.busy),
            served=each(self.served, before.served),
            blocked=self.blocked - before.blocked,
            stall=self.stall - before.stall,
            stage_held=each(self.stage_held, before.stage_held),
            passed=tuple(
                tuple(map(each, new, old))
                for new, old in zip(self.passed, before.passed, strict=True)
            ),
        )


class _Token:
    """A token in the stages.

    Attributes
    ----------
    ready, entered, since, done : int
        Cycles in which its sequence was ready for it, it entered the first stage and this one, it was done here.
    fetched : int
        The cycle in which its KV cache is there.
    index : int
        Of its next step.
    is_last : bool
        Of a prompt.
    """

    __slots__ = ("done", "entered", "fetched", "index", "is_last", "kind", "position", "ready",
                 "sequence", "since", "stage", "steps")  # fmt: skip

    def __init__(self, sequence: "_Sequence", kind: int, ready: int, now: int) -> None:
        self.sequence, self.kind, self.ready, self.entered = sequence, kind, ready, now
        self.position = sequence.position
        self.stage, self.index, self.is_last = -1, 0, False
        self.steps: tuple[Step, ...] = ()
        self.fetched = self.since = self.done = 0


class _Sequence:
    """A sequence: tokens of its prompt that have not entered, tokens that it still writes."""

    __slots__ = ("number", "output", "position", "prompt", "ready")

    def __init__(self, number: int, prompt: int, output: int, ready: int) -> None:
        self.number, self.prompt, self.output, self.ready = number, prompt, output, ready
        self.position = 0


class SystemTwin:
    """A system at work.

    Parameters
    ----------
    program : Program
    requests : Requests
        They start spread over their tokens, so that prompts do not come all at once.
    seed : int
        Of the choice of experts.
    trace : bool
        Keep events, in :attr:`events`.
    endless : bool
        Replace sequences that end; otherwise the system runs empty.
    """

    def __init__(
        self,
        program: Program,
        requests: Requests,
        *,
        seed: int = 0,
        trace: bool = False,
        endless: bool = True,
    ) -> None:
        self._program, self._requests, self._endless = program, requests, endless
        n = len(program.names)
        self._free = [0] * len(SHARED)
        self._waits, self._busy = [0] * len(SHARED), [0] * len(SHARED)
        self._served = [0] * len(SHARED)
        self._stage_held = [0] * n
        self._passed = [[[0] * len(variants) for variants in stages] for stages in program.steps]
        self._occupant: list[_Token | None] = [None] * n
        self._waiting: list[_Token | None] = [None] * n
        self._in_stages = self._left = self._written = 0
        self._latency = self._entry_wait = self._resident = self._blocked = self._stall = 0
        self._now = self._order = 0
        self._heap: list[tuple[int, int, _Token]] = []
        rng = np.random.default_rng(seed)
        self._draws = [
            rng.choice(len(chances), size=_N_DRAWS, p=chances).tolist() if len(chances) > 1 else []
            for chances in program.chances
        ]
        self._drawn = 0
        self.events: list[Event] | None = [] if trace else None
        self._entry: deque[_Sequence] = deque()
        total = requests.prompt_tokens + requests.output_tokens
        for number in range(requests.batch):
            done = total * number // requests.batch if endless else 0
            prompt = max(requests.prompt_tokens - done, 0)
            output = requests.output_tokens - max(done - requests.prompt_tokens, 0)
            self._entry.append(_Sequence(number, prompt, output, 0))
        self._admit(0)

    def run(self, tokens: int) -> None:
        """Go on until ``tokens`` more have left, or nothing is left to do.

        Raises
        ------
        Deadlock
            Tokens remain and none can move.
        """
        target = self._left + tokens
        heap, free, waits, busy = self._heap, self._free, self._waits, self._busy
        served = self._served
        pop, push, events = heapq.heappop, heapq.heappush, self.events
        while heap and self._left < target:
            now, _, token = pop(heap)
            self._now = now
            steps = token.steps
            while True:
                index = token.index
                if index == len(steps):
                    if not self._move(token, now):
                        break
                    steps = token.steps
                    continue
                resource, work, after, name, tail = steps[index]
                token.index = index + 1
                start = now
                if resource < DELAY:
                    if free[resource] > now:
                        start = free[resource]
                        waits[resource] += start - now
                    free[resource] = start + work
                    busy[resource] += work
                    served[resource] += 1
                elif resource == FETCHED:
                    ready = token.fetched - work
                    if ready > now:
                        self._stall += ready - now
                        start = ready
                if events is not None:
                    self._record(token, resource, work, after, name, tail, start)
                then = start + after
                if heap and heap[0][0] <= then:
                    self._order += 1
                    push(heap, (then, self._order, token))
                    break
                self._now = now = then
        if self._in_stages and not heap:
            raise Deadlock(self._cycle())

    def counters(self) -> Counters:
        """What has happened until now; work that is queued on a resource, and not yet done, does not count."""
        now = self._now
        held = [
            total + (now - token.since if token else 0)
            for total, token in zip(self._stage_held, self._occupant, strict=True)
        ]
        busy = [
            total - max(free - now, 0) for total, free in zip(self._busy, self._free, strict=True)
        ]
        return Counters(
            cycles=now,
            left=self._left,
            written=self._written,
            latency=self._latency,
            entry_wait=self._entry_wait,
            resident=self._resident,
            waits=tuple(self._waits),
            busy=tuple(busy),
            served=tuple(self._served),
            blocked=self._blocked,
            stall=self._stall,
            stage_held=tuple(held),
            passed=tuple(tuple(map(tuple, stages)) for stages in self._passed),
        )

    def _push(self, now: int, token: _Token) -> None:
        self._order += 1
        heapq.heappush(self._heap, (now, self._order, token))

    def _enter(self, token: _Token, stage: int, now: int) -> None:
        """Put a token into a stage that is free, and ask for the cache that the stage after it reads."""
        self._occupant[stage] = token
        token.stage, token.index, token.since = stage, 0, now
        variants = self._program.steps[token.kind][stage]
        variant = 0
        if len(variants) > 1:
            variant = self._draws[stage][self._drawn & (_N_DRAWS - 1)]
            self._drawn += 1
        token.steps = variants[variant]
        self._passed[token.kind][stage][variant] += 1
        fetch = self._program.fetches[token.kind][stage]
        if fetch:
            start = max(now, self._free[HBM])
            self._waits[HBM] += start - now
            self._free[HBM] = token.fetched = start + fetch
            self._busy[HBM] += fetch
            self._served[HBM] += 1
            if self.events is not None:
                self.events.append(
                    Event("hbm", "fetch", start, fetch, token.sequence.number, token.position)
                )

    def _move(self, token: _Token, now: int) -> bool:
        """Take a token that is done to the next stage; False if it must wait, or has left."""
        stage = token.stage
        if stage + 1 < len(self._occupant):
            if self._occupant[stage + 1] is not None:
                self._waiting[stage], token.done = token, now
                return False
            self._hand_on(token, stage, now)
            self._enter(token, stage + 1, now)
            self._release(stage, now)
            return True
        if not self._leave(token, now):
            self._waiting[stage], token.done = token, now
        return False

    def _hand_on(self, token: _Token, stage: int, now: int) -> None:
        """Book a token's time in a stage that it leaves."""
        self._stage_held[stage] += now - token.since
        self._occupant[stage] = None
        if self.events is not None:
            self.events.append(
                Event(self._program.names[stage], "token", token.since, now - token.since,
                      token.sequence.number, token.position)
            )  # fmt: skip

    def _release(self, stage: int, now: int) -> None:
        """A stage has become free: the token that waits for it moves up, and so on; else one enters."""
        while stage > 0:
            token = self._waiting[stage - 1]
            if token is None:
                return
            self._waiting[stage - 1] = None
            self._blocked += now - token.done
            self._hand_on(token, stage - 1, now)
            self._enter(token, stage, now)
            self._push(now, token)
            stage -= 1
        self._admit(now)

    def _leave(self, token: _Token, now: int) -> bool:
        """Take a token out of the head; False if its sequence's next token finds no place."""
        sequence, last = token.sequence, token.stage
        if token.kind == 0:
            goes_on = sequence.output > 0
        else:
            goes_on = token.is_last
        wanted = goes_on or (token.kind == 0 and self._endless)
        room = self._occupant[0] is None or len(self._entry) < self._program.entry_places
        if wanted and not room:
            return False
        self._left += 1
        self._resident += now - token.entered
        self._in_stages -= 1
        if token.kind == 0:
            self._written += 1
            self._latency += now - token.ready
            self._entry_wait += token.entered - token.ready
        self._hand_on(token, last, now)
        if goes_on:
            sequence.ready = now
            self._entry.append(sequence)
        elif wanted:
            asked = self._requests
            self._entry.append(
                _Sequence(sequence.number, asked.prompt_tokens, asked.output_tokens, now)
            )
        self._release(last, now)
        self._admit(now)
        return True

    def _admit(self, now: int) -> None:
        """Let the next sequence's token enter, if the first stage and a slot are free."""
        entry, program = self._entry, self._program
        if entry and self._occupant[0] is None and self._in_stages < program.slots:
            sequence = entry.popleft()
            kind = 1 if sequence.prompt else 0
            token = _Token(sequence, kind, sequence.ready, now)
            sequence.position += 1
            if kind:
                sequence.prompt -= 1
                token.is_last = sequence.prompt == 0
                if sequence.prompt:
                    entry.append(sequence)
            else:
                sequence.output -= 1
            self._in_stages += 1
            self._enter(token, 0, now)
            self._push(now, token)
            held = self._waiting[-1]
            if held is not None and len(entry) < program.entry_places:
                self._waiting[-1] = None
                self._blocked += now - held.done
                self._leave(held, now)

    def _record(
        self,
        token: _Token,
        resource: int,
        work: int,
        after: int,
        name: str,
        tail: tuple[tuple[str, int], ...],
        start: int,
    ) -> None:
        """Events of a step and of the arrays behind it."""
        assert self.events is not None
        who = (token.sequence.number, token.position)
        if resource < DELAY:
            self.events.append(Event(SHARED[resource], name, start, work, *who))
        at = start + after - sum(cycles for _, cycles in tail)
        for part, cycles in tail:
            self.events.append(Event("arrays", part, at, cycles, *who))
            at += cycles

    def _cycle(self) -> list[str]:
        """Stages that wait for each other, from the first."""
        stage = next(i for i, token in enumerate(self._waiting) if token is not None)
        seen: list[int] = []
        while stage not in seen:
            seen.append(stage)
            stage = (stage + 1) % len(self._waiting)
        return [self._program.names[i] for i in sorted(seen)]
