"""Opens folders in the Hugging Face layout: config.json, a tokenizer, and safetensors or else .bin files."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from maps.errors import MapsError
from maps.weights.checkpoint import Checkpoint, TensorSource
from maps.weights.families import family_of_type
from maps.weights.layers import fit_layers
from maps.weights.packed import FP8_BLOCK
from maps.weights.shape import ConfigEntries, read_latent, read_routing, read_shape
from maps.weights.stored import BinFiles, SafetensorsFiles, TensorFiles
from maps.weights.tokenizer_limits import MAX_TOKENIZER_BYTES, check_tokenizer
from maps.weights.tokens import Vocabulary, fit_to_embedding, translate_panics
from maps.weights.unreadable import (
    ADAPTER_CONFIG,
    explain_missing_config,
    explain_missing_weights,
    quantisation_in_config,
    quantisation_in_names,
    refuse_quantised,
)
from maps.weights.weight_files import SAFETENSORS, check_index, choose_weight_files

MAX_JSON_BYTES = 64_000_000  # of config.json and an index
OWN_TOKENIZERS = ("tekken.json", "tiktoken.model")  # of Mistral and of Kimi
OLD_TOKENIZER_FILES = ("vocab.json", "merges.txt", "tokenizer.model", "added_tokens.json", "tokenizer_config.json")
MAX_OLD_TOKENIZER_BYTES = 32_000_000
TIKTOKEN_LINE = re.compile(rb"[A-Za-z0-9+/]+=* \d+\r?\n")


def open_folder(folder: Path, model: str, revision: str | None = None) -> Checkpoint:
    """A checkpoint from a folder; `revision` is its commit if it is known."""
    names = file_names(folder)
    if "config.json" not in names:
        raise MapsError(explain_missing_config(str(folder), names, read_adapter(folder)))
    return build_checkpoint(folder, partial(find_weight_files, folder), model, revision)


def file_names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.is_file()]


def read_adapter(folder: Path) -> dict[str, Any] | None:
    """The content of adapter_config.json; None if there is none."""
    file = folder / ADAPTER_CONFIG
    return read_json_object(file) if file.exists() else None


def find_weight_files(folder: Path) -> TensorFiles:
    """The files with a folder's weights, chosen as `weight_files` says."""
    names = file_names(folder)
    chosen = choose_weight_files(names)
    if chosen is None:
        raise MapsError(explain_missing_weights(str(folder), names, read_adapter(folder)))
    source, files = SafetensorsFiles if chosen.form is SAFETENSORS else BinFiles, [folder / f for f in chosen.files]
    if chosen.index is None:
        return source.from_files(files)
    places = read_index(folder / chosen.index)
    check_index(chosen, {path.name for path in places.values()}, str(folder), "move the files of the older one away")
    return source(places, folder / chosen.index, files)


def read_index(index: Path) -> dict[str, Path]:
    """The file of each tensor, from an index file."""
    files = read_json_object(index).get("weight_map")
    if not isinstance(files, dict) or not all(isinstance(file, str) for file in files.values()):
        raise MapsError(f"{index} lists no files; download the model again.")
    return {name: index.parent / Path(file).name for name, file in files.items()}


def build_checkpoint(
    folder: Path,
    open_source: Callable[[], TensorSource],
    model: str,
    revision: str | None,
    is_on_disk: bool = True,
    names: Collection[str] | None = None,
) -> Checkpoint:
    """A checkpoint from the config.json and tokenizer in `folder`, with tensors from `open_source()`.

    The source is opened after the configuration was checked: files of weights that are quantised may have types that
    look like damage. `names`: of the model's files, if there are more than those in the folder.
    """
    own_config = read_json_object(folder / "config.json")
    model_type, nested = own_config.get("model_type"), own_config.get("text_config")
    config = {**own_config, **nested} if isinstance(nested, dict) else own_config
    if model_type is None:
        raise MapsError(
            f"The config.json of {model} has no model_type, so the family of the model is not known; add the entry, or "
            "download the model again."
        )
    nested_type = nested.get("model_type") if isinstance(nested, dict) else None
    family = family_of_type(str(model_type), nested_type if isinstance(nested_type, str) else None, model)
    refuse_quantised(model, quantisation_in_config(config))
    source = open_source()
    refuse_quantised(model, quantisation_in_names(source.names()))
    family = family.variant(config, source.names())
    values = {**config, **family.fixed_entries}
    differ = family.layer_kinds is not None
    entries = ConfigEntries(f"The configuration of {model}", values, family.config_defaults, differ)
    shape = read_shape(str(model_type), entries, family.config_keys, family.activation, family.scales_embeddings)
    if family.routing is not None:
        shape = replace(shape, routing=read_routing(entries, family.routing))
    if family.has_latents:
        shape = replace(shape, latent=read_latent(entries))
    if family.read_factors is not None:
        shape = replace(shape, factors=family.read_factors(entries))
    vocabulary = Vocabulary(load_tokenizer(folder, file_names(folder) if names is None else names))
    vocabulary = fit_to_embedding(vocabulary, entries.positive_integer("vocab_size", vocabulary.size), model)
    tied = own_config.get("tie_word_embeddings", config.get("tie_word_embeddings"))
    untied = not (family.ties_embeddings if tied is None else tied)
    checkpoint = Checkpoint(model, revision, shape, vocabulary, source, family, family.hub, untied)
    checkpoint = replace(checkpoint, fp8_block=read_fp8_block(config), is_on_disk=is_on_disk)
    checkpoint = fit_layers(checkpoint, entries)
    # A model without some of them is refused before work begins.
    checkpoint.needed_tensors(checkpoint.shape.layers_with_heads)
    checkpoint.check_copies()
    return checkpoint


