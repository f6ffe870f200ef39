"""`export`: files of the judgments."""

from __future__ import annotations

import argparse
from pathlib import Path

from annotation.commands.arguments import (
    Commands,
    add_data,
    add_judged_atlas,
    add_layers,
    opened_journal,
    stale_of,
    study_of,
)
from annotation.export.files import FORMATS, export
from maps.errors import MapsError


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """`export`."""
    p = commands.add_parser(
        "export",
        help="write the judgments as CSV, Parquet and a datasets folder",
        description="Writes the judgments as CSV, Parquet and a folder that datasets.load_dataset reads.",
        epilog="example: python -m annotation export --out judgments/",
    )
    p.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where the files go")
    add_data(p, "journal.sqlite")
    p.add_argument("--study", default="default", help="the study to export (default: default)")
    p.add_argument("--format", choices=FORMATS, help="only this format (default: all)")
    add_layers(p)
    add_judged_atlas(p)
    p.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Writes the files and says where they are."""
    with opened_journal(options) as journal:
        rows = journal.rows(options.study)
        studies = sorted({row.study for row in journal.rows()})
    if not rows and studies:
        raise MapsError(f"No judgment belongs to the study {options.study!r}; there is {', '.join(studies)}.")
    study = study_of(options)
    stale = stale_of(options, study, rows)
    settings = study.settings if study else None
    for fmt in (options.format,) if options.format else FORMATS:
        for file in export(rows, options.out, fmt, dict(options.layers), settings, stale):
            print(f"{file}: {len(rows):,} judgments" if file.suffix != ".md" else f"{file}: the card")
