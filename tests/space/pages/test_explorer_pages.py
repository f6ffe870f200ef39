"""The explorer's pages as functions of their addresses, over the prebuilt atlas and an invented one of 5,120 heads."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from maps.analysis.similar_heads import MappingIndex, similar_heads
from maps.atlas.reader import Atlas, write_table
from maps.atlas.readings import CALIBRATED_READING
from maps.atlas.schema import SCHEMAS
from maps.errors import MapsError
from maps.figures.style import INK_COLOUR, LINE_COLOUR, QUIET_COLOUR, themed_json
from maps.types import HeadId
from space.atlases.names import PREBUILT_FOLDER
from space.endpoints import heads as for_heads
from space.endpoints import models as for_models
from space.endpoints import people as for_people
from space.endpoints import weights as for_weights
from space.endpoints.heads import make_head_endpoint
from space.pages import about, relation
from space.pages.compare import page as compare
from space.pages.explore import page as explore
from space.pages.explore.findings import best_findings, most_answered_pair
from space.pages.head import embedded
from space.pages.head import page as head
from space.pages.head.sharing import head_json_route
from space.services import Services, open_services
from space.site import PAGE_TEXTS
from space.web.document import respond_embedded
from space.web.downloads import csv_chunks
from space.web.first_html import insert_content
from space.web.header import header_html
from space.web.page import PageAddress, article_html, open_page
from tests.large_atlas import MODEL, write_large_atlas
from tests.space.copied_atlas import EXHAUSTED, EXPLAINED, make_copied_atlas

SMALL = "SmolLM2-135M-Instruct"


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Services that show both models."""
    paper = str(PREBUILT_FOLDER / "smollm2")
    used = open_services({"MAPS_DATA": str(tmp_path_factory.mktemp("data")), "MAPS_ATLASES": paper})
    large = write_large_atlas(tmp_path_factory.mktemp("large"))
    yield replace(used, whole_atlases={**used.whole_atlases, MODEL: large})
    used.journal.close()


@pytest.mark.slow
def test_the_first_page_counts_what_the_tables_hold(both: Services) -> None:
    shown = explore.build_content(both, {})
    assert shown.summary.startswith("Something is known about 93 of 270 heads: 20 match a known relation, 73 more")
    assert len(shown.figure_makers) == 4
    assert "<summary>Would random heads do as much by chance?</summary>" in shown.html
    assert "<td>0.15</td><td>20</td><td>2</td>" in shown.html
    assert "This has not been measured" in explore.build_content(both, {"model": MODEL}).html
    assert explore.build_content(both, {"tau": "0.5"}).summary.startswith("Something is known about 90 of 270 heads: 9")


@pytest.mark.parametrize(
    ("page", "query", "sentence"),
    [
        (explore, {"model": "<b>"}, "There is no model '<b>' here"),
        (explore, {"colour": "mood"}, "This model has no such colouring"),
        (explore, {"side": "left"}, "must be score or suppression"),
        (explore, {"tau": "nan"}, "must be a number above 0"),
        (head, {"layer": "1"}, "The address names no head"),
        (relation, {"name": "nope"}, "There is no relation 'nope' here"),
        (compare, {"model": "none"}, "There is no model 'none' here"),
    ],
)
def test_an_address_that_leads_nowhere_says_why(
    both: Services, page: Any, query: dict[str, str], sentence: str
) -> None:
    with pytest.raises(MapsError, match=sentence):
        page.build_content(both, query)
    shown = open_page(both, page, query)
    assert not shown.exists
    assert "Back to all heads" in shown.html


def test_a_relation_is_told_for_every_model_and_its_best_head_first(both: Services) -> None:
    shown = relation.build_content(both, {"name": "noun_to_pronoun"})
    assert f"{SMALL}: implemented by 4 heads, suppressed by 2 heads (373 usable pairs" in shown.summary
    assert MODEL in shown.summary
    own = relation.build_content(both, {"name": "noun_to_pronoun", "model": SMALL, "layer": "26", "head": "2"}).html
    assert "score 0.52, suppression 0.00" in own
    assert own.index(">L26H2</a></td>") < own.index(">L25H0</a></td>")


