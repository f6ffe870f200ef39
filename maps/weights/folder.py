"""Opens folders in the Hugging Face layout: config.json, a tokenizer, and safetensors or else .bin files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from maps.errors import MapsError
from maps.weights.checkpoint import Checkpoint, TensorSource
from maps.weights.families import family_of_type
from maps.weights.shape import ConfigEntries, read_shape
from maps.weights.stored import BinFiles, SafetensorsFiles, TensorFiles, tensor_names_in
from maps.weights.tokenizer_limits import MAX_TOKENIZER_BYTES, check_tokenizer
from maps.weights.tokens import Vocabulary, check_embedding_fits, limit_to_embedding_rows, translate_panics

MAX_JSON_BYTES = 64_000_000  # of config.json and an index
OLD_TOKENIZER_FILES = ("vocab.json", "merges.txt", "tokenizer.model", "added_tokens.json", "tokenizer_config.json")
MAX_OLD_TOKENIZER_BYTES = 32_000_000


def open_folder(folder: Path, model: str, revision: str | None = None) -> Checkpoint:
    """A checkpoint from a folder; `revision` is its commit if it is known."""
    config_file = folder / "config.json"
    if not config_file.exists():
        raise MapsError(
            f"{folder} has no config.json, so it is not a model folder; give the folder that holds the model."
        )
    source = find_weight_files(folder)
    return build_checkpoint(folder, source, model, revision)


def find_weight_files(folder: Path) -> TensorFiles:
    """The files with a folder's weights: of an index, else model.safetensors, else *.safetensors, else .bin files."""
    index = folder / "model.safetensors.index.json"
    if index.exists():
        return SafetensorsFiles(read_index(index))
    files, single = sorted(folder.glob("*.safetensors")), folder / "model.safetensors"
    if single in files:
        files = [single]
    if files:
        return SafetensorsFiles({name: file for file in files for name in tensor_names_in(file)})
    index, single = folder / "pytorch_model.bin.index.json", folder / "pytorch_model.bin"
    if index.exists():
        return BinFiles(read_index(index))
    if single.exists():
        return BinFiles.from_file(single)
    raise MapsError(f"{folder} has a config.json but no *.safetensors file; download the model's weights into it.")


def read_index(index: Path) -> dict[str, Path]:
    """The file of each tensor, from an index file."""
    files = read_json_object(index).get("weight_map")
    if not isinstance(files, dict) or not all(isinstance(file, str) for file in files.values()):
        raise MapsError(f"{index} lists no files; download the model again.")
    return {name: index.parent / Path(file).name for name, file in files.items()}


def build_checkpoint(
    folder: Path, source: TensorSource, model: str, revision: str | None, is_on_disk: bool = True
) -> Checkpoint:
    """A checkpoint from the config.json and tokenizer in `folder`, with tensors from `source`."""
    config = read_json_object(folder / "config.json")
    model_type, nested = str(config.get("model_type", "unknown")), config.get("text_config")
    config = {**config, **nested} if isinstance(nested, dict) else config
    if config.get("quantization_config"):
        raise MapsError(f"{model} holds quantised weights; use the unquantised model or a .gguf file.")
    family = family_of_type(model_type, model)
    entries = ConfigEntries(f"The configuration of {model}", config, family.config_defaults)
    shape = read_shape(model_type, entries, family.config_keys, family.activation, family.scales_embeddings)
    vocabulary = Vocabulary(load_tokenizer(folder))
    rows = entries.positive_integer("vocab_size", vocabulary.size)
    vocabulary = limit_to_embedding_rows(vocabulary, rows, family.tokens_without_rows)
    check_embedding_fits(vocabulary, rows, model)
    untied = config.get("tie_word_embeddings") is False
    checkpoint = Checkpoint(model, revision, shape, vocabulary, source, family, family.hub, untied, is_on_disk)
    checkpoint.needed_tensors(range(shape.layers))  # refuses a model without some of them before work begins
    return checkpoint


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


def load_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of tokenizer.json; older tokenizer files are converted by transformers."""
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
    from transformers import AutoTokenizer

    with translate_panics(f"{folder} has no readable tokenizer", "put the model's tokenizer.json there"):
        return AutoTokenizer.from_pretrained(folder, local_files_only=True, use_fast=True).backend_tokenizer
