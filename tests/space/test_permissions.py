"""Every endpoint of the running app, called as nobody, annotator, another annotator and organiser: who may do what."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from annotation.form import GUIDELINES_VERSION, Answers, judgment
from annotation.identity import pseudonyms
from annotation.types import Item
from space.pages.organise import studies
from space.pages.organise.adjudication import Place
from space.pages.organise.studies import Wanted
from space.services import Services, services
from tests.space.running import Answer, Endpoint, Running, Visitor, fetched, routes, running

SECRET = "WHAT-GRACE-REMARKED"
NOT_YOURS = "Only an organiser can do that"
PILOT = Wanted("pilot", "SmolLM2-135M-Instruct · offline", 6, "uniform", 2, 0, 1, 1, True, 0, None, 0)

# Who may use an endpoint; to everybody else it says only that they may not, or how to get in.
# A name that Gradio numbers (opened_2) stands for the first of its kind.
ANYONE, ANNOTATORS, ORGANISERS = "anyone", "annotators", "organisers"
TABLE = {
    "opened": ANYONE,  # the loads of /annotate and /agreement: to each their own
    "visited": ANYONE,  # the explorer's pages: judgments of a head under the rules of its words
    **dict.fromkeys(
        ("models", "model", "heads", "compare", "describers", "search", "head", "relation", "pairs"), ANYONE
    ),  # for programs: what atlases hold; of a head also what is open of people's answers
    "agreement": ANYONE,  # as on its page: of studies whose answers are open
    **dict.fromkeys(("ask", "score_pairs"), ANYONE),  # questions to the weights, as on their page
    "signed_in": ANYONE,
    "submitted": ANNOTATORS,
    "skipped": ANNOTATORS,
    "gone_back": ANNOTATORS,
    "stayed": ANNOTATORS,
    "withdrawn": ANNOTATORS,  # their own answers
    "resent": ANYONE,  # what a browser kept of its own answers, sealed by this server
    "lambda": ANYONE,  # shows or hides the button that withdraws; takes nothing from the browser
    "drawn": ANYONE,  # the figures of the explorer; those of /agreement, under the rule of its words
    "made": ANYONE,  # the downloads of /agreement: what each may see
    "opened_for_organisers": ORGANISERS,
    "rows_csv": ORGANISERS,
    "rows_parquet": ORGANISERS,
    "rows_datasets": ORGANISERS,
    "ask_to_open_answers": ORGANISERS,
    "open_answers": ORGANISERS,
    "preview_study": ORGANISERS,
    "create_study": ORGANISERS,
    "ask_to_withdraw": ORGANISERS,
    "withdraw": ORGANISERS,
    "decide": ORGANISERS,
}
# Gradio's own routes beside the pages, none of which reads what the app keeps; files are tried below.
ROUTES = {
    "/openapi.json",
    "/login",
    "/logout",
    "/svelte/{path:path}",
    "/gradio_api/deep_link",
    "/config",
    "/static/{path:path}",
    "/assets/{path:path}",
    "/favicon.ico",
    "/theme.css",
    "/robots.txt",
    "/pwa_icon/{size}",
    "/pwa_icon",
    "/manifest.json",
    "/monitoring",
    "/monitoring/summary",
    "/monitoring/{key}",
}
PAGES = {"/", "/head", "/relation", "/search", "/try", "/compare", "/organise", "/annotate", "/agreement", "/about"}
PAGES |= {"/privacy"}


@dataclass(frozen=True)
class Scene:
    """A study that goes on, of which Grace, Ada and Alan have judged an item differently, in the running app."""

    app: Running
    used: Services
    place: str


def token(used: Services, name: str) -> str:
    """The token of someone who signed in."""
    return pseudonyms.signed(name, used.key, 0)


def answered(used: Services, item: Item, name: str, answers: Answers) -> None:
    """Stores a judgment."""
    who, now = pseudonyms.pseudonym(name, used.key), datetime.now(UTC)
    used.journal.consent(who, name, GUIDELINES_VERSION)
    used.journal.record(
        judgment(
            item,
            answers,
            judgment_id=pseudonyms.pseudonym(f"{name}{item.key}", b"ids"),
            annotator=who,
            started_at=now,
            submitted_at=now,
            supersedes=None,
            app_version="1",
        )
    )


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """The app over a data folder of its own; every test leaves the study as it is, but for the last."""
    data = tmp_path_factory.mktemp("data")
    settings = {"MAPS_DATA": str(data), "MAPS_PSEUDONYM_KEY": "for tests"}
    used = services(settings)
    study = studies.create(used, PILOT)
    position = next(n for n, item in enumerate(study.order) if item.item_kind == "head")
    answered(used, study.order[position], "Grace", Answers("absent_none", None, None, SECRET))
    for name in ("Ada", "Alan"):
        answered(used, study.order[position], name, Answers("absent_described", None, None, ""))
    used.journal.consent(pseudonyms.pseudonym("Eve", used.key), "Eve", GUIDELINES_VERSION)
    place = Place("pilot", position, True, "0" * 32, None, datetime.now(UTC)).kept()
    with running(settings) as app:
        yield Scene(app, used, place)
    used.journal.close()


def typed(scene: Scene) -> dict[str, Any]:
    """What somebody who knows the page would send."""
    grace = pseudonyms.pseudonym("Grace", scene.used.key)
    return {
        "place": scene.place,
        "pseudonym": grace,
        "study-name": "another",
        "presence": "absent_none",
        "comment": "",
        "name": "Mallory",
    }


def visitor(scene: Scene, role: str) -> Visitor:
    """A browser of somebody in a role; an annotator tries their token as the organiser's key, too."""
    name = {"annotator": "Ada", "another annotator": "Grace", "a newcomer": "Eve"}.get(role)
    signed = None if name is None else token(scene.used, name)
    key = scene.app.organiser_key if role == "organiser" else signed or "guessed"
    return Visitor({"maps-token": signed, "maps-organiser": key}, typed(scene))


