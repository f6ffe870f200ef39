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
from maps.mapping.settings import Settings
from maps.types import Relation
from maps.weights.stored import SafetensorsFiles

MAPPED = (1, 2)  # the layers that have weights and are mapped
PAIRS = 3000


@dataclass(frozen=True)
class Shape:
    """A model: its configuration, the tensors by role with their shapes, `{i}` standing for the layer."""

    config: dict[str, Any]
    layers: int
    vocabulary: int
    whole: dict[str, tuple[int, ...]]
    layer: dict[str, tuple[int, ...]]
    dtype: torch.dtype
    first_mlp: bool


XL, BIG, INNER, KV = 1600, 8192, 28672, 1024
SHAPES = {
    "gpt2-xl": Shape(
        {"model_type": "gpt2", "n_layer": 48, "n_head": 25, "n_embd": XL, "vocab_size": 50257},
        48,
        50257,
        {
            "transformer.wte.weight": (50257, XL),
            "transformer.ln_f.weight": (XL,),
            "transformer.ln_f.bias": (XL,),
            "transformer.h.0.ln_2.weight": (XL,),
            "transformer.h.0.ln_2.bias": (XL,),
            "transformer.h.0.mlp.c_fc.weight": (XL, 4 * XL),
            "transformer.h.0.mlp.c_fc.bias": (4 * XL,),
            "transformer.h.0.mlp.c_proj.weight": (4 * XL, XL),
            "transformer.h.0.mlp.c_proj.bias": (XL,),
        },
        {
            "transformer.h.{i}.attn.c_attn.weight": (XL, 3 * XL),
            "transformer.h.{i}.attn.c_proj.weight": (XL, XL),
        },
        torch.float32,
        True,
    ),
    "llama-70b": Shape(
        {
            "model_type": "llama",
            "num_hidden_layers": 80,
            "num_attention_heads": 64,
            "num_key_value_heads": 8,
            "hidden_size": BIG,
            "intermediate_size": INNER,
            "vocab_size": 128256,
            "rms_norm_eps": 1e-5,
            "hidden_act": "silu",
            "tie_word_embeddings": False,
        },
        80,
        128256,
        {
            "model.embed_tokens.weight": (128256, BIG),
            "lm_head.weight": (128256, BIG),
            "model.norm.weight": (BIG,),
        },
        {
            "model.layers.{i}.self_attn.q_proj.weight": (BIG, BIG),
            "model.layers.{i}.self_attn.k_proj.weight": (KV, BIG),
            "model.layers.{i}.self_attn.v_proj.weight": (KV, BIG),
            "model.layers.{i}.self_attn.o_proj.weight": (BIG, BIG),
            "model.layers.{i}.mlp.gate_proj.weight": (INNER, BIG),
            "model.layers.{i}.mlp.up_proj.weight": (INNER, BIG),
            "model.layers.{i}.mlp.down_proj.weight": (BIG, INNER),
            "model.layers.{i}.input_layernorm.weight": (BIG,),
            "model.layers.{i}.post_attention_layernorm.weight": (BIG,),
        },
        torch.bfloat16,
        False,
    ),
}
MADE = ("v_proj", "o_proj", "c_attn", "c_proj")  # of a layer's tensors, those that have weights on disk


def word(number: int) -> str:
    """A made-up word of letters for a number."""
    letters = ""
    while number >= 0:
        letters = chr(ord("a") + number % 26) + letters
        number = number // 26 - 1
    return letters


def made_tokenizer(size: int) -> Tokenizer:
    """A tokenizer whose every entry is a made-up word behind a space."""
    tokenizer = Tokenizer(models.WordLevel({f"Ġ{word(i)}": i for i in range(size)}, unk_token="Ġa"))
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


def make(folder: Path, shape: Shape) -> None:
    """Writes the model: a shard a tensor, and an index that lists the whole model's."""
    (folder / "config.json").write_text(json.dumps(shape.config))
    made_tokenizer(shape.vocabulary).save(str(folder / "tokenizer.json"))
    sizes = dict(shape.whole)
    for layer in range(shape.layers):
        sizes |= {name.format(i=layer): size for name, size in shape.layer.items()}
    here = set(shape.whole)
    for layer in MAPPED:
        here |= {name.format(i=layer) for name in shape.layer if any(part in name for part in MADE)}
    files = {name: f"model-{number:05d}.safetensors" for number, name in enumerate(sizes)}
    total = sum(torch.Size(size).numel() for size in sizes.values()) * shape.dtype.itemsize
    index = {"metadata": {"total_size": total}, "weight_map": files}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    for number, name in enumerate(sorted(here)):
        save_file({name: random_tensor(sizes[name], shape.dtype, number)}, folder / files[name])


class Clock:
    """Seconds of every layer, told by the progress of `map_model`; `now` is the clock: wall or processor."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.layers: list[float] = []
        self.now = now

    def __call__(self, todo: Sequence[int], _done: int) -> Iterator[int]:
        for layer in todo:
            start = self.now()
            yield layer
            self.layers.append(self.now() - start)
            print(f"layer {layer}: {self.layers[-1]:.1f} s", file=sys.stderr)


class CountedFiles:
    """How many bytes of tensors were read."""

    def __init__(self) -> None:
        self.bytes = 0
        read = SafetensorsFiles.read

        def counting(files: SafetensorsFiles, name: str) -> Tensor:
            tensor = read(files, name)
            self.bytes += tensor.nbytes
            return tensor

        SafetensorsFiles.read = counting  # type: ignore[method-assign, assignment]


def measure(name: str, now: Callable[[], float] = time.perf_counter) -> dict[str, float]:
    """Makes a model and maps its layers: seconds, and bytes for the whole model beside what its index lists."""
    shape, clock, files = SHAPES[name], Clock(now), CountedFiles()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        make(folder, shape)
        listed = json.loads((folder / "model.safetensors.index.json").read_text())["metadata"]["total_size"]
        generator = torch.Generator().manual_seed(1)
        ids = torch.randint(shape.vocabulary, (PAIRS, 2), generator=generator).tolist()
        relation = Relation("random", "", tuple((word(s), word(t)) for s, t in ids))
        settings = Settings((relation,), first_mlp=shape.first_mlp, layers=(MAPPED[0], MAPPED[-1]))
        start = now()
        map_model(str(folder), folder / "atlas", settings, progress=clock)
        seconds = now() - start
    layer = clock.layers[-1]  # the first one waits for E, U and Ẽ to be read
    fixed = seconds - len(clock.layers) * layer
    one_layer = sum(torch.Size(s).numel() for n, s in shape.layer.items() if any(p in n for p in MADE))
    one_layer *= shape.dtype.itemsize
    read = files.bytes + (shape.layers - len(MAPPED)) * one_layer
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