def read_fp8_block(config: dict[str, Any]) -> tuple[int, int]:
    """How many rows and columns of an FP8 weight share a scale; raises MapsError if the entry is damaged."""
    entry = config.get("quantization_config")
    block = entry.get("weight_block_size") if isinstance(entry, dict) else None
    if block is None:
        return FP8_BLOCK
    if not (isinstance(block, list) and len(block) == 2 and all(type(size) is int and size > 0 for size in block)):
        raise MapsError(f"The weight_block_size in config.json, {block}, is not two whole numbers.")
    return block[0], block[1]


def read_json_object(path: Path, max_bytes: int = MAX_JSON_BYTES) -> dict[str, Any]:
    """The JSON object in a file of at most `max_bytes`; raises MapsError if it holds anything else."""
    try:
        if path.stat().st_size > max_bytes:
            raise MapsError(f"{path} has more than {max_bytes:,} bytes; download the model again.")
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # a number with thousands of digits is a ValueError
        raise MapsError(f"{path} is not valid JSON ({error}); download the model again.") from error
    if not isinstance(content, dict):
        raise MapsError(f"{path} is not a JSON object; download the model again.")
    return content


def load_tokenizer(folder: Path, names: Collection[str]) -> Tokenizer:
    """The tokenizer of tokenizer.json; older tokenizer files are converted by transformers.

    `names`: of the model's files, also those that are not in the folder.
    """
    file = folder / "tokenizer.json"
    if file.exists():
        content = read_json_object(file, MAX_TOKENIZER_BYTES)
        with translate_panics(f"{file} is not a valid tokenizer", "download the model again"):
            check_tokenizer(content)
            tokenizer = Tokenizer.from_str(json.dumps(content))  # what was checked, each key once
        tokenizer.no_padding()  # some files pad every text of a batch to the longest
        return tokenizer
    for path in sorted(folder.glob("*")):
        if path.name in OLD_TOKENIZER_FILES and path.stat().st_size > MAX_OLD_TOKENIZER_BYTES:
            raise MapsError(f"{path} has more than {MAX_OLD_TOKENIZER_BYTES:,} bytes; download the model again.")
    if (folder / "vocab.json").exists():
        return convert_tokenizer(folder)
    if (folder / "tokenizer.model").exists():
        check_packages(folder / "tokenizer.model")
    elif own := next((name for name in OWN_TOKENIZERS if name in names), None):
        raise MapsError(
            f"{folder} has its tokenizer only as {own}, a format of its makers, which is not read; put the model's "
            "tokenizer.json there."
        )
    return convert_tokenizer(folder)


def check_packages(file: Path) -> None:
    """Raises MapsError if the package that reads a tokenizer.model is not installed.

    It is a file of SentencePiece (binary) or of tiktoken (lines of a token in Base64 and its rank).
    """
    with file.open("rb") as opened:
        package = "tiktoken" if TIKTOKEN_LINE.match(opened.read(200)) else "sentencepiece"
    if find_spec(package) is None:
        raise MapsError(
            f"{file} can only be read with the package {package}: run `python -m pip install {package}`, or put the "
            "model's tokenizer.json there."
        )


def convert_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of older files, converted by transformers."""
    from transformers import AutoTokenizer

    with translate_panics(f"{folder} has no readable tokenizer", "put the model's tokenizer.json there"):
        return AutoTokenizer.from_pretrained(
            folder, local_files_only=True, use_fast=True, trust_remote_code=False
        ).backend_tokenizer
