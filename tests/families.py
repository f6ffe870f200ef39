"""A small random model of every family, made and saved by transformers itself, and what its own modules compute."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import gguf
import torch
import transformers
from torch import Tensor

from tests.small_models import VOCABULARY_SIZE, byte_level_tokenizer, tokens_and_merges

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
    epsilon: float = EPSILON
    in_float32: bool = False  # transformers computes the norms in float32


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


EXPERTS = {"num_local_experts": 5, "num_experts_per_tok": 2}
GLM_EXPERTS = {
    **{"n_routed_experts": 6, "num_experts_per_tok": 2, "moe_intermediate_size": 24, "first_k_dense_replace": 1},
    **{"n_group": 3, "topk_group": 2, "routed_scaling_factor": 1.5},
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
    "gpt_oss": wide(
        *("GptOss", "gpt-oss"),
        {**EXPERTS, "rope_parameters": {"rope_type": "default", "rope_theta": 1e4}},
        has_biases=True,
    ),
}
VARIANTS = {  # kinds within a family, by its name and theirs
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
    "glm4_moe/experts at once": wide(
        "Glm4Moe", "glm4moe", {**GLM_EXPERTS, "first_k_dense_replace": 0, "use_qk_norm": True}
    ),
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
    if hasattr(config, "num_experts_per_tok"):
        model.set_experts_implementation("eager")  # others do not compute in float64
    for name, parameter in model.named_parameters():
        if "norm" in name or ".ln_" in name or name.endswith("bias"):  # away from 1 and 0
            parameter += 0.3 * torch.randn_like(parameter)
    for name, buffer in model.named_buffers():
        if name.endswith("e_score_correction_bias"):
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
    names = ("ln_f", "final_layer_norm", "final_layernorm", "norm")
    return next(getattr(model_body(model), name) for name in names if hasattr(model_body(model), name))


def block_attention(block: Any) -> Any:
    names = ("self_attn", "self_attention", "attention", "attn")
    attention = next(getattr(block, name) for name in names if hasattr(block, name))
    return getattr(attention, "attention", attention)


def output_projection(attention: Any) -> Any:
    return next(
        getattr(attention, name) for name in ("o_proj", "dense", "c_proj", "out_proj") if hasattr(attention, name)
    )


def mlp_output(block: Any) -> Any:
    """The module that ends a block's MLP, or the mixture of experts in its place."""
    mlp = getattr(block, "mlp", getattr(block, "block_sparse_moe", block))
    if hasattr(mlp, "experts"):
        return mlp
    names = ("down_proj", "dense_4h_to_h", "c_proj", "fc2", "fc_out")
    return next(getattr(mlp, name) for name in names if hasattr(mlp, name))


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
    """What the first block's MLP gives for these tokens, or all, where attention writes nothing: the model is run.

    (n,) ids to (n, d).
    """
    model, caught = without_positions(model), []
    for parameter in output_projection(block_attention(model_blocks(model)[0])).parameters():
        parameter.zero_()
    mlp_output(model_blocks(model)[0]).register_forward_hook(
        lambda _module, _given, output: caught.append(output[0] if isinstance(output, tuple) else output)
    )
    model_body(model)((torch.arange(VOCABULARY_SIZE) if tokens is None else tokens)[:, None], use_cache=False)
    return caught[0].view(-1, caught[0].shape[-1])


@torch.no_grad()
def run_own_input_norm(model: Any, layer: int, rows: Tensor) -> Tensor:
    """Rows (n, d) through the block's own norm in front of attention; unchanged where it has none."""
    names = ("input_layernorm", "ln_1", "self_attn_layer_norm", "attention_layernorm", "ln_attn")
    block = model_blocks(model)[layer]
    norm = next((getattr(block, name) for name in names if hasattr(block, name)), None)
    return rows if norm is None else norm(rows)


@torch.no_grad()
def remove_sinks(attention: Any) -> None:
    """Keeps the heads of gpt-oss from attending to nothing."""
    if hasattr(attention, "sinks"):
        attention.sinks.fill_(torch.finfo(attention.sinks.dtype).min)


@torch.no_grad()
def attend(model: Any, layer: int, hidden: Tensor) -> tuple[Tensor, Tensor]:
    """What a layer's own attention writes for hidden states (n, T, d) that all stand at one position, see each other,
    and are read as they are: (n, T, d), and the attention weights (n, H, T, T).
    """
    attention = block_attention(model_blocks(model)[layer])
    model.set_attn_implementation("eager")
    if getattr(attention, "bias", torch.tensor(0.0)).dtype == torch.bool:  # GPT-Neo's own mask
        attention.bias.fill_(True)
    n, length, _ = hidden.shape
    positions, rotary = torch.zeros(n, length, dtype=torch.long), getattr(model_body(model), "rotary_emb", None)
    heads = model_body(model).config.num_attention_heads
    possible: dict[str, Any] = {
        "attention_mask": torch.zeros(n, 1, length, length, dtype=hidden.dtype),
        "position_ids": positions,
        "residual": torch.zeros_like(hidden),
        "alibi": torch.zeros(n * heads, 1, length, dtype=hidden.dtype),
        "output_attentions": True,
    }
    if rotary is not None:
        kinds = getattr(model_body(model).config, "layer_types", None) if hasattr(rotary, "layer_types") else None
        possible |= {"position_embeddings": rotary(hidden, positions, *([kinds[layer]] if kinds else []))}
        possible |= {"alibi": None}
    remove_sinks(attention)
    taken = inspect.signature(attention.forward).parameters
    out = attention(hidden, **{name: value for name, value in possible.items() if name in taken})
    return out[0], out[1]


