"""Freezing: the same seed gives the same study, and controls are what they claim to be."""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import replace

import pytest

from annotation.commands.study_design import parse_seed
from annotation.study.sampling import MAX_SEED, draw_seed, shuffle_targets, split_proportionally
from annotation.study.study import layer_quarter
from annotation.types import CONTROL_KINDS, StudyItem
from maps.errors import MapsError
from maps.types import HeadId
from tests.annotation.invented_study import (
    CANDIDATES,
    freeze_invented_study,
    hash_of_mappings,
    invented_candidate,
    invented_mapping,
)

BY_HEAD = {one.head: one for one in CANDIDATES}
BY_DESCRIPTION = {one.description_id: one for one in CANDIDATES}


def head_of(item: StudyItem) -> HeadId:
    return HeadId(item.layer, item.head)


def test_the_same_seed_freezes_the_same_study_whatever_order_the_heads_come_in() -> None:
    assert freeze_invented_study(reversed(CANDIDATES)) == freeze_invented_study(CANDIDATES)
    assert freeze_invented_study(seed=1).order != freeze_invented_study().order


def test_the_draw_is_the_same_in_every_release() -> None:
    drawn = [
        f"{head_of(item)} {item.item_kind}"
        for item in freeze_invented_study(heads=3, overlap=1, swapped=1, shuffled=1).order
    ]
    assert drawn == ["L5H2 overlap", "L7H1 shuffled", "L4H0 head", "L3H1 swapped", "L1H3 head"]


def test_a_study_has_what_its_settings_say_of_distinct_heads() -> None:
    found = freeze_invented_study()
    assert Counter(item.item_kind for item in found.order) == {"head": 10, "overlap": 2, "swapped": 3, "shuffled": 3}
    assert len({head_of(item) for item in found.order}) == len(found.order) == 18
    assert sorted(found.items_by_head) == sorted(
        head_of(item) for item in found.order if item.item_kind not in CONTROL_KINDS
    )
    assert {item.study for item in found.order} == {"pilot"}
    for head, [item] in found.items_by_head.items():
        own, shown = BY_HEAD[head], found.contents[item.key]
        assert (item.mapping_hash, item.description_id) == (own.mapping_hash, own.description_id)
        assert (shown.mappings, shown.observed_pattern) == (own.mappings, own.observed_pattern)


def test_a_swapped_control_shows_the_nearest_other_description_of_the_layer() -> None:
    found = freeze_invented_study()
    for item in (item for item in found.order if item.item_kind == "swapped"):
        own, other, shown = BY_HEAD[head_of(item)], BY_DESCRIPTION[item.description_id], found.contents[item.key]
        assert shown.mappings == own.mappings
        assert item.mapping_hash == own.mapping_hash
        assert shown.observed_pattern == other.observed_pattern != own.observed_pattern
        assert other.head.layer == own.head.layer
        assert abs(other.head.head - own.head.head) == 1  # in these heads the next one's description is nearest


def test_a_description_in_the_same_words_is_no_swapped_control() -> None:
    heads = [
        invented_candidate(0, 0, "Unclear"),
        invented_candidate(0, 1, "Unclear"),
        invented_candidate(0, 2, "Unclear"),
        invented_candidate(0, 3, "Names"),
    ]
    found = freeze_invented_study(heads, heads=1, overlap=0, swapped=3, shuffled=0)
    said = {
        head_of(item): found.contents[item.key].observed_pattern for item in found.order if item.item_kind == "swapped"
    }
    assert {head: words for head, words in said.items() if words != "Names"} in ({HeadId(0, 3): "Unclear"}, {})
    with pytest.raises(MapsError, match="only 0 heads outside the overlap allow one"):
        freeze_invented_study(heads[:3], heads=1, overlap=0, swapped=1, shuffled=0)


