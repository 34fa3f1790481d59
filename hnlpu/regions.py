"""Regions: what the neurons of the HNLPU paper and their merged kind have in common.

A weight does not choose what its line carries, but where it enters: a bundle has two lines, ``x`` and its
complement, and a row has *regions*, groups of ports that count one magnitude each. A weight of magnitude
``v`` is a tap of its input's line in region ``v``. Block exponents need no shifter: ``m * 2**e`` is simply
a greater magnitude, so the regions of a base are the *effective* magnitudes

    { m * 2**e : m in the codebook, 0 <= e < E }

A port has T pins; pin ``p`` takes an input of phase ``p``, any of them (input ``k`` is phase ``k % T`` of
bundle ``k // T``). So a matrix fits when in every row and phase no region has more weights than ports.
Weights that are zero take no port.

Two matrices with the same weights have the same pins, whichever way the weights are divided into
codebook value and block exponent. Read back, a block has the smallest exponent that all its weights
allow. :func:`hnlpu.alignment.align` chooses the same, as long as the codebook has no gaps: for E2M1 it does.
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt

from hnlpu.alignment import AlignedMatrix
from hnlpu.base import HIGH, LINES, LOW, ArrayPlan, Pins, Wiring, name_of_magnitudes
from hnlpu.constants import ConstantPort, constant_ports, read_constants, wire_constants
from hnlpu.errors import HnlpuError
from hnlpu.lines import LineGroups, line_groups
from hnlpu.matching import Demand, match_priced, places
from hnlpu.wiring import strip_height_um, tracks_available

__all__ = [
    "Division",
    "RegionPlan",
    "count_weights",
    "region_magnitudes",
    "slot_bits",
    "slot_weights",
]

#: Weights are compared as 64-bit integers, and so is what a row lacks.
_WEIGHT_BITS = 47
#: Rows that are wired at a time.
_ROWS = 256


@lru_cache(maxsize=64)
def region_magnitudes(magnitudes: tuple[int, ...], exponent_values: int) -> tuple[int, ...]:
    """Effective magnitudes, ascending: one region each."""
    return tuple(sorted({m << e for m in magnitudes for e in range(exponent_values)}))


def slot_weights(regions: Sequence[int], slice_ports: int) -> tuple[int, ...]:
    """What the bits of the counts of slices can be worth, ascending."""
    bits = range(slice_ports.bit_length())
    return tuple(sorted({magnitude << bit for magnitude in regions for bit in bits}))


@lru_cache(maxsize=64)
def slot_bits(
    regions: tuple[int, ...], slice_ports: int
) -> tuple[tuple[tuple[int, int], ...], ...]:
    """Of every slot weight the regions (by index) and the bits of their counts that are worth it."""
    bits = range(slice_ports.bit_length())
    return tuple(
        tuple(
            (region, bit)
            for region, magnitude in enumerate(regions)
            for bit in bits
            if magnitude << bit == weight
        )
        for weight in slot_weights(regions, slice_ports)
    )


def count_weights(
    weights: npt.NDArray[np.int64], regions: Sequence[int], phases: int
) -> npt.NDArray[np.int64]:
    """Weights of each row in each region and phase, (n_rows, n_regions, phases)."""
    counts = np.zeros((weights.shape[0], len(regions), phases), dtype=np.int64)
    for phase in range(phases):
        here = np.abs(weights[:, phase::phases])
        for region, magnitude in enumerate(regions):
            counts[:, region, phase] = (here == magnitude).sum(axis=1)
    return counts


@dataclass(frozen=True, slots=True, eq=False)
class Division:
    """Ports of some rows, divided among their regions.

    Attributes
    ----------
    ports : int64 array (n_rows, n_regions, most ports)
        Ports of each region in the order in which they stand along the strip.
    n_ports : int64 array (n_rows, n_regions)
        How many of them there are.
    outputs : tuple of (Demand, outputs, pins)
        What else is to be matched: own outputs of the rows (n_lines, most sources) with region pins
        (n_lines, most targets).
    """

    ports: npt.NDArray[np.int64]
    n_ports: npt.NDArray[np.int64]
    outputs: tuple[tuple[Demand, npt.NDArray[np.int64], npt.NDArray[np.int64]], ...] = ()


@dataclass(frozen=True)
class RegionPlan(ArrayPlan):
    """A base with a region of ports per magnitude.

    Attributes
    ----------
    phases : int
        Pins of a port.
    adder : int
        Transistors of the full adder: 24 (inverting) or 28.
    """

    phases: int = 1
    adder: int = 24

    def __post_init__(self) -> None:
        super().__post_init__()
        top_bits = self.magnitudes[-1].bit_length() + self.exponent_values - 1
        if top_bits > _WEIGHT_BITS:
            raise HnlpuError(
                "weights are too wide for regions",
                where="base",
                got=f"{top_bits} bits with {self.exponent_values} exponent values",
                do=f"use fewer exponent values ({_WEIGHT_BITS} bits at most), or taps",
            )
        if self.adder not in (24, 28):
            raise HnlpuError(
                "no such full adder",
                where="base",
                got=f"{self.adder} transistors",
                do="choose 24 (inverting) or 28",
            )

    def _check_numbers(self, name: str, n: int) -> None:
        """Make field ``name`` a tuple, and raise unless it holds ``n`` counts."""
        given = tuple(getattr(self, name))
        most = self.n_columns + len(self.regions)
        if len(given) != n or not all(isinstance(n, int) and 0 <= n <= most for n in given):
            raise HnlpuError(
                f"{name} are not as many numbers as there must be",
                where="base",
                got=str(list(given)),
                do=f"give {n} numbers from 0 to {most}",
            )
        if not any(given):
            raise HnlpuError(
                "a row without ports", where="base", got=f"{name} 0", do="give a region a port"
            )
        object.__setattr__(self, name, given)

    # What a kind of regions decides.

    @property
    @abstractmethod
    def n_ports(self) -> int:
        """Ports of a row that carry weights."""

    @property
    @abstractmethod
    def region_ports(self) -> tuple[int, ...]:
        """Most ports that each region may have."""

    @abstractmethod
    def port_polarity(self) -> npt.NDArray[np.int64]:
        """Of every port: 1 where it takes its bits as they are, -1 where complemented."""

    @property
    @abstractmethod
    def port_places(self) -> npt.NDArray[np.int64]:
        """Where along the strip each port stands (see :mod:`hnlpu.matching`)."""

    @abstractmethod
    def divide(self, weights: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]) -> Division:
        """Give each region of some rows its ports.

        Parameters
        ----------
        weights : int64 array (n_rows, phases, n_bundles)
            Magnitudes, 0 where there is no input.
        counts : int64 array (n_rows, n_regions, phases)
        """

    @abstractmethod
    def read_regions(self, pins: Pins) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """The inverse: magnitude of each port (n_rows, n_ports), 0 for none, and errors of each row."""

    @property
    @abstractmethod
    def n_region_pins(self) -> int:
        """Pins between the stubs and the constant stubs."""

    @abstractmethod
    def _adder_transistors(self) -> int:
        """Of a row, roughly."""

    # What follows.

    @property
    def regions(self) -> tuple[int, ...]:
        """Effective magnitudes, ascending."""
        return region_magnitudes(self.magnitudes, self.exponent_values)

    @property
    def row_transistors(self) -> int:
        """Transistors of a row's ports and adders, without accumulators."""
        selects = 2 * self.n_stubs if self.phases > 1 else 0
        return selects + self._adder_transistors()

    @property
    def tracks_available(self) -> int:
        """Of a strip that is high enough for the pins of a port, and for the transistors of the row."""
        transistors = self.row_transistors / self.n_bundles
        return tracks_available(strip_height_um(self.lines.n_lines, self.phases, transistors))

    @property
    def lines(self) -> LineGroups:
        return line_groups((1,))

    @property
    def product_bits(self) -> int:
        return self.activation_bits

    @property
    def n_bundles(self) -> int:
        return ceil(self.n_columns / self.phases)

    def column(self, phase: int, bundle: int) -> int | None:
        column = bundle * self.phases + phase
        return column if column < self.n_columns else None

    def bundle_segment(self, bundle: int) -> int:
        return 0

    @property
    def n_stubs(self) -> int:
        return self.phases * self.n_ports

    @property
    def n_pins(self) -> int:
        return self.n_stubs + self.n_region_pins + self.phases * len(self.constant_ports)

    @property
    def largest_sum(self) -> int:
        """Most that the magnitudes of a row can add up to."""
        total, rest = 0, self.n_columns
        for magnitude, ports in zip(
            reversed(self.regions), reversed(self.region_ports), strict=True
        ):
            n = min(rest, ports * self.phases)
            total, rest = total + magnitude * n, rest - n
        return total

    @property
    def constant_ports(self) -> tuple[ConstantPort, ...]:
        """Enough for all weights being negative."""
        return constant_ports(self.phases, self.product_bits, self.largest_sum)

    def _row_name(self, own: tuple[object, ...]) -> str:
        digest = sha256(repr(own).encode()).hexdigest()[:8]
        return (
            f"{self.n_columns}_{self.arch}_a{self.activation_bits}_t{self.phases}"
            f"_e{self.exponent_values}_b{self.block}_f{self.adder}"
            f"{name_of_magnitudes(self.magnitudes)}_r{digest}"
        )

    # Fitting.

    def count(self, matrix: AlignedMatrix) -> npt.NDArray[np.int64]:
        """Weights of each row in each region and phase, (n_rows, n_regions, phases)."""
        return count_weights(matrix.integers(), self.regions, self.phases)

    def check_fit(self, matrix: AlignedMatrix) -> None:
        """Raise unless every row fits; names the row, the region, and by how much it does not."""
        self.check_shape(matrix)
        self.check_counts(matrix.name, self.count(matrix))

    def check_counts(self, name: str, counts: npt.NDArray[np.int64]) -> None:
        """The same for counts of a matrix called ``name``."""
        excess = counts - np.asarray(self.region_ports)[None, :, None]
        if excess.max() > 0:
            row, region, phase = map(int, np.unravel_index(excess.argmax(), excess.shape))
            raise self.misfit(
                f"{name}: row {row}",
                f"{counts[row, region, phase]} weights of magnitude {self.regions[region]} in "
                f"phase {phase}, region holds {self.region_ports[region]}",
            )

    def misfit(self, where: str, got: str) -> HnlpuError:
        return HnlpuError(
            "weights do not fit the base",
            where=f"{where} on {self.name}",
            got=got,
            do="make a base for this matrix too, or use the taps architecture, which fits any",
        )

    def use(self, counts: npt.NDArray[np.int64]) -> dict[str, Any]:
        """How much of the base rows with these counts use.

        Returns
        -------
        dict
            ``pins``: pins for weights in a row, and which share is used, on average and in the fullest
            row. ``regions``: of each its ports, the share used, the most that a row uses in a phase, and
            what is left then. ``slices``, where there are any: the same of them.
        """
        weights = counts.sum(axis=(1, 2))
        regions = []
        for i, (magnitude, ports) in enumerate(zip(self.regions, self.region_ports, strict=True)):
            most = int(counts[:, i].max())
            regions.append(
                {
                    "magnitude": magnitude,
                    "n_ports": ports,
                    "mean_use": float(counts[:, i].mean()) / max(1, ports),
                    "most": most,
                    "slack": ports - most,
                }
            )
        pins = {
            "n_pins": self.n_stubs,
            "mean_use": float(weights.mean()) / self.n_stubs,
            "most_use": float(weights.max()) / self.n_stubs,
        }
        return {"pins": pins, "regions": regions}

    # Wiring.

    def default_ties(self) -> npt.NDArray[np.int64]:
        """Tie of every pin that is on no line and no output, (n_pins,): what its bits count nothing on."""
        stubs = np.tile(np.where(self.port_polarity() == 1, LOW, HIGH), self.phases)
        rest = np.full(self.n_pins - self.n_stubs, LOW)
        return np.concatenate([stubs, rest])

    def wire(self, matrix: AlignedMatrix) -> Pins:
        self.check_shape(matrix)
        weights = matrix.integers()
        counts = count_weights(weights, self.regions, self.phases)
        self.check_counts(matrix.name, counts)
        parts = [
            self._wire_rows(weights[first : first + _ROWS], counts[first : first + _ROWS])
            for first in range(0, self.n_rows, _ROWS)
        ]
        total = np.where(weights < 0, -weights, 0).sum(axis=1)
        constants = wire_constants(self, self.constant_ports, total)
        return np.concatenate([np.concatenate(parts), constants], axis=1)

    def _wire_rows(self, weights: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]) -> Pins:
        """Stubs and region pins of some rows, matched for short wires and low peaks."""
        rows, n_bundles = len(weights), self.n_bundles
        padded = np.pad(weights, ((0, 0), (0, n_bundles * self.phases - self.n_columns)))
        lanes = padded.reshape(rows, n_bundles, self.phases).transpose(0, 2, 1)
        magnitudes = np.abs(lanes)
        division = self.divide(magnitudes, counts)
        found = [
            self._demand(magnitudes == magnitude, division.ports[:, region], n)
            for region, (magnitude, n) in enumerate(
                zip(self.regions, division.n_ports.T, strict=True)
            )
        ]
        demands = [demand for demand, _ in found] + [demand for demand, _, _ in division.outputs]
        matched = match_priced(demands, rows)

        polarity = self.port_polarity()
        ties = self.default_ties()
        stubs = np.tile(ties[: self.n_stubs].reshape(self.phases, -1), (rows, 1, 1))
        for region, (demand, bundles) in enumerate(found):
            wanted = demand.wanted
            line, i = np.nonzero(wanted)
            row, phase = np.divmod(line, self.phases)
            port = division.ports[row, region, matched[region][wanted]]
            bundle = bundles[line, i]
            sign = np.sign(lanes[row, phase, bundle]) * polarity[port]
            stubs[row, phase, port] = LINES + bundle * self.lines.n_lines + (sign < 0)
        region_pins = np.tile(ties[self.n_stubs :][: self.n_region_pins], (rows, 1))
        for (demand, outputs, pins), index in zip(
            division.outputs, matched[len(found) :], strict=True
        ):
            line, i = np.nonzero(demand.wanted)
            pin = pins[line, index[line, i]]
            region_pins[demand.row[line], pin] = self.local_driver(0) + outputs[line, i]
        return np.concatenate([stubs.reshape(rows, -1), region_pins], axis=1)

    def _demand(
        self,
        own: npt.NDArray[np.bool_],
        ports: npt.NDArray[np.int64],
        n_ports: npt.NDArray[np.int64],
    ) -> tuple[Demand, npt.NDArray[np.int64]]:
        """A region's weights and ports, and the bundles of the weights; a line per row and phase.

        Parameters
        ----------
        own : bool array (n_rows, phases, n_bundles)
        ports : int64 array (n_rows, most ports)
        n_ports : int64 array (n_rows,)
        """
        line, bundle = np.nonzero(own.reshape(-1, self.n_bundles))
        n = np.bincount(line, minlength=own.shape[0] * self.phases)
        first = np.cumsum(n) - n
        bundles = np.zeros((len(n), int(n.max())), dtype=np.int64)
        bundles[line, np.arange(len(line)) - first[line]] = bundle
        demand = Demand(
            row=np.repeat(np.arange(own.shape[0]), self.phases),
            sources=places(self.n_bundles)[bundles],
            n_sources=n,
            targets=np.repeat(self.port_places[ports], self.phases, axis=0),
            n_targets=np.repeat(n_ports, self.phases),
        )
        return demand, bundles

    def read(self, pins: Pins) -> Wiring:
        end = self.n_stubs + self.n_region_pins
        stubs = pins[:, : self.n_stubs].reshape(self.n_rows, self.phases, self.n_ports)
        magnitudes, errors = self.read_regions(pins[:, self.n_stubs : end])
        polarity = self.port_polarity()
        weights = np.zeros((self.n_rows, self.n_columns), dtype=np.int64)
        missing = np.zeros((self.n_rows, self.n_columns), dtype=bool)
        total = np.zeros(self.n_rows, dtype=np.int64)
        for phase in range(self.phases):
            here = stubs[:, phase]
            bundle, complement = np.divmod(here - LINES, self.lines.n_lines)
            column = bundle * self.phases + phase
            tapped = (here >= LINES) & (column < self.n_columns) & (bundle < self.n_bundles)
            own = tapped & (magnitudes > 0)
            part = np.where(complement == 0, polarity, -polarity) * magnitudes
            rows, ports = np.nonzero(own)
            np.add.at(weights, (rows, column[rows, ports]), part[rows, ports])
            total += np.where(own & (part < 0), magnitudes, 0).sum(axis=1)
            rows, ports = np.nonzero(tapped & ~own)
            missing[rows, column[rows, ports]] = True
            errors = errors + (~own & (here != np.where(polarity == 1, LOW, HIGH))).sum(axis=1)
        errors = errors + (read_constants(self, self.constant_ports, pins[:, end:]) != total)
        values, exponents, unknown = self._divide(weights)
        missing |= unknown
        values[missing] = 0
        return Wiring(values.astype(np.int32), missing, exponents, errors)

    def _divide(
        self, weights: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
        """Weights as codebook values and the smallest block exponents, and those which are not such."""
        padded = np.pad(weights, ((0, 0), (0, self.n_blocks * self.block - self.n_columns)))
        blocks = np.abs(padded).reshape(self.n_rows, self.n_blocks, self.block)
        fewest = np.full((self.n_rows, self.n_blocks), self.block + 1)
        exponents = np.zeros((self.n_rows, self.n_blocks), dtype=np.uint8)
        for exponent in range(self.exponent_values):
            known = np.asarray([0, *self.magnitudes], dtype=np.int64) << exponent
            unknown = (~np.isin(blocks, known)).sum(axis=2)
            better = unknown < fewest
            exponents[better] = exponent
            fewest = np.where(better, unknown, fewest)
        shifts = np.repeat(exponents.astype(np.int64), self.block, axis=1)[:, : self.n_columns]
        values = weights >> shifts
        good = (values << shifts == weights) & np.isin(np.abs(values), [0, *self.magnitudes])
        return values, exponents, ~good
