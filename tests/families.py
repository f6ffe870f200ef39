"""A small random model of every family, made and saved by transformers itself, and what its own modules compute."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import gguf
import torch
import transformers
from torch import Tensor, nn

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
    changes: Mapping[str, Any] = field(default_factory=dict)


FAMILY_MODELS = {
    "gpt2": FamilyModel("GPT2", GPT2_SETTINGS, 4, gguf_architecture="gpt2", class_suffix="LMHeadModel"),
    "gpt_neox": FamilyModel("GPTNeoX", {**BASE_SETTINGS, "layer_norm_eps": EPSILON}, 4, gguf_architecture="gptneox"),
    "phi": FamilyModel("Phi", {**GROUPED_SETTINGS, "layer_norm_eps": EPSILON}, gguf_architecture="phi2"),
    "phi3": FamilyModel("Phi3", {**GROUPED_SETTINGS, **RMS_SETTINGS}, gguf_architecture="phi3"),
    "llama": FamilyModel("Llama", {**GROUPED_SETTINGS, **RMS_SETTINGS, "mlp_bias": True}, gguf_architecture="llama"),
    "mistral": FamilyModel("Mistral", {**WIDE_HEAD_SETTINGS, **RMS_SETTINGS}, head_width=12, gguf_architecture="llama"),
    "qwen2": FamilyModel(
        "Qwen2", {**GROUPED_SETTINGS, **RMS_SETTINGS, "tie_word_embeddings": True}, gguf_architecture="qwen2"
    ),
    "qwen3": FamilyModel("Qwen3", {**WIDE_HEAD_SETTINGS, **RMS_SETTINGS}, head_width=12, gguf_architecture="qwen3"),
    "gemma2": FamilyModel("Gemma2", GEMMA_SETTINGS, head_width=12, embedding_scale=32**0.5, gguf_architecture="gemma2"),
    "gemma3_text": FamilyModel(
        "Gemma3Text", GEMMA_SETTINGS, head_width=12, embedding_scale=32**0.5, gguf_architecture="gemma3"
    ),
    "gemma3": FamilyModel(
        "Gemma3", GEMMA_SETTINGS, head_width=12, embedding_scale=32**0.5, class_suffix="ForConditionalGeneration"
    ),
    "olmo2": FamilyModel("Olmo2", {**GROUPED_SETTINGS, **RMS_SETTINGS}, gguf_architecture="olmo2"),
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
    model = FAMILY_MODELS[family]
    if family != "gemma3":
        return getattr(transformers, f"{model.class_prefix}Config")(**model.settings)
    tower: dict[str, Any] = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    text = transformers.Gemma3TextConfig(**model.settings)
    vision = transformers.SiglipVisionConfig(**tower, image_size=8, patch_size=4)
    return transformers.Gemma3Config(text_config=text, vision_config=vision, mm_tokens_per_image=1)


@torch.no_grad()
def build_model(family: str, folder: Path) -> Any:
    """A small random model, saved by transformers with its tokenizer into `folder`; in float64."""
    torch.manual_seed(0)
    config = build_config(family)
    name = {"gemma3_text": "Gemma3"}.get(family, FAMILY_MODELS[family].class_prefix)
    model = getattr(transformers, name + FAMILY_MODELS[family].class_suffix)(config)
    model.train(False)
    for name, parameter in model.named_parameters():
        if "norm" in name or ".ln_" in name or name.endswith("bias"):  # away from 1 and 0
            parameter += 0.3 * torch.randn_like(parameter)
    model.save_pretrained(folder)
    byte_level_tokenizer().save(str(folder / "tokenizer.json"))
    return model.double()


def model_body(model: Any) -> Any:
    """The stack of blocks with its embedding."""
    for name in ("transformer", "gpt_neox", "model"):
        model = getattr(model, name, model)
    return getattr(model, "language_model", model)


def model_blocks(model: Any) -> Any:
    return getattr(model_body(model), "h", None) or model_body(model).layers


def block_attention(block: Any) -> Any:
    return next(getattr(block, name) for name in ("self_attn", "attention", "attn") if hasattr(block, name))


def output_projection(attention: Any) -> Any:
    return next(getattr(attention, name) for name in ("o_proj", "dense", "c_proj") if hasattr(attention, name))


def scaled_embedding(model: Any) -> Tensor:
    """What goes into the first block for every token of the vocabulary, positions left out, (V, d)."""
    return model.get_input_embeddings()(torch.arange(VOCABULARY_SIZE))


@torch.no_grad()
def run_own_first_mlp(model: Any, tokens: Tensor | None = None) -> Tensor:
    """What the first block's MLP gives for these tokens, or all, where attention writes nothing: the model is run.

    (n,) ids to (n, d).
    """
    model, caught = copy.deepcopy(model), []
    projection = output_projection(block_attention(model_blocks(model)[0]))
    positions = getattr(model_body(model), "wpe", None)
    for layer in (projection, positions):
        for parameter in [] if layer is None else layer.parameters():
            parameter.zero_()
    model_blocks(model)[0].mlp.register_forward_hook(lambda _module, _given, output: caught.append(output))
    model_body(model)((torch.arange(VOCABULARY_SIZE) if tokens is None else tokens)[:, None], use_cache=False)
    return caught[0][:, 0]


@torch.no_grad()
def run_own_input_norm(model: Any, layer: int, rows: Tensor) -> Tensor:
    """Rows (n, d) through the block's own norm in front of attention; unchanged where it has none."""
    block = model_blocks(model)[layer]
    norm = next((getattr(block, name) for name in ("input_layernorm", "ln_1") if hasattr(block, name)), None)
    return rows if norm is None else norm(rows)