def test_a_shuffled_control_gives_every_source_the_targets_of_another() -> None:
    found = freeze_invented_study()
    for item in (item for item in found.order if item.item_kind == "shuffled"):
        own, shown = BY_HEAD[head_of(item)], found.contents[item.key]
        assert shown.observed_pattern == own.observed_pattern
        assert item.mapping_hash == hash_of_mappings(shown.mappings) != own.mapping_hash
        assert found.origins[item.key].mapping_hash == own.mapping_hash
        assert [(m.rank, m.source) for m in shown.mappings] == [(m.rank, m.source) for m in own.mappings]
        assert sorted(m.targets for m in shown.mappings) == sorted(m.targets for m in own.mappings)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("rows", [2, 3, 30])
def test_shuffling_leaves_no_targets_where_they_were(seed: int, rows: int) -> None:
    before = [invented_mapping(rank, 0) for rank in range(1, rows + 1)]
    after = shuffle_targets(before, seed)
    assert all(old.target_ids != new.target_ids for old, new in zip(before, after, strict=True))
    scores = {m.target_ids: m.scores for m in before}
    assert all(scores[m.target_ids] == m.scores for m in after)


def test_a_head_that_shuffling_cannot_change_is_no_control() -> None:
    alike = [replace(one, mappings=one.mappings[:1]) for one in CANDIDATES]
    alike = [replace(one, mapping_hash=hash_of_mappings(one.mappings)) for one in alike]
    with pytest.raises(MapsError, match="3 shuffled controls, but only 0 heads"):
        freeze_invented_study(alike)


def test_controls_are_of_sampled_heads_only_where_there_are_no_others_and_never_of_the_overlap() -> None:
    found = freeze_invented_study(heads=30, overlap=4, swapped=2, shuffled=3)
    controls = {head_of(item) for item in found.order if item.item_kind in CONTROL_KINDS}
    assert len(controls) == 5
    assert len(controls - found.items_by_head.keys()) == 2
    assert not controls & {head for head, [item] in found.items_by_head.items() if item.item_kind == "overlap"}


def test_a_stratified_sample_is_spread_over_the_quarters_as_the_heads_are() -> None:
    heads = [one for one in CANDIDATES if one.head.layer < 4 or one.head.head == 0]  # 8, 8, 2 and 2 heads a quarter
    found = freeze_invented_study(heads, sample="stratified", heads=10, swapped=0, shuffled=0)
    assert Counter(layer_quarter(head.layer, 8) for head in found.items_by_head) == {0: 4, 1: 4, 2: 1, 3: 1}
    assert split_proportionally([8, 8, 2, 2], 5) == [2, 2, 1, 0]
    assert split_proportionally([1, 1, 1], 3) == [1, 1, 1]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"heads": 33}, "asks for 33 heads, but 'offline' described 32 heads"),
        ({"heads": 0}, "asks for 0 heads"),
        (
            {"overlap": 13},
            "The overlap of 13 items does not fit into 12 heads",
        ),
        ({"overlap": 5, "per_annotator": 4}, "Everybody judges the 5 items of the overlap"),
        ({"per_item": 3, "annotators": 2}, "3 judgments of each item, but for only 2 annotators"),
        ({"swapped": 40}, "The study asks for 40 swapped controls, but only 30 heads"),
        ({"swapped": 20, "shuffled": 20}, "The study asks for 20 shuffled controls, but only 10 heads"),
        ({"sample": "any"}, "'any' is not a sampling method; choose uniform or stratified."),
    ],
)
def test_settings_that_cannot_be_met_are_refused_in_one_sentence(changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(MapsError, match=sentence):
        freeze_invented_study(CANDIDATES, **changes)


def test_a_drawn_seed_cannot_be_guessed_and_can_be_given_again() -> None:
    drawn = {draw_seed() for _ in range(20)}
    assert len(drawn) == 20
    assert max(drawn) > 10**9  # far more seeds than anybody tries
    for seed in (*drawn, MAX_SEED):
        assert parse_seed(str(seed)) == seed
        assert float(seed) == seed  # as JavaScript keeps it
    for text in (str(MAX_SEED + 1), "-1", "1.5", "", "9" * 5000):
        with pytest.raises(argparse.ArgumentTypeError, match="is not a whole number from 0 to"):
            parse_seed(text)
