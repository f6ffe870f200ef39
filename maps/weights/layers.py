"""What differs from layer to layer in a model: which layers have heads, how many and how wide, and which has an MLP."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from maps.errors import MapsError
from maps.text import shorten
from maps.weights.checkpoint import Checkpoint
from maps.weights.shape import ConfigEntries, LayerSizes

MLP_ROLES = ("mlp_up", "mlp_gate_up", "mlp_router")  # an MLP has one of them


def fit_layers(checkpoint: Checkpoint, entries: ConfigEntries) -> Checkpoint:
    """The checkpoint with what its tensors, and its configuration, say of single layers.

    Raises MapsError if no layer has heads, or if they do not fit each other.
    """
    changes: dict[str, Any] = {"first_mlp": find_first_mlp(checkpoint)}
    if checkpoint.family.has_layers_without_heads:
        changes["head_layers"] = find_head_layers(checkpoint)
    if checkpoint.family.layer_kinds is not None:
        sizes = read_layer_sizes(checkpoint, entries)
        changes |= {
            "layer_sizes": sizes,
            "kv_heads": max(each.kv_heads for each in sizes),
            "head_width": max(each.head_width for each in sizes),
        }
    return replace(checkpoint, shape=replace(checkpoint.shape, **changes))


def find_first_mlp(checkpoint: Checkpoint) -> int:
    """The first layer with an MLP or a mixture of experts: the first of all, but where each layer is only one part."""
    layers = range(checkpoint.shape.layers)
    return next((i for i in layers if any(checkpoint.find_tensor_name(role, i) for role in MLP_ROLES)), 0)


def find_head_layers(checkpoint: Checkpoint) -> tuple[int, ...]:
    """The layers with values; raises MapsError if there are none."""
    layers = checkpoint.shape.layers
    found = tuple(i for i in range(layers) if checkpoint.find_tensor_name("value", i) is not None)
    if not found:
        raise checkpoint.missing_tensor_error(*checkpoint.layout.candidate_names("value", layers - 1))
    return found


def read_layer_sizes(checkpoint: Checkpoint, entries: ConfigEntries) -> tuple[LayerSizes, ...]:
    """The sizes of every layer, by its tensors, and whose values its heads read, by the configuration."""
    sizes = []
    for layer, values_from in enumerate(find_value_layers(checkpoint, entries)):
        norm = checkpoint.source.shape(checkpoint.tensor_name("query_norm", layer))
        value = checkpoint.source.shape(checkpoint.locate_head_weights("value", values_from)[0])
        if len(norm) != 1 or not norm[0] or len(value) != 2 or not value[0] or value[0] % norm[0]:
            raise MapsError(f"The value heads of layer {layer} of {checkpoint.model} do not fit its query norm.")
        sizes.append(LayerSizes(value[0] // norm[0], norm[0], values_from))
    return tuple(sizes)


def find_value_layers(checkpoint: Checkpoint, entries: ConfigEntries) -> list[int]:
    """For each layer the one whose values its heads read: of the last ones, the last of the same kind before them."""
    names, layers = checkpoint.family.layer_kinds, checkpoint.shape.layers
    assert names is not None
    is_gguf = checkpoint.layout is checkpoint.family.gguf
    prefix = f"{checkpoint.family.architecture}." if is_gguf else ""
    shared_key, kinds_key = (names.gguf_shared, names.gguf_kinds) if is_gguf else (names.shared, names.kinds)
    shared, kinds = (entries.values.get(prefix + key) for key in (shared_key, kinds_key))
    if not shared:
        return list(range(layers))
    kinds = kinds if isinstance(kinds, list) and all(isinstance(kind, str | bool) for kind in kinds) else []
    if type(shared) is not int or not 0 < shared < layers or len(kinds) != layers:
        raise MapsError(
            f"{entries.origin} does not say with {shared_key} and {kinds_key} which of its {layers} layers share "
            "values, so the model cannot be mapped."
        )
    own = layers - shared
    last = {kind: layer for layer, kind in enumerate(kinds[:own])}
    missing = [kind for kind in kinds[own:] if kind not in last]
    if missing:
        raise MapsError(
            f"In {entries.origin} the last layers share the values of a layer of the kind "
            f"{shorten(str(missing[0]), 40)}, and there is none; download the model again."
        )
    return [*range(own), *(last[kind] for kind in kinds[own:])]
