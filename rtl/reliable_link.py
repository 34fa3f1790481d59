"""Reliable link: words with numbers and checksums, sent again until they have arrived (go-back-N).

    forward   from bit 0: CRC of what follows; valid, data, index of the word in its beat, number of the beat
    reverse   from bit 0: CRC of what follows; next beat wanted, beats taken, NAK; sent in every cycle

Neighbours on the wires are neighbours in the checksum, which finds any burst of 16. It covers valid, too: what is
on the wires of an idle link must not turn into a word by one error.

The receiver accepts the one word that is next and drops all others. If a word is wrong, or a later one comes, it
turns NAK over, once for each place at which it is stuck. The sender keeps every beat until it is taken at the
far end; a change of NAK, or a time without news, takes it back to the first beat that is wanted. All
counts are cumulative: a reverse word that is lost is made good by the next.

The counts are modulo a power of two of at least ``2 beats``. At the sender always
wanted <= sending <= stored <= taken + beats <= wanted + beats (as if they were unbounded), so that a word's number
differs from the wanted one by less than half the modulus either way and old words are never taken for new.

Contract (checked by ``tests/rtl/test_link.py``): every beat once, in order, whatever happens to the bits of either
direction while CRC-16 detects it; without errors the cycles of ``hnlpu.sim.link``, exactly.
"""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring

from hnlpu.link_plan import CRC_BITS
from hnlpu.rtl.crc import crc
from hnlpu.rtl.hierarchy import place
from hnlpu.rtl.link_end import ReceivingEnd, SendingEnd
from hnlpu.rtl.link_store import LinkStore, following
from hnlpu.rtl.memory import RegisterFile

__all__ = ["ReliableReceiver", "ReliableSender"]


