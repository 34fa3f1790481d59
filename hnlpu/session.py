"""Run: a chip goes on from a prompt, on its RTL or on the twin, and its tokens appear as they come."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from hnlpu.bundle import read_manifest
from hnlpu.chip_loading import chip_from_bundle
from hnlpu.errors import HnlpuError
from hnlpu.host import LAST, Register
from hnlpu.progress import Progress, Silent
from hnlpu.sim.chip import ChipTwin
from hnlpu.sim.sampler import Sampler, temperature_word
from hnlpu.tokenizer import StreamDecoder, load_tokenizer

__all__ = ["RunOptions", "run"]

BACKENDS = ("rtl", "sim")
_Give = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What to run.

    Attributes
    ----------
    prompt : str or None
        Text, for the model's tokenizer; or
    tokens : sequence of int or None
    n_new : int
        Tokens to generate at most; a stop token of the model, or the end of the context, ends earlier.
    backend : str
        ``rtl``: the emitted Verilog on Verilator; ``sim``: the twin.
    temperature : float
        0 takes the likeliest token.
    top_k : int
        Only so many of the likeliest take part; 0 for all.
    seed : int
        Of the sampler.
    trace : path or None
        Folder for ``trace.npz``: every vector of every stream.
    timeline : path or None
        Folder for the timeline of the last token and the block diagram; needs ``rtl``.
    """

    prompt: str | None = None
    tokens: Sequence[int] | None = None
    n_new: int = 32
    backend: str = "rtl"
    temperature: float = 0.0
    top_k: int = 0
    seed: int = 1
    trace: Path | None = None
    timeline: Path | None = None


