"""The dataset card of an atlas: what it is, how it was made, how its tables are loaded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from maps.tables import SCHEMAS


def atlas_card(info: Mapping[str, Any]) -> str:
    """README.md of an atlas folder, with one Hugging Face dataset config a table."""
    configs = "".join(
        f"- config_name: {name}\n  data_files: {name}.parquet\n" + ("  default: true\n" if name == "mappings" else "")
        for name in SCHEMAS
        if name not in ("descriptions", "failures")
    )
    settings = info["settings"]
    mapped = info["layers"] if settings["layers"] is None else settings["layers"][1] - settings["layers"][0] + 1
    return f"""---
pretty_name: Atlas of {info["model"]}
tags:
- attention-heads
- interpretability
configs:
{configs}- config_name: descriptions
  data_files: descriptions.parquet
---

# Atlas of {info["model"]}

What {mapped * info["heads"]:,} attention heads of {info["model"]} ({info["revision"]}) do, read from their weights
alone with MAPS (Elhelo and Geva, *Inferring Functionality of Attention Heads from their Parameters*).

| table | content |
|---|---|
| heads | saliency, input skewness and target kurtosis of every head |
| mappings | the {settings["salient"]} most salient tokens of every head, {settings["targets"]} targets each |
| heldout | the next {settings["heldout"]} salient tokens, kept back for judging descriptions |
| relations | relation scores and suppression of every head |
| descriptions | what a describer says of a head's mappings, where one was asked |

Made by `python -m maps map {info["asked_for"]}` at {info["created_at"]}. Tokens keep their leading space; bytes that
are no text are written as `\\xE2`, a backslash is doubled.
"""
