"""The card of a Space: `space/card.md` with the versions, the address and what the Space reads filled in."""

from __future__ import annotations

import json
from collections.abc import Iterable
from string import Template

from maps.weights.bundled import BUNDLED_FILE, BUNDLED_REPOSITORY, BUNDLED_REVISION

PYTHON_VERSION = "3.11"  # what the tests run with
ZERO_GPU_PYTHON_VERSION = (
    "3.12.12"  # ZeroGPU takes certain versions alone, and of those that the packages need this one
)
CARD_MODELS = ("HuggingFaceTB/SmolLM2-135M-Instruct", BUNDLED_REPOSITORY)


def space_card(
    template: str, space: str, gradio: str, datasets: Iterable[str], models: Iterable[str], is_zero_gpu: bool
) -> str:
    """The README.md of a Space, front matter first; a list in JSON is one in YAML too."""
    return Template(template).substitute(
        gradio=gradio,
        python=f'"{ZERO_GPU_PYTHON_VERSION if is_zero_gpu else PYTHON_VERSION}"',
        models=json.dumps([*dict.fromkeys([*CARD_MODELS, *models])]),
        datasets=json.dumps([*datasets]),
        preloaded=json.dumps([f"{BUNDLED_REPOSITORY} {BUNDLED_FILE} {BUNDLED_REVISION}"]),
        direct=direct_address(space),
    )


def direct_address(space: str) -> str:
    """Where a Space is without the frame of huggingface.co, as the Hub makes it from the name."""
    return f"https://{subdomain(space)}.hf.space"


def subdomain(space: str) -> str:
    """The name of a Space in its direct address."""
    plain = "".join(character if character.isascii() and character.isalnum() else "-" for character in space.lower())
    return "-".join(filter(None, plain.split("-")))
