"""A visitor asks a model about a head with a key of their own: nothing of it is kept, nothing of the app's is used."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Semaphore
from types import SimpleNamespace
from typing import Any

import pytest

from maps.types import HeadId
from space.pages import ask
from space.pages.ask import BUSY_MESSAGE, NO_CREDITS_MESSAGE, NO_KEY_MESSAGE, answer_html, credits_html, head_html
from space.services import Services
from tests.chat_server import ChatServer, bad_key_error, good_reply, serve_chat
from tests.space.conftest import create_test_study

MODEL, HEAD = "SmolLM2-135M-Instruct (calibrated)", {"layer": "26", "head": "2"}
QUERY = {"model": MODEL, **HEAD}
NOBODY: Any = SimpleNamespace(request=None)


@pytest.fixture
def chat(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    with serve_chat(good_reply) as served_chat:
        monkeypatch.setattr(ask, "VISITORS_URL", served_chat.url)
        yield served_chat


@pytest.mark.process
def test_the_answer_is_shown_and_neither_it_nor_the_key_is_kept(served: Services, chat: ChatServer) -> None:
    atlas = served.atlas(MODEL)
    before = atlas.table("descriptions").to_pylist()
    shown = answer_html(served, QUERY, "scripted", "sk-visitors-own", NOBODY)
    assert "The first letter." in shown
    assert chat.request_keys == ["Bearer sk-visitors-own"]
    assert atlas.table("descriptions").to_pylist() == before
    kept = [path.read_bytes() for path in served.data_folder.rglob("*") if path.is_file()]
    assert not any(b"sk-visitors-own" in content for content in kept)


@pytest.mark.process
def test_a_refused_key_is_said_without_the_key(
    served: Services, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with serve_chat(bad_key_error) as refusing:
        monkeypatch.setattr(ask, "VISITORS_URL", refusing.url)
        shown = answer_html(served, QUERY, "scripted", "sk-secret", NOBODY)
    assert "problem" in shown
    assert "sk-secret" not in shown
    assert not any(path.suffix == ".parquet" for path in tmp_path.rglob("atlases/**/*"))


def test_without_a_key_or_a_model_nobody_is_asked(served: Services) -> None:
    assert NO_KEY_MESSAGE.partition(":")[0] in answer_html(served, QUERY, "gpt-4o", " ", NOBODY)
    for name in ("", "offline", "reference", "--base-url"):
        assert "Name a model" in answer_html(served, QUERY, name, "sk-1", NOBODY)


def test_a_head_that_a_study_hides_is_not_asked_about(served: Services) -> None:
    study = create_test_study(served, model=MODEL, describer="offline", hides_descriptions=True)
    hidden = min(study.heads_to_hide)
    query = {"model": MODEL, "layer": str(hidden.layer), "head": str(hidden.head)}
    assert "hidden while a study" in answer_html(served, query, "gpt-4o", "sk-1", NOBODY)
    assert isinstance(hidden, HeadId)


def test_more_visitors_than_places_are_asked_to_wait(served: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ask, "_places", Semaphore(0))
    assert BUSY_MESSAGE in answer_html(served, QUERY, "gpt-4o", "sk-1", NOBODY)


def test_on_a_space_a_visitor_may_ask_so_often(served: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ask, "_places", Semaphore(0))
    on_space = replace(served, is_on_space=True)
    for _ in range(on_space.rate_limiter.burst_size):
        answer_html(on_space, QUERY, "gpt-4o", "sk-1", NOBODY)
    with pytest.raises(Exception, match="in a short time; wait"):
        answer_html(on_space, QUERY, "gpt-4o", "sk-1", NOBODY)


def test_the_page_shows_the_head_and_what_was_said_of_it(served: Services) -> None:
    shown = head_html(served, QUERY)
    assert "L26H2" in shown
    assert "Described so far" in shown
    assert "a rule-based baseline (no language model): " in shown


def visitor(scopes: str, user: str = "ada") -> Any:
    """A request of somebody whose login on a Space has these scopes."""
    login = {"access_token": "hf_oauth_own", "scope": scopes, "userinfo": {"preferred_username": user}}
    session = {"oauth_info": {**login, "expires_at": time.time() + 60}}
    return SimpleNamespace(request=SimpleNamespace(scope={"session": session}, headers={}, client=None))


@pytest.mark.process
def test_a_visitors_own_credits_pay_for_a_model_of_the_hub_and_for_nothing_else(
    served: Services, chat: ChatServer
) -> None:
    listing = {"provider": "p", "status": "live", "supports_structured_output": True}
    chat.models = [{"id": "org/m", "object": "model", "created": 1, "owned_by": "o", "providers": [listing]}]
    on_space = replace(served, is_on_space=True, has_login=True)
    assert NO_CREDITS_MESSAGE in answer_html(on_space, QUERY, "gpt-4o", "", visitor("openid profile inference-api"))
    for other in (visitor("openid profile"), NOBODY):
        assert NO_KEY_MESSAGE.partition(":")[0] in answer_html(on_space, QUERY, "hf:org/m", "", other)
    assert chat.request_keys == []
    assert "The first letter." in answer_html(on_space, QUERY, "hf:org/m", "", visitor("inference-api profile openid"))
    assert set(chat.request_keys) == {"Bearer hf_oauth_own"}


def test_the_page_says_whose_credits_pay_and_how_to_end_it() -> None:
    query = {"model": 'a"<b>', "layer": "1"}
    offered = credits_html(query, visitor("openid profile"))
    assert 'href="login/credits?model=a%22%3Cb%3E&amp;layer=1"' in offered
    allowed = credits_html(query, visitor("openid profile inference-api", "<i>"))
    assert "<b>&lt;i&gt;</b>" in allowed
    assert "login/credits" not in allowed
    assert 'href="logout?_target_url=%2Fask%3Fmodel%3Da%2522' in allowed
