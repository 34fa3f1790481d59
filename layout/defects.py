"""Defects: what may be wrong with the metal of a chip, how often, and how large.

A defect is a square at a random place of a layer: metal that is missing, a via that is missing, or metal that is too
much. How many there are is Poisson's law; their sizes follow the law of Stapper (IBM J. Res. Dev. 27, 1983, 549),
rising to a peak and falling with the cube of the size:

    f(s) = s / peak**2         below the peak
           peak**2 / s**3      above it, up to ``most_nm``; larger ones are left out

``data`` of the package ``hnlpu.costmodel`` holds the numbers (``defects.toml``).

Contract (checked by ``tests/layout/test_defects.py``): sizes and numbers drawn follow these laws.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hnlpu.errors import HnlpuError
from hnlpu.layout.pieces import PIECE_LAYERS, PIECE_VIAS
from hnlpu.layout.rules import Rules

__all__ = [
    "MECHANISMS",
    "DefectModel",
    "Defects",
    "Mechanism",
    "SizeLaw",
    "draw_defects",
    "least_size_nm",
]

_NM2_PER_CM2 = 1e14


@dataclass(frozen=True, slots=True, order=True)
class Mechanism:
    """A way in which a layer may be wrong: ``extra`` metal, else what is missing of it."""

    layer: str
    extra: bool = False

    @property
    def is_via(self) -> bool:
        return self.layer in PIECE_VIAS

    @property
    def name(self) -> str:
        return f"{'extra' if self.extra else 'missing'} {self.layer}"


#: Everything that may be wrong, layer by layer.
MECHANISMS = (
    *(Mechanism(layer) for layer in PIECE_LAYERS),
    *(Mechanism(layer, extra=True) for layer in PIECE_LAYERS),
    *(Mechanism(mask) for mask in PIECE_VIAS),
)


@dataclass(frozen=True, slots=True)
class SizeLaw:
    """Sizes of defects.

    Attributes
    ----------
    peak_nm : float
        The likeliest size: half of all defects are smaller.
    most_nm : float
        None is larger.
    """

    peak_nm: float
    most_nm: float

    def __post_init__(self) -> None:
        if not 0 < self.peak_nm < self.most_nm:
            raise HnlpuError("no law of sizes", where="defects.toml",
                             got=f"a peak of {self.peak_nm:g} nm below {self.most_nm:g} nm",
                             do="give a peak above zero and a larger limit")  # fmt: skip

    def density(self, size_nm: float) -> float:
        """f(s), 1/nm."""
        if size_nm > self.most_nm:
            return 0.0
        if size_nm < self.peak_nm:
            return size_nm / self.peak_nm**2
        return float(self.peak_nm**2 / size_nm**3)

    def below(self, size_nm: float) -> float:
        """Share of defects that are smaller."""
        size_nm = min(size_nm, self.most_nm)
        if size_nm < self.peak_nm:
            return size_nm**2 / self.peak_nm**2 / 2
        return float(1 - self.peak_nm**2 / size_nm**2 / 2)

    def from_size(self, least_nm: float) -> float:
        """Share of defects that are as large or larger, those beyond the limit left out."""
        return max(0.0, self.below(self.most_nm) - self.below(least_nm))

    def draw(self, rng: np.random.Generator, n: int, least_nm: float) -> npt.NDArray[np.float64]:
        """Sizes of ``n`` defects that are no smaller than ``least_nm``, (n,) in nm."""
        share = rng.uniform(self.below(least_nm), self.below(self.most_nm), n)
        rising = self.peak_nm * np.sqrt(2 * np.minimum(share, 0.5))
        falling = self.peak_nm / np.sqrt(2 * (1 - np.maximum(share, 0.5)))
        sizes: npt.NDArray[np.float64] = np.where(share < 0.5, rising, falling)
        return sizes


@dataclass(frozen=True, slots=True)
class DefectModel:
    """Sizes of defects, and the share of each mechanism; shares sum to 1."""

    law: SizeLaw
    shares: Mapping[Mechanism, float]


@dataclass(frozen=True, slots=True, eq=False)
class Defects:
    """Defects of an array.

    Attributes
    ----------
    mechanism : int64 array (n,)
        Index into :data:`MECHANISMS`.
    boxes : float64 array (n, 4)
        In nm.
    """

    mechanism: npt.NDArray[np.int64]
    boxes: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.mechanism)


def least_size_nm(rules: Rules, mechanism: Mechanism) -> float:
    """No smaller defect does harm, for the rules leave no narrower wire, via or space."""
    if mechanism.is_via:
        return float(rules.vias[mechanism.layer].size_nm)
    metal = rules.metals[mechanism.layer]
    if mechanism.extra:
        return float(min(metal.space_nm, metal.end_space_nm))
    below = PIECE_LAYERS.index(mechanism.layer)
    vias = (rules.vias[mask].size_nm for mask in PIECE_VIAS[below : below + 2])
    return float(min(metal.width_nm, *vias))


def draw_defects(
    rng: np.random.Generator,
    model: DefectModel,
    rules: Rules,
    around: tuple[float, float, float, float],
    per_cm2: float,
) -> Defects:
    """Defects of one array, those that are too small to do harm left out.

    Parameters
    ----------
    rng : numpy.random.Generator
    model : DefectModel
    rules : Rules
        Of the array.
    around : (left, lower, right, upper)
        The array in nm; centres lie up to half the largest defect beyond it.
    per_cm2 : float
        Defects of all mechanisms and sizes.
    """
    margin = model.law.most_nm / 2
    low = np.array(around[:2]) - margin
    size = np.array(around[2:]) + margin - low
    mechanisms, boxes = [], []
    for index, mechanism in enumerate(MECHANISMS):
        least = least_size_nm(rules, mechanism)
        share = model.shares[mechanism] * model.law.from_size(least)
        n = int(rng.poisson(per_cm2 / _NM2_PER_CM2 * share * size.prod()))
        centres = low + rng.uniform(size=(n, 2)) * size
        half = model.law.draw(rng, n, least)[:, None] / 2
        mechanisms.append(np.full(n, index))
        boxes.append(np.concatenate([centres - half, centres + half], axis=1))
    return Defects(np.concatenate(mechanisms), np.concatenate(boxes))
