"""The supported families. Each is declared in a file of its own and listed here."""

from __future__ import annotations

from maps.errors import MapsError
from maps.text import shorten
from maps.weights.families.apertus import APERTUS
from maps.weights.families.arcee import ARCEE
from maps.weights.families.bloom import BLOOM
from maps.weights.families.cohere import COHERE, COHERE2
from maps.weights.families.deepseek import DEEPSEEK_V2, DEEPSEEK_V3, GLM_LATENT, KIMI_LINEAR, MISTRAL4
from maps.weights.families.ernie4_5 import ERNIE4_5
from maps.weights.families.exaone4 import EXAONE4
from maps.weights.families.falcon import FALCON
from maps.weights.families.falcon_h1 import FALCON_H1
from maps.weights.families.gemma import GEMMA
from maps.weights.families.gemma2 import GEMMA2
from maps.weights.families.gemma3 import GEMMA3
from maps.weights.families.gemma4 import GEMMA4
from maps.weights.families.glm import GLM, GLM4
from maps.weights.families.glm4_moe import GLM4_MOE
from maps.weights.families.gpt2 import GPT2
from maps.weights.families.gpt_bigcode import GPT_BIGCODE
from maps.weights.families.gpt_neo import GPT_NEO
from maps.weights.families.gpt_neox import GPT_NEOX
from maps.weights.families.gpt_oss import GPT_OSS
from maps.weights.families.gptj import GPTJ
from maps.weights.families.granite import GRANITE, GRANITE_HYBRID, GRANITE_MOE
from maps.weights.families.hunyuan import HUNYUAN
from maps.weights.families.lfm2 import LFM2, LFM2_MOE
from maps.weights.families.llama import LLAMA
from maps.weights.families.llama4 import LLAMA4
from maps.weights.families.ministral3 import MINISTRAL3
from maps.weights.families.mistral import MISTRAL
from maps.weights.families.mixtral import MINIMAX_M2, MIXTRAL
from maps.weights.families.muse_glimmer import MUSE_GLIMMER
from maps.weights.families.nemotron import NEMOTRON
from maps.weights.families.nemotron_h import NEMOTRON_H, NEMOTRON_H_MOE
from maps.weights.families.olmo import OLMO
from maps.weights.families.olmo2 import OLMO2
from maps.weights.families.olmo_hybrid import OLMO_HYBRID
from maps.weights.families.olmoe import OLMOE
from maps.weights.families.opt import OPT
from maps.weights.families.phi import PHI
from maps.weights.families.phi3 import PHI3
from maps.weights.families.phimoe import PHIMOE
from maps.weights.families.qwen2 import QWEN2, QWEN2_VL
from maps.weights.families.qwen3 import QWEN3, QWEN3_VL
from maps.weights.families.qwen3_5 import QWEN3_5, QWEN3_5_MOE, QWEN3_NEXT
from maps.weights.families.qwen_moe import QWEN2_MOE, QWEN3_MOE
from maps.weights.families.seed_oss import SEED_OSS
from maps.weights.families.smollm3 import SMOLLM3
from maps.weights.families.stablelm import STABLELM
from maps.weights.families.starcoder2 import STARCODER2
from maps.weights.family import Family

FAMILIES = (
    GPT2,
    GPT_NEOX,
    PHI,
    PHI3,
    LLAMA,
    MISTRAL,
    QWEN2,
    QWEN2_VL,
    QWEN3,
    QWEN3_VL,
    GEMMA2,
    GEMMA3,
    OLMO2,
    SMOLLM3,
    GRANITE,
    MINISTRAL3,
    GEMMA,
    COHERE,
    COHERE2,
    APERTUS,
    SEED_OSS,
    EXAONE4,
    HUNYUAN,
    ARCEE,
    NEMOTRON,
    STARCODER2,
    STABLELM,
    ERNIE4_5,
    GLM,
    GLM4,
    OLMO,
    FALCON,
    GPTJ,
    GPT_NEO,
    OPT,
    BLOOM,
    GPT_BIGCODE,
    MIXTRAL,
    MINIMAX_M2,
    QWEN2_MOE,
    QWEN3_MOE,
    OLMOE,
    GRANITE_MOE,
    GLM4_MOE,
    GPT_OSS,
    QWEN3_5,
    QWEN3_5_MOE,
    QWEN3_NEXT,
    LFM2,
    LFM2_MOE,
    GRANITE_HYBRID,
    DEEPSEEK_V2,
    DEEPSEEK_V3,
    GLM_LATENT,
    KIMI_LINEAR,
    MISTRAL4,
    FALCON_H1,
    GEMMA4,
    MUSE_GLIMMER,
    NEMOTRON_H,
    NEMOTRON_H_MOE,
    OLMO_HYBRID,
    PHIMOE,
    LLAMA4,
)

STATE_SPACE = "it is a state-space model, without heads"
NOT_LINEAR = {  # types that the method cannot read, and why
    "deepseek_v4": "its heads have no value weights: what they read is a normalised, rotated key",
    **dict.fromkeys(("mamba", "mamba2", "falcon_mamba", "rwkv", "rwkv6", "rwkv7", "xlstm"), STATE_SPACE),
}


def family_of_type(model_type: str, nested_type: str | None, model: str) -> Family:
    """The family with this `model_type` in config.json; raises MapsError, with the supported ones, if there is none.

    `nested_type`: that of the text model inside a model that sees images too.
    """
    families = {name: family for family in FAMILIES for name in family.model_types}
    if nested_type is not None and model_type not in families and nested_type in families:
        return families[nested_type]
    return select_family(families, model_type, model)


def family_of_architecture(architecture: str, has_experts: bool, model: str) -> Family:
    """The family with this `architecture` in GGUF files; raises MapsError likewise.

    Of several with the same name, it is the first with, or without, a mixture of experts.
    """
    named = [family for family in reversed(FAMILIES) if family.architecture is not None]
    fitting = [family for family in named if (family.routing is not None) == has_experts]
    return select_family({str(each.architecture): each for each in (*named, *fitting)}, architecture, model)


def select_family(families: dict[str, Family], name: str, model: str) -> Family:
    if name in NOT_LINEAR:
        raise MapsError(f"{model} has the model type {name}, which cannot be mapped: {NOT_LINEAR[name]}.")
    if name not in families:
        supported = ", ".join(sorted(families))
        raise MapsError(
            f"{model} has the model type {shorten(name, 80)}, which is not supported; supported are {supported}."
        )
    return families[name]
