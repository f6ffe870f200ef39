"""Models of the shape of GPT-2 xl and of Llama-3.1 70B with random weights, mapped in part: seconds and bytes read.

`python benchmarks/shapes.py NAME` makes the folder, maps some layers with the library and prints JSON. Only the layers
that are mapped have weights; the configuration and the index speak of all of them.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # a script's own folder is on the path, the project's root is not
    sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from torch import Tensor

from maps.mapping.mapper import map_model
from maps.mapping.reading import Reading
from maps.mapping.settings import MappingSettings
from maps.types import Relation
from maps.weights.stored import SafetensorsFiles

MAPPED_LAYERS = (1, 2)  # the layers that have weights and are mapped
PAIR_COUNT = 3000


@dataclass(frozen=True)
class BenchmarkShape:
    """A model: its configuration, the tensors by role with their shapes, `{i}` standing for the layer."""

    config: dict[str, Any]
    layers: int
    vocabulary: int
    model_tensors: dict[str, tuple[int, ...]]
    layer_tensors: dict[str, tuple[int, ...]]
    dtype: torch.dtype
    first_mlp: bool


GPT2_XL_WIDTH, LLAMA_WIDTH, LLAMA_MLP_WIDTH, LLAMA_KV_WIDTH = 1600, 8192, 28672, 1024
SHAPES = {
    "gpt2-xl": BenchmarkShape(
        {"model_type": "gpt2", "n_layer": 48, "n_head": 25, "n_embd": GPT2_XL_WIDTH, "vocab_size": 50257},
        48,
        50257,
        {
            "transformer.wte.weight": (50257, GPT2_XL_WIDTH),
            "transformer.ln_f.weight": (GPT2_XL_WIDTH,),
            "transformer.ln_f.bias": (GPT2_XL_WIDTH,),
            "transformer.h.0.ln_2.weight": (GPT2_XL_WIDTH,),
            "transformer.h.0.ln_2.bias": (GPT2_XL_WIDTH,),
            "transformer.h.0.mlp.c_fc.weight": (GPT2_XL_WIDTH, 4 * GPT2_XL_WIDTH),
            "transformer.h.0.mlp.c_fc.bias": (4 * GPT2_XL_WIDTH,),
            "transformer.h.0.mlp.c_proj.weight": (4 * GPT2_XL_WIDTH, GPT2_XL_WIDTH),
            "transformer.h.0.mlp.c_proj.bias": (GPT2_XL_WIDTH,),
        },
        {
            "transformer.h.{i}.attn.c_attn.weight": (GPT2_XL_WIDTH, 3 * GPT2_XL_WIDTH),
            "transformer.h.{i}.attn.c_proj.weight": (GPT2_XL_WIDTH, GPT2_XL_WIDTH),
        },
        torch.float32,
        True,
    ),
    "llama-70b": BenchmarkShape(
        {
            "model_type": "llama",
            "num_hidden_layers": 80,
            "num_attention_heads": 64,
            "num_key_value_heads": 8,
            "hidden_size": LLAMA_WIDTH,
            "intermediate_size": LLAMA_MLP_WIDTH,
            "vocab_size": 128256,
            "rms_norm_eps": 1e-5,
            "hidden_act": "silu",
            "tie_word_embeddings": False,
        },
        80,
        128256,
        {
            "model.embed_tokens.weight": (128256, LLAMA_WIDTH),
            "lm_head.weight": (128256, LLAMA_WIDTH),
            "model.norm.weight": (LLAMA_WIDTH,),
        },
        {
            "model.layers.{i}.self_attn.q_proj.weight": (LLAMA_WIDTH, LLAMA_WIDTH),
            "model.layers.{i}.self_attn.k_proj.weight": (LLAMA_KV_WIDTH, LLAMA_WIDTH),
            "model.layers.{i}.self_attn.v_proj.weight": (LLAMA_KV_WIDTH, LLAMA_WIDTH),
            "model.layers.{i}.self_attn.o_proj.weight": (LLAMA_WIDTH, LLAMA_WIDTH),
            "model.layers.{i}.mlp.gate_proj.weight": (LLAMA_MLP_WIDTH, LLAMA_WIDTH),
            "model.layers.{i}.mlp.up_proj.weight": (LLAMA_MLP_WIDTH, LLAMA_WIDTH),
            "model.layers.{i}.mlp.down_proj.weight": (LLAMA_WIDTH, LLAMA_MLP_WIDTH),
            "model.layers.{i}.input_layernorm.weight": (LLAMA_WIDTH,),
            "model.layers.{i}.post_attention_layernorm.weight": (LLAMA_WIDTH,),
        },
        torch.bfloat16,
        False,
    ),
}
STORED_TENSORS = ("v_proj", "o_proj", "c_attn", "c_proj")  # of a layer's tensors, those that have weights on disk


def invented_word(number: int) -> str:
    letters = ""
    while number >= 0:
        letters = chr(ord("a") + number % 26) + letters
        number = number // 26 - 1
    return letters


def build_tokenizer(size: int) -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel({f"Ġ{invented_word(i)}": i for i in range(size)}, unk_token="Ġa"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def random_tensor(shape: tuple[int, ...], dtype: torch.dtype, seed: int) -> Tensor:
    """Normal entries of deviation 0.02, made some rows at a time."""
    generator = torch.Generator().manual_seed(seed)
    out = torch.empty(shape, dtype=dtype)
    for rows in out.split(4096):
        rows.copy_(torch.randn(rows.shape, generator=generator) * 0.02)
    return out


def write_model(folder: Path, shape: BenchmarkShape) -> None:
    """Writes the model: a shard a tensor, and an index that lists the whole model's."""
    (folder / "config.json").write_text(json.dumps(shape.config))
    build_tokenizer(shape.vocabulary).save(str(folder / "tokenizer.json"))
    sizes = dict(shape.model_tensors)
    for layer in range(shape.layers):
        sizes |= {name.format(i=layer): size for name, size in shape.layer_tensors.items()}
    here = set(shape.model_tensors)
    for layer in MAPPED_LAYERS:
        here |= {name.format(i=layer) for name in shape.layer_tensors if any(part in name for part in STORED_TENSORS)}
    files = {name: f"model-{number:05d}.safetensors" for number, name in enumerate(sizes)}
    total = sum(torch.Size(size).numel() for size in sizes.values()) * shape.dtype.itemsize
    index = {"metadata": {"total_size": total}, "weight_map": files}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    for number, name in enumerate(sorted(here)):
        save_file({name: random_tensor(sizes[name], shape.dtype, number)}, folder / files[name])


