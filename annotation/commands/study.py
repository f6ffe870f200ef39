"""`study`: creates a study, lists the studies, shows one."""

from __future__ import annotations

import argparse
from collections.abc import Collection
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from annotation.commands.arguments import (
    add_data_option,
    data_folder,
    parse_deadline,
    studies_folder,
)
from annotation.journal.journal import Journal
from annotation.statistics.progress import compute_study_progress
from annotation.study.candidates import create_study, load_fresh_items, main_describer
from annotation.study.sampling import SAMPLE_METHODS
from annotation.study.store import check_study_name, load_studies, save_study
from annotation.study.study import Study, StudyPlan
from maps.atlas.reader import Atlas
from maps.command_line import Subparsers, positive_int, print_text, share, whole_number
from maps.errors import MapsError
from maps.types import HeadId

DEFAULT_CONTROLS_SHARE = 0.1  # of the sampled heads, where nothing is said


def add(commands: Subparsers[argparse.ArgumentParser]) -> None:
    """`study create`, `study list` and `study show`."""
    top = commands.add_parser(
        "study",
        help="create, list and show studies",
        description="Studies: a sample of described heads put before annotators, frozen when it is created.",
        epilog="example: python -m annotation study create --atlas data/atlases/smollm2 --name pilot",
    )
    actions = top.add_subparsers(required=True, metavar="ACTION")
    _add_create_command(actions)
    listed = actions.add_parser(
        "list",
        help="the studies that there are",
        description="Lists the studies, the newest first.",
        epilog="example: python -m annotation study list",
    )
    add_data_option(listed, "the studies")
    listed.set_defaults(run=run_list)
    shown = actions.add_parser(
        "show",
        help="a study's settings and how far it is",
        description="Shows a study's settings and counts.",
        epilog="example: python -m annotation study show pilot --atlas data/atlases/smollm2",
    )
    shown.add_argument("name", metavar="NAME", help="the study's name")
    shown.add_argument("--atlas", type=Path, metavar="FOLDER", help="say too which items this atlas has made stale")
    add_data_option(shown, "the studies")
    shown.set_defaults(run=run_show)


def _add_create_command(actions: Subparsers[argparse.ArgumentParser]) -> None:
    p = actions.add_parser(
        "create",
        help="freeze a study of an atlas's described heads",
        description="Draws a sample of an atlas's described heads, and controls, and freezes what annotators see.",
        epilog="example: python -m annotation study create --atlas data/atlases/smollm2 --name pilot --heads 40",
    )
    p.add_argument("--atlas", type=Path, required=True, metavar="FOLDER", help="the atlas")
    p.add_argument("--name", help="small letters, digits, hyphens (default: study-1, study-2, …)")
    p.add_argument("--describer", help="whose descriptions (default: the one that described most heads)")
    p.add_argument("--heads", type=positive_int, default=138, metavar="N", help="heads to draw (138)")
    p.add_argument(
        "--sample", choices=SAMPLE_METHODS, default="uniform", help="all heads alike, or by layer quarter (uniform)"
    )
    p.add_argument("--per-item", type=positive_int, default=3, metavar="N", help="judgments wanted of each item (3)")
    p.add_argument(
        "--overlap", type=whole_number, default=10, metavar="N", help="heads of these that everybody judges (10)"
    )
    p.add_argument("--controls", type=share, metavar="SHARE", help="controls, as a share of the heads (0.1)")
    p.add_argument("--swapped", type=whole_number, metavar="N", help="controls with another head's description")
    p.add_argument("--shuffled", type=whole_number, metavar="N", help="controls with shuffled mappings")
    p.add_argument("--no-practice", action="store_true", help="leave out the three worked examples at the start")
    p.add_argument(
        "--per-annotator", type=positive_int, metavar="N", help="the most items for one person (default: no limit)"
    )
    p.add_argument(
        "--deadline", type=parse_deadline, metavar="DAY", help="last day in UTC, such as 2027-01-31 (default: none)"
    )
    p.add_argument("--seed", type=whole_number, default=0, metavar="N", help="of the draw and the order (0)")
    add_data_option(p, "the studies")
    p.set_defaults(run=run_create)


