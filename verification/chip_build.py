"""Building a chip's simulation: one Verilator library per array, cached, and the chip on top.

An array's library depends on nothing but its own Verilog and that of its base: it is kept under a digest of
them, so an array that did not change is not compiled again, whatever changes around it.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cocotb_tools.runner import get_runner

from hnlpu.cache import cache_folder
from hnlpu.errors import HnlpuError
from hnlpu.progress import Progress
from hnlpu.rtl.grid import GRID
from hnlpu.tools import find_verilator, simulator_environment
from hnlpu.verification.array_wrapper import wrapped_array
from hnlpu.verification.chip_harness import HARNESS

__all__ = ["ChipSources", "build_arrays", "build_chip_simulation"]

#: Bump where the way a library is built changes.
_RECIPE = "3"
# One copy of a neuron's code serves all rows, see ``hnlpu.verification.cosim``.
_CONTROL = (
    "`verilator_config\n"
    'no_inline -module "hn_neuron*"\nno_inline -module "hn_*_neuron*"\n'
    'no_inline -module "hn_source*"\n'
)


@dataclass(frozen=True, slots=True)
class ChipSources:
    """Verilog of a chip.

    Attributes
    ----------
    arrays : mapping of module name to files
        Each array's metal and the files of its base.
    chip : mapping of file name to text
        Blocks, chip and harness.
    level : int
        Of the compiler's optimisation; 0 builds sooner and runs slower, for runs of few cycles.
    """

    arrays: Mapping[str, tuple[Path, ...]]
    chip: Mapping[str, str]
    level: int = 1


def build_arrays(
    arrays: Mapping[str, tuple[Path, ...]], progress: Progress, level: int = 1
) -> dict[str, tuple[Path, bool]]:
    """Compile arrays that are not in the cache.

    Returns
    -------
    dict of module name to (folder with ``{module}.sv`` and ``lib{module}.a``, whether it was cached)

    Raises
    ------
    HnlpuError
        Verilator or the compiler failed.
    """
    verilator, version = find_verilator()
    environment = {**os.environ, **simulator_environment(verilator)}
    texts: dict[Path, bytes] = {}
    found: dict[str, tuple[Path, bool]] = {}
    missing: dict[str, Path] = {}
    for module, files in arrays.items():
        key = hashlib.sha256(f"{_RECIPE} {version} {module} O{level}".encode())
        for file in files:
            if file not in texts:
                texts[file] = hashlib.sha256(file.read_bytes()).digest()
            key.update(texts[file])
        folder = cache_folder() / "arrays" / key.hexdigest()[:32]
        if (folder / f"lib{module}.a").is_file():
            found[module] = folder, True
        else:
            missing[module] = folder
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        runs = {
            pool.submit(
                _build_array, module, arrays[module], folder, verilator, environment, level
            ): module
            for module, folder in missing.items()
        }
        try:
            for i, run in enumerate(as_completed(runs)):
                run.result()
                found[runs[run]] = missing[runs[run]], False
                progress("build", i + 1, len(runs), f"array {runs[run]}")
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return found


def _build_array(
    module: str,
    files: Sequence[Path],
    folder: Path,
    verilator: Path,
    environment: Mapping[str, str],
    level: int,
) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".build-", dir=folder.parent))
    wrapper, glue = wrapped_array(module, files[0].read_text())
    model = f"V{module}"
    try:
        (work / "control.vlt").write_text(_CONTROL)
        (work / f"{module}.sv").write_text(wrapper)
        (work / "glue.cpp").write_text(glue)
        _run(
            [
                str(verilator), "--cc", "--top-module", module, "--prefix", model, "-Mdir", str(work),
                "-fno-dfg", "-Wno-fatal", "--output-split", "0", str(work / "control.vlt"),
                *map(str, files),
            ],
            environment, module,
        )  # fmt: skip
        include = _include(work / f"{model}.mk")
        _run(
            [
                "g++", f"-O{level}", "-c", "-I", str(work), "-I", include, "-I", f"{include}/vltstd",
                "-o", str(work / "glue.o"), str(work / "glue.cpp"),
            ],
            environment, module,
        )  # fmt: skip
        # The runtime comes with the chip; the base's code is the same for every row, so -O1 pays in long runs.
        _run(
            [
                "make", "-s", "-C", str(work), "-f", f"{model}.mk", f"{model}__ALL.a",
                "CFG_CXXFLAGS_PCH_I=-include", f"OPT_FAST=-O{level}", "OPT_SLOW=-O0",
            ],
            {**environment, "MAKEFLAGS": ""}, module,
        )  # fmt: skip
        _run(["ar", "r", str(work / f"{model}__ALL.a"), str(work / "glue.o")], environment, module)
        done = Path(tempfile.mkdtemp(prefix=".done-", dir=folder.parent))
        shutil.move(work / f"{module}.sv", done / f"{module}.sv")
        shutil.move(work / f"{model}__ALL.a", done / f"lib{module}.a")
        try:
            done.rename(folder)
        except OSError:  # another process was quicker
            shutil.rmtree(done)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _include(makefile: Path) -> str:
    """Where Verilator's headers are, as its makefile says."""
    for line in makefile.read_text().splitlines():
        if line.startswith("VERILATOR_ROOT ="):
            return f"{line.partition('=')[2].strip()}/include"
    raise HnlpuError("Verilator wrote no VERILATOR_ROOT", where=str(makefile), got="no such line",
                     do="use a Verilator from 5.036 on")  # fmt: skip


