"""What a link between two chips is: its parameters, checked once, and the laws that follow from them.

A beat of ``payload_bits`` crosses as ``words`` words of ``width`` bits, one a cycle. The receiver stores whole
beats, ``beats`` of them, and each place is a credit of the sender. With ``crc`` a word also carries its
place in the stream and a checksum, and lost words are sent again.

Laws (checked by ``tests/rtl/test_link.py`` in cycles and by ``tests/sim/test_link.py`` against the twin):

    beats per cycle = min(1 / words, beats / round_trip_cycles)
    latency_cycles  = words + latency + 1        (crc: words + latency + 4)
    round trip      = words + 2 latency + 3      (crc: words + 2 latency + 8)
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from fractions import Fraction

from hnlpu.errors import HnlpuError

__all__ = ["CRC_BITS", "LinkOptions", "LinkPlan", "parse_link"]

CRC_BITS = 16
#: Lost words of the reverse wire in a row that cause no needless replay.
_TIMEOUT_MARGIN = 8


@dataclass(frozen=True, slots=True)
class LinkPlan:
    """A link in one direction.

    Attributes
    ----------
    payload_bits : int
        Of a beat.
    width : int
        Data wires.
    latency : int
        Cycles that a word is on the wires, the same back; 1 or more.
    depth : int
        Words that the receiver stores.
    crc : bool
        Detect errors and repair them.
    timeout_cycles : int
        With ``crc``: without news for so long, everything unacknowledged is sent again; 0 is the least
        that is safe, and 8 more.
    """

    payload_bits: int
    width: int
    latency: int
    depth: int
    crc: bool = False
    timeout_cycles: int = 0

    def __post_init__(self) -> None:
        for name, what in (
            ("payload_bits", "a beat without a bit"),
            ("width", "no wires to send over"),
            ("latency", "words would arrive before they are sent"),
        ):
            if getattr(self, name) < 1:
                raise self._error(what, name, f"give {name} of 1 or more")
        if self.depth < 1:
            raise self._error(
                "no credits: the sender could never send", "depth", f"give at least {self.words}"
            )
        if self.depth < self.words:
            raise self._error(
                f"a beat is {self.words} words and would never be complete",
                "depth",
                f"give at least {self.words}, and {self.full_rate_depth} for full rate",
            )
        if self.timeout_cycles and not self.crc:
            raise self._error("nothing to wait for without crc", "timeout_cycles", "leave it out")
        if self.crc and self.timeout < self.acknowledge_cycles:
            raise self._error(
                "every word would be sent again before its acknowledgement can be back",
                "timeout_cycles",
                f"give at least {self.acknowledge_cycles}, or 0 for the default",
            )

    def _error(self, what: str, name: str, do: str) -> HnlpuError:
        return HnlpuError(what, where=f"link {name}", got=str(getattr(self, name)), do=do)

    @property
    def words(self) -> int:
        """Of a beat."""
        return -(-self.payload_bits // self.width)

    @property
    def beats(self) -> int:
        """That the receiver stores; the credits."""
        return self.depth // self.words

    @property
    def number_bits(self) -> int:
        """Of the number of a beat, with ``crc``: old and new ones among the last ``2 beats`` are told apart."""
        return (2 * self.beats - 1).bit_length()

    @property
    def index_bits(self) -> int:
        """Of the place of a word in its beat, with ``crc``."""
        return (self.words - 1).bit_length()

    @property
    def forward_bits(self) -> int:
        """Wires to the receiver: valid, data; with ``crc`` index, number and checksum."""
        return 1 + self.width + (self.index_bits + self.number_bits + CRC_BITS) * self.crc

    @property
    def reverse_bits(self) -> int:
        """Wires back: the credit; with ``crc`` the two counts, NAK and checksum."""
        return 2 * self.number_bits + 1 + CRC_BITS if self.crc else 1

    @property
    def latency_cycles(self) -> int:
        """From the cycle in which a beat is taken to that in which it is offered, on an idle link."""
        return self.words + self.latency + (4 if self.crc else 1)

    @property
    def credit_cycles(self) -> int:
        """From the cycle in which the receiver's beat is taken to that in which its credit may be used."""
        return self.latency + (4 if self.crc else 2)

    @property
    def round_trip_cycles(self) -> int:
        """Of a credit."""
        return self.latency_cycles + self.credit_cycles

    @property
    def beats_per_cycle(self) -> Fraction:
        """In the long run, with ends that never wait."""
        return min(Fraction(1, self.words), Fraction(self.beats, self.round_trip_cycles))

    @property
    def full_rate_depth(self) -> int:
        """Least depth at which credits never limit."""
        return -(-self.round_trip_cycles // self.words) * self.words

    @property
    def acknowledge_cycles(self) -> int:
        """With ``crc``: from a beat's first word to the cycle in which its acknowledgement counts."""
        return self.words + 2 * self.latency + 6

    @property
    def timeout(self) -> int:
        """With ``crc``: cycles without news after which the sender sends again."""
        return self.timeout_cycles or self.acknowledge_cycles + _TIMEOUT_MARGIN


@dataclass(frozen=True, slots=True)
class LinkOptions:
    """What a user chooses of the links of a grid.

    Attributes
    ----------
    width : int
        Data wires; 0 for as many as a beat has bits.
    latency : int
        Cycles on the wires.
    depth : int
        Words that a receiver stores; 0 for as many as the full rate needs.
    channel_depth : int
        Beats that a receiver stores of each channel.
    crc : bool
        Detect errors and repair them.
    """

    width: int = 0
    latency: int = 1
    depth: int = 0
    channel_depth: int = 8
    crc: bool = False

    def __post_init__(self) -> None:
        if self.channel_depth < 1:
            raise HnlpuError(
                "channels without credits: a sender could never send",
                where="--channel-depth",
                got=str(self.channel_depth),
                do="give at least 1",
            )
        self.plan(1)

    def plan(self, payload_bits: int) -> LinkPlan:
        """The link for beats of some width."""
        width = self.width or payload_bits
        least = LinkPlan(payload_bits, width, self.latency, -(-payload_bits // width), self.crc)
        depth = self.depth or least.full_rate_depth
        return LinkPlan(payload_bits, width, self.latency, depth, self.crc)


def parse_link(settings: Sequence[str]) -> LinkOptions:
    """Options from ``key=value`` texts.

    Raises
    ------
    HnlpuError
        An unknown key, a value that is no number, or a link that cannot work.
    """
    known = [field.name for field in fields(LinkOptions)]
    found: dict[str, int] = {}
    for setting in settings:
        key, _, value = setting.partition("=")
        if key not in known or not value.isdecimal() or (key == "crc" and int(value) > 1):
            raise HnlpuError(
                "not a setting of a link",
                where="--link",
                got=repr(setting),
                do=f"write key=number; keys are {', '.join(known)} (crc is 0 or 1)",
            )
        found[key] = int(value)
    crc = bool(found.pop("crc", 0))
    return LinkOptions(**found, crc=crc)
