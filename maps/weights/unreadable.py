"""Recognises what cannot be read (quantised weights, adapters, other formats), so that messages name the real cause."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from maps.errors import MapsError
from maps.text import shorten

ADAPTER_CONFIG = "adapter_config.json"
OWN_FORMAT_FILES = ("params.json", "consolidated.safetensors", "consolidated.00.pth")  # as Meta and Mistral publish
OTHER_WEIGHTS = re.compile(r".*\.(h5|msgpack|onnx|pth|pt|ot|nemo)")
NOT_WEIGHTS = re.compile(r"(optimizer|scheduler|scaler|rng_state.*|random_states.*)\.\w+")  # of a training program
MODEL_FILES = re.compile(r".*\.(safetensors|bin|pt|pth)|config\.json|.*\.index\.json|tokenizer.*")
OLD_GGML_MAGIC = (b"lmgg", b"tjgg", b"fmgg", b"algg")  # ggml, ggjt, ggmf, ggla
QUANTISATIONS = {  # `quant_method` in config.json
    "gptq": "GPTQ",
    "awq": "AWQ",
    "bitsandbytes": "bitsandbytes",
    "hqq": "HQQ",
    "aqlm": "AQLM",
    "eetq": "EETQ",
    "bitnet": "BitNet",
}
QUANTISED_TENSORS = (  # endings of the tensors that stand for a weight, the first that is found decides
    (".g_idx", "GPTQ"),
    (".qweight", "AWQ"),
    (".weight_packed", "compressed-tensors"),
    (".weight.absmax", "bitsandbytes (4 bits)"),
    (".SCB", "bitsandbytes (8 bits)"),
    (".scales", "MLX"),
)
READ_QUANTISATIONS = ("fp8", "fbgemm_fp8", "mxfp4")  # see packed.py
EXPERT_PATTERN = re.compile(r"blk\.\d+\.ffn_\w+_exps\.weight")  # in GGUF files
SEPARATE_EXPERT_PATTERN = re.compile(r"blk\.\d+\.ffn_\w+\.\d+\.weight")  # in older ones


def refuse_quantised(model: str, kind: str | None) -> None:
    """Raises MapsError if weights are quantised; `kind` says how, None that they are not."""
    if kind is not None:
        raise MapsError(
            f"{model} holds weights quantised with {kind}, which are not read; use the unquantised model, or a .gguf "
            "file of it."
        )


def quantisation_in_config(config: Mapping[str, Any]) -> str | None:
    """The kind of quantisation that config.json names and that is not read; None if it names none."""
    entry = config.get("quantization_config") or config.get("quantization")
    if not entry:
        return None
    entry = entry if isinstance(entry, dict) else {}
    method, bits = entry.get("quant_method"), entry.get("bits")
    if method in READ_QUANTISATIONS or (method == "compressed-tensors" and entry.get("format") == "float-quantized"):
        return None
    if method is None:
        kind = "MLX" if bits and "group_size" in entry else "an unknown method"
    else:
        kind = QUANTISATIONS.get(str(method), shorten(str(method), 40))
    if method == "bitsandbytes":
        bits = 4 if entry.get("load_in_4bit") else 8
    return f"{kind} ({bits} bits)" if isinstance(bits, int) else kind


def quantisation_in_names(names: Collection[str]) -> str | None:
    """The kind of quantisation that the tensors' names show; None if they show none."""
    return next((kind for end, kind in QUANTISED_TENSORS if any(name.endswith(end) for name in names)), None)


def explain_missing_config(owner: str, names: Collection[str], adapter: Mapping[str, Any] | None) -> str:
    """Why a folder or repository without config.json is not a model.

    `names`: of its files. `adapter`: its adapter_config.json.
    """
    if adapter is not None:
        return explain_adapter(owner, adapter)
    gguf_file = first_gguf_file(names)
    if gguf_file is not None:
        return f"{owner} has its weights as a GGUF file, {gguf_file}; give the path of that file."
    own_format = sorted(set(OWN_FORMAT_FILES) & set(names))
    if own_format:
        return (
            f"{owner} is in the format of the model's makers ({own_format[0]}), which is not read; use its version for "
            "transformers, which has a config.json."
        )
    return f"{owner} has no config.json, so it is not a model; give the folder or the repository that holds the model."


def explain_missing_weights(owner: str, names: Collection[str], adapter: Mapping[str, Any] | None) -> str:
    """Why a folder or repository with config.json has no weights that can be read."""
    if adapter is not None:
        return explain_adapter(owner, adapter)
    gguf_file = first_gguf_file(names)
    if gguf_file is not None:
        return f"{owner} has its weights as a GGUF file, {gguf_file}; give the path of that file."
    other = sorted(name for name in names if OTHER_WEIGHTS.fullmatch(name) and not NOT_WEIGHTS.fullmatch(name))
    if other:
        return f"{owner} has its weights only as {other[0]}, which is not read; use its safetensors files."
    return f"{owner} has a config.json but no *.safetensors file and no pytorch_model.bin; add the model's weights."


def first_gguf_file(names: Collection[str]) -> str | None:
    return min((name for name in names if name.lower().endswith(".gguf")), default=None)


def explain_adapter(owner: str, adapter: Mapping[str, Any]) -> str:
    """That a folder holds an adapter, such as LoRA, and of which model; `adapter` is its adapter_config.json."""
    kind = shorten(str(adapter.get("peft_type") or "LoRA"), 40).replace("LORA", "LoRA")
    base = shorten(str(adapter.get("base_model_name_or_path") or "its base model"), 200)
    return (
        f"{owner} is an adapter ({kind}) for {base}, not a model; merge it into {base} with merge_and_unload() of the "
        "package peft, save the result, and give its folder."
    )


def explain_file(path: Path, head: bytes) -> str:
    """Why a file that is no GGUF file is not a model; `head` has its first bytes."""
    if head[:4] in OLD_GGML_MAGIC:
        return f"{path} is in the GGML format, which is older than GGUF and not read; use a .gguf file of the model."
    is_safetensors, is_pickle = head[8:9] == b"{", head.startswith((b"PK\x03\x04", b"\x80\x02"))
    if not (is_safetensors or is_pickle or MODEL_FILES.fullmatch(path.name)):
        return f"{path} is neither a folder nor a .gguf file; give one of these or a Hub id."
    if (path.parent / "config.json").exists():
        return f"{path} is one file of a model; give its folder, {path.parent}."
    return f"{path} is one file of a model; give a folder that holds it with its config.json and its tokenizer."


def has_experts(names: Collection[str]) -> bool:
    """Whether a GGUF file's tensors are those of a mixture of experts."""
    return any(EXPERT_PATTERN.fullmatch(name) for name in names)


def has_separate_experts(names: Collection[str]) -> bool:
    """Whether every expert has a tensor of its own in a GGUF file."""
    return any(SEPARATE_EXPERT_PATTERN.fullmatch(name) for name in names)
