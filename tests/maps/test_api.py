"""The functions of `import maps`, compared with the bundled model's atlas and on small models."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

import maps
from maps.data import predefined_relations
from maps.describers.describe_atlas import DescribeSummary
from maps.errors import ReplyError
from maps.heads.circuit import HeadWeights
from maps.mapping.settings import MappingSettings
from maps.types import Answer
from maps.weights.checkpoint import Checkpoint
from tests import chat_server
from tests.hub.loopback import LoopbackHub
from tests.scripted import ScriptedDescriber
from tests.small_models import VOCABULARY_SIZE, WORDS, SmallModel, approximate_rows, random_weights, save_model_folder

ROOT = Path(__file__).parents[2]
SEED = ROOT / "space" / "seed" / "smollm2"
PAIRS = [(word, word) for word in WORDS]


@pytest.fixture(scope="module")
def bundled() -> maps.Model:
    return maps.load("smollm2")


@pytest.fixture
def small(small_model: Path) -> maps.Model:
    return maps.load(small_model)


def refusal(caught: pytest.ExceptionInfo[maps.MapsError]) -> str:
    return str(caught.value)


def values(mappings: list[maps.Mapping]) -> list[dict[str, object]]:
    return [{name: list(x) if isinstance(x, tuple) else x for name, x in asdict(m).items()} for m in mappings]


def test_the_public_names_are_these() -> None:
    classes = ["Atlas", "Description", "HeadId", "Mapping", "MapsError", "Model", "Relation", "RelationScore"]
    functions = [
        "calibrate",
        "describe",
        "load",
        "load_atlas",
        "map",
        "probe",
        "push",
        "relation_scores",
        "salient_mappings",
        "score",
        "show",
    ]
    assert maps.__all__ == dir(maps) == [*classes, *functions]
    assert [getattr(maps, name).__name__ for name in maps.__all__] == maps.__all__
    assert [name for name in maps.__all__ if not getattr(maps, name).__doc__] == []
    with pytest.raises(AttributeError, match=r"^module 'maps' has no attribute 'atlases'$"):
        maps.atlases  # noqa: B018


def test_no_module_hides_a_public_name() -> None:
    modules = {path.stem for path in (ROOT / "maps").iterdir()}
    assert modules & set(maps.__all__) == set()


def test_importing_the_library_imports_nothing_heavy() -> None:
    heavy = "{'torch', 'transformers', 'pyarrow', 'numpy', 'gradio', 'openai', 'datasets', 'huggingface_hub'}"
    code = f"import maps, sys; dir(maps); print(sorted({heavy} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert (run.stdout, run.stderr) == ("[]\n", "")


@pytest.mark.slow
@pytest.mark.parametrize("head", ["L0H8", "L26H2"])
def test_a_head_equals_its_rows_in_the_atlas(head: str, bundled: maps.Model) -> None:
    atlas, head_id = maps.load_atlas(SEED), maps.HeadId.parse(head)
    stored = atlas.mappings(head_id)
    found = maps.salient_mappings(bundled, head)
    assert values(found) == approximate_rows(values(stored))
    assert maps.relation_scores(bundled, head_id) == atlas.relation_scores(head_id)
    [row] = atlas.descriptions(head_id)
    description = maps.describe(found)
    assert description == maps.describe(stored)
    assert description == maps.Description(row["input_strings"], row["observed_pattern"], row["reasoning"])


def test_a_model_reads_its_weights_when_they_are_needed_and_a_layer_once(
    small: maps.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    plain = type(small.checkpoint).read

    def reading(checkpoint: Checkpoint, name: str) -> Tensor:
        read.append(name)
        return plain(checkpoint, name)

    monkeypatch.setattr(type(small.checkpoint), "read", reading)
    assert repr(small) == f"<Model small: 2 layers of 4 heads, {VOCABULARY_SIZE} tokens>"
    assert read == []
    for head in ("L0H0", "L0H3"):
        maps.salient_mappings(small, head)
        maps.relation_scores(small, head, ["copying"])
    layer = small.layer(0)
    assert sorted(name.split(".")[-2] for name in read) == ["embed_tokens", "lm_head", "o_proj", "v_proj"]
    assert small.layer(0) is layer
    maps.salient_mappings(small, "L1H0")
    assert small.layer(0) is not layer
    assert [name for name in read if read.count(name) > 1] == [n for n in read if ".layers.0.self_attn" in n]


def test_one_head_alone_has_its_value_head(small: maps.Model) -> None:
    heads = small.layer(1).heads
    alone = heads.single_head(3)
    assert heads.group_size == 2
    assert (alone.values.tolist(), alone.outputs.tolist()) == ([heads.values[1].tolist()], [heads.outputs[3].tolist()])
    assert isinstance(alone, HeadWeights)
    assert alone.group_size == 1


def test_the_requested_numbers_of_mappings_and_targets_are_returned(small: maps.Model) -> None:
    found = maps.salient_mappings(small, "L1H3", salient=12, targets=9)
    assert [mapping.rank for mapping in found] == list(range(1, 13))
    assert {len(mapping.targets) for mapping in found} == {9}
    usual = maps.salient_mappings(small, maps.HeadId(1, 3))
    assert [mapping.target_ids[:5] for mapping in found] == [mapping.target_ids for mapping in usual[:12]]
    assert len(maps.salient_mappings(small, "L1H3", salient=1000)) == VOCABULARY_SIZE


def test_own_relations_are_pairs_by_name_or_values(small: maps.Model) -> None:
    own = maps.Relation("same", "", tuple(PAIRS))
    [found] = maps.relation_scores(small, "L1H0", {"same": PAIRS})
    assert maps.relation_scores(small, "L1H0", [own]) == [found]
    assert (found.relation, found.category, found.k, found.pairs) == ("same", "", 10, 15)
    all_hit: dict[str, Any] = {"score": 1.0, "suppression": 1.0, "identity": 1.0, "beyond_copying_pairs": 0}
    all_hit |= {"beyond_copying": None, "suppression_beyond_copying": None}
    assert maps.relation_scores(small, "L1H0", [own], k=VOCABULARY_SIZE) == [
        replace(found, k=VOCABULARY_SIZE, **all_hit)
    ]
    assert maps.relation_scores(small, "L1H0", []) == []
    unknown = maps.relation_scores(small, "L1H0", {"unknown": [["xylophone", "zebra"]]})
    assert unknown == [maps.RelationScore("unknown", "", 10, 0, None, None)]
    assert [s.relation for s in maps.relation_scores(small, "L1H0", "copying")] == ["copying"]
    assert [s.relation for s in maps.relation_scores(small, "L1H0")] == [r.name for r in predefined_relations()]


def test_invalid_relations_are_refused(small: maps.Model) -> None:
    copying = maps.Relation("copying", "", tuple(PAIRS))
    for wrong, sentence in {
        "rhyme": "There is no relation rhyme. Choose from copying, ",
        (("France", "Paris"),): "('France', 'Paris') is not a relation: give a name, or your own pairs as ",
        ("copying", copying): "Two relations have the same name; give each its own.",
    }.items():
        with pytest.raises(maps.MapsError, match=f"^{re.escape(sentence)}"):
            maps.relation_scores(small, "L0H0", wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("head", ["L2H0", "L0H4", maps.HeadId(0, -1), maps.HeadId(-1, 0)])
def test_a_head_that_the_model_lacks_is_refused(head: str | maps.HeadId, small: maps.Model) -> None:
    for ask in (maps.salient_mappings, maps.relation_scores):
        with pytest.raises(maps.MapsError) as caught:
            ask(small, head)
        assert refusal(caught) == f"small has no head {head}: its heads are L0H0 to L1H3."


@pytest.mark.parametrize("wrong", [0, -1, 2.5])
def test_numbers_below_one_are_refused(wrong: int, small: maps.Model, tmp_path: Path) -> None:
    asked: dict[str, Callable[[], object]] = {
        "salient": lambda: maps.salient_mappings(small, "L0H0", salient=wrong),
        "targets": lambda: maps.salient_mappings(small, "L0H0", targets=wrong),
        "k": lambda: maps.relation_scores(small, "L0H0", k=wrong),
        "min_pairs": lambda: maps.map(small, tmp_path / "atlas", min_pairs=wrong),
    }
    for name, ask in asked.items():
        with pytest.raises(maps.MapsError) as caught:
            ask()
        assert refusal(caught) == f"{name} must be a whole number of at least 1, not {wrong}."
    assert not (tmp_path / "atlas").exists()


def test_an_invalid_tau_or_dtype_is_refused(small: maps.Model, tmp_path: Path) -> None:
    with pytest.raises(maps.MapsError, match=r"^tau must be a number from 0 to 1, not 15\.$"):
        maps.map(small, tmp_path / "atlas", tau=15)
    with pytest.raises(
        maps.MapsError, match=r"^There is no dtype float16; the dtypes are stored, float32, bfloat16\.$"
    ):
        maps.load("smollm2", dtype="float16")


def test_a_model_is_mapped_as_it_was_loaded(tmp_path: Path) -> None:
    folder = save_model_folder(tmp_path / "model", SmallModel(layers=2), random_weights(SmallModel(layers=2)))
    plain, other = maps.load(folder), maps.load(folder, dtype="float32", reading="embedding+final-norm")
    atlas = maps.map(plain, tmp_path / "plain", relations={"same": PAIRS}, salient=7)
    head_id = maps.HeadId(1, 1)
    assert atlas.info["asked_for"] == str(folder)
    assert values(atlas.mappings(head_id)) == approximate_rows(values(maps.salient_mappings(plain, head_id, salient=7)))
    assert atlas.relation_scores(head_id) == maps.relation_scores(plain, head_id, {"same": PAIRS})
    mapped = maps.map(other, tmp_path / "other", relations={"same": PAIRS}, salient=7, layers=(1, 1))
    assert {name: mapped.info["settings"][name] for name in ("dtype", "reading", "calibration", "layers")} == {
        **{"dtype": "float32", "reading": "embedding+final-norm", "calibration": None, "layers": [1, 1]}
    }
    assert values(mapped.mappings(head_id)) == approximate_rows(
        values(maps.salient_mappings(other, head_id, salient=7))
    )
    assert mapped.mappings(head_id) != atlas.mappings(head_id)


def test_a_finished_atlas_is_opened_without_the_model(tmp_path: Path, small_model: Path) -> None:
    folder = Path(shutil.copytree(small_model, tmp_path / "model"))
    made = maps.map(folder, tmp_path / "atlas", relations=["copying"])
    shutil.rmtree(folder)
    assert maps.map(str(folder), tmp_path / "atlas", relations=["copying"]) == made
    with pytest.raises(maps.MapsError, match=r"holds an atlas made with other settings \(salient was 30, now 9\)"):
        maps.map(folder, tmp_path / "atlas", relations=["copying"], salient=9)


def test_an_atlas_is_described_as_the_command_does(atlas_folder: Path) -> None:
    atlas = maps.load_atlas(atlas_folder)
    run = maps.describe(atlas)
    assert (run.asked, run.failed, run.heads) == (8, 0, 8)
    assert maps.describe(atlas_folder, "offline", concurrency=2) == DescribeSummary(0, 0, run.patterns, 8)
    assert {row["describer"] for row in atlas.descriptions()} == {"offline"}
    assert "offline: " in maps.show(atlas, "l0h0")


@pytest.mark.slow
def test_an_atlas_is_scored_as_the_command_does(atlas_folder: Path, small_model: Path) -> None:
    assert "entropy" not in maps.show(maps.load_atlas(atlas_folder), "L0H0")
    scored = maps.score(atlas_folder)
    assert {row["random_heads"] for row in scored.table("concentration").to_pylist()} == {0}
    assert len(scored.table("checks")) > 0
    assert "entropy of the targets: " in maps.show(scored, "L0H0")
    again = maps.score(scored, random_heads=3, model=small_model, seed=1)
    assert [row["seed"] for row in again.table("random_heads").to_pylist()] == [1] * 6
    assert {row["random_heads"] for row in again.table("concentration").to_pylist()} == {3}
    compared = maps.score(scored, seed=1)
    assert {row["random_heads"] for row in compared.table("concentration").to_pylist()} == {3}
    with pytest.raises(maps.MapsError, match=r"^random_heads must be a whole number of at least 1, not -1\.$"):
        maps.score(scored, random_heads=-1)
    with pytest.raises(maps.MapsError, match=r"^There is no file or folder /not/here; "):
        maps.score(scored, random_heads=1, model="/not/here")


def test_a_scorer_is_asked_about_the_descriptions_of_an_atlas(atlas_folder: Path) -> None:
    with pytest.raises(maps.MapsError, match="contains no descriptions: run"):
        maps.score(atlas_folder, "some-model", base_url="http://127.0.0.1:1/v1")
    maps.describe(
        atlas_folder, ScriptedDescriber([Answer(maps.Description("Words.", "Copies.", ""), "s")] * 8, "copier")
    )
    with pytest.raises(maps.MapsError, match=r"^gpt-4o needs a key: .*, or leave out the scorer: the offline measures"):
        maps.score(atlas_folder, "gpt-4o")
    assert not (atlas_folder / "checks.parquet").exists()
    with chat_server.serve_chat(lambda _body: chat_server.completion_response('{"belongs": []}')) as server:
        scored = maps.score(atlas_folder, "some-model", base_url=server.url, api_key="sk-secret", concurrency=4)
    found = [(row["describer"], row["scorer"], row["detection"]) for row in scored.table("scores").to_pylist()]
    assert found == [("copier", "some-model", 0.5)] * 8
    assert (set(server.request_keys), len(server.request_bodies)) == ({"Bearer sk-secret"}, 16)
    assert len(scored.table("checks")) > 0
    assert "\n  detection by some-model: 0.50 (95 % interval " in maps.show(scored, "L0H0")


def test_one_head_is_asked_about_three_times(small: maps.Model) -> None:
    mappings = maps.salient_mappings(small, "L1H0")
    description = maps.Description("Words.", "Copies.", "Seen.")
    assert (
        maps.describe(mappings, ScriptedDescriber([ReplyError("empty"), Answer(description, "scripted")]))
        == description
    )
    with pytest.raises(maps.MapsError, match=r"^third$"):
        maps.describe(mappings, ScriptedDescriber([ReplyError("first"), ReplyError("second"), ReplyError("third")]))
    with pytest.raises(maps.MapsError, match=r"^There are no mappings to describe\.$"):
        maps.describe([])


def test_describing_works_where_a_loop_runs_as_in_a_notebook(atlas_folder: Path) -> None:
    async def cell() -> tuple[maps.Description, int]:
        atlas = maps.load_atlas(atlas_folder)
        return maps.describe(atlas.mappings(maps.HeadId(0, 0))), maps.describe(atlas).asked

    description, asked = asyncio.run(cell())
    assert isinstance(description, maps.Description)
    assert asked == 8


@pytest.mark.slow
def test_an_atlas_goes_to_the_hub_and_comes_back(hub: LoopbackHub, mapped_once: Path, tmp_path: Path) -> None:
    code = f"""import maps
atlas = maps.load_atlas({str(mapped_once)!r})
print(maps.push(atlas, "tester/atlas", private=True))
print(maps.show(maps.load_atlas("tester/atlas"), "L1H3") == maps.show(atlas, "L1H3"))"""
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_TOKEN": hub.token, "HF_HOME": str(tmp_path)}
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    [commit] = hub.commits("tester/atlas")
    assert run.stdout == f"{hub.url}/datasets/tester/atlas/commit/{commit.oid}\nTrue\n"
    assert hub.repositories["dataset", "tester/atlas"].private


def test_a_head_that_the_atlas_lacks_is_refused(mapped_once: Path) -> None:
    with pytest.raises(maps.MapsError, match="has no mapped head L7H7"):
        maps.show(maps.load_atlas(mapped_once), maps.HeadId(7, 7))


def test_the_default_settings_are_those_of_the_command(tmp_path: Path, small_model: Path) -> None:
    maps.map(small_model, tmp_path / "atlas", layers=(0, 0))
    info = json.loads((tmp_path / "atlas" / "atlas.json").read_text(encoding="utf-8"))
    assert info["settings"] == MappingSettings(predefined_relations(), layers=(0, 0)).as_json()
