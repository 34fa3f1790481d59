"""cocotb testbench: drives every array of a cosimulation top and compares each result with the twin.

Runs inside the simulator. ``HNLPU_JOB`` names a folder with ``job.json`` (what stands where) and
``{array}.npz`` (``x``, ``y``: vectors and the twin's results); findings go to ``found.json`` there.
"""

import json
import os
from math import ceil
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
import numpy.typing as npt
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge, Timer, gather
from cocotb.utils import get_sim_time

_PERIOD_NS = 2


def _packed(rows: npt.NDArray[np.int64], n_bits: int) -> list[int]:
    """Each row of ``rows`` as one integer of ``n_bits``-wide fields, element 0 lowest."""
    mask = (1 << n_bits) - 1
    return [
        int("".join(f"{int(value) & mask:0{n_bits}b}" for value in reversed(row)), 2)
        for row in rows
    ]


def _wrong_rows(difference: int, n_bits: int) -> set[int]:
    """Fields of ``n_bits`` in which a packed difference is not zero."""
    return {i // n_bits for i, bit in enumerate(reversed(f"{difference:b}")) if bit == "1"}


class _Array:
    """Handles and findings of one array."""

    def __init__(self, dut: Any, entry: dict[str, Any], folder: Path) -> None:
        self.entry = entry
        name = entry["array"]
        self.x_valid = getattr(dut, f"{name}_x_valid")
        self.x_ready = getattr(dut, f"{name}_x_ready")
        self.x = getattr(dut, f"{name}_x")
        self.y_valid = getattr(dut, f"{name}_y_valid")
        self.y_ready = getattr(dut, f"{name}_y_ready")
        self.y = getattr(dut, f"{name}_y")
        self.pins = getattr(dut, f"{name}_row_exponents")
        self.clk = dut.clk
        with np.load(folder / f"{name}.npz") as data:
            self.vectors = _packed(data["x"], entry["activation_bits"])
            self.expected = _packed(data["y"], entry["y_bits"])
            self.row_exponents = _packed(data["row_exponents"][None], entry["exponent_bits"])[0]
        self.offered = 0.0
        self.valid: list[float] = []
        self.checked = 0
        self.mismatches = 0
        self.first: dict[str, int] | None = None
        self.wrong_bits = 0

    def check(self, vector: int) -> None:
        """Compare the result on the port with that of ``vector``."""
        self.checked += 1
        got = int(self.y.value)
        difference = got ^ self.expected[vector]
        if not difference:
            return
        self.mismatches += 1
        self.wrong_bits |= difference
        if self.first is None:
            n_bits = self.entry["y_bits"]
            row = ((difference & -difference).bit_length() - 1) // n_bits
            fields = [
                (v >> (row * n_bits)) & ((1 << n_bits) - 1) for v in (self.expected[vector], got)
            ]
            expected, actual = (f - (1 << n_bits) if f >> (n_bits - 1) else f for f in fields)
            self.first = {"vector": vector, "row": row, "expected": expected, "got": actual}

    async def _feed(self) -> None:
        self.x_valid.value = 1
        self.offered = get_sim_time("ns")
        for x in self.vectors:
            self.x.value = x
            await FallingEdge(self.x_ready)  # the clock edge that accepted it
        self.x_valid.value = 0

    async def full_speed(self) -> None:
        """All vectors back to back."""
        self.y_ready.value = 1
        feeding = cocotb.start_soon(self._feed())
        for vector in range(len(self.vectors)):
            await RisingEdge(self.y_valid)
            self.valid.append(get_sim_time("ns"))
            self.check(vector)
        await feeding

    async def stalled(self, rng: np.random.Generator, n_vectors: int) -> None:
        """The last vectors again, with random gaps before inputs and before taking results."""

        async def feed(vectors: list[int], waits: list[int]) -> None:
            for vector, wait in zip(vectors, waits, strict=True):
                for _ in range(wait):
                    await RisingEdge(self.clk)
                self.x.value = self.vectors[vector]
                self.x_valid.value = 1
                await FallingEdge(self.x_ready)
                self.x_valid.value = 0

        vectors = list(range(len(self.vectors)))[-n_vectors:]
        waits = rng.integers(0, 2 * self.entry["interval_cycles"], (2, len(vectors)))
        self.y_ready.value = 0
        feeding = cocotb.start_soon(feed(vectors, waits[0].tolist()))
        for vector, wait in zip(vectors, waits[1].tolist(), strict=True):
            if not int(self.y_valid.value):
                await RisingEdge(self.y_valid)
            for _ in range(wait):
                await RisingEdge(self.clk)
            self.check(vector)
            self.y_ready.value = 1
            await FallingEdge(self.y_valid)
            self.y_ready.value = 0
        await feeding

    def found(self) -> dict[str, Any]:
        """Findings, timing included."""
        wrong_ties = int(self.pins.value) ^ self.row_exponents
        wrong = _wrong_rows(self.wrong_bits, self.entry["y_bits"])
        tied_wrong = _wrong_rows(wrong_ties, self.entry["exponent_bits"])
        if tied_wrong:
            self.mismatches += 1
            self.first = self.first or {"row": min(tied_wrong), "row_exponents": 1}
        steps = {
            round((b - a) / _PERIOD_NS) for a, b in zip(self.valid, self.valid[1:], strict=False)
        }
        # The array was idle when the first vector was offered, half a cycle before a clock edge.
        latency = ceil((self.valid[0] - self.offered) / _PERIOD_NS)
        return {
            "array": self.entry["array"],
            "vectors": self.checked,
            "mismatches": self.mismatches,
            "first_mismatch": self.first,
            "wrong_rows": sorted(wrong | tied_wrong),
            "interval_cycles": sorted(steps),
            "latency_cycles": [latency],
        }


@cocotb.test()
async def arrays(dut: Any) -> None:
    """Every array of the job, all at once."""
    folder = Path(os.environ["HNLPU_JOB"])
    job = json.loads((folder / "job.json").read_text())
    Clock(dut.clk, _PERIOD_NS, unit="ns").start()
    found = [_Array(dut, entry, folder) for entry in job["arrays"]]
    dut.rst.value = 1
    for array in found:
        array.x_valid.value = 0
        array.y_ready.value = 0
    for _ in range(3):
        await FallingEdge(dut.clk)
    dut.rst.value = 0
    await Timer(_PERIOD_NS, "ns")

    async def run(array: _Array, seed: int) -> None:
        await array.full_speed()
        await FallingEdge(array.y_valid)
        await array.stalled(np.random.default_rng([job["seed"], seed]), job["n_stalled"])

    await gather(*(run(array, i) for i, array in enumerate(found)))
    cycles = round(get_sim_time("ns") / _PERIOD_NS)
    result = {"cycles": cycles, "arrays": [array.found() for array in found]}
    (folder / "found.json").write_text(json.dumps(result))
