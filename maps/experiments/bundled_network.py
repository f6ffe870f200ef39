"""The bundled model as transformers runs it, built in seconds from the weights that MAPS reads.

transformers itself takes half a minute, because it reads a GGUF file's header three times, string by string. Here its
own classes get the tensors of our reader. A test compares them with what transformers loads, number by number.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from maps.errors import NotRunnableError
from maps.experiments.hooked_model import HookedModel
from maps.mapping.model import Model
from maps.weights.checkpoint import Checkpoint
from maps.weights.gguf_file import GgufFile
from maps.weights.tokens import Vocabulary

ROTATED_ROLES = ("query", "key")  # GGUF files keep the two halves of a rotated head entry by entry


def open_bundled_network(model: Model) -> HookedModel:
    """The bundled model with hooks, in float32; raises NotRunnableError for any other model.

    It shares the embedding with `model`.
    """
    from transformers import LlamaForCausalLM

    source, checkpoint = model.checkpoint.source, model.checkpoint
    if not isinstance(source, GgufFile) or model.shape.architecture != "llama" or not checkpoint.is_tied:
        raise NotRunnableError(f"{model.name} is not the bundled model.")
    with torch.device("meta"):
        network: Any = LlamaForCausalLM(network_config(checkpoint, source))
    network.load_state_dict(network_tensors(model), assign=True, strict=False)  # the tied unembedding is no tensor
    network.tie_weights()
    network.model.rotary_emb = type(network.model.rotary_emb)(config=network.config)  # made of numbers, not of weights
    hooked_model = HookedModel(model, network.eval(), PlainTokenizer(model.vocabulary))
    hooked_model.check_weights()
    return hooked_model


class PlainTokenizer:
    """The model's own tokenizer with the call of transformers' one; the bundled model puts no token in front."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary

    def __call__(self, texts: list[str]) -> Any:
        encoded = self.vocabulary.tokenizer.encode_batch(texts, add_special_tokens=False)
        return SimpleNamespace(input_ids=[each.ids for each in encoded])


def network_config(checkpoint: Checkpoint, source: GgufFile) -> Any:
    """The configuration, from the shape and the file's metadata."""
    from transformers import LlamaConfig

    shape, metadata = checkpoint.shape, next(iter(source.part_of_tensor.values())).header.metadata
    return LlamaConfig(
        vocab_size=source.shape(checkpoint.tensor_name("embedding"))[0],
        hidden_size=shape.width,
        intermediate_size=source.shape(checkpoint.tensor_name("mlp_up"))[0],
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        head_dim=shape.head_width,
        rms_norm_eps=shape.epsilon,
        max_position_embeddings=metadata["llama.context_length"],
        rope_parameters={"rope_type": "default", "rope_theta": metadata["llama.rope.freq_base"]},
        tie_word_embeddings=True,
        attn_implementation="eager",
    )


def network_tensors(model: Model) -> dict[str, Tensor]:
    """The tensors under transformers' names, in float32."""
    checkpoint, hub_names = model.checkpoint, model.checkpoint.family.hub.names
    tensors = {hub_names["embedding"]: model.embedding.float()}
    tensors[hub_names["final_norm"]] = checkpoint.read(checkpoint.tensor_name("final_norm")).float()
    roles = [role for role, name in hub_names.items() if "{i}" in name]
    for layer in range(model.shape.layers):
        for role in roles:
            weight = checkpoint.read(checkpoint.tensor_name(role, layer)).float()
            if role in ROTATED_ROLES:
                weight = weight.unflatten(0, (-1, model.shape.head_width // 2, 2)).transpose(1, 2).flatten(0, 2)
            tensors[hub_names[role].format(i=layer)] = weight
    return tensors
