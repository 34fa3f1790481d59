"""Verify: every array of a bundle, cycle by cycle against the twin, and mutants that must be caught."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from hnlpu.architecture import plan_from_dict
from hnlpu.base import ArrayPlan
from hnlpu.bundle import read_manifest, write_json
from hnlpu.errors import HnlpuError
from hnlpu.partition import cut_values, entry_part
from hnlpu.progress import Progress, Silent
from hnlpu.sim.array import array_outputs
from hnlpu.tools import find_verilator
from hnlpu.verification.cosim import ArrayJob, Found, simulate
from hnlpu.verification.mutants import mutants
from hnlpu.verification.vectors import input_vectors

__all__ = ["verify"]

_N_STALLED = 8


def verify(
    bundle: str | Path,
    *,
    n_random: int = 16,
    seed: int = 0,
    with_mutants: bool = True,
    waves: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Simulate every array of ``bundle`` on Verilator and compare with the twin bit for bit.

    Also checks that results come every ``interval_cycles``, ``latency_cycles`` after their input, and
    that the row-exponent ties are right. For each base, mutants of one matrix's metal must be caught.
    Writes ``verify.json`` into the bundle.

    Parameters
    ----------
    bundle : path
    n_random : int
        Random vectors per array, beside corners and one-hot inputs.
    seed : int
    with_mutants : bool
    waves : bool
        Write wave files to ``bundle/waves``.
    progress : Progress, optional

    Returns
    -------
    dict
        ``arrays``, ``vectors``, ``mismatches``, ``cycles``, ``mutants``, ``mutants_killed``, ``seconds``,
        ``simulator``, ``by_base``, ``failures``.

    Raises
    ------
    HnlpuError
        Not a bundle, or the simulator failed.
    """
    started = time.monotonic()
    folder = Path(bundle)
    manifest = read_manifest(folder)
    for name, value in (("--vectors", n_random), ("--seed", seed)):
        if value < 0:
            raise HnlpuError("is negative", where=name, got=str(value), do="give 0 or more")
    verilator, version = find_verilator()
    try:
        plans = {base["name"]: plan_from_dict(base["parameters"]) for base in manifest["bases"]}
        jobs = list(_array_jobs(folder, manifest, plans, n_random, seed))
        names = dict.fromkeys(name for base in manifest["bases"] for name in base["files"])
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise HnlpuError(
            "bundle is damaged",
            where=str(folder),
            got=f"{type(error).__name__}: {error}",
            do="generate the bundle again",
        ) from error
    faults = list(_mutant_jobs(jobs, plans, seed)) if with_mutants else []
    found = simulate(
        [*jobs, *(mutant.job for mutant in faults)],
        [folder / name for name in names],
        verilator,
        seed=seed,
        n_stalled=_N_STALLED,
        waves=folder / "waves" if waves else None,
        progress=progress or Silent(),
    )
    by_base = [_summary(name, plan, jobs, faults, found) for name, plan in plans.items()]
    failures = [
        {"matrix": entry["name"], **_failure(plans[entry["base"]], found[entry["module"]])}
        for entry in manifest["matrices"]
        if _wrong(plans[entry["base"]], found[entry["module"]])
    ]
    survivors = [
        f"{kind} in row {mutant.faults[kind]} of {mutant.job.module}"
        for mutant in faults
        for kind in mutant.survivors(found[mutant.job.name])
    ]
    keys = ("arrays", "vectors", "mismatches", "cycles", "mutants", "mutants_killed")
    result = {
        **{key: sum(entry[key] for entry in by_base) for key in keys},
        "simulator": f"Verilator {version}",
        "seed": seed,
        "seconds": round(time.monotonic() - started, 1),
        "by_base": by_base,
        "failures": failures,
        "surviving_mutants": survivors,
    }
    write_json(folder / "verify.json", result)
    return result


def _array_jobs(
    folder: Path, manifest: dict[str, Any], plans: dict[str, ArrayPlan], n_random: int, seed: int
) -> Iterator[ArrayJob]:
    with safe_open(folder / "reference.safetensors", framework="np") as reference:
        for i, entry in enumerate(manifest["matrices"]):
            plan = plans[entry["base"]]
            path = folder / entry["metal"]
            if not path.is_file():
                raise HnlpuError(
                    "metal file is missing",
                    where=str(path),
                    got="nothing",
                    do="generate the bundle again",
                )
            part = entry_part(entry)
            weights = reference.get_tensor(f"{entry['name']}.weights").astype(np.float64)
            weights = cut_values(weights, part)
            rows = cut_values(reference.get_tensor(f"{entry['name']}.row_exponents"), part)
            if plan.y_bits > 64:
                raise HnlpuError(
                    "results are wider than the 64 bits of the twin",
                    where=f"{entry['name']} on {plan.name}",
                    got=f"{plan.y_bits} bits",
                    do="generate with fewer --exponent-values, and --requantize",
                )
            x = input_vectors(plan.n_columns, plan.activation_bits, n_random, seed + i)
            y = array_outputs(weights, rows, x)
            yield ArrayJob(entry["module"], entry["module"], path.read_text(), plan, x, y, rows)


@dataclass(frozen=True, slots=True, eq=False)
class _MutantJob:
    """A job whose metal has one fault of each kind, in the row given for it."""

    job: ArrayJob
    faults: dict[str, int]

    def survivors(self, found: Found) -> list[str]:
        """Kinds of fault that changed nothing in their row."""
        return [kind for kind, row in self.faults.items() if row not in found.wrong_rows]


def _mutant_jobs(
    jobs: list[ArrayJob], plans: dict[str, ArrayPlan], seed: int
) -> Iterator[_MutantJob]:
    for plan in plans.values():
        job = next((job for job in jobs if job.plan == plan), None)
        if job is None:
            continue
        for i, (faults, text) in enumerate(mutants(job.metal, plan, seed)):
            yield _MutantJob(replace(job, name=f"mutants_{i}_{plan.name}", metal=text), faults)


def _wrong(plan: ArrayPlan, found: Found) -> int:
    """Mismatching vectors, a wrong interval or latency counting as one each."""
    return (
        found.mismatches
        + (found.interval_cycles != (plan.interval_cycles,))
        + (found.latency_cycles != (plan.latency_cycles,))
    )


def _failure(plan: ArrayPlan, found: Found) -> dict[str, Any]:
    return {
        "mismatches": found.mismatches,
        "first_mismatch": found.first_mismatch,
        "interval_cycles": {"expected": plan.interval_cycles, "got": list(found.interval_cycles)},
        "latency_cycles": {"expected": plan.latency_cycles, "got": list(found.latency_cycles)},
    }


def _summary(
    name: str,
    plan: ArrayPlan,
    jobs: list[ArrayJob],
    faults: list[_MutantJob],
    found: dict[str, Found],
) -> dict[str, Any]:
    own = [found[job.name] for job in jobs if job.plan == plan]
    broken = [mutant for mutant in faults if mutant.job.plan == plan]
    return {
        "base": name,
        "arrays": len(own),
        "vectors": sum(entry.vectors for entry in own),
        "mismatches": sum(_wrong(plan, entry) for entry in own),
        "cycles": sum(entry.cycles for entry in own),
        "interval_cycles": plan.interval_cycles,
        "latency_cycles": plan.latency_cycles,
        "mutants": sum(len(mutant.faults) for mutant in broken),
        "mutants_killed": sum(
            len(mutant.faults) - len(mutant.survivors(found[mutant.job.name])) for mutant in broken
        ),
    }
