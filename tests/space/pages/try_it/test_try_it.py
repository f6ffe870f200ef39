"""The page of live questions: its address read at the door, its answers as HTML, nothing hostile among them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from html import unescape

import pytest

from maps.atlas.reader import Atlas
from maps.errors import MapsError, SplitWordError
from maps.mapping.probe_results import (
    HeadBestSource,
    HeadPairRank,
    HeadTargets,
    OwnPairsResult,
    OwnPairsScore,
    Probe,
    VocabularyToken,
)
from maps.types import HeadId
from space.endpoints import weights
from space.live.process import LiveModel
from space.live.reading import LiveReading
from space.live.worker import LiveAnswer, LiveQuestion
from space.pages.try_it import page
from space.pages.try_it.question import TryQuestion
from space.pages.try_it.view import probe_command
from space.services import Services, open_services
from space.web.page import article_html, open_page

MODEL = "SmolLM2-135M-Instruct"
HOSTILE = ("<script>alert(1)</script>", "\u202egnol", "\x00", '" onload="x', "</textarea><img src=x onerror=alert(1)>")
BAD = ("<script", "<img", "\u202e", "\x00", 'onload="x', "</textarea><img")
FIELD = re.compile(r'value="[^"]*"|<textarea[^>]*>[^<]*</textarea>')
HEADS = [HeadId(layer, head) for layer in range(30) for head in range(9)]


class Scripted(LiveModel):
    """Answers from a value instead of a model."""

    def __init__(self, found: LiveAnswer | MapsError | str) -> None:
        super().__init__("smollm2")
        self.found = found
        self.asked: list[LiveQuestion] = []

    def ask(self, question: LiveQuestion) -> LiveAnswer:
        """The value, or the sentence as an error."""
        self.asked.append(question)
        if isinstance(self.found, str):
            raise MapsError(self.found)
        if isinstance(self.found, MapsError):
            raise self.found
        return self.found


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Services over the prebuilt atlas."""
    built = open_services({"MAPS_DATA": str(tmp_path_factory.mktemp("data"))})
    yield built
    built.live_model.close()
    built.journal.close()


def answered(used: Services, found: LiveAnswer | str, **query: str) -> str:
    return page.finish(replace(used, live_model=Scripted(found)), query).html


def pair(target: str = " Paris") -> Probe:
    """A pair under all heads: a head's rank is its place."""
    ranked = tuple(HeadPairRank(head, 10.0 - i, 1 + i, 49_152 - i) for i, head in enumerate(HEADS))
    return Probe("SmolLM2-135M-Instruct", 49_152, VocabularyToken(1, " France"), VocabularyToken(2, target), ranked)


def token(string: str = " he") -> Probe:
    """A token under two heads."""
    promoted = (
        HeadTargets(HeadId(3, 4), 2.5, 1.25, (VocabularyToken(5, string),), (1.0,)),
        HeadTargets(HeadId(0, 0), 0.0, None, (), ()),
    )
    promoters = (
        HeadBestSource(HeadId(26, 2), VocabularyToken(7, string), 9.0, 1),
        HeadBestSource(HeadId(0, 1), VocabularyToken(8, " x"), 9.0, 1_234),
    )
    return Probe("SmolLM2-135M-Instruct", 49_152, VocabularyToken(4, string), as_source=promoted, as_target=promoters)


def own(pairs: int, unusable: tuple[tuple[str, str], ...] = ()) -> OwnPairsResult:
    """Own pairs under all heads: L26H2 does them, L0H0 suppresses some."""
    scores = {HeadId(26, 2): (0.75, 0.0), HeadId(0, 0): (0.0, 0.5)}
    heads = tuple(OwnPairsScore(head, *(scores.get(head, (0.0, 0.0)) if pairs else (None, None))) for head in HEADS)
    return OwnPairsResult("SmolLM2-135M-Instruct", 10, pairs, unusable, heads)


def test_the_first_look_says_what_is_being_computed(used: Services) -> None:
    shown = page.build_content(used, {"source": "France", "target": "Paris"})
    assert shown.is_unfinished
    assert "Asking 270 heads of SmolLM2-135M-Instruct about “France” → “Paris”." in shown.html
    assert "python -m maps probe smollm2 France Paris" in shown.html
    assert used.live_model.pid is None
    assert not page.build_content(used, {}).is_unfinished


