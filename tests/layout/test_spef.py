"""SPEF of a wire keeps its sums; Elmore's delay is that of a hand calculation."""

import re

import pytest

from hnlpu.layout.spef import Pin, Wire, elmore_ps, spef_net


def test_sums():
    pins = (Pin("u1:A", 0.25, 30.0, 2.0), Pin("u2:B", 1.0, 40.0, 3.0))
    wire = Wire("n", "u0:Y", 100.0, 8.0, pins, sections=4)
    text = spef_net(wire, ohm_factor=2.0, ff_factor=10.0)
    caps = [float(c) for c in re.findall(r"^\d+ (?:u0:Y|n:\d) (\d+\.\d+)$", text, re.MULTILINE)]
    assert len(caps) == 5 and sum(caps) == pytest.approx(130) and wire.total_ff == 13
    assert caps[1] == pytest.approx(40), "a quarter of the wire, and the stub on it"
    ohms = dict(re.findall(r"^\d+ \S+ (\S+) (\d+\.\d+)$", text, re.MULTILINE))
    assert float(ohms["u1:A"]) == pytest.approx(60) and float(ohms["n:4"]) == pytest.approx(50)
    assert "*D_NET n 130.000000" in text and "*I u0:Y O" in text and "*I u2:B I" in text


def test_elmore_by_hand():
    one = Wire("n", "u0:Y", 100.0, 8.0, (Pin("u1:A", 1.0, 50.0),))
    # 100 ohm charge half of the wire and the load, 50 ohm the load.
    assert elmore_ps(one, [6.0], 0) == pytest.approx((100 * 10 + 50 * 6) * 1e-3)
    two = Wire("n", "u0:Y", 100.0, 8.0, (Pin("u1:A", 0.5), Pin("u2:A", 1.0)), sections=2)
    near, far = elmore_ps(two, [6.0, 6.0], 0), elmore_ps(two, [6.0, 6.0], 1)
    assert near == pytest.approx(50 * (4 + 2 + 12) * 1e-3)
    assert far == pytest.approx(near + 50 * (2 + 6) * 1e-3)


def test_a_ladder_comes_near_its_limit():
    """Half of R x C, however many sections."""
    for n in (1, 2, 8):
        wire = Wire("n", "u0:Y", 200.0, 30.0, (Pin("u1:A", 1.0),), sections=n)
        assert elmore_ps(wire, [0.0], 0) == pytest.approx(3.0)