class LayerClock:
    """Seconds of every layer, told by the progress of `map_model`; `now` is the clock: wall or processor."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.layer_seconds: list[float] = []
        self.now = now

    def __call__(self, todo: Sequence[int], _done: int) -> Iterator[int]:
        for layer in todo:
            start = self.now()
            yield layer
            self.layer_seconds.append(self.now() - start)
            print(f"layer {layer}: {self.layer_seconds[-1]:.1f} s", file=sys.stderr)


class ReadCounter:
    """How many bytes of tensors were read."""

    def __init__(self) -> None:
        self.bytes_read = 0
        read = SafetensorsFiles.read

        def counting(files: SafetensorsFiles, name: str) -> Tensor:
            tensor = read(files, name)
            self.bytes_read += tensor.nbytes
            return tensor

        SafetensorsFiles.read = counting  # type: ignore[method-assign, assignment]


def measure(name: str, now: Callable[[], float] = time.perf_counter) -> dict[str, float]:
    """Makes a model and maps its layers: seconds, and bytes for the whole model beside what its index lists."""
    shape, clock, files = SHAPES[name], LayerClock(now), ReadCounter()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_model(folder, shape)
        listed = json.loads((folder / "model.safetensors.index.json").read_text())["metadata"]["total_size"]
        generator = torch.Generator().manual_seed(1)
        ids = torch.randint(shape.vocabulary, (PAIR_COUNT, 2), generator=generator).tolist()
        relation = Relation("random", "", tuple((invented_word(s), invented_word(t)) for s, t in ids))
        settings = MappingSettings(
            (relation,),
            reading=Reading("mlp" if shape.first_mlp else "embedding"),
            layers=(MAPPED_LAYERS[0], MAPPED_LAYERS[-1]),
        )
        start = now()
        map_model(str(folder), folder / "atlas", settings, progress=clock)
        seconds = now() - start
    layer = clock.layer_seconds[-1]  # the first one waits for E, U and Ẽ to be read
    fixed = seconds - len(clock.layer_seconds) * layer
    one_layer = sum(
        torch.Size(s).numel() for n, s in shape.layer_tensors.items() if any(p in n for p in STORED_TENSORS)
    )
    one_layer *= shape.dtype.itemsize
    read = files.bytes_read + (shape.layers - len(MAPPED_LAYERS)) * one_layer
    return {
        "fixed_seconds": fixed,
        "layer_seconds": layer,
        "layers": shape.layers,
        "whole_seconds": fixed + shape.layers * layer,
        "bytes_read": read,
        "bytes_listed": listed,
    }


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1])))
