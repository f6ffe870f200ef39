"""The commands of the study: `python -m annotation export`, `agreement` and `labels`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from annotation.aggregation import aggregated, labels
from annotation.counting import counted
from annotation.dataset import FORMATS, check_suffix, export, read, write
from annotation.dawid_skene import estimates
from annotation.evidence import correlations
from annotation.journal import Journal
from annotation.published import published
from annotation.sections import difference_sentence, label_sentences
from annotation.summary import report
from annotation.words import paragraphs
from maps.atlas import Atlas
from maps.types import MapsError

Commands = argparse._SubParsersAction


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m annotation",
        description="What people judged: files of it, how far they agree, one label an item.",
        epilog="example: python -m annotation agreement judgments.csv",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for add in (_add_export, _add_agreement, _add_labels):
        add(commands)
    return parser


def _add_export(commands: Commands[argparse.ArgumentParser]) -> None:
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
    _add_layers(files)
    files.set_defaults(run=_export)


def _add_agreement(commands: Commands[argparse.ArgumentParser]) -> None:
    agree = commands.add_parser(
        "agreement",
        help="how far annotators agree, from anyone's CSV or Parquet file",
        description=(
            "Says how far annotators agree, and what they found, beside controls and the paper. FILE needs the columns "
            "item (or model, layer, head), annotator, presence, precision and category."
        ),
        epilog="example: python -m annotation agreement judgments.parquet --atlas data/atlases/smollm2 --json",
    )
    agree.add_argument("file", type=Path, metavar="FILE", help="a .csv or .parquet file of judgments")
    agree.add_argument("--json", action="store_true", help="print one JSON object instead of sentences")
    agree.add_argument("--seed", type=int, default=0, help="seed of the bootstrap, from 0 (default: 0)")
    _add_layers(agree)
    agree.add_argument(
        "--atlas",
        type=Path,
        metavar="FOLDER",
        help="the atlas that was judged: its number of layers, its detection scores and support beside human precision",
    )
    agree.set_defaults(run=_agreement)


def _add_labels(commands: Commands[argparse.ArgumentParser]) -> None:
    single = commands.add_parser(
        "labels",
        help="one label an item and question: majority, adjudication, Dawid and Skene's model",
        description=(
            "Writes one row an item and question: the majority of its answers or that they tie, the adjudicated answer "
            "where there is one, and the most probable label by Dawid and Skene's model, which needs crowd-kit "
            "(pip install crowd-kit==1.4.2)."
        ),
        epilog="example: python -m annotation labels judgments.csv --out labels.csv",
    )
    single.add_argument("file", type=Path, metavar="FILE", help="a .csv or .parquet file of judgments")
    single.add_argument("--out", type=Path, required=True, metavar="FILE", help="the .csv or .parquet file to write")
    single.add_argument("--majority-only", action="store_true", help="leave out Dawid and Skene's model")
    single.set_defaults(run=_labels)


def _add_layers(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--layers",
        type=_layers,
        action="append",
        default=[],
        metavar="MODEL=NUMBER",
        help="how many layers a model has, for the numbers by layer quarter; may be repeated",
    )


def _layers(text: str) -> tuple[str, int]:
    model, equals, number = text.rpartition("=")
    if not (model and equals and number.isdecimal() and 0 < int(number) < 10_000):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form MODEL=NUMBER, such as smollm2=30")
    return model, int(number)


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
        for file in export(rows, options.out, fmt, dict(options.layers)):
            print(f"{file}: {len(rows):,} judgments" if file.suffix != ".md" else f"{file}: the card")


def _agreement(options: argparse.Namespace) -> None:
    if options.seed < 0:
        raise MapsError(f"The seed is {options.seed}; it must be 0 or more.")
    judgments = counted(read(options.file))
    layers, evidence = dict(options.layers), None
    if options.atlas is not None:
        atlas = Atlas.open(options.atlas)
        layers = {atlas.model: int(atlas.info["layers"])} | layers
        descriptions, scores = (atlas.table(name).to_pandas() for name in ("descriptions", "scores"))
        evidence = correlations(judgments, descriptions, scores, options.seed)
    found = report(judgments, options.seed, layers, evidence)
    if options.json:
        whole = found.as_json() | {"paper": published().as_json()}
        print(json.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        print("\n\n".join("\n".join(paragraph) for paragraph in paragraphs(found, published())))


def _labels(options: argparse.Namespace) -> None:
    check_suffix(options.out)
    judgments = counted(read(options.file))
    table = labels(judgments, None if options.majority_only else estimates(judgments))
    write(table, options.out)
    for sentence in label_sentences(aggregated(table)):
        print(sentence)
    if not options.majority_only:
        print(difference_sentence(table))
    print(f"{options.out}: {len(table):,} labels")


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
