"""The app as a process with its ledger on the loopback Hub: stopped, wiped, cut off, its token revoked."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from annotation import form
from annotation.form import GUIDELINES_VERSION, Answers
from annotation.identity import pseudonyms
from annotation.identity.tokens import read_session_token
from annotation.study.candidates import load_candidates
from annotation.study.sampling import freeze_study
from annotation.study.store import save_study
from annotation.types import Judgment, StudyItem
from maps.atlas.reader import Atlas
from maps.hashes import mapping_hash
from space.pages.annotate import outbox
from space.pages.annotate.handlers import for_visitor, restore_copies
from space.services import open_services
from space.web.sessions import Annotator
from tests.annotation.ledger_app import ledger_rows, published_ids
from tests.hub.loopback import TOKEN, LoopbackHub
from tests.sign_in import organiser_token, session_token
from tests.space.conftest import BASE_SETTINGS
from tests.space.judging import record_judgment
from tests.space.running import ROOT, AppUnderTest, CallResult, Visitor, run_app

pytestmark = pytest.mark.process

NAME = "tester/ledger"
KEY = b"for tests, as long as keys must be"
CLOSED = f"Judging is closed until the stored answers have been read from {NAME}."
NOWHERE = "http://127.0.0.1:9"  # nothing listens on the port of discarded bytes
LONGEST = 40.0  # seconds: longer than the tries of the Hub's client take


@dataclass
class Host:
    """Where the app runs: its data folder, and the Hub that it is told of."""

    data: Path
    endpoint: str
    token: str = TOKEN
    settings: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.settings = {
            "MAPS_DATA": str(self.data),
            "MAPS_PSEUDONYM_KEY": KEY.decode(),
            "MAPS_JUDGMENTS": NAME,
            "HF_TOKEN": self.token,
            "HF_ENDPOINT": self.endpoint,
        }


def pilot(data: Path) -> None:
    described = load_candidates(Atlas.open(ROOT / "space" / "seed" / "smollm2"), BASE_SETTINGS.describer)
    save_study(freeze_study(BASE_SETTINGS, described, mapping_hash), data / "studies")


def asked(app: AppUnderTest, who: Visitor, name: str, holding: str) -> CallResult:
    """Calls the endpoint of a name that fills an element."""
    [one] = [each for each in app.endpoints() if each.name == name and holding in each.outputs]
    return app.call(one, who)


def annotating(app: AppUnderTest, who: Visitor) -> str:
    """What /annotate shows on a load."""
    found = [each for each in app.endpoints() if each.name == "load_annotate_page"]
    return app.call(found[0], who).text


def organising(app: AppUnderTest) -> str:
    """What /organise shows its organiser."""
    who = Visitor({"maps-organiser": organiser_token(app.organiser_key)})
    [one] = [each for each in app.endpoints() if each.name == "opened_for_organisers"]
    return app.call(one, who).text


def eventually(shown: Callable[[], str], words: str) -> str:
    """What is shown once these words are in it."""
    end = time.monotonic() + LONGEST
    while words not in (text := shown()):
        assert time.monotonic() < end, f"{words!r} has not come; there is: {text[-1500:]}"
        time.sleep(0.2)
    return text


def somebody(name: str) -> Visitor:
    """A browser of somebody who came by the pilot's link and sees a pattern nowhere."""
    return Visitor(
        {"maps-desk": {"study": "pilot"}}, typed_values={"name": name, "presence": "absent_none", "comment": ""}
    )


def signed_in(app: AppUnderTest, name: str) -> Visitor:
    who = somebody(name)
    annotating(app, who)
    first = next(each for each in app.endpoints() if each.name == "sign_in")
    said = app.call(first, who)
    assert who.stored_values.get("maps-token"), said.text
    return who


def judged_before(host: Host, name: str) -> Visitor:
    used = open_services(host.settings)
    who = Annotator(name, pseudonyms.derive_pseudonym(name, used.pseudonym_key))
    used.journal.record_consent(who.pseudonym, GUIDELINES_VERSION)
    record_judgment(used, used.default_study, used.default_study.order[0], who, Answers("absent_none", None, None, ""))
    used.journal.close()
    there = somebody(name)
    there.stored_values["maps-token"] = session_token(name, used.pseudonym_key)
    return there


def judgment(annotator: str, item: StudyItem) -> Judgment:
    now, answers = datetime.now(UTC), Answers("absent_none", None, None, "")
    return form.build_judgment(
        item,
        answers,
        judgment_id="0" * 32,
        annotator=annotator,
        started_at=now,
        submitted_at=now,
        supersedes=None,
        app_version="1",
    )


