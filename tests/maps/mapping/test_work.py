"""How much work the layers of a mapping are."""

from __future__ import annotations

from pathlib import Path

import pytest

from maps.mapping.reading import Reading
from maps.mapping.work import PRODUCT_OVERHEAD, operations_by_layer, weights_of_first_mlp
from maps.weights.checkpoint import Checkpoint
from maps.weights.open import open_checkpoint
from tests.small_models import SmallModel, random_weights, save_model_folder

SMALL = SmallModel(layers=6)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    folder: Path = save_model_folder(tmp_path_factory.mktemp("model"), SMALL, random_weights(SMALL))
    return open_checkpoint(str(folder))


def mlps(checkpoint: Checkpoint, reading: str, layers: range, blocks: int = 0) -> list[int]:
    """How many MLPs run on all tokens for each layer, from what its work is beyond that of a layer without any."""
    one = PRODUCT_OVERHEAD * 2.0 * checkpoint.vocabulary.size * weights_of_first_mlp(checkpoint)
    work = operations_by_layer(checkpoint, Reading.parse(reading), blocks, layers)
    return [round((each - min(work)) / one) for each in work]


def test_an_mlp_counts_with_the_first_layer_that_reads_it(checkpoint: Checkpoint) -> None:
    assert weights_of_first_mlp(checkpoint) == (3 * SMALL.mlp_width + 1) * SMALL.width  # and the norm
    assert mlps(checkpoint, "embedding", range(6)) == [0] * 6
    assert mlps(checkpoint, "mlp", range(6)) == [0, 1, 0, 0, 0, 0]
    calibrated = "calibrated+input-norm+final-norm"
    assert mlps(checkpoint, calibrated, range(6), blocks=4) == [0, 1, 1, 1, 1, 0]
    assert mlps(checkpoint, calibrated, range(3, 6), blocks=4) == [3, 1, 0]  # a stopped run that goes on
