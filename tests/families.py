"""A small random model of every family, made and saved by transformers itself, and what its own modules compute."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import torch
import transformers
from torch import Tensor

from tests.small_models import VOCABULARY_SIZE, byte_level_tokenizer

PADDING_ROWS = 6  # rows of the embedding that stand for no token
EPSILON = 2.0**-17  # the same in float32, as GGUF files keep it
BASE_SETTINGS = {
    "vocab_size": VOCABULARY_SIZE + PADDING_ROWS,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
    "initializer_range": 0.3,
    "tie_word_embeddings": False,
    "bos_token_id": VOCABULARY_SIZE - 1,
    "eos_token_id": VOCABULARY_SIZE - 1,
    "pad_token_id": VOCABULARY_SIZE - 1,
}
GROUPED_SETTINGS = {**BASE_SETTINGS, "num_key_value_heads": 2}
WIDE_HEAD_SETTINGS = {**GROUPED_SETTINGS, "head_dim": 12}
RMS_SETTINGS = {"rms_norm_eps": EPSILON}
GEMMA_SETTINGS = {**WIDE_HEAD_SETTINGS, **RMS_SETTINGS, "tie_word_embeddings": True, "query_pre_attn_scalar": 12}
GPT2_SETTINGS = {
    **{
        key: BASE_SETTINGS[key]
        for key in ("vocab_size", "initializer_range", "bos_token_id", "eos_token_id", "pad_token_id")
    },
    "n_embd": 32,
    "n_layer": 2,
    "n_head": 4,
    "n_positions": 64,
    "layer_norm_epsilon": EPSILON,
}


@dataclass(frozen=True)
class FamilyModel:
    """How transformers builds a small model of a family."""

    class_prefix: str  # of its classes
    settings: Mapping[str, Any]
    kv_heads: int = 2
    head_width: int = 8
    embedding_scale: float = 1.0  # of the embeddings
    gguf_architecture: str | None = None  # in GGUF files; None where it has none of its own
    class_suffix: str = "ForCausalLM"
    model_class: str | None = None  # if its prefix differs from the configuration's
    vision: tuple[str, Mapping[str, Any]] | None = None  # of a model that sees images: the tower's class and settings
    wrapper_settings: Mapping[str, Any] = field(default_factory=dict)
    has_input_norm: bool = True  # attention reads the stream through a norm
    is_parallel: bool = False  # attention and MLP read the same
    has_biases: bool = False  # of values
    has_positions: bool = False  # that are added to the embeddings
    key_scale: float = 8**-0.5  # of q·k, at a head width of 8
    layers: int = 3
    head_layers: tuple[int, ...] | None = None  # if not all of them
    epsilon: float = EPSILON
    in_float32: bool = False  # transformers computes the norms in float32
    is_run: bool = True  # by the commands that run a model
    first_mlp: int = 0  # the first layer with an MLP


NEO_SETTINGS = {**BASE_SETTINGS, "layer_norm_epsilon": EPSILON}
FALCON_SETTINGS = {**BASE_SETTINGS, "layer_norm_epsilon": EPSILON, "alibi": False, "ffn_hidden_size": 48}
GPTJ_SETTINGS = {**GPT2_SETTINGS, "n_layer": 3, "rotary_dim": 4, "tie_word_embeddings": False}
COHERE_SETTINGS = {**GROUPED_SETTINGS, "layer_norm_eps": EPSILON, "tie_word_embeddings": True}
WIDE_SCALE = 12**-0.5


def grouped(prefix: str, gguf_architecture: str | None, settings: Mapping[str, Any] = {}, **more: Any) -> FamilyModel:
    """A model with RMS norms and two value heads."""
    whole = {**GROUPED_SETTINGS, **RMS_SETTINGS, **settings}
    return FamilyModel(prefix, whole, gguf_architecture=gguf_architecture, in_float32=True, **more)


def wide(prefix: str, gguf_architecture: str | None, settings: Mapping[str, Any] = {}, **more: Any) -> FamilyModel:
    """The same with heads of width 12."""
    more = {"head_width": 12, "key_scale": WIDE_SCALE, **more}
    return grouped(prefix, gguf_architecture, {"head_dim": 12, **settings}, **more)


HEADS = ["full_attention", "full_attention"]
SOME_LAYERS: dict[str, Any] = {"head_layers": (1, 2)}
LINEAR = {
    **{"layer_types": ["linear_attention", *HEADS], "linear_num_key_heads": 2, "linear_num_value_heads": 2},
    **{"linear_key_head_dim": 8, "linear_value_head_dim": 8},
}
SHARED_EXPERTS = {
    **{"num_experts": 5, "num_experts_per_tok": 2, "moe_intermediate_size": 24, "shared_expert_intermediate_size": 16}
}
GRANITE_HYBRID = {
    **{"embedding_multiplier": 3.0, "residual_multiplier": 0.75, "attention_multiplier": 8**-0.5},
    **{"layer_types": ["linear_attention", *HEADS], "shared_intermediate_size": 48, "num_experts_per_tok": 2},
    **{"mamba_n_heads": 8, "mamba_d_head": 8, "mamba_expand": 2, "mamba_d_state": 8},
}
EXPERTS = {"num_local_experts": 5, "num_experts_per_tok": 2}
GLM_EXPERTS = {
    **{"n_routed_experts": 6, "num_experts_per_tok": 2, "moe_intermediate_size": 24, "first_k_dense_replace": 1},
    **{"n_group": 3, "topk_group": 2, "routed_scaling_factor": 1.5},
}
LATENT = {  # heads whose keys, of which 4 entries are rotated, and values are made of a latent of 16 entries
    **{"num_key_value_heads": 4, "kv_lora_rank": 16, "q_lora_rank": 12},
    **{"qk_nope_head_dim": 8, "qk_rope_head_dim": 4, "v_head_dim": 12},
}
LATENT_EXPERTS = {**LATENT, **GLM_EXPERTS, "n_shared_experts": 1}
INDEXER = {"index_n_heads": 2, "index_head_dim": 8, "index_topk": 4}
LATENT_HEADS: dict[str, Any] = {"kv_heads": 4, "head_width": 12, "is_run": False}
LLAMA4 = {**EXPERTS, "intermediate_size_mlp": 24, "attention_chunk_size": 16}
LLAMA4_CLASS: dict[str, Any] = {"model_class": "Llama4", "is_run": False}
GEMMA4 = {
    **{key: value for key, value in GEMMA_SETTINGS.items() if key != "query_pre_attn_scalar"},
    **{"layer_types": ["sliding_attention", "full_attention"] * 2, "num_hidden_layers": 4, "sliding_window": 16},
    **{"global_head_dim": 16, "hidden_size_per_layer_input": 0},
}
GEMMA4_HEADS: dict[str, Any] = {
    "head_width": 16,
    "key_scale": 1.0,
    "layers": 4,
    "is_run": False,
    "embedding_scale": 32**0.5,
}
FALCON_H1 = {
    **{"mamba_d_ssm": 32, "mamba_n_heads": 4, "mamba_d_head": 8, "mamba_n_groups": 1, "mamba_d_state": 8},
    **{"mamba_chunk_size": 8},
}
NEMOTRON_H = {
    **{"layers_block_type": ["linear_attention", "full_attention", "mlp", "full_attention"], "head_dim": 12},
    **{"layer_norm_epsilon": EPSILON, "mamba_num_heads": 4, "mamba_head_dim": 8, "n_groups": 1, "ssm_state_size": 8},
    **{"intermediate_size": 48, "num_key_value_heads": 2, "chunk_size": 8},
}
NEMOTRON_HEADS: dict[str, Any] = {
    **{"head_width": 12, "key_scale": WIDE_SCALE, "layers": 4, "head_layers": (1, 3)},
    **{"first_mlp": 2, "in_float32": True},
}
TOWER = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
TOWER |= {"image_size": 8, "patch_size": 4}
QWEN_TOWER = {"depth": 1, "num_heads": 1, "patch_size": 4}
GEMMA = {"in_float32": True, "embedding_scale": 32**0.5, "head_width": 12, "key_scale": WIDE_SCALE}
FAMILY_MODELS = {
    "gpt2": FamilyModel(
        *("GPT2", GPT2_SETTINGS, 4),
        gguf_architecture="gpt2",
        class_suffix="LMHeadModel",
        has_biases=True,
        has_positions=True,
        layers=2,
    ),
    "gpt_neox": FamilyModel(
        *("GPTNeoX", {**BASE_SETTINGS, "layer_norm_eps": EPSILON}, 4),
        gguf_architecture="gptneox",
        has_biases=True,
        is_parallel=True,
    ),
    "phi": FamilyModel(
        *("Phi", {**GROUPED_SETTINGS, "layer_norm_eps": EPSILON}),
        gguf_architecture="phi2",
        has_biases=True,
        is_parallel=True,
    ),
    "phi3": grouped("Phi3", "phi3"),
    "llama": grouped("Llama", "llama", {"mlp_bias": True}),
    "mistral": wide("Mistral", "llama"),
    "qwen2": grouped("Qwen2", "qwen2", {"tie_word_embeddings": True}, has_biases=True),
    "qwen3": wide("Qwen3", "qwen3"),
    "gemma2": FamilyModel("Gemma2", GEMMA_SETTINGS, gguf_architecture="gemma2", **GEMMA),
    "gemma3_text": FamilyModel("Gemma3Text", GEMMA_SETTINGS, gguf_architecture="gemma3", model_class="Gemma3", **GEMMA),
    "gemma3": FamilyModel(
        *("Gemma3Text", GEMMA_SETTINGS),
        model_class="Gemma3",
        vision=("SiglipVisionConfig", TOWER),
        wrapper_settings={"mm_tokens_per_image": 1},
        **GEMMA,
    ),
    "olmo2": grouped("Olmo2", "olmo2", has_input_norm=False),
    "olmo3": grouped("Olmo3", "olmo2", {"sliding_window": 16}, has_input_norm=False),
    "smollm3": grouped("SmolLM3", "smollm3", {"tie_word_embeddings": True}),
    "granite": grouped(
        *("Granite", "granite"),
        {"embedding_multiplier": 3.0, "residual_multiplier": 0.75, "attention_multiplier": 8**-0.5},
        embedding_scale=3.0,
    ),
    "ministral3": wide("Ministral3", "mistral3"),
    "gemma": wide("Gemma", "gemma", {"tie_word_embeddings": True}, embedding_scale=32**0.5),
    "cohere": FamilyModel("Cohere", COHERE_SETTINGS, gguf_architecture="command-r", is_parallel=True, in_float32=True),
    "cohere2": FamilyModel(
        *("Cohere2", {**COHERE_SETTINGS, "head_dim": 8, "sliding_window": 16}),
        gguf_architecture="cohere2",
        is_parallel=True,
        in_float32=True,
    ),
    "apertus": grouped("Apertus", None),
    "seed_oss": wide("SeedOss", "seed_oss", has_biases=True),
    "exaone4": grouped("Exaone4", "exaone4", {"sliding_window": 16}, has_input_norm=False),
    "hunyuan_v1_dense": wide("HunYuanDenseV1", "hunyuan-dense"),
    "arcee": grouped("Arcee", "arcee", {"head_dim": 8}),
    "nemotron": FamilyModel(
        *("Nemotron", {**GROUPED_SETTINGS, "norm_eps": EPSILON, "head_dim": 8}),
        gguf_architecture="nemotron",
        in_float32=True,
    ),
    "starcoder2": FamilyModel(
        *("Starcoder2", {**GROUPED_SETTINGS, "norm_epsilon": EPSILON, "tie_word_embeddings": True}),
        gguf_architecture="starcoder2",
        has_biases=True,
    ),
    "stablelm": FamilyModel("StableLm", {**GROUPED_SETTINGS, "layer_norm_eps": EPSILON}, gguf_architecture="stablelm"),
    "ernie4_5": wide("Ernie4_5", "ernie4_5", {"tie_word_embeddings": True}),
    "glm": wide("Glm", "chatglm", has_biases=True),
    "glm4": wide("Glm4", "glm4", has_biases=True),
    "olmo": FamilyModel("Olmo", GROUPED_SETTINGS, gguf_architecture="olmo", epsilon=1e-5, in_float32=True),
    "falcon": FamilyModel(
        *("Falcon", {**FALCON_SETTINGS, "new_decoder_architecture": True, "num_kv_heads": 2}),
        gguf_architecture="falcon",
        is_parallel=True,
    ),
    "gptj": FamilyModel("GPTJ", GPTJ_SETTINGS, 4, is_parallel=True),
    "gpt_neo": FamilyModel(
        *("GPTNeo", {**NEO_SETTINGS, "num_layers": 3, "num_heads": 4, "attention_types": [[["global"], 3]]}, 4),
        has_positions=True,
        key_scale=1.0,
    ),
    "opt": FamilyModel(
        *("OPT", {**BASE_SETTINGS, "ffn_dim": 48, "word_embed_proj_dim": 32, "tie_word_embeddings": True}, 4),
        has_biases=True,
        has_positions=True,
        epsilon=1e-5,
    ),
    "bloom": FamilyModel(
        *("Bloom", {**NEO_SETTINGS, "n_layer": 3, "n_head": 4, "tie_word_embeddings": True}, 4),
        gguf_architecture="bloom",
        has_biases=True,
    ),
    "gpt_bigcode": FamilyModel(
        *("GPTBigCode", {**GPT2_SETTINGS, "n_layer": 3, "num_key_value_heads": 1}, 1),
        gguf_architecture="starcoder",
        has_biases=True,
        has_positions=True,
    ),
    "mixtral": wide("Mixtral", "llama", EXPERTS),
    "minimax_m2": wide("MiniMaxM2", "minimax-m2", EXPERTS),
    "qwen2_moe": grouped(
        *("Qwen2Moe", "qwen2moe"),
        {**EXPERTS, "num_experts": 5, "moe_intermediate_size": 24, "shared_expert_intermediate_size": 16},
        has_biases=True,
    ),
    "qwen3_moe": wide(
        *("Qwen3Moe", "qwen3moe"), {**EXPERTS, "num_experts": 5, "moe_intermediate_size": 24, "norm_topk_prob": True}
    ),
    "olmoe": grouped("Olmoe", "olmoe", {**EXPERTS, "num_experts": 5}),
    "granitemoe": grouped(
        *("GraniteMoe", "granitemoe"),
        {
            **{"embedding_multiplier": 3.0, "residual_multiplier": 0.75, "attention_multiplier": 8**-0.5},
            **EXPERTS,
        },
        embedding_scale=3.0,
    ),
    "glm4_moe": wide("Glm4Moe", "glm4moe", GLM_EXPERTS),
    "qwen3_5_text": wide("Qwen3_5Text", "qwen35", LINEAR, model_class="Qwen3_5", **SOME_LAYERS),
    "qwen3_5_moe_text": wide(
        *("Qwen3_5MoeText", "qwen35moe"),
        {**LINEAR, **SHARED_EXPERTS},
        model_class="Qwen3_5Moe",
        **SOME_LAYERS,
    ),
    "qwen3_next": wide("Qwen3Next", "qwen3next", {**LINEAR, **SHARED_EXPERTS}, **SOME_LAYERS),
    "lfm2": grouped(
        *("Lfm2", "lfm2"),
        {
            **{"layer_types": ["conv", *HEADS], "norm_eps": EPSILON, "tie_word_embeddings": True},
            **{"block_ff_dim": 48, "block_auto_adjust_ff_dim": False},
        },
        **SOME_LAYERS,
    ),
    "lfm2_moe": grouped(
        *("Lfm2Moe", "lfm2moe"),
        {
            **{"layer_types": ["conv", *HEADS], "norm_eps": EPSILON, "tie_word_embeddings": True},
            **{"num_experts": 5, "num_experts_per_tok": 2, "moe_intermediate_size": 24, "num_dense_layers": 0},
        },
        **SOME_LAYERS,
    ),
    "granitemoehybrid": grouped(
        *("GraniteMoeHybrid", "granitehybrid"),
        {**GRANITE_HYBRID, "num_local_experts": 0},
        embedding_scale=3.0,
        **SOME_LAYERS,
    ),
    "olmo_hybrid": grouped(
        "OlmoHybrid",
        None,
        {
            **{key: value for key, value in LINEAR.items() if key != "layer_types"},
            "layer_types": ["linear_attention", *HEADS],
        },
        has_input_norm=False,
        **SOME_LAYERS,
    ),
    "nemotron_h": FamilyModel(
        *("NemotronH", {**BASE_SETTINGS, **NEMOTRON_H}), gguf_architecture="nemotron_h", **NEMOTRON_HEADS
    ),
    "falcon_h1": wide(
        "FalconH1",
        None,
        {
            **FALCON_H1,
            **{"attention_in_multiplier": 0.7, "attention_out_multiplier": 1.3, "mlp_multipliers": [0.6, 1.7]},
            **{"embedding_multiplier": 3.0, "lm_head_multiplier": 0.4},
        },
        embedding_scale=3.0,
        is_run=False,
    ),
    "phimoe": FamilyModel(
        *("Phimoe", {**GROUPED_SETTINGS, **RMS_SETTINGS, **EXPERTS, "attention_bias": True}),
        gguf_architecture="phimoe",
        has_biases=True,
    ),
    "deepseek_v2": grouped(
        "DeepseekV2",
        "deepseek2",
        {**LATENT_EXPERTS, "topk_method": "group_limited_greedy", "first_k_dense_replace": 0},
        **LATENT_HEADS,
    ),
    "deepseek_v3": grouped("DeepseekV3", None, {**LATENT_EXPERTS, "first_k_dense_replace": 0}, **LATENT_HEADS),
    "glm4_moe_lite": grouped(
        "Glm4MoeLite", None, {**LATENT_EXPERTS, "mlp_layer_types": ["dense", "sparse", "sparse"]}, **LATENT_HEADS
    ),
    "mistral4": grouped(
        "Mistral4",
        "mistral4",
        {**LATENT_EXPERTS, "first_k_dense_replace": 0, "n_group": 1, "topk_group": 1},
        **LATENT_HEADS,
    ),
    "gemma4_text": grouped("Gemma4Text", "gemma4", GEMMA4, model_class="Gemma4", **GEMMA4_HEADS),
    "llama4_text": wide(
        "Llama4Text",
        "llama4",
        {**LLAMA4, "num_experts_per_tok": 1},
        **LLAMA4_CLASS,
    ),
    "kimi_linear": grouped(
        "KimiLinear",
        None,
        {
            **{**LATENT, "num_experts": 6, "num_experts_per_tok": 2, "moe_intermediate_size": 24},
            **{"layer_types": ["linear_attention", *HEADS], "mlp_layer_types": ["dense", "sparse", "sparse"]},
            **{"linear_head_dim": 8, "linear_num_heads": 4, "q_lora_rank": None},
        },
        **(LATENT_HEADS | SOME_LAYERS),
    ),
    "muse_glimmer": wide(
        "MuseGlimmerText",
        None,
        {"sliding_window": 16, "post_norm_eps": EPSILON},
        model_class="MuseGlimmer",
        key_scale=WIDE_SCALE * 3.87,
        vision=("MuseGlimmerVisionConfig", {**TOWER, "intermediate_size": 8, "patch_temporal": 1, "merge_size": 1}),
        wrapper_settings={"out_hidden_size": 8, "projector_hidden_size": 8},
        is_run=False,
    ),
    "gpt_oss": wide(
        *("GptOss", "gpt-oss"),
        {**EXPERTS, "rope_parameters": {"rope_type": "default", "rope_theta": 1e4}},
        has_biases=True,
    ),
}
VARIANTS = {  # kinds within a family, by its name and theirs
    "llama4_text/two experts, plain at first": wide(
        "Llama4Text",
        "llama4",
        {**LLAMA4, "interleave_moe_layer_step": 2},
        **LLAMA4_CLASS,
    ),
    "falcon/one key": FamilyModel(
        *("Falcon", {**FALCON_SETTINGS, "new_decoder_architecture": False, "multi_query": True}, 1),
        gguf_architecture="falcon",
        is_parallel=True,
    ),
    "falcon/in sequence": FamilyModel(
        *("Falcon", {**FALCON_SETTINGS, "multi_query": False, "parallel_attn": False, "bias": True}, 4),
        has_biases=True,
    ),
    "falcon/one norm": FamilyModel(
        "Falcon",
        {**FALCON_SETTINGS, "new_decoder_architecture": True, "num_kv_heads": 2, "num_ln_in_parallel_attn": 1},
        is_parallel=True,
    ),
    "stablelm/parallel": FamilyModel(
        *("StableLm", {**GROUPED_SETTINGS, "layer_norm_eps": EPSILON, "use_parallel_residual": True}),
        gguf_architecture="stablelm",
        is_parallel=True,
    ),
    "gpt_bigcode/own keys": FamilyModel(
        *("GPTBigCode", {**GPT2_SETTINGS, "n_layer": 3, "multi_query": False}, 4),
        has_biases=True,
        has_positions=True,
    ),
    "granitemoehybrid/experts": grouped(
        *("GraniteMoeHybrid", "granitehybrid"),
        {**GRANITE_HYBRID, "num_local_experts": 5},
        embedding_scale=3.0,
        **SOME_LAYERS,
    ),
    "glm4_moe/experts at once": wide(
        "Glm4Moe", "glm4moe", {**GLM_EXPERTS, "first_k_dense_replace": 0, "use_qk_norm": True}
    ),
    "deepseek_v2/greedy, no experts at first": grouped(
        "DeepseekV2", None, {**LATENT_EXPERTS, "topk_method": "greedy", "q_lora_rank": None}, **LATENT_HEADS
    ),
    "deepseek_v32": grouped("DeepseekV32", None, {**LATENT_EXPERTS, **INDEXER}, **LATENT_HEADS),
    "glm_moe_dsa": grouped("GlmMoeDsa", None, {**LATENT_EXPERTS, **INDEXER}, **LATENT_HEADS),
    "gemma4_text/keys as values": grouped(
        *("Gemma4Text", "gemma4"),
        {**GEMMA4, "attention_k_eq_v": True, "num_global_key_value_heads": 1},
        model_class="Gemma4",
        **GEMMA4_HEADS,
    ),
    "gemma4_text/shared values": grouped(
        *("Gemma4Text", "gemma4"),
        {**GEMMA4, "num_kv_shared_layers": 2, "hidden_size_per_layer_input": 8, "use_double_wide_mlp": True},
        model_class="Gemma4",
        **GEMMA4_HEADS,
    ),
    "gemma4_text/experts": grouped(
        *("Gemma4Text", "gemma4"),
        {**GEMMA4, "enable_moe_block": True, "num_experts": 5, "top_k_experts": 2, "moe_intermediate_size": 24},
        model_class="Gemma4",
        **GEMMA4_HEADS,
    ),
    "nemotron_h/experts": FamilyModel(
        "NemotronH",
        {
            **{**BASE_SETTINGS, **NEMOTRON_H},
            "layers_block_type": ["linear_attention", "full_attention", "moe", "full_attention"],
            **{"n_routed_experts": 6, "num_experts_per_tok": 2, "moe_intermediate_size": 24, "moe_latent_size": 16},
            **{"moe_shared_expert_intermediate_size": 16, "n_group": 3, "topk_group": 2, "routed_scaling_factor": 1.5},
        },
        gguf_architecture="nemotron_h_moe",
        **NEMOTRON_HEADS,
    ),
    "falcon_h1/no factors": wide("FalconH1", "falcon-h1", FALCON_H1, is_run=False),
    "llava": grouped("Llama", None, model_class="Llava", vision=("CLIPVisionConfig", TOWER)),
    "mistral3": wide("Ministral3", None, model_class="Mistral3", vision=("PixtralVisionConfig", TOWER)),
    "qwen2_vl": grouped(
        *("Qwen2VLText", "qwen2vl"),
        {"rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [1, 1, 2]}},
        model_class="Qwen2VL",
        vision=("Qwen2VLVisionConfig", {**QWEN_TOWER, "embed_dim": 8, "hidden_size": 32}),
        has_biases=True,
    ),
    "qwen3_vl": wide(
        *("Qwen3VLText", "qwen3vl"),
        model_class="Qwen3VL",
        vision=(
            "Qwen3VLVisionConfig",
            {**QWEN_TOWER, "hidden_size": 8, "out_hidden_size": 32, "deepstack_visual_indexes": [0]},
        ),
    ),
}
ALL_MODELS = {**FAMILY_MODELS, **VARIANTS}
RUN_MODELS = {  # by experiments
    name: model for name, model in FAMILY_MODELS.items() if model.head_layers is None and model.is_run
}
FAST_FAMILIES = ("gpt2", "llama", "gemma3_text")  # fused and transposed, grouped, scaled: the fast run takes these


Built = TypeVar("Built")


class BuiltOnce(dict[str, Built]):
    """Something for each family, built when a test first asks for it."""

    def __init__(self, build: Callable[[str], Built]) -> None:
        super().__init__()
        self.build = build

    def __missing__(self, family: str) -> Built:
        self[family] = self.build(family)
        return self[family]


def build_config(family: str) -> Any:
    """The configuration of a small model; with pictures, it has a small tower for them too."""
    model = ALL_MODELS[family]
    text = getattr(transformers, f"{model.class_prefix}Config")(**model.settings)
    if model.vision is None:
        return text
    tower, settings = model.vision
    parts = {"text_config": text.to_dict(), "vision_config": getattr(transformers, tower)(**settings).to_dict()}
    return getattr(transformers, f"{model.model_class}Config")(**parts, **model.wrapper_settings)


def ties_embeddings(config: Any) -> bool:
    """Whether a model's embedding is its unembedding too, by its configuration or that of its text model."""
    own = getattr(config, "tie_word_embeddings", None)
    return bool(config.get_text_config().tie_word_embeddings) if own is None else own


