"""A small cost page: a sheet of few rules with every kind of input, chart, control and baseline.

Its numbers are made up; what is tested is that page, files and sheet agree.
"""

from numpy import ceil, exp, expm1, maximum, minimum

from hnlpu.costmodel.contradiction import Note
from hnlpu.costmodel.inputs import Inputs
from hnlpu.costmodel.quantity import Figure, Quantity
from hnlpu.costmodel.sheet import Sheet, rule
from hnlpu.costmodel.uncertainty import draw, figures, sample
from hnlpu.reports.cost_view import Baseline, Control, CostPage, Curve, Limit, Line, Metric, Parts


@rule("mm2")
def arrays_mm2(transistors, density):
    """Transistors / density."""
    return transistors / density


@rule("mm2")
def memory_mm2(memory_bytes, bit_area):
    """Bytes x area of a byte."""
    return memory_bytes * bit_area


@rule("chip")
def chips(arrays_mm2, memory_mm2, reticle):
    """Area / reticle, rounded up."""
    return ceil((arrays_mm2 + memory_mm2) / reticle)


@rule("mm2")
def die_area_mm2(arrays_mm2, memory_mm2, chips):
    """Area / chips."""
    return (arrays_mm2 + memory_mm2) / chips


@rule("mm2")
def total_area_mm2(die_area_mm2, chips):
    """Die area x chips."""
    return die_area_mm2 * chips


@rule("1", source="Murphy (1964)", tag="assumed")
def die_yield(die_area_mm2, defects):
    """((1 - exp(-A D)) / (A D))^2."""
    faults = die_area_mm2 * defects
    return (-expm1(-faults) / faults) ** 2


@rule("USD")
def mask_nre_usd(mask_set, chips, variant_share):
    """Mask set x (1 + chips x share of masks with weights)."""
    return mask_set * (1 + chips * variant_share)


@rule("USD")
def design_usd(mask_set, design_factor):
    """Mask set x design factor."""
    return mask_set * design_factor


@rule("USD")
def nre_usd(mask_nre_usd, design_usd):
    """Masks + design."""
    return mask_nre_usd + design_usd


@rule("USD")
def chips_usd(total_area_mm2, die_yield, silicon_price, systems):
    """Area x price / yield x systems."""
    return total_area_mm2 * silicon_price / die_yield * systems


@rule("USD")
def respin_usd(mask_set, variant_share, chips, chips_usd):
    """Masks with weights of all chips + new chips."""
    return mask_set * variant_share * chips + chips_usd


@rule("s/token")
def interval_arrays(cycles, clock):
    """Cycles / clock."""
    return cycles / clock


@rule("s/token")
def interval_memory(prompt_tokens, output_tokens, kv_bytes, bandwidth, chips):
    """KV cache of a token's context / bandwidth of all chips."""
    return (prompt_tokens + output_tokens / 2) * kv_bytes / (bandwidth * chips)


@rule("s")
def latency_s(latency, chips, hop):
    """Latency of the arrays + hops."""
    return latency + chips * hop


@rule("s/token")
def interval_sequences(latency_s, concurrency, one_token):
    """Latency / sequences in flight."""
    return latency_s / concurrency / one_token


@rule("token/s")
def tokens_per_s(interval_arrays, interval_memory, interval_sequences):
    """1 / longest interval."""
    return 1 / maximum(maximum(interval_arrays, interval_memory), interval_sequences)


@rule("J/token")
def array_energy(pass_energy, energy_scale):
    """Energy of a pass x node scale."""
    return pass_energy * energy_scale


@rule("J/token")
def memory_energy(prompt_tokens, output_tokens, kv_bytes, byte_energy):
    """KV bytes x energy of a byte."""
    return (prompt_tokens + output_tokens / 2) * kv_bytes * byte_energy


@rule("W")
def power_w(array_energy, memory_energy, tokens_per_s, leakage, total_area_mm2):
    """Energy of a token x tokens + leakage."""
    return (array_energy + memory_energy) * tokens_per_s + leakage * total_area_mm2


@rule("token/J")
def tokens_per_j(tokens_per_s, power_w):
    """Tokens per second / power."""
    return tokens_per_s / power_w


@rule("USD")
def electricity_usd(power_w, systems, pue, years, electricity_price):
    """Power x PUE x years x price."""
    return power_w * systems * pue * years * electricity_price


@rule("USD")
def respins_usd(respin_usd, respins_per_year, years):
    """Respins x cost of one."""
    return respin_usd * respins_per_year * years


