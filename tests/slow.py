"""Values of parameters that ``make check-all`` adds to those of ``make test``."""

from typing import Any

import pytest

__all__ = ["more", "more_of"]


def more(*values: Any) -> list[Any]:
    """Each value of one parameter, for a slow test."""
    return more_of(*((value,) for value in values))


def more_of(*sets: tuple[Any, ...]) -> list[Any]:
    """Each set of values of several parameters, for a slow test."""
    return [pytest.param(*values, marks=pytest.mark.slow) for values in sets]