@torch.no_grad()
def run_own_head(model: Any, layer: int, head: int, rows: Tensor) -> Tensor:
    """The model's attention output for one position, with only this head's part of the output projection, no biases.

    Rows (n, d) to (n, d), each a position of its own.
    """
    model = copy.deepcopy(model)
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


def gguf_tensors(family: str, model: Any) -> dict[str, Tensor]:
    """The model's tensors as llama.cpp's converter lays them out, under the names of the gguf package's own table."""
    architecture = ALL_MODELS[family].gguf_architecture
    kind = next(arch for arch, name in gguf.MODEL_ARCH_NAMES.items() if name == architecture)
    names = gguf.get_tensor_name_map(kind, len(model_blocks(model)))
    found: dict[str, Tensor] = {}
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight" and model.config.tie_word_embeddings:
            continue
        if family == "gpt2" and name.endswith((".c_attn.weight", ".c_proj.weight", ".c_fc.weight")):
            tensor = tensor.T
        if ALL_MODELS[family].gguf_architecture == "llama" and name.endswith(("q_proj.weight", "k_proj.weight")):
            heads = 4 if "q_proj" in name else ALL_MODELS[family].kv_heads  # in pairs, as rotary takes them there
            tensor = tensor.unflatten(0, (heads, 2, -1)).transpose(1, 2).flatten(0, 2)
        if family.startswith(("gpt_neox", "bloom", "falcon")) and "query_key_value" in name:
            groups = tensor.unflatten(0, (ALL_MODELS[family].kv_heads, -1, 8))
            tensor = torch.cat([part.flatten(0, 2) for part in (groups[:, :-2], groups[:, -2:-1], groups[:, -1:])])
        if family.startswith(("gemma", "nemotron")) and name.endswith("norm.weight"):
            tensor = tensor + 1
        if ".visual." in name:  # has a file of its own
            continue
        of_experts = gguf_expert_tensors(name, tensor, is_interleaved=family == "gpt_oss")
        if of_experts:
            found |= {new: part.float().contiguous() for new, part in of_experts.items()}
            continue
        name = name.replace(".language_model.", ".")
        if family == "bloom":
            name = name.removeprefix("transformer.")  # as its converter does
        new = names.get_name(name, try_suffixes=(".weight", ".bias"))
        assert new is not None, name
        found[new] = tensor.float().contiguous()
    return found


def gguf_expert_tensors(name: str, tensor: Tensor, is_interleaved: bool) -> dict[str, Tensor]:
    """The tensors of a mixture of experts in a GGUF file, from one of transformers'; none from other parts' tensors."""
    layer, _, part = name.removeprefix("model.layers.").partition(".")
    start, part = f"blk.{layer}.ffn_", part.removeprefix("mlp.").removeprefix("block_sparse_moe.")
    if part.startswith("experts.gate_up_proj"):
        ending = "bias" if part.endswith("bias") else "weight"
        if is_interleaved:  # and the weight's inputs come first
            both = tensor if ending == "bias" else tensor.mT
            gate, up = both[:, ::2], both[:, 1::2]
        else:
            gate, up = tensor.chunk(2, 1)
        return {f"{start}gate_exps.{ending}": gate, f"{start}up_exps.{ending}": up}
    if part.startswith("experts.down_proj"):
        if part.endswith("bias"):
            return {f"{start}down_exps.bias": tensor}
        return {f"{start}down_exps.weight": tensor.mT if is_interleaved else tensor}
    if part.endswith("e_score_correction_bias"):
        return {f"blk.{layer}.exp_probs_b.bias": tensor}
    if part == "shared_expert_gate.weight":
        return {f"{start}gate_inp_shexp.weight": tensor[0]}
    if part.startswith("shared_expert"):
        return {f"{start}{part.split('.')[1].removesuffix('_proj')}_shexp.weight": tensor}
    if part.startswith(("gate.", "router.")):
        return {f"{start}gate_inp.{part.split('.')[-1]}": tensor}
    return {}


def save_gguf(path: Path, family: str, model: Any) -> Path:
    """Writes the model as a GGUF file in F32."""
    shape = ALL_MODELS[family]
    writer = gguf.GGUFWriter(path, str(shape.gguf_architecture))
    writer.add_block_count(len(model_blocks(model)))
    writer.add_embedding_length(32)
    writer.add_head_count(4)
    if shape.kv_heads != 4:
        writer.add_head_count_kv(shape.kv_heads)
    if shape.head_width != 8:
        writer.add_value_length(shape.head_width)
    if "rms_norm_eps" in shape.settings:
        writer.add_layer_norm_rms_eps(shape.epsilon)
    else:
        writer.add_layer_norm_eps(shape.epsilon)
    if family.startswith("granite"):
        writer.add_embedding_scale(shape.embedding_scale)
        writer.add_residual_scale(model.config.residual_multiplier)
    config = model.config.to_dict()
    if "num_experts_per_tok" in config:
        counts = ("num_local_experts", "num_experts", "n_routed_experts")
        writer.add_expert_count(next(config[key] for key in counts if key in config))
        writer.add_expert_used_count(config["num_experts_per_tok"])
    if "n_group" in config:
        writer.add_expert_group_count(config["n_group"])
        writer.add_expert_group_used_count(config["topk_group"])
        writer.add_expert_weights_scale(config["routed_scaling_factor"])
        writer.add_expert_gating_func(gguf.ExpertGatingFuncType.SIGMOID)
    tokens, merges = tokens_and_merges()
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list([*tokens, *(f"[PAD{VOCABULARY_SIZE + i}]" for i in range(PADDING_ROWS))])
    writer.add_token_types([1] * (VOCABULARY_SIZE - 1) + [3] + [5] * PADDING_ROWS)
    writer.add_token_merges([" ".join(pair) for pair in merges])
    for name, tensor in gguf_tensors(family, model).items():
        writer.add_tensor(name, tensor.numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
