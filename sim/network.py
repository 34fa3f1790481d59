"""Cycles of blocks that are joined by streams, without stepping a clock.

A beat moves in the first cycle in which it is on offer and its taker is ready for it. Both cycles follow from cycles
of earlier beats by maxima and sums, so a block is a process that is resumed when a cycle it needs has become known;
between two beats nothing is computed, however far apart they are. (No simpy: its queue of events costs more than a
beat here, and one beat's cycle depends on another's within the same cycle.)

A process may run ahead of the others, since nothing that they do later changes a cycle that follows already. One
whose next act depends on what happens first, such as the host's or an arbiter's, yields :class:`At`: it is resumed when
all others wait, the earliest first, and then knows every beat before its cycle, and every offer up to it. So that this
holds, a process offers a beat, and is ready for one, as soon as the cycle is known: it waits for nothing else first.

Source: K. M. Chandy, J. Misra, "Distributed simulation", IEEE Trans. Softw. Eng. SE-5 (1979) 440.
"""

from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import heappop, heappush
from itertools import count

from hnlpu.errors import HnlpuError

__all__ = ["NOT_YET", "At", "Block", "Channel", "Network", "Process", "Wait"]

#: Instead of a cycle that is not known yet.
NOT_YET = -1
#: First cycle from which a beat may pass, given that from which it is there.
Pause = Callable[[int], int]


class Wait:
    """What a process yields that needs another block: one of the waits of a :class:`Channel`."""

    __slots__ = ("block", "channel")

    def __init__(self, channel: "Channel") -> None:
        self.channel = channel
        self.block: Block | None = None


class At:
    """What a process yields that decides in ``cycle`` by what has happened before.

    Parameters
    ----------
    cycle : int, optional
        Without it the process waits for the others only.
    waits : sequence of Wait
        The process goes on before if one of these comes, since its cycle may be another one then.
    late : bool
        Others that decide in the same cycle go first: what they take in it is known.

    Attributes
    ----------
    reached : bool
        It went on in its cycle.
    """

    __slots__ = ("cycle", "late", "reached", "waits")

    def __init__(
        self, cycle: int | None, waits: Sequence[Wait] = (), *, late: bool = False
    ) -> None:
        self.cycle, self.waits, self.late, self.reached = cycle, waits, late, False


Process = Iterator[Wait | At]


class Channel:
    """A stream: one giver, one taker, beats in order.

    Attributes
    ----------
    name : str
    moved : array of int
        The cycle in which each beat moved.
    offered : int
        The cycle from which the next beat is on offer, as the taker sees it; ``NOT_YET`` if there is none or
        it has moved.
    need : int
        Number of moved beats that the wait ``came`` is for.
    gone, came, offering : Wait
        Of the giver for its beat to move; of the taker for ``need`` beats to have moved, and for an offer.
    """

    __slots__ = (
        "_readies",
        "_ready",
        "came",
        "gone",
        "moved",
        "name",
        "need",
        "offered",
        "offering",
        "pause",
        "source",
        "source_port",
        "target",
        "target_port",
        "traced",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        source: "Block",
        source_port: str,
        target: "Block",
        target_port: str,
        ready: "deque[Block]",
        *,
        traced: bool = True,
    ) -> None:
        self.name, self.traced = name, traced
        self.source, self.source_port = source, source_port
        self.target, self.target_port = target, target_port
        self.pause: Pause | None = None
        self.moved = array("q")
        self.offered, self.need = NOT_YET, 0
        self.gone, self.came, self.offering = Wait(self), Wait(self), Wait(self)
        self._ready = ready
        self._readies: deque[int] = deque()

    def give(self, cycle: int) -> int:
        """Offer the next beat from ``cycle`` on; the cycle in which it moves, or ``NOT_YET``: wait for ``gone``."""
        if self.pause is not None:
            cycle = self.pause(cycle)
        if self._readies:
            ready = self._readies.popleft()
            cycle = max(cycle, ready)
            self.moved.append(cycle)
            if self.came.block is not None and len(self.moved) >= self.need:
                self._wake(self.came)
            return cycle
        assert self.offered < 0, f"{self.name}: a beat is on offer already"
        self.offered = cycle
        if self.offering.block is not None:
            self._wake(self.offering)
        return NOT_YET

    def take(self, cycle: int) -> None:
        """Be ready, from ``cycle`` on, for the next beat that no other call was for."""
        if self.offered < 0:
            self._readies.append(cycle)
            return
        cycle = max(cycle, self.offered)
        self.offered = NOT_YET
        self.moved.append(cycle)
        if self.gone.block is not None:
            self._wake(self.gone)
        if self.came.block is not None and len(self.moved) >= self.need:
            self._wake(self.came)

    def _wake(self, wait: Wait) -> None:
        block = wait.block
        assert block is not None
        self._ready.append(block)
        wait.block = None
        if type(block.waits) is At:
            for each in block.waits.waits:
                each.block = None
            block.waits = None


