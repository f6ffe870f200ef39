"""Arguments that several commands share, and what they refer to."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, time
from pathlib import Path

from annotation.journal.journal import Journal
from annotation.study.candidates import stale_judgment_ids_in_atlas
from annotation.study.store import load_studies
from annotation.study.study import DEFAULT_STUDY, Study
from annotation.types import Judgment
from maps.command_line import print_text
from maps.errors import MapsError
from maps.text import pluralize

TABLE_HELP = "a .csv, .tsv, .json, .jsonl or .parquet file of judgments"


def add_data_option(parser: argparse.ArgumentParser, what: str) -> None:
    text = f"where the app keeps {what} (default: MAPS_DATA, or data/)"
    parser.add_argument("--data", type=Path, metavar="FOLDER", help=text)


def data_folder(options: argparse.Namespace) -> Path:
    environment: Mapping[str, str] = options.environment
    return options.data or Path(environment.get("MAPS_DATA") or "data")


def studies_folder(options: argparse.Namespace) -> Path:
    return data_folder(options) / "studies"


def journal_path(options: argparse.Namespace) -> Path:
    return data_folder(options) / "journal.sqlite"


def open_journal(options: argparse.Namespace) -> Journal:
    path = journal_path(options)
    if not path.is_file():
        raise MapsError(
            f"There is no journal at {path} yet. The first answer creates it; if it is elsewhere, give its folder with "
            "--data."
        )
    return Journal(path)


def add_layers_option(parser: argparse.ArgumentParser) -> None:
    text = "number of layers of a model, for the results by layer quarter; may be repeated"
    parser.add_argument("--layers", type=parse_layers, action="append", default=[], metavar="MODEL=NUMBER", help=text)


def parse_layers(text: str) -> tuple[str, int]:
    model, equals, number = text.rpartition("=")
    if not (model and equals and number.isdecimal() and 0 < int(number) < 10_000):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form MODEL=NUMBER, such as smollm2=30")
    return model, int(number)


def add_judged_atlas_option(parser: argparse.ArgumentParser) -> None:
    text = "the judged atlas: judgments that its changes made stale are marked and left out of the results"
    parser.add_argument("--atlas", type=Path, metavar="FOLDER", help=text)


def load_selected_study(options: argparse.Namespace) -> Study | None:
    """The study of `--study`, None if its file is not in the folder of the studies."""
    return load_studies(studies_folder(options)).get(options.study)


def find_named_study(options: argparse.Namespace, name: str) -> Study:
    """The study of that name; MapsError, with the names that there are, if there is none."""
    folder = studies_folder(options)
    studies = load_studies(folder)
    if name not in studies:
        raise MapsError(f"There is no study {name!r} in {folder}. The studies are: {', '.join(studies) or 'none'}.")
    return studies[name]


def find_stale_judgments(
    options: argparse.Namespace, study: Study | None, judgments: Sequence[Judgment]
) -> Collection[str] | None:
    """The ids of the judgments that `--atlas` has made stale, None without it; prints how many there are.

    Raises MapsError if the study's file is missing, or if the atlas is of another model.
    """
    if options.atlas is None:
        print_text("Stale judgments are not marked; to mark them, give the judged atlas with --atlas.")
        return None
    if study is None and options.study != DEFAULT_STUDY:
        raise MapsError(
            f"The file of the study {options.study} is missing, so stale judgments cannot be found. Give the folder of "
            "the studies with --data, or leave out --atlas."
        )
    stale = stale_judgment_ids_in_atlas(options.atlas, study, judgments)
    count = pluralize(len(stale), "judgment")
    print_text(f"Stale since {options.atlas} changed: {count}, marked and left out of the results.")
    return stale


def parse_deadline(text: str) -> datetime:
    """A day becomes its last moment in UTC; a time with a time zone stays as it is."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day such as 2027-01-31") from error
    if moment.tzinfo is not None:
        return moment.astimezone(UTC)
    if moment.time() != time.min:
        raise argparse.ArgumentTypeError(f"{text!r} has no time zone; write for example 2027-01-31T18:00+01:00")
    return datetime.combine(moment.date(), time.max, UTC)
