"""What an organiser decides and sees of studies: what a new one would hold, how far each is, what is stale."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time
from math import ceil
from typing import NamedTuple

from annotation.statistics.progress import Fulfilment, Work, complete, fulfilment, work
from annotation.study.candidates import frozen as freeze_now
from annotation.study.store import checked_name, keep
from annotation.study.study import DEFAULT, Plan, Study
from maps.errors import MapsError
from space.services import Services
from space.studies.current import stale_keys
from space.studies.current import studies as known
from space.studies.results import stale_rows

SECONDS_AN_ITEM = 45
MOST = 100_000  # of anything that is counted in the settings
BETWEEN = " · "  # model and describer in a choice


@dataclass(frozen=True)
class Wanted:
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


def studies(services: Services) -> dict[str, Study]:
    """All studies by name, the newest first; last the open one, which nobody created."""
    found = known(services).items()
    return dict(sorted(found, key=lambda named: (named[0] != DEFAULT, named[1].settings.created_at), reverse=True))


def study_named(services: Services, name: object) -> Study:
    """A study; MapsError where there is none of that name."""
    found = studies(services)
    if not isinstance(name, str) or name not in found:
        raise MapsError(f"There is no study of that name; there is {', '.join(found)}.")
    return found[name]


def described(services: Services) -> list[str]:
    """Whose descriptions can be judged: `model · describer`, of every atlas."""
    return [
        BETWEEN.join((model, describer))
        for model, atlas in services.atlases.items()
        for describer in sorted({str(row["describer"]) for row in atlas.descriptions()})
    ]


def frozen(services: Services, wanted: Wanted) -> Study:
    """The study that these settings make, not kept yet. Raises MapsError, one sentence, where they make none."""
    if wanted.described not in described(services):
        raise MapsError("Choose whose descriptions are to be judged.")
    model, describer = wanted.described.split(BETWEEN, 1)
    name = checked_name(wanted.name or "")
    plan = Plan(
        heads=whole("The number of heads", wanted.heads, 1),
        sample=wanted.sample or "",
        per_item=whole("The number of judgments an item", wanted.per_item, 1),
        overlap=whole("The overlap", wanted.overlap, 0),
        swapped=whole("The number of swapped controls", wanted.swapped, 0),
        shuffled=whole("The number of shuffled controls", wanted.shuffled, 0),
        practice=bool(wanted.practice),
        per_annotator=whole("The most for one person", wanted.per_annotator or 0, 0) or None,
        deadline=last_moment(wanted.deadline),
        seed=whole("The seed", wanted.seed, 0),
    )
    if name in studies(services):
        raise MapsError(f"There is a study {name!r} already, and it is frozen; choose another name.")
    return freeze_now(services.atlas(model), describer, name, plan)


def create(services: Services, wanted: Wanted) -> Study:
    """Freezes a study for good."""
    study = frozen(services, wanted)
    keep(study, services.data / "studies")
    return study


def whole(what: str, value: object, least: int) -> int:
    """A whole number of the settings; MapsError for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        raise MapsError(f"{what} is missing or no whole number.")
    if not least <= value <= MOST:
        raise MapsError(f"{what} is {value:,.0f}; it must be from {least} to {MOST:,}.")
    return int(value)


def last_moment(day: str | None) -> datetime | None:
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


def holds(study: Study) -> list[str]:
    """What a study holds and what work it is, in sentences."""
    each = study.settings
    limited = len(study.order) - each.overlap
    judgments = limited * (each.per_item or 0)
    people = people_needed(study)
    return [
        f"{len(study.order):,} items: {each.heads:,} heads of {each.model}, described by {each.describer}, and "
        f"{each.swapped + each.shuffled:,} controls ({each.swapped:,} swapped, {each.shuffled:,} shuffled).",
        f"Judgments wanted: {judgments:,} ({each.per_item} of each of {limited:,} items)"
        + (f", and {each.overlap:,} from each annotator, the overlap." if each.overlap else "."),
        f"Work: about {minutes(judgments):,} minutes at {SECONDS_AN_ITEM} seconds an item, shared among the annotators"
        + (f", and {minutes(each.overlap):,} minutes from each of them for the overlap." if each.overlap else "."),
        f"It needs at least {people:,} annotators."
        if people
        else "With these limits no number of annotators fills it.",
    ]


def minutes(items: int) -> int:
    """How long so many items take, rounded up."""
    return ceil(items * SECONDS_AN_ITEM / 60)


def people_needed(study: Study) -> int | None:
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


class Standing(NamedTuple):
    """How far a study is, and whether every place is filled."""

    study: Study
    found: Fulfilment
    complete: bool


def standings(services: Services) -> dict[str, Standing]:
    """How far every study is, by its name."""
    return {name: standing(services, study) for name, study in studies(services).items()}


def standing(services: Services, study: Study) -> Standing:
    """How far a study is."""
    gone, places = stale_keys(services, study), services.journal.places(study)
    found = fulfilment(study, places.judged, places.reserved, gone)
    return Standing(study, found, complete(study, places.judged, gone))


def people(services: Services, study: Study) -> list[Work]:
    """What each annotator has done in a study, without what is stale."""
    rows = services.journal.current(study.name)
    gone = stale_rows(services, study, rows)
    return work([row for row in rows if row.judgment_id not in gone])
