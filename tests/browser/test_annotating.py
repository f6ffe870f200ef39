"""A created study in browsers: practice with feedback, controls blind, copies that outlive the disk, withdrawal."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from annotation.study.candidates import load_candidates
from annotation.study.sampling import freeze_study
from annotation.study.store import save_study
from annotation.study.study import Study
from maps.atlas.reader import Atlas
from maps.hashes import mapping_hash
from tests.browser.conftest import ROOT, BrowserTestApp
from tests.browser.test_study import sign_in
from tests.space.conftest import BASE_SETTINGS

pytestmark = pytest.mark.browser

TELL = r"""
  window.told = [];  // all that the server answers the app, piece by piece
  const asked = window.fetch;
  window.fetch = async (...given) => {
    const answer = await asked(...given);
    if (/gradio_api|annotate\/submit/.test(answer.url) && answer.body) {
      const pieces = answer.clone().body.pipeThrough(new TextDecoderStream());
      const kept = (async () => { for await (const piece of pieces) told.push(piece); })();
      kept.catch(error => { if (error.name !== "AbortError") throw error; });  // a stream that the app closes
    }
    return answer;
  };
"""


def created(data: Path, **changes: object) -> Study:
    settings = replace(BASE_SETTINGS, **changes)  # type: ignore[arg-type]
    described = load_candidates(Atlas.open(ROOT / "space" / "seed" / "smollm2"), settings.describer)
    study = freeze_study(settings, described, mapping_hash)
    save_study(study, data / "studies")
    return study


@pytest.mark.parametrize(("width", "height"), [(320, 568), (1280, 700)], ids=["phone", "desktop"])
def test_nobody_scrolls_between_a_mapping_and_an_answer(
    server: BrowserTestApp, page: Page, width: int, height: int
) -> None:
    page.set_viewport_size({"width": width, "height": height})
    sign_in(page, server, "Ada")
    expect(page.locator("#evidence .mappings li")).to_have_count(30)
    mapping, question = page.locator("#evidence .mappings li").nth(20), page.locator("#presence")
    if width == 320:
        question.scroll_into_view_if_needed()
        mapping.evaluate("li => li.parentElement.closest('.beside').scrollTo(0, li.offsetTop)")
    else:
        mapping.scroll_into_view_if_needed()
    expect(mapping).to_be_in_viewport(ratio=0.9)  # rounding cuts a fraction
    expect(question).to_be_in_viewport(ratio=1 if width == 1280 else 0.5)
    assert page.evaluate("document.documentElement.scrollWidth") == width


def rows(server: BrowserTestApp) -> list[tuple[str, str, str]]:
    """Study, kind and answer of every judgment on disk."""
    with sqlite3.connect(server.data / "journal.sqlite") as database:
        return database.execute("SELECT study, item_kind, presence FROM judgments ORDER BY position").fetchall()


def answer(page: Page, key: str = "1") -> None:
    """Answers question one with a key, submits with Enter, waits for the receipt of the new item."""
    before = page.locator("#message").inner_text()
    page.keyboard.press(key)
    expect(page.locator("#presence input").nth(int(key) - 1)).to_be_checked()
    page.keyboard.press("Enter")
    expect(page.locator("#message")).to_contain_text("Saved")
    if before:
        expect(page.locator("#message")).not_to_have_text(before)
    expect(page.locator("#questions[inert]")).to_have_count(0)


def copies(page: Page) -> int:
    found: int = page.evaluate("Object.keys(localStorage).filter(name => name.startsWith('maps-outbox:')).length")
    return found


def test_practice_comes_first_with_feedback_and_is_not_counted(server: BrowserTestApp, page: Page) -> None:
    created(server.data, practice=True)
    sign_in(page, server, "Ada")
    for number in range(1, 8):
        expect(page.locator("#progress")).to_contain_text(f"Practice, {number} of 7")
        page.keyboard.press("1")
        expect(page.locator("#presence input").nth(0)).to_be_checked()
        page.keyboard.press("Enter")
        expect(page.locator(".feedback")).to_contain_text("This was a practice item.")
        expect(page.locator("#submit")).to_be_hidden()
        expect(page.locator("#questions[inert]")).to_have_count(0)
        page.keyboard.press("Enter")
        expect(page.locator(".feedback")).to_have_count(0)
        expect(page.locator("#questions[inert]")).to_have_count(0)
    expect(page.locator("#progress")).to_contain_text("0 of 7")
    answer(page)
    expect(page.locator("#progress")).to_contain_text("1 of 7")
    assert [row[:2] for row in rows(server)][:7] == [("pilot", "practice")] * 7
    page.reload()
    expect(page.locator("#progress")).to_contain_text("1 of 7")


def test_a_study_is_done_without_a_word_that_tells_a_control(server: BrowserTestApp, page: Page) -> None:
    created(server.data)
    page.add_init_script(TELL)
    sign_in(page, server, "Ada")
    for _ in range(7):
        answer(page)
    expect(page.locator("#evidence")).to_contain_text("All done: you judged all 7 items. Thank you!")
    assert sorted({kind for _, kind, _ in rows(server)}) == ["head", "overlap", "shuffled", "swapped"]
    told = page.evaluate("told")
    assert len(told) > 7
    assert [word for word in ("swapped", "shuffled", "overlap", "item_kind") for text in told if word in text] == []
    assert "What others answered" not in page.locator("#evidence").inner_text()


def test_a_wiped_disk_gets_back_what_the_browser_kept(server: BrowserTestApp, page: Page) -> None:
    created(server.data)
    sign_in(page, server, "Ada")
    for _ in range(3):
        answer(page)
    before = rows(server)
    page.wait_for_function("Object.keys(localStorage).filter(name => name.startsWith('maps-outbox:')).length === 3")
    server.kill()
    for file in server.data.glob("journal.sqlite*"):
        file.unlink()
    server.start()
    assert rows(server) == []
    page.goto(f"{server.url}/annotate")
    expect(page.locator("#notices")).to_contain_text("This server had lost 3 of your answers.")
    expect(page.locator("#progress")).to_contain_text("3 of 7")
    assert rows(server) == before
    answer(page)
    page.reload()
    expect(page.locator("#progress")).to_contain_text("4 of 7")
    assert len(rows(server)) == 4


def test_a_published_answer_leaves_the_browser_at_the_next_sign_of_life(server: BrowserTestApp, page: Page) -> None:
    created(server.data)
    sign_in(page, server, "Ada")
    answer(page)
    assert copies(page) == 1
    with sqlite3.connect(server.data / "journal.sqlite") as database:
        database.execute("INSERT INTO published SELECT 'judgment', judgment_id, 'abc1234', stored_at FROM judgments")
    page.evaluate("document.getElementById('still-here').click()")
    expect(page.locator("#notices")).to_contain_text("All your answers so far are published.")
    page.wait_for_function("Object.keys(localStorage).every(name => !name.startsWith('maps-outbox:'))")


def test_a_withdrawal_is_asked_twice_and_is_for_good(server: BrowserTestApp, page: Page) -> None:
    created(server.data)
    sign_in(page, server, "Ada")
    answer(page)
    page.get_by_role("button", name="Withdraw my answers").first.click()
    page.locator("#withdraw").click()
    page.locator("#withdraw-not").click()
    expect(page.locator("#withdraw-yes")).to_be_hidden()
    page.locator("#withdraw").click()
    page.locator("#withdraw-yes").click()
    expect(page.locator("#notices h1")).to_have_text("Your answers are withdrawn")
    expect(page.locator("#presence")).to_be_hidden()
    expect(page.locator("#agree")).to_be_hidden()
    with sqlite3.connect(server.data / "journal.sqlite") as database:
        assert database.execute("SELECT count(*) FROM withdrawals").fetchone() == (1,)
    page.goto(f"{server.url}/annotate")
    page.locator("#name textarea, #name input").fill("Ada")
    page.locator("#agree").click()
    expect(page.locator("#notices")).to_contain_text("signed in here under this name before")


@pytest.mark.parametrize("path", ["annotate?study=nosuch", "annotate?study=over"])
def test_a_study_that_is_over_or_none_is_said(server: BrowserTestApp, page: Page, path: str) -> None:
    created(server.data, name="over", deadline=BASE_SETTINGS.created_at)
    sign_in(page, server, "Ada", "default")
    page.goto(f"{server.url}/{path}")
    sentence = "The study over is over" if path.endswith("over") else "There is no study 'nosuch' here"
    expect(page.get_by_text(sentence).first).to_be_visible()


def test_an_organiser_closes_a_study_after_being_asked(server: BrowserTestApp, page: Page, other_page: Page) -> None:
    created(server.data)
    sign_in(page, server, "Ada")
    answer(page)
    other_page.goto(server.organiser_link)
    expect(other_page.locator("#study")).to_contain_text("State: running.")
    other_page.locator("#close-study").click()
    expect(other_page.locator("#close-study-notice")).to_contain_text("Nobody will be able to judge in pilot")
    expect(other_page.locator("#study")).to_contain_text("State: running.")
    other_page.locator("#close-study-confirm").click()
    expect(other_page.locator("#study")).to_contain_text("State: over: an organiser closed it.")
    expect(other_page.locator("#close-study")).to_be_hidden()
    expect(other_page.locator("#close-study-confirm")).to_be_hidden()
    expect(other_page.locator("#open-answers")).to_be_hidden()
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    expect(page.locator("#message")).to_contain_text("The study pilot is over: an organiser closed it.")
    assert len(rows(server)) == 1
    page.goto(f"{server.url}/agreement?study=pilot")
    expect(page.locator("#agreement-words")).to_contain_text("1 annotator")


@pytest.mark.parametrize(("width", "height"), [(390, 700), (1280, 620)], ids=["phone", "laptop"])
def test_each_item_starts_at_its_top_with_the_description_in_view(
    server: BrowserTestApp, page: Page, width: int, height: int
) -> None:
    created(server.data)
    page.set_viewport_size({"width": width, "height": height})
    sign_in(page, server, "Ada")
    description = page.locator(".on-phone .judged" if width == 390 else "#description .judged")
    for number in range(2):
        expect(page.locator("#progress")).to_contain_text(f"{number} of 7")
        expect(description).to_be_in_viewport(ratio=0.9)
        expect(page.locator("#evidence .mappings li").first).to_be_in_viewport(ratio=0.9)
        page.locator(".beside").evaluate("pane => pane.scrollTo(0, pane.scrollHeight)")
        page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
        if width == 390:
            expect(description).to_be_in_viewport(ratio=0.9)  # it stays above the mappings
        answer(page)
    page.keyboard.press("3")
    expect(page.locator("#category")).to_be_visible()
    page.locator("#submit").scroll_into_view_if_needed()
    expect(page.locator("#submit")).to_be_in_viewport(ratio=0.9)


def test_no_answer_is_submitted_to_a_description_that_was_never_in_view(server: BrowserTestApp, page: Page) -> None:
    created(server.data)
    page.set_viewport_size({"width": 390, "height": 700})
    sign_in(page, server, "Ada")
    expect(page.locator("#progress")).to_contain_text("0 of 7")
    style = page.add_style_tag(content="#evidence .on-phone { position: absolute !important; margin-top: -4000px }")
    page.evaluate("document.dispatchEvent(new CustomEvent('task-shown', {detail: 'another'}))")
    page.wait_for_timeout(300)
    page.keyboard.press("1")
    expect(page.locator("#presence input").first).to_be_checked()
    page.keyboard.press("Enter")
    page.wait_for_timeout(500)
    assert rows(server) == []
    style.evaluate("style => style.remove()")
    expect(page.locator(".on-phone .judged")).to_be_in_viewport(ratio=0.9)
    page.wait_for_timeout(300)
    page.keyboard.press("Enter")
    expect(page.locator("#message")).to_contain_text("Saved")
    assert len(rows(server)) == 1


def test_an_answer_that_contradicts_the_description_is_asked_about_once_and_flagged(
    server: BrowserTestApp, page: Page
) -> None:
    created(server.data)
    sign_in(page, server, "Ada")
    while page.locator("#description dd").last.inner_text() != "Unclear":
        page.locator("#skip").click()
        expect(page.locator("#questions[inert]")).to_have_count(0)
        page.wait_for_timeout(200)
    page.keyboard.press("2")
    expect(page.locator("#presence input").nth(1)).to_be_checked()
    page.keyboard.press("Enter")
    expect(page.locator("#message")).to_contain_text("This description says “Unclear”, which counts as none described.")
    assert rows(server) == []
    expect(page.locator("#questions[inert]")).to_have_count(0)
    page.keyboard.press("Enter")
    expect(page.locator("#message")).to_contain_text("Saved")
    with sqlite3.connect(server.data / "journal.sqlite") as database:
        assert database.execute("SELECT presence, flag FROM judgments").fetchall() == [
            ("absent_described", "contradicts_description")
        ]
