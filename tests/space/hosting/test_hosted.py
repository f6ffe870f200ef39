"""What a host needs of the app: its health, ZeroGPU with and without its package, the privacy page."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from annotation.identity.tokens import SESSION_DAYS
from space.pages.privacy import privacy_text
from space.services import Services, open_services
from space.web.health import health_report
from space.web.zero_gpu import block_torch_import, register_with_zero_gpu, unused_gpu_function
from tests.hub.loopback import TOKEN, LoopbackHub
from tests.space.running import fetch_text, run_app
from tests.space.test_ledger_wiring import NAME, NOWHERE, Host, eventually


@pytest.fixture
def used(tmp_path: Path) -> Iterator[Services]:
    """Services of a Space with a ledger and an organiser."""
    settings = Host(tmp_path, NOWHERE).settings
    built = open_services({**settings, "SPACE_ID": "a/b", "MAPS_ORGANISERS": "Ada"})
    yield built
    built.journal.close()


@pytest.mark.process
def test_the_health_tells_versions_and_the_ledgers_state_and_no_secret(hub: LoopbackHub, tmp_path: Path) -> None:
    host = Host(tmp_path / "data", hub.url)
    with run_app(host.settings) as app:
        said = eventually(lambda: fetch_text(f"{app.url}/health").text, '"state":"published"')
        found = json.loads(said)
        assert found["status"] == "ok"
        assert set(found["versions"]) == {"app", "python", "gradio", "huggingface-hub"}
        assert found["models"] == ["SmolLM2-135M-Instruct (calibrated)", "SmolLM2-135M-Instruct"]
        assert found["ledger"]["unpublished"] == 0
        hub.token = "hf_new"
        for secret in (TOKEN, "for tests, as long as keys must be", NAME, app.organiser_key, str(tmp_path)):
            assert secret not in said


def test_the_health_of_a_ledger_out_of_reach_names_nothing(used: Services) -> None:
    assert used.ledger is not None
    found = health_report(used)
    assert found["ledger"]["state"] == "closed"
    assert NAME not in json.dumps(found)
    assert health_report(replace(used, ledger=None))["ledger"] == {"state": "none"}


def test_zero_gpu_finds_a_function_where_its_package_is(monkeypatch: pytest.MonkeyPatch) -> None:
    marked: list[Callable[[], None]] = []
    module = types.ModuleType("spaces")
    module.GPU = marked.append  # type: ignore[attr-defined]
    module.__spec__ = types.SimpleNamespace(name="spaces")  # type: ignore[assignment]
    monkeypatch.setitem(sys.modules, "spaces", module)
    assert register_with_zero_gpu()
    assert marked == [unused_gpu_function]


def test_without_the_package_of_zero_gpu_the_app_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("space.web.zero_gpu.find_spec", lambda _name: None)
    assert not register_with_zero_gpu()
    assert "without the package spaces" in capsys.readouterr().err


def test_only_the_hosts_variable_says_that_it_is_zero_gpu(tmp_path: Path) -> None:
    for value, expected in (("true", True), ("", False), ("false", False)):
        built = open_services({"MAPS_DATA": str(tmp_path), "SPACES_ZERO_GPU": value})
        assert built.is_zero_gpu is expected
        built.journal.close()


def test_the_privacy_page_says_what_is_stored_where_and_how_to_withdraw(used: Services) -> None:
    hosted = privacy_text(used)
    for said in (
        "made from your user name",
        "lost when the Space restarts, and a private dataset on the Hugging Face Hub",
        "[ada](https://huggingface.co/ada)",
        "taken out of the private dataset and its history",
        "[Annotate](annotate)",
        "you can ask 12 in a row, then one every 5 seconds",
    ):
        assert said in hosted
    local = privacy_text(replace(used, is_on_space=False, ledger=None))
    assert "encrypted, until you withdraw" in local
    assert f"your name, signed (until you sign out, or do not come for {SESSION_DAYS} days)" in local
    assert "Hugging Face" not in local
    assert "write to the people who run this app" in local
    assert "stay in the database, marked" in local


def test_the_package_of_zero_gpu_is_kept_from_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    there = types.ModuleType("torch")
    monkeypatch.setitem(sys.modules, "torch", there)
    with block_torch_import(), pytest.raises(ImportError):
        import torch
    assert sys.modules["torch"] is there
    monkeypatch.delitem(sys.modules, "torch")
    with block_torch_import(), pytest.raises(ImportError):
        import torch  # noqa: F401
    assert "torch" not in sys.modules
