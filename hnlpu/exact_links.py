"""Bits of a number on a link where partial sums stay exact integers, as the RTL sends them.

Rounded partial sums would make a grid's answers depend on how it is cut; exact ones are those of one chip
(docs/grid.md) and are wider. What each collective carries:

    projection   results of Q, K and V arrays that have 1/R of the inputs
    peak         largest attention score of a head
    values       totals of a softmax and weighted values, over a context
    value        magnitudes of a vector, by which its chips agree on one exponent
    output       results of O arrays that have 1/C of the inputs
    residual     rounded slices of the residual stream
    hidden       weighted sums of experts, or results of down arrays, in the rows, then in the columns
    token        the best token and its logit

Contract (``tests/rtl/test_grid.py``): these are the widths of the RTL's channels, but for ``token``: the RTL gathers all
logits.
"""

from collections.abc import Callable
from dataclasses import dataclass

from hnlpu.grid import Grid
from hnlpu.model import LinearShape
from hnlpu.numerics import Numerics
from hnlpu.outline import ModelOutline
from hnlpu.widths import blend_bits, growth_bits, index_bits, sum_bits

__all__ = ["ExactLinks", "exact_links"]

#: Roles of arrays whose parts of sums are added over the chips, by the kind of number.
_PROJECTIONS = ("q", "k", "v", "q_a", "q_b", "kv_a", "kv_b")


@dataclass(frozen=True, slots=True)
class ExactLinks:
    """Bits of a number, by what it is.

    Attributes
    ----------
    projection, output, token : int
    experts : int or None
        Of a layer with experts, the same on both axes.
    dense : tuple of int or None
        Of a layer without, in the rows and in the columns.
    numerics : Numerics
    """

    projection: int
    output: int
    token: int
    experts: int | None
    dense: tuple[int, int] | None
    numerics: Numerics

    @property
    def peak(self) -> int:
        return self.numerics.score_bits

    @property
    def value(self) -> int:
        """Of magnitudes by which chips agree on an exponent, and of a rounded number that goes on to a quantizer."""
        return self.numerics.value_bits

    @property
    def residual(self) -> int:
        """Of a rounded number of the residual stream."""
        return self.numerics.residual_bits

    def values(self, context: int) -> int:
        """Of sums over a chip's context."""
        return sum_bits(context, self.numerics)

    def hidden(self, *, experts: bool) -> tuple[int, int]:
        """In the rows, then in the columns, after a layer with experts or without."""
        if experts:
            assert self.experts is not None
            return self.experts, self.experts
        assert self.dense is not None
        return self.dense


def exact_links(
    model: ModelOutline,
    grid: Grid,
    result_bits: Callable[[LinearShape, int], int],
    numerics: Numerics | None = None,
) -> ExactLinks:
    """Widths of a model on a grid.

    Parameters
    ----------
    result_bits : callable
        Of an array for a matrix, given how many of the matrix's inputs it has.
    numerics : Numerics, optional
    """
    numerics = numerics or Numerics()

    def widest(roles: tuple[str, ...], parts: int) -> int:
        return max(
            result_bits(item, -(-item.n_columns // parts))
            for item in model.linears
            if item.role in roles
        )

    dense = None
    if not model.is_moe or model.n_dense_layers:
        in_rows = widest(("dense_down" if model.is_moe else "down",), grid.n_chips)
        dense = in_rows, in_rows + growth_bits(grid.columns)
    most = model.experts_per_token + model.n_shared_experts
    return ExactLinks(
        projection=widest(_PROJECTIONS, grid.rows),
        output=widest(("o",), grid.columns),
        token=index_bits(model.vocab) + numerics.value_bits,
        experts=blend_bits(most, numerics) if model.is_moe else None,
        dense=dense,
        numerics=numerics,
    )
