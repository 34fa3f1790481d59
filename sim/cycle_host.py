"""Cycles of the host port: which token enters when, and when a request is answered.

What the host decides depends on what comes first, a request, a sampled token or room in the layers. So it looks at a
cycle only when one of these is due, and passes over the cycles between. A driver (a generator) says which request
comes in which cycle, and gets what the chip answers.

Responses are taken at once, and the chip is booted. Settings of the sampler go to the workload, which says which token
follows; those of boot and counters change no cycle.
"""

from collections import deque
from collections.abc import Generator
from dataclasses import dataclass

from hnlpu.host import (
    IDLE_WRITES,
    LAST,
    READ_ONLY,
    SEQUENCE_SETTINGS,
    WRITE_ONLY,
    Control,
    HostError,
    Register,
    Status,
    TokenWord,
)
from hnlpu.sim.cycle_tokens import Passage, Text, Workload
from hnlpu.sim.network import At, Block, Channel, Process
from hnlpu.sim.stall import Noise

__all__ = ["Driver", "Host", "Look", "Pausing", "Reply", "Request", "Until"]

_NONE = 1 << 62
_REGISTERS = frozenset(int(register) for register in Register)
_SAMPLING = frozenset({Register.TEMPERATURE, Register.TOP_K, Register.SEED})


@dataclass(frozen=True, slots=True)
class Request:
    """A request that is on the port from ``cycle`` on; a read if ``word`` is None."""

    cycle: int
    register: int
    word: int | None = None


@dataclass(frozen=True, slots=True)
class Until:
    """Look, from ``cycle`` on, for ``interrupt`` or ``idle`` to be high; the reply's cycle is the first."""

    cycle: int
    interrupt: bool


@dataclass(frozen=True, slots=True)
class Look:
    """Look whether ``interrupt`` is high in ``cycle``; it is the reply's word."""

    cycle: int


@dataclass(frozen=True, slots=True)
class Pausing:
    """Streams pause, or do not, from ``cycle`` on."""

    cycle: int
    on: bool


@dataclass(frozen=True, slots=True)
class Reply:
    """What became of an act of the driver; the act itself says what ``word`` is.

    Attributes
    ----------
    cycle : int
        In which the response is on the port, or what was looked for is there.
    word : int
        What was read.
    refused : bool
    """

    cycle: int
    word: int = 0
    refused: bool = False


_Act = Request | Until | Look
#: What a host does, one act after the other.
Driver = Generator[Request | Until | Look | Pausing, Reply, None]


@dataclass(slots=True)
class _Sequence:
    position: int = 0
    in_flight: int = 0
    unread: int = 0
    generated: int = 0
    limit: int = 0
    stop: int = 0
    generating: bool = False
    resetting: bool = False
    held: int | None = None  # a token that waits until the host reads
    text: Text | None = None

    @property
    def closed(self) -> bool:
        return self.generating or self.resetting

    @property
    def working(self) -> bool:
        return self.closed or self.in_flight > 0


@dataclass(frozen=True, slots=True)
class _Out:
    """A token in the queue to the host."""

    owner: int
    token: int
    end: bool


