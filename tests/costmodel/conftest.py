"""Consistent mode on the paper's model."""

from collections.abc import Callable

import pytest
from costs import Consistent


@pytest.fixture(scope="session")
def consistent() -> Consistent:
    return Consistent()


@pytest.fixture(scope="session")
def make_consistent() -> Callable[..., Consistent]:
    return Consistent
