"""A bundle as the other verbs leave it, built in code: a small model with experts, verified."""

import json
from collections import Counter
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hnlpu.costmodel.estimate import estimate
from hnlpu.costmodel.workload import parse_workload
from hnlpu.model import LinearShape, ModelShape
from hnlpu.outline import outline_of
from hnlpu.selection import BaseOptions
from hnlpu.silicon import ArraySilicon
from hnlpu.taps import TapsPlan

MODEL = ModelShape(
    name="adder-mini", family="gpt-oss", n_layers=2, hidden=64, intermediate=32, n_heads=4,
    n_kv_heads=2, head_dim=16, vocab=64, n_experts=4, experts_per_token=2, tied_embedding=False,
    max_context=256, sliding_window=16,
)  # fmt: skip
CODES = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.5, -1, -1.5, -2, -3, -4, -6])
PER_THOUSAND = {"ports": 5200, "compressors": 4900, "shifters": 2600, "tree": 600, "constants": 70,
                "pipeline": 340, "accumulator": 1450, "source": 890, "control": 60}  # fmt: skip


def _codes(n: int, rng: np.random.Generator) -> np.ndarray:
    x = rng.normal(0, 2.2, n)
    return CODES[np.abs(x[:, None] - CODES).argmin(axis=1)]


def _matrix(
    linear: LinearShape, layer: int | None, expert: int | None, seed: int
) -> dict[str, Any]:
    codes = _codes(linear.n_rows * linear.n_columns, np.random.default_rng(seed))
    base = TapsPlan(linear.n_rows, linear.n_columns, exponent_values=4)
    place = f"model.layers.{layer}." if layer is not None else ""
    expert_text = f"mlp.experts.{expert}." if expert is not None else ""
    quantised = linear.role not in ("gate_up", "down")
    return {
        "name": f"{place}{expert_text}{linear.role}_proj.weight",
        "role": linear.role,
        "layer": layer,
        "expert": expert,
        "n_rows": linear.n_rows,
        "n_columns": linear.n_columns,
        "n_weights": codes.size,
        "n_zero": int((codes == 0).sum()),
        "base": base.name,
        "metal": f"rtl/hn_metal_{seed}.v",
        "padding_ratio": base.padding_ratio,
        "exponent_spread": int(seed % 4),
        "source_format": "bf16" if quantised else "mxfp4",
        "histogram": {f"{code:g}": n for code, n in sorted(Counter(codes.tolist()).items())},
        "requantised": {"relative_rmse": 0.101, "saturated": 0} if quantised else None,
    }


def _manifest() -> dict[str, Any]:
    matrices = []
    for linear in MODEL.linears():
        per_layer = linear.count // MODEL.n_layers
        for index in range(linear.count):
            layer = index // per_layer if linear.count >= MODEL.n_layers else None
            expert = index % per_layer if per_layer > 1 else None
            matrices.append(_matrix(linear, layer, expert, len(matrices)))
    bases = []
    for name in dict.fromkeys(matrix["base"] for matrix in matrices):
        users = [matrix for matrix in matrices if matrix["base"] == name]
        plan = TapsPlan(users[0]["n_rows"], users[0]["n_columns"], exponent_values=4)
        bases.append(
            {"name": name, "parameters": plan.as_dict(), "n_rows": plan.n_rows,
             "n_columns": plan.n_columns, "activation_bits": plan.activation_bits,
             "phases": plan.phases,
             "exponent_values": plan.exponent_values, "y_bits": plan.y_bits,
             "interval_cycles": plan.interval_cycles, "latency_cycles": plan.latency_cycles,
             "n_matrices": len(users), "files": []}
        )  # fmt: skip
    return {
        "hnlpu": "0.1.0",
        "checkpoint": {
            "name": MODEL.name,
            "family": MODEL.family,
            "files": {"config.json": sha256(b"a").hexdigest()},
        },
        "model": asdict(MODEL),
        "options": {"quantize": "mxfp4", "base": asdict(BaseOptions()), "requantize": False},
        "bases": bases,
        "matrices": matrices,
        "off_fabric": [
            {"tensor": "model.embed_tokens.weight", "shape": [64, 64], "reason": "embedding table"},
            {"tensor": "model.norm.weight", "shape": [64], "reason": "gain: boot image"},
        ],
        "totals": {
            "matrices": len(matrices),
            "weights": sum(matrix["n_weights"] for matrix in matrices),
            "zero_weights": sum(matrix["n_zero"] for matrix in matrices),
        },
        "files": {},
    }


def _results(manifest: dict[str, Any]) -> dict[str, dict[str, Any]]:
    weights, matrices = manifest["totals"]["weights"], manifest["matrices"]
    by_base = [
        {"base": base["name"], "arrays": base["n_matrices"], "vectors": 64 * base["n_matrices"],
         "cycles": 2400 * base["n_matrices"], "mismatches": 0, "mutants": 4, "mutants_killed": 4}
        for base in manifest["bases"]
    ]  # fmt: skip
    sums = {key: sum(b[key] for b in by_base) for key in by_base[0] if key != "base"}
    return {
        "readback": {
            "weights": weights, "expected": weights, "missing": 0, "mismatches": 0,
            "base_cells_in_metal": 0, "constants": 412,
            "tensors": [
                {"name": m["name"], "weights": m["n_weights"], "mismatches": 0,
                 "relative_rmse": m["requantised"]["relative_rmse"] if m["requantised"] else 0.0}
                for m in matrices
            ],
        },
        "verify": {**sums, "simulator": "Verilator 5.048", "seconds": 11.2, "by_base": by_base},
    }  # fmt: skip


def stand_in_estimate(model: ModelShape) -> dict[str, Any]:
    arrays = {}
    for linear in model.linears():
        base, shape = TapsPlan(linear.n_rows, linear.n_columns), (linear.n_rows, linear.n_columns)
        parts = {p: n * shape[0] * shape[1] // 1000 for p, n in PER_THOUSAND.items()}
        arrays[shape] = ArraySilicon(
            *shape, parts, base.interval_cycles, base.latency_cycles, 50 * shape[0],
            15 * shape[0] * shape[1],
        )  # fmt: skip
    work = parse_workload("32,32,8")
    return estimate(outline_of(model), arrays, work, draws=100).as_dict()


def write_sample(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    manifest = _manifest()
    contents = {"manifest": manifest, **_results(manifest), "estimate": stand_in_estimate(MODEL)}
    for name, content in contents.items():
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_sample(tmp_path / "bundle")
