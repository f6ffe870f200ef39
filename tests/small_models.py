"""Small random models of the Llama family, on disk as people have them, and their plain formula in float64."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import pytest
import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from torch import Tensor
from torch.nn.functional import silu

from maps.atlas.schema import Row
from maps.weights.tokens import byte_alphabet

WORDS_TEXT = "amber basket candle desert engine falcon garden hammer island jacket kettle ladder magnet needle orange"
WORDS = WORDS_TEXT.split()
SPECIAL_TOKEN = "<|endoftext|>"
Weights = dict[str, Tensor]


@dataclass(frozen=True)
class SmallModel:
    """The numbers of a small model; `padding_rows` rows of the embedding stand for no token."""

    width: int = 32
    mlp_width: int = 48
    layers: int = 2
    heads: int = 4
    kv_heads: int = 2
    head_width: int = 8
    padding_rows: int = 0
    tied_embeddings: bool = False
    epsilon: float = 2.0**-17  # the same in float32, as GGUF files keep it


def tokens_and_merges() -> tuple[list[str], list[tuple[str, str]]]:
    """A byte-level vocabulary of all bytes, the WORDS behind a space and their beginnings, with its merges."""
    tokens, merges = list(byte_alphabet()), []
    for word in WORDS:
        for end in range(len(word)):
            left, right = "Ġ" + word[:end], word[end]
            if left + right not in tokens:
                tokens.append(left + right)
                merges.append((left, right))
    return [*tokens, SPECIAL_TOKEN], merges


def byte_level_tokenizer() -> Tokenizer:
    """The byte-level tokenizer of `tokens_and_merges`; its last id is an added token."""
    tokens, merges = tokens_and_merges()
    tokenizer = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens[:-1])}, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(SPECIAL_TOKEN, normalized=False)])
    return tokenizer


VOCABULARY_SIZE = len(tokens_and_merges()[0])


def tokenizer_with_words(texts: Sequence[str]) -> Tokenizer:
    """The byte-level tokenizer with further tokens, which no merges lead to, and `ignore_merges` as Llama 3 has it."""
    state = json.loads(byte_level_tokenizer().to_str())
    letter = {byte: character for character, byte in byte_alphabet().items()}
    words = ["".join(letter[byte] for byte in text.encode()) for text in texts]
    vocabulary = {token: i for i, token in enumerate([*tokens_and_merges()[0], *words])}
    return Tokenizer.from_str(
        json.dumps(state | {"model": state["model"] | {"vocab": vocabulary, "ignore_merges": True}})
    )


def random_weights(small: SmallModel, seed: int = 0) -> Weights:
    """Random weights under their Hugging Face names; three pairs of embedding rows are the same."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int, scale: float = 1.0) -> Tensor:
        return torch.randn(*shape, generator=generator) * scale

    s, rows = small, VOCABULARY_SIZE + small.padding_rows
    embedding = normal(rows, s.width)
    embedding[[7, 300, 301]] = embedding[[4, 30, 30]]
    made = {"model.embed_tokens.weight": embedding, "model.norm.weight": torch.ones(s.width)}
    if not s.tied_embeddings:
        made["lm_head.weight"] = normal(rows, s.width)
        made["lm_head.weight"][[9, 200]] = made["lm_head.weight"][[8, 100]]
    for layer in range(s.layers):
        at = f"model.layers.{layer}."
        made[at + "input_layernorm.weight"] = torch.ones(s.width)
        made[at + "post_attention_layernorm.weight"] = 1 + normal(s.width, scale=0.3)
        for name, n in (("q", s.heads), ("k", s.kv_heads), ("v", s.kv_heads)):
            made[at + f"self_attn.{name}_proj.weight"] = normal(n * s.head_width, s.width, scale=0.2)
        made[at + "self_attn.o_proj.weight"] = normal(s.width, s.heads * s.head_width, scale=0.2)
        made[at + "mlp.gate_proj.weight"] = normal(s.mlp_width, s.width, scale=0.2)
        made[at + "mlp.up_proj.weight"] = normal(s.mlp_width, s.width, scale=0.2)
        made[at + "mlp.down_proj.weight"] = normal(s.width, s.mlp_width, scale=0.2)
    return made


def config_json(small: SmallModel) -> dict[str, object]:
    s = small
    return {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "hidden_size": s.width,
        "intermediate_size": s.mlp_width,
        "num_hidden_layers": s.layers,
        "num_attention_heads": s.heads,
        "num_key_value_heads": s.kv_heads,
        "head_dim": s.head_width,
        "hidden_act": "silu",
        "rms_norm_eps": s.epsilon,
        "vocab_size": VOCABULARY_SIZE + s.padding_rows,
        "tie_word_embeddings": s.tied_embeddings,
    }


