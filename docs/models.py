"""Writes docs/models.md: which models can be read, from the families that the library declares and the counts here.

`python -m docs.models`.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from maps.weights.families import FAMILIES, NOT_LINEAR
from maps.weights.family import Family

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "models.md"
FAMILY_OF_TYPE = {name: family for family in FAMILIES for name in family.model_types}
DECODERS = 13_305  # on the Hub in July 2026, with 500 or more downloads a month
IN_OLDER_FAMILIES = 10_745  # of these, of the families without a count below


class ModelLine(NamedTuple):
    """Models that people know by one name."""

    name: str
    types: tuple[str, ...]  # in config.json
    popular: int | None = None  # of the decoders above; None: counted with the older families
    note: str = ""


LINES = (
    ModelLine("GPT-2", ("gpt2",)),
    ModelLine("Pythia, GPT-NeoX", ("gpt_neox",)),
    ModelLine("GPT-J", ("gptj",), 66),
    ModelLine("GPT-Neo", ("gpt_neo",), 63),
    ModelLine("OPT", ("opt",), 153, "but OPT-350m, whose norms stand elsewhere"),
    ModelLine("BLOOM", ("bloom",), 82),
    ModelLine("StarCoder, SantaCoder", ("gpt_bigcode",), 44),
    ModelLine("StarCoder 2", ("starcoder2",), 5),
    ModelLine("Llama 1 to 3.3, SmolLM 1 and 2, Falcon 3, Yi, TinyLlama and others", ("llama",)),
    ModelLine("Llama 4", ("llama4",), None, "its text model"),
    ModelLine("SmolLM3", ("smollm3",), 12),
    ModelLine("Mistral 7B, Nemo, Small", ("mistral",)),
    ModelLine("Mistral Small 3.1 and later, Ministral 3", ("ministral3",), 23),
    ModelLine("Mixtral", ("mixtral",), 219),
    ModelLine("Qwen 2 and 2.5", ("qwen2", "qwen2_vl", "qwen2_5_vl")),
    ModelLine("Qwen 2 MoE", ("qwen2_moe",), 7),
    ModelLine("Qwen 3", ("qwen3", "qwen3_vl")),
    ModelLine("Qwen 3 MoE", ("qwen3_moe",), 111),
    ModelLine("Qwen3-Next", ("qwen3_next",), 44),
    ModelLine("Qwen 3.5 and 3.6", ("qwen3_5",), 256),
    ModelLine("Qwen 3.5 and 3.6, mixtures of experts", ("qwen3_5_moe",), 93),
    ModelLine("Gemma", ("gemma",), 80),
    ModelLine("Gemma 2", ("gemma2",)),
    ModelLine("Gemma 3", ("gemma3", "gemma3_text")),
    ModelLine("Gemma 4", ("gemma4", "gemma4_text", "gemma4_unified"), 102),
    ModelLine("OLMo", ("olmo",), 19),
    ModelLine("OLMo 2", ("olmo2",)),
    ModelLine("OLMo 3", ("olmo3",), 47),
    ModelLine("OLMoE", ("olmoe",), 9),
    ModelLine("OLMo Hybrid", ("olmo_hybrid",), 4),
    ModelLine("Phi 1, 1.5 and 2", ("phi",)),
    ModelLine("Phi 3 and 4", ("phi3",)),
    ModelLine("Phi-3.5-MoE", ("phimoe",), 4),
    ModelLine("gpt-oss", ("gpt_oss",), 105),
    ModelLine(
        "DeepSeek V2, V3, R1 and V3.2, Kimi K2 and Linear, GLM-4.7-Flash and 5, Mistral 4",
        (
            "deepseek_v2",
            "deepseek_v3",
            "deepseek_v32",
            "kimi_k2",
            "kimi_linear",
            "glm4_moe_lite",
            "glm_moe_dsa",
            "mistral4",
        ),
        138,
        "Kimi with a tokenizer.json, or K2 as GGUF; the last three and V3 are `deepseek2` in GGUF files",
    ),
    ModelLine("DeepSeek V4", ("deepseek_v4",), 6),
    ModelLine("GLM 4, 9B", ("glm",), 8),
    ModelLine("GLM 4, 32B", ("glm4",), 8),
    ModelLine("GLM 4.5 to 4.7", ("glm4_moe",), 20),
    ModelLine("MiniMax M2", ("minimax_m2",), 23),
    ModelLine("Granite 3", ("granite",), 55),
    ModelLine("Granite 3, mixtures of experts", ("granitemoe",), 10),
    ModelLine("Granite 4", ("granitemoehybrid",), 42),
    ModelLine("Nemotron 4, Minitron", ("nemotron",), 9),
    ModelLine("Nemotron-H, Nemotron 3", ("nemotron_h",), 53),
    ModelLine("Falcon 1 and 2", ("falcon",), 48),
    ModelLine("Falcon-H1", ("falcon_h1",), 37),
    ModelLine("LFM2", ("lfm2", "lfm2_moe"), 24),
    ModelLine("Command R, Aya", ("cohere", "cohere2"), 31),
    ModelLine("Apertus", ("apertus",), 29),
    ModelLine("Seed-OSS", ("seed_oss",), 5),
    ModelLine("EXAONE 4", ("exaone4",), 3),
    ModelLine("Hunyuan", ("hunyuan_v1_dense",), 21),
    ModelLine("Arcee", ("arcee",), 6),
    ModelLine("StableLM", ("stablelm",), 18),
    ModelLine("ERNIE 4.5", ("ernie4_5",), 2),
    ModelLine("Muse Glimmer", ("muse_glimmer",), None),
)
EXPLORED = (  # models whose heads the largest public explorer shows, which could not be read at first
    ("Qwen 3.5 and 3.6", 6, "qwen3_5"),
    ("Gemma 4", 3, "gemma4"),
    ("OLMo 3", 2, "olmo3"),
    ("gpt-oss", 1, "gpt_oss"),
    ("Muse Glimmer", 1, "muse_glimmer"),
    ("DeepSeek V4", 1, "deepseek_v4"),
)
EXPLORED_IN_OLDER_FAMILIES = 27

PAGE_TEXT = """# Which models can be read

