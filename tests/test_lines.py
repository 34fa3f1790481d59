"""Every value of any codebook is the sum of its parts, each a line or zero."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hnlpu.formats import FORMATS
from hnlpu.lines import ONE_TAP_LIMIT, line_groups


def check(magnitudes: tuple[int, ...]) -> None:
    lines = line_groups(magnitudes)
    assert lines.n_taps == len(lines.groups) in (1, 2)
    assert lines.n_lines == len(lines.multiples) <= 2 * len(magnitudes)
    for value in (*magnitudes, *(-m for m in magnitudes), 0):
        parts = lines.parts(value)
        assert sum(parts) == value
        assert len(parts) == lines.n_taps
        for part, group in zip(parts, lines.groups, strict=True):
            assert part == 0 or abs(part) in group
    # No line that nothing is on.
    for tap, group in enumerate(lines.groups):
        assert list(group) == sorted({abs(lines.parts(m)[tap]) for m in magnitudes} - {0})


@settings(deadline=None)
@given(st.sets(st.integers(1, 32767), min_size=1, max_size=127))
def test_any_codebook(magnitudes):
    check(tuple(sorted(magnitudes)))


@settings(deadline=None)
@given(st.sets(st.integers(1, 200), min_size=1, max_size=127))
def test_any_dense_codebook(magnitudes):
    check(tuple(sorted(magnitudes)))


@pytest.mark.parametrize("fmt", FORMATS.values(), ids=FORMATS)
def test_the_formats(fmt):
    check(fmt.codebook.magnitudes)


@pytest.mark.parametrize(
    "name, n_lines, n_taps",
    [
        ("mxfp4", 14, 1),
        ("fp4", 14, 1),
        ("nvfp4", 38, 2),
        ("int2", 4, 1),
        ("int3", 8, 1),
        ("int4", 16, 1),
        ("int5", 12, 2),
        ("int6", 16, 2),
        ("ternary", 2, 1),
        ("binary", 2, 1),
        ("mxfp6_e2m3", 22, 2),
        ("mxfp6_e3m2", 46, 2),
    ],
)
def test_the_table_of_the_documentation(name, n_lines, n_taps):
    """``docs/checkpoint.md`` tells these numbers."""
    lines = line_groups(FORMATS[name].codebook.magnitudes)
    assert (lines.n_lines, lines.n_taps) == (n_lines, n_taps)


def test_few_magnitudes_take_one_tap():
    assert line_groups(tuple(range(1, ONE_TAP_LIMIT + 1))).n_taps == 1
    assert line_groups(tuple(range(1, ONE_TAP_LIMIT + 2))).n_taps == 2
    assert line_groups(tuple(1 << i for i in range(10))).groups == (
        tuple(1 << i for i in range(10)),
    )


def test_parts_by_hand():
    lines = line_groups(tuple(range(1, 33)))
    assert lines.split == 3
    assert lines.groups == ((1, 2, 3, 4), (8, 16, 24, 32))
    assert lines.parts(13) == (-3, 16)
    assert lines.parts(-13) == (3, -16)
    assert lines.parts(4) == (4, 0)
