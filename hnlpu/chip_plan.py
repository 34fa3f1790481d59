"""What the RTL of a chip depends on: the model's shape, the numerics, and the arrays it is made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from hnlpu.architecture import plan_from_dict
from hnlpu.base import ArrayPlan
from hnlpu.errors import HnlpuError
from hnlpu.grid import Grid, Tile
from hnlpu.host import MAX_SEQUENCES, MAX_VOCABULARY
from hnlpu.link_plan import LinkOptions
from hnlpu.model import ModelShape, model_from_dict
from hnlpu.numerics import Numerics
from hnlpu.partition import Partition

__all__ = [
    "HALF_TOKENS",
    "MAX_CONTEXT",
    "SAMPLER_SLOTS",
    "ArrayPlace",
    "ChipPlan",
    "plans_from_manifest",
]

#: Positions of the KV cache where nothing is said; larger ones belong into external memory.
MAX_CONTEXT = 4096
#: Tokens that each half of a layer holds, at least: what goes around it has room for as many. So a layer has
#: the six places of the HNLPU paper's pipeline (Figure 11).
HALF_TOKENS = 3
#: Largest top-k of the sampler.
SAMPLER_SLOTS = 8


@dataclass(frozen=True, slots=True)
class ArrayPlace:
    """A hardwired array of the chip.

    Attributes
    ----------
    module : str
        Verilog module of the matrix.
    base : ArrayPlan
    has_multipliers : bool
        Its rows have scales that are no powers of two.
    """

    module: str
    base: ArrayPlan
    has_multipliers: bool


@dataclass(frozen=True, slots=True, eq=False)
class ChipPlan:
    """A chip before any weight is known.

    Attributes
    ----------
    shape : ModelShape
    numerics : Numerics
    context : int
        Positions of the KV cache.
    arrays : dict of str to ArrayPlace
        By matrix name.
    slots : int
        Largest top-k of the sampler.
    sequences : int
        Worked on at a time, each with a KV cache of ``context`` positions.
    grid : Grid
        The chips that the model lies on.
    tile : Tile
        This one's place; ``arrays`` are those it holds.
    link : LinkOptions
        Between the chips.
    """

    shape: ModelShape
    numerics: Numerics
    context: int
    arrays: Mapping[str, ArrayPlace]
    slots: int = SAMPLER_SLOTS
    sequences: int = 1
    grid: Grid = field(default_factory=Grid)
    tile: Tile = field(default_factory=Tile)
    link: LinkOptions = field(default_factory=LinkOptions)

    def __post_init__(self) -> None:
        if self.grid.rows > 1 and self.context < 2 * self.grid.rows:
            raise HnlpuError(
                "context is too short for the grid",
                where="--context",
                got=f"{self.context} positions on {self.grid.rows} rows",
                do=f"choose {2 * self.grid.rows} or more, or fewer rows",
            )
        if not 1 <= self.context <= self.shape.max_context:
            raise HnlpuError(
                "context is out of range",
                where="--context",
                got=str(self.context),
                do=f"choose it from 1 to the model's {self.shape.max_context}",
            )
        if not 1 <= self.sequences <= MAX_SEQUENCES:
            raise HnlpuError(
                "number of sequences is out of range",
                where="--sequences",
                got=str(self.sequences),
                do=f"choose it from 1 to {MAX_SEQUENCES}",
            )
        if self.shape.vocab > MAX_VOCABULARY:
            raise HnlpuError(
                "the vocabulary is too large for the host port",
                where=f"{self.shape.name}: vocab_size",
                got=f"{self.shape.vocab:,}",
                do=f"a word of it has room for {MAX_VOCABULARY:,} tokens",
            )
        self._check_widths()

    def _check_widths(self) -> None:
        """The twin computes in 64 bits; what would not fit there is refused, not rounded."""
        n = self.numerics
        totals = n.value_bits + (self.context - 1).bit_length()
        if totals > 33:  # sums of values times a reciprocal, hnlpu.sim.attention
            raise HnlpuError(
                "sums of the attention are too wide",
                where="--context and value_bits",
                got=f"{self.context} positions of {n.value_bits}-bit values",
                do="choose fewer of one of them",
            )
        products = 2 * n.value_bits + (self.shape.head_dim - 1).bit_length()
        if products > 48:  # scores times their scale
            raise HnlpuError(
                "products of queries and keys are too wide",
                where="value_bits",
                got=f"{n.value_bits} bits with heads of {self.shape.head_dim}",
                do="choose fewer value_bits",
            )
        squares = 2 * n.residual_bits - 2 + (self.shape.hidden - 1).bit_length()
        if squares > 52:
            raise HnlpuError(
                "sums of squares of the residual stream are too wide",
                where="residual_bits",
                got=f"{n.residual_bits} bits in vectors of {self.shape.hidden}",
                do="choose fewer residual_bits",
            )

    @property
    def partition(self) -> Partition:
        """What lies on which chip."""
        return Partition(self.shape, self.grid)

    @property
    def name(self) -> str:
        """Module name of the chip."""
        return "hn_chip" if self.grid.n_chips == 1 else f"hn_chip_{self.tile}"

    @property
    def is_root(self) -> bool:
        """It has the host port, the embedding and the sampler."""
        return self.tile == Tile()

    @property
    def sequence_bits(self) -> int:
        """Width of the number of a sequence."""
        return (self.sequences - 1).bit_length()

    @property
    def position_bits(self) -> int:
        """Width of a position as the streams carry it: the sequence's number above its own position."""
        return max(1, (self.context - 1).bit_length()) + self.sequence_bits


def plans_from_manifest(manifest: Mapping[str, Any]) -> dict[Tile, ChipPlan]:
    """Every chip of a bundle, by its place; the first has the host port."""
    bases = {base["name"]: plan_from_dict(base["parameters"]) for base in manifest["bases"]}
    entry = manifest["chip"]
    grid = Grid(*entry["grid"])
    arrays: dict[Tile, dict[str, ArrayPlace]] = {tile: {} for tile in grid.tiles}
    for matrix in manifest["matrices"]:
        arrays[Tile(*matrix["chip"])][matrix["name"]] = ArrayPlace(
            matrix["module"], bases[matrix["base"]], matrix["row_scales"] != "one"
        )
    first = ChipPlan(
        model_from_dict(manifest["model"]),
        Numerics.from_dict(manifest["numerics"]),
        entry["context"],
        {},
        entry["sampler_slots"],
        entry["sequences"],
        grid,
        link=LinkOptions(**entry["link"]),
    )
    return {tile: replace(first, tile=tile, arrays=own) for tile, own in arrays.items()}
