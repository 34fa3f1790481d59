"""The host port: registers, bits and errors, for whoever drives a chip.

Every request gets one response, with ``error`` set when it was refused; a refused request changes nothing
but the sticky error code in ``STATUS``.

A chip works on several sequences at a time, each with a cache of its own. ``SEQUENCE`` selects the one that PROMPT,
LIMIT, STOP, POSITION, SEQUENCE_STATUS and CONTROL.RESET_SEQUENCE mean; a word of TOKEN says whose it is. A sequence
goes on by itself until its end, while at most two of its tokens wait to be read.
"""

from enum import IntEnum

__all__ = [
    "IDENTITY",
    "IDLE_WRITES",
    "LAST",
    "MAX_SEQUENCES",
    "MAX_VOCABULARY",
    "READ_ONLY",
    "SEQUENCE_SETTINGS",
    "WRITE_ONLY",
    "Control",
    "HostError",
    "Register",
    "Status",
    "TokenWord",
]

#: What ``Register.IDENTITY`` reads: "HNLP".
IDENTITY = 0x484E4C50
#: Set with the last token of a prompt: the chip goes on by itself.
LAST = 1 << 31

#: Sequences that a word of TOKEN can tell apart, and tokens.
MAX_SEQUENCES, MAX_VOCABULARY = 1 << 10, 1 << 20


class Register(IntEnum):
    """Addresses, one 32-bit word each."""

    IDENTITY = 0  #: read only
    STATUS = 1  #: read only, see Status
    CONTROL = 2  #: write only, see Control
    PROMPT = 3  #: write only: a token, and LAST
    TOKEN = 4  #: read only: takes the next token, see TokenWord
    LIMIT = 5  #: tokens to generate after a prompt of the sequence; 0 only scores
    STOP = 6  #: LAST and the token that ends the sequence; 0 for none
    TEMPERATURE = 7  #: log2(e) / temperature, 12 bits of fraction; 0 takes the largest logit
    TOP_K = 8  #: logits that take part in sampling; 0 for all
    SEED = 9  #: write only
    BOOT_ADDRESS = 10  #: of the next boot word
    BOOT_DATA = 11  #: write only: a boot word; the address goes on by one
    POSITION = 12  #: read only: tokens of the sequence so far
    CYCLES = 13  #: read only, since reset
    BUSY_CYCLES = 14  #: read only, since reset
    TOKENS_IN = 15  #: read only: tokens that entered the layers, since reset
    TOKENS_OUT = 16  #: read only: tokens generated, since reset
    COUNTER = 17  #: which block's saturations SATURATIONS reads
    SATURATIONS = 18  #: read only: clipped elements of that block, sticky at the largest number
    VOCABULARY = 19  #: read only
    CONTEXT = 20  #: read only
    SEQUENCE = 21  #: the sequence that other registers mean
    SEQUENCES = 22  #: read only: how many there are
    SEQUENCE_STATUS = 23  #: read only: BUSY and GENERATING of Status, for one sequence


READ_ONLY = frozenset(
    {
        Register.IDENTITY, Register.STATUS, Register.TOKEN, Register.POSITION, Register.CYCLES,
        Register.BUSY_CYCLES, Register.TOKENS_IN, Register.TOKENS_OUT, Register.SATURATIONS,
        Register.VOCABULARY, Register.CONTEXT, Register.SEQUENCES, Register.SEQUENCE_STATUS,
    }
)  # fmt: skip
WRITE_ONLY = frozenset({Register.CONTROL, Register.PROMPT, Register.SEED, Register.BOOT_DATA})
#: Written only while the chip does nothing.
IDLE_WRITES = frozenset(
    {
        Register.TEMPERATURE, Register.TOP_K, Register.COUNTER, Register.BOOT_ADDRESS,
        Register.SEED, Register.BOOT_DATA,
    }
)  # fmt: skip
#: Of one sequence; written only while it does nothing.
SEQUENCE_SETTINGS = frozenset({Register.LIMIT, Register.STOP})


class Control(IntEnum):
    """Bits of CONTROL."""

    RESET_SEQUENCE = 1 << 0  #: forget the sequence, after the tokens on their way
    CLEAR_ERROR = 1 << 1
    BOOTED = 1 << 2  #: the boot image is complete


class Status(IntEnum):
    """Bits of STATUS; the error code stands from bit ``ERROR_SHIFT`` on."""

    BUSY = 1 << 0  #: a token is on its way, or a sequence generates, or a reset is under way
    BOOTED = 1 << 1
    TOKEN = 1 << 2  #: TOKEN has one
    GENERATING = 1 << 3
    ERROR_SHIFT = 8


class HostError(IntEnum):
    """Why a request was refused; the first one stays in STATUS until it is cleared."""

    NONE = 0
    TOKEN = 1  #: token outside the vocabulary
    CONTEXT = 2  #: no position is left
    BUSY = 3  #: not while the chip works on a sequence
    REGISTER = 4  #: no such register, or not to be written (or read) like this
    NOT_BOOTED = 5  #: a prompt before CONTROL.BOOTED


class TokenWord(IntEnum):
    """Bits of TOKEN above the token itself."""

    VALID = 1 << 31
    END = 1 << 30  #: the last one: limit, stop token, or context reached
    SEQUENCE_SHIFT = 20  #: the sequence's number stands from here on
