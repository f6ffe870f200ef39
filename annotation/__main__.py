"""The commands of the study: `python -m annotation export`, `agreement` and `publish`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from annotation.commands import publish
from annotation.counting import counted
from annotation.dataset import FORMATS, export, read
from annotation.journal import Journal
from annotation.summary import report
from annotation.words import paragraphs
from maps.types import MapsError


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m annotation",
        description="What people judged: files of it, and how far they agree.",
        epilog="example: python -m annotation agreement judgments.csv",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    files = commands.add_parser(
        "export",
        help="write the judgments as CSV, Parquet and a datasets folder",
        description="Writes the judgments as CSV, Parquet and a folder that datasets.load_dataset reads.",
        epilog="example: python -m annotation export --out judgments/",
    )
    files.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where the files go")
    files.add_argument(
        "--data",
        type=Path,
        default=Path(os.environ.get("MAPS_DATA") or "data"),
        metavar="FOLDER",
        help="where the app keeps journal.sqlite (default: MAPS_DATA, or data/)",
    )
    files.add_argument("--study", default="default", help="the study to export (default: default)")
    files.add_argument("--format", choices=FORMATS, help="only this format (default: all)")
    files.set_defaults(run=_export)
    agree = commands.add_parser(
        "agreement",
        help="how far annotators agree, from anyone's CSV or Parquet file",
        description=(
            "Says how far annotators agree. FILE needs the columns item (or model, layer, head), annotator, "
            "presence, precision and category."
        ),
        epilog="example: python -m annotation agreement judgments.parquet --json",
    )
    agree.add_argument("file", type=Path, metavar="FILE", help="a .csv or .parquet file of judgments")
    agree.add_argument("--json", action="store_true", help="print one JSON object instead of sentences")
    agree.add_argument("--seed", type=int, default=0, help="seed of the bootstrap, from 0 (default: 0)")
    agree.set_defaults(run=_agreement)
    publish.add(commands, Path(os.environ.get("MAPS_DATA") or "data"), os.environ.get("MAPS_JUDGMENTS") or None)
    return parser


def _export(options: argparse.Namespace) -> None:
    path: Path = options.data / "journal.sqlite"
    if not path.is_file():
        raise MapsError(f"There is no journal at {path}; it begins with the first answer, or --data names its folder.")
    with Journal(path) as journal:
        rows = journal.rows(options.study)
        studies = sorted({row.study for row in journal.rows()})
    if not rows and studies:
        raise MapsError(f"No judgment belongs to the study {options.study!r}; there is {', '.join(studies)}.")
    for fmt in (options.format,) if options.format else FORMATS:
        for file in export(rows, options.out, fmt):
            print(f"{file}: {len(rows):,} judgments" if file.suffix != ".md" else f"{file}: the card")


def _agreement(options: argparse.Namespace) -> None:
    if options.seed < 0:
        raise MapsError(f"The seed is {options.seed}; it must be 0 or more.")
    found = report(counted(read(options.file)), options.seed)
    if options.json:
        print(json.dumps(found.as_json(), indent=2, ensure_ascii=False, allow_nan=False))
    else:
        print("\n\n".join("\n".join(paragraph) for paragraph in paragraphs(found)))


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; 0, or with one plain sentence 2 for bad input, 1 for a failure, 130 for an interrupt."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of our output is gone, as in `agreement … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (MapsError, OSError, KeyboardInterrupt) as error:
        return _failed(error)
    return 0


def _failed(error: MapsError | OSError | KeyboardInterrupt) -> int:
    if isinstance(error, MapsError):
        print(error, file=sys.stderr)
        return 2
    if isinstance(error, KeyboardInterrupt):
        print("Stopped; nothing was changed but what is printed above.", file=sys.stderr)
        return 130
    print(f"{error.filename or 'The output'} cannot be written or read: {error.strerror or error}.", file=sys.stderr)
    if not error.filename:  # standard output itself: do not try again at the end of the process
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1


if __name__ == "__main__":
    sys.exit(main())
