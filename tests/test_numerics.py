"""Widths: their ranges, options of the command line, and the way through a manifest."""

import json
from dataclasses import fields

import pytest

from hnlpu.errors import HnlpuError
from hnlpu.numerics import ARRAY_INPUTS, Numerics, change_numerics, parse_activation_bits


def test_through_a_manifest():
    numerics = Numerics(kv_bits=6, activation_overrides=(("o", 9), ("down", 10)))
    assert Numerics.from_dict(json.loads(json.dumps(numerics.as_dict()))) == numerics
    assert Numerics.from_dict({}) == Numerics()


def test_overrides_are_sorted_and_looked_up():
    numerics = Numerics(activation_overrides=(("o", 9), ("down", 10)))
    assert numerics == Numerics(activation_overrides=(("down", 10), ("o", 9)))
    widths = {name: numerics.input_bits(name) for name in ARRAY_INPUTS}
    assert widths == {"qkv": 8, "o": 9, "mlp": 8, "down": 10, "unembedding": 8}


@pytest.mark.parametrize(
    "name", [f.name for f in fields(Numerics) if f.name != "activation_overrides"]
)
@pytest.mark.parametrize("value", [-1, 99])
def test_every_width_has_a_range(name, value):
    with pytest.raises(HnlpuError, match=rf"{name} is out of range \(got {value}\)"):
        Numerics(**{name: value})


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"activation_overrides": (("query", 8),)}, "no such array input"),
        ({"activation_overrides": (("o", 17),)}, "activation_bits of o is out of range"),
        ({"residual_bits": 12, "residual_fraction": 11}, "residual_fraction is out of range"),
        ({"value_bits": 22}, "value_bits is out of range"),  # wider than the residual
        ({"value_fraction": 2}, "sigmoid_table_bits is out of range"),
    ],
)
def test_widths_that_do_not_go_together(changes, what):
    with pytest.raises(HnlpuError, match=what):
        Numerics(**changes)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("8", (8, ())),
        ("8,down=10,o=9", (8, (("down", 10), ("o", 9)))),
        ("7, o=9", (7, (("o", 9),))),
    ],
)
def test_activation_bits(text, expected):
    assert parse_activation_bits(text) == expected


@pytest.mark.parametrize("text", ["", "eight", "8,o", "8,o=x", "o=9", "8,o=9=9"])
def test_no_activation_bits(text):
    with pytest.raises(HnlpuError, match="not activation bits"):
        parse_activation_bits(text)


def test_options_change_what_they_name():
    base = Numerics(kv_bits=6, activation_overrides=(("o", 9),))
    assert change_numerics(base) == base
    changed = change_numerics(
        base, activation_bits="10,down=12", kv_bits=7, settings=["value_bits=19", "rope_bits=13"]
    )
    assert changed == Numerics(
        activation_bits=10, activation_overrides=(("down", 12),), kv_bits=7, value_bits=19,
        rope_bits=13,
    )  # fmt: skip


@pytest.mark.parametrize("setting", ["value_bits", "value_bits=x", "bits=3", "=3", ""])
def test_not_a_setting(setting):
    with pytest.raises(HnlpuError, match="not a setting of the numerics"):
        change_numerics(Numerics(), settings=[setting])
