"""A deployment on the loopback Hub: from nothing, again, changed, refused, and cut off at every request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import space.hosting.deploy
from maps.hub.repository import HubDataset
from space.__main__ import main
from space.hosting.deploy import carry_out_steps, inspect_space, wait_until_running
from space.hosting.hub import HubSpace, missing_permission
from space.hosting.plan import (
    PSEUDONYM_KEY_SECRET,
    TOKEN_SECRET,
    CreateDataset,
    CreateSpace,
    CurrentSpace,
    DeleteVariable,
    DesiredSpace,
    MakePrivate,
    RequestHardware,
    RestartSpace,
    SetSecret,
    SetVariable,
    UploadFiles,
    plan_deployment,
)
from tests.hub.loopback import TOKEN as HUB_TOKEN
from tests.hub.loopback import LoopbackHub, loopback_hub
from tests.hub.spaces import CHECKS_UNTIL_RUNNING

SPACE, DATASET = "tester/heads", "tester/judgments"
COMMAND = ["deploy", "--space", SPACE, "--dataset", DATASET]
MCP = {"GRADIO_MCP_SERVER": "true"}
SMALL = {"app.py": b"print()", "README.md": b"---\nsdk: gradio\n---\n", "space/seed/a.parquet": b"PAR1"}
WANTED = DesiredSpace(
    SPACE, DATASET, SMALL, {TOKEN_SECRET: "hf_a", PSEUDONYM_KEY_SECRET: "k"}, {"MAPS_JUDGMENTS": DATASET}
)


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space.hosting.deploy, "POLL_SECONDS", 0.0)
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)  # between tries at a large file


@pytest.fixture
def settings(hub: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The settings of the commands; the data folder."""
    for name in ("MAPS_PSEUDONYM_KEY", "MAPS_SPACE_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    given = {"HF_ENDPOINT": hub.url, "HF_TOKEN": HUB_TOKEN, "MAPS_DATA": str(tmp_path / "data")}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    return tmp_path / "data"


def key_of(hub: LoopbackHub) -> str:
    """The Space's key of pseudonyms."""
    return hub.spaces[SPACE].secrets[PSEUDONYM_KEY_SECRET][0]


def state(hub: LoopbackHub) -> tuple[Any, ...]:
    """All that a deployment leaves at the Hub, without how it got there."""
    there = hub.repositories["space", SPACE]
    space = hub.spaces[SPACE]
    ledger = hub.repositories["dataset", DATASET]
    return there.head.files, there.private, ledger.private, space.secrets, space.variables, space.hardware


@pytest.mark.usefixtures("settings")
def test_a_dry_run_says_what_would_be_done_and_does_nothing(
    hub: LoopbackHub, settings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*COMMAND, "--dry-run", "--hardware", "zero-a10g"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [
        f"Create the private dataset {DATASET} for the judgments.",
        f"Create the public Space {SPACE} on zero-a10g.",
    ]
    assert lines[2:7] == [
        "Set the secret HF_TOKEN.",
        "Set the secret MAPS_PSEUDONYM_KEY.",
        f"Set the variable MAPS_JUDGMENTS to {DATASET}.",
        "Set the variable MAPS_ORGANISERS to tester.",
        "Set the variable GRADIO_MCP_SERVER to true.",
    ]
    assert lines[7].startswith("Upload ")
    assert len(lines) == 8
    assert {seen.method for seen in hub.recorded_requests} == {"GET"}
    assert not settings.exists()


def test_a_deployment_makes_all_and_a_second_changes_nothing(
    hub: LoopbackHub, settings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(COMMAND) == 0
    said = capsys.readouterr().out
    assert "The Space is RUNNING.\nThe app: https://tester-heads.hf.space" in said
    files = hub.files(SPACE, "space")
    assert {"app.py", "README.md", "requirements.txt", "space/seed/smollm2/atlas.json"} <= set(files)
    space = hub.spaces[SPACE]
    assert {name: value for name, (value, _) in space.secrets.items()} == {
        TOKEN_SECRET: HUB_TOKEN,
        PSEUDONYM_KEY_SECRET: key_of(hub),
    }
    assert space.variables == {**MCP, "MAPS_JUDGMENTS": DATASET, "MAPS_ORGANISERS": "tester"}
    assert (settings / "spaces" / "tester--heads" / "pseudonym.key").read_text() == key_of(hub)
    assert len(key_of(hub)) == 64
    for secret in (key_of(hub), HUB_TOKEN):
        assert secret not in said
        assert not any(secret.encode() in content for content in files.values())
    assert hub.repositories["dataset", DATASET].private
    before, starts, asked = state(hub), space.starts, len(hub.recorded_requests)
    assert main(COMMAND) == 0
    assert "The Space is up to date." in capsys.readouterr().out
    assert state(hub) == before
    assert (space.starts, len(hub.commits(SPACE, "space"))) == (starts, 1)
    assert {seen.method for seen in hub.recorded_requests[asked:]} == {"GET"}


@pytest.mark.usefixtures("settings")
def test_only_what_differs_is_sent_and_what_is_no_longer_ours_goes(
    hub: LoopbackHub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(COMMAND) == 0
    hub.add("space", SPACE, {"app.py": b"old", "maps/gone.py": b"", "picture.txt": b"theirs"})
    capsys.readouterr()
    assert main(COMMAND) == 0
    assert "1/1  Upload 1 file and delete 1 file in one commit." in capsys.readouterr().out
    files = hub.files(SPACE, "space")
    assert files["app.py"] != b"old"
    assert "maps/gone.py" not in files
    assert files["picture.txt"] == b"theirs"


def test_the_key_of_pseudonyms_is_never_changed(
    hub: LoopbackHub, settings: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(COMMAND) == 0
    key = key_of(hub)
    (settings / "spaces" / "tester--heads" / "pseudonym.key").unlink()
    assert main(COMMAND) == 0
    assert list((settings / "spaces").rglob("pseudonym.key")) == []
    monkeypatch.setenv("MAPS_PSEUDONYM_KEY", "another")
    assert main(COMMAND) == 0
    assert "keeps its own pseudonym key" in capsys.readouterr().out
    assert key_of(hub) == key


def test_a_space_that_is_made_anew_has_the_key_again(hub: LoopbackHub, settings: Path) -> None:
    assert settings
    assert main(COMMAND) == 0
    key = key_of(hub)
    del hub.repositories["space", SPACE]
    assert main(COMMAND) == 0
    assert key_of(hub) == key


@pytest.mark.usefixtures("settings")
def test_a_new_token_is_set_and_a_lesser_one_is_given_to_the_space(
    hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(COMMAND) == 0
    hub.token = "hf_newer"
    monkeypatch.setenv("HF_TOKEN", "hf_newer")
    assert main(COMMAND) == 0
    assert hub.spaces[SPACE].secrets[TOKEN_SECRET][0] == "hf_newer"


@pytest.mark.usefixtures("settings")
def test_atlases_are_looked_at_named_in_the_card_and_unset_again(
    hub: LoopbackHub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*COMMAND, "--atlas", "tester/atlas"]) == 2
    assert "push it first: python -m maps push ATLAS tester/atlas" in capsys.readouterr().err
    assert hub.spaces == {}
    info = b'{"revision": "%s", "asked_for": "openai-community/gpt2"}' % (b"a" * 40)
    hub.add_dataset("tester/atlas", {"atlas.json": info})
    assert main([*COMMAND, "--atlas", "tester/atlas", "--organiser", "ada", "--organiser", "grace"]) == 0
    assert hub.spaces[SPACE].variables == {
        "MAPS_JUDGMENTS": DATASET,
        "MAPS_ATLASES": "tester/atlas",
        "MAPS_ORGANISERS": "ada,grace",
        **MCP,
    }
    card = hub.files(SPACE, "space")["README.md"].decode()
    assert f'datasets: ["tester/atlas", "{DATASET}"]' in card
    assert '"openai-community/gpt2"' in card
    assert main(COMMAND) == 0
    assert hub.spaces[SPACE].variables == {**MCP, "MAPS_JUDGMENTS": DATASET, "MAPS_ORGANISERS": "tester"}


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(arguments) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert HUB_TOKEN not in line
    return line


@pytest.mark.usefixtures("settings")
def test_what_keeps_a_deployment_from_beginning_is_one_sentence(
    hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "write it as user/name" in refused(["deploy", "--space", "heads", "--dataset", DATASET], capsys)
    hub.add_dataset(DATASET, {"a.txt": b""})
    assert f"The dataset {DATASET} is public" in refused(COMMAND, capsys)
    del hub.repositories["dataset", DATASET]
    hub.account["auth"]["accessToken"]["role"] = "read"
    assert "The token can only read" in refused(COMMAND, capsys)
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    assert "does not accept the token" in refused(COMMAND, capsys)
    assert hub.repositories == {}


@pytest.mark.usefixtures("settings")
def test_a_free_account_is_told_what_it_may_host(hub: LoopbackHub, capsys: pytest.CaptureFixture[str]) -> None:
    hub.has_paid_plan = False
    assert "requires a paid plan" in (said := refused(COMMAND, capsys))
    assert "--hardware zero-a10g" in said
    assert main([*COMMAND, "--hardware", "zero-a10g"]) == 0
    files = hub.files(SPACE, "space")
    assert b"spaces==" in files["requirements.txt"]
    assert b'python_version: "3.12.12"' in files["README.md"]
    assert "requires a paid plan" in refused([*COMMAND, "--hardware", "cpu-upgrade"], capsys)
    assert hub.spaces[SPACE].hardware == "zero-a10g"


@pytest.mark.usefixtures("settings")
def test_a_space_that_does_not_start_is_told(
    hub: LoopbackHub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(space.hosting.deploy, "GRACE_SECONDS", 0.0)
    assert main([*COMMAND, "--timeout", "0"]) == 0
    hub.spaces[SPACE].failure_stage = "RUNTIME_ERROR"
    assert "it is RUNTIME_ERROR (Exit code: 1)" in refused(COMMAND, capsys)
    assert len(hub.matching_requests("POST .*/restart")) == 1
    hub.spaces[SPACE].failure_stage = ""
    hub.spaces[SPACE].is_paused = True
    assert main(COMMAND) == 0
    assert f"Restart the Space {SPACE}, which is stopped." in capsys.readouterr().out


def test_waiting_ends(hub: LoopbackHub) -> None:
    there = HubSpace(SPACE, HUB_TOKEN, hub.url)
    there.create_space(False, None)
    hub.add("space", SPACE, {"app.py": b""})
    hub.spaces[SPACE].failure_stage = "BUILDING"
    times = iter(range(100))
    said: list[str] = []
    with pytest.raises(Exception, match="not running after 9 seconds"):
        wait_until_running(there, 9, said.append, lambda _: None, lambda: float(next(times)))
    assert said == ["The Space is BUILDING."]
    assert len(hub.matching_requests("runtime")) > CHECKS_UNTIL_RUNNING


@pytest.mark.usefixtures("settings")
def test_a_private_space_is_made_and_stays_private(hub: LoopbackHub, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(COMMAND) == 0
    assert not hub.repositories["space", SPACE].private
    assert main([*COMMAND, "--private"]) == 0
    assert hub.repositories["space", SPACE].private
    capsys.readouterr()
    assert main(COMMAND) == 0
    assert "The Space is up to date." in capsys.readouterr().out
    assert hub.repositories["space", SPACE].private


def test_a_plan_holds_the_steps_in_their_order_and_no_secret() -> None:
    acts = plan_deployment(replace(WANTED, is_private=True, hardware="t4-small"), CurrentSpace())
    assert acts == (
        CreateDataset(DATASET),
        CreateSpace(True, "t4-small"),
        SetSecret(TOKEN_SECRET),
        SetSecret(PSEUDONYM_KEY_SECRET),
        SetVariable("MAPS_JUDGMENTS", DATASET),
        UploadFiles(tuple(sorted(SMALL)), (), None),
    )
    assert "hf_a" not in repr(WANTED)


def test_a_plan_for_a_space_that_is_there_holds_what_differs(hub: LoopbackHub) -> None:
    ledger, there = HubDataset(DATASET, HUB_TOKEN, hub.url), HubSpace(SPACE, HUB_TOKEN, hub.url)
    carry_out_steps(plan_deployment(WANTED, CurrentSpace()), WANTED, there, ledger, lambda _: None)
    found = inspect_space(there, ledger)
    assert plan_deployment(WANTED, found) == ()
    other = replace(found, variables={**found.variables, "MAPS_ATLASES": "x/y", "THEIRS": "1"}, stage="PAUSED")
    changed = replace(
        WANTED, is_private=True, hardware="t4-small", secrets={TOKEN_SECRET: "hf_b", PSEUDONYM_KEY_SECRET: "l"}
    )
    assert plan_deployment(changed, other) == (
        MakePrivate(),
        SetSecret(TOKEN_SECRET),
        DeleteVariable("MAPS_ATLASES"),
        RequestHardware("t4-small"),
        RestartSpace(),
    )


def deployed(hub: LoopbackHub) -> None:
    """A deployment by a client that does not try again."""
    ledger = HubDataset(DATASET, HUB_TOKEN, hub.url, retry_waits=())
    there = HubSpace(SPACE, HUB_TOKEN, hub.url, retry_waits=())
    carry_out_steps(plan_deployment(WANTED, inspect_space(there, ledger)), WANTED, there, ledger, lambda _: None)


@pytest.fixture(scope="module")
def whole() -> Iterator[tuple[int, tuple[Any, ...]]]:
    """How many requests a deployment takes that nothing cuts off, and what it leaves."""
    with loopback_hub() as hub:
        deployed(hub)
        yield len(hub.recorded_requests), state(hub)


@pytest.mark.parametrize("lost", [False, True], ids=["not done", "done, its answer lost"])
def test_cut_off_at_any_request_and_repeated_it_ends_in_the_same_state(
    whole: tuple[int, tuple[Any, ...]], lost: bool
) -> None:
    requests, expected = whole
    assert requests > 12
    for number in range(requests):
        with loopback_hub() as hub:
            hub.stop_after(number, lost)
            with pytest.raises(Exception, match=r"The Hub (cannot be reached|did not take)"):
                deployed(hub)
            hub.ordered_failures.clear()
            deployed(hub)
            assert state(hub) == expected, f"cut off at request {number}: {hub.recorded_requests}"
            assert len(hub.commits(SPACE, "space")) == 1


@pytest.mark.usefixtures("settings")
@pytest.mark.slow
def test_the_command_cut_off_anywhere_makes_one_key(
    hub: LoopbackHub, settings: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maps.hub.repository.RETRY_WAITS", ())
    monkeypatch.setattr("maps.hub.repository.HubDataset.__init__.__defaults__", (None, (), None))
    keys = set()
    for number in range(3, 13):
        hub.stop_after(number, lose_reply=True)
        assert main(COMMAND) == 2
        hub.ordered_failures.clear()
        keys |= {path.read_text() for path in settings.rglob("pseudonym.key")}
        keys |= (
            {hub.spaces[SPACE].secrets[PSEUDONYM_KEY_SECRET][0]}
            if PSEUDONYM_KEY_SECRET in getattr(hub.spaces.get(SPACE), "secrets", {})
            else set()
        )
    assert main(COMMAND) == 0
    assert keys == {key_of(hub)}
    assert not any(key in capsys.readouterr().out for key in keys)


def account(role: str = "write", scoped: tuple[tuple[str, str, str], ...] = (), **orgs: str) -> Mapping[str, Any]:
    """What the Hub says of a token of ada's, with scopes (type, name, permission) and her roles."""
    scopes = [{"entity": {"type": kind, "name": name}, "permissions": [what]} for kind, name, what in scoped]
    token = {"role": role, "fineGrained": {"global": [], "scoped": scopes}}
    known = [{"name": name, "roleInOrg": found} for name, found in orgs.items()]
    return {"name": "ada", "orgs": known, "auth": {"accessToken": token}}


@pytest.mark.parametrize(
    ("who", "name", "words"),
    [
        (account(), "ada/x", None),
        (account(lab="write"), "lab/x", None),
        (account(lab="read"), "lab/x", "cannot write for lab"),
        (account(), "grace/x", "cannot write for grace"),
        (account("read"), "ada/x", "can only read"),
        (account("fineGrained"), "ada/x", "no write access to the space ada/x"),
        (account("fineGrained", (("user", "ada", "repo.write"),)), "ada/x", None),
        (account("fineGrained", (("user", "ada", "repo.content.read"),)), "ada/x", "no write access"),
        (account("fineGrained", (("space", "ada/x", "repo.write"),)), "ada/x", None),
        (account("fineGrained", (("dataset", "ada/x", "repo.write"),)), "ada/x", "no write access"),
    ],
)
def test_what_a_token_lacks_is_said(who: Mapping[str, Any], name: str, words: str | None) -> None:
    found = missing_permission(who, [("space", name)])
    assert (found is None) if words is None else (found is not None and words in found)
