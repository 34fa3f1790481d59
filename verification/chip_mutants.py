"""Mutants of a chip: one fault each in a block, in the boot image or in the twin, which the check must catch.

A fault is an edit of one piece of source, listed in ``data/chip_mutants.toml``. The package is copied, the copy is
edited, and a process in the copy emits the chip's Verilog, or computes the twin's logits. Everything else is that of
``hnlpu.verification.chip``: a mutant is caught if :func:`~hnlpu.verification.chip.check_chip` finds a difference, or
if the chip hangs, refuses to boot or cannot be emitted.
"""

import importlib
import json
import os
import pickle
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from hnlpu.bundle import read_manifest
from hnlpu.chip import Chip
from hnlpu.chip_loading import chip_from_bundle
from hnlpu.errors import HnlpuError
from hnlpu.progress import Progress, Silent
from hnlpu.rtl.hierarchy import Library
from hnlpu.verification.chip import check_chip
from hnlpu.verification.chip_compare import entered_sequences, traced_vectors
from hnlpu.verification.chip_harness import LOGITS
from hnlpu.verification.chip_mutant_process import emitted_chip
from hnlpu.verification.chip_run import ChipSimulation
from hnlpu.verification.chip_stimulus import Stimulus, stimuli

__all__ = [
    "FEATURES",
    "Mutant",
    "Reference",
    "Verdict",
    "check_mutants",
    "copy_package",
    "edit",
    "judge_boot",
    "judge_rtl",
    "judge_twin",
    "load_mutants",
    "mutate_image",
    "source_file",
    "summary",
]

KINDS = ("rtl", "boot", "twin")
_PACKAGES = ("", "rtl", "sim", "costmodel", "verification", "reports")
_WORKERS = 2
#: A wait longer than this is a hang: several times what the longest prompt takes.
_WATCHDOG_CYCLES = 60_000
_WORDS = re.compile(r"(\w+)\[(-?\d+)?(:)?(\d+)?\]")