@torch.no_grad()
def build_model(family: str, folder: Path) -> Any:
    """A small random model, saved by transformers with its tokenizer into `folder`; in float64."""
    torch.manual_seed(0)
    config = build_config(family)
    described = ALL_MODELS[family]
    suffix = described.class_suffix if described.vision is None else "ForConditionalGeneration"
    name = (described.model_class or described.class_prefix) + suffix
    model = getattr(transformers, name)(config)
    model.train(False)
    if any(name.endswith("experts") for name, _ in model.named_modules()):
        model.set_experts_implementation("eager")  # others do not compute in float64
    for name, parameter in model.named_parameters():
        if "norm" in name or ".ln_" in name or name.endswith(("bias", "scale")):  # away from 1 and 0
            parameter += 0.3 * torch.randn_like(parameter)
    for name, buffer in model.named_buffers():
        if name.endswith(("e_score_correction_bias", "expert_bias")):
            buffer += 0.3 * torch.randn_like(buffer)
    model.save_pretrained(folder)
    byte_level_tokenizer().save(str(folder / "tokenizer.json"))
    return model.double()


def model_body(model: Any) -> Any:
    """The stack of blocks with its embedding."""
    for name in ("transformer", "gpt_neox", "model"):
        model = getattr(model, name, model)
    return next((getattr(model, name) for name in ("language_model", "decoder") if hasattr(model, name)), model)


