"""What a system of hardwired chips is, in cycles and bytes: grid, hardware, links, stages, cache.

A stage holds one token. It is parts in the order in which the token passes them; a part is done by one resource:

    array       of this layer alone; nobody else waits for it
    vex         the vector unit of a chip, shared by all layers; ``attention`` is its work on the KV cache
    column      links to the other chips of the column, shared by all layers
    row         links to the other chips of the row, shared by all layers

All chips do the same at the same time, so that one chip and one link of a kind stand for all; where they differ, the
plan takes the busiest (:mod:`hnlpu.grid_mapping`). ``hnlpu.sim.system`` runs a plan.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil

from hnlpu.errors import HnlpuError
from hnlpu.grid import Grid
from hnlpu.link_plan import LinkPlan

__all__ = [
    "CATEGORIES", "KINDS", "SHARED", "Array", "CachePlan", "Part", "Stage", "SystemHardware",
    "SystemLink", "SystemPlan",
]  # fmt: skip

#: What a part can be, and the share of Figure 14 that it counts to.
CATEGORIES = {
    "column": "communication",
    "row": "communication",
    "array": "projection",
    "vex": "non-linear",
    "attention": "attention",
}
KINDS = tuple(CATEGORIES)
#: Resources that all layers of a chip share.
SHARED = ("vex", "column", "row", "hbm")


@dataclass(frozen=True, slots=True)
class SystemLink:
    """One link in one direction: whole flits, by the laws of :class:`~hnlpu.link_plan.LinkPlan`.

    Unlike a beat of ``LinkPlan``, a flit may begin in the middle of a cycle: a message is rounded up to whole flits, and
    its time to whole cycles.
    """

    plan: LinkPlan
    flit_bits: int

    @classmethod
    def of(
        cls,
        bytes_per_cycle: float,
        latency_cycles: float,
        flit_bytes: int,
        credit_bytes: int | None = None,
    ) -> "SystemLink":
        """A link of a bandwidth and a time of flight.

        Parameters
        ----------
        credit_bytes : int, optional
            Room of the receiver; enough for full rate unless given.

        Raises
        ------
        HnlpuError
            No bandwidth, no time of flight, or a receiver without room for a flit.
        """
        width, flit = int(bytes_per_cycle * 8), flit_bytes * 8
        if width < 1 or flit < 8:
            raise HnlpuError(
                "a link that moves nothing", where="link_bandwidth, link_flit_bytes",
                got=f"{bytes_per_cycle:g} B per cycle, flits of {flit_bytes} B",
                do="give at least a bit per cycle, and a byte",
            )  # fmt: skip
        payload, latency = flit * ceil(width / flit), round(latency_cycles)
        if credit_bytes is None:
            probe = LinkPlan(payload, width, latency, -(-payload // width))
            depth = -(-width * probe.round_trip_cycles // payload) * probe.words
        else:
            depth = credit_bytes * 8 // width
        return cls(LinkPlan(payload, width, latency, depth), flit)

    @property
    def bits_per_cycle(self) -> Fraction:
        """In the long run: the width, or what credits allow."""
        plan = self.plan
        return min(
            Fraction(plan.width), Fraction(plan.beats * plan.payload_bits, plan.round_trip_cycles)
        )

    @property
    def bytes_per_cycle(self) -> float:
        return float(self.bits_per_cycle / 8)

    def busy_cycles(self, n_bytes: float) -> int:
        """Cycles for which ``n_bytes`` keep the link."""
        flits = ceil(n_bytes * 8 / self.flit_bits)
        return ceil(flits * self.flit_bits / self.bits_per_cycle)

    def latency_cycles(self, n_bytes: float) -> int:
        """Cycles from the first byte offered to the last one received, on an idle link."""
        return self.busy_cycles(n_bytes) + self.plan.latency + 1


@dataclass(frozen=True, slots=True)
class Array:
    """Cycles of an HN array: between two vectors, and from a vector to its result."""

    interval_cycles: int
    latency_cycles: int


@dataclass(frozen=True, slots=True)
class SystemHardware:
    """What a chip and its links can do; cycles are of ``clock_hz``.

    Attributes
    ----------
    vex_lanes : float
        Elements per cycle.
    vex_macs_per_cycle : float
        Multiply-accumulates of attention per cycle.
    vex_depth_cycles : int
        From an element to its result.
    buffer_bytes, buffer_bytes_per_cycle : float
        Attention buffer of a chip.
    hbm_bytes, hbm_bytes_per_cycle : float
        HBM of a chip that is left for the KV cache.
    kv_number_bytes, link_number_bytes : float
    arrays : mapping of str to Array
        By role of a matrix; a slice takes the cycles of the whole.
    """

    clock_hz: float
    vex_lanes: float
    vex_macs_per_cycle: float
    vex_depth_cycles: int
    buffer_bytes: float
    buffer_bytes_per_cycle: float
    hbm_bytes: float
    hbm_bytes_per_cycle: float
    kv_number_bytes: float
    link_number_bytes: float
    link: SystemLink
    arrays: Mapping[str, Array]

    def __post_init__(self) -> None:
        for name in ("clock_hz", "vex_lanes", "vex_macs_per_cycle", "buffer_bytes_per_cycle"):
            if not getattr(self, name) > 0:
                raise HnlpuError(
                    "hardware that would never finish", where=name, got=f"{getattr(self, name):g}",
                    do="give more than 0",
                )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Part:
    """What a token does in a stage, by one resource of ``KINDS``.

    Attributes
    ----------
    busy_cycles : int
        For which it keeps the resource.
    latency_cycles : int
        From its start to its result.
    n_bytes : float
        Over each link of the kind, or from the attention buffer of a chip.
    fetch_cycles, fetch_bytes : int, float
        Of attention: HBM of a chip, for the share of the KV cache that lies there.
    """

    name: str
    kind: str
    busy_cycles: int
    latency_cycles: int
    n_bytes: float = 0.0
    fetch_cycles: int = 0
    fetch_bytes: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in CATEGORIES or not 0 <= self.busy_cycles <= self.latency_cycles:
            raise ValueError(
                f"part {self.name}: kind {self.kind}, {self.busy_cycles} of {self.latency_cycles} cycles"
            )

    @property
    def category(self) -> str:
        return CATEGORIES[self.kind]


@dataclass(frozen=True, slots=True)
class Stage:
    """Place of one token.

    Attributes
    ----------
    name : str
    number : int
        1 to 6 in its layer; 1 and 2 in the head.
    layer : int
        The number of layers for the head.
    variants : tuple of tuple of Part
        What a token may do here; they differ in how many of its experts the busiest chip has.
    chances : tuple of float
        Of the variants; they sum to 1.
    """

    name: str
    number: int
    layer: int
    variants: tuple[tuple[Part, ...], ...]
    chances: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        if len(self.variants) != len(self.chances) or abs(sum(self.chances) - 1) > 1e-9:
            raise ValueError(f"stage {self.name}: chances {self.chances} of {len(self.variants)}")

    def mean(self, kind: str, attribute: str = "busy_cycles") -> float:
        """Mean of an attribute, summed over the parts of a kind."""
        terms = (
            chance * float(getattr(part, attribute))
            for chance, parts in zip(self.chances, self.variants, strict=True)
            for part in parts
            if part.kind == kind
        )
        return sum(terms)

    @property
    def mean_cycles(self) -> float:
        """Of a token that waits for nothing."""
        return sum(self.mean(kind, "latency_cycles") for kind in KINDS)


@dataclass(frozen=True, slots=True)
class CachePlan:
    """KV cache of all sequences in flight.

    Attributes
    ----------
    sequence_bytes : float
        Of one sequence.
    total_bytes, buffer_bytes, capacity_bytes : float
        Of all; what the attention buffers hold; what buffers and HBM hold. Of the system.
    """

    sequence_bytes: float
    total_bytes: float
    buffer_bytes: float
    capacity_bytes: float

    @property
    def spilled_share(self) -> float:
        """Share that does not fit the attention buffers."""
        return max(1 - self.buffer_bytes / self.total_bytes, 0.0) if self.total_bytes else 0.0

    @property
    def spilled_bytes(self) -> float:
        return self.total_bytes * self.spilled_share


@dataclass(frozen=True, slots=True)
class SystemPlan:
    """A model on a grid, for sequences of one context.

    Attributes
    ----------
    context, prompt_context : int
        Positions that a written token and a token of a prompt see.
    batch : int
        Sequences at a time.
    slots : int
        Tokens that the pipeline holds.
    stages : tuple of Stage
        In the order of a token; the last two are the head.
    prompt_stages : tuple of Stage
        The same for a token of a prompt, which sees fewer positions.
    notes : tuple of str
        What a reader has to know.
    """

    model: str
    grid: Grid
    hardware: SystemHardware
    context: int
    prompt_context: int
    batch: int
    slots: int
    stages: tuple[Stage, ...]
    prompt_stages: tuple[Stage, ...]
    cache: CachePlan
    notes: tuple[str, ...] = field(default=())

    @property
    def n_links(self) -> dict[str, int]:
        """Links of a kind in one direction, of the whole grid."""
        chips, grid = self.grid.n_chips, self.grid
        return {"column": chips * (grid.rows - 1), "row": chips * (grid.columns - 1)}

    def demand_cycles(self, resource: str, *, prompt: bool = False) -> float:
        """Cycles for which a token keeps a resource of ``SHARED``, on average."""
        stages = self.prompt_stages if prompt else self.stages
        if resource == "hbm":
            return sum(stage.mean("attention", "fetch_cycles") for stage in stages)
        kinds = ("vex", "attention") if resource == "vex" else (resource,)
        return sum(stage.mean(kind) for stage in stages for kind in kinds)

    @property
    def path_cycles(self) -> float:
        """Of a written token that waits for nothing, on average."""
        return sum(stage.mean_cycles for stage in self.stages)
