"""Accelerators' data, and the roofline against hand calculations and published rates."""

import re
from importlib.resources import files
from math import inf
from pathlib import Path

import numpy as np
import pytest

from hnlpu.costmodel import attention, roofline
from hnlpu.costmodel.accelerators import (
    Accelerator,
    Measurement,
    accelerator_inputs,
    load_accelerators,
    roofline_inputs,
    weight_formats,
)
from hnlpu.costmodel.inputs import at
from hnlpu.costmodel.javascript import to_javascript
from hnlpu.costmodel.presets import load_outlines, outline_preset
from hnlpu.costmodel.roofline import BOUNDS, INPUTS
from hnlpu.costmodel.sheet import Sheet, rules_of
from hnlpu.costmodel.workload import Workload
from hnlpu.errors import HnlpuError

SHEET = Sheet(rules_of(attention, roofline))
MACHINES = load_accelerators()
Values = dict[str, float]

#: Nothing is lost: the roofline is an upper bound.
PERFECT = {
    "gpu_bandwidth_efficiency": 1.0,
    "gpu_compute_efficiency": 1.0,
    "gpu_memory_usable": 1.0,
    "gpu_kernel_time": 0.0,
}


def values(
    name: str, model: str, prompt: int, output: int, requests: int, end: str = "mid"
) -> Values:
    work = Workload("test", prompt, output, requests, "this test")
    return dict(at(roofline_inputs(name, outline_preset(model), work), end))


def of_measurement(name: str, entry: Measurement, end: str = "mid") -> Values:
    """The workload, accelerators and formats of a published rate; 1 request where it does not say how many."""
    prompt, output = entry.prompt_tokens or 1024, entry.output_tokens or 1024
    found = values(name, entry.model, prompt, output, entry.concurrency or 1, end)
    found["gpu_count_given"] = float(entry.n_accelerators or 0)
    formats = weight_formats()
    if entry.weight_format:
        found["gpu_weight_bytes"] = formats[entry.weight_format].value
        experts = entry.expert_weight_format or entry.weight_format
        found["gpu_expert_weight_bytes"] = formats[experts].value
    return found


def perfect(name: str, entry: Measurement) -> Values:
    """What no machine exceeds: nothing lost, everything at the end that favours speed."""
    best = of_measurement(name, entry) | PERFECT
    high = of_measurement(name, entry, "high")
    low = of_measurement(name, entry, "low")
    best |= {key: high[key] for key in ("gpu_bandwidth", "gpu_compute", "gpu_memory")}
    return best | {key: low[key] for key in ("gpu_kv_number_bytes", "gpu_embedding_number_bytes")}


def measured() -> list[tuple[str, Measurement]]:
    return [
        (name, entry)
        for name, machine in MACHINES.items()
        if machine.has_roofline
        for entry in machine.measured
    ]


def test_every_input_is_declared_and_every_rule_has_its_unit() -> None:
    declared = attention.INPUTS | INPUTS
    assert set(SHEET.inputs) == set(declared)
    mid = values("b200", "gpt-oss-120b", 1024, 1024, 50)
    work = Workload("test", 1024, 1024, 50, "this test")
    inputs = roofline_inputs("b200", outline_preset("gpt-oss-120b"), work)
    SHEET.check_units({key: (inputs[key].value, inputs[key].unit) for key in declared})
    assert {key: inputs[key].unit for key in ("gpu_bandwidth", "gpu_kernel_time")} == {
        "gpu_bandwidth": "TB/(s*gpu)", "gpu_kernel_time": "ns",
    }  # fmt: skip
    assert mid["gpu_bandwidth"] == 8e12 and mid["gpu_kernel_time"] == pytest.approx(3e-6)
    assert "gpu_experts_touched" in to_javascript(SHEET)


def test_one_request_of_a_dense_model_by_hand() -> None:
    """Llama-3-8B in FP8 on one H100 without losses: every step reads every weight and the cache."""
    found = SHEET.evaluate(values("h100", "llama-3-8b", 1000, 2000, 1) | PERFECT)
    weights = 32 * (2 * 4096 * 4096 + 2 * 4096 * 1024 + 3 * 4096 * 14336) + 128256 * 4096
    cache = 32 * 2 * 8 * 128 * (1000 + 2000 / 2)
    step = (weights + cache) / 3.35e12
    prompt = 2 * (weights - 128256 * 4096) + 2 * 32 * 2 * 4096 * 500
    batch = 1000 * prompt / 1.979e15 + 2000 * step
    assert found["gpu_count"] == 1
    assert found["gpu_step_s"] == pytest.approx(step)
    assert found["gpu_tokens_per_s"] == pytest.approx(2000 / batch)
    assert found["gpu_latency_s"] == pytest.approx(batch / 2000)
    assert found["gpu_energy_per_token"] == pytest.approx(1300 * batch / 2000)
    assert BOUNDS[int(found["gpu_bound"])] == "bandwidth"


