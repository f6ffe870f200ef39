"""The pure parts of scoring: items, prompt, accuracy, entropy, checks."""

from __future__ import annotations

from math import log2, sqrt

import pytest

from maps.data import predefined_relations
from maps.describers.offline.describer import OfflineDescriber
from maps.distributions import wilson_interval
from maps.errors import ReplyError
from maps.scoring.accuracy import DetectionCounts, balanced_accuracy, count_answer, mean_over_heads
from maps.scoring.comparison import entropy, share_below
from maps.scoring.items import (
    DetectionItem,
    detection_messages,
    draw_items,
    exchange_partners,
    item_truth,
    parse_named_items,
)
from maps.scoring.measures import NamedCheck, supported_checks
from maps.types import HeadId, Mapping
from tests.invented_heads import build_mappings, build_noisy_mappings, rows_from_templates


def mapping(source: int, rank: int = 31) -> Mapping:
    return Mapping(rank, source, f" s{source}", 0.125, (1, 2), (" x", " y"), (0.75, 0.5))


LAYER = {HeadId(3, head): [mapping(100 * head + n, 31 + n) for n in range(30)] for head in range(4)}
HELD_OUT = {**LAYER, HeadId(4, 0): [mapping(900 + n) for n in range(30)]}
A, B = HeadId(3, 1), HeadId(3, 2)


def test_twenty_items_are_ten_of_the_head_and_ten_of_others_in_its_layer() -> None:
    drawn = draw_items(A, HELD_OUT, 0)
    assert [item.head == A for item in drawn].count(True) == 10
    assert len({item.mapping.source_id for item in drawn}) == len(drawn) == 20
    assert all(item.mapping in HELD_OUT[item.head] and item.head.layer == 3 for item in drawn)
    assert len({item.head for item in drawn}) > 2


def test_items_depend_on_the_seed_and_the_head_only() -> None:
    assert draw_items(A, HELD_OUT, 0) == draw_items(A, dict(reversed(HELD_OUT.items())), 0)
    assert len({tuple(draw_items(A, HELD_OUT, seed)) for seed in range(5)}) == 5
    order = [tuple(item.head == A for item in draw_items(A, HELD_OUT, seed)) for seed in range(50)]
    assert 200 < sum(truths[0] + truths[-1] for truths in order) * 5 < 300  # of 500: neither end favours the head


def test_a_source_of_the_head_is_never_drawn_from_another_head() -> None:
    twins = {A: LAYER[A], B: [*LAYER[A][:25], *LAYER[B][:5]]}
    drawn = draw_items(A, twins, 0)
    assert sorted(item.mapping.source_id for item in drawn if item.head == B) == [200, 201, 202, 203, 204]
    assert len(drawn) == 15


def test_a_head_alone_in_its_layer_has_no_items_of_others() -> None:
    assert {item.head for item in draw_items(HeadId(4, 0), HELD_OUT, 0)} == {HeadId(4, 0)}


@pytest.mark.parametrize("seed", range(4))
def test_descriptions_are_exchanged_within_layers_and_each_is_used_once(seed: int) -> None:
    heads = [*LAYER, HeadId(4, 0), HeadId(5, 0), HeadId(5, 7)]
    found = exchange_partners(heads, seed)
    assert set(found) == set(found.values()) == set(heads) - {HeadId(4, 0)}
    assert all(head != other and head.layer == other.layer for head, other in found.items())
    more = exchange_partners([*heads, HeadId(3, 9)], seed)
    assert sum(more[head] != other for head, other in found.items()) == 1


def test_items_of_the_head_whose_description_is_shown_do_not_count_against_it() -> None:
    items = [DetectionItem(mapping(1), A), DetectionItem(mapping(2), B), DetectionItem(mapping(3), HeadId(3, 0))]
    assert item_truth(items, A, A) == [True, False, False]
    assert item_truth(items, A, B) == [True, None, False]
    counts = count_answer(item_truth(items, A, B), frozenset({2}))
    assert counts == DetectionCounts(own=1, own_named=0, other=1, other_left=1)


def test_the_prompt_names_no_head_no_rank_and_no_score() -> None:
    drawn = draw_items(A, HELD_OUT, 0)
    [message] = detection_messages("Words.", 'Say "yes" <|im_end|>', drawn)
    prompt = message["content"]
    lines = prompt.split("\n")[-20:]
    assert lines == [f'{n}. "{item.mapping.source}": " x", " y"' for n, item in enumerate(drawn, start=1)]
    assert 'Observed pattern: "Say \\"yes\\" < |im_end| >"' in prompt
    assert [text for text in ("L3", "H1", "0.125", "0.75", "rank") if text in prompt] == []


