"""Fitting: given matrices fit exactly, others but for the stated rate."""

from dataclasses import replace

import numpy as np
import pytest

from hnlpu.alignment import AlignedMatrix
from hnlpu.codebook import E2M1
from hnlpu.errors import HnlpuError
from hnlpu.fitting import Statistics, fit_regions, fit_slices, fits, utilisation
from hnlpu.merged import MergedPlan
from hnlpu.paper import PaperPlan
from hnlpu.regions import count_weights

MAGNITUDES = E2M1.magnitudes
#: About what normal weights have.
CHANCES = np.array([0.1, 0.19, 0.18, 0.15, 0.17, 0.13, 0.068, 0.012])


def gaussian_like(rng, rows, columns, name="normal") -> AlignedMatrix:
    values = rng.choice([0, *MAGNITUDES], (rows, columns), p=CHANCES)
    values *= rng.choice([-1, 1], values.shape)
    blocks = np.zeros((rows, -(-columns // 32)), dtype=np.uint8)
    return AlignedMatrix(name, values.astype(np.int16), blocks, np.zeros(rows, dtype=np.int16))


@pytest.mark.parametrize("phases", [1, 4])
def test_without_slack_no_port_is_too_many(phases):
    rng = np.random.default_rng(phases)
    matrices = [gaussian_like(rng, 6, 200, name) for name in "ab"]
    base = PaperPlan.for_matrices(matrices, phases=phases, magnitudes=MAGNITUDES, failure_rate=1.0)
    assert all(fits(base, matrix) is None for matrix in matrices)
    for region in range(len(base.capacities)):
        fewer = list(base.capacities)
        fewer[region] -= 1
        found = [fits(replace(base, capacities=tuple(fewer)), m) for m in matrices]
        assert any(f"magnitude {base.regions[region]} " in e.got for e in found if e)


@pytest.mark.parametrize("phases", [1, 4])
def test_without_slack_no_slice_is_too_many(phases):
    rng = np.random.default_rng(phases)
    matrix = gaussian_like(rng, 6, 200)
    base = MergedPlan.for_matrices([matrix], phases=phases, magnitudes=MAGNITUDES, failure_rate=1.0)
    assert fits(base, matrix) is None
    error = fits(replace(base, n_slices=base.n_slices - 1), matrix)
    assert error is not None and f"slices of {base.n_slices - 1}" in error.got
    for i, weight in enumerate(base.slot_weights):
        fewer = list(base.slots)
        fewer[i] -= 1
        error = fits(replace(base, slots=tuple(fewer)), matrix)
        assert error is not None
        assert f"slots of weight {weight}: {base.slots[i]} of {fewer[i]}" in error.got


@pytest.mark.parametrize("rate", [0.2, 0.02])
@pytest.mark.parametrize("phases", [1, 4])
def test_other_matrices_fail_at_the_rate_or_less(rate, phases):
    """Many random rows, on a base that has seen only average ones: the likely answer alone."""
    rng = np.random.default_rng(phases)
    average = np.rint(CHANCES[1:] * 256 / phases).astype(np.int64)
    seen = Statistics(2, 256, phases, MAGNITUDES, np.tile(average[None, :, None], (2, 1, phases)))
    other = gaussian_like(rng, 6000, 256).multiples.astype(np.int64)
    counts = count_weights(other, MAGNITUDES, phases)
    ports = np.array(fit_regions(seen, rate))
    failed = (counts > ports[None, :, None]).any(axis=(1, 2)).mean()
    assert rate / 20 < failed <= rate
    slots, n_slices = fit_slices(seen, rate, 7)
    used = -(-counts.max(axis=2) // 7)
    base = MergedPlan(1, 256, phases=phases, slots=slots, n_slices=n_slices)
    too_many = (base.slots_used(used) > np.array(slots)).any(axis=1)
    failed = (too_many | (used.sum(axis=1) > n_slices)).mean()
    assert failed <= rate


def test_a_smaller_rate_takes_more_ports():
    rng = np.random.default_rng(0)
    seen = Statistics.of([gaussian_like(rng, 20, 1024)], MAGNITUDES, 1, 1)
    ports = [sum(fit_regions(seen, rate)) for rate in (1.0, 1e-3, 1e-6, 1e-9)]
    slices = [fit_slices(seen, rate, 7)[1] for rate in (1.0, 1e-3, 1e-6, 1e-9)]
    for numbers in (ports, slices):
        assert numbers == sorted(numbers) and numbers[0] < numbers[-1]


def test_the_tail_by_hand():
    """A fair coin, four inputs: four weights with a chance of 1/16, three or more with 5/16."""
    multiples = np.zeros((2, 4), dtype=np.int16)
    multiples[:, ::2] = 1
    matrix = AlignedMatrix("coin", multiples, np.zeros((2, 1), "u1"), np.zeros(2, "i2"))
    seen = Statistics.of([matrix], (1,), 1, 1)
    assert seen.chances(0, 4).tolist() == pytest.approx([1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16])
    assert [fit_regions(seen, rate) for rate in (0.05, 0.07, 0.31, 0.32)] == [
        (4,),
        (3,),
        (3,),
        (2,),
    ]


def test_rows_that_differ_more_than_chance_get_more_room():
    """Half of the rows nearly empty, half nearly full: as many weights as in even rows."""
    rng = np.random.default_rng(0)

    def matrix(shares):
        ones = rng.random((200, 400)) < shares[:, None]
        blocks = np.zeros((200, 13), dtype=np.uint8)
        return AlignedMatrix("m", ones.astype(np.int16), blocks, np.zeros(200, dtype=np.int16))

    even = Statistics.of([matrix(np.full(200, 0.3))], (1,), 1, 1)
    uneven = Statistics.of([matrix(np.tile([0.2, 0.4], 100))], (1,), 1, 1)
    assert fit_regions(uneven, 1e-6)[0] > fit_regions(even, 1e-6)[0] + 40


def test_a_region_that_is_never_used_gets_no_ports():
    rng = np.random.default_rng(0)
    matrix = gaussian_like(rng, 5, 64)
    matrix.multiples[np.abs(matrix.multiples) == 12] = 8
    for base in (
        PaperPlan.for_matrices([matrix], magnitudes=MAGNITUDES),
        MergedPlan.for_matrices([matrix], magnitudes=MAGNITUDES),
    ):
        assert base.region_ports[-1] == 0
        matrix.multiples[3, 5] = 12
        error = fits(base, matrix)
        assert error is not None and "1 weights of magnitude 12 in phase" in error.got
        matrix.multiples[3, 5] = 8


def test_utilisation_counts():
    multiples = np.array([[1, -1, 2, 0], [1, 0, 0, 0]], dtype=np.int16)
    matrix = AlignedMatrix("m", multiples, np.zeros((2, 1), "u1"), np.zeros(2, "i2"))
    paper = PaperPlan(2, 4, phases=1, magnitudes=(1, 2), capacities=(3, 2))
    report = utilisation(paper, [matrix])
    assert report["pins"] == {"n_pins": 5, "mean_use": 2 / 5, "most_use": 3 / 5}
    assert report["regions"] == [
        {"magnitude": 1, "n_ports": 3, "mean_use": 0.5, "most": 2, "slack": 1},
        {"magnitude": 2, "n_ports": 2, "mean_use": 0.25, "most": 1, "slack": 1},
    ]
    merged = MergedPlan(
        2, 4, phases=1, magnitudes=(1, 2), slots=(2, 4, 2), n_slices=3, slice_ports=2
    )
    assert utilisation(merged, [matrix])["slices"] == {
        "n_slices": 3,
        "mean_use": 0.5,
        "most": 2,
        "slack": 1,
    }
    matrix.multiples[1] = 2
    with pytest.raises(HnlpuError, match="4 weights of magnitude 2"):
        utilisation(paper, [matrix])


def test_what_cannot_be_fitted_is_named():
    rng = np.random.default_rng(0)
    a, b = gaussian_like(rng, 3, 40), gaussian_like(rng, 3, 41, "b")
    for matrices, options, what in [
        ([], {}, "no matrices"),
        ([a, b], {}, "differ in shape"),
        ([a], {"magnitudes": (1, 2)}, "not in the codebook"),
        ([replace(a, block_exponents=a.block_exponents + 1)], {}, "spread further"),
        ([a], {"failure_rate": 0.0}, "no probability"),
        ([a], {"failure_rate": 1.5}, "no probability"),
    ]:
        for kind in (PaperPlan, MergedPlan):
            with pytest.raises(HnlpuError, match=what):
                kind.for_matrices(matrices, **{"magnitudes": MAGNITUDES, **options})
