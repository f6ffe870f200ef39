"""The commands of studies: `study create`, `plan`, `preregister`, `datasheet`, `list` and `show`."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from annotation.commands.arguments import add_data_option, data_folder, find_named_study, studies_folder
from annotation.commands.study_design import add_design_options, design_study
from annotation.commands.study_documents import add_document_commands
from annotation.commands.study_plan import add_plan_command
from annotation.journal.endings import OVER_REASONS
from annotation.journal.journal import Journal
from annotation.journal.study_changes import deadline_of, deleted_studies, is_paused
from annotation.statistics.progress import compute_study_progress
from annotation.study.candidates import load_fresh_items
from annotation.study.store import check_study_name, load_studies, save_study
from annotation.study.study import Study
from maps.atlas.reader import Atlas
from maps.command_line import Subparsers, print_text
from maps.errors import MapsError
from maps.text import pluralize
from maps.types import HeadId


def add(commands: Subparsers[argparse.ArgumentParser]) -> None:
    top = commands.add_parser(
        "study",
        help="create, list and show studies",
        description="A study is a sample of described heads for annotators to judge; it is frozen when it is created.",
        epilog="example: python -m annotation study create --atlas data/atlases/smollm2 --name pilot",
    )
    actions = top.add_subparsers(required=True, metavar="ACTION")
    _add_create_command(actions)
    add_plan_command(actions)
    add_document_commands(actions)
    listed = actions.add_parser(
        "list",
        help="list the studies",
        description="Lists the studies, newest first.",
        epilog="example: python -m annotation study list",
    )
    add_data_option(listed, "the studies")
    listed.set_defaults(run=run_list)
    shown = actions.add_parser(
        "show",
        help="show a study's settings and progress",
        description="Shows a study's settings, how many judgments it has, and how many it needs.",
        epilog="example: python -m annotation study show pilot --atlas data/atlases/smollm2",
    )
    shown.add_argument("name", metavar="NAME", help="the study's name")
    shown.add_argument(
        "--atlas", type=Path, metavar="FOLDER", help="also list the items that this atlas has made stale"
    )
    add_data_option(shown, "the studies")
    shown.set_defaults(run=run_show)


def _add_create_command(actions: Subparsers[argparse.ArgumentParser]) -> None:
    p = actions.add_parser(
        "create",
        help="create a study of an atlas's described heads",
        description="Draws a sample of an atlas's described heads, adds controls, and freezes what annotators see.",
        epilog="example: python -m annotation study create --atlas data/atlases/smollm2 --name pilot --heads 40",
    )
    add_design_options(p)
    p.add_argument("--name", help="small letters, digits and hyphens (default: study-1, study-2, …)")
    add_data_option(p, "the studies")
    p.set_defaults(run=run_create)


def run_create(options: argparse.Namespace) -> None:
    folder = studies_folder(options)
    with opened_journal(options) as journal:
        deleted = deleted_studies(journal) if journal is not None else set()
    name = check_study_name(options.name) if options.name else _unused_name(folder, deleted)
    if name in deleted:
        raise MapsError(f"A study named {name!r} was deleted, and links to it may be about; choose another name.")
    study = design_study(options, name)
    path = save_study(study, folder)
    print_text(f"{path}: {study_summary(study)}")


def _unused_name(folder: Path, deleted: Collection[str]) -> str:
    taken = {*deleted, *(path.stem for path in folder.glob("*.json"))}
    return next(name for n in range(1, len(taken) + 2) if (name := f"study-{n}") not in taken)


def study_summary(study: Study) -> str:
    """The content of a study in one line."""
    settings = study.settings
    judgments = "any number of judgments" if settings.per_item is None else pluralize(settings.per_item, "judgment")
    return (
        f"{operations_text(study)}{pluralize(settings.heads, 'head')} of {settings.model} described by "
        f"{settings.describer}, "
        f"{settings.overlap:,} of them for every annotator, {settings.swapped:,} swapped and {settings.shuffled:,} "
        f"shuffled controls, {judgments} for each item"
    )


def operations_text(study: Study) -> str:
    """`12 operations of ` for a study of single operations."""
    if not study.settings.per_operation:
        return ""
    return f"{pluralize(sum(map(len, study.items_by_head.values())), 'operation')} of "


def run_list(options: argparse.Namespace) -> None:
    folder = studies_folder(options)
    studies = load_studies(folder).values()
    with opened_journal(options) as journal:
        for study in sorted(studies, key=lambda study: study.settings.created_at, reverse=True):
            state = "over" if over_reason(journal, study) else pause_text(journal, study)
            print_text(f"{study.name} ({state}, created {study.settings.created_at:%Y-%m-%d}): {study_summary(study)}")
    if not studies:
        print_text(f"There is no study in {folder} yet; create one: `python -m annotation study create`.")


@contextmanager
def opened_journal(options: argparse.Namespace) -> Iterator[Journal | None]:
    """The journal of the data folder; None if nobody has judged yet."""
    path = data_folder(options) / "journal.sqlite"
    if not path.is_file():
        yield None
        return
    with Journal(path) as journal:
        yield journal


def over_reason(journal: Journal | None, study: Study) -> str | None:
    """Why nobody judges any more, as a clause; None if people do."""
    if journal is not None:
        return journal.over_reason(study)
    deadline = study.settings.deadline
    return OVER_REASONS["deadline"] if deadline is not None and datetime.now(UTC) >= deadline else None


def pause_text(journal: Journal | None, study: Study) -> str:
    return "paused" if journal is not None and is_paused(journal, study.name) else "open"


def state_lines(journal: Journal | None, study: Study) -> str:
    """Whether a study is over, since when and why, and whether its deadline was moved."""
    ending = journal.endings().get(study.name) if journal is not None else None
    if ending is not None:
        reason = OVER_REASONS.get(ending.reason, "it ended")
        return f"state: over since {ending.ended_at:%Y-%m-%d %H:%M} (UTC): {reason}"
    if over_reason(journal, study) is not None:
        return "state: nobody judges any more, its deadline has passed; the app records the end"
    lines = [f"state: {'running' if pause_text(journal, study) == 'open' else 'paused'}"]
    deadline = study.settings.deadline if journal is None else deadline_of(journal, study)
    if deadline is not None and deadline != study.settings.deadline:
        lines.append(f"deadline moved to: {deadline:%Y-%m-%d %H:%M} (UTC)")
    return "\n".join(lines)


def run_show(options: argparse.Namespace) -> None:
    study = find_named_study(options, options.name)
    for name, value in study.settings.shown_values().items():
        print_text(f"{name.replace('_', ' ')}: {'none' if value is None else value}")
    with opened_journal(options) as journal:
        print_text(state_lines(journal, study))
    fresh = set(load_fresh_items(study, Atlas.open(options.atlas).named_by_reading()) if options.atlas else study.order)
    stale = [item for item in study.order if item not in fresh]
    print_text(progress_lines(study, data_folder(options) / "journal.sqlite", {item.key for item in stale}))
    heads = ", ".join(map(str, sorted(HeadId(item.layer, item.head) for item in stale)))
    if options.atlas is None:
        print_text("stale items: unknown; give the atlas with --atlas")
    else:
        print_text(f"stale items: {len(stale):,}" + (f" ({heads})" if heads else ""))


def progress_lines(study: Study, journal: Path, stale: Collection[str]) -> str:
    """A study's progress, one number a line; stale items are left out."""
    judged: Mapping[str, set[str]] = {}
    reserved: Mapping[str, set[str]] = {}
    if journal.is_file():
        with Journal(journal) as opened:
            holders = opened.slot_holders(study)
            judged, reserved = holders.judged_by, holders.reserved_by
    progress = compute_study_progress(study, judged, reserved, stale)
    wanted = "no limit" if progress.total_slots is None else f"{progress.total_slots:,}"
    return (
        f"judgments wanted: {wanted}, and {study.overlap_items:,} by each annotator (the overlap)\n"
        f"judgments given: {progress.filled_slots:,}, and {progress.overlap_judgments:,} in the overlap\n"
        f"judgments reserved now: {progress.reserved_slots:,}\n"
        f"items with all judgments: {progress.finished_items:,} of {progress.items:,}\n"
        f"annotators: {len(set().union(*judged.values())):,}"
    )
