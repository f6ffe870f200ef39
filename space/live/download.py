"""The bundled model's weights from the Hub, for where its package cannot be installed, as on a Space."""

from __future__ import annotations

import hashlib
from pathlib import Path

from maps.errors import MapsError
from maps.weights.bundled import BUNDLED_FILE, BUNDLED_REPOSITORY, BUNDLED_REVISION, BUNDLED_SHA256

WEIGHTS_ORIGIN = f"The weights are those of {BUNDLED_REPOSITORY} on the Hub, the same bytes as the package's."


def download_weights(endpoint: str | None = None, cache: Path | None = None, sha256: str = BUNDLED_SHA256) -> Path:
    """The file in the Hub's cache, downloaded where it is not there; the same bytes as the package's.

    Raises MapsError where it cannot be had, or is another.
    """
    from huggingface_hub import hf_hub_download

    from maps.hub.errors import translate_hub_errors

    unreachable = f"The Hub cannot be reached, which has the weights ({BUNDLED_REPOSITORY})."
    with translate_hub_errors("model", BUNDLED_REPOSITORY, unreachable):
        path = Path(
            hf_hub_download(
                BUNDLED_REPOSITORY,
                BUNDLED_FILE,
                revision=BUNDLED_REVISION,
                cache_dir=cache,
                endpoint=endpoint,
                token=False,
            )
        )
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise MapsError(f"The file {BUNDLED_FILE} of {BUNDLED_REPOSITORY} is not the one of the bundled model.")
    return path
