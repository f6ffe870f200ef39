"""The families that MAPS can read, by the names that checkpoints give them. Each has its file and its line here."""

from __future__ import annotations

from maps.errors import MapsError
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
    """The family that config.json names; raises MapsError naming those supported."""
    return select_family({name: family for family in FAMILIES for name in family.model_types}, model_type, model)


def family_of_architecture(architecture: str, model: str) -> Family:
    """The family that a GGUF file names, the first of those that share the name; raises MapsError as above."""
    return select_family({family.architecture: family for family in reversed(FAMILIES)}, architecture, model)


def select_family(families: dict[str, Family], name: str, model: str) -> Family:
    """The family of that name."""
    if name not in families:
        raise MapsError(f"{model} is of the family {name}; the supported families are {', '.join(sorted(families))}.")
    return families[name]
