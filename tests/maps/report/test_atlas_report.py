"""The report command: its files, its sentences, and its messages about bad input."""

from __future__ import annotations

import csv
import io
import re
import sys
import xml.etree.ElementTree as ET
from contextlib import redirect_stdout
from dataclasses import dataclass
from html import escape
from pathlib import Path

import pytest

from maps.__main__ import main
from maps.atlas.reader import Atlas, write_table
from maps.atlas.schema import SCHEMAS, make_table
from maps.figures import render
from maps.files.csv_export import spreadsheet_safe_cell, table_to_csv
from maps.report.atlas_report import REPORT_TABLES, escape_markdown
from space.atlases.names import PREBUILT_FOLDER

ATLAS = PREBUILT_FOLDER / "smollm2"
Capture = pytest.CaptureFixture[str]
FIGURES = ("categories", "heads_per_relation", "groups", "output_space", "breadth", "identification")
SENTENCES = (
    "In SmolLM2-135M-Instruct, 20 of 270 heads (7.4 %) implement or suppress a relation (score beyond copying 0.15 or "
    "more, at least 30 usable pairs): algorithmic 10, knowledge 8, linguistic 10, translation 0; a head may count in "
    "several.\n"
    "Heads are read from their weights alone, in the paper's reading (mlp): targets are the tokens that the head "
    "promotes directly.\n"
    "A score beyond copying counts the pairs that copying alone does not hit; for copying itself all pairs count.\n"
    "Of these 20, 8 (40.0 %) belong to several categories and 5 (25.0 %) suppress at least one relation.\n"
)
HOSTILE = "=</script><script>alert(1)</script>;\\|[x](y)\u202e"


@dataclass(frozen=True)
class Report:
    """The folder of a report, and what the command printed."""

    folder: Path
    printed: str


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The report of the prebuilt atlas, with the figures of 270 heads, which take seconds to draw."""
    out, printed = tmp_path_factory.mktemp("reports") / "smollm2", io.StringIO()
    with redirect_stdout(printed):
        assert main(["report", str(ATLAS), "--out", str(out)]) == 0
    return Report(out, printed.getvalue())


@pytest.fixture(scope="module")
def written(report: Report) -> Path:
    return report.folder


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if vl-convert were not installed."""
    monkeypatch.setitem(sys.modules, "vl_convert", None)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_it_writes_its_tables_its_figures_and_its_words(written: Path) -> None:
    figures = {f"{name}.{kind}" for name in FIGURES for kind in ("svg", "html", "vl.json")}
    assert {path.name for path in written.iterdir()} == {
        *(f"{name}.csv" for name in (*REPORT_TABLES, "concentration", "describers", "evidence", "predictions")),
        *figures,
        *(f"concentration.{kind}" for kind in ("svg", "html", "vl.json")),
        *("report.html", "report.md"),
    }


def test_the_tables_of_the_bundled_model(written: Path) -> None:
    heads = rows(written / "categories.csv")
    assert len(heads) == 270
    assert [row for row in heads if row["layer"] == "23" and row["head"] in "36"] == [
        {
            **{"layer": "23", "head": "3", "categories": "algorithmic; knowledge", "relations": ""},
            "suppressed": "name_copying; country_to_language; country_to_capital",
        },
        {"layer": "23", "head": "6", "categories": "", "relations": "", "suppressed": ""},
    ]
    per_relation = {row["relation"]: list(row.values())[1:] for row in rows(written / "heads_per_relation.csv")}
    assert len(per_relation) == 20
    assert per_relation["country_to_capital"] == [
        *("knowledge", "10", "48", "true", "4", "1", "5", "L23H4", "0.625", "L23H3", "0.3958333333333333")
    ]
    assert per_relation["year_to_following"] == ["algorithmic", "10", "0", "false", *[""] * 7]
    assert [list(row.values())[:3] for row in rows(written / "summary.csv")] == [
        ["heads", "270", ""],
        ["classified", "20", "270"],
        ["algorithmic", "10", "270"],
        ["knowledge", "8", "270"],
        ["linguistic", "10", "270"],
        ["translation", "0", "270"],
        ["own_relations_only", "0", "270"],
        ["several_categories", "8", "20"],
        ["suppression", "5", "20"],
        ["relations_left_out", "1", "20"],
    ]
    groups = rows(written / "groups.csv")
    assert len(groups) == 31 * 6
    assert [(row["sets"], row["heads"], row["pairs"], f"{float(row['similarity']):.4f}") for row in groups[-6:]] == [
        ("sources", "within", "270", "0.1299"),
        ("sources", "between", "810", "0.0043"),
        ("mappings", "within", "270", "0.0060"),
        ("mappings", "between", "810", "0.0001"),
        ("relations", "within", "29", "0.1724"),
        ("relations", "between", "103", "0.0647"),
    ]
    assert groups[4]["reason"] == "no head of such a pair is classified"