def test_sliding_windows_bound_the_cache() -> None:
    """gpt-oss: half of the layers read at most 128 positions."""
    found = SHEET.evaluate(values("h100", "gpt-oss-120b", 10000, 2000, 3))
    per_layer = 2 * 8 * 64
    assert found["gpu_step_kv_bytes"] == pytest.approx(3 * per_layer * 18 * (11000 + 128))
    assert found["gpu_kv_sequence_bytes"] == pytest.approx(per_layer * 18 * (12000 + 128))


def test_experts_that_a_batch_touches() -> None:
    mid = values("h100", "gpt-oss-120b", 1000, 1000, 1)
    batches = np.array([1, 2, 32, 100_000])
    touched = SHEET.evaluate(mid | {"concurrency": batches})["gpu_experts_touched"]
    k, n = 4, 128
    assert touched == pytest.approx([k / n, 1 - (1 - k / n) ** 2, 1 - (1 - k / n) ** 32, 1])
    dense = SHEET.evaluate(values("h100", "llama-3-8b", 1000, 1000, 1))
    assert dense["gpu_experts_touched"] == 1 and dense["expert_weights"] == 0


def test_a_batch_reads_weights_once_and_every_cache() -> None:
    """The share of experts against a simulation of tokens that choose at random."""
    rng = np.random.default_rng(0)
    chosen = [
        len(np.unique([rng.choice(128, 4, replace=False) for _ in range(20)])) for _ in range(400)
    ]
    found = SHEET.evaluate(values("h100", "gpt-oss-120b", 1000, 1000, 20))
    assert found["gpu_experts_touched"] == pytest.approx(np.mean(chosen) / 128, rel=0.01)
    expected = found["weights"] - found["expert_weights"]
    expected = 2 * expected + 0.53125 * found["expert_weights"] * found["gpu_experts_touched"]
    assert found["gpu_step_weight_bytes"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "model", "requests", "given", "count"),
    [
        ("h100", "gpt-oss-120b", 1, 0, 1),
        (
            "h100",
            "llama-3-70b",
            1,
            0,
            1 + 0,
        ),  # 70 GB in FP8 and its table: more than 72 GB is not needed
        ("h100", "deepseek-v3", 1, 0, 10),
        ("h100", "gpt-oss-120b", 1, 4, 4),
        ("h100", "deepseek-v3", 1, 4, 10),
        ("wse3", "gpt-oss-120b", 1, 0, 2),
    ],
)
def test_how_many_hold_the_model(
    name: str, model: str, requests: int, given: int, count: int
) -> None:
    found = SHEET.evaluate(
        values(name, model, 1000, 1000, requests) | {"gpu_count_given": float(given)}
    )
    usable = found["gpu_memory"] * found["gpu_memory_usable"]
    need = found["gpu_model_bytes"] + requests * found["gpu_kv_sequence_bytes"]
    assert found["gpu_count"] == max(np.ceil(need / usable), given) == count
    assert found["gpu_concurrency_max"] >= requests


def test_as_many_requests_as_fit_still_fit() -> None:
    mid = values("b200", "gpt-oss-120b", 1000, 1000, 1) | {"gpu_count_given": 2.0}
    most = np.floor(SHEET.evaluate(mid)["gpu_concurrency_max"])
    assert SHEET.evaluate(mid | {"concurrency": most})["gpu_count"] == 2
    assert SHEET.evaluate(mid | {"concurrency": most + 1})["gpu_count"] == 3


@pytest.mark.parametrize(
    ("change", "bound"),
    [
        ({}, "bandwidth"),
        ({"gpu_compute": 1e11}, "compute"),
        ({"gpu_kernel_time": 1e-3}, "kernels"),
        ({"prompt_tokens": 100_000.0, "output_tokens": 10.0}, "prefill"),
    ],
)
def test_what_limits_is_named(change: Values, bound: str) -> None:
    found = SHEET.evaluate(values("h100", "llama-3-8b", 100, 1000, 1) | change)
    assert BOUNDS[int(found["gpu_bound"])] == bound