def model_blocks(model: Any) -> Any:
    return getattr(model_body(model), "h", None) or model_body(model).layers


def final_norm(model: Any) -> Any:
    names = ("ln_f", "final_layer_norm", "final_layernorm", "norm", "norm_f", "embedding_norm")
    return next(getattr(model_body(model), name) for name in names if hasattr(model_body(model), name))


def block_attention(block: Any) -> Any:
    names = ("self_attn", "self_attention", "attention", "attn", "mixer")
    attention = next(getattr(block, name) for name in names if hasattr(block, name))
    return getattr(attention, "attention", attention)


def output_projection(attention: Any) -> Any:
    return next(
        getattr(attention, name) for name in ("o_proj", "dense", "c_proj", "out_proj") if hasattr(attention, name)
    )


def mlp_outputs(block: Any) -> list[Any]:
    """The modules that end a block's MLP, or the mixture of experts in its place: their outputs add up."""
    if getattr(block, "enable_moe_block", False):
        return [block.post_feedforward_layernorm_1, block.post_feedforward_layernorm_2]
    places = ("mlp", "block_sparse_moe", "feed_forward", "shared_mlp", "mixer")
    parts = [getattr(block, name) for name in places if getattr(block, name, None) is not None] or [block]
    names = ("down_proj", "dense_4h_to_h", "c_proj", "fc2", "fc_out", "w2", "output_linear")
    return [
        part
        if hasattr(part, "experts") or hasattr(part, "down_multiplier")
        else next(getattr(part, name) for name in names if hasattr(part, name))
        for part in parts
    ]


