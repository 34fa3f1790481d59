"""Running a chip on Verilator: steps in, events and traced streams out."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hnlpu.bundle import read_manifest
from hnlpu.errors import HnlpuError
from hnlpu.grid import Tile
from hnlpu.progress import Progress, Silent
from hnlpu.rtl.grid import GLITCH, GRID
from hnlpu.verification.chip_build import ChipSources, build_chip_simulation
from hnlpu.verification.chip_harness import boot_script, harness_text
from hnlpu.verification.chip_sources import chips_of, stalling_sources

__all__ = [
    "WATCHDOG_CYCLES",
    "ChipSimulation",
    "Run",
    "Step",
    "Stream",
    "batch",
    "glitch",
    "idle",
    "prompt",
    "read",
    "reset",
    "stall",
    "wait",
    "write",
]

_GLITCHES = re.compile(rf"^  hn_glitch_\w+ (\w+{GLITCH}) \($", re.MULTILINE)

#: A step of the bench, as JSON: ``kind`` and its values.
Step = dict[str, Any]

#: Cycles after which a chip that does nothing more is said to hang, by default.
WATCHDOG_CYCLES = 2_000_000


def write(register: int, word: int) -> Step:
    """Write a register."""
    return {"kind": "write", "register": int(register), "word": word}


def read(register: int) -> Step:
    """Read a register."""
    return {"kind": "read", "register": int(register)}


def prompt(tokens: Sequence[int], generate: int = 0) -> Step:
    """Give the tokens of a prompt, and take up to ``generate`` tokens after it."""
    return {"kind": "prompt", "tokens": [int(token) for token in tokens], "generate": generate}


def batch(jobs: Sequence[tuple[Sequence[int], int]]) -> Step:
    """Prompts, and how many tokens to take after each (1 or more), over as many sequences as the chip has."""
    return {
        "kind": "batch",
        "jobs": [
            {"tokens": [int(token) for token in tokens], "generate": generate}
            for tokens, generate in jobs
        ],
    }


def reset() -> Step:
    """Forget the sequence, and wait until the chip is idle."""
    return {"kind": "reset"}


def wait(cycles: int) -> Step:
    """Do nothing for some cycles."""
    return {"kind": "wait", "cycles": cycles}


def stall(*, on: bool = True) -> Step:
    """Every stream pauses at random from here on, or no more."""
    return {"kind": "stall", "on": int(on)}


def glitch(*, on: bool = True) -> Step:
    """Bits on links that repair errors are inverted at random from here on, or no more."""
    return {"kind": "glitch", "on": int(on)}


def idle() -> Step:
    """Wait until the chip is idle."""
    return {"kind": "idle"}


@dataclass(frozen=True, slots=True)
class Stream:
    """A traced stream: where its fields lie in a beat."""

    name: str
    layout: dict[str, tuple[int, int, bool]]

    def fields(self, payload: int) -> dict[str, int]:
        """A beat's fields."""
        found = {}
        for name, (first, n_bits, signed) in self.layout.items():
            value = payload >> first & ((1 << n_bits) - 1)
            found[name] = value - (value >> (n_bits - 1) << n_bits) if signed else value
        return found


