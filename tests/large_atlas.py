"""An invented atlas of the shape of a model of 70 billion parameters, for what must hold at that size.

80 layers of 64 heads, a vocabulary of 128,256, the twenty relations, the descriptions of two describers. Each head has
a theme, whose strings most of its mappings are made of, so that heads resemble each other. `L0H0` has every string of
HOSTILE among its sources, targets and descriptions. The same on every machine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from maps.atlas.reader import FORMAT_VERSION, Atlas, write_table
from maps.atlas.schema import SCHEMAS
from maps.data import predefined_relations
from maps.files.atomic import write_json
from maps.types import MIN_PAIRS, TAU

MODEL = "Invented-70B"
LAYERS, HEADS, KV_HEADS, VOCABULARY = 80, 64, 8, 128_256
SALIENT, TARGETS = 30, 5
HOSTILE_STRINGS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    " </textarea><b>",
    "\u202eright to left\u2066",
    "**bold** [link](javascript:alert(1)) | cell",
    "${value} {{value}}",
    "a" * 10_000,
    "\\xE2\\x80",
    "\x00\x07\x1b[31m",
    "\u0301",
    "<|endoftext|>",
    "' OR 1=1 --",
    "\n\t ",
    "&lt;i&gt;",
)
THEME_NAMES = (
    "animals birds fish insects trees flowers fruits vegetables colours shapes numbers years months weekdays seasons "
    "countries cities capitals languages rivers mountains islands planets stars metals gases chemicals minerals tools "
    "machines vehicles ships weapons buildings furniture clothing fabrics foods drinks spices sports games dances "
    "instruments songs paintings books films religions gods kings laws courts crimes banks coins companies products "
    "software keywords brackets pronouns verbs adjectives adverbs prefixes suffixes"
)
THEMES = THEME_NAMES.split()
THEME_SIZE = 401  # strings of a theme, a prime: any step through them meets each once
FIRST_THEME_ID = 300  # ids below it are in no theme
SYLLABLE_STARTS, SYLLABLE_ENDS = (
    "b br c cr d f g gr h k l m n p pr r s st t tr v w",
    "al an ar el en er il in ol on or um",
)
CREATED_AT = datetime(2026, 11, 1, tzinfo=UTC)
Ids = NDArray[np.int64]


def write_large_atlas(folder: Path) -> Atlas:
    """Writes the atlas into a folder, in some seconds and 23 MB, and opens it."""
    strings = pa.array(vocabulary_strings())
    random = np.random.default_rng(70)
    sources, targets = draw_ids(random)
    salient, heldout = (slice(0, SALIENT), slice(SALIENT, 2 * SALIENT))
    for name, ranks in (("mappings", salient), ("heldout", heldout)):
        content = mappings_table(sources[:, ranks], targets[:, ranks], ranks.start + 1, strings, random)
        write_table(folder, name, content)
    hashes = [hash_of_head(*each) for each in zip(sources[:, salient], targets[:, salient], strict=True)]
    write_table(folder, "heads", heads_table(random))
    write_table(folder, "relations", relations_table(random))
    for name in ("hits", "pairs"):  # too large to invent
        write_table(folder, name, SCHEMAS[name].empty_table())
    said, scored = description_tables(hashes, random)
    write_table(folder, "descriptions", said)
    write_table(folder, "scores", scored)
    write_json(folder / "atlas.json", atlas_info())
    return Atlas.open(folder)


def vocabulary_strings() -> list[str]:
    """All strings, each once: those of no theme, then the hostile ones, words of the relations, invented ones."""
    plain = [chr(33 + i) for i in range(94)]
    words = [f" {word}" for relation in predefined_relations() for pair in relation.pairs for word in pair]
    syllables = ["".join(pair) for pair in product(SYLLABLE_STARTS.split(), SYLLABLE_ENDS.split())]
    invented = (word_form(a + b, number) for number, (a, b) in enumerate(product(syllables, syllables)))
    more = (f" {word}{ending}" for ending in ("s", "ed", "ing") for word in syllables)
    numbers = (f"{n:05d}" for n in range(VOCABULARY))
    found = dict.fromkeys([*plain, *(f"<|reserved_{i}|>" for i in range(FIRST_THEME_ID - len(plain)))])
    found |= dict.fromkeys(HOSTILE_STRINGS) | dict.fromkeys(words) | dict.fromkeys(invented) | dict.fromkeys(more)
    return list(found | dict.fromkeys(numbers))[:VOCABULARY]


def word_form(word: str, number: int) -> str:
    """A word as vocabularies have it: behind a space, at the beginning of a sentence, inside another."""
    return (f" {word}", f" {word.title()}", word, word.upper())[number % 4]


def draw_ids(random: np.random.Generator) -> tuple[Ids, Ids]:
    """The source ids of all heads, (5120, 60), different within a head, and target ids, (5120, 60, 5), within a row.

    Sources come from the head's theme, one in four from outside all themes; targets from the next theme. L0H0 goes
    through the first theme, where the hostile strings are, from its beginning.
    """
    count, rows = LAYERS * HEADS, np.arange(2 * SALIENT)
    theme = theme_numbers()[:, None]
    start, step = random.integers(0, THEME_SIZE, (count, 1)), random.integers(1, THEME_SIZE, (count, 1))
    begin = random.integers(0, THEME_SIZE, (count, len(rows)))
    outside = FIRST_THEME_ID + len(THEMES) * THEME_SIZE
    first_stray = random.integers(0, VOCABULARY - outside, (count, 1))
    start[0], step[0], begin[0] = 0, 1, TARGETS * rows
    themed = FIRST_THEME_ID + theme * THEME_SIZE + (start + step * rows) % THEME_SIZE
    stray = outside + (first_stray + 911 * rows) % (VOCABULARY - outside)
    sources = np.where((rows % 4 == 3) & (np.arange(count) > 0)[:, None], stray, themed)
    promoted = (theme + 1) % len(THEMES)
    promoted[0] = 0
    return sources, FIRST_THEME_ID + promoted[:, :, None] * THEME_SIZE + (
        begin[:, :, None] + np.arange(TARGETS)
    ) % THEME_SIZE


def theme_numbers() -> Ids:
    numbers = np.arange(LAYERS * HEADS)
    return (numbers * 7 + numbers // HEADS) % len(THEMES)


def head_columns(times: int) -> dict[str, pa.Array]:
    """The columns layer and head, each head that many times."""
    numbers = np.repeat(np.arange(LAYERS * HEADS), times)
    return {"layer": pa.array(numbers // HEADS, pa.int32()), "head": pa.array(numbers % HEADS, pa.int32())}


def mappings_table(sources: Ids, targets: Ids, first: int, strings: pa.Array, random: np.random.Generator) -> pa.Table:
    """Mappings of all heads from `first` on; saliencies and scores fall with the rank."""
    count, rows = sources.shape
    falling = np.sort(random.gamma(2.0, 1.0, (count, rows)), axis=1)[:, ::-1] + 3.0 - 0.01 * first
    scores = np.sort(random.gamma(3.0, 1.0, targets.shape), axis=2)[:, :, ::-1]
    offsets = pa.array(np.arange(0, targets.size + 1, TARGETS), pa.int32())
    columns = {
        **head_columns(rows),
        "rank": pa.array(np.tile(np.arange(first, first + rows), count), pa.int32()),
        "source_id": pa.array(sources.ravel(), pa.int32()),
        "source": strings.take(pa.array(sources.ravel())),
        "saliency": pa.array(falling.ravel(), pa.float32()),
        "target_ids": pa.ListArray.from_arrays(offsets, pa.array(targets.ravel(), pa.int32())),
        "targets": pa.ListArray.from_arrays(offsets, strings.take(pa.array(targets.ravel()))),
        "scores": pa.ListArray.from_arrays(offsets, pa.array(scores.ravel(), pa.float32())),
    }
    return pa.table(columns, schema=SCHEMAS["mappings"])


def hash_of_head(sources: Ids, targets: Ids) -> str:
    """The hash of a head's mappings (docs/contract.md)."""
    rows = zip(sources.tolist(), targets.tolist(), strict=True)
    words = ";".join(f"{source}:{','.join(map(str, ids))}" for source, ids in rows)
    return hashlib.sha256(words.encode()).hexdigest()