def mixer_outputs(block: Any) -> list[Any]:
    """The modules that end a block's attention, and what stands in its place or beside it."""
    places = ("self_attn", "self_attention", "attention", "attn", "mixer", "linear_attn", "conv", "mamba")
    parts = [getattr(block, name) for name in places if getattr(block, name, None) is not None]
    return [output_projection(getattr(part, "attention", part)) for part in parts]


def position_embeddings(model: Any) -> Any:
    """The embedding of positions; None where positions are not added to the embedding."""
    return next(
        (getattr(model_body(model), n) for n in ("wpe", "embed_positions") if hasattr(model_body(model), n)), None
    )


@torch.no_grad()
def without_positions(model: Any) -> Any:
    """A copy of the model that adds no positions to its embeddings."""
    model = copy.deepcopy(model)
    positions = position_embeddings(model)
    if positions is not None:
        positions.weight.zero_()
    return model


@torch.no_grad()
def scaled_embedding(model: Any) -> Tensor:
    """What goes into the first block for every token of the vocabulary, positions left out, (V, d)."""
    model, caught = without_positions(model), []
    model_blocks(model)[0].register_forward_pre_hook(lambda _module, given: caught.append(given[0]))
    model_body(model)(torch.arange(VOCABULARY_SIZE)[:, None], use_cache=False)
    return caught[0][:, 0]


