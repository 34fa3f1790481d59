"""What several benchmarks print."""

import resource

__all__ = ["PAPER_FF", "PAPER_OHM", "PAPER_UM2", "memory_gb", "table"]

#: What the paper's chip implies: 573.16 mm2 of arrays for 7.3e9 weights.
PAPER_UM2 = 573.16e6 / 7.3e9
#: HNLPU paper, section 7.2: average of the extracted nets.
PAPER_OHM, PAPER_FF = 164, 7.8


def table(heads: list[str], rows: list[list[str]]) -> None:
    """A table in Markdown."""
    print("| " + " | ".join(heads) + " |")
    print("|" + "---|" * len(heads))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print()


def memory_gb() -> float:
    """Most that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