def kind(name: str) -> str:
    """A name without the number that Gradio gives the second of its kind."""
    base, _, number = name.rpartition("_")
    return base if number.isdecimal() else name


def asked(scene: Scene) -> list[Endpoint]:
    """The endpoints, but the one that draws figures on the first of the explorer's pages only.

    It is one function on all of them, takes nothing that a browser keeps, and seconds.
    """
    found = scene.app.endpoints()
    first, *others = (one for one in found if kind(one.name) == "drawn" and not one.inputs)
    assert {len(one.outputs) for one in others} == {len(first.outputs)}
    return [one for one in found if one not in others]


def state(used: Services) -> tuple[object, ...]:
    """All that an organiser or an answer can change."""
    with sqlite3.connect(used.data / "journal.sqlite") as database:
        tables = [database.execute(f"SELECT * FROM {name}").fetchall() for name in ("withdrawals", "openings")]
    files = [(path.name, path.read_bytes()) for path in sorted((used.data / "studies").iterdir())]
    return *tables, files


def called(scene: Scene, who: Visitor, names: set[str]) -> dict[str, Answer]:
    """Calls every endpoint of these names, each as if the pages had just been opened."""
    scene.app.visit(who)
    chosen = [one for one in asked(scene) if kind(one.name) in names]
    chosen.sort(key=lambda one: one.name == "withdrawn")  # last: afterwards there is nobody to ask for
    return {one.name: scene.app.call(one, replace(who, kept=dict(who.kept))) for one in chosen}


def test_every_endpoint_has_its_row_in_the_table(scene: Scene) -> None:
    found = scene.app.endpoints()
    assert {kind(one.name) for one in found} == set(TABLE)
    assert {one.inputs for one in found if kind(one.name) == "lambda"} == {()}


def test_every_route_is_a_page_or_known() -> None:
    assert routes() == ROUTES | PAGES


