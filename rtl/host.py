"""Host interface and control unit: tokens in, tokens out, and what stands around them.

The host writes the tokens of a sequence's prompt; each enters the layers as soon as they take it. With the last one
the sequence goes on by itself: a sampled token is given to the host and enters the layers again, until the limit, the
stop token or the end of the context. Tokens of several sequences follow one another through the layers.

A token waits for the layers in a queue, for the host in another. Both have room for all that can come: a sequence has
one token in the first, and enters no other while two of its tokens wait to be read. So a host that does not read stops
sequences, never the layers; and tokens of prompts and of sequences that go on enter in turn, so neither starves.

Registers, bits and errors are those of ``hnlpu.host``. Every request is answered; a refused one changes
nothing but the sticky error code. A busy sequence takes prompt tokens (unless it generates or resets), reads and
CONTROL; settings of the chip need all sequences idle.

Contract (checked by ``tests/rtl/test_host.py`` and, within the chip, by ``hnlpu.verification.chip``): no
token lost, doubled or out of order; positions of a sequence count from 0 without a gap; no request hangs.
"""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from hnlpu.host import (
    IDENTITY,
    IDLE_WRITES,
    READ_ONLY,
    SEQUENCE_SETTINGS,
    WRITE_ONLY,
    Control,
    HostError,
    Register,
    Status,
    TokenWord,
)
from hnlpu.rtl.fifo import Fifo
from hnlpu.rtl.hierarchy import SharedComponent, place
from hnlpu.rtl.vectors import BOOT_ADDRESS_BITS, boot_signature, token_signature

__all__ = ["COUNTER_BITS", "Host", "request_signature", "response_signature"]

#: Bits of a saturation counter.
COUNTER_BITS = 16
_SETTINGS = (
    Register.TEMPERATURE,
    Register.TOP_K,
    Register.COUNTER,
    Register.BOOT_ADDRESS,
    Register.SEQUENCE,
)


def request_signature() -> stream.Signature:
    """Host to chip: ``write``, ``address`` (a ``hnlpu.host.Register``), ``data``."""
    return stream.Signature(data.StructLayout({"data": 32, "address": 8, "write": 1}))


def response_signature() -> stream.Signature:
    """Chip to host, one per request: ``data`` (of a read), ``error``."""
    return stream.Signature(data.StructLayout({"data": 32, "error": 1}))


