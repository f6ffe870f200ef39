"""Studies as organisers see them: what a new one would contain, the progress of each, stale items."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time
from statistics import median
from typing import NamedTuple

from annotation.commands.study_design import design_arguments
from annotation.journal.study_changes import deleted_studies, is_paused
from annotation.report.paper_file import load_paper
from annotation.report.study_plan import (
    SECONDS_PER_ITEM,
    PlanAssumptions,
    PlannedStudy,
    assumptions_of_paper,
    plan_study,
)
from annotation.statistics.planning import model_of_pilot
from annotation.statistics.progress import (
    StudyProgress,
    compute_study_progress,
)
from annotation.study import candidates
from annotation.study.panel import panel_settings
from annotation.study.sampling import MAX_SEED, draw_seed
from annotation.study.store import check_study_name, save_study
from annotation.study.study import (
    DEFAULT_STUDY,
    NOTICE_FIELDS,
    Study,
    StudyNotice,
    StudyPlan,
    check_notice,
)
from maps.errors import MapsError
from space.jobs.job import ANNOTATION, Step
from space.services import Services
from space.studies.current import all_studies, answers_hidden_reason, find_stale_item_keys
from space.studies.results import counted_judgments

MAX_COUNT = 100_000  # of anything that the settings count
LARGE_STUDY, CREATION_SECONDS = 1_000, 600.0  # heads from which a study is frozen elsewhere, and how long that may take
SUGGESTED_LENGTH = 34  # characters of a suggested name, before a number
MODEL_DESCRIBER_SEPARATOR = " · "
PAPER_CHOICE = "The paper's study"
PREVIEW_STUDIES = 100  # simulated for the page; the command simulates more


@dataclass(frozen=True)
class StudyRequest:
    """The settings as an organiser typed them; `build_study` checks them."""

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
    seed: str | None
    annotators: float | None = None
    hides_descriptions: bool = True
    invited_only: bool = False
    practice_pass: float | None = 0
    panel: str | None = None
    panel_parameter: str | None = None
    completed: str | None = None
    screened_out: str | None = None
    declined: str | None = None
    title: str | None = None
    organiser: str | None = None
    purpose: str | None = None
    contact: str | None = None
    ethics: str | None = None
    payment: str | None = None
    next_steps: str | None = None


def studies_newest_first(services: Services) -> dict[str, Study]:
    """All studies by name, newest first; the open study, which nobody created, is last."""

    def age_key(named: tuple[str, Study]) -> tuple[bool, datetime]:
        name, study = named
        return name != DEFAULT_STUDY, study.settings.created_at

    return dict(sorted(all_studies(services).items(), key=age_key, reverse=True))


def find_study(services: Services, name: object) -> Study:
    """The study of that name; MapsError if there is none."""
    studies = studies_newest_first(services)
    if not isinstance(name, str) or name not in studies:
        raise MapsError(f"There is no study with this name. The studies here are {', '.join(studies)}.")
    return studies[name]


def describer_choices(services: Services) -> list[str]:
    """The describers whose descriptions can be judged, as `model · describer`."""
    return [
        MODEL_DESCRIBER_SEPARATOR.join((model, describer))
        for model, atlas in services.whole_atlases.items()
        for describer in sorted({str(row["describer"]) for row in atlas.descriptions()})
    ]


def pilot_choices(services: Services) -> list[str]:
    """What a plan can take its answers from: the paper, or a study with answers here."""
    names = studies_newest_first(services)
    return [PAPER_CHOICE, *(name for name in names if services.journal.has_judgments(name))]


def count_described_heads(services: Services, choice: str) -> int:
    """How many heads a choice of `describer_choices` has descriptions of."""
    model, describer = choice.split(MODEL_DESCRIBER_SEPARATOR, 1)
    return sum(row["describer"] == describer for row in services.whole_atlas(model).descriptions())


def suggest_name(services: Services, choice: str) -> str:
    """A name for a study of these descriptions that no study has yet, such as `smollm2-gpt-4o-2`."""
    model, describer = choice.split(MODEL_DESCRIBER_SEPARATOR, 1)
    words = re.sub(r"[^a-z0-9]+", "-", f"{model.rpartition('/')[2]}-{describer}".lower()).strip("-")[:SUGGESTED_LENGTH]
    taken = {*studies_newest_first(services), *deleted_studies(services.journal)}
    names = (words, *(f"{words}-{number}" for number in range(2, 1_000)))
    return next((name for name in names if name not in taken), words)


@dataclass(frozen=True)
class StudyDesign:
    """A study that can be created: its name, the model and describer, and the choices of the organiser."""

    name: str
    model: str
    describer: str
    plan: StudyPlan


def build_study(services: Services, request: StudyRequest) -> Study:
    """The study with these settings, not saved yet. MapsError with one sentence if they are not valid."""
    design = check_request(services, request)
    return candidates.create_study(services.whole_atlas(design.model), design.describer, design.name, design.plan)


def check_request(services: Services, request: StudyRequest) -> StudyDesign:
    """What an organiser has typed, checked. MapsError with one sentence if it is not valid."""
    if request.described not in describer_choices(services):
        raise MapsError("Choose the model and describer whose descriptions will be judged.")
    model, describer = request.described.split(MODEL_DESCRIBER_SEPARATOR, 1)
    name = check_study_name(request.name or "")
    plan = StudyPlan(
        heads=parse_whole_number("The number of heads", request.heads, 1),
        sample=request.sample or "",
        per_item=parse_whole_number("The number of judgments per item", request.per_item, 1),
        overlap=parse_whole_number("The overlap", request.overlap, 0),
        swapped=parse_whole_number("The number of swapped controls", request.swapped, 0),
        shuffled=parse_whole_number("The number of shuffled controls", request.shuffled, 0),
        practice=bool(request.practice),
        per_annotator=parse_whole_number("The limit per person", request.per_annotator or 0, 0) or None,
        deadline=parse_deadline(request.deadline),
        seed=parse_seed(request.seed),
        annotators=parse_whole_number("The number of invited annotators", request.annotators or 0, 0) or None,
        hides_descriptions=bool(request.hides_descriptions),
        invited_only=bool(request.invited_only),
        practice_pass=parse_whole_number("The pass mark of the practice", request.practice_pass or 0, 0),
        panel=panel_settings(
            request.panel or "",
            request.panel_parameter or "",
            request.completed or "",
            request.screened_out or "",
            request.declined or "",
        ),
        notice=check_notice(StudyNotice(**{name: getattr(request, name) or "" for name in NOTICE_FIELDS})),
    )
    if name in studies_newest_first(services):
        raise MapsError(f"A study named {name!r} exists already; choose another name.")
    if name in deleted_studies(services.journal):
        raise MapsError(f"A study named {name!r} was deleted, and links to it may be about; choose another name.")
    return StudyDesign(name, model, describer, plan)


def create_study(services: Services, request: StudyRequest) -> Study:
    """Saves a new study; its items and settings never change.

    A large one is frozen by a process of its own: annotators would notice the seconds that it takes.
    """
    design = check_request(services, request)
    if design.plan.heads >= LARGE_STUDY:
        services.jobs.run_now(create_step(services, design), {}, CREATION_SECONDS)
        return find_study(services, design.name)
    study = candidates.create_study(services.whole_atlas(design.model), design.describer, design.name, design.plan)
    save_study(study, services.data_folder / "studies")
    return study


def create_step(services: Services, design: StudyDesign) -> Step:
    """The command `annotation study create` for this design."""
    folder = services.whole_atlas(design.model).folder.resolve()
    options = design_arguments(folder, design.describer, design.plan)
    data = f"--data={services.data_folder.resolve()}"
    return Step("Creating a study", ("study", "create", f"--name={design.name}", data, *options), program=ANNOTATION)


def parse_whole_number(label: str, value: object, minimum: int, maximum: int = MAX_COUNT) -> int:
    """A whole number in the settings; MapsError for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value // 1:
        raise MapsError(f"{label} is missing or not a whole number.")
    if not minimum <= value <= maximum:
        raise MapsError(f"{label} is {value:,.0f}; it must be from {minimum} to {maximum:,}.")
    return int(value)


