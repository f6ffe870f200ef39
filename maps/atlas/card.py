"""The dataset card of an atlas (README.md): what it is, how it was made, one config for each table."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from maps.atlas.readings import basis_phrase, reading_name, reading_phrase, targets_phrase
from maps.text import escape_invisible, size_category

TABLE_DESCRIPTIONS = {
    "heads": "saliency, input skewness and target kurtosis of every head",
    "mappings": "the {salient} most salient tokens of every head, {targets} targets each",
    "heldout": "the next {heldout} salient tokens, held out to evaluate descriptions",
    "suppressive": "the salient tokens with their {targets} lowest targets",
    "relations": "relation scores and suppression of every head",
    "hits": "the numbers of the pairs that every head hits and suppresses",
    "pairs": "the pairs of every relation whose words are single tokens, numbered",
    "descriptions": "descriptions of heads, by describer",
    "patterns": "descriptions of single operations of heads that have several",
    "failures": "heads that a describer failed to describe, with the reason",
    "scores": "how well a head's mappings are recognised, or predicted, from its description and from another head's",
    "detections": "every question to a scorer, with its answer",
    "predictions": "mappings that a writer predicted from a description alone",
    "concentration": "how concentrated the targets of every head are, compared with random heads",
    "random_heads": "how concentrated the targets of random heads are",
    "checks": "named checks that a head's mappings support, and how many of them do",
    "attention": "the queries on which every head acts most strongly, with the keys that they attend to most",
    "attention_scores": "simple attention scores of every head, from its weights or from a run",
    "random": "how many random heads implement a relation, compared with the model's own",
}


def atlas_card(info: Mapping[str, Any], files: Iterable[str]) -> str:
    tables = {file.partition(".")[0]: file for file in files}
    configs = "".join(
        f"- config_name: {name}\n  data_files: {file}\n" + ("  default: true\n" if name == "mappings" else "")
        for name, file in tables.items()
    )
    settings = info["settings"]
    content = "".join(f"| {name} | {TABLE_DESCRIPTIONS.get(name, name).format_map(settings)} |\n" for name in tables)
    first, last = settings["layers"] or (0, info["layers"] - 1)
    layers = [layer for layer in info.get("head_layers") or range(info["layers"]) if first <= layer <= last]
    heads = len(layers) * info["heads"]
    model, revision, asked_for = (escape_invisible(info[key]) for key in ("model", "revision", "asked_for"))
    reading = reading_name(info)
    note = "\n**A null atlas: no pattern is in these mappings. They show what is seen by chance.**\n"
    null = note if "null" in info else ""
    return f"""---
pretty_name: {json.dumps(f"Atlas of {model}", ensure_ascii=False)}
annotations_creators:
- machine-generated
size_categories:
- {size_category(heads * settings["salient"])}
task_categories:
- feature-extraction
tags:
- attention-heads
- interpretability
- mechanistic-interpretability
configs:
{configs}---

# Atlas of {model}
{null}
What {heads:,} attention heads of {model} ({revision}) do, read from {basis_phrase(reading)}
with MAPS (Elhelo and Geva, *Inferring Functionality of Attention Heads from their Parameters*,
<https://arxiv.org/abs/2412.11965>).

This is {escape_invisible(reading_phrase(reading))}: targets are {targets_phrase(reading)}. In the table `relations`,
`identity` is the score of copying alone, and heads are classified by their scores beyond copying.

| table | content |
|---|---|
{content}
Made by `python -m maps map {asked_for}` at {info["created_at"]}. Tokens keep their leading space. Bytes that
are not valid text are written as `\\xE2`; a backslash is doubled.
"""