@pytest.mark.parametrize("role", ["nobody", "annotator", "another annotator"])
def test_what_is_an_organisers_is_nobody_elses(scene: Scene, role: str) -> None:
    before = state(scene.used), scene.used.journal.rows("pilot")
    found = called(scene, visitor(scene, role), {name for name, who in TABLE.items() if who == ORGANISERS})
    entering = found.pop("opened_for_organisers")
    assert "for the organisers of studies" in entering.text
    assert "pilot" not in entering.text
    assert {name: (each.failed, NOT_YOURS in each.text) for name, each in found.items()} == dict.fromkeys(
        found, (True, True)
    )
    assert (state(scene.used), scene.used.journal.rows("pilot")) == before


@pytest.mark.parametrize("role", ["nobody", "annotator"])
def test_no_endpoint_gives_away_what_somebody_else_answered_during_a_study(scene: Scene, role: str) -> None:
    grace = pseudonyms.pseudonym("Grace", scene.used.key)
    for name, each in called(scene, visitor(scene, role), set(TABLE)).items():
        assert SECRET not in each.text, name
        assert grace not in each.text, name


@pytest.mark.parametrize("role", ["nobody", "a newcomer"])
def test_no_endpoint_changes_what_somebody_else_answered(scene: Scene, role: str) -> None:
    grace = pseudonyms.pseudonym("Grace", scene.used.key)
    theirs = Visitor({"maps-token": token(scene.used, "Grace")}, typed(scene))
    scene.app.visit(theirs)  # her desk, from her browser
    who = visitor(scene, role)
    scene.app.visit(who)
    who.kept |= {name: value for name, value in theirs.kept.items() if name not in ("maps-token", "maps-organiser")}
    before = [row for row in scene.used.journal.rows() if row.annotator == grace]
    rest = {row.judgment_id for row in scene.used.journal.rows(withdrawn=True)}
    for one in asked(scene):
        if not one.loads:
            scene.app.call(one, replace(who, kept=dict(who.kept)))
    assert [row for row in scene.used.journal.rows() if row.annotator == grace] == before
    new = {row.annotator for row in scene.used.journal.rows(withdrawn=True) if row.judgment_id not in rest}
    assert new <= {pseudonyms.pseudonym("Eve", scene.used.key)}
    assert grace not in scene.used.journal.withdrawn()


def test_nobody_stores_and_withdraws_nothing(scene: Scene) -> None:
    before = state(scene.used), scene.used.journal.rows()
    called(scene, visitor(scene, "nobody"), {name for name, who in TABLE.items() if who == ANNOTATORS})
    assert (state(scene.used), scene.used.journal.rows()) == before


def test_no_endpoint_breaks_on_what_it_does_not_expect(scene: Scene) -> None:
    for one in asked(scene):
        scene.app.call(one, Visitor())
    assert scene.app.troubles.read_text(encoding="utf-8") == ""


def test_no_file_that_the_app_keeps_can_be_fetched(scene: Scene) -> None:
    for path in ("journal.sqlite", "studies/pilot.json", "pseudonym.key"):
        whole = scene.used.data.resolve() / path
        for address in (f"file={whole}", f"file/{whole}", f"file={path}", f"file=../{path}"):
            assert fetched(f"{scene.app.url}/gradio_api/{address}").failed, address
    for other in (str(Path("app.py").resolve()), "app.py", "space/services.py", "/etc/passwd"):
        assert fetched(f"{scene.app.url}/gradio_api/file={other}").failed, other


def test_an_organiser_may_do_all_that_is_theirs(scene: Scene) -> None:
    who = visitor(scene, "organiser")
    found = called(scene, who, {name for name, role in TABLE.items() if role == ORGANISERS} - {"withdraw"})
    assert {name: each.failed for name, each in found.items()} == dict.fromkeys(found, False)
    assert "pilot" in found["opened_for_organisers"].text
    assert SECRET in found["decide"].text
    assert sorted(studies.studies(scene.used)) == ["another", "default", "pilot"]
    assert scene.used.journal.opened("pilot") is not None
    [decision] = [row for row in scene.used.journal.rows("pilot") if row.item_kind == "adjudication"]
    assert decision.annotator == pseudonyms.organiser_pseudonym(scene.used.key)
    grace = pseudonyms.pseudonym("Grace", scene.used.key)
    called(scene, who, {"withdraw"})
    assert grace in scene.used.journal.withdrawn()