def test_a_pair_is_answered_by_ranks_from_both_ends(used: Services) -> None:
    html = answered(used, pair(), source="France", target="Paris")
    assert (
        "first of 49,152 tokens. 10 of 270 heads put it among their 10 highest tokens, 0 among their 10 lowest" in html
    )
    assert html.count("<table ") == 2
    assert 'href="head?model=SmolLM2-135M-Instruct&amp;layer=0&amp;head=0"' in html
    assert "<td>48,883</td>" in html  # the last head, from the lowest


def test_a_token_is_answered_from_both_sides(used: Services) -> None:
    live = Scripted(token())
    html = page.finish(replace(used, live_model=live), {"source": "he"}).html
    assert live.asked == [("he", None)]
    assert "For 1 of 2 heads, the token is the highest target" in html
    assert "<td>1.25 ×</td>" in html
    assert "<td>undefined</td>" in html
    assert "<td>1,234</td>" in html


def test_own_pairs_are_answered_by_a_grid_at_a_threshold(used: Services) -> None:
    live = Scripted(own(2, (("one", "two words"),)))
    query = {"pairs": "he, him\nshe\ther\none->two words\nnothing\n,x\n\n", "tau": "0.5"}
    html = page.finish(replace(used, live_model=live), query).html
    assert live.asked == [(("he", "him"), ("she", "her"), ("one", "two words"))]
    assert "2 lines without a source and a target left out: “nothing”; “,x”." in html
    assert "2 of 3 pairs can be used" in html
    assert "one → two words" in html
    assert "1 of 270 heads reach a score of 0.5 or more on your pairs (2 pairs)." in html
    assert "Heads that only copy count too. Fewer than 30 usable pairs" in html
    assert "--relation own=own.json" in html
    assert '[["he", "him"], ["she", "her"], ["one", "two words"]]' in unescape(html)
    down = answered(used, own(2), pairs="he, him", side="suppression")
    assert "1 of 270 heads reach a suppression of 0.15 or more on your pairs" in down
    assert "None of the pairs can be used." in answered(used, own(0), pairs="a, b")


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"target": "x"}, "a target without a source"),
        ({"source": "a" * 201}, "at most 200 characters"),
        ({"pairs": "a," + "b" * 201}, "at most 200 characters"),
        ({"pairs": "a,b\n" * 201}, "201 lines are too many. You can ask about 200 pairs"),
        ({"source": "a", "side": "left"}, "must be score or suppression"),
        ({"source": "a", "tau": "nan"}, "must be a number above 0"),
    ],
)
def test_what_cannot_be_asked_is_told_and_never_computed(used: Services, query: dict[str, str], sentence: str) -> None:
    live = Scripted(pair())
    shown = [open_page(replace(used, live_model=live), page, query), page.finish(replace(used, live_model=live), query)]
    assert all(sentence in each.html for each in shown)
    assert not any(each.is_unfinished for each in shown)
    assert live.asked == []


def test_why_there_is_no_answer_is_told_with_the_command(used: Services) -> None:
    html = answered(used, "“x” is no single token.", source="x")
    assert "“x” is no single token." in html
    assert "python -m maps probe smollm2 x" in html


def test_another_spelling_is_a_link_that_asks_about_it(used: Services) -> None:
    split = "The model splits “spain” into two tokens (sp + ain)."
    live = Scripted(SplitWordError(f"{split} Did you mean “Spain”?", split, "spain", ("Spain", "<b>")))
    html = page.finish(replace(used, live_model=live), {"source": "spain", "target": "Madrid"}).html
    assert f'{split} Did you mean <a href="try?source=Spain&amp;target=Madrid">Spain</a>' in html
    assert '<a href="try?source=%3Cb%3E&amp;target=Madrid">&lt;b&gt;</a>?' in html
    as_target = page.finish(replace(used, live_model=live), {"source": "Madrid", "target": "spain"}).html
    assert 'href="try?source=Madrid&amp;target=Spain"' in as_target


def test_the_best_rank_is_told_where_no_head_ranks_the_target_first(used: Services) -> None:
    probe = pair()
    behind = replace(probe, pair=tuple(replace(row, rank=row.rank + 700) for row in probe.pair))
    html = answered(used, behind, source="France", target="Paris")
    assert "is 701 of 49,152 tokens, under L0H0. 0 of 270 heads put it among their 10 highest tokens" in html


