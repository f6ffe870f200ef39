"""Heads of every layer of the bundled model by the plain formula in float64: five minutes on one core."""

from __future__ import annotations

import pytest

from tests.plain_bundled import check_layer

pytestmark = pytest.mark.long


@pytest.mark.parametrize("layer", range(30))
def test_hits_salient_tokens_and_targets_are_those_of_the_formula(layer: int) -> None:
    """One head of each value group, all nine numbers in turn."""
    assert check_layer(layer, range(layer % 3, 9, 3)) > 0
