"""Values into rows and back."""

from __future__ import annotations

import pyarrow as pa

from maps.atlas.schema import (
    SCHEMAS,
    description_row,
    make_table,
    mapping_from_row,
    mapping_row,
    relation_row,
    relation_score_from_row,
)
from maps.types import Answer, Description, HeadId, Mapping, RelationScore

HEAD = HeadId(3, 1)
MAPPING = Mapping(1, 42, " Zoë\\\\", 1.5, (7, 8), (r" \xE2", ""), (0.5, -0.25))


def test_the_columns_are_those_of_the_contract() -> None:
    mappings = "layer head rank source_id source saliency target_ids targets scores"
    assert {name: " ".join(schema.names) for name, schema in SCHEMAS.items()} == {
        "heads": (
            "layer head kv_head saliency_mean saliency_max input_skewness target_kurtosis output_space "
            "top_scoring_jaccard"
        ),
        "mappings": mappings,
        "heldout": mappings,
        "suppressive": mappings,
        "relations": (
            "layer head relation category k pairs score suppression reading identity beyond_copying "
            "suppression_beyond_copying beyond_copying_pairs"
        ),
        "hits": "layer head relation hits suppressed",
        "pairs": "relation category pair source_id source target_id target",
        "descriptions": (
            "layer head describer description_id input_strings observed_pattern reasoning pattern pattern_paper model "
            "support mapping_hash prompt_hash seed prompt_tokens completion_tokens cost_usd created_at"
        ),
        "patterns": (
            "layer head describer description_id operation input_strings observed_pattern support source_ids reasoning "
            "pattern stability model mapping_hash prompt_hash seed prompt_tokens completion_tokens cost_usd created_at"
        ),
        "failures": "layer head describer reason attempts created_at",
        "scores": (
            "layer head description_id scorer detection detection_low detection_high detection_swapped lookalike "
            "lookalike_low lookalike_high n describer seed reason generation generation_swapped generation_p "
            "generation_n generation_others generation_reason"
        ),
        "detections": (
            "layer head describer description_id shown_id decoys scorer seed own own_named other other_left reason "
            "attempts model prompt_hash prompt_tokens completion_tokens cost_usd created_at"
        ),
        "predictions": (
            "layer head describer description_id writer seed sources predicted reason attempts model prompt_hash "
            "prompt_tokens completion_tokens cost_usd created_at"
        ),
        "concentration": "layer head target_entropy random_heads seed entropy_below kurtosis_below mapping_hash",
        "random_heads": "layer head seed target_entropy target_kurtosis",
        "checks": "layer head check support by_chance mapping_hash",
        "attention": "layer head rank query_id query saliency key_ids keys key_scores",
        "attention_scores": "layer head measure value origin",
    }


def test_integers_are_int32_and_times_utc() -> None:
    fields = [field for schema in SCHEMAS.values() for field in schema]
    assert {field.type for field in fields if pa.types.is_integer(field.type)} == {pa.int32()}
    assert {field.type for field in fields if field.name == "created_at"} == {pa.timestamp("us", tz="UTC")}


def test_a_mapping_comes_back_from_its_row() -> None:
    rows = make_table("mappings", [mapping_row(HEAD, MAPPING)]).to_pylist()
    assert (rows[0]["layer"], rows[0]["head"]) == HEAD
    assert mapping_from_row(rows[0]) == MAPPING


def test_a_relation_score_comes_back_from_its_row_and_what_is_absent_is_null() -> None:
    scores = [
        RelationScore("copying", "algorithmic", 1, 40, 0.25, 0.0, 0.5, 0.2, 0.0, 20),
        RelationScore("own", "", 10, 0, None, None),
    ]
    rows = make_table("relations", [relation_row(HEAD, score, "mlp") for score in scores]).to_pylist()
    assert [row["reading"] for row in rows] == ["mlp", "mlp"]
    assert [relation_score_from_row(row) for row in rows] == scores
    assert (rows[1]["category"], rows[1]["score"], rows[1]["suppression"]) == (None, None, None)


def test_a_description_row_has_every_column() -> None:
    description = Description("Words.", "Unclear.", "Looked.")
    identity = {"description_id": "d", "mapping_hash": "m", "created_at": None}
    row = description_row(HEAD, "offline", Answer(description, "rules"), identity)
    assert sorted(row) == sorted(SCHEMAS["descriptions"].names)
    assert (row["pattern"], row["pattern_paper"], row["support"], row["cost_usd"]) == (False, False, None, None)
