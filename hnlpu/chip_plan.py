"""What the RTL of a chip depends on: the model's shape, the numerics, and the arrays it is made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hnlpu.architecture import plan_from_dict
from hnlpu.base import ArrayPlan
from hnlpu.errors import HnlpuError
from hnlpu.host import MAX_SEQUENCES, MAX_VOCABULARY
from hnlpu.model import ModelShape, model_from_dict
from hnlpu.numerics import Numerics

__all__ = ["MAX_CONTEXT", "SAMPLER_SLOTS", "ArrayPlace", "ChipPlan", "plan_from_manifest"]

#: Positions of the KV cache where nothing is said; larger ones belong into external memory.
MAX_CONTEXT = 4096
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
    """

    shape: ModelShape
    numerics: Numerics
    context: int
    arrays: Mapping[str, ArrayPlace]
    slots: int = SAMPLER_SLOTS
    sequences: int = 1

    def __post_init__(self) -> None:
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
    def sequence_bits(self) -> int:
        """Width of the number of a sequence."""
        return (self.sequences - 1).bit_length()

    @property
    def position_bits(self) -> int:
        """Width of a position as the streams carry it: the sequence's number above its own position."""
        return max(1, (self.context - 1).bit_length()) + self.sequence_bits


def plan_from_manifest(manifest: Mapping[str, Any]) -> ChipPlan:
    """The chip of a bundle."""
    bases = {base["name"]: plan_from_dict(base["parameters"]) for base in manifest["bases"]}
    arrays = {
        entry["name"]: ArrayPlace(
            entry["module"], bases[entry["base"]], entry["row_scales"] != "one"
        )
        for entry in manifest["matrices"]
    }
    return ChipPlan(
        model_from_dict(manifest["model"]),
        Numerics.from_dict(manifest["numerics"]),
        manifest["chip"]["context"],
        arrays,
        manifest["chip"]["sampler_slots"],
        manifest["chip"]["sequences"],
    )