def save_model_folder(folder: Path, small: SmallModel, tensors: Weights, **changes: object) -> Path:
    """Writes the model as a Hugging Face folder; `changes` replace entries of config.json."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({**config_json(small), **changes}))
    byte_level_tokenizer().save(str(folder / "tokenizer.json"))
    save_file(tensors, folder / "model.safetensors")
    return folder


GGUF_NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def gguf_name(name: str) -> str:
    for ours, theirs in GGUF_NAMES.items():
        name = name.replace(ours + ".", theirs + ".")
    return name.replace("model.layers.", "blk.")


def save_gguf(
    path: Path,
    small: SmallModel,
    tensors: Weights,
    quantization: gguf.GGMLQuantizationType = gguf.GGMLQuantizationType.F32,
    special_token: str = SPECIAL_TOKEN,
    split_max_tensors: int = 0,
) -> Path:
    """Writes the model as a GGUF file of that type (vectors stay F32), its padding rows listed as converters do.

    `split_max_tensors`: of a part, where it is written in several.
    """
    path.parent.mkdir(exist_ok=True)
    writer = gguf.GGUFWriter(path, "llama", split_max_tensors=split_max_tensors)
    writer.add_block_count(small.layers)
    writer.add_embedding_length(small.width)
    writer.add_feed_forward_length(small.mlp_width)
    writer.add_head_count(small.heads)
    writer.add_head_count_kv(small.kv_heads)
    writer.add_value_length(small.head_width)
    writer.add_layer_norm_rms_eps(small.epsilon)
    tokens, merges = tokens_and_merges()
    types = [gguf.TokenType.NORMAL] * (len(tokens) - 1) + [gguf.TokenType.CONTROL]
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(
        [*tokens[:-1], special_token, *(f"[PAD{len(tokens) + i}]" for i in range(small.padding_rows))]
    )
    writer.add_token_types([*types, *[gguf.TokenType.UNUSED] * small.padding_rows])
    writer.add_token_merges([" ".join(pair) for pair in merges])
    for name, tensor in tensors.items():
        stored = quantization if tensor.ndim == 2 else gguf.GGMLQuantizationType.F32
        writer.add_tensor(gguf_name(name), gguf.quantize(tensor.numpy(), stored), raw_dtype=stored)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def unique_rows(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """The different rows, and which of them each row is: what is computed from them ties exactly."""
    rows, which = torch.unique(matrix, dim=0, return_inverse=True)
    return rows, which


@dataclass(frozen=True)
class PlainMatrix:
    """One head by the formula of the paper: M (V, V) and σ (V,), in float64."""

    matrix: Tensor
    sigma: Tensor

    def ordered_targets(self, source: int) -> list[int]:
        """All targets of a source, highest first, ties by lower id."""
        return self.matrix[source].sort(descending=True, stable=True).indices.tolist()

    def salient_tokens(self, count: int) -> list[int]:
        """The sources of highest saliency, ties by lower id."""
        return self.sigma.sort(descending=True, stable=True).indices[:count].tolist()

    def relation_score(self, pairs: list[tuple[int, int]], k: int) -> tuple[float, float]:
        """Relation score and suppression of pairs of ids."""
        rows = [(self.matrix[s], self.matrix[s, t]) for s, t in pairs]
        top = sum(int((row > own).sum()) < k for row, own in rows)
        bottom = sum(int((row < own).sum()) < k for row, own in rows)
        return top / len(pairs), bottom / len(pairs)


def plain_matrix(small: SmallModel, tensors: Weights, layer: int, head: int, with_mlp: bool = True) -> PlainMatrix:
    """M formed as it stands in the paper, section 2: Ẽ W_V W_O U, Ẽ = E in layer 0."""
    w = {name: tensor.double() for name, tensor in tensors.items()}
    e, which = unique_rows(w["model.embed_tokens.weight"][:VOCABULARY_SIZE])
    if layer and with_mlp:
        first = "model.layers.0."
        x = e / (e.square().mean(1, keepdim=True) + small.epsilon).sqrt() * w[first + "post_attention_layernorm.weight"]
        x = silu(x @ w[first + "mlp.gate_proj.weight"].T) * (x @ w[first + "mlp.up_proj.weight"].T)
        e = x @ w[first + "mlp.down_proj.weight"].T
    u, column = unique_rows(w.get("lm_head.weight", w["model.embed_tokens.weight"])[:VOCABULARY_SIZE])
    d, kv = small.head_width, head // (small.heads // small.kv_heads)
    value = w[f"model.layers.{layer}.self_attn.v_proj.weight"][kv * d : (kv + 1) * d].T
    output = w[f"model.layers.{layer}.self_attn.o_proj.weight"][:, head * d : (head + 1) * d].T
    written = e @ (value @ output)
    return PlainMatrix((written @ u.T)[which][:, column], (written.norm(dim=1) / e.norm(dim=1))[which])


def approximate_rows(rows: Sequence[Row], relative: float = 1e-4) -> list[Row]:
    """Rows to compare with others: floats to that precision, all else exactly, the shares of relations too."""

    def loose(name: str, value: Any) -> Any:
        floats = isinstance(value, float) or (isinstance(value, list) and any(isinstance(x, float) for x in value))
        return (
            pytest.approx(value, rel=relative, abs=1e-6) if floats and name not in ("score", "suppression") else value
        )

    return [{name: loose(name, value) for name, value in row.items()} for row in rows]
