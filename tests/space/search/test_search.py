"""The search compared with a plain reading of the atlas: results, their order, and when an index is built again."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pyarrow as pa
import pytest

from maps.atlas.patterns import current_patterns
from maps.atlas.reader import Atlas, write_table
from maps.atlas.schema import SCHEMAS, head_of
from maps.errors import MapsError
from maps.types import HeadId
from space.atlases import cache
from space.atlases.names import PREBUILT_FOLDER
from space.search.index import SearchIndex, SearchIndexes
from space.search.query import Query
from space.search.results import BestHead, PageSlice, PairHit, ResultSection
from space.search.search import search
from space.search.spelling import near_words, stem
from tests.large_atlas import LAYERS, write_large_atlas


@pytest.fixture(scope="module")
def atlas() -> Atlas:
    """The prebuilt atlas."""
    return Atlas.open(PREBUILT_FOLDER / "smollm2")


@pytest.fixture(scope="module")
def index(atlas: Atlas) -> SearchIndex:
    return SearchIndex.build(atlas)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> SearchIndex:
    """The index of the invented large atlas."""
    return SearchIndex.build(write_large_atlas(tmp_path_factory.mktemp("large")))


def fold(token: str) -> str:
    """A token without case and space."""
    return token.strip().casefold()


@pytest.mark.parametrize("token", [" he", "The", " president", "ing"])
def test_the_heads_of_a_token_are_those_of_the_atlas(atlas: Atlas, index: SearchIndex, token: str) -> None:
    every = atlas.mappings_by_head()
    results = search([index], token, "targets")
    having = {
        head: sum(any(fold(target) == fold(token) for target in row.targets) for row in rows)
        for head, rows in every.items()
    }
    assert results.targets.total == sum(map(bool, having.values()))
    assert {each.head: each.mappings for each in results.targets.items} == {
        head: count for head, count in having.items() if count
    }
    acting = {head for head, rows in every.items() if any(fold(row.source) == fold(token) for row in rows)}
    assert {each.head for each in results.sources.items} == acting
    for each in results.targets.items:
        rows = {row.rank: row for row in every[each.head]}
        for hit in each.hits:
            assert rows[hit.rank].source == hit.source
            assert rows[hit.rank].targets[hit.place - 1] == hit.target


def test_a_token_just_as_typed_comes_before_other_case_and_space(index: SearchIndex) -> None:
    items = search([index], " he", "targets").targets.items
    typed = [any(hit.target == " he" for hit in each.hits) for each in items]
    assert typed == sorted(typed, reverse=True)
    places = [each.hits[0].place for each in items if each.hits[0].target == " he"]
    assert places == sorted(places)
    assert search([index], "he").matching_tokens[0].string == "he"


@pytest.mark.slow
def test_a_misspelt_token_stands_for_the_nearest(large: SearchIndex) -> None:
    results = search([large], "captial")
    assert not results.has_exact_tokens
    assert [token.string for token in results.matching_tokens] == [" capital"]
    assert results.sources.total + results.targets.total > 0
    assert results.alike.total == 0
    right = search([large], "capital")
    assert right.has_exact_tokens
    assert right.sources.total == results.sources.total


def test_white_space_is_a_token_too(index: SearchIndex) -> None:
    results = search([index], " ")
    assert [token.string for token in results.matching_tokens] == [" "]
    assert results.matching_tokens[0].ids == {index.model: 216}
    assert search([index], "·he").matching_tokens[0].string == " he"


def test_descriptions_with_all_words_are_found_and_with_some_where_none_has_all(large: SearchIndex) -> None:
    both = search([large], "pronouns verbs", "descriptions")
    assert both.has_every_word
    texts = [f"{each.observed_pattern} {each.input_strings}" for each in both.descriptions.items]
    assert all("pronouns" in each and "verbs" in each for each in texts)
    some = search([large], "pronouns minerals", "descriptions")
    assert not some.has_every_word
    assert some.descriptions.total > 0


def test_the_operations_of_a_head_are_found_by_their_own_words(atlas: Atlas, index: SearchIndex) -> None:
    row = next(row for row in current_patterns(atlas) if row["operation"] == 2)
    found = search([index], row["observed_pattern"], kind="descriptions").descriptions.items
    hits = [(hit.head, hit.operation, hit.observed_pattern) for hit in found]
    assert (head_of(row), 2, row["observed_pattern"]) in hits


def test_words_are_found_by_stem_beginning_and_with_typing_errors(large: SearchIndex) -> None:
    whole = search([large], "languages").descriptions.total
    assert whole > 0
    assert search([large], "language").descriptions.total == whole
    assert search([large], "lang").descriptions.total == whole
    assert search([large], "langauges").descriptions.total == whole
    assert search([large], "langauges").highlighted_words == {"languages"}


def test_the_pattern_counts_more_than_the_inputs(large: SearchIndex) -> None:
    first = search([large], "fabrics", "descriptions").descriptions.items[0]
    assert "observed pattern" in first.where


def test_several_atlases_are_searched_together_and_one_alone(index: SearchIndex, large: SearchIndex) -> None:
    together = search([index, large], " the", "targets").targets
    alone = [search([each], " the", "targets").targets.total for each in (index, large)]
    assert together.total == sum(alone)
    assert {each.model for each in together.items} == {index.model, large.model}
    [token] = [token for token in search([index, large], " the").matching_tokens if token.string == " the"]
    assert set(token.ids) == {index.model, large.model}
    named = search([index, large], "antonym").relations
    assert [(each.name, each.models) for each in named.items] == [("word_to_antonym", (index.model, large.model))]


def test_pages_hold_each_head_once(large: SearchIndex) -> None:
    pages = [search([large], "fabrics", "descriptions", page).descriptions for page in (1, 2, 3)]
    descriptions = [(each.head, each.describer) for page in pages for each in page.items]
    assert len(descriptions) == len(set(descriptions)) == min(150, pages[0].total)
    assert (pages[0].count_text, pages[1].count_text) == (
        f"first 50 of {pages[0].total}",
        f"51 to 100 of {pages[0].total}",
    )


@pytest.mark.parametrize(
    "words",
    [
        *("L26H2", "l26h2", " L26 H2 ", "26.2", "26:2", "layer 26 head 2", "Layer 26, head 2", "L26-H2"),
        *("what does L26H2 do?", "L26H2 L26H2"),
    ],
)
def test_the_name_of_a_head_gives_that_head_in_each_model_that_has_it(
    index: SearchIndex, large: SearchIndex, words: str
) -> None:
    results = search([index, large], words)
    found = [(hit.model, hit.head) for hit in results.named_heads.items]
    assert found == [(index.model, HeadId(26, 2)), (large.model, HeadId(26, 2))]
    assert (results.missing_heads, results.relations.total, results.descriptions.total) == ((), 0, 0)


def test_a_head_that_no_model_has_is_missing(index: SearchIndex, large: SearchIndex) -> None:
    named = search([index, large], "L26H2 or L50H63 or L99H99")
    assert [(hit.model, str(hit.head)) for hit in named.named_heads.items] == [
        *((index.model, "L26H2"), (large.model, "L26H2")),
        (large.model, "L50H63"),
    ]
    assert named.missing_heads == (HeadId(99, 99),)
    for words in ("XL26H2", "L26H2x", "26", "1.2.3", "L99999H1", "layer head", "pixel 26 h 2", "٢٦.٢"):
        assert search([index], words).named_heads.total == 0, words
        assert search([index], words).missing_heads == (), words


@pytest.mark.parametrize(
    "words", ["capital of france", "What is the capital of France?", "capital of frnace", "Paris", "paris country"]
)
def test_words_of_a_question_find_the_relation_and_its_pair(index: SearchIndex, words: str) -> None:
    results = search([index], words)
    hit = results.relations.items[0]
    assert results.has_every_word_of_relation
    assert (hit.name, hit.models, hit.pair_count) == ("country_to_capital", (index.model,), 1)
    assert hit.pairs == (PairHit(" France", " Paris"),)
    assert hit.best_heads == (BestHead(index.model, HeadId(23, 4), 30, 48),)


def test_the_pairs_with_a_word_are_those_of_the_atlas(atlas: Atlas, index: SearchIndex) -> None:
    rows = atlas.table("pairs").to_pylist()
    for word in ("english", "he", "spain", "water", "james"):
        wanted: dict[str, int] = {}
        for row in rows:
            if word in (fold(row["source"]), fold(row["target"])):
                wanted[row["relation"]] = wanted.get(row["relation"], 0) + 1
        found = {hit.name: hit.pair_count for hit in search([index], word).relations.items if hit.pair_count}
        assert found == wanted, word


def test_relations_by_name_come_first_and_copying_last(index: SearchIndex) -> None:
    names = [hit.name for hit in search([index], "english").relations.items]
    assert names[:2] == ["english_to_spanish", "english_to_french"]
    assert "country_to_language" in names[2:]
    assert search([index], "capital").relations.items[-1].name == "copying"
    spain = search([index], "spain madrid").relations.items
    assert [(hit.name, hit.pairs) for hit in spain] == [("country_to_capital", (PairHit(" Spain", " Madrid"),))]


def test_relations_need_half_of_the_words_and_stop_words_do_not_count(index: SearchIndex) -> None:
    some = search([index], "What language do people talk in Spain")
    assert not some.has_every_word_of_relation
    assert some.relations.items[0].name == "country_to_language"
    assert search([index], "spain qqqq zzzz").relations.total == 0
    assert search([index], "pronouns of the").descriptions.total == search([index], "pronouns").descriptions.total
    assert search([index], "the").descriptions.total > 0


def test_pairs_of_several_atlases_are_told_once(index: SearchIndex) -> None:
    calibrated = SearchIndex.build(Atlas.open(PREBUILT_FOLDER / "smollm2-calibrated"))
    [hit] = search([index, calibrated], "capital of france").relations.items
    assert (len(hit.models), hit.pair_count, len(hit.pairs)) == (2, 1, 1)
    assert [str(best.head) for best in hit.best_heads] == ["L23H4", "L23H4"]


def test_the_best_head_of_a_relation_is_that_of_its_summary(atlas: Atlas, index: SearchIndex) -> None:
    rows = {row["relation"]: row for row in cache.relation_summary(atlas, 0.15).to_pylist()}
    best = dict(zip(index.relations.names, index.relations.best_heads, strict=True))
    assert {name: str(each.head) for name, each in best.items() if each} == {
        name: row["best_head"] for name, row in rows.items() if row["best_head"]
    }


def test_a_section_says_what_is_cut() -> None:
    assert ResultSection.build(["a"], 1, PageSlice(1, 10)).count_text == "1"
    assert ResultSection.build(["x"] * 10, 312, PageSlice(1, 10)).count_text == "first 10 of 312"
    assert ResultSection.build(["x"] * 2, 12, PageSlice(2, 10)).count_text == "11 to 12 of 12"
    with pytest.raises(MapsError, match="It has 2 pages"):
        ResultSection.build([], 12, PageSlice(3, 10))


def test_a_search_is_cut_and_says_so() -> None:
    query = Query.parse("word " * 3000)
    assert len(query.text) == 200
    assert query.notes == ("Your search has 15,000 characters; only the first 200 are searched for.",)
    many = Query.parse(" ".join(f"w{n}" for n in range(20)))
    assert many.words == tuple(f"w{n}" for n in range(12))
    assert many.notes == ("Descriptions are searched for the first 12 words only; 8 words left out.",)


def test_nearness_counts_typing_errors() -> None:
    assert near_words("hosue", ["house", "hose", "horse", "mouse", "hosue"]) == [(0, 1), (1, 1)]
    assert near_words("cat", ["car"]) == []
    assert near_words("translaiton", ["translations", "translation"]) == [(1, 1), (0, 2)]
    assert [stem(word) for word in ("country", "countries", "his", "translation", "translate")] == [
        *("countr", "countr", "his"),
        *("transl", "transl"),
    ]


def test_an_index_is_built_once_for_all_threads_and_again_for_changed_files(tmp_path: Path) -> None:
    folder = tmp_path / "atlas"
    shutil.copytree(PREBUILT_FOLDER / "smollm2", folder)
    atlas, indexes = Atlas.open(folder), SearchIndexes()
    built: list[SearchIndex] = []
    threads = [threading.Thread(target=lambda: built.append(indexes.get(atlas))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(built), len(set(map(id, built)))) == (6, 1)
    assert search([indexes.get(atlas)], "pronouns").descriptions.total > 0
    write_table(folder, "descriptions", pa.Table.from_pylist([], schema=SCHEMAS["descriptions"]))
    operations = search([indexes.get(atlas)], "pronouns").descriptions
    assert operations.total > 0
    assert all(hit.operation for hit in operations.items)
    write_table(folder, "patterns", pa.Table.from_pylist([], schema=SCHEMAS["patterns"]))
    assert search([indexes.get(atlas)], "pronouns").descriptions.total == 0
    assert indexes.get(atlas) is indexes.get(atlas)


def test_an_atlas_without_descriptions_can_be_searched_by_token(tmp_path: Path) -> None:
    shutil.copytree(PREBUILT_FOLDER / "smollm2", tmp_path / "atlas")
    for name in ("descriptions", "patterns"):
        (tmp_path / "atlas" / f"{name}.parquet").unlink()
    index = SearchIndex.build(Atlas.open(tmp_path / "atlas"))
    results = search([index], " he")
    assert (results.descriptions.total, results.targets.total > 0) == (0, True)


def test_what_is_built_before_it_is_asked_for_says_what_is_damaged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(PREBUILT_FOLDER / "smollm2", tmp_path / "atlas")
    atlas = Atlas.open(tmp_path / "atlas")
    (atlas.folder / "mappings.parquet").write_bytes(b"PAR1 cut off")
    whole = Atlas.open(PREBUILT_FOLDER / "smollm2")
    indexes = SearchIndexes()
    indexes.start_building({"damaged": atlas, whole.model: whole}).join()
    assert "is damaged" in capsys.readouterr().err
    assert indexes.get(whole).model == whole.model


def test_every_head_of_the_large_atlas_can_be_found_by_its_sources(large: SearchIndex) -> None:
    heads = {large.tokens.head(row) for row in range(0, len(large.tokens.sources), 30)}
    assert len(heads) == LAYERS * 64
    assert HeadId(79, 63) in heads
