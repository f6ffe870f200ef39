"""Control characters in names end neither a report nor another file, and act on nothing that shows them."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from huggingface_hub import DatasetCard

from maps.atlas.reader import Atlas
from maps.experiments.report.html import ReportTable, latex_table
from maps.figures.style import without_controls
from maps.files.csv_export import rows_to_csv
from maps.report.atlas_report import page_html
from maps.report.head_text import head_text
from maps.text import escape_controls
from maps.types import HeadId
from space.atlases.names import PREBUILT_FOLDER
from tests.bad_atlases import HOSTILE_NAME, write_atlas_of_hostile_names

ROOT = Path(__file__).parents[3]
CONTROLS = re.compile(b"[\x00-\x08\x0b\x0c\x0e-\x1f]")


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    return write_atlas_of_hostile_names(tmp_path / "atlas", PREBUILT_FOLDER / "smollm2")


@pytest.mark.process
def test_a_report_of_hostile_names_is_written_whole(hostile: Path, tmp_path: Path) -> None:
    """In a process of its own: a NUL in a figure ends the whole process."""
    out = tmp_path / "report"
    command = [sys.executable, "-m", "maps", "report", str(hostile), "--out", str(out)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    assert (run.returncode, run.stderr) == (0, b"")
    assert not CONTROLS.search(run.stdout)
    written = {path.suffix: [each for each in out.iterdir() if each.suffix == path.suffix] for path in out.iterdir()}
    assert {suffix: len(paths) for suffix, paths in written.items()} == {
        ".csv": 11,
        ".html": 9,
        ".json": 8,
        ".md": 1,
        ".svg": 8,
    }
    for suffix in (".html", ".json", ".md", ".svg"):
        assert not any(CONTROLS.search(path.read_bytes()) for path in written[suffix])
    for path in written[".svg"]:
        ET.parse(path)


def test_cards_and_text_of_hostile_names_can_be_read(hostile: Path) -> None:
    card = DatasetCard.load(hostile / "README.md")
    assert card.data.pretty_name == r"Atlas of SmolLM2-135M-Instruct\u0000\u0001\u001B[2J\u202E<b>\uFFFE"
    assert not CONTROLS.search((hostile / "README.md").read_bytes())
    assert not CONTROLS.search(head_text(Atlas.open(hostile), HeadId(26, 2)).encode())


@pytest.mark.parametrize("name", ["a\0b", "a\x1bb", "a\ud800b", "a\uffffb", "a\x85b"])
def test_no_writer_passes_on_what_xml_forbids(name: str) -> None:
    shown = f"a\\u{ord(name[1]):04X}b"
    assert escape_controls(name) == shown
    assert without_controls({name: [name, {"x": name}, 3, None]}) == {shown: [shown, {"x": shown}, 3, None]}
    assert shown in page_html(name, "", [name])
    page_html(name, "", [name]).encode()
    assert latex_table(ReportTable("t", name, (name,), ((name,),))).count("\\textbackslash{}u") == 3


def test_a_csv_file_keeps_the_exact_name() -> None:
    text = rows_to_csv([["model"], [f"m{HOSTILE_NAME}"]])
    assert list(csv.reader(text.splitlines()))[1] == [f"m{HOSTILE_NAME}"]