#: What a chip may have, and what a twin's fault may need.
FEATURES: dict[str, Callable[[Chip], bool]] = {
    "experts": lambda chip: chip.shape.is_moe,
    "limit": lambda chip: chip.shape.swiglu_limit is not None,
    "window": lambda chip: any(window is not None for window in chip.shape.windows),
    "sinks": lambda chip: any(layer.sinks is not None for layer in chip.layers),
    "biases": lambda chip: any(layer.q.bias.any() for layer in chip.layers),
    "yarn": lambda chip: chip.shape.rope.factor != 1,
}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One fault.

    Attributes
    ----------
    kind : str
        ``rtl``, ``boot`` or ``twin``.
    file : str
        Folder and name in the sources; the image for boot words.
    fault : str
    old, new : str
        A piece of source that occurs once, and what takes its place; for the boot image see
        :func:`mutate_image`.
    needs : tuple of str
        Of ``FEATURES``.
    """

    kind: str
    file: str
    fault: str
    old: str
    new: str
    needs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        unknown = {need for need in self.needs if need not in FEATURES}
        if self.kind not in KINDS or unknown or self.old == self.new:
            raise HnlpuError(
                "not a mutant",
                where=f"{self.file}: {self.fault}",
                got=f"kind {self.kind}, needs {', '.join(self.needs) or 'nothing'}",
                do=f"kinds are {', '.join(KINDS)}, needs {', '.join(FEATURES)}; old and new differ",
            )


@dataclass(slots=True)
class Verdict:
    """What became of a mutant.

    Attributes
    ----------
    kind, file, fault : str
    caught : bool or None
        None if this chip has nothing that the fault would change.
    by : str
        ``logits``, ``tokens``, ``protocol``, ``hang``, ``boot``, ``emission``, ``simulation``.
    detail : str
        The first difference, or the message.
    stimulus : str
        In which run.
    seconds : float
    """

    kind: str
    file: str
    fault: str
    caught: bool | None = False
    by: str = ""
    detail: str = ""
    stimulus: str = ""
    seconds: float = 0.0


def load_mutants(path: Path | None = None) -> tuple[Mutant, ...]:
    """Mutants of a file, those that come with the package by default.

    Raises
    ------
    HnlpuError
        Not a list of mutants.
    """
    path = path or Path(__file__).with_name("data") / "chip_mutants.toml"
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8"))["mutants"]
        return tuple(
            Mutant(**{**entry, "needs": tuple(entry.get("needs", ()))}) for entry in entries
        )
    except (OSError, KeyError, TypeError, tomllib.TOMLDecodeError) as error:
        raise HnlpuError(
            "not a list of mutants",
            where=str(path),
            got=f"{type(error).__name__}: {error}",
            do="give tables [[mutants]] with kind, file, fault, old and new",
        ) from error


def copy_package(folder: Path) -> None:
    """Copy the package into ``folder``, laid out as in a wheel."""
    for name in _PACKAGES:
        module = importlib.import_module(f"hnlpu.{name}".rstrip("."))
        source = Path(str(module.__file__)).parent
        inner = [other for other in _PACKAGES if other and not name]
        shutil.copytree(
            source, folder / "hnlpu" / name, ignore=lambda _, files, inner=inner: inner,
            dirs_exist_ok=True,
        )  # fmt: skip


def source_file(folder: Path, file: str) -> Path:
    """Where a file of the sources is in a copy of the package."""
    return folder / ("" if file.startswith("hnlpu/") else "hnlpu") / file


def edit(path: Path, mutant: Mutant) -> None:
    """Make the edit of a mutant.

    Raises
    ------
    HnlpuError
        The old piece is not there, or more than once.
    """
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    found = text.count(mutant.old)
    if found != 1:
        raise HnlpuError(
            "cannot make this mutant",
            where=f"{mutant.file}: {mutant.fault}",
            got=f"{found} occurrences of {mutant.old!r}",
            do="give a piece of source that occurs exactly once",
        )
    path.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")


def mutate_image(image: str, windows: Sequence[dict[str, Any]], mutant: Mutant) -> str | None:
    """A boot image with a mutant's words.

    ``old`` names words of a block: ``layer_0_q[3]``, ``layer_0_q[0:8]``, ``layer_0_q[:]`` for all, ``[-1]`` for the
    last one. ``new`` is a word, ``+N`` or ``-N`` added to each, or as many words of a block elsewhere. A word
    below zero is written ``=-N``.

    Returns
    -------
    str or None
        None if the chip has no such block, or nothing changes.

    Raises
    ------
    HnlpuError
        Not of this form.
    """
    bases = {window["block"]: window for window in windows}
    words = {int(line[:8], 16): int(line[8:], 16) for line in image.splitlines()}

    def addresses(text: str) -> list[int] | None:
        found = _WORDS.fullmatch(text)
        if found is None:
            return None
        block, first, colon, end = found.groups()
        if block not in bases:
            return []
        base = bases[block]["base"]
        own = [a for a in sorted(words) if base <= a < base + (1 << bases[block]["address_bits"])]
        if colon:
            return [a for a in own if int(first or 0) <= a - base < int(end or 1 << 32)]
        return [own[-1]] if first == "-1" else [base + int(first)]

    places, source = addresses(mutant.old), addresses(mutant.new)
    if places is None or (source is None and not re.fullmatch(r"=?[+-]?\d+", mutant.new)):
        raise HnlpuError(
            "cannot make this mutant",
            where=f"{mutant.file}: {mutant.fault}",
            got=f"{mutant.old} to {mutant.new}",
            do="give BLOCK[FIRST:END] and a word, +N, -N, or other words",
        )
    changed = dict(words)
    for i, place in enumerate(places):
        if source is not None:
            changed[place] = words[source[i % len(source)]] if source else words[place]
        elif mutant.new[0] in "+-":
            changed[place] = words[place] + int(mutant.new)
        else:
            changed[place] = int(mutant.new.removeprefix("="))
    result = "".join(f"{a:08x}{word & 0xFFFFFFFF:08x}\n" for a, word in sorted(changed.items()))
    return None if result == image else result


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """What the chip without a fault is and does.

    Attributes
    ----------
    bundle : Path
    context : int
    runs : tuple of Stimulus
    sequences, logits : list
        Of each run: the tokens that entered, and the logits of all of them one after another.
    verilog : dict of str to str
        Its blocks and its top, with stalls.
    emitted : bytes
        Pickle of ``Library.emitted()`` without a fault, so that a mutant emits only what it changed.
    """

    bundle: Path
    context: int
    runs: tuple[Stimulus, ...]
    sequences: list[list[list[int]]]
    logits: list[Any]
    verilog: dict[str, str]
    emitted: bytes


def check_mutants(
    bundle: str | Path,
    *,
    mutants: Sequence[Mutant] | None = None,
    progress: Progress | None = None,
) -> list[Verdict]:
    """Make every mutant of the chip of a bundle, and see whether the check catches it.

    Parameters
    ----------
    bundle : path
    mutants : sequence of Mutant, optional
        Those that come with the package by default.

    Returns
    -------
    list of Verdict, in the order of the mutants

    Raises
    ------
    HnlpuError
        Not a bundle, the simulator failed, a mutant cannot be made, or the chip without one fails its check.
    """
    show, folder = progress or Silent(), Path(bundle)
    chosen = load_mutants() if mutants is None else tuple(mutants)
    with tempfile.TemporaryDirectory(prefix="hnlpu-mutants-") as work:
        copy = Path(work) / "package"
        copy_package(copy)
        for mutant in chosen:  # before anything takes long
            if mutant.kind != "boot":
                _edited(copy, mutant, Path(work) / "edited")
        simulation = ChipSimulation(folder, stalls=True, progress=show)
        reference = _reference(simulation, show)
        verdicts: dict[int, Verdict] = {}
        features = {name for name, has in FEATURES.items() if has(reference.runs[0].chip)}

        def done(i: int, verdict: Verdict) -> None:
            verdicts[i] = verdict
            seen = verdict.by or ("absent" if verdict.caught is None else "SURVIVED")
            text = f"{verdict.file}: {verdict.fault}: {seen}"
            show("mutants", len(verdicts), len(chosen), text)

        context = get_context("spawn")
        with ProcessPoolExecutor(_WORKERS, mp_context=context) as pool:
            runs: dict[Future[Verdict], int] = {}
            for i, mutant in enumerate(chosen):
                if set(mutant.needs) - features:
                    verdicts[i] = Verdict(mutant.kind, mutant.file, mutant.fault, None)
                elif mutant.kind != "boot":
                    judge = judge_rtl if mutant.kind == "rtl" else judge_twin
                    runs[pool.submit(judge, mutant, reference, copy)] = i
            try:
                for i, mutant in enumerate(chosen):
                    if mutant.kind == "boot":
                        done(i, judge_boot(mutant, reference, simulation))
                for run in as_completed(runs):
                    done(runs[run], run.result())
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
    return [verdicts[i] for i in range(len(chosen))]


def _reference(simulation: ChipSimulation, show: Progress) -> Reference:
    """Run the chip without a fault; it must pass."""
    bundle = simulation.bundle
    context = read_manifest(bundle)["chip"]["context"]
    runs = stimuli(chip_from_bundle(bundle), context)
    sequences, logits = [], []
    for stimulus in runs:
        result = _check(simulation, stimulus)
        if result["mismatches"] or result["protocol_failures"]:
            raise HnlpuError(
                "the chip fails its check without any fault",
                where=f"{bundle}, {stimulus.name}",
                got=str(result["first_mismatch"] or f"{result['protocol_failures']} refusals"),
                do="hnlpu verify it first",
            )
        run = simulation.run(stimulus.steps, image=stimulus.image)
        sequences.append(entered_sequences(run.beats()))
        logits.append(traced_vectors(run)[LOGITS])
    verilog = emitted_chip(bundle)
    emitted = pickle.dumps(Library.emitted())
    return Reference(bundle, context, runs, sequences, logits, verilog, emitted)


def _check(
    simulation: ChipSimulation, stimulus: Stimulus, image: str | None = None
) -> dict[str, Any]:
    return check_chip(
        simulation,
        stimulus.steps,
        Silent(),
        chip=stimulus.chip,
        image=stimulus.image if image is None else image,
        watchdog_cycles=_WATCHDOG_CYCLES,
    )


def _judged(
    mutant: Mutant, simulation: ChipSimulation, checks: Iterator[tuple[Stimulus, str]]
) -> Verdict:
    """The first run in which the check sees the fault."""
    verdict = Verdict(mutant.kind, mutant.file, mutant.fault)
    for stimulus, image in checks:
        verdict.stimulus = stimulus.name
        try:
            result = _check(simulation, stimulus, image)
        except HnlpuError as error:
            hang = {"the chip hangs": "hang", "the chip refused its boot image": "boot"}
            verdict.by = hang.get(error.what, "simulation")
            place = error.where.rpartition(", ")[2]
            verdict.detail = f"{place}: {error.got.partition(';')[0]}"
            verdict.caught = True
            return verdict
        refused = [check["check"] for check in result["protocol"] if not check["ok"]]
        if result["mismatches"] > result["wrong_tokens"]:
            verdict.by, verdict.detail = "logits", _place(result["first_mismatch"])
        elif result["wrong_tokens"]:
            verdict.by, verdict.detail = "tokens", f"{result['wrong_tokens']} of them"
        elif refused:
            verdict.by, verdict.detail = "protocol", refused[0]
        else:
            continue
        verdict.caught = True
        return verdict
    verdict.stimulus = ""
    return verdict


def _place(first: dict[str, Any] | None) -> str:
    if first is None:
        return "in number"
    return f"{first['stream']}, sequence {first['sequence']}, position {first['position']}"


def _timed(judge: Callable[[], Verdict]) -> Verdict:
    started = time.monotonic()
    verdict = judge()
    verdict.seconds = round(time.monotonic() - started, 1)
    return verdict


def judge_boot(mutant: Mutant, reference: Reference, simulation: ChipSimulation) -> Verdict:
    """Boot the chip without a fault with a mutant's words."""
    images = [mutate_image(run.image, simulation.chip["boot"], mutant) for run in reference.runs]
    checks = [(r, image) for r, image in zip(reference.runs, images, strict=True) if image]
    if not checks:
        return Verdict(mutant.kind, mutant.file, mutant.fault, None)
    return _timed(lambda: _judged(mutant, simulation, iter(checks)))