class Host(Block):
    """Host port.

    Parameters
    ----------
    vocab, context, slots, sequences : int
        As of the chip.

    Attributes
    ----------
    driver : Driver
    workload : Workload
        Sequences in the order in which they begin.
    noises : list of Noise
        Of every chip.
    first_cycle : int
        From which the host looks.
    """

    must_finish = True
    driver: Driver
    workload: Workload

    def __init__(
        self, name: str, passage: Passage, *, vocab: int, context: int, slots: int, sequences: int
    ) -> None:
        super().__init__(name)
        self.passage, self.first_cycle = passage, 0
        self.noises: list[Noise] = []
        self.vocab, self.context, self.slots = vocab, context, slots
        self._sequences = [_Sequence() for _ in range(sequences)]
        self._chosen = 0  # register SEQUENCE
        self._error = HostError.NONE
        # Sequence, token and position; what was put into a queue can be seen in the cycle after.
        self._entries: deque[tuple[int, int, int]] = deque()
        self._outward: deque[_Out] = deque()
        self._prompt_turn = False
        self._owners: deque[int] = deque()  # of tokens in the layers, in their order
        self._given = self._seen = 0  # tokens into the layers, and sampled ones looked at

    def process(self) -> Process:
        token, sampled = self.outputs["token"], self.inputs["sampled"]
        act = self._act(None)
        yield At(self.first_cycle, late=True)
        cycle = self.first_cycle
        while True:
            while act is not None and act.cycle <= cycle:
                if isinstance(act, Look):
                    act = self._act(Reply(cycle, self._has_token()))
                elif isinstance(act, Until) and self._is(act.interrupt):
                    act = self._act(Reply(cycle))
                else:
                    break
            request = act if isinstance(act, Request) and act.cycle <= cycle else None
            busy, reply = self._cycle(cycle, request, token, sampled)
            if reply is not None:
                act = self._act(reply)
            wait = At(None)
            while not wait.reached:
                due = cycle + 1 if busy else self._due(cycle, act, token, sampled)
                if due == _NONE and act is None and not self._owners:
                    return
                # These tell of a cycle before the one that is due so far.
                waits = [token.gone] if token.offered >= 0 else []
                if len(sampled.moved) <= self._seen:
                    sampled.need = self._seen + 1
                    waits.insert(0, sampled.came)
                wait = At(None if due == _NONE else due, waits, late=True)
                yield wait
            cycle = due

    def _act(self, reply: Reply | None) -> _Act | None:
        """The driver's next act that takes time; None at its end."""
        try:
            act = next(self.driver) if reply is None else self.driver.send(reply)
            while isinstance(act, Pausing):
                for noise in self.noises:
                    noise.switch(act.cycle, act.on)
                act = next(self.driver)
        except StopIteration:
            return None
        return act

    def _due(self, cycle: int, act: _Act | None, token: Channel, sampled: Channel) -> int:
        """The next cycle in which anything can happen by itself."""
        due = _NONE
        if len(sampled.moved) > self._seen:
            due = sampled.moved[self._seen]
        if act is not None and act.cycle > cycle:
            due = min(due, act.cycle)
        prompts = isinstance(act, Request) and _is_prompt(act)
        if self._entries or prompts:
            room = self._room(token)
            if room > cycle:
                due = min(due, room)
        return due

    def _room(self, token: Channel) -> int:
        """First cycle in which the register before the layers is free or becomes so."""
        if len(token.moved) < self._given:
            return _NONE
        return token.moved[-1] if token.moved else 0

    def _has_token(self) -> bool:
        return bool(self._outward) and not self._sequences[self._outward[0].owner].resetting

    def _is(self, interrupt: bool) -> bool:
        """What the pins show."""
        return self._has_token() if interrupt else not self._busy()

    def _busy(self) -> bool:
        return any(sequence.working for sequence in self._sequences)

    def _cycle(
        self, cycle: int, request: Request | None, token: Channel, sampled: Channel
    ) -> tuple[bool, Reply | None]:
        """What happens in a cycle: whether anything does, and the reply to a request that is taken."""
        sequences = self._sequences
        # Everything is decided by how things stand at the beginning of the cycle, then done.
        front = self._outward[0] if self._outward else None
        gone = front is not None and sequences[front.owner].resetting
        owner = None
        if len(sampled.moved) > self._seen and sampled.moved[self._seen] == cycle:
            owner = self._owners.popleft()
        gives = (
            owner is not None and sequences[owner].generating and sequences[owner].in_flight == 1
        )
        prompts = request is not None and _is_prompt(request)
        reads = request is not None and request.word is None and request.register == Register.TOKEN
        room = self._room(token) <= cycle
        release = room and bool(self._entries) and not (prompts and self._prompt_turn)
        restarts = [s for s in sequences if s.resetting and not s.in_flight and not s.unread]
        taken = (
            request is not None
            and not (prompts and (release or not room))
            and not (reads and (gives or gone))
        )
        refusal = self._refusal(request) if taken and request is not None else HostError.NONE
        pops = front is not None and ((gone and not gives) or (reads and taken))
        reply = None
        if taken and request is not None:
            word = 0 if refusal or request.word is not None else self._read(request, front)
            reply = Reply(cycle + 1, word, refusal is not HostError.NONE)

        if owner is not None:
            self._leave(owner, gives)
        if release:
            self._enter(cycle, token, sampled, *self._entries.popleft())
            self._prompt_turn = True
        if pops:
            self._pop(gone)
        for sequence in restarts:
            sequence.resetting, sequence.position, sequence.text = False, 0, None
        if refusal and not self._error:
            self._error = refusal
        if request is not None and taken and not refusal and request.word is not None:
            self._write(cycle, request.register, request.word, token, sampled)
        return taken or pops or release or bool(restarts) or owner is not None, reply

    def _leave(self, owner: int, gives: bool) -> None:
        """A token of ``owner`` was sampled; it is given to the host, or was none of the last of a prompt."""
        sequence = self._sequences[owner]
        sampled = self.passage.tokens[self._seen].sampled
        self._seen += 1
        sequence.in_flight -= 1
        if not gives:
            return
        sequence.generated += 1
        end = (
            sequence.generated >= sequence.limit
            or (sequence.stop >= LAST and sampled == sequence.stop - LAST)
            or sequence.position == self.context
        )
        self._outward.append(_Out(owner, sampled, end))
        if end:
            sequence.generating = False
        elif sequence.unread:
            sequence.held = sampled
        else:
            self._queue(owner, sampled)
        sequence.unread += 1

    def _pop(self, gone: bool) -> None:
        """The host has read a token, or one of a sequence that is forgotten goes."""
        owner = self._outward.popleft().owner
        sequence = self._sequences[owner]
        sequence.unread -= 1
        if sequence.held is not None and not gone:
            self._queue(owner, sequence.held)
        sequence.held = None

    def _queue(self, owner: int, token: int) -> None:
        """A token will enter the layers again."""
        self._entries.append((owner, token, self._sequences[owner].position))
        self._sequences[owner].position += 1
        self._sequences[owner].in_flight += 1

    def _enter(
        self, cycle: int, stream: Channel, sampled: Channel, owner: int, token: int, position: int
    ) -> None:
        sequence = self._sequences[owner]
        if position == 0 or sequence.text is None:
            sequence.text = self.workload.begin()
        self.passage.tokens.append(sequence.text.take(token))
        self.passage.positions.append(position)
        self._owners.append(owner)
        self._given += 1
        sampled.take(0)
        stream.give(cycle + 1)

    def _refusal(self, request: Request) -> HostError:
        sequence, word = self._sequences[self._chosen], request.word
        register = request.register
        if register not in _REGISTERS:
            return HostError.REGISTER
        if register in (WRITE_ONLY if word is None else READ_ONLY):
            return HostError.REGISTER
        if word is None:
            return HostError.NONE
        largest = {Register.TOP_K: self.slots, Register.SEQUENCE: len(self._sequences) - 1}
        if word > largest.get(Register(register), word):
            return HostError.REGISTER
        if register == Register.PROMPT:
            if sequence.closed:
                return HostError.BUSY
            if word & (LAST - 1) >= self.vocab:
                return HostError.TOKEN
            return HostError.CONTEXT if sequence.position == self.context else HostError.NONE
        busy = (register in IDLE_WRITES and self._busy()) or (
            register in SEQUENCE_SETTINGS and sequence.working
        )
        return HostError.BUSY if busy else HostError.NONE

    def _read(self, request: Request, front: _Out | None) -> int:
        """The word of a register that a host needs to go on; 0 for others."""
        sequence = self._sequences[self._chosen]
        if request.register == Register.TOKEN and front is not None:
            end = TokenWord.END if front.end else 0
            return TokenWord.VALID | end | front.owner << TokenWord.SEQUENCE_SHIFT | front.token
        if request.register == Register.SEQUENCES:
            return len(self._sequences)
        if request.register == Register.SEQUENCE_STATUS:
            generating = Status.GENERATING if sequence.generating else 0
            return generating | (Status.BUSY if sequence.working else 0)
        if request.register == Register.STATUS:
            return (
                Status.BOOTED
                | (Status.BUSY if self._busy() else 0)
                | (Status.TOKEN if self._has_token() else 0)
                | (Status.GENERATING if any(s.generating for s in self._sequences) else 0)
                | self._error << Status.ERROR_SHIFT
            )
        return 0

    def _write(
        self, cycle: int, register: int, word: int, token: Channel, sampled: Channel
    ) -> None:
        sequence = self._sequences[self._chosen]
        if register == Register.PROMPT:
            position = sequence.position
            sequence.position += 1
            sequence.in_flight += 1
            self._enter(cycle, token, sampled, self._chosen, word & (LAST - 1), position)
            self._prompt_turn = False
            if word & LAST and sequence.limit:
                sequence.generating, sequence.generated = True, 0
        elif register == Register.SEQUENCE:
            self._chosen = word
        elif register == Register.LIMIT:
            sequence.limit = word
        elif register == Register.STOP:
            sequence.stop = word
        elif register in _SAMPLING:
            self.workload.setting(Register(register), word)
            if register == Register.TEMPERATURE:
                self.passage.greedy = word == 0
        elif register == Register.CONTROL:
            if word & Control.CLEAR_ERROR:
                self._error = HostError.NONE
            if word & Control.RESET_SEQUENCE:
                sequence.resetting, sequence.generating, sequence.held = True, False, None


def _is_prompt(request: Request) -> bool:
    return request.word is not None and request.register == Register.PROMPT