def parse_seed(text: str | None) -> int:
    """The seed as typed; one is drawn if the field is empty. MapsError for anything but a whole number."""
    digits = (text or "").strip()
    if not digits:
        return draw_seed()
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= len(str(MAX_SEED))):
        raise MapsError("The seed is not a whole number; leave it empty to have one drawn.")
    return parse_whole_number("The seed", int(digits), 0, MAX_SEED)


def parse_deadline(day: str | None) -> datetime | None:
    """The end of that day in UTC; None if it is empty. MapsError if it is not a day or has passed."""
    text = (day or "").strip()
    if not text:
        return None
    try:
        moment = datetime.combine(datetime.strptime(text, "%Y-%m-%d"), time.max, UTC)
    except ValueError as error:
        raise MapsError("The last day must be written like 2027-01-31.") from error
    if moment < datetime.now(UTC):
        raise MapsError(f"The last day, {moment:%Y-%m-%d}, has passed already; choose a later one.")
    return moment


@dataclass(frozen=True)
class PlanRequest:
    """What an organiser typed to plan a study; the names of the fields are those of `NewStudyTab.plan_fields`."""

    pilot: str | None
    hourly_rate: float | None
    fee: float | None


def plan_new_study(services: Services, study: Study, request: PlanRequest) -> PlannedStudy:
    """What a study would cost and show; MapsError with one sentence for what cannot be used."""
    rate = parse_amount("The pay for an hour", request.hourly_rate or 0) or None
    fee = parse_amount("The fee", request.fee or 0) / 100
    if request.pilot in (None, "", PAPER_CHOICE):
        assumptions = PlanAssumptions(assumptions_of_paper(load_paper()), "the paper's study", rate, fee)
    else:
        pilot = find_study(services, request.pilot)
        seconds = [row.seconds for row in services.journal.current_judgments(pilot.name)]
        model = model_of_pilot(counted_judgments(services, pilot), median(seconds) if seconds else SECONDS_PER_ITEM)
        assumptions = PlanAssumptions(model, f"the study {pilot.name}", rate, fee)
    return plan_study(study, assumptions, PREVIEW_STUDIES)


def parse_amount(label: str, value: object) -> float:
    """A number from 0 in the settings; MapsError for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < MAX_COUNT:
        raise MapsError(f"{label} must be a number from 0 to {MAX_COUNT:,}.")
    return float(value)


class StudyStatus(NamedTuple):
    """The progress of a study, whether it is paused, and why it is over; None while it goes on."""

    study: Study
    progress: StudyProgress
    over_reason: str | None
    is_paused: bool


def study_statuses(services: Services) -> dict[str, StudyStatus]:
    return {name: study_status(services, study) for name, study in studies_newest_first(services).items()}


def study_status(services: Services, study: Study) -> StudyStatus:
    stale_keys, slots = find_stale_item_keys(services.whole_atlases, study), services.journal.slot_holders(study)
    progress = compute_study_progress(study, slots.judged_by, slots.reserved_by, stale_keys)
    answers_hidden_reason(services, study)  # records an end that is due
    journal = services.journal
    return StudyStatus(study, progress, journal.over_reason(study), is_paused(journal, study.name))