@torch.no_grad()
def run_own_first_mlp(model: Any, tokens: Tensor | None = None) -> Tensor:
    """What the first MLP gives for these tokens, or all, where no attention writes before: the model is run.

    (n,) ids to (n, d).
    """
    model, caught = without_positions(model), []
    blocks = model_blocks(model)
    kinds = getattr(model_body(model).config, "layers_block_type", None) or []
    first = next((i for i, kind in enumerate(kinds) if kind in ("mlp", "moe")), 0)
    for block in blocks[: first + 1] if first == 0 else blocks[:first]:
        for module in mixer_outputs(block):
            for parameter in module.parameters():
                parameter.zero_()
    for part in mlp_outputs(blocks[first]):
        part.register_forward_hook(
            lambda _module, _given, output: caught.append(output[0] if isinstance(output, tuple) else output)
        )
    model_body(model)((torch.arange(VOCABULARY_SIZE) if tokens is None else tokens)[:, None], use_cache=False)
    return torch.stack([output.view(-1, output.shape[-1]) for output in caught]).sum(0)


@torch.no_grad()
def run_own_input_norm(model: Any, layer: int, rows: Tensor) -> Tensor:
    """Rows (n, d) through the block's own norm in front of attention; unchanged where it has none."""
    names = (
        "input_layernorm",
        "ln_1",
        "self_attn_layer_norm",
        "attention_layernorm",
        "ln_attn",
        "operator_norm",
        "norm",
    )
    block = model_blocks(model)[layer]
    norm = next((getattr(block, name) for name in names if hasattr(block, name)), None)
    return rows if norm is None else norm(rows)


