"""Bytes and seconds of a via mask: our writer and reader beside klayout's.

    python benchmarks/oasis.py [--vias 1000000] [--level 10] [--no-klayout]

Bundles of 15 lines, 960 nm wide, with one via on a random line for each stub row of 80 nm; ten times as many
rows as bundles, all in one cell. klayout holds the shapes in memory before it writes them; its time is for writing alone,
with compressed blocks. What our reader gives back is compared with what was drawn.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from hnlpu.layout.oasis import Boxes, OasisWriter, flatten, read_oasis

_VIA = (17, 0)
_SEED = 0


def random_vias(n: int) -> Boxes:
    """About ``n`` vias of 32 nm, (n, 4) in nm."""
    n_bundles = max(1, round((n / 10) ** 0.5))
    n_rows = -(-n // n_bundles)
    line = np.random.default_rng(_SEED).integers(0, 15, (n_rows, n_bundles))
    x = (np.arange(n_bundles) * 960 + 60 * line).ravel()
    y = np.repeat(np.arange(n_rows) * 80, n_bundles)
    return np.stack((x, y, x + 32, y + 32), axis=1)


def _row(name: str, path: Path, n: int, write_s: float, read_s: float) -> str:
    size = path.stat().st_size
    return f"{name:<12}{size:>14,}{size / n:>12.2f}{write_s:>10.2f}{read_s:>10.2f}"


def ours(path: Path, vias: Boxes) -> str:
    """Write, read and compare."""
    started = time.perf_counter()
    with OasisWriter(path) as writer, writer.cell("TOP"):
        writer.boxes(_VIA, vias)
    written = time.perf_counter()
    found = flatten(read_oasis(path), _VIA)
    done = time.perf_counter()
    if not np.array_equal(found[np.lexsort(found.T)], vias[np.lexsort(vias.T)]):
        raise SystemExit("the mask that was read is not the one that was written")
    return _row("hnlpu", path, len(vias), written - started, done - written)


def klayouts(path: Path, vias: Boxes, level: int) -> str:
    """The same shapes by klayout."""
    import klayout.db as kdb

    layout = kdb.Layout()
    shapes = layout.create_cell("TOP").shapes(layout.layer(*_VIA))
    for box in vias.tolist():
        shapes.insert(kdb.Box(*box))
    options = kdb.SaveLayoutOptions()
    options.format = "OASIS"
    options.oasis_compression_level = level
    options.oasis_write_cblocks = True
    started = time.perf_counter()
    layout.write(str(path), options)
    written = time.perf_counter()
    kdb.Layout().read(str(path))
    return _row("klayout", path, len(vias), written - started, time.perf_counter() - written)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vias", type=int, default=1_000_000)
    parser.add_argument("--level", type=int, default=10, help="klayout's level of compression")
    parser.add_argument("--no-klayout", action="store_true", help="ours alone")
    args = parser.parse_args()
    vias = random_vias(args.vias)
    print(f"{len(vias):,} vias")
    print(f"{'writer':<12}{'bytes':>14}{'bytes/via':>12}{'write s':>10}{'read s':>10}")
    with tempfile.TemporaryDirectory() as folder:
        print(ours(Path(folder) / "ours.oas", vias), flush=True)
        if not args.no_klayout:
            print(klayouts(Path(folder) / "klayout.oas", vias, args.level))


if __name__ == "__main__":
    main()
