"""`python -m annotation publish`: the public release of a study as a dataset on the Hub."""

from __future__ import annotations

import argparse
from pathlib import Path

from annotation.journal import Journal
from annotation.types import Judgment
from maps.types import MapsError


def add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], data: Path, ledger: str | None
) -> argparse.ArgumentParser:
    """Adds the command; `data` and `ledger` are the defaults that the environment gives."""
    parser = commands.add_parser(
        "publish",
        help="the public release on the Hub",
        description=(
            "Publishes a study's judgments with their card as a dataset on the Hub, without those of annotators who "
            "withdrew. They are read from the ledger; where none is named, from the journal. Needs a token that may "
            "write: HF_TOKEN, or `hf auth login`."
        ),
        epilog="example: python -m annotation publish --to me/head-judgments --study pilot --ledger me/ledger",
    )
    parser.add_argument("--to", required=True, metavar="REPO", help="the public dataset, such as user/name")
    parser.add_argument("--study", default="default", help="the study to publish (default: default)")
    parser.add_argument(
        "--ledger", default=ledger, metavar="REPO", help="the private dataset to read from (default: MAPS_JUDGMENTS)"
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=data,
        metavar="FOLDER",
        help="where the app keeps journal.sqlite, read without a ledger (default: MAPS_DATA, or data/)",
    )
    parser.add_argument("--private", action="store_true", help="make the dataset private")
    parser.add_argument(
        "--squash", action="store_true", help="delete the dataset's earlier revisions, with what was withdrawn since"
    )
    parser.set_defaults(run=run)
    return parser


def run(options: argparse.Namespace) -> None:
    """Reads, publishes, prints where the release is."""
    from huggingface_hub import get_token

    from annotation.hub import HubDataset
    from annotation.release import Source, check_names, from_ledger, of_study, release

    check_names(options.to, options.ledger)
    target = HubDataset(options.to, get_token() or "")
    if options.ledger:
        source = from_ledger(HubDataset(options.ledger, get_token() or ""))
    else:
        source = Source(*of_journal(options.data))
    rows = of_study(source, options.study)
    commit = release(rows, source.withdrawn, target, options.private, options.squash)
    print(f"{len(rows):,} judgments of the study {options.study} are in {target.address(commit)}")


def of_journal(data: Path) -> tuple[tuple[Judgment, ...], int]:
    """The judgments of the journal in a folder, and how many annotators withdrew."""
    path = data / "journal.sqlite"
    if not path.is_file():
        raise MapsError(f"There is no journal at {path}; --data names its folder, or --ledger a ledger to read from.")
    with Journal(path) as journal:
        return tuple(journal.rows()), len(journal.withdrawn())
