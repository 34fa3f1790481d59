"""How long chips take to add up vectors over their links, by the law of the link.

Every one of R chips has n numbers and wants the n sums; a beat is a number. Links are alike, every chip does the
same, so that one link tells all.

    whole vectors   every chip sends all its numbers to every other and adds what comes: once over the wire,
                    (R-1) n numbers sent by a chip; what is fastest for short vectors
    pieces          chip i adds up piece i and sends the sums to every other: twice over the wire,
                    2 (R-1)/R n numbers sent by a chip, over R-1 links at once
    ring            the same number, over one link, in 2 (R-1) steps that follow one another number by number

Lower bound (Patarasuk and Yuan, J. Parallel Distrib. Comput. 69 (2009) 117; bandwidth alone): a chip sends at least
2 (R-1)/R n numbers.
"""

from collections.abc import Callable
from fractions import Fraction

from hnlpu.link_plan import LinkPlan
from hnlpu.sim.link import LinkTwin

__all__ = ["all_reduce_bound", "pieces_cycles", "ring_cycles", "whole_vectors_cycles"]


def all_reduce_bound(n_chips: int, n: int, n_bits: int, bits_per_cycle: int) -> Fraction:
    """Least cycles for ``n`` numbers of ``n_bits``, if a chip sends ``bits_per_cycle`` over all its links."""
    return Fraction(2 * (n_chips - 1) * n * n_bits, n_chips * bits_per_cycle)


def whole_vectors_cycles(plan: LinkPlan, n_chips: int, n: int, add_cycles: int = 1) -> int:
    """Every chip to every other, R - 1 links a chip; adding takes ``add_cycles`` after the last term came."""
    _check(n_chips, n)
    return _run(plan, n, lambda received, _: 0) + add_cycles


def pieces_cycles(plan: LinkPlan, n_chips: int, n: int, add_cycles: int = 1) -> int:
    """Pieces to their chip, sums to every chip; R - 1 links a chip."""
    _check(n_chips, n)
    piece = -(-n // n_chips)

    def offered(received: list[int], k: int) -> int:
        return 0 if k < piece else received[k - piece] + add_cycles

    return _run(plan, 2 * piece, offered) + 1


def ring_cycles(plan: LinkPlan, n_chips: int, n: int, add_cycles: int = 1) -> int:
    """R - 1 steps of adding, R - 1 of passing on; one link a chip."""
    _check(n_chips, n)
    piece = -(-n // n_chips)
    adding = (n_chips - 1) * piece

    def offered(received: list[int], k: int) -> int:
        if k < piece:
            return 0
        # What came in the step before, from a neighbour that does the same in the same cycles.
        return received[k - piece] + (add_cycles if k < adding + piece else 1)

    return _run(plan, 2 * adding, offered) + 1


def _run(plan: LinkPlan, n_beats: int, offered: Callable[[list[int], int], int]) -> int:
    """Cycle in which the last of ``n_beats`` is received; a beat's offer depends on what was before."""
    twin = LinkTwin(plan)
    received: list[int] = []
    for k in range(n_beats):
        twin.send(max(offered(received, k), twin.sender_ready() or 0))
        received.append(twin.receiver_valid() or 0)
        twin.receive(received[-1])
    return received[-1]


def _check(n_chips: int, n: int) -> None:
    if n_chips < 2 or n < 1:
        raise ValueError(f"{n} numbers on {n_chips} chips: nothing to add up over links")
