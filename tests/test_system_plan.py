"""Plans of systems: the mapping of the paper, bytes and cycles, and what is refused."""

from itertools import combinations
from math import comb

import pytest
from systems import DENSE, EXPERTS, small_hardware, small_model, small_plan

from hnlpu.costmodel.presets import outline_preset
from hnlpu.errors import HnlpuError
from hnlpu.exact_links import exact_links
from hnlpu.grid import Grid
from hnlpu.grid_mapping import busiest_chip, plan_system
from hnlpu.link_plan import LinkPlan
from hnlpu.sim.all_reduce_time import all_reduce_bound, whole_vectors_cycles
from hnlpu.system_plan import Part, Stage, SystemLink


def test_stages_of_the_paper_model() -> None:
    model = outline_preset("gpt-oss-120b")
    plan = plan_system(
        model, Grid(4, 4), small_hardware(model, hbm_bytes=1e12), context=2048, batch=216
    )
    assert plan.slots == 216 and len(plan.stages) == 218
    assert [stage.number for stage in plan.stages[:6]] == [1, 2, 3, 4, 5, 6]
    assert plan.n_links == {"column": 48, "row": 48}


def test_links_carry_the_paper_mapping() -> None:
    """Appendix A on 4 x 4, numbers per token and link: Q 1,024, K V 256, values and sums 1,056, Xo 720, Y 2,880."""
    model = outline_preset("gpt-oss-120b")
    plan = plan_system(
        model, Grid(4, 4), small_hardware(model, hbm_bytes=1e12), context=2048, batch=1
    )
    inner = plan.stages[6:12]
    numbers = {
        kind: sum(stage.mean(kind, "n_bytes") for stage in inner) / 2 for kind in ("column", "row")
    }
    assert numbers == {"column": 1024 + 256 + 1024 + 32 + 720 + 2880, "row": 720 + 2880}


def test_a_window_bounds_attention() -> None:
    plan = small_plan(EXPERTS, context=1024)
    windowed, full = (stage.mean("attention") for stage in plan.stages if stage.number == 3)
    assert full > windowed


def test_pieces_move_fewer_bytes_in_more_messages() -> None:
    whole, pieces = (small_plan(grid="4x4", collective=how) for how in ("whole", "pieces"))

    def moved(plan):  # type: ignore[no-untyped-def]
        return sum(stage.mean("column", "n_bytes") for stage in plan.stages)

    def messages(plan):  # type: ignore[no-untyped-def]
        return sum(part.kind == "column" for stage in plan.stages for part in stage.variants[0])

    assert moved(pieces) < moved(whole) and messages(pieces) > messages(whole)


def test_exact_integers_take_their_bits() -> None:
    """gpt-oss-120b on 4 x 4 again, in bits: arrays give 25 and 26, four experts 36, a context of 2K 46."""
    model = outline_preset("gpt-oss-120b")
    bits = {720: 25, 1024: 26}
    exact = exact_links(model, Grid(4, 4), lambda _, n_columns: bits[n_columns])
    hardware = small_hardware(model, hbm_bytes=1e12)
    inner = {}
    for collective in ("exact", "exact-pieces"):
        plan = plan_system(
            model, Grid(4, 4), hardware, context=2048, batch=1, collective=collective, exact=exact
        )
        inner[collective] = {
            kind: sum(stage.mean(kind, "n_bytes") for stage in plan.stages[6:12]) * 8
            for kind in ("column", "row")
        }
    scores, values = 16 * 20, (1024 + 16) * 46
    assert inner["exact"] == {
        "column": 1280 * 25 + scores + values + 720 * 20 + 180 * (36 + 20),
        "row": 18 + 720 * 26 + 720 * (36 + 20),
    }
    # Of a piece the terms are exact, and what is complete is rounded: 18 bits to a quantizer, 20 to the residual.
    assert inner["exact-pieces"] == {
        "column": (1280 * (25 + 18) + scores * 2 + 1040 * (46 + 18) + 720 * (36 + 20)) / 4
        + 720 * 20,
        "row": (18 * 2 + 720 * (26 + 20)) / 4 + 720 * (36 + 20),
    }


def test_a_layer_without_experts_agrees_on_an_exponent() -> None:
    model = small_model(DENSE)
    grid = Grid(2, 2)
    plan = plan_system(
        model, grid, small_hardware(model), context=8, batch=1, collective="exact",
        exact=exact_links(model, grid, lambda item, _: {"down": 21, "o": 19}.get(item.role, 17)),
    )  # fmt: skip
    names = [part.name for stage in plan.stages[:6] for part in stage.variants[0]]
    assert names.count("exponent") == 3  # before O in the row, before down on both axes
    (in_rows, in_columns) = (
        part.n_bytes * 8 / model.hidden for part in plan.stages[6].variants[0] if part.name == "Y"
    )
    assert (in_rows, in_columns) == (21, 22)