def submitted(app: AppUnderTest, who: Visitor) -> str:
    return app.submit(who).text


def test_answers_reach_the_hub_at_the_end_and_come_back_on_an_empty_disk(hub: LoopbackHub, tmp_path: Path) -> None:
    host = Host(tmp_path / "data", hub.url)
    pilot(host.data)
    with run_app(host.settings) as app:
        eventually(lambda: organising(app), f"published in the ledger {NAME}")
        ada = signed_in(app, "Ada")
        before = replace(ada, stored_values=dict(ada.stored_values))
        for _ in range(3):
            assert "This browser keeps a copy until it is published." in submitted(app, ada)
        assert app.stop() == ""
    assert len(published_ids(hub)) == 3
    assert [line["annotator"] for line in ledger_rows(hub, "consents")] == [ledger_rows(hub)[0]["annotator"]]
    assert "studies/pilot.json" in hub.files(NAME)
    assert not any(b"Ada" in content for content in hub.files(NAME).values())
    shutil.rmtree(host.data)
    commit = hub.commits(NAME)[-1].oid
    with run_app(host.settings) as app:
        eventually(lambda: organising(app), f"Every row is published in the ledger {NAME}.")
        assert "3 of 7" in eventually(lambda: annotating(app, ada), "3 of 7")
        again = submitted(app, before)
        assert "It was stored before and is kept once." in again
        assert f"Published in commit {commit[:7]}." in again
        assert app.stop() == ""
    assert len(published_ids(hub)) == 3
    assert hub.commits(NAME)[-1].oid == commit


def test_with_an_empty_disk_and_no_hub_exploring_works_and_judging_is_closed(tmp_path: Path) -> None:
    with run_app(Host(tmp_path / "data", NOWHERE).settings) as app:
        eve = somebody("Eve")
        told = eventually(lambda: annotating(app, eve), "The Hub cannot be reached")
        assert CLOSED in told
        signing = next(each for each in app.endpoints() if each.name == "sign_in")
        assert CLOSED in app.call(signing, eve).text
        token = read_session_token(eve.stored_values["maps-token"], KEY)
        assert token is not None
        assert token.name == ""  # nobody's
        assert CLOSED in annotating(app, eve)
        ada = somebody("Ada")  # she signed in before the disk was lost
        ada.stored_values["maps-token"] = session_token("Ada", KEY)
        assert CLOSED in annotating(app, ada)
        assert CLOSED in submitted(app, ada)
        assert CLOSED in organising(app)
        for one in app.endpoints():
            if one.runs_on_load:
                assert not app.call(one, eve).is_error, one
        assert app.stop() == ""


def test_an_answer_that_comes_back_to_an_empty_disk_waits_for_the_ledger(tmp_path: Path) -> None:
    used = open_services(Host(tmp_path / "data", NOWHERE).settings)
    try:
        ada = pseudonyms.derive_pseudonym("Ada", used.pseudonym_key)
        row = judgment(ada, used.default_study.order[0])
        request = gr.Request(username=None)
        sent = {"seals": [outbox.seal_copy(row, used.pseudonym_key)]}
        page: Any = SimpleNamespace(services=used, token="token", task="task", copies="copies", notices="notices")
        token = session_token("Ada", used.pseudonym_key)
        updates = for_visitor(page, restore_copies)({"token": token, "task": None, "copies": sent}, request)
        assert updates == gr.skip()
        assert used.journal.all_judgments() == []
        assert used.journal.annotators() == []
    finally:
        used.journal.close()


def test_with_a_journal_and_no_hub_judging_goes_on_and_the_organiser_is_told(tmp_path: Path) -> None:
    host = Host(tmp_path / "data", NOWHERE)
    ada = judged_before(host, "Ada")
    with run_app(host.settings) as app:
        assert "1 of 270" in annotating(app, ada)
        assert "keeps a copy until it is published" in submitted(app, ada)
        told = eventually(lambda: organising(app), f"The Hub cannot be reached for {NAME}; check the network.")
        assert f"The ledger {NAME} has not been read since the app started." in told
        assert "The next try is due" in told
        assert "2 of 270" in annotating(app, ada)
        assert app.stop() == f"Not in the ledger {NAME} yet: 2 answers, 1 consent; the next start publishes them.\n"


