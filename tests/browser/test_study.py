"""Annotators in browsers of their own: sign in, answer, reload, change, agree; a killed server loses nothing."""

from __future__ import annotations

import json
import re
import sqlite3
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import BrowserTestApp, submit_answer

pytestmark = pytest.mark.browser

HEAD = re.compile(r"L\d+H\d+")


def sign_in(page: Page, server: BrowserTestApp, name: str, study: str | None = None) -> None:
    """Signs in to a study, by default the one that was created, else the open mode."""
    created = [file.stem for file in (server.data / "studies").glob("*.json")]
    page.goto(f"{server.url}/annotate?study={study or next(iter(created), 'default')}")
    page.locator("#name textarea, #name input").fill(name)
    page.get_by_role("button", name="I agree: start").click()
    expect(page.locator("#presence")).to_be_visible()


def head_shown(page: Page) -> str:
    found = HEAD.search(page.locator("#evidence h1").first.inner_text())
    assert found is not None
    return found[0]


def answer(page: Page, keys: str) -> str:
    """Answers the item on the page with number keys and submits it with Enter; returns its head."""
    head = head_shown(page)
    for position, key in enumerate(keys):
        question = page.locator(("#presence", "#precision" if len(keys) == 3 else "#category", "#category")[position])
        expect(question).to_be_visible()
        page.keyboard.press(key)
        expect(question.locator("input").nth(int(key) - 1)).to_be_checked()
    submit_answer(page, page.locator("#message").get_by_text(f"Saved {head}"))
    expect(page.locator("#questions[inert]")).to_have_count(0)
    return head


def stored(server: BrowserTestApp) -> list[tuple[str, ...]]:
    with sqlite3.connect(server.data / "journal.sqlite") as database:
        return database.execute("SELECT annotator, presence, precision, category FROM judgments").fetchall()


def test_two_annotators_judge_five_heads_and_a_killed_server_loses_none(
    server: BrowserTestApp, page: Page, other_page: Page
) -> None:
    sign_in(page, server, "Ada")
    sign_in(other_page, server, "Grace")
    heads = [answer(page, keys) for keys in ("1", "2", "431", "32", "1")]
    assert [answer(other_page, keys) for keys in ("1", "2", "421", "32", "2")] == heads
    expect(other_page.locator("#progress")).to_contain_text("5 of 270")
    server.kill()
    server.start()
    assert len(stored(server)) == 10
    page.goto(f"{server.url}/agreement")
    words = page.locator("#agreement-words")
    expect(words).to_contain_text("2 annotators, 5 items, 10 judgments")
    # Presence: four of five items agree; observed 4/5. Ada 1 2 4 3 1, Grace 1 2 4 3 2.
    # Cohen: expected (2·1 + 1·2 + 1·1 + 1·1) / 25 = 6/25, kappa (4/5 − 6/25) / (1 − 6/25) = 14/19.
    expect(words).to_contain_text("Annotators agreed on question one (presence) in 80 %")
    page.locator("summary", has_text="Cohen's kappa by pair on question one").click()
    expect(page.get_by_role("table", name="Cohen's kappa by pair on question one (presence)")).to_contain_text("0.737")
    page.locator("summary", has_text="Agreement on question one (presence)").click()
    table = page.get_by_role("table", name="Agreement on question one (presence)")
    # Fleiss: shares 3/10, 3/10, 2/10, 2/10, expected 0.26, kappa (0.8 − 0.26) / 0.74 = 0.730.
    expect(table).to_contain_text("0.730")
    # Alpha: 1 − observed disagreement 0.2 / expected (100 − 26) / 90 = 0.757.
    expect(table).to_contain_text("0.757")


