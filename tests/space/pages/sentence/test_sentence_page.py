"""A head on a visitor's own sentence: its address read at the door, its answer as HTML, nothing hostile in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from maps.atlas.reader import Atlas
from maps.errors import MapsError
from maps.experiments.sentence_results import HeadAtPosition, HeadOnSentence, SentenceQuestion
from maps.mapping.probe_results import Probe, VocabularyToken
from maps.types import HeadId
from space.live.process import LiveModel
from space.live.worker import LiveAnswer, LiveQuestion
from space.pages.head import page as head_page
from space.pages.sentence import page
from space.services import Services, open_services
from space.web.page import article_html, open_page

MODEL, CALIBRATED = "SmolLM2-135M-Instruct", "SmolLM2-135M-Instruct (calibrated)"
HEAD = {"model": MODEL, "layer": "23", "head": "4"}
HOSTILE = ("<script>alert(1)</script>", "\u202egnol", '" onload="x', "</table><img src=x onerror=alert(1)>")
BAD = ("<script", "<img", 'onload="x', "</table><img")
FIELD = re.compile(r'value="[^"]*"')


class Scripted(LiveModel):
    """Answers from a value instead of a model."""

    def __init__(self, found: LiveAnswer | str) -> None:
        super().__init__("smollm2")
        self.found = found
        self.asked: list[LiveQuestion] = []

    def ask(self, question: LiveQuestion) -> LiveAnswer:
        """The value, or the sentence as an error."""
        self.asked.append(question)
        if isinstance(self.found, str):
            raise MapsError(self.found)
        return self.found


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Services over the prebuilt atlases."""
    built = open_services({"MAPS_DATA": str(tmp_path_factory.mktemp("data"))})
    yield built
    built.live_model.close()
    built.journal.close()


def tokens(*ids: int, text: str = "t") -> tuple[VocabularyToken, ...]:
    return tuple(VocabularyToken(each, f"{text}{each}") for each in ids)


def answer(text: str = "t") -> HeadOnSentence:
    """Three positions: the second rests on the first token but takes most from itself; four of ten agree there."""
    ten, other = tokens(*range(10), text=text), tokens(*range(6, 16), text=text)
    first, second, third = tokens(1, 2, 3, text=text)
    positions = (
        HeadAtPosition(first, (1.0,), 0, 0, 1.0, ten, ten, 10, 10, 0.5),
        HeadAtPosition(second, (0.75, 0.25), 0, 1, 4.0, ten, other, 4, 1, 1.5),
        HeadAtPosition(third, (0.125, 0.873, 0.002), 1, 1, 2.0, ten, other, 4, 4, 1.0),
    )
    return HeadOnSentence(MODEL, HeadId(23, 4), 50_000, positions)


def answered(used: Services, found: LiveAnswer | str, **query: str) -> str:
    return page.finish(replace(used, live_model=Scripted(found)), HEAD | query).html


def test_the_first_look_says_what_is_being_run_and_starts_nothing(used: Services) -> None:
    shown = page.build_content(used, HEAD | {"text": "The capital of France"})
    assert shown.is_unfinished
    assert shown.title == "L23H4 on “The capital of France”"
    assert "The first sentence after a pause loads the model, which takes some seconds." in shown.html
    assert used.live_model.pid is None
    empty = page.build_content(used, HEAD)
    assert not empty.is_unfinished
    assert '<section class="answer"' not in empty.html


def test_an_answer_says_how_well_prediction_and_run_agree(used: Services) -> None:
    live = Scripted(answer())
    html = page.finish(replace(used, live_model=live), HEAD | {"text": " a b c "}).html
    assert live.asked == [SentenceQuestion(HeadId(23, 4), "a b c")]
    assert "On this sentence, 6.0 of the 10 tokens that L23H4 promotes most" in html
    assert "averaged over 3 positions. Predictions for the layer&#39;s other heads agree on 1.0." in html
    assert "By pure chance it would be 0.002. With predictions for the token of highest attention, 5.0 agree." in html
    assert "At 1 of the 2 positions after the first, it looks most at the first token. Its highest attention" in html
    assert "0.87:" in html


def test_attention_is_a_table_with_the_lower_triangle_only(used: Services) -> None:
    html = answered(used, answer(), text="a b c")
    [table] = re.findall(r'<table class="attention">.*?</table>', html, re.DOTALL)
    rows = re.findall(r"<tr><th scope=\"row\">.*?</tr>", table)
    assert [len(re.findall("<td", row)) for row in rows] == [1, 2, 3]
    assert re.findall(r'class="(look-at[\w ]*)" style="--w:([\d.]+)">(\d+)<', table) == [
        ("look-at strong", "1.00", "100"),
        ("look-at strong", "0.75", "75"),
        ("look-at", "0.25", "25"),
        ("look-at", "0.12", "12"),
        ("look-at strong", "0.87", "87"),
    ]
    assert rows[2].endswith("<td></td></tr>")  # too faint to be drawn


