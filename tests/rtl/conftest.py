"""Running a component in Amaranth's simulator."""

import warnings
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from amaranth.hdl import Elaboratable
from amaranth.sim import Simulator

Bench = Callable[[Any], Awaitable[None]]


def run_bench(dut: Elaboratable, bench: Bench, clocked: bool = True) -> None:
    simulator = Simulator(dut)
    if clocked:
        simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        simulator.run()


@pytest.fixture
def simulate() -> Callable[..., None]:
    """``simulate(dut, bench, clocked=True)`` runs one testbench to its end."""
    return run_bench