def test_a_reload_keeps_the_draft_and_changing_the_first_answer_clears_what_no_longer_applies(
    server: BrowserTestApp, page: Page
) -> None:
    sign_in(page, server, "Ada")
    head = head_shown(page)
    for key, question in zip("421", ("#presence", "#precision", "#category"), strict=True):
        page.keyboard.press(key)
        expect(page.locator(question).locator("input").nth(int(key) - 1)).to_be_checked()
    page.locator("#comment textarea").fill("half a thought <b>")
    page.wait_for_timeout(600)
    page.reload()
    expect(page.locator("#comment textarea")).to_have_value("half a thought <b>")
    assert head_shown(page) == head
    expect(page.locator("#precision")).to_be_visible()
    expect(page.locator("#category")).to_be_visible()
    expect(page.locator("#precision input").nth(1)).to_be_checked()
    expect(page.locator("#category input").nth(0)).to_be_checked()
    page.locator("#presence input").nth(0).click()
    expect(page.locator("#precision")).to_be_hidden()
    expect(page.locator("#category")).to_be_hidden()
    page.locator("#presence input").nth(3).click()
    expect(page.locator("#precision")).to_be_visible()
    assert page.locator("#precision input:checked").count() == 0
    page.get_by_role("button", name="Submit").click()
    expect(page.locator("#message")).to_contain_text("Please answer question two")
    assert stored(server) == []


def test_a_draft_that_was_reloaded_can_be_finished_with_keys(server: BrowserTestApp, page: Page) -> None:
    sign_in(page, server, "Ada")
    page.keyboard.press("4")
    expect(page.locator("#precision")).to_be_visible()
    page.reload()
    expect(page.locator("#category")).to_be_visible()
    page.keyboard.type("32")
    submit_answer(page, page.locator("#message").get_by_text("Saved"))
    assert [row[1:] for row in stored(server)] == [("present_described", "partial", "language")]
    expect(page.locator("#precision")).to_be_hidden()
    page.goto(f"{server.url}/about")
    page.goto(f"{server.url}/annotate")
    expect(page.locator("#presence")).to_be_visible()
    expect(page.locator("#precision")).to_be_hidden()


def test_back_shows_the_answer_with_those_of_others_and_changes_it_by_a_new_row(
    server: BrowserTestApp, page: Page, other_page: Page
) -> None:
    sign_in(other_page, server, "Grace")
    head = answer(other_page, "2")
    sign_in(page, server, "Ada")
    assert "What others answered" not in page.locator("#evidence").inner_text()
    assert answer(page, "1") == head
    page.keyboard.press("Backspace")
    expect(page.locator("#evidence h1").first).to_contain_text(head)
    expect(page.locator("#evidence")).to_contain_text("What others answered")
    expect(page.locator("#evidence")).to_contain_text("No pattern is visible, but one was described")
    page.locator("#presence input").nth(1).click()
    page.get_by_role("button", name="Change").click()
    expect(page.locator("#message")).to_contain_text("To keep your answer, submit it again")
    page.get_by_role("button", name="Change").click()
    expect(page.locator("#message")).to_contain_text(f"Saved {head}")
    with sqlite3.connect(server.data / "journal.sqlite") as database:
        rows = database.execute("SELECT judgment_id, presence, supersedes FROM judgments ORDER BY position").fetchall()
    assert [row[1] for row in rows] == ["absent_described", "absent_none", "absent_described"]
    assert [row[2] for row in rows] == [None, None, rows[1][0]]


def test_a_skipped_item_comes_back_and_a_double_click_stores_once(server: BrowserTestApp, page: Page) -> None:
    sign_in(page, server, "Ada")
    first = head_shown(page)
    page.get_by_role("button", name="Skip").click()
    expect(page.locator("#evidence h1").first).not_to_contain_text(first)
    second = head_shown(page)
    page.locator("#presence input").nth(0).click()
    page.wait_for_timeout(300)
    page.locator("#submit").dblclick()
    expect(page.locator("#message")).to_contain_text(f"Saved {second}")
    page.wait_for_timeout(500)
    assert len(stored(server)) == 1


