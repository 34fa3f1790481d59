"""Accelerators: what a hardwired model is compared with, and what has been published of them.

``accelerators.toml`` holds every machine with its numbers and published rates. A rate holds for one model and
workload; ``costmodel/roofline.py`` gives every model and workload the same treatment, with the inputs from here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path

from hnlpu.costmodel.dataflow import outline_inputs
from hnlpu.costmodel.inputs import Inputs, read_inputs
from hnlpu.costmodel.loader import DataFile
from hnlpu.costmodel.presets import outline_preset
from hnlpu.costmodel.quantity import Quantity
from hnlpu.costmodel.roofline import INPUTS
from hnlpu.costmodel.workload import Workload
from hnlpu.errors import HnlpuError
from hnlpu.outline import FAMILIES, ModelOutline

__all__ = [
    "Accelerator",
    "Measurement",
    "accelerator_inputs",
    "load_accelerators",
    "roofline_inputs",
    "weight_formats",
]

#: Quantities of every accelerator, and of those that run any model.
_UNITS = {
    "power": "W/gpu",
    "system_power": "W/gpu",
    "price": "USD/gpu",
    "die_area": "mm2/gpu",
    "embodied_carbon": "kg/gpu",
}
_ROOFLINE_UNITS = {
    "bandwidth": "TB/(s*gpu)",
    "memory": "GB/gpu",
    "compute": "1/(s*gpu)",
    "kernel_time": "ns",
}

#: Inputs that are the same for all accelerators and workloads, as the data file calls them.
_COMMON = (
    "bandwidth_efficiency",
    "compute_efficiency",
    "memory_usable",
    "kernels_per_layer",
    "tokens_per_step",
    "count_given",
    "operations_per_weight",
    "kv_number_bytes",
    "embedding_number_bytes",
)
_FORMATS = ("weight_bytes", "expert_weight_bytes")

#: Unit of a rate, and what it is a rate of.
_PER = {
    "token/(s*gpu)": "accelerator",
    "token/s": "system",
    "token/(s*sequence)": "request",
}
_COUNTS = ("n_accelerators", "prompt_tokens", "output_tokens", "concurrency")


@dataclass(frozen=True, slots=True)
class Measurement:
    """A published rate.

    Attributes
    ----------
    model : str
        A preset's name.
    workload : str
        As the source describes it.
    tokens_per_s : Quantity
        Output tokens.
    per : str
        What it is a rate of: ``accelerator``, ``system`` of ``n_accelerators``, or ``request``, one of many.
    n_accelerators, prompt_tokens, output_tokens, concurrency : int or None
        None where the source does not say.
    weight_format, expert_weight_format : str or None
        Names of :func:`weight_formats`; experts are as other weights unless given.
    """

    name: str
    model: str
    workload: str
    tokens_per_s: Quantity
    per: str
    n_accelerators: int | None
    prompt_tokens: int | None
    output_tokens: int | None
    concurrency: int | None
    weight_format: str | None
    expert_weight_format: str | None

    @property
    def per_accelerator(self) -> Quantity | None:
        """The rate of one accelerator; None where the source gives what one request sees."""
        if self.per == "accelerator":
            return self.tokens_per_s
        if self.per == "request" or self.n_accelerators is None:
            return None
        item, n = self.tokens_per_s, self.n_accelerators
        return replace(
            item, value=item.value / n, low=item.low / n, high=item.high / n, unit="token/(s*gpu)"
        )


@dataclass(frozen=True, slots=True)
class Accelerator:
    """One machine that is counted: a board, a wafer, a chip.

    Attributes
    ----------
    bandwidth, memory, compute, kernel_time : Quantity or None
        Of the memory that holds the weights; operations are dense, 8 bits. None for a machine of one model.
    compute_fp4 : Quantity or None
        Operations on 4-bit numbers, where the machine has them.
    power, system_power, price, embodied_carbon : Quantity
        ``system_power`` and ``price`` include its share of the node.
    only_model : str or None
        The preset that the machine runs, if it runs only one.
    measured : tuple of Measurement
    """

    key: str
    name: str
    power: Quantity
    system_power: Quantity
    price: Quantity
    die_area: Quantity
    embodied_carbon: Quantity
    measured: tuple[Measurement, ...]
    bandwidth: Quantity | None = None
    memory: Quantity | None = None
    compute: Quantity | None = None
    compute_fp4: Quantity | None = None
    kernel_time: Quantity | None = None
    only_model: str | None = None

    @property
    def has_roofline(self) -> bool:
        return self.only_model is None


def load_accelerators(path: Path | None = None) -> dict[str, Accelerator]:
    """Every accelerator of ``accelerators.toml``, by key.

    Raises
    ------
    HnlpuError
        Unknown, missing or impossible entry anywhere in the file; the message names file and key.
    """
    return dict(_packaged().machines if path is None else _load(path).machines)


def weight_formats(path: Path | None = None) -> dict[str, Quantity]:
    """Bytes of a weight in the formats that measurements name."""
    return dict(_packaged().formats if path is None else _load(path).formats)


@dataclass(frozen=True, slots=True)
class _Data:
    """The whole file; ``usual`` and ``families`` are inputs without their ``gpu_``."""

    machines: Mapping[str, Accelerator]
    formats: Mapping[str, Quantity]
    usual: Inputs
    families: Mapping[str, Inputs]


def _load(path: Path | None) -> _Data:
    file = DataFile("accelerators.toml", path)
    file.only(("roofline", "family", "weight_format", "accelerator"))
    units = {key: INPUTS[f"gpu_{key}"] for key in (*_COMMON, *_FORMATS)}
    own = {key: units[key] for key in _FORMATS}
    file.only(FAMILIES.values(), "family")
    formats = {
        key: file.quantity(f"weight_format.{key}", "B/weight")
        for key in file.names("weight_format")
    }
    return _Data(
        machines={key: _accelerator(file, key, formats) for key in file.names("accelerator")},
        formats=formats,
        usual=read_inputs(file, units, "roofline"),
        families={key: read_inputs(file, own, f"family.{key}") for key in file.names("family")},
    )


@cache
def _packaged() -> _Data:
    return _load(None)


def accelerator_inputs(name: str, model: ModelOutline) -> Inputs:
    """Inputs that an accelerator gives the rules: all ``gpu_`` inputs, and what experts ``model`` has.

    Weights are in the formats the family is published in, or in the file's usual one; compute is that of 8 bits, its
    high end that of 4 where the machine has it.

    Raises
    ------
    HnlpuError
        Unknown accelerator, one that runs a single model, bad data file.
    """
    data = _packaged()
    known = data.machines
    if name not in known:
        raise HnlpuError("unknown accelerator", where="accelerator", got=repr(name),
                         do=f"known are {', '.join(known)}")  # fmt: skip
    machine = known[name]
    if (
        not machine.bandwidth
        or not machine.memory
        or not machine.compute
        or not machine.kernel_time
    ):
        raise HnlpuError(
            "an accelerator without a roofline",
            where=f"accelerator {name}",
            got=f"a machine of {machine.only_model} alone",
            do=f"take one of {', '.join(key for key, item in known.items() if item.has_roofline)}",
        )
    compute = machine.compute
    if machine.compute_fp4:
        source = f"{compute.source}; high: {machine.compute_fp4.source}"
        compute = replace(compute, high=machine.compute_fp4.high, source=source)
    common = {**data.usual, **data.families.get(model.family, {})}
    given = {
        "bandwidth": machine.bandwidth,
        "memory": machine.memory,
        "compute": compute,
        "kernel_time": machine.kernel_time,
        "power": machine.system_power,
        "price": machine.price,
        "embodied_carbon": machine.embodied_carbon,
    }
    fraction = model.experts_per_token / model.n_experts if model.is_moe else 1.0
    return {f"gpu_{key}": item for key, item in (common | given).items()} | {
        "expert_weights": _of_model(model, model.n_expert_weights, "weight"),
        "expert_fraction": _of_model(model, fraction, "1"),
    }


def roofline_inputs(name: str, model: ModelOutline, work: Workload) -> Inputs:
    """Every input of the roofline, without a hardwired design beside it."""
    return {
        **outline_inputs(model),
        **work.inputs(),
        **accelerator_inputs(name, model),
        "one_token": Quantity(1.0, "token", 1.0, 1.0, "definition", "derived"),
    }


def _of_model(model: ModelOutline, value: float, unit: str) -> Quantity:
    source = f"from the dimensions of {model.name}: {model.source}"
    return Quantity(float(value), unit, float(value), float(value), source, "derived")


def _accelerator(file: DataFile, key: str, formats: Mapping[str, Quantity]) -> Accelerator:
    at = f"accelerator.{key}"
    names, only, units = file.names(at), None, dict(_UNITS)
    if "only_model" in names:
        only = _preset(file, f"{at}.only_model")
        file.only(("name", "only_model", "measured", *units), at)
    else:
        units |= _ROOFLINE_UNITS
        if "compute_fp4" in names:
            units["compute_fp4"] = _ROOFLINE_UNITS["compute"]
        file.only(("name", "measured", "compute_fp4", *units), at)
    return Accelerator(
        key=key,
        name=file.text(f"{at}.name"),
        only_model=only,
        measured=tuple(
            _measurement(file, f"{at}.measured.{name}", name, formats)
            for name in file.names(f"{at}.measured")
        ),
        **{name: file.quantity(f"{at}.{name}", unit) for name, unit in units.items()},
    )


def _measurement(
    file: DataFile, at: str, name: str, formats: Mapping[str, Quantity]
) -> Measurement:
    file.only(
        (field.name for field in fields(Measurement) if field.name not in ("name", "per")), at
    )
    given = file.names(at)
    rate = file.quantity(f"{at}.tokens_per_s", "token/s")
    if rate.unit not in _PER:
        raise file.error(f"{at}.tokens_per_s.unit", "wrong unit", repr(rate.unit),
                         f"use one of {', '.join(_PER)}")  # fmt: skip
    for key in ("weight_format", "expert_weight_format"):
        if key in given and file.text(f"{at}.{key}") not in formats:
            raise file.error(f"{at}.{key}", "unknown format", repr(file.get(f"{at}.{key}")),
                             f"use one of {', '.join(formats)}")  # fmt: skip
    counts = {key: file.integer(f"{at}.{key}") if key in given else None for key in _COUNTS}
    return Measurement(
        name=name,
        model=_preset(file, f"{at}.model"),
        workload=file.text(f"{at}.workload"),
        tokens_per_s=rate,
        per=_PER[rate.unit],
        weight_format=file.text(f"{at}.weight_format") if "weight_format" in given else None,
        expert_weight_format=(
            file.text(f"{at}.expert_weight_format") if "expert_weight_format" in given else None
        ),
        **counts,
    )


def _preset(file: DataFile, key: str) -> str:
    """The name of a preset at ``key``."""
    try:
        return outline_preset(file.text(key)).name
    except HnlpuError as error:
        if error.where == "model":
            raise file.error(key, error.what, error.got, error.do) from error
        raise