@torch.no_grad()
def remove_sinks(attention: Any) -> None:
    """Keeps the heads of gpt-oss from attending to nothing."""
    if hasattr(attention, "sinks"):
        attention.sinks.fill_(torch.finfo(attention.sinks.dtype).min)


def remove_value_norms(attention: Any) -> None:
    """Keeps heads from dividing their values, or the latent that these are made of, by their length."""
    if hasattr(attention, "v_norm"):
        attention.v_norm = torch.nn.Identity()
    latent = getattr(attention, "kv_a_layernorm", None)
    if latent is not None:
        latent.forward = lambda x: x * latent.weight


def has_value_norms(model: Any, layer: int) -> bool:
    attention = block_attention(model_blocks(model)[layer])
    return any(hasattr(attention, name) for name in ("v_norm", "kv_a_layernorm"))


def value_attentions(model: Any, layer: int) -> list[Any]:
    """The attention whose keys and values a layer reads, if it is not its own, and the layer's."""
    attention = block_attention(model_blocks(model)[layer])
    if not getattr(attention, "is_kv_shared_layer", False):
        return [attention]
    others = [block_attention(block) for block in model_blocks(model)[:layer]]
    alike = [each for each in others if each.store_full_length_kv and each.layer_type == attention.layer_type]
    return [alike[-1], attention]


