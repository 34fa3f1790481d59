"""Selection: which base an array shape gets.

Phases, exponent values and, for region architectures, the sizes of regions follow from the matrices that
the base must hold, and from what the user asks for: an architecture and its parameters, or a target.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from hnlpu.alignment import AlignedMatrix
from hnlpu.base import ArrayPlan
from hnlpu.errors import HnlpuError
from hnlpu.merged import MergedPlan
from hnlpu.paper import PaperPlan
from hnlpu.taps import TapsPlan

__all__ = ["TARGETS", "BaseOptions", "choose_base", "taps_base"]

TARGETS = ("area", "latency", "balanced")
_DEFAULT_PHASES = 3
_PHASES_TRIED = range(1, 9)


@dataclass(frozen=True, slots=True)
class BaseOptions:
    """What the user chooses of a base.

    Attributes
    ----------
    arch : str
    activation_bits : int
    phases : int or None
        Inputs that share a port, at most (short rows use fewer); None leaves it to ``target``, or 3.
    exponent_values : int or None
        Block exponents a row can hold; None takes what the widest row of a shape needs.
    cuts : int
        Register cuts of a row's adders (``taps``).
    adder : int
        Transistors of the full adder, 24 or 28.
    slice_ports : int
        Ports of a slice (``merged``).
    failure_rate : float
        Chance that a row of other weights of the same statistics does not fit (``paper``, ``merged``).
    target : str or None
        ``area``: fewest transistors; ``latency``: fewest cycles; ``balanced``: smallest product of both.
        Only strips whose adders can be wired count.
    """

    arch: str = "taps"
    activation_bits: int = 8
    phases: int | None = None
    exponent_values: int | None = None
    cuts: int = 0
    adder: int = 24
    slice_ports: int = 7
    failure_rate: float = 1e-6
    target: str | None = None

    def __post_init__(self) -> None:
        if self.target is not None and self.target not in TARGETS:
            raise HnlpuError(
                "unknown target",
                where="--target",
                got=self.target,
                do=f"choose {', '.join(TARGETS)}",
            )
        if self.target is not None and self.phases is not None:
            raise HnlpuError(
                "a target chooses the phases",
                where="--target and --phases",
                got=f"{self.target} and {self.phases}",
                do="give one of them",
            )

    @property
    def exponent_limit(self) -> int | None:
        """``exponent_values`` as a power of two, so that no setting of the pins is illegal."""
        wanted = self.exponent_values
        return None if wanted is None else 1 << (wanted - 1).bit_length()


def taps_base(
    shape: tuple[int, int],
    options: BaseOptions,
    *,
    exponent_values: int,
    magnitudes: tuple[int, ...],
    block: int,
) -> TapsPlan:
    """A tap-crossbar base for a shape, no weights at hand."""
    plan = TapsPlan(
        *shape,
        activation_bits=options.activation_bits,
        phases=_DEFAULT_PHASES if options.phases is None else options.phases,
        exponent_values=exponent_values,
        block=block,
        magnitudes=magnitudes,
        cuts=options.cuts,
        adder=options.adder,
    )
    most = plan.n_blocks if exponent_values > 1 else plan.n_columns
    if options.target is None:
        return replace(plan, phases=min(plan.phases, most))
    tried = [replace(plan, phases=phases) for phases in _PHASES_TRIED if phases <= most]
    wirable = [plan for plan in tried if plan.tracks <= plan.tracks_available]
    if not wirable:
        raise HnlpuError(
            "no base of this shape has adders that can be wired",
            where=f"--target {options.target}: {shape[0]} x {shape[1]}",
            got="; ".join(
                f"T={p.phases}: {p.tracks} of {p.tracks_available} tracks" for p in tried
            ),
            do="choose --phases, which does not ask, or fewer --exponent-values",
        )
    if options.target == "latency":
        return min(wirable, key=lambda plan: plan.interval_cycles)
    if options.target == "area":
        return min(wirable, key=lambda plan: plan.row_transistors)
    return min(wirable, key=lambda plan: plan.row_transistors * plan.interval_cycles)


def choose_base(
    matrices: Sequence[AlignedMatrix], magnitudes: tuple[int, ...], options: BaseOptions
) -> ArrayPlan:
    """The base for matrices of one shape and format.

    Raises
    ------
    HnlpuError
        Unknown architecture, or a target that no base meets.
    """
    first = matrices[0]
    needed = max(1 << matrix.spread.bit_length() for matrix in matrices)
    exponent_values = max(needed, options.exponent_limit or 1)
    if options.arch == "taps":
        return taps_base(
            (first.n_rows, first.n_columns),
            options,
            exponent_values=exponent_values,
            magnitudes=magnitudes,
            block=first.block,
        )
    if options.arch not in ("paper", "merged"):
        raise HnlpuError(
            "unknown architecture",
            where="--arch",
            got=options.arch,
            do="choose taps, paper or merged; cell and mac are baselines of hnlpu explore",
        )
    if options.target is not None or options.cuts:
        raise HnlpuError(
            "only taps has targets and cuts",
            where=f"--arch {options.arch}",
            got=f"--target {options.target}" if options.target else f"--cuts {options.cuts}",
            do="choose --phases instead, or --arch taps",
        )
    common: dict[str, Any] = {
        "activation_bits": options.activation_bits,
        "exponent_values": exponent_values,
        "magnitudes": magnitudes,
        "block": first.block,
        "adder": options.adder,
        "failure_rate": options.failure_rate,
    }
    most = first.n_columns
    if options.arch == "paper":
        return PaperPlan.for_matrices(matrices, phases=min(options.phases or 1, most), **common)
    return MergedPlan.for_matrices(
        matrices,
        phases=min(options.phases or 4, most),
        slice_ports=options.slice_ports,
        **common,
    )