@dataclass(slots=True)
class Run:
    """What a run brought.

    Attributes
    ----------
    events : list of dict
        As the bench wrote them, ``event`` and ``cycle`` in each.
    trace : Path
        File of beats; see :meth:`beats`.
    seconds : float
    """

    events: list[dict[str, Any]]
    trace: Path
    seconds: float
    streams: list[Stream] = field(default_factory=list)

    @property
    def cycles(self) -> int:
        """Cycles simulated."""
        return max((event["cycle"] for event in self.events), default=0)

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Events of one kind."""
        return [event for event in self.events if event["event"] == kind]

    def beats(self) -> Iterator[tuple[int, Stream, dict[str, int]]]:
        """Cycle, stream and fields of every traced beat, in order."""
        with self.trace.open() as file:
            for line in file:
                if not line.startswith("#"):
                    cycle, number, payload = line.split()
                    stream = self.streams[int(number)]
                    yield int(cycle), stream, stream.fields(int(payload, 16))

    def waiting(self) -> list[str]:
        """Streams whose beat waited when the bench asked last."""
        with self.trace.open() as file:
            return [line.split()[1] for line in file if line.endswith("waits\n")]

    def glitches(self) -> int:
        """Bits that were inverted on links, as the bench asked last."""
        last: dict[str, int] = {}
        with self.trace.open() as file:
            for line in file:
                if line.startswith("#") and " made " in line:
                    _, name, _, count = line.split()
                    last[name] = int(count)
        return sum(last.values())


class ChipSimulation:
    """A chip of a bundle, built for Verilator.

    Parameters
    ----------
    bundle : path
    stalls : bool
        With ``Stall`` on every stream and ``Glitch`` on every wire of a link with CRC, which steps :func:`stall` and
        :func:`glitch` turn on.
    replace : dict of file name to text, optional
        Other texts for blocks of the chip (mutants).
    folder : path, optional
        Where the chip is built instead of the cache.
    level : int
        Of the compiler's optimisation; 0 for runs of few cycles.
    progress : Progress, optional

    Attributes
    ----------
    built : dict
        ``arrays``, ``cached_arrays``, ``cached``, ``seconds``.

    Raises
    ------
    HnlpuError
        Not a bundle, or the simulator failed to build.
    """

    def __init__(
        self,
        bundle: str | Path,
        *,
        stalls: bool = False,
        replace: dict[str, str] | None = None,
        folder: Path | None = None,
        level: int = 1,
        progress: Progress | None = None,
    ) -> None:
        started = time.monotonic()
        self.bundle = Path(bundle)
        manifest = read_manifest(self.bundle)
        try:
            self.chip = json.loads((self.bundle / "chip.json").read_text())
            self._entries = _streams(self.chip)
            sources = self._sources(manifest, stalls, replace or {}, level)
        except (OSError, KeyError, ValueError) as error:
            raise HnlpuError(
                "bundle is damaged, or has no chip",
                where=str(self.bundle),
                got=f"{type(error).__name__}: {error}",
                do="generate the bundle again",
            ) from error
        self.streams = [
            Stream(s["name"], {k: tuple(v) for k, v in s["layout"].items()}) for s in self._entries
        ]
        self._build, self.built = build_chip_simulation(sources, progress or Silent(), folder)
        self._runs = tempfile.TemporaryDirectory(prefix="hnlpu-chip-")
        self.built["seconds"] = round(time.monotonic() - started, 1)

    def _sources(
        self, manifest: dict[str, Any], stalls: bool, replace: dict[str, str], level: int
    ) -> ChipSources:
        bases = {base["name"]: base["files"] for base in manifest["bases"]}
        arrays = {
            entry["module"]: (
                self.bundle / entry["metal"],
                *(self.bundle / file for file in bases[entry["base"]]),
            )
            for entry in manifest["matrices"]
        }
        self._script = boot_script((self.bundle / "boot" / "image.hex").read_text())
        chip = {Path(f).name: (self.bundle / f).read_text() for f in manifest["chip"]["files"]}
        if stalls:
            chip |= stalling_sources(manifest, self.chip)
        chip |= replace
        chip["harness.sv"] = harness_text(
            manifest["chip"]["top"], self._entries, len(self._script), stalls=stalls,
            glitches=_GLITCHES.findall(chip.get(f"{GRID}.v", "")),
        )  # fmt: skip
        return ChipSources(arrays, chip, level)

    def run(
        self,
        steps: Sequence[Step],
        *,
        image: str | None = None,
        trace_all: bool = False,
        watchdog_cycles: int = WATCHDOG_CYCLES,
        watch: Callable[[dict[str, Any]], None] | None = None,
    ) -> Run:
        """Boot the chip and carry out steps.

        Parameters
        ----------
        steps : sequence of Step
        image : str, optional
            Another boot image, of the same addresses.
        trace_all : bool
            Trace every stream, not the logits only.
        watchdog_cycles : int
            A wait longer than this is a hang.
        watch : callable, optional
            Called with every event as it happens.

        Raises
        ------
        HnlpuError
            The simulator failed, the boot image was refused, or the chip hangs: says what was waited for and
            which streams wait.
        """
        started = time.monotonic()
        folder = Path(tempfile.mkdtemp(prefix="run-", dir=self._runs.name))
        script = self._script if image is None else boot_script(image)
        assert len(script) == len(self._script), "the harness holds a script of one length"
        (folder / "script.hex").write_text("".join(script))
        job = {
            "steps": list(steps),
            "trace": 3 if trace_all else 1,
            "watchdog_cycles": watchdog_cycles,
            "boot_requests": len(script),
        }
        (folder / "job.json").write_text(json.dumps(job))
        trace = folder / "trace.txt"
        events = self._execute(folder, watch)
        run = Run(events, trace, round(time.monotonic() - started, 1), self.streams)
        for event in events:
            if event["event"] == "hang":
                kept = Path(tempfile.mkdtemp(prefix="hnlpu-log-")) / "trace.txt"
                shutil.copy(trace, kept)
                raise HnlpuError(
                    "the chip hangs",
                    where=f"{self.bundle}, cycle {event['cycle']}",
                    got=f"{event['what']}; streams that wait: {', '.join(run.waiting()) or 'none'}",
                    do=f"see the trace {kept}",
                )
        if any(event["event"] == "booted" and event["refused"] for event in events):
            raise HnlpuError("the chip refused its boot image", where=str(self.bundle),
                             got="a response with error", do="generate the bundle again")  # fmt: skip
        return run

    def _execute(
        self, folder: Path, watch: Callable[[dict[str, Any]], None] | None
    ) -> list[dict[str, Any]]:
        """Run the bench in a process of its own, and follow its events."""
        log = folder / "log.txt"
        with log.open("w") as output:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "hnlpu.verification.chip_process",
                    str(self._build),
                    str(folder),
                ],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that the simulator below it can be ended too
            )
            try:
                events = list(_follow(folder / "events.jsonl", process, watch))
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGTERM)
                process.wait()
        if not events or events[-1]["event"] not in ("done", "hang"):
            kept = Path(tempfile.mkdtemp(prefix="hnlpu-log-")) / "run.txt"
            shutil.copy(log, kept)
            raise HnlpuError(
                "the simulator failed",
                where=str(self.bundle),
                got=f"it ended with {process.returncode}",
                do=f"read {kept}",
            )
        return events


def _streams(description: dict[str, Any]) -> list[dict[str, Any]]:
    """Streams of all chips; those of others than the first have the chip's name before theirs."""
    chips = chips_of(description)
    found = []
    for tile, chip in chips.items():
        inner = f"{tile}." if len(chips) > 1 else ""
        outer = "" if tile == Tile() else f"{tile}."
        found += [
            {**stream, "name": outer + stream["name"], "path": inner + stream["name"]}
            for stream in chip["streams"]
        ]
    return found


def _follow(
    path: Path,
    process: "subprocess.Popen[bytes]",
    watch: Callable[[dict[str, Any]], None] | None,
) -> Iterator[dict[str, Any]]:
    """Events of a running simulation, until it ends."""
    while not path.exists() and process.poll() is None:
        time.sleep(0.02)
    if not path.exists():
        return
    with path.open() as file:
        partial = ""
        while True:
            ended = process.poll() is not None
            partial += file.read()
            *lines, partial = partial.split("\n")
            for line in lines:
                event = json.loads(line)
                if watch is not None:
                    watch(event)
                yield event
            if ended:
                return
            time.sleep(0.02)
