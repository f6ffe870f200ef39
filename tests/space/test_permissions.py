"""Every endpoint of the running app, called as nobody, annotator, another annotator and organiser: who may do what."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from annotation.form import GUIDELINES_VERSION, Answers, build_judgment
from annotation.identity import pseudonyms
from annotation.types import StudyItem
from space.pages.organise import studies
from space.pages.organise.adjudication import OrganiserSelection
from space.pages.organise.studies import StudyRequest
from space.services import Services, open_services
from space.web.audience import FUNCTIONS, Audience
from tests.sign_in import organiser_token, session_token
from tests.space.running import AppUnderTest, CallResult, Endpoint, Visitor, fetch_text, route_paths, run_app

pytestmark = pytest.mark.process

SECRET = "WHAT-GRACE-REMARKED"
NOT_YOURS = "Only an organiser can do that"
PILOT = StudyRequest("pilot", "SmolLM2-135M-Instruct · offline", 6, "uniform", 2, 0, 1, 1, True, 0, None, "0")

# A name that Gradio numbers (opened_2) stands for the first of its kind.
TABLE = {name: audience for name, (audience, _) in FUNCTIONS.items()}
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
LAST = ("withdraw_own_answers", "sign_out_organiser")  # afterwards there is nobody to ask for
PAGES = {"/", "/head", "/relation", "/search", "/try", "/compare", "/organise", "/annotate", "/agreement", "/about"}
PAGES |= {"/privacy", "/models", "/ask", "/catalogue", "/sentence"}


@dataclass(frozen=True)
class Scene:
    """A study that goes on, of which Grace, Ada and Alan have judged an item differently, in the running app."""

    app: AppUnderTest
    used: Services
    place: str


def token(used: Services, name: str) -> str:
    return session_token(name, used.pseudonym_key)


def answered(used: Services, item: StudyItem, name: str, answers: Answers) -> None:
    who, now = pseudonyms.derive_pseudonym(name, used.pseudonym_key), datetime.now(UTC)
    used.journal.record_consent(who, GUIDELINES_VERSION)
    used.journal.record_judgment(
        build_judgment(
            item,
            answers,
            judgment_id=pseudonyms.derive_pseudonym(f"{name}{item.key}", b"ids"),
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
    settings = {"MAPS_DATA": str(data), "MAPS_PSEUDONYM_KEY": "for tests, as long as keys must be"}
    used = open_services(settings)
    study = studies.create_study(used, PILOT)
    position = next(n for n, item in enumerate(study.order) if item.item_kind == "head")
    answered(used, study.order[position], "Grace", Answers("absent_none", None, None, SECRET))
    for name in ("Ada", "Alan"):
        answered(used, study.order[position], name, Answers("absent_described", None, None, ""))
    used.journal.record_consent(pseudonyms.derive_pseudonym("Eve", used.pseudonym_key), GUIDELINES_VERSION)
    place = OrganiserSelection("pilot", position, True, "0" * 32, None, datetime.now(UTC)).to_json()
    with run_app(settings) as app:
        yield Scene(app, used, place)
    used.journal.close()


def typed(scene: Scene) -> dict[str, Any]:
    """What somebody who knows the page would send."""
    grace = pseudonyms.derive_pseudonym("Grace", scene.used.pseudonym_key)
    return {
        "selection": scene.place,
        "pseudonym": grace,
        "study-name": "another",
        "presence": "absent_none",
        "comment": "",
        "name": "Mallory",
        "model-name": "no-such-folder/no-such.gguf",
        "upload-repo": "user/atlas",
    }


def visitor(scene: Scene, role: str) -> Visitor:
    """A browser of somebody in a role; an annotator tries their token as the organiser's key, too."""
    name = {"annotator": "Ada", "another annotator": "Grace", "a newcomer": "Eve"}.get(role)
    signed = None if name is None else token(scene.used, name)
    key = organiser_token(scene.app.organiser_key) if role == "organiser" else signed or "guessed"
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
    first, *others = (one for one in found if kind(one.name) == "draw_figures" and not one.inputs)
    assert {len(one.outputs) for one in others} == {len(first.outputs)}
    return [one for one in found if one not in others]


def state(used: Services) -> tuple[object, ...]:
    """All that an organiser or an answer can change."""
    with sqlite3.connect(used.data_folder / "journal.sqlite") as database:
        names = ("withdrawals", "openings", "endings")
        tables = [database.execute(f"SELECT * FROM {name}").fetchall() for name in names]
    with sqlite3.connect(used.data_folder / "jobs" / "jobs.sqlite") as database:
        tables.append(database.execute("SELECT * FROM jobs").fetchall())
    files = [(path.name, path.read_bytes()) for path in sorted((used.data_folder / "studies").iterdir())]
    return *tables, files


def called(scene: Scene, who: Visitor, names: set[str]) -> dict[str, CallResult]:
    """Calls every endpoint of these names, each as if the pages had just been opened."""
    scene.app.open_every_page(who)
    chosen = [one for one in asked(scene) if kind(one.name) in names]
    chosen.sort(key=lambda one: one.name in LAST)
    return {one.name: scene.app.call(one, replace(who, stored_values=dict(who.stored_values))) for one in chosen}


