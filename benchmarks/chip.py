"""What it takes to simulate whole chips: building from nothing, building again, cycles and tokens per second.

    python benchmarks/chip.py CKPT [CKPT ...] [--tokens 40]

For each checkpoint: generate (MXFP4), build with an empty cache, build again with one array's metal changed by a
comment, and let the chip go on greedily from its first token (or the second of the vocabulary).
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

from hnlpu.bundle import read_manifest
from hnlpu.generator import GenerateOptions, generate
from hnlpu.session import RunOptions, run
from hnlpu.verification.chip_run import ChipSimulation


def _measure(checkpoint: Path, n_tokens: int) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HNLPU_CACHE"] = f"{folder}/cache"
        bundle = Path(folder) / "bundle"
        started = time.monotonic()
        generate(checkpoint, bundle, GenerateOptions("mxfp4"))
        generated = time.monotonic() - started
        built = ChipSimulation(bundle).built["seconds"]
        manifest = read_manifest(bundle)
        metal = bundle / manifest["matrices"][0]["metal"]
        metal.write_text(f"// changed\n{metal.read_text()}")
        again = ChipSimulation(bundle).built
        assert again["cached_arrays"] == again["arrays"] - 1
        first = manifest["model"]["bos_token"] or 1
        found = run(bundle, RunOptions(tokens=[first], n_new=n_tokens))
        weights = manifest["totals"]["weights"]
        n = len(found["tokens"])
        return [
            checkpoint.name,
            f"{weights:,}",
            f"{generated:.0f} s",
            f"{built:.0f} s",
            f"{1e3 * built / weights:.2f} ms",
            f"{again['seconds']:.0f} s",
            f"{found['cycles'] / n:,.0f}",
            f"{found['cycles'] / found['seconds']:,.0f}",
            f"{n / found['seconds']:.2f}",
        ]


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoints", nargs="+", type=Path)
    parser.add_argument("--tokens", type=int, default=40, help="to generate (40)")
    args = parser.parse_args()
    heads = ("chip", "weights", "generate", "build", "build/weight", "one array changed",
             "cycles/token", "cycles/s", "tokens/s")  # fmt: skip
    rows = [heads, *(_measure(path, args.tokens) for path in args.checkpoints)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(heads))]
    for row in rows:
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))


if __name__ == "__main__":
    main()