class Block:
    """A block: channels by port, and a process over them.

    A model overrides :meth:`process`, which never ends unless the block has no more to do.

    Attributes
    ----------
    name : str
    inputs, outputs : dict of str to Channel
        Filled by :meth:`Network.join`.
    must_finish : bool
        A run in which the process does not end is a deadlock.
    """

    must_finish = False

    def __init__(self, name: str) -> None:
        self.name = name
        self.inputs: dict[str, Channel] = {}
        self.outputs: dict[str, Channel] = {}
        self.waits: Wait | At | None = None

    def process(self) -> Process:
        """Yield whenever a cycle is not known yet."""
        raise NotImplementedError


class Network:
    """Blocks and channels.

    Attributes
    ----------
    blocks : dict of Block by name
    channels : dict of Channel by name
    """

    def __init__(self) -> None:
        self.blocks: dict[str, Block] = {}
        self.channels: dict[str, Channel] = {}
        self._ready: deque[Block] = deque()
        self._decisions: list[tuple[int, bool, int, At, Block]] = []
        self._order = count()
        self._processes: dict[str, Process] = {}

    def add(self, block: Block) -> Block:
        """Place a block."""
        assert block.name not in self.blocks, block.name
        self.blocks[block.name] = block
        return block

    def join(
        self,
        source: Block,
        output: str,
        target: Block,
        port: str,
        name: str,
        *,
        traced: bool = True,
    ) -> Channel:
        """A channel from ``source.output`` to ``target.port``; one that is not ``traced`` is no stream of the RTL."""
        assert name not in self.channels, name
        channel = Channel(name, source, output, target, port, self._ready, traced=traced)
        source.outputs[output] = target.inputs[port] = self.channels[name] = channel
        return channel

    def beats(self) -> int:
        """Beats that have moved on traced channels."""
        return sum(len(channel.moved) for channel in self.channels.values() if channel.traced)

    def latest(self) -> int:
        """The latest cycle that any channel knows of."""
        return max((_latest(channel) for channel in self.channels.values()), default=NOT_YET)

    def run(self) -> None:
        """Run until nothing more happens.

        Raises
        ------
        HnlpuError
            A beat is on offer that nobody will take, or a process that must finish waits for ever: names
            the blocks that wait for one another.
        """
        for block in self.blocks.values():
            if block.name not in self._processes:
                self._processes[block.name] = block.process()
                self._ready.append(block)
        ready, processes = self._ready, self._processes
        while ready or self._decisions:
            if not ready:
                *_, due, block = heappop(self._decisions)
                if block.waits is not due:
                    continue  # something else came first
                due.reached = True
                for each in due.waits:
                    each.block = None
                ready.append(block)
            block = ready.popleft()
            wait = block.waits = next(processes[block.name], None)
            if type(wait) is Wait:
                wait.block = block
            elif wait is not None:
                assert isinstance(wait, At)
                for each in wait.waits:
                    each.block = block
                if wait.cycle is not None:
                    decision = (wait.cycle, wait.late, next(self._order), wait, block)
                    heappush(self._decisions, decision)
        self._check()

    def _check(self) -> None:
        stuck = [block for block in self.blocks.values() if block.must_finish and block.waits]
        stuck += [c.source for c in self.channels.values() if c.offered >= 0]
        if stuck:
            raise HnlpuError(
                "nothing can move",
                where=f"cycle {self.latest()}",
                got="; ".join(_circle(stuck[0])),
                do="give one of these blocks room for more beats, or break the circle",
            )


def _latest(channel: Channel) -> int:
    moved = channel.moved[-1] if channel.moved else NOT_YET
    return max(moved, channel.offered)


def _circle(block: Block) -> Iterable[str]:
    """Who waits for whom, from ``block`` on; of a circle that is reached only the circle."""
    path: list[Block] = []
    while block not in path and block.waits is not None:
        path.append(block)
        block = _other(block)
    begin = path.index(block) if block in path else 0
    for each in path[begin:]:
        wait = _first(each)
        if wait is None:
            yield f"{each.name} waits for nothing"
            continue
        channel, takes = wait.channel, _other(each) is wait.channel.target
        port = channel.target_port if takes else channel.source_port
        yield f"{each.name} waits for {_other(each).name}'s {port}{' to be taken' if takes else ''}"


def _first(block: Block) -> Wait | None:
    """What ``block`` waits for, or the first of several."""
    wait = block.waits
    if isinstance(wait, At):
        return wait.waits[0] if wait.waits else None
    return wait


def _other(block: Block) -> Block:
    """Whom ``block`` waits for."""
    wait = _first(block)
    if wait is None:
        return block
    channel = wait.channel
    return channel.target if wait is channel.gone else channel.source
