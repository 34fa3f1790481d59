"""Tokens per second of the twin on one core.

    OMP_NUM_THREADS=1 python benchmarks/twin.py CKPT [CKPT ...] [--tokens 200] [--sequences 256]

Greedy generation, token by token, from the first token of the vocabulary that begins a text: one sequence, and many
at once. Weights that are off the grid are rounded to MXFP4.
"""

import argparse
import os
import time

import numpy as np

from hnlpu.checkpoint import open_checkpoint
from hnlpu.chip import Chip
from hnlpu.chip_loading import chip_from_checkpoint
from hnlpu.numerics import Numerics
from hnlpu.scoring import continue_greedily
from hnlpu.sim.chip import ChipTwin

_BATCHED_TOKENS = 32


def _tokens_per_s(chip: Chip, n_sequences: int, n_tokens: int) -> float:
    prompt = np.full((n_sequences, 1), chip.shape.bos_token or 0)
    continue_greedily(ChipTwin(chip, n_sequences=n_sequences), prompt, 2)  # tables are made once
    started = time.perf_counter()
    continue_greedily(ChipTwin(chip, n_sequences=n_sequences), prompt, n_tokens)
    return n_sequences * n_tokens / (time.perf_counter() - started)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoints", nargs="+", metavar="CKPT")
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--sequences", type=int, default=256)
    args = parser.parse_args()
    if os.environ.get("OMP_NUM_THREADS") != "1":
        print("note: set OMP_NUM_THREADS=1 for figures of one core")
    print(f"{'model':<16}{'tokens/s, one sequence':>24}{f'{args.sequences} at once':>16}")
    for folder in args.checkpoints:
        chip = chip_from_checkpoint(open_checkpoint(folder), Numerics(), "mxfp4")
        n_tokens = min(args.tokens, chip.shape.max_context - 1)
        one = _tokens_per_s(chip, 1, n_tokens)
        many = _tokens_per_s(chip, args.sequences, min(_BATCHED_TOKENS, n_tokens))
        print(f"{chip.shape.name:<16}{one:>24,.0f}{many:>16,.0f}")


if __name__ == "__main__":
    main()
