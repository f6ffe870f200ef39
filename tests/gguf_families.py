"""The small model of every family as a GGUF file, with tensors laid out as llama.cpp's converter does it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import torch
from torch import Tensor

from tests.families import ALL_MODELS, PADDING_ROWS, model_blocks, ties_embeddings
from tests.small_models import VOCABULARY_SIZE, tokens_and_merges

NOT_IN_THE_FILE = (  # or without a part in mapping
    *(".visual.", ".linear_attn.", ".conv.", ".mamba.", "per_layer", "layer_scalar", ".layers.0.mixer."),
)
INPUTS_FIRST = ("gpt_oss", "llama4")  # families whose experts' weights are (inputs, outputs)
FUSED_EXPERTS = ("gemma4",)  # architectures whose files have gate and up of experts in one tensor


def gguf_tensors(family: str, model: Any) -> dict[str, Tensor]:
    """The model's tensors as llama.cpp's converter lays them out, under the names of the gguf package's own table."""
    architecture = ALL_MODELS[family].gguf_architecture
    kind = next(arch for arch, name in gguf.MODEL_ARCH_NAMES.items() if name == architecture)
    names, state = gguf.get_tensor_name_map(kind, len(model_blocks(model))), model.state_dict()
    has_experts = any(".experts." in name for name in state)
    found: dict[str, Tensor] = {}
    for name, tensor in state.items():
        is_tied = name == "lm_head.weight" and ties_embeddings(model.config)
        if is_tied or any(part in name for part in NOT_IN_THE_FILE):
            continue
        tensors = gguf_latent_tensors(family, name, tensor)
        is_expert = ".experts." in name and not name.endswith("bias")
        outputs_first = tensor.mT if is_expert and family.startswith(INPUTS_FIRST) else tensor
        tensors = tensors or gguf_mlp_tensors(name, outputs_first, family == "gpt_oss", has_experts)
        if architecture in FUSED_EXPERTS and ".experts.gate_up" in name:
            tensors = {new.replace("gate_exps", "gate_up_exps"): tensor for new in tensors if "gate_exps" in new}
        if not tensors:
            plain = name.replace(".language_model.", ".")
            plain = plain.removeprefix("transformer.") if family == "bloom" else plain  # as its converter does
            plain = plain.replace("model.", "backbone.", 1) if family.startswith("nemotron_h") else plain
            new = names.get_name(plain, try_suffixes=(".weight", ".bias"))
            assert new is not None, name
            tensors = {new: converted(family, name, tensor)}
        found |= {new: part.float().contiguous() for new, part in tensors.items()}
    return found


def converted(family: str, name: str, tensor: Tensor) -> Tensor:
    """A tensor in the layout of GGUF files."""
    described = ALL_MODELS[family]
    if family == "gpt2" and name.endswith((".c_attn.weight", ".c_proj.weight", ".c_fc.weight")):
        return tensor.T
    if described.gguf_architecture == "llama" and name.endswith(("q_proj.weight", "k_proj.weight")):
        heads = 4 if "q_proj" in name else described.kv_heads  # in pairs, as rotary takes them there
        return tensor.unflatten(0, (heads, 2, -1)).transpose(1, 2).flatten(0, 2)
    if family.startswith(("gpt_neox", "bloom", "falcon")) and "query_key_value" in name:
        groups = tensor.unflatten(0, (described.kv_heads, -1, 8))
        return torch.cat([part.flatten(0, 2) for part in (groups[:, :-2], groups[:, -2:-1], groups[:, -1:])])
    if (family.startswith(NORMS_MINUS_ONE) or family in ("gemma", "nemotron")) and name.endswith("norm.weight"):
        return tensor + 1
    return tensor


def gguf_latent_tensors(family: str, name: str, tensor: Tensor) -> dict[str, Tensor]:
    """The tensors in a GGUF file that hold the two parts of `kv_b_proj`; none from others."""
    if not name.endswith("kv_b_proj.weight"):
        return {}
    layer = name.removeprefix("model.layers.").partition(".")[0]
    keys, values = tensor.unflatten(0, (4, -1)).split([8, ALL_MODELS[family].head_width], 1)
    return {f"blk.{layer}.attn_k_b.weight": keys.transpose(1, 2), f"blk.{layer}.attn_v_b.weight": values}


def gguf_mlp_tensors(name: str, tensor: Tensor, is_interleaved: bool, has_experts: bool) -> dict[str, Tensor]:
    """The tensors of routers, experts and shared MLPs in a GGUF file, from one of transformers'; none from others."""
    layer, _, part = name.removeprefix("model.layers.").partition(".")
    start, place = f"blk.{layer}.ffn_", part.partition(".")[0]
    if place == "shared_mlp":
        parts = {"down": tensor} if "output" in part else dict(zip(("gate", "up"), tensor.chunk(2), strict=True))
        ending = "_shexp.weight" if has_experts else ".weight"
        return {f"{start}{name}{ending}": each for name, each in parts.items()}
    if place in ("mlp", "block_sparse_moe", "feed_forward", "mixer"):
        part = part.partition(".")[2]
    if part in ROUTER_SCALES:
        return {start + ROUTER_SCALES[part]: tensor}
    if part.endswith("_latent_proj.weight"):
        return {f"{start}latent_{'down' if 'fc1' in part else 'up'}.weight": tensor}
    if part.startswith("experts."):
        return {start + new: each for new, each in gguf_experts(part, tensor, is_interleaved).items()}
    if part.endswith(("e_score_correction_bias", "expert_bias")):
        return {f"blk.{layer}.exp_probs_b.bias": tensor}
    if part == "shared_expert_gate.weight":
        return {f"{start}gate_inp_shexp.weight": tensor[0]}
    if part.startswith("shared_expert"):
        return {f"{start}{part.split('.')[1].removesuffix('_proj')}_shexp.weight": tensor}
    return {f"{start}gate_inp.{part.split('.')[-1]}": tensor} if part.startswith(("gate.", "router.")) else {}


