"""The commands `study create`, `study list` and `study show`."""

from __future__ import annotations

import argparse
from collections.abc import Collection
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from annotation.commands.arguments import add_data_option, data_folder, parse_deadline, studies_folder
from annotation.journal.endings import OVER_REASONS
from annotation.journal.journal import Journal
from annotation.statistics.progress import compute_study_progress
from annotation.study.candidates import create_study, load_fresh_items, main_describer
from annotation.study.sampling import MAX_SEED, SAMPLE_METHODS, draw_seed
from annotation.study.store import check_study_name, load_studies, save_study
from annotation.study.study import Study, StudyPlan
from annotation.types import Ending
from maps.atlas.reader import Atlas
from maps.command_line import Subparsers, positive_int, print_text, share, whole_number
from maps.errors import MapsError
from maps.text import pluralize
from maps.types import HeadId

DEFAULT_CONTROLS_SHARE = 0.1  # of the sampled heads
SHOW_DESCRIPTIONS_HELP = (
    "go on showing the descriptions of these heads in the app's explorer: visitors miss nothing, but an annotator who "
    "looks a head up can tell controls (default: hidden until the study is over). Whoever has the atlas's files from "
    "elsewhere can tell them in both cases"
)


def add(commands: Subparsers[argparse.ArgumentParser]) -> None:
    top = commands.add_parser(
        "study",
        help="create, list and show studies",
        description="A study is a sample of described heads for annotators to judge; it is frozen when it is created.",
        epilog="example: python -m annotation study create --atlas data/atlases/smollm2 --name pilot",
    )
    actions = top.add_subparsers(required=True, metavar="ACTION")
    _add_create_command(actions)
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
    p.add_argument("--atlas", type=Path, required=True, metavar="FOLDER", help="the atlas to judge")
    p.add_argument("--name", help="small letters, digits and hyphens (default: study-1, study-2, …)")
    p.add_argument("--describer", help="whose descriptions to judge (default: the describer of most heads)")
    number = partial(p.add_argument, metavar="N")
    number("--heads", type=positive_int, default=138, help="number of heads to draw (default: 138)")
    sample_help = "draw from all heads alike, or by layer quarter (default: uniform)"
    p.add_argument("--sample", choices=SAMPLE_METHODS, default="uniform", help=sample_help)
    number("--per-item", type=positive_int, default=3, help="judgments for each item (default: 3)")
    number(
        "--overlap", type=whole_number, default=10, help="heads among them that every annotator judges (default: 10)"
    )
    controls_help = "number of controls, as a share of the heads (default: 0.1)"
    p.add_argument("--controls", type=share, metavar="SHARE", help=controls_help)
    number("--swapped", type=whole_number, help="number of controls with another head's, or operation's, description")
    number("--shuffled", type=whole_number, help="number of controls with shuffled mappings")
    p.add_argument("--no-practice", action="store_true", help="skip the three worked examples at the start")
    number("--per-annotator", type=positive_int, help="most items for one annotator (default: no limit)")
    annotators_help = (
        "number of invited annotators: with an overlap, the study ends by itself once so many have judged it "
        "(default: unknown)"
    )
    number("--annotators", type=positive_int, help=annotators_help)
    deadline_help = "last day (UTC), such as 2027-01-31 (default: none)"
    p.add_argument("--deadline", type=parse_deadline, metavar="DAY", help=deadline_help)
    number("--seed", type=parse_seed, help="seed of the sample, the controls and the order (default: drawn, and kept)")
    p.add_argument(
        "--per-operation",
        action="store_true",
        help="judge single operations, of heads that have several, as `maps describe --operations` describes them",
    )
    p.add_argument("--show-descriptions", action="store_true", help=SHOW_DESCRIPTIONS_HELP)
    add_data_option(p, "the studies")
    p.set_defaults(run=run_create)


