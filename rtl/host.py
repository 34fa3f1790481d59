"""Host interface and control unit: tokens in, tokens out, and what stands around them.

The host writes the tokens of a prompt; each enters the layers as soon as they take it. With the last one
the chip goes on by itself: a sampled token is given to the host and enters the layers again, until the
limit, the stop token or the end of the context.

Registers, bits and errors are those of ``hnlpu.host``. Every request is answered; a refused one changes
nothing but the sticky error code. While the chip is busy it takes prompt tokens (unless it generates or
resets), reads and CONTROL; all else is refused.

Contract (checked by ``tests/rtl/test_host.py`` and, within the chip, by ``hnlpu.verification.chip``): no
token lost, doubled or out of order; positions count from 0 without a gap; no request hangs.
"""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream
from amaranth.lib.wiring import In, Out

from hnlpu.host import IDENTITY, Control, HostError, Register, Status, TokenWord
from hnlpu.rtl.hierarchy import SharedComponent
from hnlpu.rtl.vectors import BOOT_ADDRESS_BITS, boot_signature, token_signature

__all__ = ["COUNTER_BITS", "Host", "request_signature", "response_signature"]

#: Bits of a saturation counter.
COUNTER_BITS = 16
_SETTINGS = (
    Register.LIMIT,
    Register.STOP,
    Register.TEMPERATURE,
    Register.TOP_K,
    Register.COUNTER,
    Register.BOOT_ADDRESS,
)
_IDLE_WRITES = (*_SETTINGS, Register.SEED, Register.BOOT_DATA)
_READ_ONLY = (
    Register.IDENTITY,
    Register.STATUS,
    Register.TOKEN,
    Register.POSITION,
    Register.CYCLES,
    Register.BUSY_CYCLES,
    Register.TOKENS_IN,
    Register.TOKENS_OUT,
    Register.SATURATIONS,
    Register.VOCABULARY,
    Register.CONTEXT,
)
_WRITE_ONLY = (Register.CONTROL, Register.PROMPT, Register.SEED, Register.BOOT_DATA)


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
        self, vocab: int, context: int, position_bits: int, slots: int, n_counters: int
    ) -> None:
        self.vocab, self.context, self.position_bits = vocab, context, position_bits
        self.slots, self.n_counters = slots, n_counters
        self.token_bits = max(1, (vocab - 1).bit_length())
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
        return f"hn_host_v{self.vocab}_c{self.context}_k{self.slots}_n{self.n_counters}"

    def elaborate(self, platform: object) -> Module:
        m = Module()
        request, response = self.request, self.response
        address, word = request.p.address, request.p.data

        position = Signal(range(self.context + 1))
        in_flight = Signal(range(self.context + 2))
        generating, resetting, booted = Signal(), Signal(), Signal()
        generated, error = Signal(32), Signal(4)
        out_word, out_valid = Signal(32), Signal()
        settings = {r: Signal(32, name=r.name.lower()) for r in _SETTINGS}
        busy = generating | resetting | (in_flight != 0)

        # A request is taken when its response has a place, and a prompt's token one too.
        is_prompt = request.p.write & (address == Register.PROMPT)
        room = ~self.token.valid | self.token.ready
        free = ~response.valid | response.ready
        take = request.valid & free & (room | ~is_prompt)
        m.d.comb += request.ready.eq(take)

        refusal = self._refusal(m, busy, generating | resetting, booted, position)
        accept = take & (refusal == HostError.NONE)
        writes = {r: accept & request.p.write & (address == r) for r in Register}

        counters = self._counters(m)
        cycles, busy_cycles, tokens_in, tokens_out = (
            Signal(32, name=name) for name in ("cycles", "busy_cycles", "tokens_in", "tokens_out")
        )
        status = Cat(busy, booted, out_valid, generating)
        selected = counters[
            settings[Register.COUNTER][: max(1, (self.n_counters - 1).bit_length())]
        ]
        reads: dict[Register, Value | int] = {
            Register.IDENTITY: IDENTITY,
            Register.STATUS: status | (error << Status.ERROR_SHIFT),
            Register.TOKEN: Mux(out_valid, out_word, 0),
            **settings,
            Register.POSITION: position,
            Register.CYCLES: cycles,
            Register.BUSY_CYCLES: busy_cycles,
            Register.TOKENS_IN: tokens_in,
            Register.TOKENS_OUT: tokens_out,
            Register.SATURATIONS: selected,
            Register.VOCABULARY: self.vocab,
            Register.CONTEXT: self.context,
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

        # A sampled token: dropped if it is not the last of its prompt, else given out and fed back.
        prompted = writes[Register.PROMPT]
        wanted = generating & (in_flight == 1)
        out_free = ~out_valid
        sampled_take = self.sampled.valid & (~wanted | (out_free & room))
        m.d.comb += self.sampled.ready.eq(sampled_take)
        give = sampled_take & wanted
        token = self.sampled.p.token
        stop = settings[Register.STOP]
        end = (
            (generated + 1 >= settings[Register.LIMIT])
            | (stop[31] & (token == stop[:31]))
            | (position == self.context)
        )
        feed_back = give & ~end
        enter = prompted | feed_back
        with m.If(give):
            m.d.sync += [
                out_word.eq(token | Mux(end, TokenWord.END, 0) | TokenWord.VALID),
                generated.eq(generated + 1),
                tokens_out.eq(tokens_out + 1),
            ]
        read_token = accept & ~request.p.write & (address == Register.TOKEN)
        m.d.sync += out_valid.eq(give | (out_valid & ~read_token & ~reset))

        # Tokens enter the layers.
        m.d.sync += self.token.valid.eq(enter | (self.token.valid & ~self.token.ready))
        with m.If(enter):
            m.d.sync += [
                self.token.p.token.eq(Mux(prompted, word, token)),
                self.token.p.position.eq(position),
                tokens_in.eq(tokens_in + 1),
            ]
        start = prompted & word[31] & (settings[Register.LIMIT] != 0)
        restart = resetting & (in_flight == 0)
        m.d.sync += [
            in_flight.eq(in_flight + enter - sampled_take),
            position.eq(Mux(restart, 0, position + enter)),
            resetting.eq(reset | (resetting & ~restart)),
        ]
        with m.If(start):
            m.d.sync += [generating.eq(1), generated.eq(0)]
        with m.If((give & end) | reset):
            m.d.sync += generating.eq(0)

        m.d.sync += cycles.eq(cycles + 1)
        m.d.sync += busy_cycles.eq(busy_cycles + busy)
        m.d.comb += [self.interrupt.eq(out_valid), self.idle.eq(~busy)]
        return m

    def _refusal(
        self, m: Module, busy: Value, closed: Value, booted: Value, position: Value
    ) -> Signal:
        """Why the request on the port must be refused, or NONE."""
        refusal = Signal(4)
        word = self.request.p.data
        with m.Switch(self.request.p.address):
            for register in Register:
                with m.Case(register):
                    if register in _READ_ONLY:
                        with m.If(self.request.p.write):
                            m.d.comb += refusal.eq(HostError.REGISTER)
                    if register in _WRITE_ONLY:
                        with m.If(~self.request.p.write):
                            m.d.comb += refusal.eq(HostError.REGISTER)
                    if register in _IDLE_WRITES:
                        with m.If(self.request.p.write & busy):
                            m.d.comb += refusal.eq(HostError.BUSY)
                    if register == Register.TOP_K:
                        with m.If(self.request.p.write & (word > self.slots)):
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
