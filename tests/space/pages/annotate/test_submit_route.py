"""The request that submits an answer: whoever sends it, whatever is in it, only their own answer is stored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from annotation.form import GUIDELINES_VERSION
from annotation.identity.pseudonyms import derive_pseudonym
from space.pages.annotate import task as tasks
from space.pages.annotate.submit_route import PATH, submit_route
from space.services import Services
from space.studies.participant import Participant
from space.web.sessions import Annotator
from tests.sign_in import session_token
from tests.space.conftest import create_test_study

NAMES = {
    *("token", "task", "draft", "copies", "notices", "welcome_column", "welcome", "name", "agree_button"),
    *("decline_button", "form_column", "evidence", "progress", "description", "comment", "message", "back_button"),
    *("skip_button", "submit_button", "own_answers_button", "own_answers_link", "presence", "precision", "category"),
}


@pytest.fixture
def client(served: Services) -> Iterator[TestClient]:
    with TestClient(Starlette(routes=[submit_route(served)])) as opened:
        yield opened


@pytest.fixture
def sent(served: Services) -> dict[str, Any]:
    """What Ada's browser sends with her first answer."""
    study = create_test_study(served)
    ada = Annotator("Ada", derive_pseudonym("Ada", served.pseudonym_key))
    served.journal.record_consent(ada.pseudonym, GUIDELINES_VERSION)
    task = tasks.reserve_next_task(Participant(served, study, ada), ())
    token = session_token("Ada", served.pseudonym_key)
    return {"token": token, "task": task.browser_state(), "presence": "absent_none", "comment": "a <b>"}


def test_an_answer_is_stored_and_the_next_item_comes_back(
    client: TestClient, sent: dict[str, Any], served: Services
) -> None:
    reply = client.post(PATH, json=sent)
    updates = reply.json()
    [stored] = served.journal.all_judgments()
    assert (stored.judgment_id, stored.comment) == (sent["task"]["judgment_id"], "a <b>")
    assert "Saved" in updates["message"]
    assert list(updates["copies"]["keep"]) == [stored.judgment_id]
    assert updates["task"]["item"] not in (None, sent["task"]["item"])
    assert set(updates) <= NAMES
    assert updates["presence"]["__type__"] == "update"
    assert "stored before" in client.post(PATH, json=sent).json()["message"]
    assert len(served.journal.all_judgments()) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"token": None},
        {"token": "forged"},
        {"token": ["x"]},
        {"task": None},
        {"task": {"item": ["x"]}},
        {"presence": None},
        {"presence": ["absent_none"]},
        {"presence": "x" * 1000},
        {"presence": "present_described"},
        {"comment": "x" * 100_000},
    ],
)
def test_what_is_no_answer_of_theirs_stores_nothing(
    changes: dict[str, Any], client: TestClient, sent: dict[str, Any], served: Services
) -> None:
    reply = client.post(PATH, json=sent | changes)
    assert reply.status_code == 200
    assert served.journal.all_judgments() == []


def test_another_persons_task_stores_nothing(client: TestClient, sent: dict[str, Any], served: Services) -> None:
    served.journal.record_consent(derive_pseudonym("Grace", served.pseudonym_key), GUIDELINES_VERSION)
    reply = client.post(PATH, json=sent | {"token": session_token("Grace", served.pseudonym_key)})
    assert "not stored" in reply.json()["message"]
    assert served.journal.all_judgments() == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"7", b"\xff"])
def test_what_is_no_json_object_is_refused(body: bytes, client: TestClient) -> None:
    assert client.post(PATH, content=body).status_code == 400