def run_create(options: argparse.Namespace) -> None:
    """Freezes a study, writes its file and says what is in it."""
    folder = studies_folder(options)
    atlas = Atlas.open(options.atlas)
    describer = options.describer or main_describer(atlas)
    if not describer:
        raise MapsError(
            f"No head of {options.atlas} is described yet; `python -m maps describe {options.atlas}` does it."
        )
    name = check_study_name(options.name) if options.name else _unused_name(folder)
    study = create_study(atlas, describer, name, plan_from_options(options))
    path = save_study(study, folder)
    print_text(f"{path}: {study_summary(study)}")


def plan_from_options(options: argparse.Namespace) -> StudyPlan:
    """What the options ask for."""
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
        seed=options.seed,
    )


def _control_counts(options: argparse.Namespace) -> tuple[int, int]:
    """Swapped and shuffled controls: as many as are named, or the share in halves."""
    if options.swapped is None and options.shuffled is None:
        total = round((DEFAULT_CONTROLS_SHARE if options.controls is None else options.controls) * options.heads)
        return total - total // 2, total // 2
    if options.controls is not None:
        raise MapsError("Name the controls by --controls, or by --swapped and --shuffled, not both.")
    return options.swapped or 0, options.shuffled or 0


def _unused_name(folder: Path) -> str:
    taken = {path.stem for path in folder.glob("*.json")}
    return next(name for n in range(1, len(taken) + 2) if (name := f"study-{n}") not in taken)


def study_summary(study: Study) -> str:
    """What a study holds, in one line."""
    each = study.settings
    return (
        f"{each.heads:,} heads of {each.model} described by {each.describer}, {each.overlap:,} of them for everybody, "
        f"{each.swapped:,} swapped and {each.shuffled:,} shuffled controls, {each.per_item} judgments an item"
    )


def run_list(options: argparse.Namespace) -> None:
    """A line a study."""
    found = load_studies(studies_folder(options)).values()
    for study in sorted(found, key=lambda study: study.settings.created_at, reverse=True):
        state = "over" if study.is_over(datetime.now(UTC)) else "open"
        print_text(f"{study.name} ({state}, created {study.settings.created_at:%Y-%m-%d}): {study_summary(study)}")
    if not found:
        print_text(f"There is no study in {studies_folder(options)}; `python -m annotation study create` makes one.")


def run_show(options: argparse.Namespace) -> None:
    """Settings, counts, and with an atlas the stale items."""
    found = load_studies(studies_folder(options))
    if options.name not in found:
        names = ", ".join(found) or "none yet"
        raise MapsError(f"There is no study {options.name!r} in {studies_folder(options)}; there is {names}.")
    study = found[options.name]
    for name, value in asdict(study.settings).items():
        print_text(f"{name.replace('_', ' ')}: {'none' if value is None else value}")
    fresh = set(load_fresh_items(study, Atlas.open(options.atlas)) if options.atlas else study.order)
    stale = [item for item in study.order if item not in fresh]
    print_text(progress_lines(study, data_folder(options) / "journal.sqlite", {item.key for item in stale}))
    heads = ", ".join(map(str, sorted(HeadId(item.layer, item.head) for item in stale)))
    known = f"{len(stale):,}" + (f" ({heads})" if heads else "")
    print_text(f"stale items: {known if options.atlas else 'name --atlas to see them'}")


def progress_lines(study: Study, journal: Path, stale: Collection[str]) -> str:
    """Places wanted, given and reserved of the items that are not stale, items done, and people, a line each."""
    judged: dict[str, set[str]] = {}
    reserved: dict[str, set[str]] = {}
    if journal.is_file():
        with Journal(journal) as opened:
            places = opened.slot_holders(study)
            judged, reserved = places.judged_by, places.reserved_by
    found = compute_study_progress(study, judged, reserved, stale)
    lines = [
        f"places wanted: {found.total_slots or 0:,}, and {study.settings.overlap:,} of each annotator (the overlap)",
        f"places given: {found.filled_slots:,}, and {found.overlap_judgments:,} in the overlap",
        f"places reserved now: {found.reserved_slots:,}",
        f"items done: {found.finished_items:,} of {found.items:,}",
        f"annotators: {len(set().union(*judged.values())):,}",
    ]
    return "\n".join(lines)