@pytest.mark.parametrize("model", load_outlines())
@pytest.mark.parametrize("requests", [1, 50, 1000])
def test_more_of_a_resource_is_never_slower(model: str, requests: int) -> None:
    mid = values("h200", model, 1024, 1024, requests) | {"gpu_count_given": 64.0}
    rate = SHEET.evaluate(mid)["gpu_group_tokens_per_s"]
    faster = ("gpu_bandwidth", "gpu_compute", "gpu_bandwidth_efficiency", "gpu_compute_efficiency")
    slower = ("gpu_kernel_time", "gpu_weight_bytes", "gpu_kv_number_bytes", "prompt_tokens")
    for key in faster:
        assert SHEET.evaluate(mid | {key: mid[key] * 1.1})["gpu_group_tokens_per_s"] >= rate
    for key in slower:
        assert SHEET.evaluate(mid | {key: mid[key] * 1.1})["gpu_group_tokens_per_s"] <= rate
    more = SHEET.evaluate(mid | {"concurrency": requests + 1})
    assert more["gpu_group_tokens_per_s"] >= rate > 0
    assert more["gpu_latency_s"] >= SHEET.evaluate(mid)["gpu_latency_s"]


def test_arrays_are_element_by_element() -> None:
    mid = values("h100", "deepseek-v3", 1024, 1024, 1)
    batches = np.array([1.0, 7.0, 300.0])
    together = SHEET.evaluate(mid | {"concurrency": batches})
    for i, batch in enumerate(batches):
        alone = SHEET.evaluate(mid | {"concurrency": float(batch)})
        for name in SHEET.rules:
            assert np.broadcast_to(together[name], 3)[i] == pytest.approx(alone[name], rel=1e-12)


@pytest.mark.parametrize(
    ("name", "entry"), measured(), ids=[f"{name}-{entry.name}" for name, entry in measured()]
)
def test_no_published_rate_exceeds_the_bound(name: str, entry: Measurement) -> None:
    """At the published number of requests, or at the best one where the source does not say."""
    best = perfect(name, entry)
    if entry.per == "request":
        assert 1 / SHEET.evaluate(best)["gpu_step_s"] >= entry.tokens_per_s.value
        return
    if not entry.concurrency:
        best["concurrency"] = np.unique(np.geomspace(1, 20_000, 400).astype(int)).astype(float)
    found = SHEET.evaluate(best)
    fits = found["gpu_count"] <= (entry.n_accelerators or inf)
    rate = entry.per_accelerator
    assert rate is not None
    assert np.max(np.where(fits, found["gpu_tokens_per_s"], 0)) >= rate.value


@pytest.mark.parametrize("requests", [1, 5, 25])
def test_a_dense_model_is_met_where_the_workload_is_known(requests: int) -> None:
    """NVIDIA's own Llama 3.3 70B on two H100: 51.67, 218.48 and 623.4 tokens/s."""
    entry = next(
        item for item in MACHINES["h100"].measured if item.name == f"nim_llama_3_70b_{requests}"
    )
    assert entry.concurrency == requests and entry.per_accelerator is not None
    rate = entry.per_accelerator.value
    mid = SHEET.evaluate(of_measurement("h100", entry))
    assert mid["gpu_count"] == 2
    assert mid["gpu_tokens_per_s"] == pytest.approx(rate, rel=0.15)
    ends = [
        SHEET.evaluate(of_measurement("h100", entry) | change)["gpu_tokens_per_s"]
        for change in (
            {
                "gpu_bandwidth_efficiency": 0.5,
                "gpu_compute_efficiency": 0.25,
                "gpu_kernel_time": 1e-5,
            },
            {
                "gpu_bandwidth_efficiency": 0.9,
                "gpu_compute_efficiency": 0.7,
                "gpu_kernel_time": 1e-6,
            },
        )
    ]
    assert ends[0] < rate < ends[1]


def test_the_paper_s_two_rates_of_one_gpu() -> None:
    """45 tokens/s is less than a lone request gets, 1,080 less than 50 of them; both on one H100."""
    rates = {entry.name: entry.tokens_per_s.value for entry in MACHINES["h100"].measured}
    one = SHEET.evaluate(values("h100", "gpt-oss-120b", 1024, 1024, 1))
    fifty = SHEET.evaluate(values("h100", "gpt-oss-120b", 1024, 1024, 50))
    assert one["gpu_count"] == fifty["gpu_count"] == 1
    assert rates["paper_table_2"] < one["gpu_tokens_per_s"] < rates["paper_tco"]
    assert rates["paper_tco"] < fifty["gpu_tokens_per_s"]


def test_all_machines_are_there() -> None:
    assert set(MACHINES) == {"h100", "h200", "b200", "mi300x", "wse3", "groq", "hc1"}
    for machine in MACHINES.values():
        assert machine.measured and machine.system_power.value >= machine.power.value
        assert (
            machine.has_roofline == (machine.bandwidth is not None) == (machine.only_model is None)
        )