@rule("USD")
def tco_usd(nre_usd, chips_usd, electricity_usd, respins_usd):
    """NRE + chips + electricity + respins."""
    return nre_usd + chips_usd + electricity_usd + respins_usd


@rule("kg")
def carbon_kg(electricity_usd, electricity_price, grid_carbon):
    """Energy x carbon of the grid."""
    return electricity_usd / electricity_price * grid_carbon


@rule("gpu")
def gpus(tokens_per_s, systems, gpu_tokens_per_s):
    """Accelerators that write as many tokens, rounded up."""
    return maximum(ceil(tokens_per_s * systems / gpu_tokens_per_s), 1)


@rule("USD")
def gpu_tco_usd(gpus, gpu_price, gpu_power, pue, years, electricity_price):
    """Price + electricity."""
    return gpus * (gpu_price + gpu_power * pue * years * electricity_price)


@rule("token/J")
def gpu_tokens_per_j(gpu_tokens_per_s, gpu_power):
    """Tokens per second / power."""
    return gpu_tokens_per_s / gpu_power


@rule("1")
def cost_advantage(gpu_tco_usd, tco_usd):
    """TCO of the accelerators / ours."""
    return gpu_tco_usd / tco_usd


@rule("1")
def break_even(gpu_tco_usd, tco_usd, break_even_limit):
    """Infinite where ours costs more."""
    return minimum(tco_usd / maximum(gpu_tco_usd - tco_usd, 0 * tco_usd), break_even_limit)


@rule("1")
def saturation(cost_advantage):
    """1 - exp(-advantage): an elementary function."""
    return 1 - exp(-cost_advantage)


SHEET = Sheet(
    item for item in list(globals().values()) if hasattr(item, "inputs") and hasattr(item, "text")
)


def _q(
    value: float, unit: str, low: float, high: float, source: str, tag: str = "assumed"
) -> Quantity:
    return Quantity(value=value, unit=unit, low=low, high=high, source=source, confidence=tag)


def _exact(value: float, unit: str, source: str = "by definition") -> Quantity:
    return _q(value, unit, value, value, source, "published")


INPUTS: Inputs = {
    "transistors": _q(
        1.5e12, "transistor", 1.5e12, 1.5e12, "counted on the emitted bases", "measured"
    ),
    "density": _q(138.2, "Mtransistor/mm2", 110.6, 171.3, "public tables of the node", "published"),
    "memory_bytes": _q(5.1, "GB", 4.0, 6.0, "attention buffers; <b>scaled</b> & rounded"),
    "bit_area": _q(0.033, "um2/bit", 0.025, 0.05, "bit cell and periphery"),
    "reticle": _exact(858.0, "mm2/chip", "exposure field, 26 mm x 33 mm"),
    "defects": _q(0.1, "1/cm2", 0.05, 0.2, "mature process"),
    "mask_set": _q(22.0, "USD", 15.0, 30.0, "full mask set, in M"),
    "variant_share": _q(0.077, "1/chip", 0.015, 0.077, "masks with weights / all masks", "derived"),
    "design_factor": _q(4.0, "1", 2.0, 8.0, "design effort"),
    "silicon_price": _q(0.24, "USD/mm2", 0.18, 0.3, "wafer price / area", "published"),
    "systems": _exact(50.0, "system", "the workload"),
    "cycles": _q(36.0, "cycle/token", 36.0, 72.0, "counted", "measured"),
    "clock": _q(1.0, "GHz", 0.5, 1.0, "timing closure of the paper"),
    "prompt_tokens": _exact(1024.0, "token", "the workload"),
    "output_tokens": _exact(1024.0, "token", "the workload"),
    "kv_bytes": _exact(36864.0, "B/token**2", "layers x KV width x bytes"),
    "bandwidth": _q(2.4, "TB/(s*chip)", 1.0, 5.0, "bandwidth of the buffers"),
    "latency": _q(40.0, "us", 20.0, 400.0, "arrays and vector unit"),
    "hop": _q(0.7, "us/chip", 0.2, 2.0, "link latency"),
    "concurrency": _exact(216.0, "sequence", "the workload"),
    "one_token": _exact(1.0, "token/sequence"),
    "pass_energy": _q(12.0, "mJ/token", 6.0, 40.0, "toggles counted on netlists"),
    "energy_scale": _exact(1.0, "1", "reference node"),
    "byte_energy": _q(1.2, "pJ/B", 0.5, 3.0, "SRAM access"),
    "leakage": _q(0.2, "W/mm2", 0.05, 0.4, "leakage of the class"),
    "pue": _q(1.4, "1", 1.1, 1.5, "the paper", "published"),
    "years": _exact(3.0, "year", "the workload"),
    "electricity_price": _q(0.095, "USD/(kW*h)", 0.06, 0.15, "industrial price", "published"),
    "respins_per_year": _exact(1.0, "1/year", "the workload"),
    "grid_carbon": _q(0.38, "kg/(kW*h)", 0.05, 0.6, "grid average", "published"),
    "gpu_tokens_per_s": _q(
        1080.0, "token/(gpu*s)", 800.0, 3000.0, "published serving rate", "published"
    ),
    "gpu_price": _q(32000.0, "USD/gpu", 25000.0, 40000.0, "street price"),
    "gpu_power": _q(1300.0, "W/gpu", 700.0, 1300.0, "server power / 8", "published"),
    "break_even_limit": _exact(1e6, "1"),
}
INPUTS["mask_set"] = _q(22.0e6, "USD", 15.0e6, 30.0e6, "full mask set")

