"""The supported families. Each is declared in a file of its own and listed here."""

from __future__ import annotations

from maps.errors import MapsError
from maps.text import shorten
from maps.weights.families.gemma2 import GEMMA2
from maps.weights.families.gemma3 import GEMMA3
from maps.weights.families.gpt2 import GPT2
from maps.weights.families.gpt_neox import GPT_NEOX
from maps.weights.families.llama import LLAMA
from maps.weights.families.mistral import MISTRAL
from maps.weights.families.olmo2 import OLMO2
from maps.weights.families.phi import PHI
from maps.weights.families.phi3 import PHI3
from maps.weights.families.qwen2 import QWEN2
from maps.weights.families.qwen3 import QWEN3
from maps.weights.family import Family

FAMILIES = (GPT2, GPT_NEOX, PHI, PHI3, LLAMA, MISTRAL, QWEN2, QWEN3, GEMMA2, GEMMA3, OLMO2)


def family_of_type(model_type: str, model: str) -> Family:
    """The family with this `model_type` in config.json; raises MapsError, with the supported ones, if there is none."""
    return select_family({name: family for family in FAMILIES for name in family.model_types}, model_type, model)


def family_of_architecture(architecture: str, model: str) -> Family:
    """The family with this `architecture` in GGUF files, the first if several share it; raises MapsError likewise."""
    return select_family({family.architecture: family for family in reversed(FAMILIES)}, architecture, model)


def select_family(families: dict[str, Family], name: str, model: str) -> Family:
    if name not in families:
        supported = ", ".join(sorted(families))
        raise MapsError(
            f"{model} has the model type {shorten(name, 80)}, which is not supported; supported are {supported}."
        )
    return families[name]
