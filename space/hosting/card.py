"""The card (README.md) of a Space, made from `space/card.md`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from string import Template

from maps.weights.bundled import BUNDLED_FILE, BUNDLED_REPOSITORY, BUNDLED_REVISION

PYTHON_VERSION = "3.11"  # the version of the tests
ZERO_GPU_PYTHON_VERSION = "3.12.12"  # the version among those of ZeroGPU that the packages support
CARD_MODELS = ("HuggingFaceTB/SmolLM2-135M-Instruct", BUNDLED_REPOSITORY)


def space_card(
    template: str, space: str, gradio: str, datasets: Iterable[str], models: Iterable[str], is_zero_gpu: bool
) -> str:
    """The text of the card, front matter first. JSON lists are valid YAML."""
    return Template(template).substitute(
        gradio=gradio,
        python=f'"{ZERO_GPU_PYTHON_VERSION if is_zero_gpu else PYTHON_VERSION}"',
        models=json.dumps([*dict.fromkeys([*CARD_MODELS, *models])]),
        datasets=json.dumps([*datasets]),
        preloaded=json.dumps([f"{BUNDLED_REPOSITORY} {BUNDLED_FILE} {BUNDLED_REVISION}"]),
        direct=direct_address(space),
    )


def direct_address(space: str) -> str:
    """The address of a Space outside the frame of huggingface.co, as the Hub derives it from the name."""
    return f"https://{subdomain(space)}.hf.space"


def subdomain(space: str) -> str:
    """The part of the direct address that comes from the Space's name."""
    plain = "".join(character if character.isascii() and character.isalnum() else "-" for character in space.lower())
    return "-".join(filter(None, plain.split("-")))