class Host(SharedComponent):
    """Host interface and control unit.

    Parameters
    ----------
    vocab, context : int
    position_bits : int
    slots : int
        Largest TOP_K.
    n_counters : int
        Blocks that count saturations.
    sequences : int
        At a time.

    Members
    -------
    request, response : In, Out(stream)
    boot : Out(boot)
        Boot words, to every block.
    token : Out(token stream)
        To the embedding.
    sampled : In(token stream)
        One per token that entered, in the same order.
    temperature, top_k, seed, seed_write : Out
        To the sampler.
    saturated : In(n_counters)
        Of every block: an element was clipped.
    interrupt : Out(1)
        TOKEN has one.
    idle : Out(1)
        Not busy.
    """

    clock_ports = ("clk", "rst")

    def __init__(
        self,
        vocab: int,
        context: int,
        position_bits: int,
        slots: int,
        n_counters: int,
        sequences: int = 1,
    ) -> None:
        self.vocab, self.context, self.position_bits = vocab, context, position_bits
        self.slots, self.n_counters, self.sequences = slots, n_counters, sequences
        self.token_bits = max(1, (vocab - 1).bit_length())
        self.sequence_bits = (sequences - 1).bit_length()
        tokens = token_signature(self.token_bits, position_bits)
        super().__init__(
            {
                "request": In(request_signature()),
                "response": Out(response_signature()),
                "boot": Out(boot_signature()),
                "token": Out(tokens),
                "sampled": In(tokens),
                "temperature": Out(24),
                "top_k": Out(range(slots + 1)),
                "seed": Out(32),
                "seed_write": Out(1),
                "saturated": In(n_counters),
                "interrupt": Out(1),
                "idle": Out(1),
            }
        )

    @property
    def module_name(self) -> str:
        many = f"_q{self.sequences}" if self.sequences > 1 else ""
        return f"hn_host_v{self.vocab}_c{self.context}_k{self.slots}_n{self.n_counters}{many}"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        n = self.sequences
        request, response = self.request, self.response
        address, word = request.p.address, request.p.data

        # What is known of every sequence.
        position, in_flight, unread, generated, limit, stop = (
            Signal(data.ArrayLayout(shape, n), name=name)
            for name, shape in (
                ("position", self.context.bit_length()),
                ("in_flight", (self.context + 1).bit_length()),
                ("unread", 2),
                ("generated", 32),
                ("limit", 32),
                ("stop", 32),
            )
        )
        generating, resetting, held = (
            Signal(n, name=name) for name in ("generating", "resetting", "held")
        )
        held_token = Signal(data.ArrayLayout(self.token_bits, n))
        working = [generating[i] | resetting[i] | (in_flight[i] != 0) for i in range(n)]

        booted, error = Signal(), Signal(4)
        settings = {r: Signal(32, name=r.name.lower()) for r in _SETTINGS}
        busy = Cat(working).any()
        chosen = self._number(settings[Register.SEQUENCE])

        # Tokens to the host, and tokens that wait for the layers.
        entry_bits = self.token_bits + self.position_bits
        outward = place(m, "outward", platform, Fifo, 31, 2 * n)
        entries = place(m, "entries", platform, Fifo, entry_bits, n)
        reader = self._number(outward.y.payload[TokenWord.SEQUENCE_SHIFT :])
        gone = outward.y.valid & resetting.bit_select(reader, 1)  # of a sequence that is reset

        # A sampled token: dropped if it is not the last of its prompt, else given out and, in time, fed back.
        token = self.sampled.p.token
        owner = self._number(self.sampled.p.position[self.position_bits - self.sequence_bits :])
        wanted = Signal()
        m.d.comb += [
            wanted.eq(generating.bit_select(owner, 1) & (in_flight[owner] == 1)),
            self.sampled.ready.eq(1),
        ]
        sampled = self.sampled.valid
        give = sampled & wanted

        # A request is taken when its response has a place; a prompt's token when the layers take one, and TOKEN
        # in a cycle that gives none.
        is_prompt = request.p.write & (address == Register.PROMPT)
        reads_token = ~request.p.write & (address == Register.TOKEN)
        room = ~self.token.valid | self.token.ready
        free = ~response.valid | response.ready
        prompt_turn = Signal()
        asks = request.valid & free & is_prompt
        release = room & entries.y.valid & ~(asks & prompt_turn)
        take = Signal()
        m.d.comb += [
            take.eq(
                request.valid
                & free
                & (~is_prompt | (room & ~release))
                & (~reads_token | (~give & ~gone))
            ),
            request.ready.eq(take),
        ]

        closed = generating.bit_select(chosen, 1) | resetting.bit_select(chosen, 1)
        refusal = self._refusal(
            m, busy, closed, closed | (in_flight[chosen] != 0), booted, position[chosen]
        )
        accept = take & (refusal == HostError.NONE)
        writes = {r: accept & request.p.write & (address == r) for r in Register}

        counters = self._counters(m)
        cycles, busy_cycles, tokens_in, tokens_out = (
            Signal(32, name=name) for name in ("cycles", "busy_cycles", "tokens_in", "tokens_out")
        )
        has_token = outward.y.valid & ~gone
        status = Cat(busy, booted, has_token, generating.any())
        selected = counters[
            settings[Register.COUNTER][: max(1, (self.n_counters - 1).bit_length())]
        ]
        own_status = Cat(
            closed | (in_flight[chosen] != 0), Const(0, 2), generating.bit_select(chosen, 1)
        )
        reads: dict[Register, Value | int] = {
            Register.IDENTITY: IDENTITY,
            Register.STATUS: status | (error << Status.ERROR_SHIFT),
            Register.TOKEN: Mux(has_token, outward.y.payload | TokenWord.VALID, 0),
            **settings,
            Register.LIMIT: limit[chosen],
            Register.STOP: stop[chosen],
            Register.POSITION: position[chosen],
            Register.CYCLES: cycles,
            Register.BUSY_CYCLES: busy_cycles,
            Register.TOKENS_IN: tokens_in,
            Register.TOKENS_OUT: tokens_out,
            Register.SATURATIONS: selected,
            Register.VOCABULARY: self.vocab,
            Register.CONTEXT: self.context,
            Register.SEQUENCES: n,
            Register.SEQUENCE_STATUS: own_status,
        }
        answer = Signal(32)
        with m.Switch(address):
            for register, value in reads.items():
                with m.Case(register):
                    m.d.comb += answer.eq(value)
        m.d.sync += response.valid.eq(take | (response.valid & ~response.ready))
        with m.If(take):
            m.d.sync += [
                response.p.data.eq(Mux(accept & ~request.p.write, answer, 0)),
                response.p.error.eq(~accept),
            ]

        # Settings, boot words, errors.
        for register, setting in settings.items():
            with m.If(writes[register]):
                m.d.sync += setting.eq(word)
        for register, array in ((Register.LIMIT, limit), (Register.STOP, stop)):
            with m.If(writes[register]):
                m.d.sync += array[chosen].eq(word)
        boot_address = settings[Register.BOOT_ADDRESS]
        m.d.sync += self.boot.write.eq(writes[Register.BOOT_DATA])
        with m.If(writes[Register.BOOT_DATA]):
            m.d.sync += [
                self.boot.address.eq(boot_address[:BOOT_ADDRESS_BITS]),
                self.boot.data.eq(word),
                boot_address.eq(boot_address + 1),
            ]
        m.d.comb += [
            self.temperature.eq(settings[Register.TEMPERATURE]),
            self.top_k.eq(settings[Register.TOP_K]),
            self.seed.eq(word),
            self.seed_write.eq(writes[Register.SEED]),
        ]
        control = writes[Register.CONTROL]
        reset = control & ((word & Control.RESET_SEQUENCE) != 0)
        with m.If(take & ~accept & (error == HostError.NONE)):
            m.d.sync += error.eq(refusal)
        with m.If(control & ((word & Control.CLEAR_ERROR) != 0)):
            m.d.sync += error.eq(HostError.NONE)
        with m.If(control & ((word & Control.BOOTED) != 0)):
            m.d.sync += booted.eq(1)

        # What becomes of a wanted token, and of one that was held back until the host read.
        end = (
            (generated[owner] + 1 >= limit[owner])
            | (stop[owner][31] & (token == stop[owner][:31]))
            | (position[owner] == self.context)
        )
        popped = (accept & reads_token & has_token) | (gone & ~give)
        resumed = popped & held.bit_select(reader, 1)
        go_on = give & ~end
        at_once = go_on & (unread[owner] == 0)
        m.d.comb += [
            outward.x.valid.eq(give),
            outward.x.payload.eq(Cat(_padded(token, 20), _padded(owner, 10), end)),
            outward.y.ready.eq(popped),
        ]
        enters = Mux(at_once, owner, reader)
        push = at_once | (resumed & ~gone)
        m.d.comb += [
            entries.x.valid.eq(push),
            entries.x.payload.eq(
                Cat(Mux(at_once, token, held_token[reader]), self._place(position[enters], enters))
            ),
            entries.y.ready.eq(release),
        ]
        with m.If(go_on & ~at_once):
            m.d.sync += held_token[owner].eq(token)
        with m.If(give):
            m.d.sync += [generated[owner].eq(generated[owner] + 1), tokens_out.eq(tokens_out + 1)]

        # Tokens enter the layers.
        prompted = writes[Register.PROMPT]
        enter = prompted | release
        m.d.sync += self.token.valid.eq(enter | (self.token.valid & ~self.token.ready))
        with m.If(enter):
            m.d.sync += [
                Cat(self.token.p.token, self.token.p.position).eq(
                    Mux(
                        prompted,
                        Cat(word[: self.token_bits], self._place(position[chosen], chosen)),
                        entries.y.payload,
                    )
                ),
                tokens_in.eq(tokens_in + 1),
                prompt_turn.eq(release),
            ]
        start = prompted & word[31] & (limit[chosen] != 0)
        with m.If(start):
            m.d.sync += generated[chosen].eq(0)

        for i in range(n):
            mine = self._is(owner, i)
            starts = start & self._is(chosen, i)
            resets = reset & self._is(chosen, i)
            given, read = give & mine, popped & self._is(reader, i)
            added = (prompted & self._is(chosen, i)) | (push & self._is(enters, i))
            restart = resetting[i] & (in_flight[i] == 0) & (unread[i] == 0)
            waits = (go_on & ~at_once & mine) | (held[i] & ~(resumed & self._is(reader, i)))
            m.d.sync += [
                in_flight[i].eq(in_flight[i] + added - (sampled & mine)),
                unread[i].eq(unread[i] + given - read),
                position[i].eq(Mux(restart, 0, position[i] + added)),
                generating[i].eq(starts | (generating[i] & ~((given & end) | resets))),
                resetting[i].eq(resets | (resetting[i] & ~restart)),
                held[i].eq(waits & ~resets & ~resetting[i]),
            ]

        m.d.sync += cycles.eq(cycles + 1)
        m.d.sync += busy_cycles.eq(busy_cycles + busy)
        m.d.comb += [self.interrupt.eq(has_token), self.idle.eq(~busy)]
        return m

    def _number(self, value: Value) -> Value:
        """The number of a sequence in the low bits of ``value``."""
        return value[: self.sequence_bits] if self.sequence_bits else Const(0, 1)

    def _is(self, number: Value, i: int) -> Value:
        return number == i if self.sequence_bits else Const(1)

    def _place(self, position: Value, number: Value) -> Value:
        """Position and sequence as the streams carry them."""
        own = position[: self.position_bits - self.sequence_bits]
        return Cat(own, number) if self.sequence_bits else own

    def _refusal(
        self,
        m: Module,
        busy: Value,
        closed: Value,
        working: Value,
        booted: Value,
        position: Value,
    ) -> Signal:
        """Why the request on the port must be refused, or NONE; ``closed``, ``working`` of the chosen sequence."""
        refusal = Signal(4)
        word = self.request.p.data
        limits = {Register.TOP_K: self.slots, Register.SEQUENCE: self.sequences - 1}
        with m.Switch(self.request.p.address):
            for register in Register:
                with m.Case(register):
                    if register in READ_ONLY:
                        with m.If(self.request.p.write):
                            m.d.comb += refusal.eq(HostError.REGISTER)
                    if register in WRITE_ONLY:
                        with m.If(~self.request.p.write):
                            m.d.comb += refusal.eq(HostError.REGISTER)
                    if register in IDLE_WRITES:
                        with m.If(self.request.p.write & busy):
                            m.d.comb += refusal.eq(HostError.BUSY)
                    if register in SEQUENCE_SETTINGS:
                        with m.If(self.request.p.write & working):
                            m.d.comb += refusal.eq(HostError.BUSY)
                    if register in limits:
                        with m.If(self.request.p.write & (word > limits[register])):
                            m.d.comb += refusal.eq(HostError.REGISTER)
                    if register == Register.PROMPT:
                        with m.If(self.request.p.write):
                            with m.If(~booted):
                                m.d.comb += refusal.eq(HostError.NOT_BOOTED)
                            with m.Elif(closed):
                                m.d.comb += refusal.eq(HostError.BUSY)
                            with m.Elif(word[:31] >= self.vocab):
                                m.d.comb += refusal.eq(HostError.TOKEN)
                            with m.Elif(position == self.context):
                                m.d.comb += refusal.eq(HostError.CONTEXT)
            with m.Default():
                m.d.comb += refusal.eq(HostError.REGISTER)
        return refusal

    def _counters(self, m: Module) -> data.View:
        """Saturations of every block, sticky at the largest number."""
        counters = Signal(data.ArrayLayout(COUNTER_BITS, self.n_counters))
        for i in range(self.n_counters):
            with m.If(self.saturated[i] & ~counters[i].all()):
                m.d.sync += counters[i].eq(counters[i] + 1)
        return counters


def _padded(value: Value, n_bits: int) -> Value:
    """``value`` in the low bits of ``n_bits``."""
    return Cat(value, Const(0, n_bits - len(value))) if len(value) < n_bits else value