_N3 = {**INPUTS}
NODES: dict[str, Inputs] = {
    "28nm": {
        "density": _q(15.0, "Mtransistor/mm2", 12.0, 18.0, "public tables of 28 nm", "published"),
        "mask_set": _q(2.0e6, "USD", 1.5e6, 3.0e6, "mask set at 28 nm"),
        "silicon_price": _q(0.04, "USD/mm2", 0.035, 0.05, "wafer price at 28 nm"),
        "energy_scale": _exact(4.0, "1", "scaling of 28 nm"),
    },
    "5nm": {
        name: INPUTS[name] for name in ("density", "mask_set", "silicon_price", "energy_scale")
    },
    "3nm": {
        "density": _q(215.0, "Mtransistor/mm2", 180.0, 290.0, "public tables of 3 nm", "published"),
        "mask_set": _q(35.0e6, "USD", 25.0e6, 45.0e6, "mask set at 3 nm"),
        "silicon_price": _q(0.3, "USD/mm2", 0.25, 0.35, "wafer price at 3 nm"),
        "energy_scale": _exact(0.7, "1", "scaling of 3 nm"),
    },
}


def _paper(value: float, unit: str, low: float | None = None, high: float | None = None) -> Figure:
    return Figure(value if low is None else low, value, value if high is None else high, unit, "published",
                  "as stated", ("the paper, Table 2",))  # fmt: skip


