"""Fixed point in hardware: the operations of ``hnlpu.sim.fixed_point``, as expressions.

Amaranth widens every sum and product, so nothing is lost before it is rounded or saturated on purpose.
"""

from amaranth.hdl import Module, Mux, Signal, Value, signed

__all__ = ["bit_length", "round_shift", "saturate", "shift_round"]


def round_shift(value: Value, shift: int) -> Value:
    """``value / 2**shift`` rounded half up, for a fixed shift."""
    return value if shift == 0 else (value + (1 << (shift - 1))) >> shift


def shift_round(value: Value, shift: Value) -> Value:
    """``value / 2**shift`` rounded half up, for an unsigned shift that varies.

    One more bit is kept below the point, so that rounding is one increment after the shift.
    """
    doubled = (value << 1) >> shift
    return (doubled + 1) >> 1


def saturate(m: Module, value: Value, n_bits: int, name: str) -> tuple[Signal, Signal]:
    """``value`` as a signed integer of ``n_bits``, and whether it had to be clipped."""
    low, high = -(1 << (n_bits - 1)), (1 << (n_bits - 1)) - 1
    result = Signal(signed(n_bits), name=name)
    clipped = Signal(name=f"{name}_saturated")
    above, below = value > high, value < low
    m.d.comb += [
        result.eq(Mux(above, high, Mux(below, low, value))),
        clipped.eq(above | below),
    ]
    return result, clipped


def bit_length(m: Module, value: Value, name: str) -> Signal:
    """Bits of an unsigned value, 0 for 0: a priority encoder."""
    result = Signal(range(len(value) + 1), name=name)
    m.d.comb += result.eq(0)
    for i in range(len(value)):
        with m.If(value[i]):
            m.d.comb += result.eq(i + 1)
    return result