def test_relations_open_on_an_overview_with_something_found_first(both: Services) -> None:
    shown = relation.build_content(both, {})
    assert f"7 of 20 relations are implemented or suppressed by a head of {SMALL}." in shown.summary
    html = relation.build_content(both, {"model": SMALL}).html
    assert MODEL not in html.split("<table ")[1]
    lines = html.split("<tbody>")[1].split("<tr>")[1:]
    assert len(lines) == 20
    first, last = lines[0], lines[-1]
    assert ">name copying</a>" in first
    assert "A first name to itself." in first
    capital = next(line for line in lines if "country_to_capital" in line)
    assert re.findall(r"<td>(\d+)</td>", capital) == ["4", "1"]
    best = f'href="relation?name=country_to_capital&amp;model={SMALL}&amp;layer=23&amp;head=4"'
    assert f'{best} aria-label="30 of 48 pairs of country → capital that L23H4 promotes">30 of 48 pairs</a>' in capital
    assert '">19 of 48 pairs</a>' in capital
    assert "too few pairs" in last
    implemented = [re.findall(r"<td>(\d+)</td>", line)[:1] not in ([], ["0"]) for line in lines]
    assert implemented == sorted(implemented, reverse=True)
    names = re.findall(r'aria-label="([^"]* pairs of [^"]*)"', html)
    assert len(names) == len(set(names))


def test_the_overview_of_many_models_names_those_that_it_does_not_show(both: Services) -> None:
    names = [f"model {number}" for number in range(5)]
    atlas = both.whole_atlases[SMALL]
    many = {name: Atlas(atlas.folder, atlas.info | {"model": name}) for name in names}
    html = relation.build_content(replace(both, whole_atlases=many), {}).html
    assert html.count("<table ") == 3
    assert '<a href="relation?model=model+3">model 3</a>, <a href="relation?model=model+4">model 4</a>' in html


def test_the_overview_says_that_a_model_has_no_relations(both: Services, tmp_path: Path) -> None:
    shutil.copytree(PREBUILT_FOLDER / "smollm2", tmp_path / "atlas")
    for name in ("relations", "pairs", "hits"):
        write_table(tmp_path / "atlas", name, SCHEMAS[name].empty_table())
    shown = relation.build_content(replace(both, whole_atlases={SMALL: Atlas.open(tmp_path / "atlas")}), {})
    assert f"The heads of {SMALL} were not scored on any relation." in shown.html
    assert "<table>" not in shown.html


def test_links_to_pairs_say_which(both: Services) -> None:
    html = relation.build_content(both, {"name": "noun_to_pronoun", "model": SMALL}).html
    assert ">195 of 373 pairs</a>" in html
    assert ">pairs</a>" not in html
    names = re.findall(r'aria-label="([^"]* pairs of [^"]*)"', html)
    assert len(names) == len(set(names)) == 20
    assert "101 of 373 pairs of noun → pronoun that L26H0 suppresses" in names
    assert '<option value="">all relations</option>' in html


def test_two_models_and_two_describers_are_compared(both: Services) -> None:
    models = {"model": MODEL, "other": SMALL}
    assert "20 (7.4 %)" in compare.build_content(both, models).html
    assert "heads whether there is a pattern" in compare.build_content(both, {**models, "view": "describers"}).html


@pytest.mark.parametrize("page", [explore, head, relation, compare])
def test_no_hostile_string_is_markup(both: Services, page: Any) -> None:
    shown = article_html(page.build_content(both, {"model": MODEL, "layer": "0", "head": "0"}), "")
    for bad in ("<script", "<img", "onerror=alert(1)>", "\u202e", "\x00"):
        assert bad not in shown


