"""Baselines: what a GPU or a wafer-scale engine does with the same model.

Published throughputs hold for gpt-oss-120b only. For every model the H100 also gets a bandwidth
roofline at batch 1, an upper bound that ignores KV cache and activations, and the same with the
time its kernels take however small they are, which is what limits a small model:

    roofline      tokens/s = memory bandwidth / (active weights x bytes per weight)
    with kernels  tokens/s = 1 / (1 / roofline + layers x kernels per layer x kernel time)
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hnlpu.costmodel.energy import tokens_per_joule
from hnlpu.costmodel.loader import DataFile
from hnlpu.costmodel.presets import is_paper_model
from hnlpu.costmodel.quantity import Figure, Quantity, combine, published
from hnlpu.model import ModelShape

__all__ = ["Baseline", "Comparison", "compare"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One workload of one baseline.

    Attributes
    ----------
    tokens_per_s, tokens_per_j : Figure
        Of the baseline.
    against : str
        Which of our rates it stands beside, ``pipelined`` or ``batch_1``.
    ratio_tokens_per_s, ratio_tokens_per_j : Figure
        Ours divided by the baseline's.
    """

    workload: str
    tokens_per_s: Figure
    tokens_per_j: Figure
    against: str
    ratio_tokens_per_s: Figure
    ratio_tokens_per_j: Figure


@dataclass(frozen=True, slots=True)
class Baseline:
    """A machine and how it compares."""

    name: str
    power_w: Figure
    area_mm2: Figure
    workloads: Mapping[str, Comparison]
    caveat: str


_H100 = (
    "name",
    "table_2",
    "tco",
    "power",
    "area",
    "bandwidth",
    "weight_bytes",
    "kernel_time",
    "kernels_per_layer",
)


def compare(
    model: ModelShape, tokens_per_s: Mapping[str, Figure], power: Figure, path: Path | None = None
) -> dict[str, Baseline]:
    """Every baseline beside our ``tokens_per_s`` (``batch_1``, ``pipelined``) and ``power``."""
    file = DataFile("baselines.toml", path)
    file.only(("h100", "wse3"))
    file.only(_H100, "h100")
    file.only(("name", "table_2", "power", "area"), "wse3")
    own = is_paper_model(model)

    def machine(key: str, rates: dict[str, tuple[Figure, str, str]], caveat: str) -> Baseline:
        watt = file.quantity(f"{key}.power", "W")
        workloads = {}
        for name, (rate, against, workload) in rates.items():
            ours = tokens_per_s[against]
            efficiency = tokens_per_joule(rate, published(watt, ""), "tokens/s / its system power")
            workloads[name] = Comparison(
                workload=workload,
                tokens_per_s=rate,
                tokens_per_j=efficiency,
                against=against,
                ratio_tokens_per_s=_ratio(ours, rate, f"our {against} tokens/s / {name}"),
                ratio_tokens_per_j=_ratio(
                    tokens_per_joule(ours, power, ""),
                    efficiency,
                    f"our {against} tokens/J / {name}",
                ),
            )
        return Baseline(
            name=file.text(f"{key}.name"),
            power_w=published(watt, "system power"),
            area_mm2=published(file.quantity(f"{key}.area", "mm2"), "total silicon area"),
            workloads=workloads,
            caveat=caveat,
        )

    roofline = _roofline(
        model,
        file.quantity("h100.bandwidth", "TB/s"),
        file.quantity("h100.weight_bytes", "byte/weight"),
    )
    kernels = combine(
        lambda rate, n, nanoseconds: 1 / (1 / rate + model.n_layers * n * nanoseconds * 1e-9),
        roofline,
        file.quantity("h100.kernels_per_layer", "1"),
        file.quantity("h100.kernel_time", "ns"),
        unit="tokens/s",
        note="1 / (1 / roofline + layers x kernels per layer x kernel time), batch 1",
    )
    h100 = {
        "roofline_batch_1": (roofline, "batch_1", f"{model.name}, one sequence, memory bound"),
        "kernels_batch_1": (kernels, "batch_1", f"{model.name}, one sequence, with kernel times"),
    }
    wse3: dict[str, tuple[Figure, str, str]] = {}
    table_2 = published(file.quantity("h100.table_2", "tokens/s"), "measured by the paper")
    tco = published(file.quantity("h100.tco", "tokens/s"), "used in the paper's cost of ownership")
    wse3_table_2 = published(file.quantity("wse3.table_2", "tokens/s"), "reported by the paper")
    if own:
        h100["published_table_2"] = (table_2, "pipelined", "gpt-oss-120b, 2K tokens")
        h100["published_tco"] = (tco, "pipelined", "gpt-oss-120b, 50 sequences, per GPU")
        wse3["published_table_2"] = (wse3_table_2, "pipelined", "gpt-oss-120b")
    paper_rates = (
        f"{table_2.mid:,g} tokens/s (Table 2) and {tco.mid:,g} tokens/s (cost of ownership)"
    )
    both = f"The paper gives the H100 {paper_rates}, both for gpt-oss-120b"
    h100_caveat = (
        f"{both}; the published rates stand beside our pipelined rate, the computed ones beside "
        "our rate for one sequence."
        if own
        else f"{both}; they say nothing about {model.name}. The memory bound is out of reach "
        "of a small model, which waits for kernels; the line with kernel times is an assumption."
    )
    machines = {"h100": machine("h100", h100, h100_caveat)}
    if wse3:
        machines["wse3"] = machine("wse3", wse3, "Cloud service; power of a whole system.")
    return machines


def _roofline(model: ModelShape, bandwidth: Quantity, weight_bytes: Quantity) -> Figure:
    return combine(
        lambda terabytes_per_s, n_bytes: (
            terabytes_per_s * 1e12 / (model.n_active_weights * n_bytes)
        ),
        bandwidth,
        weight_bytes,
        unit="tokens/s",
        note="memory bandwidth / bytes of active weights, batch 1; an upper bound",
    )


def _ratio(ours: Figure, theirs: Figure, note: str) -> Figure:
    return combine(lambda a, b: a / b, ours, theirs, unit="1", note=note)
