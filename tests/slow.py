"""Values of a parameter that ``make check-all`` adds to those of ``make test``."""

from typing import Any

import pytest

__all__ = ["more"]


def more(*values: Any) -> list[Any]:
    """Each value as a parameter of a slow test."""
    return [pytest.param(value, marks=pytest.mark.slow) for value in values]
