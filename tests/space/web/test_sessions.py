"""Who asks, and in which role: what counts on a Space, what counts elsewhere, and what never does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request

from annotation.identity import pseudonyms
from annotation.identity.tokens import PersonalCode, make_personal_code
from space.services import Services, open_services
from space.web import sessions
from space.web.sessions import Annotator
from tests.sign_in import session_token


@dataclass(frozen=True)
class Asked:
    """A handler's request: Gradio's wraps Starlette's."""

    request: Any


NOBODY = Asked(Request({"type": "http", "headers": []}))


def login(name: object, ends_in: float = 60.0) -> Asked:
    """A request with a session as Gradio's login leaves it."""
    about = {"expires_at": int(time.time() + ends_in), "userinfo": {"preferred_username": name}}
    return Asked(Request({"type": "http", "headers": [], "session": {"oauth_info": about}}))


@pytest.fixture
def on_a_space(tmp_path: Path) -> Iterator[Services]:
    """What the app would build on a Space with two organisers."""
    settings = {"SPACE_ID": "lab/heads", "SPACE_HOST": "lab-heads.hf.space", "MAPS_ORGANISERS": "Emmy, noether,"}
    built = open_services(
        {**settings, "MAPS_DATA": str(tmp_path), "MAPS_PSEUDONYM_KEY": "for tests, as long as keys must be"}
    )
    yield built
    built.journal.close()


def test_a_typed_name_is_whoever_its_token_says_and_of_another_server_nobody(served: Services) -> None:
    mine = session_token("Ada", served.pseudonym_key)
    assert sessions.identify_annotator(served, mine, NOBODY) == Annotator(
        "Ada", pseudonyms.derive_pseudonym("Ada", served.pseudonym_key)
    )
    for token in (
        session_token("Ada", b"another key"),
        {"name": "Ada"},
        None,
        "",
        served.organiser_key,
    ):
        assert sessions.identify_annotator(served, token, NOBODY) is None


def test_elsewhere_a_session_cookie_says_nothing(served: Services) -> None:
    assert sessions.identify_annotator(served, None, login("ada")) is None
    assert sessions.identify_organiser(served, None, login("emmy")) is None


def test_the_printed_link_gives_the_organisers_role_and_nothing_else_does(served: Services) -> None:
    token = sessions.organiser_session_from_key(served, served.organiser_key)
    found = sessions.identify_organiser(served, token, NOBODY)
    assert found is not None
    assert found.pseudonym != pseudonyms.derive_pseudonym("Organiser", served.pseudonym_key)
    link = sessions.organiser_link(served, "http://127.0.0.1:7860")
    assert link == f"http://127.0.0.1:7860/organise?key={served.organiser_key}"
    wrong: tuple[object, ...] = (
        None,
        "",
        "x",
        "\ud800",
        7,
        {},
        session_token("Organiser", served.pseudonym_key),
        served.pseudonym_key.decode(),
    )
    assert [key for key in wrong if sessions.organiser_session_from_key(served, key) is not None] == []
    assert [key for key in (*wrong, served.organiser_key) if sessions.identify_organiser(served, key, NOBODY)] == []


def test_an_organisers_session_ends_when_it_is_ended(served: Services) -> None:
    token = sessions.organiser_session_from_key(served, served.organiser_key)
    sessions.end_session(served, token, served.organiser_key.encode())
    assert sessions.identify_organiser(served, token, NOBODY) is None
    other = sessions.organiser_session_from_key(served, served.organiser_key)
    assert sessions.identify_organiser(served, other, NOBODY) is not None


def test_signing_out_ends_one_session_and_leaves_the_others(served: Services) -> None:
    one, other = (sessions.begin_session(served, "Ada") for _ in range(2))
    sessions.end_session(served, one, served.pseudonym_key)
    sessions.end_session(served, "no token", served.pseudonym_key)
    assert sessions.identify_annotator(served, one, NOBODY) is None
    assert sessions.identify_annotator(served, other, NOBODY) is not None


def test_a_new_personal_link_ends_all_earlier_ones_and_their_sessions(served: Services) -> None:
    code = make_personal_code(PersonalCode("Ada", 0), served.pseudonym_key)
    token = sessions.session_from_link(served, code)
    assert sessions.identify_annotator(served, token, NOBODY) is not None
    number = served.journal.replace_personal_link(pseudonyms.derive_pseudonym("Ada", served.pseudonym_key))
    assert sessions.session_from_link(served, code) is None
    assert sessions.identify_annotator(served, token, NOBODY) is None
    new = make_personal_code(PersonalCode("Ada", number), served.pseudonym_key)
    assert sessions.identify_annotator(served, sessions.session_from_link(served, new), NOBODY) is not None
    ahead = make_personal_code(PersonalCode("Ada", number + 1), b"another key, as long as keys must be")
    assert [each for each in (ahead, token, "", None) if sessions.session_from_link(served, each) is not None] == []


def test_a_personal_link_has_the_address_that_the_browser_uses(served: Services) -> None:
    headers = [(b"origin", b"https://study.example.org"), (b"host", b"127.0.0.1:7860")]
    scope = {"type": "http", "headers": headers, "root_path": "/heads/", "scheme": "http", "path": "/"}
    link = sessions.personal_link(served, "Ada", Asked(Request(scope)))
    assert link.startswith("https://study.example.org/heads/annotate?code=")


def test_the_link_is_another_one_after_each_start(tmp_path: Path) -> None:
    keys = set()
    for _ in range(2):
        built = open_services({"MAPS_DATA": str(tmp_path)})
        keys.add(built.organiser_key)
        assert built.organiser_key not in repr(built)
        built.journal.close()
    assert len(keys) == 2


def test_on_a_space_the_login_counts_and_a_typed_name_for_nothing(on_a_space: Services) -> None:
    token = session_token("emmy", on_a_space.pseudonym_key)
    assert sessions.identify_annotator(on_a_space, token, NOBODY) is None
    assert sessions.identify_annotator(on_a_space, token, login("ada")) == Annotator(
        "ada", pseudonyms.derive_pseudonym("ada", on_a_space.pseudonym_key)
    )


def test_on_a_space_the_settings_name_the_organisers(on_a_space: Services) -> None:
    found = sessions.identify_organiser(on_a_space, None, login("emmy"))
    assert found == Annotator("emmy", pseudonyms.derive_pseudonym("emmy", on_a_space.pseudonym_key))
    assert sessions.identify_organiser(on_a_space, None, login("Noether")) is not None
    for asking in (login("ada"), login(""), login("emmy", -1), NOBODY):
        for key in (None, "", session_token("emmy", on_a_space.pseudonym_key)):
            assert sessions.identify_organiser(on_a_space, key, asking) is None
    assert sessions.organiser_link(on_a_space, "http://x") is None


@pytest.mark.parametrize(
    "session", [None, [], {}, {"oauth_info": 3}, {"oauth_info": {}}, {"oauth_info": {"userinfo": 1}}]
)
def test_a_session_without_a_login_is_nobody(on_a_space: Services, session: object) -> None:
    scope: dict[str, Any] = {"type": "http", "headers": [], "session": session}
    for asking in (Asked(Request(scope)), Asked(None), login(None), login(7), login("ada", -1)):
        assert sessions.login_name(asking) is None
        assert sessions.identify_annotator(on_a_space, None, asking) is None
