"""Sizes and numbers of defects follow their laws."""

import numpy as np
import pytest

from hnlpu.errors import HnlpuError
from hnlpu.layout.defects import (
    MECHANISMS,
    DefectModel,
    SizeLaw,
    draw_defects,
    least_size_nm,
)
from hnlpu.layout.rules import load_rules, rule_sets

RULES = load_rules("n5")
LAW = SizeLaw(20.0, 1000.0)
EQUAL = DefectModel(LAW, {m: 1 / len(MECHANISMS) for m in MECHANISMS})


def test_the_density_is_that_of_shares():
    sizes = np.linspace(0.5, 1000.0, 200_000)
    mass = np.array([LAW.density(s) for s in sizes])
    share = np.concatenate([[0], np.cumsum((mass[1:] + mass[:-1]) / 2 * np.diff(sizes))])
    for size in (5.0, 20.0, 40.0, 300.0, 1000.0):
        assert np.interp(size, sizes, share) == pytest.approx(LAW.below(size), abs=1e-3)
    assert LAW.below(20.0) == 0.5  # half are smaller than the peak
    assert LAW.density(1001.0) == 0 and LAW.from_size(1000.0) == 0


@pytest.mark.parametrize("least", [5.0, 40.0])
def test_sizes_are_drawn_by_the_law(least):
    sizes = LAW.draw(np.random.default_rng(0), 20_000, least)
    assert sizes.min() >= least and sizes.max() <= 1000
    for size in (10.0, 30.0, 60.0, 200.0):
        wanted = max(0.0, LAW.below(size) - LAW.below(least)) / LAW.from_size(least)
        assert (sizes < size).mean() == pytest.approx(wanted, abs=0.015)


def test_numbers_are_poissons():
    around = (0.0, 0.0, 20_000.0, 10_000.0)
    rng = np.random.default_rng(1)
    density = 2e8
    counts = np.zeros((60, len(MECHANISMS)))
    for n in range(len(counts)):
        drawn = draw_defects(rng, EQUAL, RULES, around, density)
        counts[n] = np.bincount(drawn.mechanism, minlength=len(MECHANISMS))
        centres = (drawn.boxes[:, :2] + drawn.boxes[:, 2:]) / 2
        assert (centres >= -500).all() and (centres <= [20_500, 10_500]).all()
    wanted = np.array([
        density * 21_000 * 11_000 * 1e-14 / 9 * LAW.from_size(least_size_nm(RULES, m))
        for m in MECHANISMS
    ])  # fmt: skip
    assert (np.abs(counts.mean(axis=0) - wanted) < 4 * np.sqrt(wanted / len(counts))).all()
    assert counts.sum(axis=1).var() == pytest.approx(wanted.sum(), rel=0.6)


def test_no_density_no_defects():
    assert not len(draw_defects(np.random.default_rng(0), EQUAL, RULES, (0, 0, 1e6, 1e6), 0.0))


@pytest.mark.parametrize("name", rule_sets())
def test_least_sizes_are_the_narrowest_of_the_rules(name):
    rules = load_rules(name)
    for mechanism in MECHANISMS:
        least = least_size_nm(rules, mechanism)
        layer = mechanism.layer
        if mechanism.is_via:
            assert least == rules.vias[layer].size_nm
        elif mechanism.extra:
            assert least <= rules.metals[layer].space_nm
        else:
            assert least <= rules.metals[layer].width_nm


def test_a_law_without_a_peak_is_refused():
    with pytest.raises(HnlpuError, match="no law of sizes"):
        SizeLaw(40.0, 40.0)
