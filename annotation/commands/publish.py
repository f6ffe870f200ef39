"""The command `publish`: the public release of a study as a dataset on the Hub."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from annotation.commands import arguments
from annotation.errors import WithdrawnMeanwhileError
from maps.command_line import Subparsers, print_text
from maps.errors import MapsError
from maps.text import pluralize

if TYPE_CHECKING:
    from annotation.export.hub import ReleaseSource
    from maps.hub.repository import HubDataset

LoadWithdrawn = Callable[[], Collection[str]]


def add(commands: Subparsers[argparse.ArgumentParser]) -> None:
    p = commands.add_parser(
        "publish",
        help="publish a study as a dataset on the Hub",
        description=(
            "Publishes a study's judgments with a dataset card on the Hub, without those of annotators who withdrew. "
            "Reads them from the ledger, or from the journal if no ledger is given. With a ledger, the journal is read "
            "for withdrawals that have not reached the ledger yet. Needs a token with write access: set HF_TOKEN, or "
            "run `hf auth login`."
        ),
        epilog="example: python -m annotation publish --to me/head-judgments --study pilot --ledger me/ledger",
    )
    p.add_argument("--to", required=True, metavar="REPO", help="the dataset to write, such as user/name")
    p.add_argument("--study", default="default", help="the study to publish (default: default)")
    p.add_argument("--ledger", metavar="REPO", help="the private dataset to read (default: MAPS_JUDGMENTS)")
    arguments.add_data_option(p, "journal.sqlite, which is read if no ledger is given, and for withdrawals otherwise")
    arguments.add_judged_atlas_option(p)
    p.add_argument("--private", action="store_true", help="make the dataset private")
    p.add_argument("--make-public", action="store_true", help="make the dataset public when the release is there")
    squash_help = "delete the dataset's earlier revisions, which may contain withdrawn answers"
    p.add_argument("--squash", action="store_true", help=squash_help)
    p.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    from huggingface_hub import get_token

    from annotation.export.hub import check_release_name
    from maps.hub.repository import HubDataset

    if options.private and options.make_public:
        raise MapsError("--private and --make-public contradict each other; leave one of them out.")
    ledger_name = options.ledger or options.environment.get("MAPS_JUDGMENTS")
    check_release_name(options.to, ledger_name)
    target = HubDataset(options.to, get_token() or "")
    ledger = HubDataset(ledger_name, get_token() or "") if ledger_name else None
    with withdrawals_here(options, ledger) as load_withdrawn_here:
        while True:
            try:
                publish_once(options, target, ledger, load_withdrawn_here)
                return
            except WithdrawnMeanwhileError:
                print_text("Somebody withdrew in the meantime: the release is made again without their judgments.")


@contextmanager
def withdrawals_here(options: argparse.Namespace, ledger: HubDataset | None) -> Iterator[LoadWithdrawn]:
    """Loads who has withdrawn by the journal in the data folder; says so if a ledger is read and no journal is here."""
    path = arguments.journal_path(options)
    if ledger is not None and not path.is_file():
        print_text(
            f"Withdrawals that have not reached the ledger {ledger.name} are unknown here, as there is no journal at "
            f"{path}; give the app's data folder with --data, or look at the page /organise first."
        )
        yield tuple
    else:
        with arguments.open_journal(options) as journal:
            yield journal.withdrawal_times


def publish_once(
    options: argparse.Namespace, target: HubDataset, ledger: HubDataset | None, load_withdrawn_here: LoadWithdrawn
) -> None:
    """Publishes the release; raises WithdrawnMeanwhileError if somebody in it withdraws before it is done."""
    from annotation.export.hub import judgments_of_study, load_source_from_ledger, publish_release
    from annotation.judges.store import judges_file, read_rows
    from annotation.ledger.upkeep import read_withdrawn_annotators

    def load_withdrawn() -> set[str]:
        return {*load_withdrawn_here(), *(read_withdrawn_annotators(ledger) if ledger else ())}

    if ledger is None:
        source = load_source_from_journal(options)
    else:
        source = load_source_from_ledger(ledger, options.study, load_withdrawn_here())
    rows = judgments_of_study(source, options.study)
    stale = arguments.find_stale_judgments(options, source.study, rows)
    judge_rows = read_rows(judges_file(arguments.data_folder(options), options.study))
    commit = publish_release(
        rows,
        source.withdrawn_count,
        target,
        options.private,
        options.squash,
        source.study,
        stale,
        load_withdrawn,
        judge_rows,
    )
    if options.make_public:
        target.make_public()
        print_text(f"Everybody can read the dataset {target.name} now.")
    address = target.commit_url(commit)
    print_text(f"Published {pluralize(len(rows), 'judgment')} of the study {options.study}: {address}")


def load_source_from_journal(options: argparse.Namespace) -> ReleaseSource:
    from annotation.export.hub import ReleaseSource

    with arguments.open_journal(options) as journal:
        judgments, withdrawn_count = tuple(journal.all_judgments()), len(journal.withdrawal_times())
    return ReleaseSource(judgments, withdrawn_count, arguments.load_selected_study(options))
