"""The scatter's rectangle by pointer, sliders and finger, and the catalogue's filter, in a real browser."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, FloatRect, Page, expect

from tests.browser.conftest import BrowserTestApp
from tests.browser.test_accessibility import open_whole

pytestmark = pytest.mark.browser

SCATTER = "compare?view=scatter&model=SmolLM2-135M-Instruct&x=saliency_mean&x_of=first&y=best&y_of=first"
HIGHEST_POINT = """() => {
    const data = JSON.parse(document.querySelector('.scatter').dataset.scatter), i = data.y.indexOf(1000);
    return {name: `L${data.layer[i]}H${data.head[i]}`, x: data.x[i] / 1000};
}"""


def open_scatter(explorer: BrowserTestApp, page: Page) -> FloatRect:
    """Opens the scatter; the box of its plot in the window."""
    open_whole(page, f"{explorer.url}/{SCATTER}")
    page.locator(".scatter svg").scroll_into_view_if_needed()
    box = page.locator(".scatter .frame").bounding_box()
    assert box is not None
    return box


def query_of(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def test_a_dragged_rectangle_lists_its_heads_and_is_in_the_address(explorer: BrowserTestApp, page: Page) -> None:
    box = open_scatter(explorer, page)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "icon.svg" not in request.url else None)
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 1)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 1, box["y"] + 0.5 * box["height"], steps=5)
    page.mouse.up()
    selection = page.locator(".selection")
    expect(selection).to_have_text(re.compile(r"^[0-9]+ of 270 heads are inside the rectangle\.$"))
    names = page.locator(".selected a").all_text_contents()
    assert 0 < len(names) < 270
    assert {"x_from", "y_from"} <= query_of(page).keys()
    assert asked == []
    text = selection.text_content()
    page.reload()  # the server lists the same
    page.locator("#view .scatter").wait_for()
    expect(page.locator(".selection")).to_have_text(str(text))
    assert page.locator(".selected a").all_text_contents() == names
    page.locator(".selected a").first.click()
    expect(page.locator("h1:visible")).to_contain_text(names[0])
    page.go_back()
    expect(page.locator(".selection")).to_have_text(str(text))


def test_the_sliders_move_the_rectangle_by_keyboard_and_keep_the_focus(explorer: BrowserTestApp, page: Page) -> None:
    open_scatter(explorer, page)
    slider = page.locator("input[name=y_from]")
    slider.focus()
    for _ in range(8):
        page.keyboard.press("ArrowRight")
    assert query_of(page)["y_from"] == ["80"]
    expect(slider).to_be_focused()
    expect(page.locator(".selection")).to_contain_text("of 270 heads are inside")
    assert page.locator(".brush").get_attribute("height") == str(340 * 0.92)
    page.locator("input[name=y_to]").focus()
    page.keyboard.press("Home")  # below the other edge, which follows
    assert query_of(page)["y_to"] == ["0"]
    assert "y_from" not in query_of(page)
    page.get_by_role("button", name="Select all").click()
    expect(page.locator(".selection")).to_contain_text("All 270 heads are inside")
    assert query_of(page).keys().isdisjoint({"x_from", "x_to", "y_from", "y_to"})


def test_a_point_is_named_by_the_pointer_and_opened_by_a_click(explorer: BrowserTestApp, page: Page) -> None:
    box = open_scatter(explorer, page)
    best = page.evaluate(HIGHEST_POINT)
    page.mouse.move(box["x"] + best["x"] * box["width"], box["y"] + 2)
    expect(page.locator(".scatter .pointed")).to_contain_text(f"{best['name']}: mean saliency")
    page.mouse.click(box["x"] + best["x"] * box["width"], box["y"] + 2)
    expect(page.locator("h1:visible")).to_contain_text(best["name"])


def test_on_a_phone_the_first_tap_shows_and_the_second_opens(explorer: BrowserTestApp, browser: Browser) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page = context.new_page()
    box = open_scatter(explorer, page)
    best = page.evaluate(HIGHEST_POINT)
    page.touchscreen.tap(box["x"] + best["x"] * box["width"], box["y"] + 2)
    expect(page.locator(".scatter .pointed")).to_contain_text("mean saliency")
    assert "/compare" in page.url
    page.touchscreen.tap(box["x"] + best["x"] * box["width"], box["y"] + 2)
    expect(page.locator("h1:visible")).to_contain_text(re.compile("^L[0-9]+H[0-9]+"))
    context.close()


def test_another_number_on_an_axis_takes_its_edges_away(explorer: BrowserTestApp, page: Page) -> None:
    open_whole(page, f"{explorer.url}/{SCATTER}&x_from=500&y_from=300")
    page.locator("select[name=x]").select_option("layer")
    expect(page.locator(".axis").nth(1)).to_contain_text("layer")
    expect(page).not_to_have_url(re.compile("x_from"))
    assert query_of(page)["y_from"] == ["300"]


def test_the_catalogue_is_filtered_while_one_types(explorer: BrowserTestApp, page: Page) -> None:
    open_whole(page, f"{explorer.url}/catalogue")
    count = page.locator(".catalogue tbody tr:visible").count()
    assert count > 1
    field = page.get_by_label("Filter")
    field.press_sequentially("calibrated")
    expect(page.locator(".catalogue tbody tr:visible")).to_have_count(1)
    assert query_of(page)["q"] == ["calibrated"]
    expect(page.locator(".catalogue .count")).to_have_text(f"1 of {count}")
    page.get_by_role("link", name="Size").click()
    expect(page.locator(".catalogue tbody tr:visible")).to_have_count(1)
    expect(page.locator("th[aria-sort=descending]")).to_contain_text("Size")
    page.get_by_label("Filter").fill("no such model")
    expect(page.locator(".no-match")).to_be_visible()
    page.get_by_label("Filter").fill("")
    expect(page.locator(".catalogue tbody tr:visible")).to_have_count(count)
    assert "q" not in query_of(page)
