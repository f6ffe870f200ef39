"""The command `publish`: the public release of a study as a dataset on the Hub."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from annotation.commands import arguments
from maps.command_line import Subparsers, print_text
from maps.text import pluralize

if TYPE_CHECKING:
    from annotation.export.hub import ReleaseSource


def add(commands: Subparsers[argparse.ArgumentParser]) -> None:
    p = commands.add_parser(
        "publish",
        help="publish a study as a dataset on the Hub",
        description=(
            "Publishes a study's judgments with a dataset card on the Hub, without those of annotators who withdrew. "
            "Reads them from the ledger, or from the journal if no ledger is given. Needs a token with write access: "
            "set HF_TOKEN, or run `hf auth login`."
        ),
        epilog="example: python -m annotation publish --to me/head-judgments --study pilot --ledger me/ledger",
    )
    p.add_argument("--to", required=True, metavar="REPO", help="the dataset to write, such as user/name")
    p.add_argument("--study", default="default", help="the study to publish (default: default)")
    p.add_argument("--ledger", metavar="REPO", help="the private dataset to read (default: MAPS_JUDGMENTS)")
    arguments.add_data_option(p, "journal.sqlite, which is read if no ledger is given")
    arguments.add_judged_atlas_option(p)
    p.add_argument("--private", action="store_true", help="make the dataset private")
    squash_help = "delete the dataset's earlier revisions, which may contain withdrawn answers"
    p.add_argument("--squash", action="store_true", help=squash_help)
    p.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    from huggingface_hub import get_token

    from annotation.export.hub import check_release_name, judgments_of_study, load_source_from_ledger, publish_release
    from maps.hub.repository import HubDataset

    ledger = options.ledger or options.environment.get("MAPS_JUDGMENTS")
    check_release_name(options.to, ledger)
    target = HubDataset(options.to, get_token() or "")
    if ledger:
        source = load_source_from_ledger(HubDataset(ledger, get_token() or ""), options.study)
    else:
        source = load_source_from_journal(options)
    rows = judgments_of_study(source, options.study)
    stale = arguments.find_stale_judgments(options, source.study, rows)
    settings = source.study.settings if source.study else None
    commit = publish_release(rows, source.withdrawn_count, target, options.private, options.squash, settings, stale)
    address = target.commit_url(commit)
    print_text(f"Published {pluralize(len(rows), 'judgment')} of the study {options.study}: {address}")


def load_source_from_journal(options: argparse.Namespace) -> ReleaseSource:
    from annotation.export.hub import ReleaseSource

    with arguments.open_journal(options) as journal:
        judgments, withdrawn_count = tuple(journal.all_judgments()), len(journal.withdrawal_times())
    return ReleaseSource(judgments, withdrawn_count, arguments.load_selected_study(options))