def test_each_position_has_both_lists_with_ticks_on_what_they_share(used: Services) -> None:
    html = answered(used, answer(), text="a b c")
    rows = re.findall(r'<tr><td data-column="At">.*?</tr>', html, re.DOTALL)
    assert [row.count("in-both") for row in rows] == [10, 4, 4]
    assert [re.findall(r"\d+ of 10|\d+ %", row) for row in rows] == [
        ["10 of 10", "25 %"],
        ["4 of 10", "100 %"],
        ["4 of 10", "50 %"],
    ]
    assert "(first token) 0.75" in rows[1]
    assert "looks most at" not in rows[0] + rows[2]


def test_one_token_can_only_look_at_itself(used: Services) -> None:
    alone = replace(answer(), positions=answer().positions[:1])
    assert "The sentence has one token, which can only attend to itself." in answered(used, alone, text="a")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a" * 401, "The sentence has 401 characters; type at most 400."),
        ("a\0b", "The sentence has control characters"),
    ],
)
def test_a_sentence_that_cannot_be_run_is_never_sent(used: Services, text: str, sentence: str) -> None:
    live = Scripted(answer())
    query = HEAD | {"text": text}
    for shown in (page.build_content(replace(used, live_model=live), query), page.finish(used, query)):
        assert sentence in shown.html
        assert not shown.is_unfinished
    assert live.asked == []


def test_an_error_of_the_run_is_shown_with_the_form(used: Services) -> None:
    html = answered(used, "The sentence has 65 tokens; the limit is 64.", text="a")
    assert "The sentence has 65 tokens; the limit is 64." in html
    assert 'action="sentence"' in html


def test_addresses_without_a_head_of_the_running_model_lead_nowhere(used: Services) -> None:
    atlas = used.whole_atlases[MODEL]
    other = Atlas(atlas.folder, atlas.info | {"asked_for": "another", "model": "other"})
    services = replace(used, whole_atlases={**used.whole_atlases, "other": other})
    for query, reason in (
        ({"model": MODEL}, "The address names no head"),
        (HEAD | {"model": "other"}, "other is not run on this site"),
    ):
        assert reason in open_page(services, page, query).html
        assert not page.finish(services, query | {"text": "a"}).exists


def test_the_heads_page_has_the_form_only_where_the_model_runs(used: Services) -> None:
    atlas = used.whole_atlases[MODEL]
    other = Atlas(atlas.folder, atlas.info | {"asked_for": "another", "model": "other"})
    services = replace(used, whole_atlases={**used.whole_atlases, "other": other})
    form = 'action="sentence"'
    assert form in head_page.build_content(services, HEAD).html
    assert form in head_page.build_content(services, HEAD | {"model": CALIBRATED}).html
    assert form not in head_page.build_content(services, HEAD | {"model": "other"}).html
    off = replace(services, live_model=LiveModel(None, "The weights are not installed."))
    assert form not in head_page.build_content(off, HEAD).html
    assert "The weights are not installed." in page.build_content(off, HEAD | {"text": "a"}).html


def test_another_reading_than_the_one_that_is_computed_is_named(used: Services) -> None:
    query = HEAD | {"model": CALIBRATED, "text": "a"}
    assert "Predictions here are in the paper&#39;s reading (mlp)." in page.build_content(used, query).html
    assert "Predictions here are in" not in page.build_content(used, HEAD | {"text": "a"}).html


@pytest.mark.parametrize("text", HOSTILE)
def test_no_hostile_string_is_markup(used: Services, text: str) -> None:
    waiting = article_html(page.build_content(used, HEAD | {"text": text}), "sentence")
    for shown in (waiting, answered(used, answer(text), text=text), answered(used, f"“{text}” is bad", text=text)):
        outside = FIELD.sub("", shown)  # the field keeps what was typed into it, escaped
        assert not [bad for bad in BAD if bad in shown]
        assert "\u202e" not in outside


@pytest.mark.process
def test_the_child_runs_a_sentence_and_still_answers_probes(served: Services) -> None:
    try:
        found = served.live_model.ask(SentenceQuestion(HeadId(23, 4), "The capital of France is"))
        pid = served.live_model.pid
        with pytest.raises(MapsError, match="the limit is 64"):
            served.live_model.ask(SentenceQuestion(HeadId(23, 4), "x " * 100))
        probe = served.live_model.ask(("France", "Paris"))
        assert served.live_model.pid == pid
    finally:
        served.live_model.close()
    assert isinstance(found, HeadOnSentence)
    assert [each.token.string for each in found.positions] == ["The", " capital", " of", " France", " is"]
    assert isinstance(probe, Probe)
    assert str(probe.pair[0].head) == "L23H5"