`python -m docs.models` wrote this page from the families that the library declares. [The
contract](contract.md#families) says what is read of each and what is left out.

- **Read**: every head is mapped from the weights, in the readings `paper`, `embedding` and `residual`.
- **Run**: transformers runs the model too, for a calibration (reading `auto`), `evaluate readings` and the paper's
  experiments on running models. Other models get the best of the readings that need only weights, and the command
  says so.

Every family is tested: a small random model that transformers builds and saves is read back, and each head's write, the
first MLP and the norms are compared with the model's own modules in float64, from safetensors and, where there is
such a name, from GGUF files with the tensors where llama.cpp's converter puts them; whole atlases are compared with
all of M. **Real checkpoints** that were mapped: SmolLM2-135M-Instruct (`llama`) and Qwen2.5-Coder-1.5B-Instruct
(`qwen2`), both from GGUF files. Real files of
the other lines have not been tried yet; please [report](../CONTRIBUTING.md) those that do not open.

Models that see images are read if the `text_config` in their config.json is of one of these types. FP8 and MXFP4
weights are read, and every kind of GGUF file, also in parts; GPTQ, AWQ, bitsandbytes and MLX are refused: use the
unquantised model or a GGUF file.

| models | `model_type` | read | run | popular ones |
|---|---|---|---|---|
{rows}

The last column counts models on the Hub with 500 or more downloads a month in July 2026. Of {decoders} decoders,
{before} are of families without a number here. With those that are read since, it is {read}, or **{share} of the
decoders that people download**.

## Models of the largest public explorer of heads

| models | how many | read |
|---|---|---|
{explored}

{explored_read} of {explored_all} are read.
"""


def describe_reading(types: tuple[str, ...]) -> tuple[str, str]:
    """Whether models of these types are read, and run."""
    families = [FAMILY_OF_TYPE[name] for name in types if name in FAMILY_OF_TYPE]
    if not families:
        return f"no: {NOT_LINEAR[types[0]]}", "no"
    assert len(families) == len(types), types
    return "yes", "yes" if all(map(is_run, families)) else "no"


def is_run(family: Family) -> bool:
    return family.is_run and not family.has_layers_without_heads


def models_page() -> str:
    rows = []
    for line in LINES:
        read, run = describe_reading(line.types)
        note = f", {line.note}" if line.note else ""
        types = ", ".join(f"`{name}`" for name in line.types)
        rows.append(
            f"| {line.name} | {types} | {read}{note} | {run} | {'' if line.popular is None else line.popular} |"
        )
    read_now = IN_OLDER_FAMILIES + sum(
        line.popular or 0 for line in LINES if describe_reading(line.types)[0].startswith("yes")
    )
    explored = [(name, count, describe_reading((kind,))[0]) for name, count, kind in EXPLORED]
    explored = [("models of the older families", EXPLORED_IN_OLDER_FAMILIES, "yes"), *explored]
    return PAGE_TEXT.format(
        rows="\n".join(rows),
        decoders=f"{DECODERS:,}",
        before=f"{IN_OLDER_FAMILIES:,}",
        read=f"{read_now:,}",
        share=f"{read_now / DECODERS:.1%}",
        explored="\n".join(f"| {name} | {count} | {read} |" for name, count, read in explored),
        explored_read=sum(count for _, count, read in explored if read == "yes"),
        explored_all=sum(count for _, count, _ in explored),
    )


if __name__ == "__main__":
    PAGE.write_text(models_page(), encoding="utf-8")
