"""What several commands ask for."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from datetime import UTC, datetime, time
from pathlib import Path

from annotation.journal import Journal
from annotation.studies import kept
from annotation.study import Settings
from maps.types import MapsError

Commands = argparse._SubParsersAction  # the type that add_subparsers returns has no public name


def add_data(parser: argparse.ArgumentParser, what: str) -> None:
    """`--data`."""
    parser.add_argument(
        "--data", type=Path, metavar="FOLDER", help=f"where the app keeps {what} (default: MAPS_DATA, or data/)"
    )


def data_folder(options: argparse.Namespace) -> Path:
    """The folder that `--data` or MAPS_DATA names."""
    environment: Mapping[str, str] = options.environment
    return options.data or Path(environment.get("MAPS_DATA") or "data")


def studies_folder(options: argparse.Namespace) -> Path:
    """Where the files of the studies are."""
    return data_folder(options) / "studies"


def opened_journal(options: argparse.Namespace) -> Journal:
    """The journal in the data folder; MapsError where there is none yet."""
    path = data_folder(options) / "journal.sqlite"
    if not path.is_file():
        raise MapsError(f"There is no journal at {path}; it begins with the first answer, or --data names its folder.")
    return Journal(path)


def add_layers(parser: argparse.ArgumentParser) -> None:
    """`--layers`."""
    parser.add_argument(
        "--layers",
        type=layers,
        action="append",
        default=[],
        metavar="MODEL=NUMBER",
        help="how many layers a model has, for the numbers by layer quarter; may be repeated",
    )


def layers(text: str) -> tuple[str, int]:
    """A model with its number of layers."""
    model, equals, number = text.rpartition("=")
    if not (model and equals and number.isdecimal() and 0 < int(number) < 10_000):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form MODEL=NUMBER, such as smollm2=30")
    return model, int(number)


def settings_of(options: argparse.Namespace) -> Settings | None:
    """The settings of `--study`, where that study is frozen here."""
    study = kept(studies_folder(options)).get(options.study)
    return study.settings if study else None


def count(text: str) -> int:
    """A whole number from 0 on."""
    if not text.isdecimal() or len(text) > 9:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0 to 999,999,999")
    return int(text)


def positive(text: str) -> int:
    """A whole number from 1 on."""
    if count(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 on")
    return int(text)


def share(text: str) -> float:
    """A number from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 to 1")
    return value


def last_day(text: str) -> datetime:
    """A day as its last moment in UTC; a time with its zone as it is."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no day such as 2027-01-31") from error
    if moment.tzinfo is not None:
        return moment.astimezone(UTC)
    if moment.time() != time.min:
        raise argparse.ArgumentTypeError(f"{text!r} has no time zone; write for example 2027-01-31T18:00+01:00")
    return datetime.combine(moment.date(), time.max, UTC)