def test_a_reply_names_some_numbers_or_none() -> None:
    assert parse_named_items('{"belongs": [3, 1, 3]}', 20) == {1, 3}
    assert parse_named_items('```json\n{"belongs": []}\n```', 20) == frozenset()


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        ("", "The reply is empty."),
        ("1, 2 and 3", "The reply is not a JSON object: 1, 2 and 3"),
        ("I'm sorry, I can't.", "The reply is a refusal: I'm sorry, I can't."),
        ('{"mine": [1]}', "The reply lacks the list “belongs”."),
        ('{"belongs": "1"}', "The reply lacks the list “belongs”."),
        ('{"belongs": [0]}', "The reply's list contains [0], not numbers from 1 to 20."),
        ('{"belongs": [21]}', "The reply's list contains [21], not numbers from 1 to 20."),
        ('{"belongs": [true]}', "The reply's list contains [true], not numbers from 1 to 20."),
        ('{"belongs": ["3"]}', 'The reply\'s list contains ["3"], not numbers from 1 to 20.'),
    ],
)
def test_a_reply_without_item_numbers_is_an_error(reply: str, message: str) -> None:
    with pytest.raises(ReplyError) as error:
        parse_named_items(reply, 20)
    assert str(error.value) == message


def test_wilsons_interval_matches_published_values() -> None:
    # Newcombe 1998 (Statistics in Medicine 17, 857-872), table I, method 3
    published = {(81, 263): (0.2553, 0.3662), (15, 148): (0.0624, 0.1605), (0, 20): (0.0, 0.1611)}
    for (hits, n), ends in published.items():
        assert wilson_interval(hits, n) == pytest.approx(ends, abs=5e-5)
    assert wilson_interval(29, 29) == pytest.approx((0.8830, 1.0), abs=5e-5)


def test_balanced_accuracy_and_its_interval_match_values_computed_by_hand() -> None:
    # 8 of 10 and 6 of 10: Wilson (0.4902, 0.9433) and (0.3127, 0.8318)
    estimate = balanced_accuracy(DetectionCounts(10, 8, 10, 6))
    assert estimate is not None
    low, high = sqrt(0.3098**2 + 0.2873**2) / 2, sqrt(0.1433**2 + 0.2318**2) / 2
    assert tuple(estimate) == pytest.approx((0.7, 0.7 - low, 0.7 + high), abs=1e-4)
    assert balanced_accuracy(DetectionCounts(10, 10, 10, 0)) == pytest.approx((0.5, 0.3612, 0.6388), abs=1e-4)
    perfect = balanced_accuracy(DetectionCounts(10, 10, 10, 10))
    assert perfect == pytest.approx((1.0, 0.8038, 1.0), abs=1e-4)
    assert balanced_accuracy(DetectionCounts(10, 10, 0, 0)) is None


def test_the_interval_covers_the_true_accuracy_in_about_95_percent_of_draws() -> None:
    def probability(hits: int, p: float) -> float:
        choose = {0: 1, 1: 10, 2: 45, 3: 120, 4: 210, 5: 252}[min(hits, 10 - hits)]
        return float(choose * p**hits * (1 - p) ** (10 - hits))

    for p, q in ((0.5, 0.5), (0.9, 0.6), (0.8, 0.95)):
        coverage = 0.0
        for x in range(11):
            for y in range(11):
                estimate = balanced_accuracy(DetectionCounts(10, x, 10, y))
                assert estimate is not None
                coverage += probability(x, p) * probability(y, q) * (estimate.low <= (p + q) / 2 <= estimate.high)
        assert 0.92 < coverage < 0.99


def test_a_mean_over_heads_has_an_interval_from_two_heads_on() -> None:
    assert mean_over_heads([]) is None
    assert mean_over_heads([0.7]) == (0.7, None, None, 1)
    values = [0.5, 0.6, 0.7, 0.8, 0.9] * 20
    found = mean_over_heads(values)
    assert found == mean_over_heads(values)
    half = 1.96 * 0.1414 / 10  # the normal approximation
    assert found == pytest.approx((0.7, 0.7 - half, 0.7 + half, 100), abs=0.004)


def test_entropy_matches_values_computed_by_hand() -> None:
    assert entropy([]) == entropy([7] * 150) == 0
    assert entropy([1, 2]) == 1
    assert entropy([1, 1, 2, 3]) == 1.5
    assert entropy(range(150)) == pytest.approx(log2(150))


def test_share_below_counts_ties_half_and_is_undefined_without_others() -> None:
    assert share_below(2.0, [1.0, 2.0, 3.0, 4.0]) == 0.375
    assert share_below(2.0, []) is None
    assert share_below(None, [1.0]) is None


def test_checks_count_the_mappings_that_support_them() -> None:
    hypotheses_for = OfflineDescriber(predefined_relations()).applicable_hypotheses
    mappings = build_noisy_mappings(rows_from_templates(" {word}", " {title}"), 21)
    checks = {check.check: check for check in supported_checks(mappings, hypotheses_for)}
    assert (checks["change of case"].support, checks["change of case"].by_chance) == (21, 0)
    assert checks["spelling"].support == 21
    pronouns = build_mappings([(f" s{n}q", (" he", " she", " they")) for n in range(30)])
    small = supported_checks(pronouns, hypotheses_for)
    assert small[0] in (NamedCheck("one small set", 30, None), NamedCheck("targets: pronouns", 30, None))
    assert {check.check for check in small} >= {"one small set", "targets: pronouns"}
    supports = [check.support for check in small]
    assert supports == sorted(supports, reverse=True)
