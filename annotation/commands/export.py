"""The command `export`: the judgments as files."""

from __future__ import annotations

import argparse
from pathlib import Path

from annotation.commands import arguments
from annotation.export.files import EXPORT_FORMATS, export_judgments
from maps.command_line import Subparsers, print_text
from maps.errors import MapsError
from maps.text import pluralize


def add(commands: Subparsers[argparse.ArgumentParser]) -> None:
    p = commands.add_parser(
        "export",
        help="write the judgments as CSV, Parquet and a datasets folder",
        description="Writes the judgments of a study as CSV, as Parquet, and as a folder for datasets.load_dataset.",
        epilog="example: python -m annotation export --out judgments/",
    )
    p.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="the folder to write to")
    arguments.add_data_option(p, "journal.sqlite")
    p.add_argument("--study", default="default", help="the study to export (default: default)")
    p.add_argument("--format", choices=EXPORT_FORMATS, help="write only this format (default: all)")
    arguments.add_layers_option(p)
    arguments.add_judged_atlas_option(p)
    p.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    with arguments.open_journal(options) as journal:
        rows = journal.all_judgments(options.study)
        studies = sorted({row.study for row in journal.all_judgments()})
    if not rows and studies:
        raise MapsError(f"The study {options.study!r} has no judgments. Studies with judgments: {', '.join(studies)}.")
    study = arguments.load_selected_study(options)
    stale = arguments.find_stale_judgments(options, study, rows)
    settings = study.settings if study else None
    for fmt in (options.format,) if options.format else EXPORT_FORMATS:
        for file in export_judgments(rows, options.out, fmt, dict(options.layers), settings, stale):
            content = "the dataset card" if file.suffix == ".md" else pluralize(len(rows), "judgment")
            print_text(f"{file}: {content}")