def judge_rtl(mutant: Mutant, reference: Reference, copy: Path) -> Verdict:
    """Emit, build and run the chip with a mutant's edit in a ``copy`` of the package."""
    return _timed(partial(_rtl, mutant, reference, copy))


def _rtl(mutant: Mutant, reference: Reference, copy: Path) -> Verdict:
    with tempfile.TemporaryDirectory(prefix="hnlpu-mutant-") as work:
        folder = Path(work)
        job = {
            "bundle": reference.bundle.resolve(),
            "file": mutant.file.removeprefix("hnlpu/"),
            "emitted": reference.emitted,
        }
        error = _run("emit", _edited(copy, mutant, folder / "package"), folder, job)
        if error:
            return Verdict(mutant.kind, mutant.file, mutant.fault, True, "emission", error)
        verilog = json.loads((folder / "emitted.json").read_text())
        if verilog == reference.verilog:
            return Verdict(mutant.kind, mutant.file, mutant.fault, None)
        Library.emitted().update(pickle.loads(reference.emitted))  # of the chip without a fault
        simulation = ChipSimulation(
            reference.bundle, stalls=True, replace=verilog, folder=folder / "chip"
        )
        return _judged(mutant, simulation, iter([(run, run.image) for run in reference.runs]))


def judge_twin(mutant: Mutant, reference: Reference, copy: Path) -> Verdict:
    """Compare the logits of a twin with a mutant's edit with those of the chip."""
    return _timed(partial(_twin, mutant, reference, copy))


