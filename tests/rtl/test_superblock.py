import numpy as np
import pytest

from hnlpu.compression import Input, compress
from hnlpu.rtl.superblock import Superblock


def make(n_ports, phases, exponent_values, inverting=True):
    plan = compress(
        (Input(0, free=True),) * n_ports,
        n_columns=n_ports.bit_length(),
        tracks=n_ports.bit_length(),
        inverting=inverting,
    )
    return Superblock(phases, exponent_values, plan)


def run(simulate, dut, taps, exponents, phases):
    """Counts for true ``taps`` (n, phases, ports)."""
    levels = taps ^ (np.asarray(dut.plan.polarity[: dut.n_ports]) < 0)
    counts = []

    async def bench(ctx):
        for k in range(len(phases)):
            pack = 1 << np.arange(taps.shape[1] * taps.shape[2]).astype(object)
            ctx.set(dut.taps, int(levels[k].astype(int).ravel() @ pack))
            if dut.exponent_bits:
                width = dut.exponent_bits
                pins = sum(int(e) << (width * p) for p, e in enumerate(exponents[k]))
                ctx.set(dut.exponents, pins)
            ctx.set(dut.phase, 1 << int(phases[k]))
            counts.append(ctx.get(dut.count))

    simulate(dut, bench, clocked=False)
    return counts


@pytest.mark.parametrize("n_ports", [1, 5, 32])
@pytest.mark.parametrize("phases", [1, 2, 3])
@pytest.mark.parametrize("exponent_values", [2, 3, 4, 8])
@pytest.mark.parametrize("inverting", [True, False], ids=["24", "28"])
def test_counts_the_phase_and_shifts_by_its_exponent(
    simulate, n_ports, phases, exponent_values, inverting
):
    rng = np.random.default_rng(n_ports)
    n = 40
    taps = rng.integers(0, 2, (n, phases, n_ports))
    taps[:20] = rng.random((20, phases, n_ports)) < 0.95
    taps[0], taps[1] = 0, 1
    exponents = rng.integers(0, exponent_values, (n, phases))
    exponents[1] = exponent_values - 1
    phase = rng.integers(0, phases, n)
    chosen = np.arange(n), phase
    expected = taps[chosen].sum(axis=1) << exponents[chosen]
    dut = make(n_ports, phases, exponent_values, inverting)
    assert run(simulate, dut, taps, exponents, phase) == expected.tolist()
