"""Parameters of which the fast run takes some."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def sampled(values: Iterable[Any], fast: Collection[Any]) -> list[Any]:
    """All values as parameters; the fast run takes those in `fast`, `make test-all` takes all."""
    return [value if value in fast else pytest.param(value, marks=pytest.mark.exhaustive) for value in values]


def with_canary(values: Iterable[Any], canary: Any) -> list[Any]:
    """All values as parameters of a test with a slow marker; the fast run takes one of them."""
    return [pytest.param(value, marks=pytest.mark.canary) if value == canary else value for value in values]