@pytest.mark.slow
def test_endpoints_give_what_pages_show_as_json(both: Services) -> None:
    models, model, heads, compared, describers, search = for_models.endpoints(both)
    one, scores, pairs = for_heads.endpoints(both)
    (agreement,) = for_people.endpoints(both)
    assert [each["model"] for each in models()] == [SMALL, MODEL]
    assert model(SMALL, 0.5)["summary"][1]["count"] == 9
    assert len(heads(MODEL)) == 5_120
    assert [each["model"] for each in compared(MODEL, SMALL)] == [MODEL, SMALL]
    said = describers(MODEL)
    assert said["heads"] == said["agreed"] + len(said["differ"])
    assert {row["model"] for row in scores("noun_to_pronoun")} == {SMALL, MODEL}
    assert [row["beyond_copying_pairs"] for row in scores("noun_to_pronoun", SMALL)] == [373] * 270
    assert [each["reading"] for each in models()] == ["mlp", "mlp"]
    assert sum(row["hit"] for row in pairs("noun_to_pronoun", SMALL, 26, 2)) == 195
    assert one(SMALL, 26, 2)["group_mates"] == ["L26H0", "L26H1"]
    assert one(SMALL, 26, 2)["judgments"] is None
    assert agreement()["judgments"] == 0
    assert one(SMALL, 26, 2)["mappings"][0]["source"] == " sinners"
    assert max(scores("noun_to_pronoun", SMALL), key=lambda row: row["score"])["layer"] == 26
    assert search("pronouns", SMALL)["descriptions"]["total"] > 0
    for found in (models(), model(SMALL), heads(SMALL), one(MODEL, 0, 0), search("king"), said, agreement()):
        json.dumps(found, allow_nan=False)
    with pytest.raises(MapsError, match="must be a number above 0"):
        model(SMALL, 2.0)


def test_an_endpoint_that_cannot_answer_says_why(both: Services) -> None:
    *_, describers, _ = for_models.endpoints(both)
    _, scores, pairs = for_heads.endpoints(both)
    ask, score_pairs = for_weights.endpoints(both)
    asked: list[tuple[Callable[..., Any], tuple[object, ...], str]] = [
        (describers, (SMALL,), "has fewer than two describers"),
        (describers, (MODEL, "nobody"), "has no describer 'nobody'"),
        (scores, ("nonsense",), "No model has scores on 'nonsense'"),
        (pairs, ("nonsense", SMALL, 0, 0), "has no scores on 'nonsense'"),
        (pairs, ("copying", SMALL, 99, 0), "has no head L99H0"),
        (ask, ("",), "There is no question"),
        (score_pairs, ("France Paris\nSpain, Madrid",), "1 line without a source and a target"),
    ]
    for endpoint, given, words in asked:
        with pytest.raises(MapsError, match=words):
            endpoint(*given)