def test_others_answers_stay_hidden_on_the_heads_page_until_ones_own(
    server: BrowserTestApp, page: Page, other_page: Page
) -> None:
    sign_in(other_page, server, "Grace")
    head = answer(other_page, "2")
    layer, number = head.removeprefix("L").split("H")
    page.goto(f"{server.url}/head?layer={layer}&head={number}")
    expect(page.locator("#head-page")).to_contain_text("One person has judged this description.")
    assert page.locator(".tally").count() == 0
    page.get_by_role("link", name="Judge this description").click()
    page.locator("#name textarea, #name input").fill("Ada")
    page.get_by_role("button", name="I agree: start").click()
    expect(page.locator("#presence")).to_be_visible()
    assert head_shown(page) == head
    answer(page, "1")
    page.goto(f"{server.url}/head?layer={layer}&head={number}")
    expect(page.locator(".tally")).to_contain_text("1 × No pattern is visible, but one was described")


def test_downloads_hold_the_items_that_the_visitor_judged_and_the_report_is_for_all(
    server: BrowserTestApp, page: Page, other_page: Page, tmp_path: Path
) -> None:
    sign_in(page, server, "Ada")
    answer(page, "1")
    page.goto(f"{server.url}/agreement")
    page.locator("#download-csv").click()
    with page.expect_download() as caught:
        page.locator("#download a[download]").first.click()
    file = tmp_path / "judgments.csv"
    caught.value.save_as(file)
    lines = file.read_text(encoding="utf-8").splitlines()
    assert len(lines) == 2
    assert "Ada" not in lines[1]
    other_page.goto(f"{server.url}/agreement")
    other_page.locator("#download-csv").click()
    expect(
        other_page.get_by_text("You can download the judgments of items that you have judged yourself")
    ).to_be_visible()
    other_page.locator("#download-json").click()
    with other_page.expect_download() as caught:
        other_page.locator("#download a[download]").first.click()
    report = tmp_path / "agreement.json"
    caught.value.save_as(report)
    assert json.loads(report.read_text(encoding="utf-8"))["judgments"] == 1


def test_keys_pressed_before_the_next_item_is_seen_answer_nothing(server: BrowserTestApp, page: Page) -> None:
    sign_in(page, server, "Ada")
    slow = {"offline": False, "latency": 400, "downloadThroughput": -1, "uploadThroughput": -1}
    page.context.new_cdp_session(page).send("Network.emulateNetworkConditions", slow)
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    page.wait_for_timeout(150)
    page.keyboard.type("132", delay=30)
    page.keyboard.press("Enter")
    expect(page.locator("#progress")).to_contain_text("1 of 270")
    page.wait_for_timeout(1500)
    assert page.locator("input[type=radio]:checked").count() == 0
    assert [row[1] for row in stored(server)] == ["absent_none"]
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    expect(page.locator("#progress")).to_contain_text("2 of 270")
    assert [row[1] for row in stored(server)] == ["absent_none", "absent_none"]


def test_a_link_to_judge_a_head_counts_once_and_survives_signing_in(server: BrowserTestApp, page: Page) -> None:
    page.goto(f"{server.url}/annotate?layer=5&head=5")
    page.locator("#name textarea, #name input").fill("Ada")
    page.get_by_role("button", name="I agree: start").click()
    expect(page.locator("#evidence h1").first).to_contain_text("L5H5")
    answer(page, "1")
    expect(page.locator("#evidence h1").first).not_to_contain_text("L5H5")
    head = head_shown(page)
    page.keyboard.press("3")
    page.locator("#comment textarea").fill("so far")
    page.wait_for_timeout(300)
    page.reload()
    expect(page.locator("#comment textarea")).to_have_value("so far")
    assert head_shown(page) == head


def test_ctrl_enter_leaves_the_comment_so_that_the_next_keys_answer(server: BrowserTestApp, page: Page) -> None:
    sign_in(page, server, "Ada")
    page.keyboard.press("1")
    page.locator("#comment textarea").click()
    page.keyboard.type("a remark")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#progress")).to_contain_text("1 of 270")
    page.wait_for_timeout(300)
    page.keyboard.press("2")
    expect(page.locator("#presence input").nth(1)).to_be_checked()
    expect(page.locator("#comment textarea")).to_have_value("")


def test_the_server_ends_with_status_zero_when_its_host_asks(server: BrowserTestApp) -> None:
    assert server.stop() == 0
