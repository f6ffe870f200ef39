"""What an organiser decides and sees of studies: what a new one would hold, how far each is, what is stale."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time
from math import ceil
from typing import NamedTuple

from annotation.statistics.progress import (
    AnnotatorSummary,
    StudyProgress,
    compute_study_progress,
    is_complete,
    summarise_annotators,
)
from annotation.study.candidates import create_study as freeze_now
from annotation.study.store import check_study_name, save_study
from annotation.study.study import DEFAULT_STUDY, Study, StudyPlan
from maps.errors import MapsError
from space.services import Services
from space.studies.current import all_studies as known
from space.studies.current import find_stale_item_keys
from space.studies.results import find_stale_judgment_ids

SECONDS_PER_ITEM = 45
MAX_COUNT = 100_000  # of anything that is counted in the settings
MODEL_DESCRIBER_SEPARATOR = " · "  # model and describer in a choice


@dataclass(frozen=True)
class StudyRequest:
    """The settings as an organiser gave them; numbers as the browser sends them, checked in `frozen`."""

    name: str | None
    described: str | None
    heads: float | None
    sample: str | None
    per_item: float | None
    overlap: float | None
    swapped: float | None
    shuffled: float | None
    practice: bool
    per_annotator: float | None
    deadline: str | None
    seed: float | None


def studies_newest_first(services: Services) -> dict[str, Study]:
    """All studies by name, the newest first; last the open one, which nobody created."""
    found = known(services).items()
    return dict(
        sorted(found, key=lambda named: (named[0] != DEFAULT_STUDY, named[1].settings.created_at), reverse=True)
    )


def find_study(services: Services, name: object) -> Study:
    """A study; MapsError where there is none of that name."""
    found = studies_newest_first(services)
    if not isinstance(name, str) or name not in found:
        raise MapsError(f"There is no study of that name; there is {', '.join(found)}.")
    return found[name]


def describer_choices(services: Services) -> list[str]:
    """Whose descriptions can be judged: `model · describer`, of every atlas."""
    return [
        MODEL_DESCRIBER_SEPARATOR.join((model, describer))
        for model, atlas in services.atlases.items()
        for describer in sorted({str(row["describer"]) for row in atlas.descriptions()})
    ]


def build_study(services: Services, request: StudyRequest) -> Study:
    """The study that these settings make, not kept yet. Raises MapsError, one sentence, where they make none."""
    if request.described not in describer_choices(services):
        raise MapsError("Choose whose descriptions are to be judged.")
    model, describer = request.described.split(MODEL_DESCRIBER_SEPARATOR, 1)
    name = check_study_name(request.name or "")
    plan = StudyPlan(
        heads=parse_whole_number("The number of heads", request.heads, 1),
        sample=request.sample or "",
        per_item=parse_whole_number("The number of judgments an item", request.per_item, 1),
        overlap=parse_whole_number("The overlap", request.overlap, 0),
        swapped=parse_whole_number("The number of swapped controls", request.swapped, 0),
        shuffled=parse_whole_number("The number of shuffled controls", request.shuffled, 0),
        practice=bool(request.practice),
        per_annotator=parse_whole_number("The most for one person", request.per_annotator or 0, 0) or None,
        deadline=parse_deadline(request.deadline),
        seed=parse_whole_number("The seed", request.seed, 0),
    )
    if name in studies_newest_first(services):
        raise MapsError(f"There is a study {name!r} already, and it is frozen; choose another name.")
    return freeze_now(services.atlas(model), describer, name, plan)


def create_study(services: Services, request: StudyRequest) -> Study:
    """Freezes a study for good."""
    study = build_study(services, request)
    save_study(study, services.data_folder / "studies")
    return study


def parse_whole_number(label: str, value: object, minimum: int) -> int:
    """A whole number of the settings; MapsError for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        raise MapsError(f"{label} is missing or no whole number.")
    if not minimum <= value <= MAX_COUNT:
        raise MapsError(f"{label} is {value:,.0f}; it must be from {minimum} to {MAX_COUNT:,}.")
    return int(value)


def parse_deadline(day: str | None) -> datetime | None:
    """The end of a day in UTC; None without one. MapsError for what is no day to come."""
    if not (day or "").strip():
        return None
    try:
        moment = datetime.combine(datetime.strptime((day or "").strip(), "%Y-%m-%d"), time.max, UTC)
    except ValueError as error:
        raise MapsError("The deadline is no day such as 2027-01-31.") from error
    if moment < datetime.now(UTC):
        raise MapsError(f"The deadline {moment:%Y-%m-%d} has passed already; choose a day to come.")
    return moment


def study_summary_sentences(study: Study) -> list[str]:
    """What a study holds and what work it is, in sentences."""
    each = study.settings
    limited = len(study.order) - each.overlap
    judgments = limited * (each.per_item or 0)
    people = minimum_annotators(study)
    return [
        f"{len(study.order):,} items: {each.heads:,} heads of {each.model}, described by {each.describer}, and "
        f"{each.swapped + each.shuffled:,} controls ({each.swapped:,} swapped, {each.shuffled:,} shuffled).",
        f"Judgments wanted: {judgments:,} ({each.per_item} of each of {limited:,} items)"
        + (f", and {each.overlap:,} from each annotator, the overlap." if each.overlap else "."),
        f"Work: about {work_minutes(judgments):,} minutes at {SECONDS_PER_ITEM} seconds an item, shared among the annotators"
        + (f", and {work_minutes(each.overlap):,} minutes from each of them for the overlap." if each.overlap else "."),
        f"It needs at least {people:,} annotators."
        if people
        else "With these limits no number of annotators fills it.",
    ]


def work_minutes(items: int) -> int:
    """How long so many items take, rounded up."""
    return ceil(items * SECONDS_PER_ITEM / 60)


def minimum_annotators(study: Study) -> int | None:
    """The fewest annotators who can fill every place; None where one person's limit leaves no room beside the overlap.

    Nobody judges an item twice, nor two items of one head.
    """
    each = study.settings
    limited = len(study.order) - each.overlap
    heads = {(item.layer, item.head) for item in study.order if item.item_kind != "overlap"}
    if not limited:
        return 1
    room = len(heads) if each.per_annotator is None else min(len(heads), each.per_annotator - each.overlap)
    return max(each.per_item or 1, ceil(limited * (each.per_item or 1) / room)) if room > 0 else None


class StudyStatus(NamedTuple):
    """How far a study is, and whether every place is filled."""

    study: Study
    progress: StudyProgress
    is_complete: bool


def study_statuses(services: Services) -> dict[str, StudyStatus]:
    """How far every study is, by its name."""
    return {name: study_status(services, study) for name, study in studies_newest_first(services).items()}


def study_status(services: Services, study: Study) -> StudyStatus:
    """How far a study is."""
    gone, places = find_stale_item_keys(services, study), services.journal.slot_holders(study)
    found = compute_study_progress(study, places.judged_by, places.reserved_by, gone)
    return StudyStatus(study, found, is_complete(study, places.judged_by, gone))


def annotator_work(services: Services, study: Study) -> list[AnnotatorSummary]:
    """What each annotator has done in a study, without what is stale."""
    rows = services.journal.current_judgments(study.name)
    gone = find_stale_judgment_ids(services, study, rows)
    return summarise_annotators([row for row in rows if row.judgment_id not in gone])