@torch.no_grad()
def run_own_head(model: Any, layer: int, head: int, rows: Tensor) -> Tensor:
    """The model's attention output for one position, with only this head's part of the output projection, no biases.

    Rows (n, d) to (n, d), each a position of its own.
    """
    attention = copy.deepcopy(block_attention(model_blocks(model)[layer]))
    for name, parameter in attention.named_parameters():
        if name.endswith("bias"):
            parameter.zero_()
    projection = output_projection(attention)
    weight = projection.weight.T if isinstance(projection, nn.Linear) else projection.weight  # (H d_h, d)
    width = len(weight) // model_body(model).config.num_attention_heads
    weight[: head * width] = 0
    weight[(head + 1) * width :] = 0
    hidden, rotary = rows[:, None], getattr(model_body(model), "rotary_emb", None)
    if rotary is None:
        return attention(hidden)[0][:, 0]
    kinds = getattr(model_body(model).config, "layer_types", None) if hasattr(rotary, "layer_types") else None
    turned = rotary(hidden, torch.zeros(1, 1, dtype=torch.long), *([kinds[layer]] if kinds else []))
    return attention(hidden, position_embeddings=turned, attention_mask=None)[0][:, 0]


def gguf_tensors(family: str, model: Any) -> dict[str, Tensor]:
    """The model's tensors as llama.cpp's converter lays them out, under the names of the gguf package's own table."""
    architecture = FAMILY_MODELS[family].gguf_architecture
    kind = next(arch for arch, name in gguf.MODEL_ARCH_NAMES.items() if name == architecture)
    names = gguf.get_tensor_name_map(kind, len(model_blocks(model)))
    found = {}
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight" and model.config.tie_word_embeddings:
            continue
        if family == "gpt2" and name.endswith((".c_attn.weight", ".c_proj.weight", ".c_fc.weight")):
            tensor = tensor.T
        if FAMILY_MODELS[family].gguf_architecture == "llama" and name.endswith(("q_proj.weight", "k_proj.weight")):
            heads = 4 if "q_proj" in name else FAMILY_MODELS[family].kv_heads  # in pairs, as rotary takes them there
            tensor = tensor.unflatten(0, (heads, 2, -1)).transpose(1, 2).flatten(0, 2)
        if family == "gpt_neox" and "query_key_value" in name:
            tensor = torch.cat([part.flatten(0, 1) for part in tensor.unflatten(0, (4, 3, 8)).unbind(1)])
        if family.startswith("gemma") and name.endswith("norm.weight"):
            tensor = tensor + 1
        new = names.get_name(name, try_suffixes=(".weight", ".bias"))
        assert new is not None, name
        found[new] = tensor.float().contiguous()
    return found


def save_gguf(path: Path, family: str, model: Any) -> Path:
    """Writes the model as a GGUF file in F32."""
    config, shape = model.config, FAMILY_MODELS[family]
    writer = gguf.GGUFWriter(path, str(shape.gguf_architecture))
    writer.add_block_count(len(model_blocks(model)))
    writer.add_embedding_length(32)
    writer.add_head_count(4)
    if shape.kv_heads != 4:
        writer.add_head_count_kv(shape.kv_heads)
    if shape.head_width != 8:
        writer.add_value_length(shape.head_width)
    if hasattr(config, "rms_norm_eps"):
        writer.add_layer_norm_rms_eps(EPSILON)
    else:
        writer.add_layer_norm_eps(EPSILON)
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
