"""While a study goes on, nobody can look up in the explorer which of its items are controls."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from types import MappingProxyType

import pyarrow.parquet as pq
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from annotation.errors import JournalError
from annotation.form import Answers
from annotation.report.study_plan import summary_sentences
from annotation.study.file import study_from_json, study_to_json
from annotation.study.study import Study
from annotation.types import StudyItem
from maps.atlas.reader import write_table
from maps.atlas.schema import head_of, make_table
from maps.errors import MapsError
from maps.types import HeadId
from space.atlases.hidden import HIDDEN_DESCRIPTION
from space.components.links import link_to_head
from space.components.preview_image import PreviewText, draw_preview
from space.endpoints import endpoints
from space.pages.annotate import task as tasks
from space.pages.annotate.view import description_html
from space.pages.organise import studies, view
from space.pages.try_it.view import HeadLinks
from space.services import Services, open_services
from space.site import EXPLORER_PAGES, explorer_site
from space.studies.current import all_studies, select_study
from space.studies.participant import Participant
from space.studies.results import visible_judgments
from space.web.first_html import app_arguments
from tests.ports import free_port
from tests.space.conftest import create_test_study, record_consent
from tests.space.described_atlas import MODEL, SCRIBE, make_described_atlas, scribes_row, word_of, words_of
from tests.space.judging import record_judgment

pytestmark = pytest.mark.slow
SEEN = Answers("present_described", "accurate", "semantic", "a remark")


@pytest.fixture(scope="module")
def described_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_described_atlas(tmp_path_factory.mktemp("described") / "atlas").folder


@pytest.fixture
def own_folder(described_folder: Path, tmp_path: Path) -> Path:
    """An atlas that a test may change."""
    return Path(shutil.copytree(described_folder, tmp_path / "atlas"))


@pytest.fixture
def used(own_folder: Path, tmp_path: Path) -> Iterator[Services]:
    services = start(own_folder, tmp_path)
    yield services
    services.journal.close()


def start(atlas: Path, folder: Path, settings: Mapping[str, str] = MappingProxyType({})) -> Services:
    return open_services(
        {
            **settings,
            "MAPS_ATLASES": str(atlas),
            "MAPS_DATA": str(folder / "data"),
            "MAPS_PSEUDONYM_KEY": "for tests, as long as keys must be",
        }
    )


def hiding_study(used: Services, name: str = "pilot", **changes: object) -> Study:
    settings: dict[str, object] = {"name": name, "hides_descriptions": True, "describer": "offline", **changes}
    return create_test_study(used, **settings)


def heads_of(study: Study) -> set[HeadId]:
    """Every head whose mappings or description somebody sees in the study."""
    described = {origin.described_head for origin in study.origins.values()}
    return {HeadId(item.layer, item.head) for item in study.order} | described


def other_heads(used: Services, *hidden: Study) -> list[HeadId]:
    without = set().union(*map(heads_of, hidden))
    return [head for head in used.whole_atlas(MODEL).head_ids if head not in without]


def visible_text(used: Services, heads: list[HeadId]) -> str:
    """Everything that a visitor reads: pages and endpoints for these heads, downloads, and what goes with them."""
    parts = [*page_texts(used, heads), *endpoint_texts(used, heads), *fetched_texts(used, heads)]
    parts += [str(HeadLinks(used, used.atlas(MODEL)).headline(head)) for head in heads]
    return "\n".join(parts)


def page_texts(used: Services, heads: list[HeadId]) -> list[str]:
    colours = [{"model": MODEL, "colour": each} for each in ("category", "detection", "saliency_mean")]
    of_heads = [{"model": MODEL, "layer": str(head.layer), "head": str(head.head)} for head in heads]
    names = ("country_to_capital", "noun_to_pronoun", "word_to_first_letter")
    searches = [{"q": f"{word_of(head)} she", "kind": kind} for head in heads for kind in ("", "descriptions")]
    queries: dict[str, list[dict[str, str]]] = {
        "": [{}, *colours],
        "head": of_heads,
        "relation": [{}, *({"name": name, "model": MODEL} for name in names), {"name": names[0]}],
        "search": [{}, {"q": " he"}, {"q": "pronoun"}, *searches],
        "try": [{}, {"source": "he", "target": "him"}],
        "compare": [
            *({"model": MODEL, "other": MODEL, "view": view} for view in ("", "scatter")),
            {"describer": SCRIBE, "against": "offline"},
        ],
        "catalogue": [{}, {"q": "instruct", "sort": "-described"}],
        "sentence": [query | {"text": text} for query in of_heads for text in ("", "he")],
    }
    assert queries.keys() == EXPLORER_PAGES.keys()
    texts = []
    for path, page in EXPLORER_PAGES.items():
        for query in queries[path]:
            content = page.build_content(used, query)
            typed = query.get("q", "").split(" ")[0] or "\0"  # the page repeats it
            texts.append(f"{content.title} {content.summary} {content.html}".replace(typed, ""))
            if not query:
                texts += [json.dumps(make().to_dict()) for make in content.figure_makers[:2]]
    return texts


def endpoint_texts(used: Services, heads: list[HeadId]) -> list[str]:
    arguments: dict[str, list[tuple[object, ...]]] = {
        "models": [()],
        "model": [(MODEL,)],
        "heads": [(MODEL,)],
        "compare": [(MODEL, MODEL)],
        "describers": [(MODEL,)],
        "search": [("she", MODEL), *((word_of(head),) for head in heads)],
        "head": [(MODEL, *head) for head in heads],
        "relation": [("country_to_capital",)],
        "pairs": [("country_to_capital", MODEL, *head) for head in heads[:3]],
        "agreement": [("default",)],
        "ask": [],
        "score_pairs": [],
    }
    named = {endpoint.__name__: endpoint for endpoint in endpoints(used)}
    assert named.keys() == arguments.keys()
    answers = [named[name](*each) for name, calls in arguments.items() for each in calls]
    return [json.dumps(answer | {"query": ""} if isinstance(answer, dict) else answer) for answer in answers]


def fetched_texts(used: Services, heads: list[HeadId]) -> list[str]:
    """The sentences of the grid and every table in both formats, over their routes; pictures are compared."""
    client = TestClient(Starlette(routes=app_arguments(used, explorer_site())["routes"]))
    texts = [client.get("/look/sentences.json", params={"model": MODEL}).text]
    atlas = used.atlas(MODEL)
    for name in atlas.table_names:
        for kind in ("csv", "parquet"):
            reply = client.get("/look/table", params={"model": MODEL, "name": name, "format": kind})
            assert reply.status_code == 200
            texts.append(reply.text if kind == "csv" else str(pq.read_table(BytesIO(reply.content)).to_pylist()))
    sentences = dict(zip(atlas.head_ids, json.loads(texts[0]), strict=True))
    for head in heads[:4]:
        text = PreviewText.from_head(str(head), MODEL, sentences[head], atlas.mappings(head))
        image = client.get(f"/look/card.png?{link_to_head(MODEL, head).split('?')[1]}")
        assert image.content == draw_preview(text)
    return texts


def named_heads(text: str, heads: list[HeadId] | set[HeadId]) -> set[HeadId]:
    """The heads of which any word occurs in a text."""
    runs = letters_in(text)
    return {head for head in heads if any(word in runs for word in words_of(head))}


def letters_in(text: str) -> str:
    """The parts of a text that may hold one of the invented words."""
    return " ".join(set(re.findall("[a-p]{14,}", text)))


def test_no_word_about_a_head_of_a_running_study_can_be_read_and_all_come_back(
    used: Services, own_folder: Path, tmp_path: Path
) -> None:
    every = list(used.whole_atlas(MODEL).head_ids)
    asked = every[:3]
    assert named_heads(visible_text(used, asked), every) == set(every)
    study = hiding_study(used)
    hidden, others = heads_of(study), other_heads(used, study)
    assert {item.item_kind for item in study.order} == {"head", "overlap", "swapped", "shuffled"}
    asked = [*sorted(hidden), *others[:3]]
    text = visible_text(used, asked)
    assert named_heads(text, hidden) == set()
    assert named_heads(text, others) == set(others)
    for description_id in study_description_ids(used, hidden):  # an id is a hash of the text
        assert description_id not in text
    assert HIDDEN_DESCRIPTION in text
    assert f"The descriptions of {len(hidden)} heads of {MODEL} are hidden" in text
    used.journal.close()
    again = start(own_folder, tmp_path)
    assert named_heads(visible_text(again, asked), every) == set(others)
    again.journal.close_study(study, "a-organiser")
    text = visible_text(again, asked)
    assert named_heads(text, every) == set(every)
    several = {head_of(row) for row in again.whole_atlas(MODEL).table("patterns").to_pylist()}
    unwritten = {word_of(head, "pattern") for head in hidden - several}
    assert hidden & several
    letters = letters_in(text)
    assert all(word in letters for head in hidden for word in words_of(head) - unwritten)
    assert "hidden while" not in text
    again.journal.close()
    last = start(own_folder, tmp_path)
    assert last.atlas(MODEL).folder == own_folder
    assert list((tmp_path / "data" / "hidden").iterdir()) == []
    last.journal.close()


def study_description_ids(used: Services, heads: set[HeadId]) -> set[str]:
    rows = used.whole_atlas(MODEL).table("descriptions").to_pylist()
    return {row["description_id"] for row in rows if head_of(row) in heads}


def test_a_study_that_leaves_descriptions_open_hides_nothing(used: Services) -> None:
    hiding_study(used, hides_descriptions=False)
    assert used.atlas(MODEL) is used.whole_atlas(MODEL)


def test_the_study_and_its_organiser_go_on_seeing_the_descriptions(used: Services) -> None:
    study = hiding_study(used, overlap=0, per_annotator=None)
    ada, shown = record_consent(used, "Ada", "a-ada"), set()
    for _ in heads_of(study):
        task = tasks.reserve_next_task(Participant(used, study, ada), ())
        if task.item is not None:
            shown.add(str(description_html(task)))
            tasks.store_judgment(replace(task, answers=SEEN))
    assert named_heads(str(shown), heads_of(study))
    assert studies.study_status(used, study).progress.stale_items == 0
    assert len(all_studies(used)["default"].order) == len(used.whole_atlas(MODEL).head_ids)
    assert studies.describer_choices(used) == [f"{MODEL} · {SCRIBE}", f"{MODEL} · offline"]
    another = studies.build_study(
        used, studies.StudyRequest("next", f"{MODEL} · offline", 270, "uniform", 1, 0, 0, 0, False, 0, None, "0")
    )
    assert len(another.order) == 270


def test_of_two_studies_each_hides_its_heads_until_it_is_over(used: Services) -> None:
    first, second = hiding_study(used, "first"), hiding_study(used, "second", seed=5)
    every = set(used.whole_atlas(MODEL).head_ids)
    assert heads_of(first) - heads_of(second)
    assert heads_of(second) - heads_of(first)
    assert described_heads(used) == every - heads_of(first) - heads_of(second)
    used.journal.close_study(first, "a-organiser")
    assert described_heads(used) == every - heads_of(second)
    used.journal.close_study(second, "a-organiser")
    assert described_heads(used) == every


def described_heads(used: Services) -> set[HeadId]:
    """The heads with a description in the table that visitors get and in its search index."""
    atlas = used.atlas(MODEL)
    heads = {head_of(row) for row in atlas.descriptions()}
    assert {HeadId(*row[:2]) for row in used.search_indexes.get(atlas).descriptions.heads.tolist()} == heads
    return heads


def test_nothing_is_written_while_nothing_changes(used: Services, tmp_path: Path) -> None:
    assert used.atlas(MODEL) is used.whole_atlas(MODEL)
    assert not (tmp_path / "data" / "hidden").exists()
    hiding_study(used)
    atlas = used.atlas(MODEL)
    before = {path.name: path.lstat().st_ino for path in atlas.folder.iterdir()}
    assert all(used.atlas(MODEL) is atlas for _ in range(10))
    assert {path.name: path.lstat().st_ino for path in atlas.folder.iterdir()} == before
    assert before.keys() == {path.name for path in used.whole_atlas(MODEL).folder.iterdir()} - {"README.md"}


def test_descriptions_that_arrive_while_the_study_goes_on_are_hidden_too(used: Services, own_folder: Path) -> None:
    study = hiding_study(used)
    used.atlas(MODEL)
    rows = used.whole_atlas(MODEL).table("descriptions").to_pylist()
    late = [
        scribes_row(row) | {"describer": "late", "observed_pattern": f"late {row['head']}"}
        for row in rows
        if row["describer"] == "offline"
    ]
    write_table(own_folder, "descriptions", make_table("descriptions", [*rows, *late]))
    shown = {head_of(row) for row in used.atlas(MODEL).descriptions() if row["describer"] == "late"}
    assert shown == set(other_heads(used, study))


def test_where_there_are_no_links_files_are_copied(used: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    study = hiding_study(used)
    atlas = used.atlas(MODEL)
    assert not any(path.is_symlink() for path in atlas.folder.iterdir())
    assert atlas.table("mappings") == used.whole_atlas(MODEL).table("mappings")
    assert not heads_of(study) & {head_of(row) for row in atlas.descriptions()}


def test_where_the_folder_cannot_be_written_the_atlas_is_not_shown(used: Services, tmp_path: Path) -> None:
    hiding_study(used)
    (tmp_path / "data" / "hidden").write_text("a file in the way")
    with pytest.raises(MapsError, match="cannot be shown at the moment"):
        used.atlas(MODEL)
    (tmp_path / "data" / "hidden").unlink()
    assert used.atlas(MODEL).folder.parent == tmp_path / "data" / "hidden"


def test_on_an_empty_disk_everything_is_hidden_until_the_ledger_is_read(own_folder: Path, tmp_path: Path) -> None:
    ledger = {
        "MAPS_JUDGMENTS": "lab/judgments",
        "HF_TOKEN": "hf_none",
        "HF_ENDPOINT": f"http://127.0.0.1:{free_port()}",
    }
    used = start(own_folder, tmp_path, ledger)
    assert used.atlas(MODEL).descriptions() == []
    study = hiding_study(used)
    assert described_heads(used) == set(other_heads(used, study))
    used.journal.close()


def test_with_a_damaged_study_nothing_is_shown_by_mistake(used: Services, tmp_path: Path) -> None:
    study = hiding_study(used)
    (tmp_path / "data" / "studies" / f"{study.name}.json").write_text("{}")
    with pytest.raises(MapsError, match="damaged"):
        used.atlas(MODEL)


def item_of(study: Study, head: HeadId) -> StudyItem:
    return study.items_by_head[head][0]


def test_the_study_of_all_heads_leaves_the_hidden_ones_out(used: Services) -> None:
    ada, grace = record_consent(used, "Ada", "a-ada"), record_consent(used, "Grace", "a-grace")
    whole = used.default_study
    probe = create_test_study(used, name="probe")  # the same draw as the study below
    head = sorted(heads_of(probe))[0]
    item = item_of(whole, head)
    for who in (ada, grace):
        record_judgment(used, whole, item, who, SEEN)
    other_item = item_of(whole, other_heads(used, probe)[0])
    record_judgment(used, whole, other_item, ada, SEEN)
    opened = tasks.new_task(Participant(used, select_study(used, "default"), ada), item, ()).browser_state()
    study = hiding_study(used)
    assert heads_of(study) == heads_of(probe)

    visible = select_study(used, "default")
    assert {HeadId(each.layer, each.head) for each in visible.order} == set(other_heads(used, study))
    participant = Participant(used, visible, ada)
    assert tasks.requested_study_item(visible, head) is None
    assert tasks.task_from_browser(participant, opened) is None
    first = tasks.reserve_next_task(participant, ())
    assert first.item is not None
    assert HeadId(first.item.layer, first.item.head) not in heads_of(study)
    assert (first.progress.done, first.progress.total) == (1, len(other_heads(used, study)))
    assert tasks.previous_task(participant, first).item == other_item
    with pytest.raises(JournalError, match="does not contain this item"):
        record_judgment(used, visible, item, record_consent(used, "Eve", "a-eve"), SEEN)
    assert {row.item for row in visible_judgments(used, visible, ada)} == {other_item}
    page = EXPLORER_PAGES["head"].build_content(used, {"model": MODEL, **query_of(head)}, ada)
    assert "What others answered" not in page.html
    assert "people have" not in page.html
    assert "annotate?" not in page.html

    used.journal.close_study(study, "a-organiser")
    assert select_study(used, "default") is whole
    assert tasks.task_from_browser(Participant(used, whole, ada), opened) is not None
    assert {row.item for row in visible_judgments(used, whole, ada)} == {item, other_item}


def query_of(head: HeadId) -> dict[str, str]:
    return {"layer": str(head.layer), "head": str(head.head)}


def test_answers_of_an_earlier_study_to_hidden_heads_are_not_shown(used: Services) -> None:
    ada, earlier = record_consent(used, "Ada", "a-ada"), create_test_study(used, name="earlier")
    items = [item for item in earlier.order if item.item_kind == "head"]
    for item in items:
        record_judgment(used, earlier, item, ada, SEEN)
    used.journal.close_study(earlier, "a-organiser")
    query = {"model": MODEL, "layer": str(items[0].layer), "head": str(items[0].head)}
    head_page, first_page = EXPLORER_PAGES["head"].build_content, EXPLORER_PAGES[""].build_content
    colouring = {"model": MODEL, "colour": "verdict"}
    assert "Study earlier" in head_page(used, query).html
    assert f"of {len(items)} judged descriptions" in first_page(used, colouring).html
    later = hiding_study(used, "later", created_at=datetime(2026, 11, 23, tzinfo=UTC))
    assert heads_of(later) >= {HeadId(item.layer, item.head) for item in items}
    assert "Study earlier" not in head_page(used, query).html
    assert "of 0 judged descriptions" in first_page(used, colouring).html
    assert visible_judgments(used, earlier, ada) == []
    answer = next(each for each in endpoints(used) if each.__name__ == "head")(MODEL, items[0].layer, items[0].head)
    assert (answer["judgments"], answer["is_description_hidden"], answer["descriptions"]) == (None, True, [])


def test_a_study_of_all_heads_leaves_nothing_to_judge_elsewhere(used: Services) -> None:
    everything = len(used.whole_atlas(MODEL).head_ids)
    hiding_study(used, heads=everything, overlap=0, swapped=0, shuffled=0)
    visible = select_study(used, "default")
    ada = record_consent(used, "Ada", "a-ada")
    task = tasks.reserve_next_task(Participant(used, visible, ada), ())
    assert (visible.order, task.item) == ((), None)
    assert f"The descriptions of {everything} heads" in EXPLORER_PAGES["search"].build_content(used, {"q": "he"}).html
    compare = EXPLORER_PAGES["compare"].build_content(used, {"model": MODEL, "other": MODEL}).html
    assert "not been described" not in compare


def test_an_older_file_hides_nothing_and_a_new_one_keeps_the_choice(used: Services) -> None:
    study = hiding_study(used)
    assert study_from_json(study_to_json(study)) == study
    content = json.loads(study_to_json(study))
    del content["settings"]["hides_descriptions"]
    frozen = {name: content[name] for name in ("settings", "items")}
    text = json.dumps(frozen, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    older = json.dumps(content | {"sha256": hashlib.sha256(text.encode()).hexdigest()})
    assert study_from_json(older).heads_to_hide == frozenset()


def test_an_organiser_chooses_and_is_told(used: Services) -> None:
    request = studies.StudyRequest("next", f"{MODEL} · offline", 4, "uniform", 1, 0, 0, 0, False, 0, None, "0")
    hiding = studies.build_study(used, request)
    showing = studies.build_study(used, replace(request, hides_descriptions=False))
    assert (hiding.settings.hides_descriptions, showing.settings.hides_descriptions) == (True, False)
    sentence = "The explorer goes on showing the descriptions of its heads: who looks one up can tell controls."
    assert sentence in summary_sentences(showing)
    status = studies.study_status(used, showing)
    assert sentence in view.study_detail_html(showing, status.progress, "running")
