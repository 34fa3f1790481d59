"""Paper: the Hardwired-Neuron as the HNLPU paper draws it (figure 4), signs folded.

Every region counts its ports and has an accumulator of its own; when all bits have passed, the accumulated
numbers are multiplied by the magnitudes of their regions, which are constants, and added up:

    y = sum over regions v of v * (sum over the inputs of the region of +-x)

The paper has a region for each sign; here a negative weight taps the complement of its input, which halves
the accumulators. What the complements lack is added in the region of magnitude 1, which exists for
that alone if the codebook has no 1.

Pins of a row, in order: the stubs (``phase * n_ports + port``, ports region after region), the constant
stubs (``port * T + phase``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

from hnlpu.alignment import AlignedMatrix
from hnlpu.base import Pins
from hnlpu.compression import Compression, Input, compress
from hnlpu.fitting import Statistics, fit_regions
from hnlpu.matching import places
from hnlpu.regions import Division, RegionPlan
from hnlpu.sums import UNLIMITED, MantissaSum, Term, mantissa_sum, split_magnitude

__all__ = ["PaperPlan", "Region"]


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """Ports that count one magnitude.

    Attributes
    ----------
    magnitude : int
    n_ports : int
        Ports for weights.
    count : Compression
        Its inputs are these ports and, in the region of magnitude 1, the constant ports.
    max_count : int
        Largest count of one cycle.
    accumulator_bits : int
    """

    magnitude: int
    n_ports: int
    count: Compression
    max_count: int
    accumulator_bits: int


@dataclass(frozen=True)
class PaperPlan(RegionPlan):
    """A base of the paper's neurons.

    Attributes
    ----------
    capacities : tuple of int
        Ports of each region; empty for as many as any matrix can need.
    """

    capacities: tuple[int, ...] = ()

    arch: ClassVar[str] = "paper"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.capacities:
            object.__setattr__(self, "capacities", (self.n_bundles,) * len(self.regions))
        self._check_numbers("capacities", len(self.regions))

    @classmethod
    def for_matrices(
        cls,
        matrices: Sequence[AlignedMatrix],
        *,
        activation_bits: int = 8,
        phases: int = 1,
        exponent_values: int = 1,
        magnitudes: tuple[int, ...],
        block: int = 32,
        adder: int = 24,
        failure_rate: float = 1e-6,
    ) -> Self:
        """The smallest base that all ``matrices`` fit, and others of their statistics almost surely.

        Parameters
        ----------
        matrices : sequence of AlignedMatrix
            All of one shape.
        failure_rate : float
            Chance that a row of another matrix does not fit (see ``hnlpu.fitting``); 1 for no slack.

        Raises
        ------
        HnlpuError
            No matrices, different shapes, weights that are not in the codebook.
        """
        seen = Statistics.of(matrices, magnitudes, exponent_values, phases)
        return cls(
            seen.n_rows,
            seen.n_columns,
            activation_bits,
            phases,
            exponent_values,
            block,
            magnitudes,
            adder,
            fit_regions(seen, failure_rate),
        )

    @property
    def region_ports(self) -> tuple[int, ...]:
        return self.capacities

    @property
    def n_ports(self) -> int:
        return sum(self.capacities)

    @property
    def n_region_pins(self) -> int:
        return 0

    @property
    def row_regions(self) -> tuple[Region, ...]:
        """Regions that have ports, ascending."""
        return _row_regions(self)

    @property
    def row_sum(self) -> MantissaSum:
        """How the accumulated numbers are multiplied and added."""
        return _row_sum(self)

    @property
    def accumulator_bits(self) -> int:
        """Of the one register that could replace those of the regions."""
        most = sum(region.magnitude * region.max_count for region in self.row_regions)
        return (2 * self.phases * most).bit_length()

    @property
    def tracks(self) -> int:
        """Wires along the strip that the counters take, those of all regions side by side.

        Not counted: the jogs from each line to a port of the weight's region, and the sum behind the
        accumulators, which stands at the end of the row.
        """
        return sum(region.count.tracks for region in self.row_regions)

    @property
    def depth(self) -> int:
        return max(self.row_sum.depth, *(region.count.depth for region in self.row_regions))

    @property
    def row_name(self) -> str:
        return self._row_name(self.capacities)

    def _adder_transistors(self) -> int:
        return sum(region.count.cost for region in self.row_regions) + self.row_sum.cost

    def port_polarity(self) -> npt.NDArray[np.int64]:
        return np.array(
            [p for region in self.row_regions for p in region.count.polarity[: region.n_ports]],
            dtype=np.int64,
        )

    @property
    def port_places(self) -> npt.NDArray[np.int64]:
        """The ports of every region are spread evenly along the strip."""
        even = np.concatenate([places(n) for n in self.capacities])
        result = np.empty(self.n_ports, dtype=np.int64)
        result[np.argsort(even, kind="stable")] = places(self.n_ports)
        return result

    def divide(self, weights: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]) -> Division:
        n_ports = np.asarray(self.capacities, dtype=np.int64)
        ports = np.cumsum(n_ports)[:, None] - n_ports[:, None] + np.arange(max(1, n_ports.max()))
        # Beyond a region's own ports stands whatever: it is not asked for.
        ports = np.minimum(ports, self.n_ports - 1)
        rows = len(weights)
        return Division(
            np.broadcast_to(ports, (rows, *ports.shape)),
            np.broadcast_to(n_ports, (rows, len(n_ports))),
        )

    def read_regions(self, pins: Pins) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        magnitudes = np.repeat(np.asarray(self.regions, dtype=np.int64), self.capacities)
        rows = self.n_rows
        return np.broadcast_to(magnitudes, (rows, self.n_ports)), np.zeros(rows, dtype=np.int64)


@lru_cache(maxsize=256)
def _row_regions(plan: PaperPlan) -> tuple[Region, ...]:
    ports = dict(zip(plan.regions, plan.capacities, strict=True))
    constants = plan.constant_ports
    ports.setdefault(1, 0)
    regions = []
    for magnitude, n in sorted(ports.items()):
        inputs = [Input(0, free=True)] * n
        if magnitude == 1:
            inputs += [Input(port.column) for port in constants]
        max_count = sum(1 << each.column for each in inputs)
        if inputs:
            count = compress(
                tuple(inputs),
                n_columns=max_count.bit_length(),
                tracks=UNLIMITED,
                inverting=plan.adder == 24,
            )
            width = (2 * plan.phases * max_count).bit_length()
            regions.append(Region(magnitude, n, count, max_count, width))
    return tuple(regions)


@lru_cache(maxsize=256)
def _row_sum(plan: PaperPlan) -> MantissaSum:
    terms = []
    for region in plan.row_regions:
        mantissa, column = split_magnitude(region.magnitude)
        n_bits = region.accumulator_bits + plan.product_bits - 1
        most = plan.phases * region.max_count << (plan.product_bits - 1)
        terms.append((mantissa, Term(column, n_bits, most, signed=True)))
    return mantissa_sum(tuple(terms), plan.y_bits, inverting=plan.adder == 24)
