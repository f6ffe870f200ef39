"""Probes of all heads, compared with all of M in float64, true ties included."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
import torch

import maps
from maps.errors import MapsError, SplitWordError
from maps.heads import rank_tests
from maps.heads.rank_tests import count_ranks
from maps.mapping import probe
from maps.mapping.model import Model
from maps.mapping.probe import prepare_model, probe_pair, probe_source, probe_target, score_own_pairs
from maps.mapping.probe_results import VocabularyToken
from maps.mapping.reading import Reading
from maps.mapping.settings import MappingSettings
from maps.types import HeadId, Relation, no_progress_bar
from tests.families import FAMILY_MODELS
from tests.maps.mapping.test_oracle import PAIRS
from tests.oracle import Oracle, build_model_with_ties, oracle_by_formula
from tests.plain_bundled import PlainHead, distinct_rows, open_bundled_model
from tests.sampling import with_canary
from tests.small_models import (
    VOCABULARY_SIZE,
    WORDS,
    SmallModel,
    random_weights,
    save_model_folder,
    tokenizer_with_words,
)

OPTIONS = {
    "as it stands": MappingSettings(()),
    "without the first MLP": MappingSettings((), reading=Reading("embedding")),
    "with the final gain": MappingSettings((), reading=Reading(final_norm=True)),
    "in bfloat16": MappingSettings((), dtype="bfloat16"),
}
IDS = (4, 7, 8, 9, 30, 200, 301, VOCABULARY_SIZE - 1)  # among them tokens with the same row of E, or of U


def opened(folder: Path, settings: MappingSettings) -> Model:
    """The model, with everything that probes need in memory."""
    model = Model.open(str(folder), "cpu", settings.dtype, settings.reading)
    prepare_model(model, no_progress_bar)
    return model


def every_head(model: Model, settings: MappingSettings) -> dict[HeadId, Oracle]:
    return {h: oracle_by_formula(model.checkpoint, h.layer, h.head, settings) for h in probe.all_heads(model)}


def check_pair(model: Model, oracles: dict[HeadId, Oracle], source: int, target: int) -> None:
    found = probe_pair(model, VocabularyToken(source, ""), VocabularyToken(target, ""))
    wanted = []
    for head, oracle in oracles.items():
        row = oracle.matrix[source]
        wanted.append((1 + int((row > row[target]).sum()), head, 1 + int((row < row[target]).sum())))
    assert [(each.rank, each.head, each.from_lowest) for each in found] == sorted(wanted)
    for each in found:
        row = oracles[each.head].matrix[source]
        assert each.score == pytest.approx(float(row[target]), rel=1e-4, abs=1e-4 * float(row.abs().max()))


def check_token(model: Model, oracles: dict[HeadId, Oracle], token: int) -> None:
    as_source = probe_source(model, VocabularyToken(token, ""))
    assert {each.head for each in as_source} == oracles.keys()
    assert [each.ratio for each in as_source] == sorted((each.ratio or 0.0 for each in as_source), reverse=True)
    for each in as_source:
        oracle = oracles[each.head]
        assert [t.id for t in each.targets] == oracle.ordered_targets(token)[:5]
        assert each.saliency == pytest.approx(float(oracle.sigma[token]), rel=1e-4)
        assert each.ratio == pytest.approx(float(oracle.sigma[token] / oracle.sigma.mean()), rel=1e-4)
    as_target = probe_target(model, VocabularyToken(token, ""))
    wanted = []
    for head, oracle in oracles.items():
        best = int(oracle.matrix[:, token].sort(descending=True, stable=True).indices[0])
        row = oracle.matrix[best]
        wanted.append((1 + int((row > row[token]).sum()), head, best))
    assert [(each.rank, each.head, each.source.id) for each in as_target] == sorted(wanted)


@pytest.mark.transformers
@pytest.mark.parametrize("family", with_canary(FAMILY_MODELS, "llama"))
def test_a_probe_equals_values_from_all_of_m(family: str, tmp_path: Path) -> None:
    build_model_with_ties(family, tmp_path / family)
    model = opened(tmp_path / family, OPTIONS["as it stands"])
    oracles = every_head(model, OPTIONS["as it stands"])
    for source, target in zip(IDS, (9, 30, 8, 7, 300, 280, 4, 0), strict=True):
        check_pair(model, oracles, source, target)
    for token in IDS:
        check_token(model, oracles, token)


@pytest.mark.parametrize("option", OPTIONS)
def test_options_of_the_model_count(option: str, tmp_path: Path) -> None:
    build_model_with_ties("gemma2", tmp_path / "gemma2")
    model = opened(tmp_path / "gemma2", OPTIONS[option])
    oracles = every_head(model, OPTIONS[option])
    check_pair(model, oracles, 7, 9)
    check_token(model, oracles, 30)


def test_small_blocks_and_one_thread_change_nothing(small_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = opened(small_model, OPTIONS["as it stands"])
    whole = [maps.probe(model, "garden", "magnet"), maps.probe(model, "needle")]
    monkeypatch.setattr(rank_tests, "BLOCK", 24)
    monkeypatch.setattr(rank_tests, "ROWS", 3)
    monkeypatch.setattr(probe, "BLOCK", 24)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        assert [maps.probe(model, "garden", "magnet"), maps.probe(model, "needle")] == whole
    finally:
        torch.set_num_threads(threads)


def test_layers_that_do_not_fit_are_read_each_time(small_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = maps.probe(maps.load(small_model), "garden")
    monkeypatch.setattr("maps.mapping.model.LAYER_CACHE_BYTES", 0)
    assert maps.probe(maps.load(small_model), "garden") == kept


def test_all_tokens_tie_in_a_row_of_zeros(tmp_path: Path) -> None:
    small = SmallModel()
    made = random_weights(small)
    made["model.embed_tokens.weight"][5] = 0
    made["lm_head.weight"][11] = 0
    model = opened(save_model_folder(tmp_path / "zeros", small, made), OPTIONS["as it stands"])
    first = [each for each in probe_pair(model, VocabularyToken(5, ""), VocabularyToken(9, "")) if each.head.layer == 0]
    assert [(each.rank, each.from_lowest, each.score) for each in first] == [(1, 1, 0.0)] * 4
    assert {each.source.id for each in probe_target(model, VocabularyToken(11, ""))} == {0}
    zero = [each for each in probe_source(model, VocabularyToken(5, "")) if each.head.layer == 0]
    assert [(each.saliency, [t.id for t in each.targets]) for each in zero] == [(0.0, [0, 1, 2, 3, 4])] * 4


def test_the_second_question_reads_nothing(small_model: Path) -> None:
    model, read = maps.load(small_model), list[int]()
    for _ in range(2):
        maps.probe(model, "garden", progress=lambda todo, _done: [read.append(x) or x for x in todo])  # type: ignore[func-returns-value]
    assert read == [0, 1]


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("", "Type a token"),
        (" \n", "Type a token"),
        ("\ud800", "Type a token"),
        ("a" * 10_000, "has 10,000 characters; type at most 200"),
        ("gardens", r"The model splits “gardens” into two tokens \(garden \+ s\)\. Type one of these, or another word"),
        ("amberbasketcandle", r"into 13 tokens \(amber \+ .* \+ …\)\. Type one of these"),
        ("\u202eevil", r"The model splits “\\u202Eevil” into eight tokens"),
    ],
)
def test_a_word_of_several_tokens_is_refused_with_its_pieces(small_model: Path, word: str, sentence: str) -> None:
    with pytest.raises(MapsError, match=sentence):
        maps.probe(maps.load(small_model), word)


def test_another_spelling_that_is_a_token_is_suggested(small_model: Path) -> None:
    with pytest.raises(SplitWordError, match="Did you mean “garden”") as caught:
        maps.probe(maps.load(small_model), " GARDEN ")
    assert (caught.value.word, caught.value.suggestions) == (" GARDEN ", ("garden",))
    sent = pickle.loads(pickle.dumps(caught.value))  # as the child process sends it to the app
    assert (str(sent), vars(sent)) == (str(caught.value), vars(caught.value))


def test_a_word_is_read_with_a_leading_space_or_else_unchanged(small_model: Path) -> None:
    model = maps.load(small_model)
    assert maps.probe(model, "  garden ").source.string == " garden"
    assert maps.probe(model, "·garden").source.string == " garden"
    assert maps.probe(model, "<|endoftext|>").source.id == VOCABULARY_SIZE - 1
    assert maps.probe(model, r"\xE2").source.string == r"\xE2"


def test_own_pairs_score_as_they_do_in_an_atlas(small_model: Path, tmp_path: Path) -> None:
    pairs = [*PAIRS, ("xylophone", "amber"), ("amber", "two words")]
    found = score_own_pairs(maps.load(small_model), pairs, no_progress_bar)
    atlas = maps.map(str(small_model), tmp_path / "atlas", relations={"own": pairs})
    wanted = [(head, atlas.relation_scores(head)[0]) for head in atlas.head_ids]
    assert [(each.head, each.score, each.suppression) for each in found.heads] == [
        (head, score.score, score.suppression) for head, score in wanted
    ]
    assert (found.pairs, found.k) == (len(WORDS), 10)
    assert found.unusable == (("xylophone", "amber"), ("amber", "two words"))
    with pytest.raises(MapsError, match="list of pairs"):
        score_own_pairs(maps.load(small_model), [], no_progress_bar)


def test_own_pairs_of_scripts_without_spaces_are_tried_without_the_space(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = save_model_folder(tmp_path / "small", SmallModel(), random_weights(SmallModel(padding_rows=2)))
    tokenizer_with_words(["中国", "北京"]).save(str(folder / "tokenizer.json"))
    config = json.loads((folder / "config.json").read_text()) | {"vocab_size": VOCABULARY_SIZE + 2}
    (folder / "config.json").write_text(json.dumps(config))
    pairs = [("中国", "北京"), ("amber", "北京"), ("日本", "東京"), ("xylophone", "z")]
    atlas = maps.map(str(folder), tmp_path / "atlas", relations={"own": pairs})
    rows = [(row["source"], row["target"]) for row in atlas.table("pairs").to_pylist()]
    assert rows == [("中国", "北京"), (" amber", "北京")]
    assert caplog.messages == ["own: 2 of 4 pairs usable with small."]
    found = score_own_pairs(maps.load(folder), pairs, no_progress_bar)
    assert (found.pairs, found.unusable) == (2, (("日本", "東京"), ("xylophone", "z")))
    named = maps.map(str(folder), tmp_path / "b", relations=[Relation("own", "knowledge", tuple(pairs))])
    assert len(named.table("pairs")) == 0  # the rule of predefined relations, which have a category, is the paper's


@pytest.mark.long
def test_a_head_of_the_bundled_model_ranks_a_pair_as_the_formula_does() -> None:
    model, head = open_bundled_model(), HeadId(23, 5)
    france, paris = model.vocabulary.single_token_ids(["France", "Paris"])
    assert france is not None
    assert paris is not None
    plain, different = (
        PlainHead.from_weights(model.layer(head.layer).exact_heads, head.layer, head.head),
        distinct_rows(),
    )
    row = (plain.read_rows[different.row_of_token[france]] @ plain.target_columns)[different.row_of_token]
    y = model.layer(head.layer).exact_heads.head_output(model.mlp_rows.exact_rows(torch.tensor([france])), head.head)
    found = count_ranks(y, torch.tensor([paris]), model.unembedding)
    assert (int(found.higher_count), int(found.lower_count)) == (
        int((row > row[paris]).sum()),
        int((row < row[paris]).sum()),
    )
    assert float(found.target_scores) == pytest.approx(float(row[paris]))
