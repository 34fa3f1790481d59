"""Properties of consistent mode: dimensions, sums, and what must grow with what."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from costs import measured_arrays
from hypothesis import given, settings
from hypothesis import strategies as st

from hnlpu.costmodel.consistent import (
    UNITS,
    Design,
    check_fits,
    consistent_inputs,
    consistent_sheet,
    node_inputs,
    nodes,
)
from hnlpu.costmodel.inputs import at, set_inputs
from hnlpu.costmodel.measured import load_measured
from hnlpu.costmodel.modes import changes
from hnlpu.costmodel.presets import load_outlines, outline_preset
from hnlpu.costmodel.reproduction import paper_sheet
from hnlpu.costmodel.speed import RESOURCES, SYSTEM_RESULTS
from hnlpu.costmodel.wafers import YIELD_MODELS
from hnlpu.costmodel.workload import parse_workload
from hnlpu.errors import HnlpuError

AREAS = ("hn_area_mm2", "embedding_sram_mm2", "vex_mm2", "control_mm2", "buffer_mm2",
         "interconnect_mm2", "hbm_phy_mm2")  # fmt: skip
FACTORS = st.floats(1.01, 4.0)


@pytest.fixture(scope="module")
def fixed_chips(make_consistent: Callable[..., Any]) -> Any:
    return make_consistent(design=Design(chips=24))


@pytest.mark.parametrize("node", nodes())
@pytest.mark.parametrize("architecture", ["taps", "paper", "merged"])
def test_every_formula_has_the_dimension_it_says(
    make_consistent: Callable[..., Any], node: str, architecture: str
) -> None:
    case = make_consistent(design=Design(node=node, architecture=architecture))
    case.sheet.check_units({key: (item.value, item.unit) for key, item in case.inputs.items()})


def test_a_wrong_dimension_is_found(consistent: Any) -> None:
    values = {key: (item.value, item.unit) for key, item in consistent.inputs.items()}
    with pytest.raises(ValueError, match="wafers_usd"):
        consistent.sheet.check_units({**values, "wafer_price": (1.0, "W/wafer")})


@pytest.mark.parametrize("model", sorted(load_outlines()))
@pytest.mark.parametrize("node", ["130nm", "16nm", "5nm", "3nm"])
def test_totals_are_sums_and_chips_fit(
    make_consistent: Callable[..., Any], model: str, node: str
) -> None:
    context = outline_preset(model).max_context // 2
    work = f"{min(1024, context)},{min(1024, context)},8"
    found = make_consistent(model, work, Design(node=node))()
    assert sum(found[name] for name in AREAS) == pytest.approx(found["total_area_mm2"])
    assert found["die_area_mm2"] <= found["reticle"] * (1 + 1e-9)
    assert found["chips"] == int(found["chips"]) >= 1
    assert 0 < found["die_yield"] <= 1
    design = ("architecture", "verification", "physical", "ip")
    parts = [found[f"design_{part}_usd"] for part in design]
    assert found["nre_usd"] == pytest.approx(
        sum(parts) + found["mask_shared_usd"] + found["chips"] * found["mask_per_chip_usd"]
    )
    assert found["mask_shared_usd"] + found["mask_per_chip_usd"] == pytest.approx(
        found["mask_set_usd"] * (1 + found["second_exposure_units"] / found["mask_units"])
    )
    assert found["tco_usd"] == pytest.approx(
        found["nre_usd"] + found["chips_usd"] + found["facility_usd"] + found["network_usd"]
        + found["electricity_usd"] + found["maintenance_usd"] + found["respins_usd"]
    )  # fmt: skip
    assert found["power_w"] == pytest.approx(
        (found["switching_w"] + found["leakage_w"] + found["idle_io_w"]) * (1 + found["box_losses"])
    )
    slowest = max(found[name] for key, name in RESOURCES.items() if key != "sequences")
    assert found["interval_limit"] == slowest
    assert found["positions_per_s"] <= 1 / slowest * (1 + 1e-9)
    assert found["tokens_per_s"] <= found["peak_tokens_per_s"] * (1 + 1e-9)
    if found["chips"] == 1:
        assert found["interconnect_mm2"] == found["interval_links"] == 0


@settings(max_examples=40)
@given(factor=FACTORS)
@pytest.mark.parametrize(
    ("changed", "grow"),
    [
        ("systems", ["tco_usd", "chips_usd", "wafers", "gpu_tco_usd", "carbon_kg"]),
        ("wafer_price", ["tco_usd", "chips_usd", "respin_usd"]),
        ("mask_set_usd", ["tco_usd", "nre_usd", "mask_nre_usd", "respin_usd"]),
        ("hbm_price", ["tco_usd", "chips_usd"]),
        ("electricity_price", ["tco_usd", "gpu_tco_usd", "electricity_usd"]),
        ("transistors", ["hn_area_mm2", "total_area_mm2", "chips", "nre_usd", "leakage_w"]),
        ("defect_density", ["wafers", "tco_usd"]),
        ("prompt_tokens", ["kv_sequence_bytes", "latency_s", "kv_spilled"]),
        ("respins_per_year", ["tco_usd", "carbon_kg", "break_even_systems"]),
        ("active_weights", ["weight_energy", "pass_energy"]),
        ("gpu_price", ["gpu_tco_usd", "cost_advantage", "break_even_respins_per_year"]),
    ],
)
def test_more_costs_more(consistent: Any, changed: str, grow: list[str], factor: float) -> None:
    base = consistent()
    more = consistent(**{changed: base[changed] * factor})
    for name in grow:
        assert more[name] >= base[name] * (1 - 1e-12), name
    assert any(more[name] > base[name] for name in grow)


@settings(max_examples=40)
@given(factor=FACTORS)
@pytest.mark.parametrize(
    ("changed", "shrink"),
    [
        ("systems", ["usd_per_token"]),
        ("clock", ["latency_s", "interval_vex", "interval_arrays"]),
        ("logic_density", ["hn_silicon_mm2", "chips", "wafers_usd"]),
        ("vex_lanes", ["interval_vex", "latency_s", "usd_per_token"]),
        ("prompt_tokens", ["tokens_per_s"]),
        ("wafer_price", ["cost_advantage"]),
    ],
)
def test_more_gives_less(consistent: Any, changed: str, shrink: list[str], factor: float) -> None:
    # whole wafers can cost a little more per system; one-time cost outweighs it over a factor of two
    factor = max(factor, 2.0) if changed == "systems" else factor
    base = consistent()
    more = consistent(**{changed: base[changed] * factor})
    for name in shrink:
        assert more[name] <= base[name] * (1 + 1e-12), name
    assert any(more[name] < base[name] for name in shrink)


@given(few=st.integers(1, 100), more=st.integers(1, 116))
def test_more_requests_give_more_tokens_and_take_longer(
    fixed_chips: Any, few: int, more: int
) -> None:
    """On a system of as many chips: a workload of few requests is given a smaller buffer, and so fewer chips."""
    consistent = fixed_chips
    one, two = consistent(concurrency=float(few)), consistent(concurrency=float(few + more))
    assert two["tokens_per_s"] >= one["tokens_per_s"] * (1 - 1e-12)
    assert two["latency_s"] >= one["latency_s"] * (1 - 1e-12)
    assert two["kv_workload_bytes"] > one["kv_workload_bytes"]
    assert one["tokens_per_s"] >= few * one["tokens_per_s_one_request"] * (1 - 1e-9) or (
        one["positions_per_s"] * one["interval_limit"] == pytest.approx(1)
    )


def test_pue_is_applied_once(consistent: Any) -> None:
    base, double = consistent(pue=1.0), consistent(pue=2.0)
    moved = {name for name in consistent.sheet.rules if base[name] != double[name]}
    assert double["electricity_usd"] == pytest.approx(2 * base["electricity_usd"])
    assert double["operational_kg"] == pytest.approx(2 * base["operational_kg"])
    assert not moved & {"power_w", "facility_usd", "capex_usd", "tokens_per_j", "chips_w"}


def test_break_even_is_where_costs_meet(consistent: Any) -> None:
    """With wafers not rounded away: at many systems the rounding is small."""
    at_mid = consistent()
    systems = at_mid["break_even_systems"]
    assert np.isfinite(systems)
    assert consistent(systems=systems * 1.3)["cost_advantage"] > 1
    assert consistent(systems=systems / 1.5)["cost_advantage"] < 1
    rate = consistent(systems=systems * 1.3)["break_even_respins_per_year"]
    assert rate > 0
    met = consistent(systems=systems * 1.3, respins_per_year=rate)
    assert met["tco_usd"] == pytest.approx(met["gpu_tco_usd"])


def test_a_dear_system_never_breaks_even(consistent: Any) -> None:
    found = consistent(gpu_price=0.0, facility_price=0.0)
    assert found["break_even_systems"] == np.inf or found["cost_advantage"] > 0


@settings(max_examples=50)
@given(area=st.floats(1.0, 858.0), density=st.floats(1e-4, 1e-2))
def test_yield_laws_agree_where_defects_are_few(area: float, density: float) -> None:
    laws = {
        name: float(rule.function(np.float64(area), np.float64(density)))
        for name, rule in YIELD_MODELS.items()
    }
    assert all(0 < value <= 1 for value in laws.values())
    assert laws["poisson"] <= laws["murphy"] * (1 + 1e-9)
    assert laws["poisson"] <= laws["negative-binomial"] * (1 + 1e-9)
    if area * density < 0.01:
        assert max(laws.values()) == pytest.approx(min(laws.values()), rel=1e-3)


def test_the_papers_yield_and_chip(consistent: Any) -> None:
    """43 % of 62 dies of 827.08 mm2 at 0.11 defects per cm2."""
    found = YIELD_MODELS["murphy"].function(np.float64(827.08), np.float64(0.0011))
    assert found == pytest.approx(0.43116, abs=1e-5)
    dies = consistent.sheet.rules["dies_per_wafer"].function(300.0, 0.0, 827.08, np.pi)
    assert int(dies) == 62


def test_spare_neurons_repair_arrays_only(consistent: Any) -> None:
    base = consistent()
    spared = consistent(spare_neurons=0.02, repair_coverage=0.9)
    assert spared["die_yield"] > base["die_yield"]
    assert spared["hn_area_mm2"] == pytest.approx(1.02 * base["hn_area_mm2"])
    assert consistent(repair_coverage=0.9)["die_yield"] == base["die_yield"]


def test_consistent_mode_changes_the_listed_rules_and_no_others(consistent: Any) -> None:
    listed = {item.figure for item in changes()}
    paper, ours = paper_sheet().rules, consistent_sheet().rules
    assert listed == paper.keys() & ours.keys()
    # the same law gives the paper's dollars on the paper's numbers
    shared = ours["mask_shared_usd"].function(30e6, 130.0, 10.0, 0.0)
    variant = ours["mask_per_chip_usd"].function(30e6, 130.0, 10.0)
    assert shared == pytest.approx(27.69e6, rel=1e-3)
    assert ours["mask_variants_usd"].function(variant, 16.0) == pytest.approx(36.92e6, rel=1e-3)
    for item in changes():
        same_inputs = paper[item.figure].inputs == ours[item.figure].inputs
        if item.same and same_inputs:
            values = [np.float64(2 + i) for i in range(len(ours[item.figure].inputs))]
            assert paper[item.figure].function(*values) == ours[item.figure].function(*values)


def test_via_masks_respin_at_two_fifths(make_consistent: Callable[..., Any]) -> None:
    taps = make_consistent()()
    regions = make_consistent(design=Design(architecture="paper"))()
    assert regions["mask_per_chip_usd"] == pytest.approx(10 / 4 * taps["mask_per_chip_usd"])


def test_every_input_has_a_unit_and_a_home(consistent: Any) -> None:
    assert set(consistent.sheet.inputs) == set(consistent.inputs) <= set(UNITS) | {
        "toggles_per_weight", "pi", "one_chip", "one_token", "chips",
    }  # fmt: skip


def _fits(workload: str, design: Design = Design(), *settings: str) -> None:
    model = outline_preset("gpt-oss-120b")
    inputs = consistent_inputs(
        model, measured_arrays(model), parse_workload(workload), design,
        toggles=load_measured().toggles, settings=settings,
    )  # fmt: skip
    check_fits(consistent_sheet(design), inputs, design)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("full", Design(chips=4)), "larger than the reticle.*4 chips"),
        (("full", Design(node="4nm")), "unknown node.*130nm"),
        (("full", Design(architecture="fpga")), "unknown architecture"),
        (("full", Design(yield_model="hope")), "unknown yield law.*murphy"),
        (("full", Design(accelerator="abacus")), "h100"),
        (("200000,1,1", Design()), "longer than the model's context.*131,072"),
        (("100000,1000,216", Design(), "hbm_stacks=0.2"), "beyond the KV capacity"),
        (("full", Design(), "control_mm2_per_chip=900"), "no room for weights"),
        (("full", Design(), "clock=-1"), "clock"),
        (("sometimes", Design()), "not a workload.*full"),
        (("1,2", Design()), "not a workload"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(arguments: Any, message: str) -> None:
    with pytest.raises(HnlpuError, match=message) as caught:
        _fits(*arguments)
    assert "\n" not in str(caught.value)


def test_more_chips_than_needed_are_smaller(make_consistent: Callable[..., Any]) -> None:
    few = make_consistent()()
    many = make_consistent(design=Design(chips=32))()
    assert many["chips"] == 32 and many["die_area_mm2"] < few["die_area_mm2"]
    _fits("full", Design(chips=32))


def test_a_node_is_chosen_as_a_whole() -> None:
    keys = [set(node_inputs(Design(node=node))) for node in nodes()]
    assert all(key == keys[0] for key in keys)
    changed = set_inputs(node_inputs(Design()), ["clock=0.8"])
    assert at(changed, "mid")["clock"] == 0.8e9


def test_a_simulated_system_takes_the_place_of_the_rules(consistent: Any) -> None:
    """What it gives is used, and what follows from the rules it replaces is not."""
    replaced = consistent.sheet.replaced(without=SYSTEM_RESULTS)
    assert set(SYSTEM_RESULTS) <= set(replaced.inputs)
    base = consistent()
    values = {name: base[name] for name in replaced.inputs}
    assert replaced.evaluate(values)["tokens_per_s"] == base["tokens_per_s"]
    slower = replaced.evaluate({**values, "interval_limit": 2 * base["interval_limit"]})
    assert slower["tokens_per_s"] == pytest.approx(base["tokens_per_s"] / 2)