@pytest.mark.parametrize("collective", ["whole", "exact"])
def test_widths_belong_to_exact_collectives(collective: str) -> None:
    model, grid = small_model(DENSE), Grid(2, 2)
    exact = exact_links(model, grid, lambda *_: 20) if collective == "whole" else None
    with pytest.raises(ValueError, match=collective):
        plan_system(
            model,
            grid,
            small_hardware(model),
            context=8,
            batch=1,
            collective=collective,
            exact=exact,
        )


def test_one_chip_has_no_links() -> None:
    plan = small_plan(grid="1x1")
    assert not any(part.kind in ("row", "column") for s in plan.stages for part in s.variants[0])
    assert plan.n_links == {"row": 0, "column": 0}


@pytest.mark.parametrize(
    ("n_experts", "chosen", "chips"), [(8, 2, 4), (8, 3, 2), (6, 3, 6), (4, 1, 2)]
)
def test_busiest_chip_by_counting(n_experts: int, chosen: int, chips: int) -> None:
    per_chip = n_experts // chips
    draws = [
        max(sum(e // per_chip == chip for e in draw) for chip in range(chips))
        for draw in combinations(range(n_experts), chosen)
    ]
    expected = [
        draws.count(m) / comb(n_experts, chosen) for m in range(1, min(chosen, per_chip) + 1)
    ]
    assert busiest_chip(n_experts, chosen, chips) == pytest.approx(expected)


def test_link_times_are_those_of_the_link_twin() -> None:
    """A number a flit, a flit a beat: the time of the chips' exchange of whole vectors, of the RTL's exact twin."""
    link = SystemLink.of(2, 25, 2)
    assert link.latency_cycles(2 * 40) == whole_vectors_cycles(link.plan, 4, 40, add_cycles=0)


def test_collectives_are_above_the_bound() -> None:
    link = SystemLink.of(8, 20, 16)
    for n in (1, 64, 1000):
        bound = all_reduce_bound(4, n, 16, 3 * 64)
        assert bound <= link.latency_cycles(2 * n) and bound <= 2 * link.latency_cycles(2 * n / 4)


def test_a_link_is_as_fast_as_its_width() -> None:
    for rate in (1.0, 7.9, 8.0, 100.0, 1000.0):
        link = SystemLink.of(rate, 100, 256)
        assert link.bytes_per_cycle == pytest.approx(int(rate * 8) / 8)


def test_credits_limit_a_link() -> None:
    full, short = SystemLink.of(8, 100, 16), SystemLink.of(8, 100, 16, 64)
    assert short.bytes_per_cycle < full.bytes_per_cycle
    assert short.bytes_per_cycle == pytest.approx(64 / LinkPlan(128, 64, 100, 8).round_trip_cycles)


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        ({"grid": "3x2"}, "--grid 3x2"),
        ({"grid": "2x3"}, "--grid 2x3"),
        ({"grid": "0x2"}, "--grid"),
        ({"grid": "big"}, "--grid"),
        ({"batch": 13}, "batch"),
        ({"batch": 0}, "batch"),
        ({"context": 0}, "context"),
        ({"context": 10_000_000}, "context"),
        ({"collective": "ring"}, "--collective"),
        ({"link_rate": 0.0}, "link_bandwidth, link_flit_bytes"),
        ({"link_latency": 0}, "link latency"),
        ({"credits": 0}, "link depth"),
        ({"credits": 8}, "link depth"),
        ({"vex_lanes": 0.0}, "vex_lanes"),
    ],
)
def test_what_cannot_be_is_refused(changed, where) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(HnlpuError) as caught:
        small_plan(**changed)
    assert caught.value.where == where and caught.value.exit_code == 2


def test_experts_must_be_cut_evenly() -> None:
    model = small_model(EXPERTS, num_local_experts=6)
    with pytest.raises(HnlpuError, match="6 experts, to be cut into 4"):
        plan_system(model, Grid(2, 2), small_hardware(model), context=8, batch=1)


def test_a_context_beyond_the_model_is_noted() -> None:
    assert any("own 4,096" in note for note in small_plan(DENSE, context=5000, batch=1).notes)


def test_impossible_parts_and_chances_are_refused() -> None:
    with pytest.raises(ValueError, match="cycles"):
        Part("x", "vex", 3, 2)
    with pytest.raises(ValueError, match="kind"):
        Part("x", "magic", 1, 2)
    with pytest.raises(ValueError, match="chances"):
        Stage("s", 1, 0, ((), ()), (0.5, 0.4))
