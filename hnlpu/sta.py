"""OpenSTA: what it is asked, and the paths that it answers with.

Contract (checked by ``tests/test_sta.py``): arrivals of a small netlist are those of the library's
tables and of the wires' Elmore delays.
"""

import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hnlpu.errors import HnlpuError
from hnlpu.tools import find_sta

__all__ = ["Constraints", "Stage", "TimingPath", "analyse"]

_MARK = "hnlpu-path"
#: Longer than any path.
_PERIOD_NS = 1000.0
_POINT = re.compile(r"^(.*?)(-?\d+\.\d+)\s+(-?\d+\.\d+)\s+([\^v])\s+(\S+)\s+\((\S+)\)\s*$")
_NUMBER = re.compile(r"-?\d+\.\d+")
_ASIDE = re.compile(r"^\s*(?:-?\d+\.\d+\s+)*(-?\d+\.\d+)\s+(-?\d+\.\d+)\s+(.*)$")
_SLACK = re.compile(r"^\s*(-?\d+\.\d+)\s+slack", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Constraints:
    """Clock and edges of a netlist; times in ns.

    Attributes
    ----------
    clock : str
        Clock port.
    period_ns : float
        By default so long that nothing fails.
    input_max_ns, input_min_ns : mapping of str to float
        When inputs change after the clock, latest and earliest.
    input_slew_ns : float
    outputs : tuple of str
        Ports at which paths end.
    uncertainty_ns : float
        Clock edges may be so far apart.
    """

    clock: str = "clk"
    period_ns: float = _PERIOD_NS
    input_max_ns: Mapping[str, float] | None = None
    input_min_ns: Mapping[str, float] | None = None
    input_slew_ns: float = 0.0
    outputs: tuple[str, ...] = ()
    uncertainty_ns: float = 0.0


@dataclass(frozen=True, slots=True)
class Stage:
    """One pin of a path.

    Attributes
    ----------
    pin, kind : str
        ``instance/pin`` or port, and its cell.
    edge : str
        ``^`` or ``v``.
    delay_ns, arrival_ns, slew_ns : float
    """

    pin: str
    kind: str
    edge: str
    delay_ns: float
    arrival_ns: float
    slew_ns: float


@dataclass(frozen=True, slots=True)
class TimingPath:
    """A path and its slack.

    Attributes
    ----------
    stages : tuple of Stage
        From the first pin of the data, a register's clock or a port, to the last.
    slack_ns : float
    check_ns : float
        Setup or hold time of the register at its end; 0 for ports.
    """

    stages: tuple[Stage, ...]
    slack_ns: float
    check_ns: float

    @property
    def arrival_ns(self) -> float:
        return self.stages[-1].arrival_ns

    @property
    def period_ns(self) -> float:
        """Shortest period that a path of ``-path_delay max`` allows."""
        return self.arrival_ns + self.check_ns

    @property
    def worst_slew_ns(self) -> float:
        return max(stage.slew_ns for stage in self.stages)


def analyse(
    liberty: Path,
    verilog: str,
    top: str,
    constraints: Constraints,
    reports: Sequence[str],
    spef: str = "",
) -> list[TimingPath | None]:
    """Run OpenSTA.

    Parameters
    ----------
    liberty : Path
    verilog : str
        A netlist of the library's cells.
    top : str
    constraints : Constraints
    reports : sequence of str
        Arguments of ``report_checks``, one for each path asked for: ``-path_delay max -to y``.
    spef : str
        Parasitics; nets without them have none.

    Returns
    -------
    list of TimingPath or None
        None where there is no such path.

    Raises
    ------
    MissingToolError
        No OpenSTA.
    HnlpuError
        It failed.
    """
    sta, _ = find_sta()
    with tempfile.TemporaryDirectory(prefix="hnlpu-") as name:
        folder = Path(name)
        (folder / "netlist.v").write_text(verilog, encoding="utf-8")
        if spef:
            (folder / "wires.spef").write_text(spef, encoding="utf-8")
        script = _script(liberty, top, constraints, reports, bool(spef))
        (folder / "run.tcl").write_text(script, encoding="utf-8")
        done = subprocess.run(
            [sta, "-no_splash", "-exit", "run.tcl"],
            cwd=folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
    blocks = done.stdout.split(_MARK)[1:]
    if done.returncode or "Error" in done.stdout + done.stderr or len(blocks) != len(reports):
        lines = (done.stdout + done.stderr).splitlines()
        said = [line for line in lines if "Error" in line] or lines[-1:] or ["nothing"]
        raise HnlpuError("OpenSTA failed", where=top, got=said[0],
                         do="check the Liberty file; opensta 2.0.17 is tested")  # fmt: skip
    return [_path(block) for block in blocks]


def _script(
    liberty: Path, top: str, constraints: Constraints, reports: Sequence[str], has_spef: bool
) -> str:
    lines = [
        f"read_liberty {{{liberty.resolve()}}}",
        "read_verilog netlist.v",
        f"link_design {top}",
        "set_cmd_units -time ns -capacitance pF -resistance kOhm",
        *(["read_spef wires.spef"] if has_spef else []),
        f"create_clock -name clk -period {constraints.period_ns} [get_ports {constraints.clock}]",
    ]
    if constraints.uncertainty_ns:
        lines.append(f"set_clock_uncertainty {constraints.uncertainty_ns} [get_clocks clk]")
    for which, delays in (("max", constraints.input_max_ns), ("min", constraints.input_min_ns)):
        # One command for all inputs of a time: there are thousands.
        groups: dict[float, list[str]] = {}
        for port, delay in (delays or {}).items():
            groups.setdefault(delay, []).append(port)
        lines += [
            f"set_input_delay -{which} {delay:.6f} -clock clk [get_ports {{{' '.join(ports)}}}]"
            for delay, ports in groups.items()
        ]
    if constraints.input_max_ns:
        ports = " ".join(constraints.input_max_ns)
        lines.append(
            f"set_input_transition {constraints.input_slew_ns:.6f} [get_ports {{{ports}}}]"
        )
    if constraints.outputs:
        ports = " ".join(constraints.outputs)
        lines.append(f"set_output_delay 0 -clock clk [get_ports {{{ports}}}]")
    for report in reports:
        lines += [
            f'puts "{_MARK}"',
            f"report_checks {report} -format full -fields {{slew cap input_pins}} -digits 6",
        ]
    return "\n".join([*lines, "exit", ""])


def _path(block: str) -> TimingPath | None:
    slack = _SLACK.search(block)
    if slack is None:
        return None
    data, _, rest = block.partition("data arrival time")
    stages = []
    for line in data.splitlines():
        if (match := _POINT.match(line)) and match[6] != "clock":
            # Columns are capacitance, slew, delay, time; the first only at drivers.
            before = _NUMBER.findall(match[1])
            slew = float(before[-1]) if before else 0.0
            stages.append(
                Stage(match[5], match[6], match[4], float(match[2]), float(match[3]), slew)
            )
    check = 0.0
    for line in rest.splitlines():
        aside = _ASIDE.match(line)
        if aside and "library" in aside[3]:
            check = abs(float(aside[1]))
    return TimingPath(tuple(stages), float(slack[1]), check)