def _run(command: Sequence[str], environment: Mapping[str, str], what: str) -> None:
    done = subprocess.run(
        command, env=dict(environment), capture_output=True, text=True, check=False
    )
    if done.returncode:
        log = Path(tempfile.mkdtemp(prefix="hnlpu-log-")) / "build.txt"
        log.write_text(f"{' '.join(command)}\n{done.stdout}\n{done.stderr}")
        raise HnlpuError(
            "the simulator failed to build",
            where=what,
            got=f"{Path(command[0]).name} ended with {done.returncode}",
            do=f"read {log}",
        )


def build_chip_simulation(
    sources: ChipSources, progress: Progress, chips: Path | None = None
) -> tuple[Path, dict[str, Any]]:
    """Build the simulation of a chip, or find it in the cache.

    Parameters
    ----------
    sources : ChipSources
    progress : Progress
    chips : path, optional
        Where the chip is built instead of the cache; its arrays are in the cache in any case.

    Returns
    -------
    folder : Path
        Holds the executable.
    built : dict
        ``arrays``, ``cached_arrays`` (that were there already), ``cached`` (the chip was).

    Raises
    ------
    HnlpuError
        See :func:`build_arrays`.
    """
    libraries = build_arrays(sources.arrays, progress, sources.level)
    key = hashlib.sha256(f"{_RECIPE} O{sources.level}".encode())
    for module, (folder, _) in sorted(libraries.items()):
        key.update(f"{module} {folder.name}\n".encode())
    for name, text in sorted(sources.chip.items()):
        key.update(f"{name} {len(text)}\n{text}".encode())
    target = (chips or cache_folder() / "chips") / key.hexdigest()[:32]
    built = {
        "arrays": len(libraries),
        "cached_arrays": sum(cached for _, cached in libraries.values()),
        "cached": (target / HARNESS).is_file(),
    }
    if not built["cached"]:
        progress("build", 0, 1, "chip")
        folders = {m: folder for m, (folder, _) in libraries.items()}
        _build_chip(sources, folders, target)
        progress("build", 1, 1, "chip")
    return target, built


def _build_chip(sources: ChipSources, libraries: Mapping[str, Path], target: Path) -> None:
    chip = sources.chip
    verilator, _ = find_verilator()
    target.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".build-", dir=target.parent))
    for name, text in chip.items():
        (work / name).write_text(text)
    control = work / "control.vlt"
    text = f'`verilator_config\npublic_flat_rw -module "{HARNESS}" -var "*"\n'
    options: list[str] = []
    if f"{GRID}.v" in chip:
        # Chips share the code of their blocks, which is hundreds of small files.
        text += 'no_inline -module "hn_*"\n'
        options = ["--output-groups", str(2 * (os.cpu_count() or 1))]
    control.write_text(text)
    wrappers = [folder / f"{module}.sv" for module, folder in libraries.items()]
    archives = [str(folder / f"lib{module}.a") for module, folder in libraries.items()]
    old = dict(os.environ)
    os.environ.update(simulator_environment(verilator))
    flags = f"OPT_FAST=-O{sources.level} OPT_SLOW=-O0 OPT_GLOBAL=-O{sources.level}"
    os.environ["MAKEFLAGS"] = f"CFG_CXXFLAGS_PCH_I=-include {flags}"
    try:
        get_runner("verilator").build(
            sources=[control, *(work / name for name in chip), *wrappers],
            hdl_toplevel=HARNESS,
            build_dir=work / "obj",
            build_args=["--no-public-flat-rw", "-fno-dfg", "-Wno-fatal", *options, *archives],
            log_file=work / "log.txt",
        )
        done = Path(tempfile.mkdtemp(prefix=".done-", dir=target.parent))
        shutil.move(work / "obj" / HARNESS, done / HARNESS)
        try:
            done.rename(target)
        except OSError:  # another process was quicker
            shutil.rmtree(done)
    except (SystemExit, RuntimeError, OSError) as error:
        log = Path(tempfile.mkdtemp(prefix="hnlpu-log-")) / "build.txt"
        shutil.copy(work / "log.txt", log)
        raise HnlpuError(
            "the simulator failed to build", where="chip", got=str(error), do=f"read {log}"
        ) from None
    finally:
        os.environ.clear()
        os.environ.update(old)
        shutil.rmtree(work, ignore_errors=True)
