"""Figures are saved as SVG and PNG, with the words that the page shows around them."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, expect

from tests.browser.conftest import BrowserTestApp

pytestmark = pytest.mark.browser
SVG = "{http://www.w3.org/2000/svg}"


def save(figure: Locator, kind: str, folder: Path) -> Path:
    """The file that a figure's button gives."""
    with figure.page.expect_download() as download:
        figure.locator(f"[data-save={kind}]").click()
    assert download.value.suggested_filename.endswith(f".{kind}")
    path = folder / f"figure.{kind}"
    download.value.save_as(path)
    return path


def texts(svg: ElementTree.Element) -> str:
    return " ".join("".join(each.itertext()) for each in svg.iter(f"{SVG}text"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_figure_of_the_first_page_is_saved_with_its_title_and_in_the_colours_of_the_page(
    explorer: BrowserTestApp, browser: Browser, tmp_path: Path, scheme: str
) -> None:
    with browser.new_context(color_scheme="dark" if scheme == "dark" else "light") as context:
        page = context.new_page()
        page.goto(explorer.url)
        figures = page.locator(".head-grid, .vega-embed")
        expect(page.locator(".save-figure")).to_have_count(3)
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        for index in range(3):
            figure = figures.nth(index)
            text = save(figure, "svg", tmp_path).read_text(encoding="utf-8")
            svg = ElementTree.fromstring(text)
            assert "var(" not in text
            assert svg.find(f"{SVG}rect").get("fill") == background  # type: ignore[union-attr]
            width, height = (float(svg.attrib[name]) for name in ("width", "height"))
            with Image.open(save(figure, "png", tmp_path)) as image:
                assert image.size == (int(2 * width), int(2 * height))
            if index == 0:
                assert page.locator(".grid-title").first.inner_text() in texts(svg)
                assert "described pattern, no known relation" in texts(svg)
                assert len(list(svg.iter(f"{SVG}rect"))) > 270  # cells


def test_the_scatter_is_saved_with_its_axes_and_without_the_rectangle(
    explorer: BrowserTestApp, browser: Browser, tmp_path: Path
) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{explorer.url}/compare?view=scatter")
        svg = ElementTree.fromstring(save(page.locator(".scatter"), "svg", tmp_path).read_text(encoding="utf-8"))
    assert texts(svg).count("highest relation score beyond copying") == 4  # in the title and on the axes
    dots = [each for each in svg.iter(f"{SVG}path") if each.get("stroke-linecap") == "round"]
    assert sum(each.attrib["d"].count("M") for each in dots) == 270
    assert not [each for each in svg.iter(f"{SVG}rect") if each.get("stroke-dasharray") not in (None, "none")]
