"""The dataset card of an atlas: what it is, how it was made, how its tables are loaded."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

TABLE_DESCRIPTIONS = {
    "heads": "saliency, input skewness and target kurtosis of every head",
    "mappings": "the {salient} most salient tokens of every head, {targets} targets each",
    "heldout": "the next {heldout} salient tokens, kept back for judging descriptions",
    "suppressive": "the salient tokens with their {targets} lowest targets",
    "relations": "relation scores and suppression of every head",
    "hits": "the numbers of the pairs that every head implements and suppresses",
    "pairs": "the pairs of every relation that are single tokens, numbered",
    "descriptions": "what a describer says of a head's mappings",
    "failures": "heads that a describer gave no description of",
    "scores": "how well a scorer tells a head's mappings from others by its description, and by another one's",
    "detections": "each question to a scorer: what was asked and what was answered",
    "concentration": "how concentrated the targets of every head are, and where that stands among random heads",
    "random_heads": "how concentrated the targets of random heads are",
    "checks": "named checks that a head's mappings bear out, and how many of them do",
    "random": "how many random heads implement a relation, beside the model's own",
}


def atlas_card(info: Mapping[str, Any], files: Iterable[str]) -> str:
    """README.md of an atlas folder with these tables' files, one Hugging Face dataset config each."""
    tables = {file.partition(".")[0]: file for file in files}
    configs = "".join(
        f"- config_name: {name}\n  data_files: {file}\n" + ("  default: true\n" if name == "mappings" else "")
        for name, file in tables.items()
    )
    settings = info["settings"]
    content = "".join(f"| {name} | {TABLE_DESCRIPTIONS.get(name, name).format_map(settings)} |\n" for name in tables)
    mapped = info["layers"] if settings["layers"] is None else settings["layers"][1] - settings["layers"][0] + 1
    return f"""---
pretty_name: {json.dumps(f"Atlas of {info['model']}", ensure_ascii=False)}
tags:
- attention-heads
- interpretability
configs:
{configs}---

# Atlas of {info["model"]}

What {mapped * info["heads"]:,} attention heads of {info["model"]} ({info["revision"]}) do, read from their weights
alone with MAPS (Elhelo and Geva, *Inferring Functionality of Attention Heads from their Parameters*).

| table | content |
|---|---|
{content}
Made by `python -m maps map {info["asked_for"]}` at {info["created_at"]}. Tokens keep their leading space; bytes that
are no text are written as `\\xE2`, a backslash is doubled.
"""