def gguf_experts(part: str, tensor: Tensor, is_interleaved: bool) -> dict[str, Tensor]:
    """The tensors of all experts; gate and up take turns if `is_interleaved`."""
    ending = "bias" if part.endswith("bias") else "weight"
    if "down_proj" in part:
        return {f"down_exps.{ending}": tensor}
    if part == "experts.up_proj":
        return {"up_exps.weight": tensor}
    gate, up = (tensor[:, ::2], tensor[:, 1::2]) if is_interleaved else tensor.chunk(2, 1)
    return {f"gate_exps.{ending}": gate, f"up_exps.{ending}": up}


ROUTER_SCALES = {"router.scale": "gate_inp.scale", "router.per_expert_scale": "down_exps.scale"}


NORMS_MINUS_ONE = ("gemma2", "gemma3", "qwen3_5", "qwen3_next")


def uses_rms_norms(family: str) -> bool:
    settings = ALL_MODELS[family].settings
    is_other = "norm_eps" in settings or family.startswith("nemotron_h")
    return "rms_norm_eps" in settings or (is_other and family != "nemotron")


def write_layer_sizes(writer: gguf.GGUFWriter, config: Any) -> None:
    """The entries of Gemma 4."""
    sliding = [kind == "sliding_attention" for kind in config.layer_types]
    writer.add_sliding_window_pattern(sliding)
    writer.add_shared_kv_layers(config.num_kv_shared_layers)
    layers = [config.per_layer_config[layer] for layer in range(len(sliding))]
    writer.add_head_count_kv([layer.num_key_value_heads for layer in layers])
    writer.add_value_length(layers[-1].head_dim)
    writer.add_value_length_swa(layers[0].head_dim)


def write_latents(writer: gguf.GGUFWriter, config: Any) -> None:
    """The entries of attention with latents."""
    writer.add_head_count_kv(1)
    writer.add_kv_lora_rank(config.kv_lora_rank)
    writer.add_rope_dimension_count(config.qk_rope_head_dim)
    writer.add_key_length(config.kv_lora_rank + config.qk_rope_head_dim)
    writer.add_value_length(config.kv_lora_rank)
    writer.add_key_length_mla(config.qk_nope_head_dim + config.qk_rope_head_dim)
    writer.add_value_length_mla(config.v_head_dim)


def write_experts(writer: gguf.GGUFWriter, family: str, model: Any) -> None:
    """The entries of a mixture of experts, if there is one."""
    config = model.config.to_dict()
    if any("experts" in name for name in model.state_dict()):
        counts = ("num_local_experts", "num_experts", "n_routed_experts")
        writer.add_expert_count(next(config[key] for key in counts if key in config))
        writer.add_expert_used_count(config.get("num_experts_per_tok") or config["top_k_experts"])
    if "n_group" in config:
        writer.add_expert_group_count(config["n_group"])
        writer.add_expert_group_used_count(config["topk_group"])
        writer.add_expert_weights_scale(config["routed_scaling_factor"])
        is_softmax = family.startswith(("deepseek_v2", "mistral4"))
        writer.add_expert_gating_func(gguf.ExpertGatingFuncType[("SIGMOID", "SOFTMAX")[is_softmax]])
        writer.add_expert_weights_norm(config.get("norm_topk_prob", False))


def save_gguf(path: Path, family: str, model: Any) -> Path:
    """Writes the model as a GGUF file in F32."""
    shape = ALL_MODELS[family]
    writer = gguf.GGUFWriter(path, str(shape.gguf_architecture))
    writer.add_block_count(len(model_blocks(model)))
    writer.add_embedding_length(32)
    writer.add_head_count(4)
    if family.startswith("gemma4"):
        write_layer_sizes(writer, model.config)
    elif "kv_lora_rank" in shape.settings:
        write_latents(writer, model.config)
    elif shape.head_layers is not None:
        writer.add_head_count_kv([shape.kv_heads * (layer in shape.head_layers) for layer in range(shape.layers)])
    elif shape.kv_heads != 4:
        writer.add_head_count_kv(shape.kv_heads)
    if shape.head_width != 8 and not family.startswith("gemma4") and "kv_lora_rank" not in shape.settings:
        writer.add_value_length(shape.head_width)
    if uses_rms_norms(family):
        writer.add_layer_norm_rms_eps(shape.epsilon)
    else:
        writer.add_layer_norm_eps(shape.epsilon)
    if family.startswith("granite"):
        writer.add_embedding_scale(shape.embedding_scale)
        writer.add_residual_scale(model.config.residual_multiplier)
    write_experts(writer, family, model)
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
