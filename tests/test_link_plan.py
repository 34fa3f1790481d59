"""Links that cannot work, and the laws of those that can."""

from fractions import Fraction

import pytest

from hnlpu.errors import HnlpuError
from hnlpu.link_plan import LinkOptions, LinkPlan, parse_link


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"payload_bits": 0}, "link payload_bits: a beat without a bit (got 0)"),
        ({"width": 0}, "link width: no wires to send over (got 0)"),
        ({"latency": 0}, "link latency: words would arrive before they are sent (got 0)"),
        ({"depth": 0}, "link depth: no credits: the sender could never send (got 0)"),
        ({"depth": -1}, "link depth: no credits"),
        ({"depth": 2}, "link depth: a beat is 3 words and would never be complete (got 2)"),
        ({"timeout_cycles": 50}, "link timeout_cycles: nothing to wait for without crc (got 50)"),
        (
            {"crc": True, "timeout_cycles": 12},
            "link timeout_cycles: every word would be sent again",
        ),
    ],
)
def test_refused_in_one_line(change, message):
    with pytest.raises(HnlpuError) as error:
        LinkPlan(**{"payload_bits": 20, "width": 8, "latency": 2, "depth": 6} | change)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("crc", [False, True])
def test_the_proposed_least_is_accepted(crc):
    assert LinkPlan(20, 8, 2, 3, crc).beats == 1
    assert LinkPlan(20, 8, 2, 6, True, timeout_cycles=13).timeout == 13


@pytest.mark.parametrize("crc", [False, True])
@pytest.mark.parametrize(("payload_bits", "width"), [(8, 8), (20, 8), (1, 64), (33, 1)])
def test_full_rate_depth_is_the_least(payload_bits, width, crc):
    words = LinkPlan(payload_bits, width, 9, 100, crc).words
    depth = LinkPlan(payload_bits, width, 9, 100, crc).full_rate_depth
    rates = [
        LinkPlan(payload_bits, width, 9, d, crc).beats_per_cycle for d in (depth - words, depth)
    ]
    assert rates[0] < rates[1] == Fraction(1, words)


def test_wires():
    plain, reliable = LinkPlan(20, 8, 2, 7), LinkPlan(20, 8, 2, 7, crc=True)
    assert (plain.words, plain.beats) == (3, 2)
    assert (plain.forward_bits, plain.reverse_bits) == (9, 1)
    # Numbers of 2 bits (twice 2 beats), index of 2 bits (3 words), checksum of 16.
    assert (reliable.forward_bits, reliable.reverse_bits) == (9 + 20, 2 + 2 + 1 + 16)


def test_options_of_the_command_line():
    assert parse_link([]) == LinkOptions()
    assert parse_link(["width=8", "latency=3", "crc=1"]) == LinkOptions(8, 3, crc=True)
    plan = parse_link(["width=8", "latency=3"]).plan(20)
    assert (plan.words, plan.beats_per_cycle) == (3, Fraction(1, 3))


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("speed=3", "not a setting"),
        ("width", "not a setting"),
        ("width=x", "not a setting"),
        ("crc=2", "not a setting"),
        ("latency=0", "before they are sent"),
        ("channel_depth=0", "without credits"),
    ],
)
def test_links_that_cannot_work(setting, words):
    with pytest.raises(HnlpuError, match=words):
        parse_link([setting])
