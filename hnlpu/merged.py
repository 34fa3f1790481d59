"""Merged: regions that share one tree and one accumulator, on prefabricated slices.

Ports come in *slices*, each counting a few of them. No slice belongs to a region: the metal connects
every bit of its count to a *slot*, and a slot of weight ``w`` adds what it gets at its place in the tree. So
bit ``b`` of a slice that serves magnitude ``v`` goes to a slot of weight ``v * 2**b``, which it may have
taken from another magnitude: slack is shared. All weights are ``m * 2**e`` with a few odd mantissas ``m``; a
slot enters at column ``e`` of what is added for ``m``, and that sum enters the total once for each bit
of ``m``. One accumulator collects the totals.

A slice that serves a region in one phase serves it in all T, so a region takes as many slices as its
fullest phase needs, and more where there are more. Unused slots are tied low.

Pins of a row, in order: the stubs (``phase * n_ports + port``, ports slice after slice), the slots
(one pin each, weight after weight), the constant stubs (``port * T + phase``). The row's own outputs are
the counts (``slice * count_bits + bit``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from hnlpu.alignment import AlignedMatrix
from hnlpu.base import LOW, Pins
from hnlpu.compression import Compression, Input, compress
from hnlpu.fitting import Statistics, fit_slices
from hnlpu.matching import Demand, places
from hnlpu.regions import Division, RegionPlan, slot_bits, slot_weights
from hnlpu.slices import divide_slices
from hnlpu.sums import UNLIMITED, MantissaSum, Term, mantissa_sum, split_magnitude

__all__ = ["MergedPlan"]


@dataclass(frozen=True)
class MergedPlan(RegionPlan):
    """A base of merged regions.

    Attributes
    ----------
    slots : tuple of int
        Slots of each of ``slot_weights``; empty for as many as any matrix can need.
    n_slices : int
        Slices of a row; 0 for as many as any matrix can need.
    slice_ports : int
        Ports of a slice.
    """

    phases: int = 4
    slots: tuple[int, ...] = ()
    n_slices: int = 0
    slice_ports: int = 7

    arch: ClassVar[str] = "merged"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_range("slice_ports", 2, 63)
        most = ceil(self.n_bundles / self.slice_ports)
        # Every region may leave one slice partly empty.
        full = min(most * len(self.regions), self.n_columns // self.slice_ports + len(self.regions))
        if not self.slots:
            slots = tuple(min(full, most * len(bits)) for bits in self.slot_bits)
            object.__setattr__(self, "slots", slots)
        self._check_numbers("slots", len(self.slot_weights))
        if not self.n_slices:
            object.__setattr__(self, "n_slices", full)
        self._check_range("n_slices", 1, self.n_columns + len(self.regions))

    @classmethod
    def for_matrices(
        cls,
        matrices: Sequence[AlignedMatrix],
        *,
        activation_bits: int = 8,
        phases: int = 4,
        exponent_values: int = 1,
        magnitudes: tuple[int, ...],
        block: int = 32,
        adder: int = 24,
        slice_ports: int = 7,
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
        slots, n_slices = fit_slices(seen, failure_rate, slice_ports)
        return cls(
            seen.n_rows,
            seen.n_columns,
            activation_bits,
            phases,
            exponent_values,
            block,
            magnitudes,
            adder,
            slots,
            n_slices,
            slice_ports,
        )

    @property
    def slot_weights(self) -> tuple[int, ...]:
        """What a one is worth in a slot, ascending."""
        return slot_weights(self.regions, self.slice_ports)

    @property
    def slot_bits(self) -> tuple[tuple[tuple[int, int], ...], ...]:
        """Of every slot weight the regions (by index) and bits of their counts that go there."""
        return slot_bits(self.regions, self.slice_ports)

    @property
    def region_ports(self) -> tuple[int, ...]:
        least = [self.n_slices] * len(self.regions)
        for n, bits in zip(self.slots, self.slot_bits, strict=True):
            for region, _ in bits:
                least[region] = min(least[region], n)
        return tuple(n * self.slice_ports for n in least)

    @property
    def n_ports(self) -> int:
        return self.n_slices * self.slice_ports

    @property
    def n_slots(self) -> int:
        return sum(self.slots)

    @property
    def count_bits(self) -> int:
        """Bits of a slice's count."""
        return self.slice_ports.bit_length()

    @property
    def n_region_pins(self) -> int:
        return self.n_slots

    @property
    def n_local(self) -> int:
        return self.n_slices * self.count_bits

    @property
    def slice_count(self) -> Compression:
        """Adders that count the ports of a slice."""
        return _slice_count(self.slice_ports, self.adder == 24)

    @property
    def strip(self) -> tuple[tuple[int, int], ...]:
        """Weight and number of every slot in the order in which they stand: each weight spread evenly."""
        places = []
        slot = 0
        for weight, n in zip(self.slot_weights, self.slots, strict=True):
            places += [((2 * i + 1) / (2 * n), weight, slot + i) for i in range(n)]
            slot += n
        return tuple((weight, slot) for _, weight, slot in sorted(places))

    @property
    def row_sum(self) -> MantissaSum:
        """How slots and constant ports are added."""
        return _row_sum(self)

    @property
    def max_count(self) -> int:
        """Largest total of one cycle, ones in all slots."""
        slots = sum(w * n for w, n in zip(self.slot_weights, self.slots, strict=True))
        return slots + sum(1 << port.column for port in self.constant_ports)

    @property
    def accumulator_bits(self) -> int:
        return (2 * self.phases * self.max_count).bit_length()

    @property
    def tracks(self) -> int:
        """Wires along the strip that the slices and the trees take.

        Not counted: the jogs from each line to a slice of the weight's region, and from each slice to its
        slot.
        """
        return self.slice_count.tracks + self.row_sum.tracks

    @property
    def depth(self) -> int:
        """Adders in series through a slice and the trees."""
        return self.row_sum.depth

    @property
    def row_name(self) -> str:
        return self._row_name((self.slots, self.n_slices, self.slice_ports))

    def _adder_transistors(self) -> int:
        return self.n_slices * self.slice_count.cost + self.row_sum.cost

    def port_polarity(self) -> npt.NDArray[np.int64]:
        return np.tile(self.slice_count.polarity[: self.slice_ports], self.n_slices)

    def slices_used(self, counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Slices that each region of each row takes, (n_rows, n_regions)."""
        result: npt.NDArray[np.int64] = -(-counts.max(axis=2) // self.slice_ports)
        return result

    def slots_used(self, used: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Slots of each weight that so many slices take, (n_rows, n_weights)."""
        columns = [used[:, [region for region, _ in bits]].sum(axis=1) for bits in self.slot_bits]
        return np.stack(columns, axis=1)

    def check_counts(self, name: str, counts: npt.NDArray[np.int64]) -> None:
        used = self.slices_used(counts)
        slots = self.slots_used(used)
        excess = slots - np.asarray(self.slots)
        if excess.max() > 0:
            row, i = map(int, np.unravel_index(excess.argmax(), excess.shape))
            region = max(
                (region for region, _ in self.slot_bits[i]), key=lambda r: int(used[row, r])
            )
            phase = int(counts[row, region].argmax())
            raise self.misfit(
                f"{name}: row {row}",
                f"{counts[row, region, phase]} weights of magnitude {self.regions[region]} in "
                f"phase {phase} take {used[row, region]} slices; slots of weight "
                f"{self.slot_weights[i]}: {slots[row, i]} of {self.slots[i]}",
            )
        total = used.sum(axis=1)
        if total.max() > self.n_slices:
            row = int(total.argmax())
            region = int(used[row].argmax())
            raise self.misfit(
                f"{name}: row {row}",
                f"its regions take {total[row]} slices of {self.n_slices}, most of them "
                f"({used[row, region]}) magnitude {self.regions[region]}",
            )

    def use(self, counts: npt.NDArray[np.int64]) -> dict[str, Any]:
        used = self.slices_used(counts).sum(axis=1)
        most = int(used.max())
        return super().use(counts) | {
            "slices": {
                "n_slices": self.n_slices,
                "mean_use": float(used.mean()) / self.n_slices,
                "most": most,
                "slack": self.n_slices - most,
            }
        }

    @property
    def port_places(self) -> npt.NDArray[np.int64]:
        return places(self.n_ports)

    def divide(self, weights: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]) -> Division:
        seen = self._seen(weights)
        takes = np.zeros((len(self.slots), len(self.regions)), dtype=np.int64)
        for i, bits in enumerate(self.slot_bits):
            takes[i, [region for region, _ in bits]] = 1
        needed, slots = self.slices_used(counts), np.asarray(self.slots, dtype=np.int64)
        serves = divide_slices(seen, needed, self.slice_ports, takes, slots)
        n_given = [(serves == region).sum(axis=1) for region in range(len(self.regions))]
        most = max(1, *(int(n.max()) for n in n_given))
        slices = np.stack(
            [
                np.argsort(serves != region, axis=1, kind="stable")[:, :most]
                for region in range(len(self.regions))
            ],
            axis=1,
        )
        ports = slices[..., None] * self.slice_ports + np.arange(self.slice_ports)
        given = np.stack(n_given, axis=1)
        return Division(
            ports.reshape(*given.shape, -1), given * self.slice_ports, self._outputs(serves)
        )

    def _seen(self, weights: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
        """Weights before the end of each slice, (n_slices, n_rows, n_regions, phases)."""
        n_rows, phases, n_bundles = weights.shape
        ends = (np.arange(1, self.n_slices + 1) * n_bundles + n_bundles // 2) // self.n_slices
        ends = np.minimum(ends, n_bundles) - 1
        seen = np.empty((self.n_slices, n_rows, len(self.regions), phases), dtype=np.int32)
        for region, magnitude in enumerate(self.regions):
            passed = (weights == magnitude).cumsum(axis=2, dtype=np.int32)
            seen[:, :, region] = np.where(ends >= 0, passed[..., ends], 0).transpose(2, 0, 1)
        return seen

    def _outputs(
        self, serves: npt.NDArray[np.int64]
    ) -> tuple[tuple[Demand, npt.NDArray[np.int64], npt.NDArray[np.int64]], ...]:
        """Bits of the counts and the slots they may go to, for each weight of slots."""
        n_rows = len(serves)
        at_slice, at_slot = places(self.n_slices), self.slot_places
        result = []
        first = 0
        for n, bits in zip(self.slots, self.slot_bits, strict=True):
            bit_of = np.full(len(self.regions) + 1, -1)
            bit_of[[region for region, _ in bits]] = [bit for _, bit in bits]
            bit = bit_of[serves]  # -1 serves no region
            wanted = bit >= 0
            n_wanted = wanted.sum(axis=1)
            slices = np.argsort(~wanted, axis=1, kind="stable")[:, : int(n_wanted.max())]
            pins = np.arange(first, first + n)
            first += n
            demand = Demand(
                row=np.arange(n_rows),
                sources=at_slice[slices],
                n_sources=n_wanted,
                targets=np.broadcast_to(at_slot[pins], (n_rows, n)),
                n_targets=np.full(n_rows, n, dtype=np.int64),
            )
            outputs = slices * self.count_bits + np.take_along_axis(bit, slices, axis=1)
            result.append((demand, outputs, np.broadcast_to(pins, (n_rows, n))))
        return tuple(result)

    @property
    def slot_places(self) -> npt.NDArray[np.int64]:
        """Where along the strip each slot stands."""
        slot = np.array([slot for _, slot in self.strip], dtype=np.int64)
        result = np.empty(self.n_slots, dtype=np.int64)
        result[slot] = places(self.n_slots)
        return result

    def read_regions(self, pins: Pins) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        rows = len(pins)
        output = pins - self.local_driver(0)
        own = (output >= 0) & (output < self.n_local)
        errors = (~own & (pins != LOW)).sum(axis=1)
        weights = np.zeros((rows, self.n_local), dtype=np.int64)
        row, slot = np.nonzero(own)
        weight = np.repeat(np.asarray(self.slot_weights, dtype=np.int64), self.slots)
        np.add.at(weights, (row, output[row, slot]), weight[slot])
        bits = weights.reshape(rows, self.n_slices, self.count_bits)
        magnitudes = bits[..., 0].copy()
        crooked = (bits != magnitudes[..., None] << np.arange(self.count_bits)).any(axis=2)
        magnitudes[crooked] = 0
        errors += crooked.sum(axis=1)
        return np.repeat(magnitudes, self.slice_ports, axis=1), errors


@lru_cache(maxsize=64)
def _slice_count(ports: int, inverting: bool) -> Compression:
    return compress(
        (Input(0, free=True),) * ports,
        n_columns=ports.bit_length(),
        tracks=UNLIMITED,
        inverting=inverting,
    )


@lru_cache(maxsize=256)
def _row_sum(plan: MergedPlan) -> MantissaSum:
    depth = plan.slice_count.depth
    terms = []
    for weight, _ in plan.strip:
        mantissa, column = split_magnitude(weight)
        terms.append((mantissa, Term(column, 1, 1, depth=depth)))
    terms += [(1, Term(port.column, 1, 1)) for port in plan.constant_ports]
    return mantissa_sum(tuple(terms), plan.max_count.bit_length(), inverting=plan.adder == 24)
