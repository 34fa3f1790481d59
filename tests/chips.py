"""Small chips for tests: bundles of random checkpoints of both families."""

from pathlib import Path
from typing import Any

from checkpoints import GPT_OSS, LLAMA, gpt_oss_tensors, llama_tensors, write_checkpoint

from hnlpu.generator import GenerateOptions, generate
from hnlpu.numerics import Numerics


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
