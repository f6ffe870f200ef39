"""Downloads the bundled model's weights from the Hub, for a Space, where its package cannot be installed."""

from __future__ import annotations

import hashlib
from pathlib import Path

from maps.errors import MapsError
from maps.weights.bundled import BUNDLED_FILE, BUNDLED_REPOSITORY, BUNDLED_REVISION, BUNDLED_SHA256

WEIGHTS_ORIGIN = f"The weights come from {BUNDLED_REPOSITORY} on the Hub and are identical to the package's."


def download_weights(endpoint: str | None = None, cache: Path | None = None, sha256: str = BUNDLED_SHA256) -> Path:
    """The weights' file in the Hub's cache, downloaded if it is missing; identical to the package's.

    Raises MapsError if it cannot be downloaded or has another hash.
    """
    from huggingface_hub import hf_hub_download

    from maps.hub.errors import translate_hub_errors

    unreachable = f"The weights ({BUNDLED_REPOSITORY}) cannot be downloaded because the Hub cannot be reached."
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
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != sha256:
        raise MapsError(f"The file {BUNDLED_FILE} of {BUNDLED_REPOSITORY} differs from the bundled model's.")
    return path