def test_where_it_is_off_every_state_of_the_page_says_why(used: Services) -> None:
    off = replace(used, live_model=LiveModel(None, "The weights are not installed."))
    for shown in (
        page.build_content(off, {}),
        page.build_content(off, {"source": "France"}),
        page.finish(off, {"source": "x"}),
    ):
        assert "The weights are not installed." in shown.html
        assert not shown.is_unfinished


@pytest.mark.parametrize("word", HOSTILE)
def test_no_hostile_string_is_markup(used: Services, word: str) -> None:
    looks = [
        page.build_content(used, {"source": word, "target": word}),
        page.build_content(used, {"pairs": f"{word}, {word}\n{word}"}),
    ]
    pages: list[str] = [article_html(each, "try") for each in looks]
    pages += [answered(used, found, source=word) for found in (pair(word), token(word), f"“{word}” is bad")]
    pages.append(answered(used, own(1, ((word, word),)), pairs=f"{word}, {word}\n{word}"))
    for shown in pages:
        outside = FIELD.sub("", shown)  # a field keeps what was typed into it, escaped
        assert not [bad for bad in BAD if bad in (outside if bad == "\u202e" else shown)]


@pytest.mark.parametrize(
    ("source", "target", "command"),
    [
        ("France", "", "python -m maps probe smollm2 France"),
        ("it's", "$(rm -rf)", "python -m maps probe smollm2 'it'\"'\"'s' '$(rm -rf)'"),
        ("-x", "", "python -m maps probe smollm2 -- -x"),
    ],
)
def test_the_command_is_quoted_for_a_shell(source: str, target: str, command: str) -> None:
    assert probe_command(source, target) == command


def test_the_command_names_the_reading_and_makes_its_calibration_first() -> None:
    plain = TryQuestion.parse({"source": "-x"}).equivalent_command("mlp+final-norm")
    assert "python -m maps probe smollm2 --reading mlp+final-norm -- -x" in plain
    assert "calibra" not in plain
    for query, command in (({"source": "a"}, "probe smollm2"), ({"pairs": "a, b"}, "map smollm2 --out")):
        calibrated = TryQuestion.parse(query).equivalent_command("calibrated+target-map")
        first, second = calibrated.split("<code>")[1].split("</code>")[0].split("\n")
        assert first == "python -m maps calibrate smollm2 --out calibration.safetensors"
        assert second.startswith(f"python -m maps {command}")
        assert "--reading calibrated+target-map --calibration calibration.safetensors" in second


def test_the_page_says_in_which_reading_it_answers_and_links_to_heads_in_it(used: Services) -> None:
    assert "Answers are in the paper&#39;s reading (mlp)." in answered(used, pair(), source="France")
    paper = used.whole_atlases[MODEL]
    info = paper.info | {"settings": paper.info["settings"] | {"reading": "embedding"}}
    other = Atlas(paper.folder, info).named_by_reading()
    both = replace(used, whole_atlases={other.model: other, MODEL: paper})
    for reading, model in (("embedding", "SmolLM2-135M-Instruct+%28embedding%29"), ("mlp", MODEL)):
        live = Scripted(pair())
        live.reading = LiveReading(reading)
        html = page.finish(replace(both, live_model=live), {"source": "France", "target": "Paris"}).html
        assert f'href="head?model={model}&amp;layer=0&amp;head=0"' in html
    ask, _ = weights.endpoints(replace(both, live_model=live))
    assert ask("France", "Paris")["reading"] == "mlp"
    for is_slow in (True, False):
        live.reading = LiveReading("mlp", is_slow=is_slow)
        waiting = page.build_content(replace(both, live_model=live), {"source": "Spain"}).html
        assert ("a token without a target may take a minute" in waiting) == is_slow
    live.reading = LiveReading("mlp", None, "Other heads <b>.")
    html = page.build_content(replace(both, live_model=live), {}).html
    assert "Other heads &lt;b&gt;." in html
    assert "Answers are in" not in html


def test_a_line_is_divided_at_its_first_kind_of_mark() -> None:
    asked = TryQuestion.parse({"pairs": "1,000 -> many\na\tb, c\nx → y\nFrance,Paris"})
    assert asked.pairs == (("1,000", "many"), ("a", "b, c"), ("x", "y"), ("France", "Paris"))
