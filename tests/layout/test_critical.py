"""Critical areas against defects placed by brute force, and against areas known by hand."""

import numpy as np
import pytest
from drawings import random_pins, small_floorplan
from hypothesis import given, settings
from hypothesis import strategies as st

from hnlpu.layout.critical import covered_area, critical_area_um2, mean_critical_area_um2
from hnlpu.layout.damage import touch
from hnlpu.layout.defects import MECHANISMS, SizeLaw, least_size_nm
from hnlpu.layout.pieces import metal_pieces
from hnlpu.taps import TapsPlan

FLOORPLAN = small_floorplan(TapsPlan(3, 6, phases=2))
PIECES = metal_pieces(FLOORPLAN, random_pins(FLOORPLAN))


@given(
    boxes=st.lists(st.tuples(*[st.integers(0, 12)] * 4), max_size=12),
    times=st.integers(1, 3),
    along=st.sampled_from("xy"),
)
def test_covered_area_counts_cells(boxes, times, along):
    cells = np.zeros((13, 13), dtype=int)
    for x0, y0, x1, y1 in boxes:
        cells[x0:x1, y0:y1] += 1
    found = covered_area(np.array(boxes, dtype=float).reshape(-1, 4), times, along=along)
    assert found == (cells >= times).sum()


@pytest.mark.parametrize("mechanism", MECHANISMS, ids=lambda m: m.name)
@pytest.mark.parametrize("size", [50.0, 130.0, 410.0])
def test_areas_are_those_of_brute_force(mechanism, size):
    """Centres on a grid with a random origin; each stands for its cell."""
    step = 14.0
    low = np.array([-size / 2 - step, -size / 2 - step])
    high = np.array([FLOORPLAN.width_nm, FLOORPLAN.height_nm]) + size / 2 + step
    # Another check of what is hit, by plain arithmetic of boxes on the metal itself.
    wires = PIECES.wires[PIECES.of_layer(mechanism.layer)] if not mechanism.is_via else None
    rng = np.random.default_rng(int(size))
    origin = low - rng.uniform(0, step, 2)
    xs, ys = (np.arange(origin[i], high[i], step) for i in (0, 1))
    n = 0
    for x in xs:
        left, right = x - size / 2, x + size / 2
        if wires is None or not mechanism.extra:
            boxes = PIECES.vias[
                PIECES.of_mask(mechanism.layer)
                if wires is None
                else PIECES.vias_on(mechanism.layer)
            ]
            own = boxes[(boxes[:, 0] >= left) & (boxes[:, 2] <= right)]
            hit = (own[:, 1] >= ys[:, None] - size / 2) & (own[:, 3] <= ys[:, None] + size / 2)
            hit = hit.any(axis=1)
        if wires is not None:
            met = wires[(wires[:, 0] < right) & (wires[:, 2] > left)]
            y_low, y_high = ys[:, None] - size / 2, ys[:, None] + size / 2
            over = (met[:, 1] < y_high) & (met[:, 3] > y_low)
            if mechanism.extra:
                hit = over.sum(axis=1) > 1
            elif mechanism.layer == "M9":
                hit |= (over & (met[:, 1] >= y_low) & (met[:, 3] <= y_high)).any(axis=1)
            else:
                hit |= (over & (met[:, 0] >= left) & (met[:, 2] <= right)).any(axis=1)
        n += int(hit.sum())
    found = critical_area_um2(PIECES, mechanism, size)
    window = (high - origin).prod() * 1e-6
    assert found == pytest.approx(n * step**2 * 1e-6, abs=0.012 * window)
    assert found > 0 or size < 60


@pytest.mark.parametrize("mechanism", MECHANISMS, ids=lambda m: m.name)
def test_larger_defects_find_more(mechanism):
    areas = [critical_area_um2(PIECES, mechanism, s) for s in (30, 41, 61, 100, 180, 300, 600)]
    assert areas == sorted(areas) and areas[0] == 0 < areas[-1]


def test_one_wire_by_hand():
    """A wire 40 wide and 1000 long, missing metal of 100: 60 by 1100; two wires, extra metal of 100."""
    from hnlpu.layout.critical import critical_boxes
    from hnlpu.layout.defects import Mechanism

    m8 = PIECES.of_layer("M8")
    boxes, times = critical_boxes(PIECES, Mechanism("M8"), 100.0)
    first = PIECES.wires[m8[0]]
    assert times == 1
    width, height = boxes[0, 2] - boxes[0, 0], boxes[0, 3] - boxes[0, 1]
    assert width == 100 - (first[2] - first[0]) and height == 100 + first[3] - first[1]


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_larger_defects_reach_no_less(data):
    mechanism = data.draw(st.sampled_from(MECHANISMS))
    x = data.draw(st.integers(0, FLOORPLAN.width_nm))
    y = data.draw(st.integers(0, FLOORPLAN.height_nm))
    small, large = sorted(data.draw(st.tuples(st.integers(20, 900), st.integers(20, 900))))
    reached = []
    for size in (small, large):
        box = np.array([x - size / 2, y - size / 2, x + size / 2, y + size / 2])
        reached.append([set(found.tolist()) for found in touch(PIECES, mechanism, box)])
    assert reached[0][0] <= reached[1][0] and reached[0][1] <= reached[1][1]


def test_the_mean_is_that_of_sizes():
    """The integral against the mean over sizes that are drawn."""
    law = SizeLaw(20.0, 1000.0)
    rng = np.random.default_rng(1)
    for mechanism in (MECHANISMS[0], MECHANISMS[4], MECHANISMS[8]):
        least = least_size_nm(FLOORPLAN.rules, mechanism)
        sizes = law.draw(rng, 500, least)
        areas = np.array([critical_area_um2(PIECES, mechanism, s) for s in sizes])
        areas *= law.from_size(least)
        mean = mean_critical_area_um2(PIECES, mechanism, law, least)
        assert abs(mean - areas.mean()) < 4 * areas.std() / np.sqrt(len(areas))