def run_create(options: argparse.Namespace) -> None:
    folder, source = studies_folder(options), options.atlas
    atlas = Atlas.open(source).named_by_reading()
    describer = options.describer or main_describer(atlas, options.per_operation)
    if not describer:
        what, option = (
            ("descriptions of operations", " --operations") if options.per_operation else ("descriptions", "")
        )
        raise MapsError(f"The atlas {source} has no {what} yet; run `python -m maps describe {source}{option}`.")
    name = check_study_name(options.name) if options.name else _unused_name(folder)
    study = create_study(atlas, describer, name, plan_from_options(options))
    path = save_study(study, folder)
    print_text(f"{path}: {study_summary(study)}")


def parse_seed(text: str) -> int:
    """An argument from 0 to the largest seed of a study."""
    return whole_number(text, MAX_SEED)


def plan_from_options(options: argparse.Namespace) -> StudyPlan:
    swapped, shuffled = _control_counts(options)
    return StudyPlan(
        heads=options.heads,
        sample=options.sample,
        per_item=options.per_item,
        overlap=options.overlap,
        swapped=swapped,
        shuffled=shuffled,
        practice=not options.no_practice,
        per_annotator=options.per_annotator,
        deadline=options.deadline,
        seed=draw_seed() if options.seed is None else options.seed,
        annotators=options.annotators,
        hides_descriptions=not options.show_descriptions,
        per_operation=options.per_operation,
    )


def _control_counts(options: argparse.Namespace) -> tuple[int, int]:
    """The numbers of swapped and shuffled controls: as given, or half of the share each.

    Shuffled controls of operations would look like the others, so all are swapped there.
    """
    if options.swapped is None and options.shuffled is None:
        total = round((DEFAULT_CONTROLS_SHARE if options.controls is None else options.controls) * options.heads)
        return (total, 0) if options.per_operation else (total - total // 2, total // 2)
    if options.controls is not None:
        raise MapsError("Give either --controls, or --swapped and --shuffled, but not both.")
    return options.swapped or 0, options.shuffled or 0


def _unused_name(folder: Path) -> str:
    taken = {path.stem for path in folder.glob("*.json")}
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
    ended = recorded_endings(options)
    for study in sorted(studies, key=lambda study: study.settings.created_at, reverse=True):
        state = "over" if study.name in ended or study.is_past_deadline(datetime.now(UTC)) else "open"
        print_text(f"{study.name} ({state}, created {study.settings.created_at:%Y-%m-%d}): {study_summary(study)}")
    if not studies:
        print_text(f"There is no study in {folder} yet; create one: `python -m annotation study create`.")


def recorded_endings(options: argparse.Namespace) -> dict[str, Ending]:
    """The recorded end of each study, by name; empty without a journal."""
    path = data_folder(options) / "journal.sqlite"
    if not path.is_file():
        return {}
    with Journal(path) as journal:
        return journal.endings()


def state_line(study: Study, ending: Ending | None) -> str:
    """Whether a study is over, since when and why."""
    if ending is not None:
        return (
            f"state: over since {ending.ended_at:%Y-%m-%d %H:%M} (UTC): {OVER_REASONS.get(ending.reason, 'it ended')}"
        )
    if study.is_past_deadline(datetime.now(UTC)):
        return "state: nobody judges any more, its deadline has passed; the app records the end"
    return "state: running"


def run_show(options: argparse.Namespace) -> None:
    studies = load_studies(studies_folder(options))
    if options.name not in studies:
        names = ", ".join(studies) or "none"
        raise MapsError(f"There is no study {options.name!r} in {studies_folder(options)}. The studies are: {names}.")
    study = studies[options.name]
    for name, value in asdict(study.settings).items():
        print_text(f"{name.replace('_', ' ')}: {'none' if value is None else value}")
    print_text(state_line(study, recorded_endings(options).get(study.name)))
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
    judged, reserved = dict[str, set[str]](), dict[str, set[str]]()
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
