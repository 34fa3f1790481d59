"""Cosimulation: build many arrays under one Verilator top and run the cocotb bench on them.

Arrays are compiled in groups of bounded size, so that cost and memory grow linearly with
weights, and the groups run in parallel processes.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from cocotb_tools.runner import get_runner

from hnlpu.base import ArrayPlan
from hnlpu.errors import HnlpuError
from hnlpu.metal import ROW_EXPONENT_BITS
from hnlpu.progress import Progress
from hnlpu.rtl.metal import metal_ports
from hnlpu.rtl.structure import Instance, Port, Structure
from hnlpu.tools import has_lz4, simulator_environment

__all__ = ["ArrayJob", "Found", "simulate"]

#: Pins per Verilator build, at most: about 2 GB each.
_GROUP_PINS = 60_000

#: Ports that all arrays of a top share.
_SHARED = ("clk", "rst")

#: Signals that Verilator must keep, as (module, variable).
_KEPT = (
    ("hn_neuron*", "pins"),
    ("hn_neuron*", "phase*"),
    ("hn_source*", "x"),
    ("hn_source*", "lines"),
)


@dataclass(frozen=True, slots=True, eq=False)
class ArrayJob:
    """One array to simulate.

    Attributes
    ----------
    name : str
        Unique in a run; an identifier.
    module, metal : str
        Verilog module and the text of its file.
    plan : ArrayPlan
    x : int64 array (n_vectors, n_columns)
    y : int64 array (n_vectors, n_rows)
        What the twin says.
    row_exponents : int16 array (n_rows,)
    """

    name: str
    module: str
    metal: str
    plan: ArrayPlan
    x: npt.NDArray[np.int64]
    y: npt.NDArray[np.int64]
    row_exponents: npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Found:
    """What the bench found on one array."""

    name: str
    vectors: int
    mismatches: int
    cycles: int
    first_mismatch: dict[str, int] | None
    interval_cycles: tuple[int, ...]
    latency_cycles: tuple[int, ...]
    wrong_rows: tuple[int, ...]


def simulate(
    jobs: Sequence[ArrayJob],
    base_files: Sequence[Path],
    verilator: Path,
    *,
    seed: int,
    n_stalled: int,
    waves: Path | None,
    progress: Progress,
) -> dict[str, Found]:
    """Simulate every job; results by job name.

    Parameters
    ----------
    jobs : sequence of ArrayJob
    base_files : sequence of Path
        Verilog of every base module.
    verilator : Path
    seed : int
        For the stalls.
    n_stalled : int
        Vectors that are repeated with random stalls on both sides.
    waves : Path or None
        Folder for wave files.
    progress : Progress

    Raises
    ------
    HnlpuError
        The simulator could not build or run a group; its log is kept and named.
    """
    groups = list(_groups(jobs))
    found: dict[str, Found] = {}
    root = Path(tempfile.mkdtemp(prefix="hnlpu-cosim-"))
    try:
        with ProcessPoolExecutor(max_workers=min(len(groups), os.cpu_count() or 1)) as pool:
            pending = set()
            for i, group in enumerate(groups):
                folder = root / f"group_{i}"
                _write_group(folder, group, seed, n_stalled)
                wave = None if waves is None else waves / f"group_{i}"
                pending.add(pool.submit(_run_group, folder, list(base_files), verilator, wave))
            while pending:
                progress("simulate", len(found), len(jobs), _state(root, len(groups)))
                done, _ = wait(pending, timeout=2, return_when=FIRST_COMPLETED)
                for run in done:
                    pending.remove(run)
                    found.update((entry.name, entry) for entry in run.result())
        progress("simulate", len(found), len(jobs))
    finally:
        shutil.rmtree(root, ignore_errors=True)
    return found


def _state(root: Path, n_groups: int) -> str:
    """Where the builds are, told from their files."""
    n_sources = len(list(root.glob("group_*/build/V*.cpp")))
    n_objects = len(list(root.glob("group_*/build/V*.o")))
    started = len(list(root.glob("group_*/build")))
    if not n_sources:
        return f"arrays, {started} of {n_groups} groups verilating"
    return f"arrays, {n_objects} of {n_sources} files of {started} of {n_groups} groups compiled"


def _groups(jobs: Sequence[ArrayJob]) -> Iterator[list[ArrayJob]]:
    """Split jobs into groups of about equal size, largest first."""
    sizes = [job.plan.n_rows * job.plan.n_pins for job in jobs]
    cores = os.cpu_count() or 1
    n_groups = min(len(jobs), cores * -(-sum(sizes) // (cores * _GROUP_PINS)))
    groups: list[list[ArrayJob]] = [[] for _ in range(n_groups)]
    loads = [0] * n_groups
    for i in sorted(range(len(jobs)), key=lambda i: -sizes[i]):
        lightest = loads.index(min(loads))
        groups[lightest].append(jobs[i])
        loads[lightest] += sizes[i]
    yield from groups


def _write_group(folder: Path, group: Sequence[ArrayJob], seed: int, n_stalled: int) -> None:
    folder.mkdir(parents=True)
    ports = [Port("input", name) for name in _SHARED]
    instances, entries = [], []
    for i, job in enumerate(group):
        array, module = f"a{i}", f"{job.module}__{job.name}"
        pins = [port for port in metal_ports(job.plan) if port.name not in _SHARED]
        ports += [Port(p.direction, f"{array}_{p.name}", p.n_bits) for p in pins]
        connections = [(p.name, f"{array}_{p.name}") for p in pins]
        instances.append(
            Instance(module, array, (*((name, name) for name in _SHARED), *connections))
        )
        # Mutants share the module name of their original, so every copy gets its own.
        text = job.metal.replace(f"module {job.module}(", f"module {module}(", 1)
        (folder / f"{module}.v").write_text(text)
        np.savez(folder / f"{array}.npz", x=job.x, y=job.y, row_exponents=job.row_exponents)
        entries.append(
            {
                "array": array,
                "name": job.name,
                "activation_bits": job.plan.activation_bits,
                "y_bits": job.plan.y_bits,
                "exponent_bits": ROW_EXPONENT_BITS,
                "interval_cycles": job.plan.interval_cycles,
            }
        )
    top = Structure("cosim_top", "Arrays under test.", ports, instances=instances)
    (folder / "cosim_top.v").write_text("".join(top.render()))
    # One copy of a neuron's code serves all rows as long as no optimisation writes a row's taps into it
    # (so neurons are not inlined and their inputs stay variables): the build stays linear and small.
    # The metal needs no data-flow optimisation either; it triples the code.
    (folder / "control.vlt").write_text(
        "`verilator_config\n"
        'public_flat_rw -module "cosim_top" -var "*"\n'
        'no_inline -module "hn_neuron*"\n'
        'no_inline -module "hn_source*"\n'
        + "".join(f'public_flat_rd -module "{m}" -var "{v}"\n' for m, v in _KEPT)
    )
    job_json = {"seed": seed, "n_stalled": n_stalled, "arrays": entries}
    (folder / "job.json").write_text(json.dumps(job_json))


def _run_group(
    folder: Path, base_files: list[Path], verilator: Path, waves: Path | None
) -> list[Found]:
    """Build and run one group (in a process of its own)."""
    os.environ.update(simulator_environment(verilator))
    log = folder / "log.txt"
    runner = get_runner("verilator")
    sources = [folder / "control.vlt", *base_files, *sorted(folder.glob("*.v"))]
    traced = ["--trace-fst"] if waves is not None and has_lz4() else []
    try:
        runner.build(
            sources=sources,
            hdl_toplevel="cosim_top",
            build_dir=folder / "build",
            build_args=["--no-public-flat-rw", "-fno-dfg", "-Wno-fatal", *traced],
            waves=waves is not None,
            log_file=log,
        )
        runner.test(
            test_module="hnlpu.verification.bench",
            hdl_toplevel="cosim_top",
            build_dir=folder / "build",
            test_dir=folder,
            extra_env={"HNLPU_JOB": str(folder), "COCOTB_LOG_LEVEL": "WARNING"},
            waves=waves is not None,
            log_file=folder / "run.txt",
        )
    except (SystemExit, RuntimeError, OSError) as error:
        raise _failure(folder, str(error)) from None
    if not (folder / "found.json").is_file():
        raise _failure(folder, "the bench wrote no result")
    if waves is not None:
        waves.mkdir(parents=True, exist_ok=True)
        for dump in folder.glob("dump.*"):
            shutil.copy(dump, waves / dump.name)
    result = json.loads((folder / "found.json").read_text())
    names = {e["array"]: e["name"] for e in json.loads((folder / "job.json").read_text())["arrays"]}
    return [_found(names[entry["array"]], entry, result["cycles"]) for entry in result["arrays"]]


def _found(name: str, entry: dict[str, Any], cycles: int) -> Found:
    return Found(
        name,
        entry["vectors"],
        entry["mismatches"],
        cycles,
        entry["first_mismatch"],
        tuple(entry["interval_cycles"]),
        tuple(entry["latency_cycles"]),
        tuple(entry["wrong_rows"]),
    )


def _failure(folder: Path, reason: str) -> HnlpuError:
    """Keep the logs of a failed group where the user finds them."""
    kept = Path(tempfile.mkdtemp(prefix="hnlpu-log-"))
    for name in ("log.txt", "run.txt"):
        if (folder / name).is_file():
            shutil.copy(folder / name, kept / name)
    return HnlpuError(
        "the simulator failed", where=str(kept), got=reason, do="read the logs in that folder"
    )