def test_its_links_lead_to_its_files_and_its_words_are_those_that_are_printed(report: Report, written: Path) -> None:
    page, text = ((written / f"report.{kind}").read_text(encoding="utf-8") for kind in ("html", "md"))
    for links in (re.findall(r'(?:href|src)="([^"]+)"', page), re.findall(r"\]\(([^)]+)\)", text)):
        assert {f"{name}.csv" for name in REPORT_TABLES} < set(links)
        assert [link for link in links if not (written / link).exists()] == []
    assert report.printed == f"{SENTENCES}The report is in {written / 'report.html'}.\n"
    assert escape(SENTENCES.replace("\n", " ").strip()) in page
    assert "no figure of the output space" not in page


@pytest.mark.slow
def test_an_atlas_without_output_space_says_so_and_leaves_no_older_figure(atlas_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "report"
    out.mkdir()
    (out / "output_space.svg").write_text("of another atlas")
    assert main(["report", str(atlas_folder), "--out", str(out)]) == 0
    assert "There is no figure of the output space; map the model with --output-space" in (out / "report.md").read_text(
        encoding="utf-8"
    )
    assert list(out.glob("output_space.*")) == []


@pytest.mark.slow
def test_a_second_report_is_the_same_and_replaces_the_first(written: Path) -> None:
    before = {path.name: path.read_bytes() for path in written.iterdir()}
    (written / "categories.csv").write_text("old")
    assert main(["report", str(ATLAS), "--out", str(written)]) == 0
    assert {path.name: path.read_bytes() for path in written.iterdir()} == before


def test_the_script_that_all_pages_carry_is_bundled_once(written: Path) -> None:
    assert render.vega_script.cache_info().misses == 1
    assert all(render.vega_script() in (written / f"{name}.html").read_text(encoding="utf-8") for name in FIGURES)


def test_pictures_are_labelled_and_pages_need_no_network(written: Path) -> None:
    for name in FIGURES:
        svg = ET.fromstring((written / f"{name}.svg").read_text(encoding="utf-8"))
        assert svg.tag == "{http://www.w3.org/2000/svg}svg"
        page = (written / f"{name}.html").read_text(encoding="utf-8")
        assert re.findall(r"<script [^>]*src|<link ", page) == []
    labels = (written / "categories.svg").read_text(encoding="utf-8")
    assert 'aria-label="L26H2 implements noun to pronoun"' in labels


def test_the_picture_of_the_readme_is_the_one_that_the_command_draws(written: Path) -> None:
    shipped = Path(__file__).parents[3] / "docs" / "images" / "categories.svg"
    heads = re.compile(r'aria-label="(L\d+H\d+ [^"]*)".*?fill="(#\w+)"')  # places depend on the machine's fonts
    drawn_heads = [heads.findall(path.read_text(encoding="utf-8")) for path in (shipped, written / "categories.svg")]
    assert (drawn_heads[0], len(drawn_heads[0])) == (drawn_heads[1], 28)  # 20 heads, 8 of them with two bands


@pytest.mark.slow
@pytest.mark.usefixtures("no_pictures")
def test_another_threshold_classifies_other_heads(tmp_path: Path, capsys: Capture) -> None:
    command = ["report", str(ATLAS), "--out", str(tmp_path), "--tau", "0.5", "--min-pairs", "100"]
    assert main(command) == 0
    assert capsys.readouterr().out.startswith(
        "In SmolLM2-135M-Instruct, 7 of 270 heads (2.6 %) implement or suppress a relation (score beyond copying 0.5 "
        "or more, at least 100 usable pairs): algorithmic 6, knowledge 0, linguistic 1, translation 0"
    )


@pytest.mark.slow
def test_hostile_names_do_no_harm(atlas_folder: Path, tmp_path: Path) -> None:
    scores = Atlas.open(atlas_folder).table("relations").to_pylist()
    renamed = [row | {"relation": HOSTILE, "category": None, "score": 0.9, "beyond_copying": 0.9} for row in scores]
    write_table(atlas_folder, "relations", make_table("relations", renamed))
    out = tmp_path / "out"
    assert main(["report", str(atlas_folder), "--out", str(out)]) == 0
    for path in out.glob("*.html"):
        assert "<script>alert" not in path.read_text(encoding="utf-8")
    for path in out.glob("*.svg"):
        drawn = path.read_text(encoding="utf-8")
        ET.fromstring(drawn)
        assert ("<script" in drawn, "\u202e" in drawn) == (False, False)
    text = (out / "report.md").read_text(encoding="utf-8")
    assert ("<script" in text.replace("\\<", ""), "\u202e" in text) == (False, False)
    [row] = rows(out / "heads_per_relation.csv")
    assert row["relation"] == "'" + HOSTILE
    assert {row["relations"] for row in rows(out / "categories.csv")} == {
        "'" + HOSTILE.replace("\\", "\\\\").replace(";", "\\;")
    }


def test_cells_are_safe_and_lists_can_be_taken_apart() -> None:
    assert [
        spreadsheet_safe_cell(value) for value in (None, True, 1, 0.5, "a", "=1+1", ["a", "b;c", "\\"], ["-x"])
    ] == [*(None, "true", 1, 0.5, "a", "'=1+1", "a; b\\;c; \\\\", "'-x")]
    assert table_to_csv(REPORT_TABLES["categories"].empty_table()) == "layer,head,categories,relations,suppressed\r\n"
    assert escape_markdown("a_b <c> [d](e)") == "a\\_b \\<c\\> \\[d\\](e)"


@pytest.mark.slow
@pytest.mark.usefixtures("no_pictures")
def test_without_vl_convert_it_says_how_to_get_pictures_and_writes_the_rest(tmp_path: Path, capsys: Capture) -> None:
    assert main(["report", str(ATLAS), "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out == (
        SENTENCES
        + "Pictures need vl-convert: `python -m pip install vl-convert-python`, then run this command again.\n"
        f"The report is in {tmp_path / 'report.html'}.\n"
    )
    assert {path.suffix for path in tmp_path.iterdir()} == {".csv", ".json", ".md", ".html"}
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert [link for link in re.findall(r'(?:href|src)="([^"]+)"', page) if not (tmp_path / link).exists()] == []
    assert "categories.vl.json" in page


@pytest.mark.slow
def test_bad_input_is_answered_by_one_sentence(
    tmp_path: Path, atlas_folder: Path, mapped_once: Path, capsys: Capture
) -> None:
    (tmp_path / "file").write_text("")
    write_table(atlas_folder, "relations", SCHEMAS["relations"].empty_table())
    asked = {
        (tmp_path / "none", tmp_path / "out"): (2, f"{tmp_path / 'none'} is not an atlas; "),
        (atlas_folder, tmp_path / "out"): (2, f"{atlas_folder} contains no relation scores; map the model again"),
        (mapped_once, tmp_path / "file"): (1, f"{tmp_path / 'file'} cannot be written or read: "),
    }
    for (atlas, out), (status, start) in asked.items():
        assert main(["report", str(atlas), "--out", str(out)]) == status
        printed, message = capsys.readouterr()
        assert (printed, message.count("\n"), message[: len(start)]) == ("", 1, start)
    (atlas_folder / "relations.parquet").unlink()
    assert main(["report", str(atlas_folder), "--out", str(tmp_path / "out")]) == 2
    assert "lacks relations.parquet" in capsys.readouterr().err