class ReliableSender(SendingEnd):
    """The sending end of a link with ``crc``."""

    @property
    def module_name(self) -> str:
        plan = self.plan
        return (
            f"hn_link_reliable_sender_{plan.payload_bits}x{plan.width}_{plan.beats}_{plan.timeout}"
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan = self.plan
        bits, beats, words = plan.number_bits, plan.beats, plan.words

        # What the receiver says, checked in a cycle of its own.
        message = Signal(2 * bits + 1)
        heard = Signal()
        m.d.sync += [
            message.eq(self.reverse[CRC_BITS:]),
            heard.eq(crc(self.reverse[CRC_BITS:]) == self.reverse[:CRC_BITS]),
        ]

        # Beats until they are taken: numbers, and places in the store.
        stored, sending, wanted, taken = (
            Signal(bits, name=name) for name in ("stored", "sending", "wanted", "taken")
        )
        write_place, read_place, wanted_place = (
            Signal(range(max(2, beats)), name=f"{name}_place")
            for name in ("write", "read", "wanted")
        )
        index = Signal(range(max(2, words)))
        store = place(m, "beats", platform, RegisterFile, plan.payload_bits, beats)
        take, used = Signal(), Signal(bits)
        m.d.comb += [
            used.eq(stored - taken),
            self.x.ready.eq(used != beats),
            take.eq(self.x.valid & self.x.ready),
            store.write.eq(take),
            store.write_address.eq(write_place),
            store.write_data.eq(self.x.payload),
            store.read_address.eq(read_place),
        ]
        with m.If(take):
            m.d.sync += [
                stored.eq(stored + 1),
                write_place.eq(following(write_place, beats)),
            ]

        # News: how far the receiver is, and whether to go back to there.
        progress, ahead = Signal(bits), Signal(bits)
        place_sum = Signal(range(2 * beats + 1))
        new_wanted, new_place = Signal(bits), Signal.like(wanted_place)
        nak, go_back, overtaken = Signal(), Signal(), Signal()
        waiting = Signal(range(plan.timeout + 1))
        m.d.comb += [
            progress.eq(Mux(heard, message[:bits] - wanted, 0)),
            ahead.eq(sending - wanted),
            new_wanted.eq(wanted + progress),
            place_sum.eq(wanted_place + progress),
            new_place.eq(Mux(place_sum >= beats, place_sum - beats, place_sum)),
            overtaken.eq(ahead < progress),
            go_back.eq(
                (heard & (message[-1] != nak)) | ((waiting == plan.timeout) & (progress == 0))
            ),
        ]
        m.d.sync += [wanted.eq(new_wanted), wanted_place.eq(new_place)]
        with m.If(heard):
            m.d.sync += [taken.eq(message[bits : 2 * bits]), nak.eq(message[-1])]
        with m.If(go_back | (progress != 0) | ((ahead == 0) & (index == 0))):
            m.d.sync += waiting.eq(0)
        with m.Else():
            m.d.sync += waiting.eq(waiting + 1)

        # Words, one a cycle: read; then checksum and out.
        word = Signal(1 + plan.width + plan.index_bits + bits)
        data = Signal(words * plan.width)
        parts = [data.word_select(index, plan.width), index] if words > 1 else [data]
        m.d.comb += data.eq(store.read_data)
        m.d.sync += [
            word.eq(Cat(sending != stored, *parts, sending)),
            self.forward.eq(Cat(crc(word), word)),
        ]
        with m.If(go_back | overtaken):
            m.d.sync += [sending.eq(new_wanted), read_place.eq(new_place), index.eq(0)]
        with m.Elif(sending != stored):
            m.d.sync += index.eq(following(index, words))
            with m.If(index == words - 1):
                m.d.sync += [sending.eq(sending + 1), read_place.eq(following(read_place, beats))]
        return m


class ReliableReceiver(ReceivingEnd):
    """The receiving end of a link with ``crc``."""

    @property
    def module_name(self) -> str:
        plan = self.plan
        return f"hn_link_reliable_receiver_{plan.payload_bits}x{plan.width}_{plan.beats}"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan = self.plan
        bits, words = plan.number_bits, plan.words

        # A word, checked in a cycle of its own.
        valid, body = self.forward[CRC_BITS], self.forward[CRC_BITS + 1 :]
        word = Signal(len(body))
        good, bad, fits = Signal(), Signal(), Signal()
        m.d.comb += fits.eq(crc(self.forward[CRC_BITS:]) == self.forward[:CRC_BITS])
        m.d.sync += [word.eq(body), good.eq(valid & fits), bad.eq(valid & ~fits)]

        # The one word that is next goes into the store.
        store = place(m, "store", platform, LinkStore, plan.payload_bits, plan.width, plan.beats)
        wiring.connect(m, store.y, wiring.flipped(self.y))
        wanted, taken = Signal(bits), Signal(bits)
        place_bits = plan.index_bits + bits
        number, distance = Signal(place_bits), Signal(place_bits)
        expected = Cat(store.index, wanted) if words > 1 else wanted
        accept, gap = Signal(), Signal()
        nak, stuck = Signal(), Signal()
        m.d.comb += [
            number.eq(word[plan.width :]),
            # Index below number: the order of the words, but for numbers that no word has.
            distance.eq(number - expected),
            accept.eq(good & (distance == 0)),
            gap.eq(good & (distance != 0) & ~distance[-1]),
            store.put.eq(accept),
            store.word.eq(word[: plan.width]),
        ]
        with m.If(accept & (store.index == words - 1)):
            m.d.sync += wanted.eq(wanted + 1)
        with m.If(self.y.valid & self.y.ready):
            m.d.sync += taken.eq(taken + 1)
        with m.If(accept):
            m.d.sync += stuck.eq(0)
        with m.Elif((bad | gap) & ~stuck):
            m.d.sync += [stuck.eq(1), nak.eq(~nak)]
        counts = Cat(wanted, taken, nak)
        m.d.sync += self.reverse.eq(Cat(crc(counts), counts))
        return m
