"""The paper's figures of the system, beside which simulated ones stand: Table 2's rate, Figure 14's shares."""

from functools import cache

from hnlpu.costmodel.reproduction import paper_rows

__all__ = ["FIGURE_14_CONTEXTS", "figure_14", "paper_rates"]

#: Contexts of Figure 14, and how the rows of ``paper_rows.toml`` call them.
FIGURE_14_CONTEXTS = {
    2048: "2K",
    8192: "8K",
    65536: "64K",
    131072: "128K",
    262144: "256K",
    524288: "512K",
}
_PARTS = {
    "comm": "communication",
    "proj": "projection",
    "nonlin": "non-linear",
    "attn": "attention",
    "stall": "stall",
}


@cache
def figure_14() -> dict[int, dict[str, float]]:
    """Published shares in parts of one, by context and part; no stall where the figure has none."""
    published = {row.id: row.published for row in paper_rows()}
    found: dict[int, dict[str, float]] = {}
    for context, label in FIGURE_14_CONTEXTS.items():
        shares = {name: published.get(f"F14.{label}.{key}", 0.0) for key, name in _PARTS.items()}
        found[context] = {name: float(share or 0) / 100 for name, share in shares.items()}
    return found


@cache
def paper_rates() -> dict[str, float]:
    """Tokens per second by where the paper says so: its Table 2, and its cost of ownership."""
    published = {row.id: row.published for row in paper_rows()}
    return {
        "Table 2": float(published["P.tput"] or 0),
        "cost of ownership": float(published["P.50"] or 0),
    }