def run(
    bundle: str | Path,
    options: RunOptions,
    *,
    stream: TextIO | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Let the chip of a bundle go on from a prompt.

    Parameters
    ----------
    bundle : path
    options : RunOptions
    stream : text file, optional
        Receives the prompt's text and the tokens as they come (their numbers without a tokenizer).
    progress : Progress, optional

    Returns
    -------
    dict
        ``tokens``, ``text`` (None without a tokenizer), ``prompt_tokens``, ``cycles`` (None on the twin),
        ``backend``, ``seconds`` (the building left out), ``build``.

    Raises
    ------
    HnlpuError
        Not a bundle; a prompt that is empty, outside the vocabulary or longer than the context; no tokenizer for a
        text; impossible options; the chip hangs.
    """
    folder = Path(bundle)
    manifest = read_manifest(folder)
    _check("--backend", options.backend, options.backend in BACKENDS, " or ".join(BACKENDS))
    slots = manifest["chip"]["sampler_slots"]
    _check("--top-k", options.top_k, 0 <= options.top_k <= slots, f"0 to {slots}")
    _check("-n", options.n_new, options.n_new >= 1, "1 or more")
    _check("--seed", options.seed, 0 <= options.seed < 1 << 32, "0 to 4294967295")
    if options.timeline is not None:
        _check(
            "--backend", options.backend, options.backend == "rtl", "rtl: --timeline needs cycles"
        )
        rows, columns = manifest["chip"]["grid"]
        if rows * columns > 1:
            raise HnlpuError(
                "the timeline and the block diagram are of one chip",
                where=str(folder),
                got=f"a grid of {rows}x{columns}",
                do="leave --timeline out (--trace has every stream of every chip), or generate without --grid",
            )
    decoder, tokens = _prompt(folder, options)
    _check_tokens(tokens, manifest)
    text: list[str] = []
    given: list[int] = []

    def show(piece: str) -> None:
        text.append(piece)
        if stream is not None:
            stream.write(piece)
            stream.flush()

    def give(token: int) -> None:
        given.append(token)
        show(f"{token} " if decoder is None else decoder.push(token))

    if options.prompt is not None and stream is not None:
        stream.write(options.prompt)
    started = time.monotonic()
    backend = _run_rtl if options.backend == "rtl" else _run_sim
    found = backend(folder, manifest, tokens, options, give, progress or Silent())
    if decoder is not None:
        show(decoder.finish())
    if stream is not None:
        stream.write("\n")
    return {
        "tokens": given,
        "text": None if decoder is None else "".join(text),
        "prompt_tokens": tokens,
        "backend": options.backend,
        "seconds": round(time.monotonic() - started - found.pop("build_seconds", 0.0), 1),
        **found,
    }


def _check(name: str, value: Any, ok: bool, choices: str) -> None:
    if not ok:
        raise HnlpuError("is out of range", where=name, got=str(value), do=f"give {choices}")


def _prompt(folder: Path, options: RunOptions) -> tuple[StreamDecoder | None, list[int]]:
    """Tokens of the prompt, and what turns tokens into text if the bundle has a tokenizer."""
    if (options.prompt is None) == (options.tokens is None):
        raise HnlpuError(
            "give one prompt",
            where="hnlpu run",
            got="none" if options.prompt is None else "text and tokens",
            do="use --prompt TEXT or --tokens IDS",
        )
    if options.tokens is not None:
        tokens = [int(token) for token in options.tokens]
        try:
            return StreamDecoder(load_tokenizer(folder / "boot"), tokens), tokens
        except HnlpuError:
            return None, tokens
    tokenizer = load_tokenizer(folder / "boot")
    tokens = tokenizer.encode(options.prompt or "")
    return StreamDecoder(tokenizer, tokens), tokens


def _check_tokens(tokens: Sequence[int], manifest: dict[str, Any]) -> None:
    vocab, context = manifest["model"]["vocab"], manifest["chip"]["context"]
    if not tokens:
        raise HnlpuError(
            "the prompt is empty", where="hnlpu run", got="no tokens", do="give one token or more"
        )
    bad = [i for i, token in enumerate(tokens) if not 0 <= token < vocab]
    if bad:
        raise HnlpuError(
            "token outside the vocabulary",
            where=f"prompt, token {bad[0]}",
            got=str(tokens[bad[0]]),
            do=f"tokens go from 0 to {vocab - 1}",
        )
    if len(tokens) > context:
        raise HnlpuError(
            "the prompt is longer than the context",
            where="prompt",
            got=f"{len(tokens)} tokens for {context} positions",
            do="shorten it, or generate the chip with a larger --context",
        )


def _run_sim(
    folder: Path,
    manifest: dict[str, Any],
    tokens: list[int],
    options: RunOptions,
    give: _Give,
    progress: Progress,
) -> dict[str, Any]:
    chip = chip_from_bundle(folder)
    traced: dict[str, list[Any]] = {}

    def trace(name: str, values: Any) -> None:
        traced.setdefault(name.replace(".", "_"), []).append(values[0])

    twin = ChipTwin(
        chip, context=manifest["chip"]["context"], trace=trace if options.trace else None
    )
    word = temperature_word(options.temperature)
    sampler = Sampler(chip.numerics, word, options.top_k, options.seed)
    stop = chip.shape.eos_tokens[:1]
    token = 0
    for logits in twin.forward([tokens])[0]:  # the sampler steps with every token, as in the chip
        token = sampler(logits)
    give(token)
    for _ in range(options.n_new - 1):
        if token in stop or twin.position == twin.context:
            break
        token = sampler(twin.forward([[token]])[0, 0])
        give(token)
    if options.trace is not None:
        _write_trace(options.trace, {name: np.concatenate(parts) for name, parts in traced.items()})
    return {"cycles": None, "build": None}


def _run_rtl(
    folder: Path,
    manifest: dict[str, Any],
    tokens: list[int],
    options: RunOptions,
    give: _Give,
    progress: Progress,
) -> dict[str, Any]:
    from hnlpu.reports.diagram import write_diagram
    from hnlpu.reports.timeline import write_timeline
    from hnlpu.verification.chip_compare import traced_vectors
    from hnlpu.verification.chip_run import ChipSimulation, prompt, write

    simulation = ChipSimulation(folder, progress=progress)
    stop = manifest["model"]["eos_tokens"]
    steps = [
        write(Register.TEMPERATURE, temperature_word(options.temperature)),
        write(Register.TOP_K, options.top_k),
        write(Register.SEED, options.seed),
        write(Register.STOP, stop[0] | LAST if stop else 0),
        prompt(tokens, options.n_new),
    ]

    def watch(event: dict[str, Any]) -> None:
        if event["event"] == "token":
            give(event["token"])

    if options.timeline is not None:
        with _writing("diagram", options.timeline):
            write_diagram(simulation.chip, options.timeline)
    traced = options.trace is not None or options.timeline is not None
    found = simulation.run(steps, trace_all=traced, watch=watch)
    if options.trace is not None:
        _write_trace(options.trace, traced_vectors(found))
    if options.timeline is not None:
        beats = ((cycle, stream.name, fields) for cycle, stream, fields in found.beats())
        with _writing("timeline", options.timeline):
            write_timeline(simulation.chip, beats, len(tokens), options.timeline)
    tokens_at = [event["cycle"] for event in found.of("token")]
    return {
        "cycles": tokens_at[-1] - found.of("booted")[0]["cycle"],
        "build": simulation.built,
        "build_seconds": simulation.built["seconds"],
    }


def _write_trace(folder: Path, arrays: dict[str, Any]) -> None:
    """Vectors of every stream, (n_vectors, length)."""
    with _writing("trace", folder):
        np.savez_compressed(folder / "trace.npz", **arrays)


@contextmanager
def _writing(what: str, folder: Path) -> Iterator[None]:
    """Write into a folder, which is made if it is not there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise HnlpuError(
            f"cannot write the {what}",
            where=str(folder),
            got=error.strerror or str(error),
            do="name a folder that can be written",
        ) from error
