"""Small arrays of region bases, drawn."""

from dataclasses import replace
from functools import cache

import numpy as np

from hnlpu.alignment import AlignedMatrix
from hnlpu.codebook import E2M1
from hnlpu.layout.arrays import Weights, place_metal, plan_ground
from hnlpu.layout.drawing import array_pins
from hnlpu.layout.rules import load_rules
from hnlpu.layout.strips import Strips
from hnlpu.merged import MergedPlan
from hnlpu.metal import MetalPlan, plan_metal
from hnlpu.paper import PaperPlan
from hnlpu.regions import RegionPlan

#: Kind and phases: pins alone in their columns, two of them, three.
CASES = [(PaperPlan, 1, 40), (MergedPlan, 1, 60), (PaperPlan, 3, 60), (MergedPlan, 3, 60)]


def random_matrix(rows: int, columns: int, seed: int) -> AlignedMatrix:
    rng = np.random.default_rng(seed)
    values = np.array([0, *E2M1.magnitudes, *(-m for m in E2M1.magnitudes)], dtype=np.int16)
    zeros = np.zeros((rows, -(-columns // 32)), dtype=np.uint8)
    exponents = rng.integers(-20, 20, rows).astype(np.int16)
    return AlignedMatrix("m", rng.choice(values, (rows, columns)), zeros, exponents)


@cache
def strips_of(
    kind: type[RegionPlan], phases: int, columns: int, rows: int = 5
) -> tuple[Strips, MetalPlan, MetalPlan]:
    """Strips with a turn every two rows, and the metal of two matrices."""
    matrices = [random_matrix(rows, columns, seed) for seed in (1, 2)]
    plan = kind.for_matrices(matrices, phases=phases, magnitudes=E2M1.magnitudes)
    metal = [plan_metal(matrix, plan) for matrix in matrices]
    ground = plan_ground(plan, load_rules("n5"), matrices=[array_pins(own) for own in metal])
    assert isinstance(ground, Strips)
    return replace(ground, segment_rows=2), metal[0], metal[1]


def weights_of(kind: type[RegionPlan], phases: int, columns: int) -> Weights:
    strips, metal, _ = strips_of(kind, phases, columns)
    return place_metal(strips, metal)
