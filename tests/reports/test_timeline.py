"""Timelines of hand-made beats."""

import json

import pytest
from hand_made import expert_chip, plain_chip, vector

from hnlpu.errors import HnlpuError
from hnlpu.reports.timeline import timeline, timeline_table, write_timeline


def token(start, position):
    """A token through ``plain_chip(1)``: 24 cycles."""
    return [
        (start, "token", {"token": 1, "position": position}),
        *vector("embedding", start + 1, position),
        *vector("layer_0_mlp_norm", start + 5, position),
        *vector("layer_0_down", start + 10, position),
        *vector("layer_0_mlp_residual", start + 11, position),
        *vector("head_logits", start + 20, position),
        (start + 24, "sampled", {"token": 1, "position": position}),
    ]


def run(n=3):
    return sorted((b for i in range(n) for b in token(100 + 30 * i, i)), key=lambda beat: beat[0])


def test_times_are_those_of_the_streams():
    found = timeline(plain_chip(1), run(), n_prompt=1)
    assert (found.position, found.latency_cycles) == (2, 24)
    spans = {span.unit: span for span in found.spans}
    array = spans["layer_0_down"]
    assert (array.first_in, array.last_in, array.first_out, array.last_out) == (5, 6, 10, 11)
    assert array.cycles == 7
    assert (array.label, array.kind, array.layer) == ("down", "arrays", 0)
    # What waits in the FIFO is not yet the adder's work.
    assert spans["layer_0_mlp_residual"].first_in == 10
    assert "host" not in spans
    assert [span.unit for span in found.spans] == [
        "embedding", "layer_0_mlp_norm", "layer_0_down", "layer_0_mlp_residual", "head_logits",
        "sampler",
    ]  # fmt: skip


def test_the_critical_path_adds_up():
    found = timeline(plain_chip(1), run(), n_prompt=1)
    charged = {span.unit: span.path_cycles for span in found.spans}
    assert charged == {
        "embedding": 2, "layer_0_mlp_norm": 4, "layer_0_down": 5, "layer_0_mlp_residual": 1,
        "head_logits": 9, "sampler": 3,
    }  # fmt: skip
    assert sum(charged.values()) == found.latency_cycles
    assert found.kinds()["arrays"] == {
        "units": 2, "cycles": 7 + 11, "path_cycles": 14, "giving_cycles": 2,
    }  # fmt: skip


def test_a_prompt_and_what_follows_are_told_apart():
    beats = sorted([*token(0, 0), *token(10, 1), *token(50, 2), *token(90, 3)], key=lambda b: b[0])
    found = timeline(plain_chip(1), beats, n_prompt=2)
    assert found.prompt_cycles_per_token == 10
    assert found.generated_cycles_per_token == 40
    lone = timeline(plain_chip(1), token(0, 0), n_prompt=1)
    assert lone.prompt_cycles_per_token is lone.generated_cycles_per_token is None
    assert "follow every" not in timeline_table(lone)


def test_any_token_can_be_shown():
    beats = sorted([*token(0, 0), *token(40, 1)], key=lambda b: b[0])
    assert timeline(plain_chip(1), beats, 2, token=0).position == 0
    with pytest.raises(HnlpuError, match="no such token"):
        timeline(plain_chip(1), beats, 2, token=2)


EXPERTS = [
    (0, "token", {"token": 1, "position": 0}),
    *vector("embedding", 1, 0),
    *vector("layer_0_router", 6, 0, n=3),
    (10, "layer_0_chosen", {"mask": 0b101}),
    (11, "layer_0_routing", {"mask": 1, "weight": 1, "last": 0}),
    (12, "layer_0_routing", {"mask": 4, "weight": 1, "last": 1}),
    *vector("layer_0_expert_0_down", 15, 0),
    *vector("layer_0_expert_2_down", 17, 0),
    *vector("layer_0_down", 16, 0),
    *vector("layer_0_down", 18, 0),
    (21, "sampled", {"token": 1, "position": 0}),
]


def test_experts_wait_until_they_are_chosen():
    found = timeline(expert_chip(), sorted(EXPERTS, key=lambda b: b[0]), 1)
    spans = {span.unit: span for span in found.spans}
    assert "layer_0_expert_1_down" not in spans
    assert spans["layer_0_expert_2_down"].label == "expert down 2"
    assert spans["layer_0_expert_2_down"].last_in == 10
    charged = {span.unit: span.path_cycles for span in found.spans if span.path_cycles}
    assert charged == {
        "embedding": 2, "layer_0_router": 6, "layer_0_routing": 2, "layer_0_expert_2_down": 8,
        "layer_0_down_merge": 1, "sampler": 2,
    }  # fmt: skip


def test_the_second_of_two_vectors_is_the_second_arrays():
    """Down projections take a vector each; both come from one stream."""
    chip = expert_chip()
    for block in chip["blocks"]:
        if block["name"] == "layer_0_feed":
            block["module"] = "hn_feed_2x8_a0_s4_p4"
    chip["streams"] = [s for s in chip["streams"] if s["name"] != "layer_0_chosen"]
    beats = [b for b in EXPERTS if b[1] not in ("layer_0_chosen", "layer_0_router")]
    beats += vector("embedding", 8, 0)
    found = timeline(chip, sorted(beats, key=lambda b: b[0]), 1)
    spans = {span.unit: span for span in found.spans}
    assert (spans["layer_0_expert_0_down"].first_in, spans["layer_0_expert_0_down"].last_in) == (
        1,
        2,
    )
    assert (spans["layer_0_expert_2_down"].first_in, spans["layer_0_expert_2_down"].last_in) == (
        8,
        9,
    )


@pytest.mark.parametrize(
    ("beats", "message"),
    [
        ([], "no token that was sampled"),
        ([*token(0, 0), *token(40, 0)], "more than one sequence"),
        ([b for b in token(0, 0) if b[1] in ("token", "head_logits", "sampled")], "trace every stream"),
    ],
)  # fmt: skip
def test_traces_that_do_not_tell_are_refused(beats, message):
    with pytest.raises(HnlpuError, match=message):
        timeline(plain_chip(1), beats, 1)


def test_files(tmp_path):
    found = write_timeline(plain_chip(1), run(), 1, tmp_path)
    written = json.loads((tmp_path / "timeline.json").read_text())
    assert written["latency_cycles"] == found.latency_cycles
    assert sum(kind["path_cycles"] for kind in written["kinds"].values()) == 24
    assert len(written["blocks"]) == len(found.spans)
    table = (tmp_path / "timeline.md").read_text()
    assert "| arrays | 2 | 18 | 14 | 2 |" in table
    assert "| 0: down | 5 to 6 | 10 to 11 | 7 | 5 |" in table
    assert (tmp_path / "timeline.png").read_bytes().startswith(b"\x89PNG")