def test_every_endpoint_has_its_row_in_the_table(scene: Scene) -> None:
    found = scene.app.endpoints()
    assert {kind(one.name) for one in found} == set(TABLE)
    assert {one.inputs for one in found if kind(one.name) == "lambda"} == {()}


def test_every_route_is_a_page_or_known() -> None:
    assert route_paths() == ROUTES | PAGES


@pytest.mark.parametrize("role", ["nobody", "annotator", "another annotator"])
def test_what_is_an_organisers_is_nobody_elses(scene: Scene, role: str) -> None:
    before = state(scene.used), scene.used.journal.all_judgments("pilot")
    found = called(scene, visitor(scene, role), {name for name, who in TABLE.items() if who is Audience.ORGANISERS})
    entering = found.pop("opened_for_organisers")
    assert "for the organisers of studies" in entering.text
    assert "pilot" not in entering.text
    assert {name: (each.is_error, NOT_YOURS in each.text) for name, each in found.items()} == dict.fromkeys(
        found, (True, True)
    )
    assert (state(scene.used), scene.used.journal.all_judgments("pilot")) == before


@pytest.mark.parametrize("role", ["nobody", "annotator"])
def test_no_endpoint_gives_away_what_somebody_else_answered_during_a_study(scene: Scene, role: str) -> None:
    grace = pseudonyms.derive_pseudonym("Grace", scene.used.pseudonym_key)
    for name, each in called(scene, visitor(scene, role), set(TABLE)).items():
        assert SECRET not in each.text, name
        assert grace not in each.text, name


@pytest.mark.parametrize("role", ["nobody", "a newcomer"])
def test_no_endpoint_changes_what_somebody_else_answered(scene: Scene, role: str) -> None:
    grace = pseudonyms.derive_pseudonym("Grace", scene.used.pseudonym_key)
    theirs = Visitor({"maps-token": token(scene.used, "Grace")}, typed(scene))
    scene.app.open_every_page(theirs)  # her desk, from her browser
    who = visitor(scene, role)
    scene.app.open_every_page(who)
    who.stored_values |= {
        name: value for name, value in theirs.stored_values.items() if name not in ("maps-token", "maps-organiser")
    }
    before = [row for row in scene.used.journal.all_judgments() if row.annotator == grace]
    rest = {row.judgment_id for row in scene.used.journal.all_judgments(include_withdrawn=True)}
    for one in asked(scene):
        if not one.runs_on_load:
            scene.app.call(one, replace(who, stored_values=dict(who.stored_values)))
    assert [row for row in scene.used.journal.all_judgments() if row.annotator == grace] == before
    new = {
        row.annotator for row in scene.used.journal.all_judgments(include_withdrawn=True) if row.judgment_id not in rest
    }
    assert new <= {pseudonyms.derive_pseudonym("Eve", scene.used.pseudonym_key)}
    assert grace not in scene.used.journal.withdrawal_times()


def test_nobody_stores_and_withdraws_nothing(scene: Scene) -> None:
    before = state(scene.used), scene.used.journal.all_judgments()
    called(scene, visitor(scene, "nobody"), {name for name, who in TABLE.items() if who is Audience.ANNOTATORS})
    assert (state(scene.used), scene.used.journal.all_judgments()) == before


def test_no_endpoint_breaks_on_what_it_does_not_expect(scene: Scene) -> None:
    for one in asked(scene):
        scene.app.call(one, Visitor())
    assert scene.app.error_log.read_text(encoding="utf-8") == ""


def test_no_file_that_the_app_keeps_can_be_fetched(scene: Scene) -> None:
    for path in ("journal.sqlite", "studies/pilot.json", "pseudonym.key"):
        whole = scene.used.data_folder.resolve() / path
        for address in (f"file={whole}", f"file/{whole}", f"file={path}", f"file=../{path}"):
            assert fetch_text(f"{scene.app.url}/gradio_api/{address}").is_error, address
    for other in (str(Path("app.py").resolve()), "app.py", "space/services.py", "/etc/passwd"):
        assert fetch_text(f"{scene.app.url}/gradio_api/file={other}").is_error, other


def test_an_organiser_may_do_all_that_is_theirs(scene: Scene) -> None:
    who = visitor(scene, "organiser")
    found = called(scene, who, {name for name, role in TABLE.items() if role is Audience.ORGANISERS} - {"withdraw"})
    assert {name for name, each in found.items() if each.is_error} == {"change_job"}
    assert "This button is not known here" in found["change_job"].text  # no button was pressed
    assert "There is no file or folder no-such-folder/no-such.gguf" in found["check_model"].text
    assert "pilot" in found["opened_for_organisers"].text
    assert SECRET in found["decide"].text
    assert sorted(studies.studies_newest_first(scene.used)) == ["another", "default", "pilot"]
    assert scene.used.journal.answers_opened_at("pilot") is not None
    assert list(scene.used.journal.endings()) == ["pilot"]
    [decision] = [row for row in scene.used.journal.all_judgments("pilot") if row.item_kind == "adjudication"]
    assert decision.annotator == pseudonyms.derive_organiser_pseudonym(scene.used.pseudonym_key)
    grace = pseudonyms.derive_pseudonym("Grace", scene.used.pseudonym_key)
    called(scene, visitor(scene, "organiser"), {"withdraw"})  # the first session has signed out
    assert grace in scene.used.journal.withdrawal_times()