def heads_table(random: np.random.Generator) -> pa.Table:
    count = LAYERS * HEADS
    measured = {
        "saliency_mean": random.gamma(4.0, 0.5, count),
        "saliency_max": random.gamma(8.0, 1.0, count),
        "input_skewness": random.normal(0.5, 1.0, count),
        "target_kurtosis": random.gamma(3.0, 1.0, count),
        "output_space": random.beta(1.2, 6.0, count),
        "top_scoring_jaccard": random.beta(1.0, 20.0, count),
    }
    kv_heads = np.arange(count) % HEADS // (HEADS // KV_HEADS)
    return pa.table({**head_columns(1), "kv_head": pa.array(kv_heads, pa.int32()), **measured}, schema=SCHEMAS["heads"])


def relations_table(random: np.random.Generator) -> pa.Table:
    """Every head's score on the twenty relations, with the highest in one head of two hundred.

    Copying alone hits every tenth pair.
    """
    names, count = predefined_relations(), LAYERS * HEADS
    shape = count, len(names)
    scores, suppressions = (np.where(random.random(shape) < 0.005, random.random(shape), 0.03) for _ in range(2))
    scores, suppressions = scores * random.random(shape), suppressions * random.random(shape)
    scores, suppressions = scores.ravel().round(4), suppressions.ravel().round(4)
    k = [3 if relation.name in ("copying", "name_copying") else 25 for relation in names]
    pairs = np.array([len(relation.pairs) for relation in names] * count)
    columns = {
        **head_columns(len(names)),
        "relation": pa.array([relation.name for relation in names] * count),
        "category": pa.array([relation.category for relation in names] * count),
        "k": pa.array(k * count, pa.int32()),
        "pairs": pa.array(pairs, pa.int32()),
        "score": scores,
        "suppression": suppressions,
        "reading": pa.array(["mlp"] * len(pairs)),
        "identity": np.full(len(pairs), 0.1),
        "beyond_copying": scores,
        "suppression_beyond_copying": suppressions,
        "beyond_copying_pairs": pa.array(pairs - pairs // 10, pa.int32()),
    }
    return pa.table(columns, schema=SCHEMAS["relations"])


def description_tables(hashes: Sequence[str], random: np.random.Generator) -> tuple[pa.Table, pa.Table]:
    """What `offline` and `gpt-4o` say: the rules see a pattern in half of the heads, one head in ten has no model's."""
    said, scored = [], []
    detections = random.beta(6.0, 3.0, len(hashes))
    for number, (theme, hash_) in enumerate(zip(theme_numbers().tolist(), hashes, strict=True)):
        inputs, outputs = THEMES[theme], THEMES[(theme + 1) % len(THEMES)]
        rules = f"The outputs are mostly {outputs}" if number % 2 else "Unclear"
        said.append(description_row(number, "offline", inputs, rules, hash_))
        if number % 10 == 9:
            continue
        sentence = f"Given {inputs}, the head promotes {outputs} that often stand beside them in running text"
        hostile = f"{' '.join(HOSTILE_STRINGS)} " if number == 0 else ""
        said.append(description_row(number, "gpt-4o", inputs, f"{hostile}{sentence}.", hash_))
        value = float(detections[number])
        scored.append(
            {
                "layer": number // HEADS,
                "head": number % HEADS,
                "description_id": f"gpt-4o-{number}",
                "scorer": "gpt-4o-mini",
                "detection": value,
                "detection_low": max(0.0, value - 0.2),
                "detection_high": min(1.0, value + 0.2),
                "detection_swapped": 0.5,
                "n": 20,
                "describer": "gpt-4o",
                "seed": 0,
            }
        )
    tables = (("descriptions", said), ("scores", scored))
    made, measured = (pa.Table.from_pylist(rows, schema=SCHEMAS[name]) for name, rows in tables)
    return made, measured


def description_row(number: int, describer: str, theme: str, pattern: str, hash_: str) -> dict[str, Any]:
    return {
        "layer": number // HEADS,
        "head": number % HEADS,
        "describer": describer,
        "description_id": f"{describer}-{number}",
        "input_strings": f"The inputs are mostly {theme}.",
        "observed_pattern": pattern,
        "reasoning": f"Most of the sources are {theme}.",
        "pattern": pattern != "Unclear",
        "pattern_paper": "clear" not in pattern.lower(),
        "model": "offline rules v2" if describer == "offline" else "gpt-4o-2024-11-20",
        "support": None if pattern == "Unclear" else 20 + number % 11,
        "mapping_hash": hash_,
        "created_at": CREATED_AT,
    }


def atlas_info() -> dict[str, Any]:
    return {
        "format_version": FORMAT_VERSION,
        "model": MODEL,
        "asked_for": MODEL,
        "revision": "invented",
        "architecture": "llama",
        "layers": LAYERS,
        "heads": HEADS,
        "kv_heads": KV_HEADS,
        "width": 8192,
        "head_width": 128,
        "vocabulary": VOCABULARY,
        "capitalised_share": 0.25,
        "first_mlp": True,
        "reading": "mlp",
        "settings": {
            "salient": SALIENT,
            "heldout": SALIENT,
            "targets": TARGETS,
            "k": None,
            "tau": TAU,
            "min_pairs": MIN_PAIRS,
            "reading": "mlp",
            "calibration": None,
            "output_space": True,
            "top_scoring": True,
            "layers": None,
            "relations": {relation.name: "invented" for relation in predefined_relations()},
        },
        "versions": {},
        "created_at": CREATED_AT.isoformat(),
    }