def test_rates_of_a_system_are_shared_and_those_of_a_request_are_not() -> None:
    named = {entry.name: entry for entry in MACHINES["h100"].measured + MACHINES["hc1"].measured}
    system = named["nim_llama_3_70b_25"]
    assert (system.per, system.n_accelerators) == ("system", 2)
    assert system.per_accelerator is not None
    assert system.per_accelerator.value == system.tokens_per_s.value / 2
    assert named["paper_tco"].per_accelerator == named["paper_tco"].tokens_per_s
    assert named["taalas"].per == "request" and named["taalas"].per_accelerator is None


def test_formats_of_a_family() -> None:
    own = accelerator_inputs("h100", outline_preset("gpt-oss-20b"))
    usual = accelerator_inputs("h100", outline_preset("qwen3-235b-a22b"))
    assert own["gpu_weight_bytes"].value == 2 and own["gpu_expert_weight_bytes"].value == 0.53125
    assert usual["gpu_weight_bytes"].value == usual["gpu_expert_weight_bytes"].value == 1
    assert usual["expert_fraction"].value == 8 / 128
    blackwell = accelerator_inputs("b200", outline_preset("llama-3-8b"))["gpu_compute"]
    assert (blackwell.value, blackwell.high) == (4.5e15, 9e15)


def test_an_accelerator_without_a_roofline_says_so() -> None:
    with pytest.raises(HnlpuError, match="accelerator hc1.*llama-3-8b alone"):
        accelerator_inputs("hc1", outline_preset("llama-3-8b"))
    with pytest.raises(HnlpuError, match="known are h100"):
        accelerator_inputs("a100", outline_preset("llama-3-8b"))


PAPER = r"(\[accelerator\.h100\.measured\.paper_tco\]\n)"


@pytest.mark.parametrize(
    ("pattern", "new", "where"),
    [
        (r"^\[roofline\.memory_usable\]", "[roofline.usable]", "roofline.usable"),
        (r"(\[roofline\.memory_usable\]\n)", r"\1vlaue = 1\n", "roofline.memory_usable.vlaue"),
        (r"^\[family\.gpt-oss\.weight_bytes\]", "[family.gpt-oss.bytes]", "family.gpt-oss.bytes"),
        (r"^\[weight_format\.fp8\]", "[formats.fp8]", "formats"),
        (r"^\[family\.gpt-oss\.weight_bytes\]", "[family.gpt.weight_bytes]", "family.gpt"),
        (r"^\[accelerator\.h100\.memory\]", "[accelerator.h100.memroy]", "accelerator.h100.memroy"),
        (r"(\[accelerator\.h100\.memory\]\nvalue = 80\.0\nunit = )\S+", r'\1"W/gpu"', "accelerator.h100.memory.unit"),
        (r"(\[accelerator\.h100\.memory\]\nvalue = )\S+", r"\1-80.0", "accelerator.h100.memory.value"),
        (r"(\[accelerator\.h100\.memory\](?:\n.*){4}\n)source = .*\n", r"\1", "accelerator.h100.memory.source"),
        (r"(\[accelerator\.hc1\]\n)", r"\1memory = 1\n", "accelerator.hc1.memory"),
        (r'^only_model = .*', 'only_model = "gpt-5"', "accelerator.hc1.only_model"),
        (PAPER, r'\1speed = 1\n', "accelerator.h100.measured.paper_tco.speed"),
        (PAPER + r"model = .*", r'\1model = "gpt-5"', "accelerator.h100.measured.paper_tco.model"),
        (PAPER + r"model = .*\n", r"\1", "accelerator.h100.measured.paper_tco.model"),
        (PAPER, r'\1n_accelerators = 0\n', "accelerator.h100.measured.paper_tco.n_accelerators"),
        (PAPER, r'\1weight_format = "fp3"\n', "accelerator.h100.measured.paper_tco.weight_format"),
        (
            r"(\[accelerator\.h100\.measured\.paper_tco\.tokens_per_s\]\nvalue = \S+\nunit = )\S+",
            r'\1"token/year"',
            "accelerator.h100.measured.paper_tco.tokens_per_s.unit",
        ),
    ],
)  # fmt: skip
def test_bad_data_is_refused_by_file_and_key(
    tmp_path: Path, pattern: str, new: str, where: str
) -> None:
    text = (files("hnlpu.costmodel") / "data" / "accelerators.toml").read_text(encoding="utf-8")
    changed, n = re.subn(pattern, new, text, count=1, flags=re.MULTILINE)
    assert n == 1
    path = tmp_path / "accelerators.toml"
    path.write_text(changed, encoding="utf-8")
    with pytest.raises(HnlpuError) as caught:
        load_accelerators(path)
    assert caught.value.where == f"{path}: {where}"


def test_a_machine_is_frozen() -> None:
    machine: Accelerator = MACHINES["h100"]
    with pytest.raises(AttributeError):
        machine.name = "another"  # type: ignore[misc]
