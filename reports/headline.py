"""Headline: the tiles on top of the page, and whether each check passed."""

from collections.abc import Mapping
from dataclasses import dataclass

from hnlpu.reports.bundle import Bundle
from hnlpu.reports.figure import Row
from hnlpu.reports.format import count, number

__all__ = ["Check", "Tile", "checks", "tiles"]


@dataclass(frozen=True, slots=True)
class Check:
    """One check and its outcome: ``passed``, ``failed`` or ``absent``."""

    name: str
    state: str
    detail: str


@dataclass(frozen=True, slots=True)
class Tile:
    """One headline figure; ``tag`` is empty where the bundle lacks it."""

    label: str
    text: str
    detail: str
    tag: str
    title: str
    state: str = ""


def checks(bundle: Bundle, rows: Mapping[str, Row]) -> tuple[Check, ...]:
    """Outcome of every check the bundle can hold; nothing passes that did not run."""
    commands = {missing.name: missing.command for missing in bundle.missing}

    def value(name: str) -> float:
        return rows[name].mid if name in rows else 0

    if "readback" in commands:
        readback = Check("Read back", "absent", f"run {commands['readback']}")
    else:
        good = (
            value("readback.weights") == value("readback.expected") > 0
            and not value("readback.missing")
            and not value("readback.mismatches")
            and not value("readback.base_cells_in_metal")
        )
        readback = Check(
            "Read back",
            "passed" if good else "failed",
            f"{count(value('readback.weights'))} of {count(value('readback.expected'))} weights, "
            f"{count(value('readback.mismatches'))} wrong, "
            f"{count(value('readback.missing'))} missing, "
            f"{count(value('readback.base_cells_in_metal'))} cells in the metal",
        )
    if "verify" in commands:
        run = f"run {commands['verify']}"
        return (
            readback, Check("Simulation", "absent", run), Check("Mutation", "absent", run),
        )  # fmt: skip
    exact = value("verify.vectors") > 0 and not value("verify.mismatches")
    killed, mutants = value("verify.mutants_killed"), value("verify.mutants")
    simulator = bundle.verify.get("simulator", "a simulator")
    return (
        readback,
        Check(
            "Simulation",
            "passed" if exact else "failed",
            f"{count(value('verify.vectors'))} vectors on {count(value('verify.arrays'))} arrays "
            f"in {simulator}, {count(value('verify.mismatches'))} wrong",
        ),
        Check(
            "Mutation",
            "passed" if killed == mutants > 0 else "failed",
            f"{count(killed)} of {count(mutants)} changed weights found",
        ),
    )


def tiles(bundle: Bundle, rows: Mapping[str, Row], outcome: tuple[Check, ...]) -> tuple[Tile, ...]:
    """Headline figures in reading order: what it is, that it is right, what it costs."""
    commands = {missing.name: missing.command for missing in bundle.missing}
    readback, simulation, mutation = outcome

    def tile(label: str, name: str, detail: str, state: str = "", text: str = "") -> Tile:
        part = name.partition(".")[0]
        if name not in rows:
            hint = f"run {commands[part]}" if part in commands else f"not in {part}.json"
            return Tile(label, "\u2013", hint, "", "", "absent")
        row = rows[name]
        return Tile(label, text or row.text, detail or row.range, row.tag, row.title, state)

    def of(name: str, total: str) -> str:
        if name not in rows or total not in rows:
            return ""
        return f"{rows[name].text} / {rows[total].text}"

    zero, weights = rows.get("manifest.zero_weights"), rows.get("manifest.weights")
    share = ""
    if zero and weights and weights.mid:
        share = f", {number(100 * zero.mid / weights.mid)} % of them zero"
    n_matrices = rows["manifest.matrices"].text if "manifest.matrices" in rows else "no"
    return (
        tile("Weights hardwired", "manifest.weights", f"in {n_matrices} matrices{share}"),
        tile("Weights read back", "readback.weights", _after(readback), readback.state,
             of("readback.weights", "readback.expected")),
        tile("Vectors bit-exact", "verify.vectors", _after(simulation), simulation.state),
        tile("Mutants found", "verify.mutants_killed", "one weight changed in each",
             mutation.state, of("verify.mutants_killed", "verify.mutants")),
        tile("Transistors per weight", "estimate.transistors_per_weight",
             "counted on the emitted bases, with clock tree and repeaters"),
        tile("Silicon of a system", "estimate.total_area_mm2", _chips(rows)),
        tile("Tokens per second", "estimate.tokens_per_s", ""),
        tile("Tokens per joule", "estimate.tokens_per_j", ""),
        tile("One-time cost", "estimate.nre_usd", ""),
        tile("New weights", "estimate.respin_usd", "masks, engineering and new chips"),
        tile("Cost of ownership", "estimate.tco_usd", ""),
        tile("Carbon", "estimate.tco2e", ""),
    )  # fmt: skip


def _after(check: Check) -> str:
    return {"passed": "all equal", "failed": "see below", "absent": check.detail}[check.state]


def _chips(rows: Mapping[str, Row]) -> str:
    chips, die = rows.get("estimate.chips"), rows.get("estimate.die_area_mm2")
    return f"{chips.text} of {die.text}" if chips and die else ""
