"""`export_judgments`: files of the judgments."""

from __future__ import annotations

import argparse
from pathlib import Path

from annotation.commands.arguments import (
    add_data_option,
    add_judged_atlas_option,
    add_layers_option,
    find_stale_judgments,
    load_selected_study,
    open_journal,
)
from annotation.export.files import EXPORT_FORMATS, export_judgments
from maps.command_line import Subparsers, print_text
from maps.errors import MapsError


def add(commands: Subparsers[argparse.ArgumentParser]) -> None:
    """`export_judgments`."""
    p = commands.add_parser(
        "export",
        help="write the judgments as CSV, Parquet and a datasets folder",
        description="Writes the judgments as CSV, Parquet and a folder that datasets.load_dataset reads.",
        epilog="example: python -m annotation export --out judgments/",
    )
    p.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where the files go")
    add_data_option(p, "journal.sqlite")
    p.add_argument("--study", default="default", help="the study to export (default: default)")
    p.add_argument("--format", choices=EXPORT_FORMATS, help="only this format (default: all)")
    add_layers_option(p)
    add_judged_atlas_option(p)
    p.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Writes the files and says where they are."""
    with open_journal(options) as journal:
        rows = journal.all_judgments(options.study)
        studies = sorted({row.study for row in journal.all_judgments()})
    if not rows and studies:
        raise MapsError(f"No judgment belongs to the study {options.study!r}; there is {', '.join(studies)}.")
    study = load_selected_study(options)
    stale = find_stale_judgments(options, study, rows)
    settings = study.settings if study else None
    for fmt in (options.format,) if options.format else EXPORT_FORMATS:
        for file in export_judgments(rows, options.out, fmt, dict(options.layers), settings, stale):
            print_text(f"{file}: {len(rows):,} judgments" if file.suffix != ".md" else f"{file}: the card")