def test_a_revoked_token_is_told_and_loses_nothing(hub: LoopbackHub, tmp_path: Path) -> None:
    host = Host(tmp_path / "data", hub.url)
    hub.token = "hf_new"
    ada = judged_before(host, "Ada")
    with run_app(host.settings) as app:
        told = eventually(lambda: organising(app), "The Hub does not accept the token")
        assert "set HF_TOKEN to one that may write it" in told
        assert TOKEN not in told
        annotating(app, ada)
        assert "keeps a copy until it is published" in submitted(app, ada)
        ended = app.stop()
        assert f"Not in the ledger {NAME} yet: 2 answers, 1 consent; the next start publishes them." in ended
        assert TOKEN not in ended
    assert hub.repositories == {}
    with run_app(Host(host.data, hub.url, "hf_new").settings) as app:
        eventually(lambda: organising(app), "3 rows are not yet published")
        assert app.stop() == ""
    assert len(published_ids(hub)) == 2


def withdrawing(app: AppUnderTest, name: str) -> tuple[str, CallResult]:
    """An organiser withdraws a person; returns the pseudonym and what the page says."""
    pseudonym = pseudonyms.derive_pseudonym(name, b"for tests, as long as keys must be")
    who = Visitor({"maps-organiser": organiser_token(app.organiser_key)}, {"pseudonym": pseudonym})
    return pseudonym, asked(app, who, "withdraw", "withdrawals")


def test_an_organisers_withdrawal_is_in_the_ledger_before_its_receipt(hub: LoopbackHub, tmp_path: Path) -> None:
    host = Host(tmp_path / "data", hub.url)
    with run_app(host.settings) as app:
        eventually(lambda: organising(app), f"published in the ledger {NAME}")
        submitted(app, signed_in(app, "Ada"))
        ada, said = withdrawing(app, "Ada")
        assert f"{ada} is withdrawn. The withdrawal is in the ledger." in said.text
        assert [line["annotator"] for line in ledger_rows(hub, "withdrawals")] == [ada]
    shutil.rmtree(host.data)  # and the process was killed
    with run_app(host.settings) as app:
        assert ada in eventually(lambda: organising(app), "Withdrawn so far:")
        signing = next(each for each in app.endpoints() if each.name == "sign_in")
        somebody_new = somebody("Ada")
        annotating(app, somebody_new)
        assert "under this name before" in app.call(signing, somebody_new).text
        assert app.stop() == ""
    assert published_ids(hub) == []


def test_an_organisers_withdrawal_outlives_an_outage_a_kill_and_the_disk(hub: LoopbackHub, tmp_path: Path) -> None:
    host = Host(tmp_path / "data", hub.url)
    with run_app(host.settings) as app:
        eventually(lambda: organising(app), f"published in the ledger {NAME}")
        submitted(app, signed_in(app, "Ada"))
        hub.fail_next("POST .*/commit/", 503, times=1000)
        ada, said = withdrawing(app, "Ada")
        assert outbox.WITHDRAWAL_NOT_PUBLISHED in said.text
        assert "1 withdrawal not in the ledger yet: do not publish a release before that." in organising(app)
        [seal] = [value["keep"][ada] for value in said.values if isinstance(value, dict) and "keep" in value]
    shutil.rmtree(host.data)
    hub.ordered_failures.clear()
    with run_app(host.settings) as app:  # with another organiser's link
        browser = Visitor(typed_values={"copies": {"ids": [ada, "0" * 32]}})
        compared = asked(app, browser, "opened_for_organisers", "copies")
        assert {"drop": [], "missing": [ada]} in compared.values
        browser.typed_values = {"copies": {"seals": [seal]}}
        assert "This server had lost 1 withdrawal." in asked(app, browser, "restore_copies", "copies-notice").text
        eventually(lambda: str(ledger_rows(hub, "withdrawals")) if NAME in str(hub.repositories) else "", ada)
        browser.typed_values = {"copies": {"ids": [ada]}}
        assert {"drop": [ada], "missing": []} in asked(app, browser, "opened_for_organisers", "copies").values


def test_without_a_ledger_a_withdrawal_says_nothing_of_one(tmp_path: Path) -> None:
    with run_app({"MAPS_DATA": str(tmp_path), "MAPS_PSEUDONYM_KEY": "for tests, as long as keys must be"}) as app:
        signed_in(app, "Ada")
        ada, said = withdrawing(app, "Ada")
        assert f"{ada} is withdrawn.</p>" in said.text.replace("\\u003c", "<")
        assert {} in said.values


def test_the_end_says_that_a_withdrawal_is_not_in_the_ledger(tmp_path: Path) -> None:
    host = Host(tmp_path / "data", NOWHERE)
    judged_before(host, "Ada")
    used = open_services(host.settings)
    used.journal.withdraw(pseudonyms.derive_pseudonym("Ada", used.pseudonym_key))
    used.journal.close()
    with run_app(host.settings) as app:
        assert app.stop().startswith(f"Not in the ledger {NAME} yet: 1 withdrawal. Keep the data folder and start the")
