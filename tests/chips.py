"""Small chips for tests: bundles of random checkpoints of both families, and runs of them beside the model of cycles."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
from checkpoints import GPT_OSS, LLAMA, gpt_oss_tensors, llama_tensors, write_checkpoint

from hnlpu.generator import GenerateOptions, generate
from hnlpu.numerics import Numerics
from hnlpu.verification.chip import batch_step
from hnlpu.verification.chip_run import ChipSimulation, Step, idle, prompt, reset
from hnlpu.verification.cycles import CycleComparison, compare_cycles, predict_cycles


def gpt_oss_chip(
    folder: Path,
    context: int = 12,
    sequences: int = 1,
    config: dict[str, Any] = GPT_OSS,
    **options: Any,
) -> Path:
    """A bundle of a gpt-oss checkpoint: sinks, a window of 4, three experts of which two are taken."""
    source = write_checkpoint(folder / "gpt-oss", config, gpt_oss_tensors(config))
    chosen = GenerateOptions(context=context, sequences=sequences, **options)
    generate(source, folder / "bundle", chosen)
    return folder / "bundle"


def llama_chip(folder: Path, context: int = 12, sequences: int = 1, **options: Any) -> Path:
    """A bundle of a Llama checkpoint: row scales, 34 inner values, wider inputs before one array."""
    source = write_checkpoint(folder / "llama", LLAMA, llama_tensors(LLAMA))
    numerics = Numerics(activation_overrides=(("down", 9),), kv_bits=7)
    chosen = GenerateOptions(
        "int4", context=context, numerics=numerics, sequences=sequences, **options
    )
    generate(source, folder / "bundle", chosen)
    return folder / "bundle"


def prompts_and_jobs(vocab: int, at_a_time: int, seed: int, context: int = 64) -> list[Step]:
    """Three prompts one after the other, then four times as many jobs as the chip has places."""
    rng = np.random.default_rng(seed)
    longest = min(14, context // 2)
    prompts = [
        (reset(), prompt(rng.integers(0, vocab, n).tolist(), int(m)))
        for n, m in rng.integers(1, longest, (3, 2))
    ]
    jobs = batch_step(vocab, context, 4 * at_a_time, longest, seed)
    return [*itertools.chain(*prompts), reset(), jobs, idle()]


def cycles_beside_model(
    simulation: ChipSimulation, steps: list[Step], **options: Any
) -> CycleComparison:
    """A run with all streams traced beside its prediction, which knows nothing of it; prints both."""
    run = simulation.run(steps, trace_all=True)
    model = predict_cycles(simulation.bundle, steps, stalls=True, **options)
    found = compare_cycles(run, model.cycles())
    tokens = len(model.passage.tokens)
    print(f"{found.beats} beats, {found.streams} streams, {tokens} tokens, {run.cycles} cycles:")
    print("\n".join(map(str, found.differences)) or "no difference")
    return found
