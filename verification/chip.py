"""Verify a chip: the emitted Verilog of the whole of it, driven through its host port, against the twin."""

import time
from pathlib import Path
from typing import Any

import numpy as np

from hnlpu.bundle import read_manifest, write_json
from hnlpu.chip import Chip
from hnlpu.chip_loading import chip_from_bundle
from hnlpu.errors import HnlpuError
from hnlpu.host import IDENTITY, LAST, Control, HostError, Register, Status
from hnlpu.progress import Progress, Silent
from hnlpu.tokenizer import load_tokenizer
from hnlpu.verification.chip_compare import Comparison, compare
from hnlpu.verification.chip_run import (
    WATCHDOG_CYCLES,
    ChipSimulation,
    Run,
    Step,
    batch,
    glitch,
    idle,
    prompt,
    read,
    reset,
    stall,
    wait,
    write,
)

__all__ = ["check_chip", "protocol_steps", "sequence_steps", "verify_chip"]


def verify_chip(
    bundle: str | Path,
    *,
    n_sequences: int = 6,
    n_tokens: int = 12,
    seed: int = 0,
    full_context: bool = False,
    prompts: Path | None = None,
    mutants: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Simulate the whole chip of ``bundle`` on Verilator and compare every logit with the twin.

    Every stream pauses at random in the second half; one sequence is reset while the chip generates; prompts follow
    one another; requests that break the protocol must be refused and change nothing. Writes
    ``verify-chip.json`` into the bundle.

    Parameters
    ----------
    bundle : path
    n_sequences : int
        Random prompts.
    n_tokens : int
        Tokens of the longest of them.
    seed : int
    full_context : bool
        Also fill the whole context with one sequence, and see the next token refused.
    prompts : path, optional
        File of prompts, a line each with ``\\n`` for a line's end, instead of the random ones; the chip goes on from
        each to its stop token, 16 tokens at most.
    mutants : bool
        Also make faults in the chip, one at a time, which its check must catch
        (``hnlpu.verification.chip_mutants``).
    progress : Progress, optional

    Returns
    -------
    dict
        ``sequences``, ``tokens``, ``vectors``, ``mismatches``, ``first_mismatch``, ``generated``, ``protocol``,
        ``cycles``, ``cycles_per_s``, ``seconds``, ``build``; with mutants ``mutants``, ``mutants_killed``,
        ``surviving_mutants``, ``mutant_rows``.

    Raises
    ------
    HnlpuError
        Not a bundle, the simulator failed, or the chip hangs.
    """
    started = time.monotonic()
    show = progress or Silent()
    folder = Path(bundle)
    manifest = read_manifest(folder)
    for name, value in (("--sequences", n_sequences), ("--tokens", n_tokens)):
        if value < 1:
            raise HnlpuError("is too small", where=name, got=str(value), do="give 1 or more")
    simulation = ChipSimulation(folder, stalls=True, progress=show)
    vocab, context = manifest["model"]["vocab"], manifest["chip"]["context"]
    if prompts is None:
        steps = sequence_steps(vocab, context, n_sequences, n_tokens, seed)
    else:
        steps = _prompt_steps(folder, manifest, prompts)
    if full_context:
        rng = np.random.default_rng([seed, 1])
        steps += [reset(), prompt(rng.integers(0, vocab, context).tolist()), idle()]
        steps += [write(Register.PROMPT, 0)]
    n_at_a_time = manifest["chip"]["sequences"]
    if n_at_a_time > 1:
        steps += [reset(), batch_step(vocab, context, 4 * n_at_a_time, n_tokens, seed)]
    result = check_chip(simulation, [*steps, *protocol_steps(vocab)], show)
    if mutants and not result["mismatches"] and not result["protocol_failures"]:
        from hnlpu.verification.chip_mutants import check_mutants, summary  # they use this module

        result |= summary(check_mutants(folder, progress=show))
    result["seconds"] = round(time.monotonic() - started, 1)
    write_json(folder / "verify-chip.json", result)
    return result


def sequence_steps(
    vocab: int, context: int, n_sequences: int, n_tokens: int, seed: int
) -> list[Step]:
    """Prompts of random tokens with some generated after them; stalls and errors of links in the second half."""
    rng = np.random.default_rng(seed)
    steps: list[Step] = []
    for i in range(n_sequences):
        if i == (n_sequences + 1) // 2:
            steps += [stall(), glitch()]
        length = int(rng.integers(1, max(2, min(n_tokens, context - 1))))
        tokens = rng.integers(0, vocab, length).tolist()
        generate = min(2, context - length)
        steps += [reset(), prompt(tokens, generate)]
        if i == n_sequences - 1:  # and a reset while it works on the next
            steps += [
                reset(), write(Register.LIMIT, 1000), write(Register.PROMPT, tokens[0] | LAST),
                wait(int(rng.integers(50, 2000))), reset(),
            ]  # fmt: skip
    return steps


def batch_step(vocab: int, context: int, n_jobs: int, n_tokens: int, seed: int) -> Step:
    """Jobs of random lengths, more than the chip has sequences."""
    rng = np.random.default_rng([seed, 2])
    jobs = []
    for _ in range(n_jobs):
        length = int(rng.integers(1, max(2, min(n_tokens, context - 1))))
        generate = int(rng.integers(1, 1 + min(4, context - length)))
        jobs.append((rng.integers(0, vocab, length).tolist(), generate))
    return batch(jobs)


def _prompt_steps(folder: Path, manifest: dict[str, Any], prompts: Path) -> list[Step]:
    """The prompts of a file; stalls in the second half."""
    tokenizer = load_tokenizer(folder / "boot")
    try:
        lines = prompts.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise HnlpuError(
            "cannot read the prompts",
            where=str(prompts),
            got=error.strerror or str(error),
            do="name a text file with a prompt on each line",
        ) from error
    eos = manifest["model"]["eos_tokens"]
    steps = [write(Register.STOP, eos[0] | LAST if eos else 0)]
    for i, line in enumerate(lines):
        if i == (len(lines) + 1) // 2:
            steps += [stall(), glitch()]
        tokens = tokenizer.encode(line.replace("\\n", "\n"))
        left = manifest["chip"]["context"] - len(tokens)
        if not tokens or left < 1:
            raise HnlpuError(
                "prompt is empty or longer than the context",
                where=f"{prompts}: line {i + 1}",
                got=f"{len(tokens)} tokens",
                do=f"give 1 to {manifest['chip']['context'] - 1} tokens",
            )
        steps += [reset(), prompt(tokens, min(16, left))]
    return steps


#: Name of each protocol check, what the host does, and what must come of it.
_Expectation = tuple[str, int | bool]


def protocol_steps(vocab: int) -> list[Step]:
    """Requests that are refused, each beside what must be as before; read back by ``check_chip``."""
    control = Control.CLEAR_ERROR
    return [
        reset(),
        read(Register.IDENTITY),
        write(Register.PROMPT, vocab),  # TOKEN
        read(Register.STATUS),
        write(Register.CONTROL, control),
        write(Register.STATUS, 1),  # REGISTER
        read(Register.STATUS),
        write(Register.CONTROL, control),
        read(99),  # REGISTER
        write(Register.CONTROL, control),
        write(Register.LIMIT, 0),
        write(Register.PROMPT, 0 | LAST),
        write(Register.BOOT_DATA, 123),  # BUSY
        read(Register.STATUS),
        write(Register.LIMIT, 7),  # BUSY
        idle(),
        read(Register.LIMIT),
        read(Register.POSITION),
        write(Register.CONTROL, control),
        read(Register.STATUS),
        reset(),
    ]


def _protocol(run: Run) -> list[dict[str, Any]]:
    """Expected and seen answers of :func:`protocol_steps`, which were the last steps."""
    answers = [event for event in run.events if event["event"] in ("read", "written")]
    booted = int(Status.BOOTED)

    def error(code: HostError) -> int:
        return booted | code << Status.ERROR_SHIFT

    expected: list[tuple[str, str, int | bool]] = [
        ("identity", "word", IDENTITY),
        ("a token outside the vocabulary", "refused", True),
        ("it is in the status", "word", error(HostError.TOKEN)),
        ("errors can be cleared", "refused", False),
        ("a read-only register written", "refused", True),
        ("it is in the status", "word", error(HostError.REGISTER)),
        ("errors can be cleared again", "refused", False),
        ("an unknown register", "refused", True),
        ("errors can be cleared again", "refused", False),
        ("a setting while idle", "refused", False),
        ("a token to score", "refused", False),
        ("a boot word while busy", "refused", True),
        ("it is in the status", "word", error(HostError.BUSY) | Status.BUSY),
        ("a setting while busy", "refused", True),
        ("the setting is as before", "word", 0),
        ("one token entered", "word", 1),
        ("errors can be cleared again", "refused", False),
        ("all is well at the end", "word", booted),
    ]
    return [
        {"check": name, "expected": value, "got": answer[key], "ok": answer[key] == value}
        for (name, key, value), answer in zip(expected, answers[-len(expected) :], strict=True)
    ]


def check_chip(
    simulation: ChipSimulation,
    steps: list[Step],
    progress: Progress,
    *,
    chip: Chip | None = None,
    image: str | None = None,
    watchdog_cycles: int = WATCHDOG_CYCLES,
) -> dict[str, Any]:
    """Run steps that end with :func:`protocol_steps`, and compare what came with the twin.

    A difference is looked for again with every stream traced, so that it has a place.

    Parameters
    ----------
    chip, image : Chip, str, optional
        What the twin computes with, and what the chip is booted with, instead of the bundle's.
    """
    chip = chip or chip_from_bundle(simulation.bundle)
    plan = read_manifest(simulation.bundle)["chip"]
    done = 0
    total = sum(1 + step.get("generate", 0) for step in steps if step["kind"] == "prompt")
    total += sum(job["generate"] for step in steps for job in step.get("jobs", ()))

    def watch(event: dict[str, Any]) -> None:
        nonlocal done
        done += event["event"] in ("prompted", "token")
        progress("simulate", min(done, total - 1), total, f"cycle {event['cycle']:,}")

    run = simulation.run(steps, image=image, watchdog_cycles=watchdog_cycles, watch=watch)
    progress("simulate", total, total)
    n_chips = plan["grid"][0] * plan["grid"][1]
    comparison = compare(run, chip, plan["context"], n_chips)
    if comparison.mismatches:
        traced = simulation.run(steps, image=image, trace_all=True, watchdog_cycles=watchdog_cycles)
        comparison = compare(traced, chip, plan["context"], n_chips)
    protocol = _protocol(run)
    wrong_tokens = _wrong_tokens(run, steps, comparison)
    return {
        "level": "chip",
        "sequences": len(comparison.sequences),
        "tokens": sum(map(len, comparison.sequences)),
        "at_a_time": plan["sequences"],
        "chips": n_chips,
        "vectors": comparison.vectors,
        "mismatches": comparison.mismatches + wrong_tokens,
        "first_mismatch": comparison.first,
        "generated": len(run.of("token")),
        "wrong_tokens": wrong_tokens,
        "protocol": protocol,
        "protocol_failures": sum(not check["ok"] for check in protocol),
        "link_errors": run.glitches(),
        "cycles": run.cycles,
        "cycles_per_s": round(run.cycles / max(run.seconds, 0.1)),
        "build": simulation.built,
    }


def _greedy(logits: Any, asked: dict[str, Any], stops: list[int]) -> list[int]:
    """Largest logits after a prompt (``tokens``, ``generate``), up to a stop token."""
    n = len(asked["tokens"])
    own: list[int] = logits.argmax(axis=-1)[n - 1 :][: asked["generate"]].tolist()
    return own[: next((i + 1 for i, token in enumerate(own) if token in stops), len(own))]


def _wrong_tokens(run: Run, steps: list[Step], comparison: Comparison) -> int:
    """Generated tokens that are not the largest of the twin's logits, up to the stop token.

    Those that entered the layers after a prompt must be the same, all but the last.
    """
    stops = [
        step["word"] & ~LAST
        for step in steps
        if step.get("register") == Register.STOP and step["word"]
    ]
    given = [event["token"] for event in run.of("token") if "job" not in event]
    expected: list[int] = []
    wrong = 0
    prompts = [step for step in steps if step["kind"] == "prompt"]
    jobs = list(enumerate(job for step in steps for job in step.get("jobs", ())))
    for tokens, logits in zip(comparison.sequences, comparison.logits, strict=True):
        if not prompts or tokens[: len(prompts[0]["tokens"])] != prompts[0]["tokens"]:
            if jobs and tokens[: len(jobs[0][1]["tokens"])] == jobs[0][1]["tokens"]:
                number, job = jobs.pop(0)  # jobs begin in their order
                taken = [event["token"] for event in run.of("token") if event.get("job") == number]
                wrong += taken != _greedy(logits, job, stops)
            continue  # or the sequence that was reset
        step = prompts.pop(0)
        n, own = len(step["tokens"]), _greedy(logits, step, stops)
        expected += own
        wrong += tokens[n:] != own[:-1]
    wrong += sum(a != b for a, b in zip(given, expected, strict=False))
    return int(wrong) + abs(len(given) - len(expected)) + len(jobs)