def test_describers_are_picked_where_there_are_more_than_two(both: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    head, says = HeadId(0, 0), {"a": True, "b": False, "c": False}
    said = {name: {head: (pattern, f"{name} says so")} for name, pattern in says.items()}
    monkeypatch.setattr("space.atlases.cache.descriptions_by_describer", lambda _atlas: said)
    shown = compare.build_content(both, {"model": SMALL, "other": MODEL, "describer": "c", "against": "a"}).html
    assert "c and a agree on 0 of 1 heads" in shown
    assert '<option value="c" selected>' in shown
    assert "c says so" in shown


def test_a_table_is_sent_as_csv_without_formulas(both: Services, tmp_path: Path) -> None:
    text = "".join(csv_chunks(both.atlases[SMALL], "heads"))
    (tmp_path / "heads.csv").write_text(text, encoding="utf-8", newline="")
    assert text.count("\r\n") == 271
    assert not any(
        line.startswith(("=", "+", "@"))
        for line in "".join(csv_chunks(both.atlases[MODEL], "descriptions")).split("\r\n")
    )


def test_the_content_follows_the_body_tag_of_gradios_page(both: Services) -> None:
    html = '<html><head></head><body style="margin: 0">Gradio</body></html>'
    header = header_html(both, {"A": "a"}, "head", MODEL)
    whole = insert_content(html, head.build_content(both, {"layer": "0", "head": "0"}), "head", header, "b", "c")
    assert '<body style="margin: 0"><header class="site-header"' in whole
    assert '</header><div id="first-look"' in whole
    assert "&lt;div" not in whole  # what is HTML stayed HTML


def test_an_address_is_taken_apart_at_the_door() -> None:
    assert PageAddress.parse("head?layer=1&head=2&layer=3") == PageAddress("head", {"layer": "3", "head": "2"})
    assert PageAddress.parse("./?tau=") == PageAddress("", {"tau": ""})
    with pytest.raises(MapsError, match="the limit is 16,384"):
        PageAddress.parse("a" * 20_000)
    with pytest.raises(MapsError, match="not a valid address"):
        PageAddress.parse("http://[")


def test_a_relation_shows_the_pairs_that_a_head_hits_and_misses(both: Services) -> None:
    query = {"name": "noun_to_pronoun", "model": SMALL, "layer": "26", "head": "2"}
    html = relation.build_content(both, query).html
    rows = both.atlas(SMALL).pairs("noun_to_pronoun", HeadId(26, 2)).to_pylist()
    hits, lowest = sum(row["hit"] for row in rows), sum(row["suppressed"] for row in rows)
    assert (len(rows), hits, lowest) == (373, 195, 1)
    for words in (
        "195 of 373 pairs that L26H2 promotes",
        ">1 of 373 pairs that L26H2 suppresses",
        "177 of 373 pairs that L26H2 misses",
    ):
        assert words in html
    assert html.count('class="pair"') == 373


def test_a_head_is_shown_with_those_that_are_like_it(both: Services) -> None:
    html = head.build_content(both, {"layer": "26", "head": "2"}).html
    part = html.split("<h2>Similar heads</h2>")[1].split("<h2>")[0]
    found = similar_heads(
        MappingIndex.from_table(both.atlas(SMALL).table("mappings")), HeadId(26, 2), head.MAX_SIMILAR_HEADS
    )
    assert re.findall(r">(L\d+H\d+)</a>", part) == [str(each.head) for each in found]
    assert f">{100 * found[0].mappings:.1f} %</td>" in part


@pytest.fixture(scope="module")
def copied(both: Services, tmp_path_factory: pytest.TempPathFactory) -> Services:
    """Services with one atlas, in which copying explains what some heads do."""
    return replace(both, whole_atlases={SMALL: make_copied_atlas(tmp_path_factory.mktemp("copied") / "atlas")})


def test_a_relation_page_says_what_copying_gives_and_ranks_heads_beyond_it(copied: Services) -> None:
    shown = relation.build_content(copied, {"name": EXPLAINED})
    assert f"{SMALL}: implemented by 1 head, suppressed by 0 heads (373 usable pairs" in shown.summary
    assert "Copying alone gives 0.25; heads are classified by the 43 pairs that it does not hit." in shown.summary
    head_row = shown.html.split(">L26H2</a></td>")[1].split("</tr>")[0]
    assert re.findall(r"<td[^>]*>([\d.]+)</td>", head_row)[:5] == ["0.52", "0.00", "0.25", "0.60", "0.00"]
    own = relation.build_content(copied, {"name": EXPLAINED, "model": SMALL, "layer": "26", "head": "2"}).html
    assert (
        "score 0.52, suppression 0.00; copying alone gives 0.25; score 0.60, suppression 0.00 on the 43 other pairs."
    ) in own
    ticks = json.loads(themed_json(shown.figure_makers[0]()))
    assert "Relation score beyond copying: 1 of 270 heads have a hit" in json.dumps(ticks)


def test_a_relation_that_copying_exhausts_says_why_it_classifies_no_head(copied: Services) -> None:
    summary = relation.build_content(copied, {"name": EXHAUSTED}).summary
    assert "implemented by 0 heads, suppressed by 0 heads" in summary
    assert "Copying alone gives 0.90; that leaves 4 other pairs, too few to classify heads by." in summary
    copying = relation.build_content(copied, {"name": "name_copying"})
    assert "opying alone" not in copying.html
    assert "beyond copying" not in copying.html
    shown = head.build_content(copied, {"layer": "23", "head": "4"}).html
    assert "copying alone gives 0.90; that leaves 4 other pairs, too few to classify heads by" in shown


def in_reading(services: Services, reading: str) -> Services:
    """Services that show the prebuilt atlas as if it had been read so."""
    atlas = services.whole_atlases[SMALL]
    info = atlas.info | {"settings": atlas.info["settings"] | {"reading": reading}}
    named = Atlas(atlas.folder, info).named_by_reading()
    return replace(services, whole_atlases={named.model: named})


@pytest.mark.parametrize(
    ("reading", "basis", "phrase", "targets"),
    [
        ("mlp", "from its weights alone,", "the paper&#39;s reading (mlp)", "that the head promotes directly"),
        (
            CALIBRATED_READING,
            "from its weights and a short calibration,",
            "the calibrated reading (calibrated+",
            "that the head raises in the end, after the layers behind it",
        ),
        (
            "mlp+<b>",
            "from its weights alone,",
            "the reading mlp+&lt;b&gt;",
            "that the head promotes directly",
        ),
    ],
)
def test_pages_say_the_reading_and_what_targets_are(
    both: Services, reading: str, basis: str, phrase: str, targets: str
) -> None:
    used = in_reading(both, reading)
    first = explore.build_content(used, {}).html
    assert basis in first
    assert phrase in first
    shown = head.build_content(used, {"layer": "26", "head": "2"}).html
    assert targets in shown.split("<h2>What it promotes</h2>")[1].split("</p>")[0]
    assert f"<dt>Reading</dt><dd>{phrase}" in shown


def test_the_about_page_says_every_reading_and_whether_a_model_ran(both: Services) -> None:
    assert about.basis_sentence(in_reading(both, "mlp")).endswith("the model is neither trained nor run.")
    calibrated = in_reading(both, CALIBRATED_READING)
    assert "linear maps that were fitted while the model ran" in about.basis_sentence(calibrated)
    [atlas] = in_reading(both, "mlp+<i>_x_").whole_atlases.values()
    assert about.reading_sentence(atlas) == (
        rf"{SMALL} (mlp+\<i\>\_x\_) is shown in the reading mlp+\<i\>\_x\_: targets are the tokens that the head "
        "promotes directly."
    )


def test_figures_take_the_colours_of_the_page(both: Services) -> None:
    for make in explore.build_content(both, {}).figure_makers:
        text = themed_json(make())
        assert not [colour for colour in (INK_COLOUR, QUIET_COLOUR, LINE_COLOUR) if f'"{colour}"' in text]
        assert '"background": "transparent"' in text
        assert '"renderer": "svg"' in text


def test_a_head_is_passed_on_as_json_as_a_frame_and_as_a_citation(both: Services) -> None:
    client = TestClient(Starlette(routes=[head_json_route(make_head_endpoint(both))]))
    data = client.get("/look/head.json", params={"model": SMALL, "layer": 26, "head": 2})
    assert data.json()["name"] == "L26H2"
    assert len(data.json()["mappings"]) == 30
    missing = client.get("/look/head.json", params={"model": SMALL, "layer": 99, "head": 2})
    assert missing.status_code == 404
    assert "has no head L99H2" in missing.json()["error"]
    shown = respond_embedded(open_page(both, embedded, {"model": SMALL, "layer": "26", "head": "2"}), "http://app")
    text = bytes(shown.body).decode()
    assert "<script" not in text
    assert '<base target="_blank" href="http://app/">' in text
    assert shown.headers["content-security-policy"].endswith("frame-ancestors *")
    whole = head.build_content(both, {"model": SMALL, "layer": "26", "head": "2"}).html
    assert "Cite this head" in whole
    assert "&amp;embed=true" in whole


def test_the_first_page_opens_with_findings_and_an_answered_question(both: Services) -> None:
    html = explore.build_content(both, {"model": SMALL}).html
    assert html.index("Found in this model") < html.index("head-grid") < html.index("Use these data")
    assert "Country → capital: 30 of 48 pairs" in html
    assert re.search(r"Given .*, \d+ heads? of 270 ranks? ", html)


def test_an_answered_pair_is_one_that_those_heads_hit(both: Services) -> None:
    atlas = both.atlases[SMALL]
    pair = most_answered_pair(atlas, 0.15)
    assert pair is not None
    for each in pair.heads:
        rows = atlas.pairs(pair.relation, each).to_pylist()
        assert [row["hit"] for row in rows if row["source"] == pair.source and row["target"] == pair.target] == [True]
    named = {head for head, _ in best_findings(atlas, 0.15)}
    assert len(named) == 3


def test_every_page_has_a_title_of_its_own() -> None:
    titles = [text.title for text in PAGE_TEXTS.values()]
    assert len(set(titles)) == len(titles)