def open_gate(attention: Any) -> Any:
    """Opens the gate of an attention whose query projection has one; the hook that does so, to be removed."""
    if hasattr(attention, "gate_proj"):
        return attention.gate_proj.register_forward_hook(lambda _module, _given, output: torch.full_like(output, 60.0))
    query, value = (getattr(attention, name, None) for name in ("q_proj", "o_proj"))
    if query is None or value is None or query.out_features != 2 * value.in_features:
        return None

    def hook(_module: Any, _given: object, output: Tensor) -> Tensor:
        split = output.clone().unflatten(-1, (-1, 2, attention.head_dim))
        split[..., 1, :] = 60.0  # its sigmoid is 1
        return split.flatten(-3)

    return query.register_forward_hook(hook)


def rotary_embedding(model: Any) -> Any:
    names = ("rotary_emb", "pos_emb")
    return next((getattr(model_body(model), name) for name in names if hasattr(model_body(model), name)), None)


@torch.no_grad()
def attend(model: Any, layer: int, hidden: Tensor) -> tuple[Tensor, Tensor]:
    """What a layer's own attention writes for hidden states (n, T, d) that all stand at one position, see each other,
    and are read as they are: (n, T, d), and the attention weights (n, H, T, T).
    """
    *others, attention = value_attentions(model, layer)
    model.set_attn_implementation("eager")
    if getattr(attention, "bias", torch.tensor(0.0)).dtype == torch.bool:  # GPT-Neo's own mask
        attention.bias.fill_(True)
    n, length, _ = hidden.shape
    positions, rotary = torch.zeros(n, length, dtype=torch.long), rotary_embedding(model)
    config = model_body(model).config
    heads, hidden = config.num_attention_heads, hidden * getattr(config, "attention_in_multiplier", 1)
    possible: dict[str, Any] = {
        "shared_kv_states": {},
        "attention_mask": torch.zeros(n, 1, length, length, dtype=hidden.dtype),
        "position_ids": positions,
        "residual": torch.zeros_like(hidden),
        "alibi": torch.zeros(n * heads, 1, length, dtype=hidden.dtype),
        "output_attentions": True,
    }
    if rotary is not None:
        kinds = getattr(config, "layer_types", None) if hasattr(rotary, "layer_types") else None
        possible |= {"position_embeddings": rotary(hidden, positions, *([kinds[layer]] if kinds else []))}
        possible |= {"alibi": None}
    remove_sinks(attention)
    gate = open_gate(attention)
    taken = inspect.signature(attention.forward).parameters
    given = {name: value for name, value in possible.items() if name in taken}
    for other in others:
        other(hidden, **given)
    out = attention(hidden, **given)
    if gate is not None:
        gate.remove()
    return out[0] * getattr(config, "attention_out_multiplier", 1), out[1]


@torch.no_grad()
def run_own_head(model: Any, layer: int, head: int, rows: Tensor, keep_norms: bool = False) -> Tensor:
    """The model's attention output for one position, with only this head's part of the output projection, no biases.

    Rows (n, d) to (n, d), each a position of its own. Norms of values are left out, unless they are kept.
    """
    model = copy.deepcopy(model)
    for each in value_attentions(model, layer):
        if not keep_norms:
            remove_value_norms(each)
    attention = block_attention(model_blocks(model)[layer])
    for name, parameter in attention.named_parameters():
        if name.endswith("bias"):
            parameter.zero_()
    projection = output_projection(attention)
    weight = projection.weight if type(projection).__name__ == "Conv1D" else projection.weight.T  # (H d_h, d)
    width = len(weight) // model_body(model).config.num_attention_heads
    weight[: head * width] = 0
    weight[(head + 1) * width :] = 0
    return attend(model, layer, rows[:, None])[0][:, 0]