def cost_page(title: str = "gpt-oss-120b on 5 nm (made-up numbers)", n: int = 200) -> CostPage:
    """A page of everything the report can show."""
    drawn = draw(INPUTS, n)
    return CostPage(
        title=title,
        description="36 layers, 128 experts of which 4 work on a token; made-up numbers for the tests.",
        sheet=SHEET,
        inputs=INPUTS,
        figures=figures(SHEET, INPUTS, sample(SHEET, INPUTS, n)),
        headline=(
            Metric("chips", "Chips", "chips"),
            Metric("die_area_mm2", "Die area", "die_area_mm2"),
            Metric("total_area_mm2", "Total area", "total_area_mm2"),
            Metric("nre_usd", "NRE", "nre_usd"),
            Metric("mask_nre_usd", "Mask NRE", "mask_nre_usd"),
            Metric("respin_usd", "Respin", "respin_usd"),
            Metric("tokens_per_s", "Tokens per second", "tokens_per_s"),
            Metric("latency_s", "Latency per token", "latency_s"),
            Metric("power_w", "Power of a system", "power_w"),
            Metric("tokens_per_j", "Tokens per joule", "tokens_per_j"),
            Metric("tco_usd", "Cost of ownership", "tco_usd"),
            Metric("tco2e", "Carbon (CO\u2082e)", "carbon_kg", "kg"),
            Metric("cost_advantage", "Cost beside GPUs", "cost_advantage"),
            Metric("break_even", "Break-even", "break_even"),
        ),
        paper={
            "chips": _paper(16.0, "chip"),
            "die_area_mm2": _paper(827.08, "mm2"),
            "total_area_mm2": _paper(13232.0, "mm2"),
            "nre_usd": _paper(123.3e6, "USD", 59.3e6, 123.3e6),
            "mask_nre_usd": _paper(48.4e6, "USD", 32.3e6, 64.6e6),
            "respin_usd": _paper(27.69e6, "USD", 18.46e6, 36.92e6),
            "tokens_per_s": _paper(249960.0, "token/s"),
            "power_w": _paper(6900.0, "W"),
            "tokens_per_j": _paper(36.226, "token/J"),
        },
        resources={"arrays": "interval_arrays", "attention memory": "interval_memory",
                   "sequences in flight": "interval_sequences"},
        node="5nm",
        nodes=NODES,
        controls=(
            Control("systems", "Systems", ("systems",), 1, 10000, 1, "system", log=True),
            Control("respins", "Respins per year", ("respins_per_year",), 0, 6, 0.5, "1/year"),
            Control("electricity", "Electricity", ("electricity_price",), 0.02, 0.4, 0.005, "USD/(kW*h)"),
            Control("context", "Context", ("prompt_tokens", "output_tokens"), 256, 131072, 256, "token", log=True),
            Control("concurrency", "Concurrency", ("concurrency",), 1, 1000, 1, "sequence", log=True),
            Control("years", "Years", ("years",), 1, 10, 0.5, "year"),
        ),
        limits=(
            Limit("chips", 40.0, "More chips than a board holds."),
            Limit("die_area_mm2", "reticle", "A die is larger than the reticle."),
        ),
        charts=(
            Parts("area", "Silicon by block, all chips", (Line("arrays_mm2", "HN arrays"), Line("memory_mm2", "attention buffer")), "mm2"),
            Parts("nre", "One-time cost", (Line("mask_nre_usd", "masks"), Line("design_usd", "design")), "USD", total="nre_usd"),
            Curve("tco", "Cost of ownership over time", ("years",), "Years", 0.5, 10, "year",
                  (Line("tco_usd", "this design"), Line("gpu_tco_usd", "GPU, published rate"), Line("gpu_tco_usd", "B200, roofline", baseline="b200")), "USD"),
            Curve("context", "Tokens per second against context", ("prompt_tokens", "output_tokens"), "Context", 256, 131072, "token",
                  (Line("tokens_per_s", "this design"), Line("gpu_tokens_per_s", "one GPU")), "token/s", log=True, log_lines=True),
            Parts("energy", "Energy of a token", (Line("array_energy", "HN arrays"), Line("memory_energy", "attention buffer")), "J/token",
                  note="Without leakage."),
            Parts("interval", "What a token waits for", (Line("interval_arrays", "arrays"), Line("interval_memory", "attention memory"), Line("interval_sequences", "sequences in flight")), "s/token", log=True),
        ),
        metrics=(
            Metric("tokens_per_s", "Tokens per second", "tokens_per_s"),
            Metric("tokens_per_j", "Tokens per joule", "tokens_per_j"),
            Metric("tco_usd", "Cost, same tokens", "tco_usd"),
        ),
        baselines=(
            Baseline("h100", "NVIDIA H100", "published serving rate", {}, {"tokens_per_s": "gpu_tokens_per_s", "tokens_per_j": "gpu_tokens_per_j", "tco_usd": "gpu_tco_usd"}),
            Baseline("h100_paper", "NVIDIA H100", "paper, Table 2", {"gpu_tokens_per_s": 45.0}, {"tokens_per_s": "gpu_tokens_per_s", "tokens_per_j": "gpu_tokens_per_j", "tco_usd": "gpu_tco_usd"}),
            Baseline("b200", "NVIDIA B200", "roofline", {"gpu_tokens_per_s": 5200.0, "gpu_price": 45000.0, "gpu_power": 1800.0}, {"tokens_per_s": "gpu_tokens_per_s", "tokens_per_j": "gpu_tokens_per_j", "tco_usd": "gpu_tco_usd"}),
            Baseline("wse3", "Cerebras WSE-3", "published service rate", {}, {"tokens_per_s": _paper(2940.0, "token/s"), "tokens_per_j": _paper(0.1278, "token/J")}, "public leaderboard"),
        ),
        sensitivity=(
            Metric("cost_advantage", "Cost beside GPUs", "cost_advantage"),
            Metric("tokens_per_s", "Tokens per second", "tokens_per_s"),
            Metric("tco_usd", "Cost of ownership", "tco_usd"),
            Metric("nre_usd", "NRE", "nre_usd"),
        ),
        draws={name: tuple(map(float, values)) for name, values in drawn.items() if hasattr(values, "shape") and values.shape},
        contradictions=(Note("The paper's cost of ownership uses 2 M tokens/s where its Table 2 says 249,960.", "the paper, Table 2 against Appendix B", ("tokens_per_s",)),),
        notes=("Every number of this page is made up.",),
        command="tests",
    )  # fmt: skip