def _twin(mutant: Mutant, reference: Reference, copy: Path) -> Verdict:
    verdict = Verdict(mutant.kind, mutant.file, mutant.fault)
    with tempfile.TemporaryDirectory(prefix="hnlpu-mutant-") as work:
        folder = Path(work)
        job = {
            "chip": reference.runs[0].chip,
            "context": reference.context,
            "sequences": reference.sequences,
        }
        error = _run("twin", _edited(copy, mutant, folder / "package"), folder, job)
        if error:
            verdict.caught, verdict.by, verdict.detail = True, "simulation", error
            return verdict
        with np.load(folder / "logits.npz") as found:
            for i, entered in enumerate(reference.sequences):
                first = 0
                for j, tokens in enumerate(entered):
                    got, expected = found[f"{i}_{j}"], reference.logits[i][first:][: len(tokens)]
                    first += len(tokens)
                    wrong = np.flatnonzero((got != expected).any(axis=-1))
                    if len(wrong):
                        verdict.caught, verdict.by = True, "logits"
                        verdict.stimulus = reference.runs[i].name
                        verdict.detail = f"{LOGITS}, sequence {j}, position {wrong[0]}"
                        return verdict
    return verdict


def _edited(copy: Path, mutant: Mutant, folder: Path) -> Path:
    """A copy of the package with the fault of a mutant."""
    shutil.copytree(copy, folder, dirs_exist_ok=True)
    edit(source_file(folder, mutant.file), mutant)
    return folder


def _run(what: str, package: Path, folder: Path, job: dict[str, Any]) -> str:
    """A process in a copy of the package; the last line of its complaint, or nothing."""
    (folder / "job.pickle").write_bytes(pickle.dumps(job))
    done = subprocess.run(
        [sys.executable, "-m", "hnlpu.verification.chip_mutant_process", what, str(folder)],
        env={**os.environ, "PYTHONPATH": str(package)},
        cwd=package,
        capture_output=True,
        text=True,
        check=False,
    )
    if not done.returncode:
        return ""
    return (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1]


def summary(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Of ``verify-chip.json``: numbers, names of the survivors, and a row for each mutant."""
    made = [verdict for verdict in verdicts if verdict.caught is not None]
    return {
        "mutants": len(made),
        "mutants_killed": sum(bool(verdict.caught) for verdict in made),
        "surviving_mutants": [
            f"{verdict.file}: {verdict.fault}" for verdict in made if not verdict.caught
        ],
        "mutant_rows": [asdict(verdict) for verdict in verdicts],
    }
