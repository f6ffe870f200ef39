"""What a planned study is, needs, costs and can show, as sentences and a table for the command and the page."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import ceil
from typing import Any

from annotation.report.paper import Paper
from annotation.report.phrases import COEFFICIENT_NAMES, number_words
from annotation.report.sections import RATE_WORDS
from annotation.statistics.planning import (
    ASSUMED_AGREEMENT,
    SIMULATED_STUDIES,
    AnswerModel,
    Expectation,
    StudyForecast,
    answer_shares,
    forecast_study,
)
from annotation.study.panel import PanelSettings
from annotation.study.study import Study, StudySettings
from annotation.study.workload import StudySize, is_enough, sizes_for, study_size
from maps.text import join_words, pluralize

SECONDS_PER_ITEM = 45
TABLE_HEADER = ("What the study will report", "Expected", "95 % interval", "Width")
ENOUGH_POWER = 0.8


@dataclass(frozen=True)
class PlanAssumptions:
    """What is assumed of annotators, and where from; what an hour costs, and the fees on it as a share of the pay."""

    model: AnswerModel
    source: str
    hourly_rate: float | None = None
    fee_share: float = 0.0


@dataclass(frozen=True)
class PlannedStudy:
    """A study with its size, the number of people who are planned for, and what it is expected to report."""

    study: Study
    size: StudySize
    annotators: int | None
    assumptions: PlanAssumptions
    forecast: StudyForecast

    @property
    def hours(self) -> float | None:
        """Hours of work of all people together, practice included; None if the study cannot be completed."""
        if self.annotators is None:
            return None
        return self.size.total_answers(self.annotators) * self.assumptions.model.seconds / 3600

    @property
    def cost(self) -> float | None:
        """Pay and fees; None without an hourly rate."""
        if self.hours is None or self.assumptions.hourly_rate is None:
            return None
        return self.hours * self.assumptions.hourly_rate * (1 + self.assumptions.fee_share)

    def as_json(self) -> dict[str, Any]:
        """The object of `study plan --json`."""
        assumptions = self.assumptions
        return {
            "size": asdict(self.size) | {"minimum_annotators": self.size.minimum_annotators},
            "annotators": self.annotators,
            "hours": self.hours,
            "cost": self.cost,
            "assumptions": {
                "source": assumptions.source,
                "agreement": assumptions.model.agreement,
                "seconds": assumptions.model.seconds,
                "hourly_rate": assumptions.hourly_rate,
                "fee_share": assumptions.fee_share,
            },
            "rates": {name: asdict(each) for name, each in self.forecast.rates.items()},
            "coefficients": {name: asdict(each) for name, each in self.forecast.coefficients.items()},
            "power": [{"controls_accepted": share, "power": power} for share, power in self.forecast.power.items()],
        }


def assumptions_of_paper(
    paper: Paper, agreement: float = ASSUMED_AGREEMENT, seconds: float = SECONDS_PER_ITEM
) -> AnswerModel:
    """The paper's answers. It joins two answers to question two, which no headline rate tells apart."""
    precision = {name: count for name, count in paper.answers["precision"].items() if name != "inaccurate_or_partial"}
    precision["inaccurate"] = paper.answers["precision"]["inaccurate_or_partial"]
    return AnswerModel(answer_shares(paper.answers["presence"], precision), agreement, seconds)


def plan_study(study: Study, assumptions: PlanAssumptions, studies: int = SIMULATED_STUDIES) -> PlannedStudy:
    """Simulates the study so many times, with as many people as it names, else with as few as it needs."""
    size = study_size(study)
    minimum = size.minimum_annotators
    annotators = None if minimum is None else max(minimum, study.settings.annotators or 0)
    counts = [(annotators or 1) if item.item_kind == "overlap" else size.per_item for item in study.true_items]
    forecast = forecast_study(assumptions.model, counts, [size.per_item] * size.controls, studies)
    return PlannedStudy(study, size, annotators, assumptions, forecast)


def summary_sentences(study: Study, seconds: float = SECONDS_PER_ITEM) -> list[str]:
    """What a study contains, how much work it is, and how many people it needs."""
    settings, size = study.settings, study_size(study)
    judgments = size.items * size.per_item
    wanted = f"Judgments wanted: {judgments:,} ({size.per_item} of each of {size.items:,} items)"
    if size.overlap:
        wanted += f", and {size.overlap:,} more from each annotator (the overlap)"
    operations = "operations of " if settings.per_operation else ""
    return [
        f"{len(study.order):,} items: {operations}{settings.heads:,} heads of {settings.model}, described by "
        f"{settings.describer}, "
        f"and {settings.swapped + settings.shuffled:,} controls ({settings.swapped:,} swapped, "
        f"{settings.shuffled:,} shuffled).",
        f"{wanted}.",
        work_sentence(size, settings.annotators, seconds),
        *annotators_sentences(size, settings.annotators),
        *recruitment_sentences(settings),
        descriptions_sentence(settings),
        end_sentence(settings),
    ]


def work_sentence(size: StudySize, invited: int | None, seconds: float) -> str:
    """How long the work takes, in all and for each person."""
    minimum = size.minimum_annotators
    people = max(minimum or 1, invited or 0)
    answers = size.total_answers(people)
    each = hours_words(answers * seconds / people / 3600)
    total = hours_words(answers * seconds / 3600)
    rate = f"at {seconds:.0f} seconds per item"
    if size.practice:
        rate += f", the {pluralize(size.practice, 'practice item')} included"
    if people == 1:
        return f"Work: {total}, {rate}."
    return f"Work: {each} for each of {people:,} annotators, {total} in all, {rate}."


def hours_words(hours: float) -> str:
    """`about 25 minutes`, `about 3 h 25 min`; rounded up to minutes."""
    minutes = max(1, ceil(round(hours * 60, 6)))
    if minutes < 60:
        return f"about {pluralize(minutes, 'minute')}"
    return f"about {minutes // 60:,} h {minutes % 60:02d} min"


def annotators_sentences(size: StudySize, invited: int | None) -> list[str]:
    """How many people a study needs, why, and what to change so that those who are invited are enough."""
    minimum = size.minimum_annotators
    if minimum is None:
        return ["With this limit per person it cannot be completed, however many annotators there are."]
    few = f", but only {invited:,} are invited" if invited is not None and invited < minimum else ""
    sentences = [f"It needs at least {pluralize(minimum, 'annotator')}{few}{_reason_words(size)}."]
    wanted = invited if few else size.per_item if minimum > size.per_item else None
    if wanted and (ways := _change_words(size, wanted)):
        sentences.append(f"To do with {wanted:,}: {join_words(ways, 'or')}.")
    return sentences


def _reason_words(size: StudySize) -> str:
    """Why a study needs more people than judgments of an item, as the end of a sentence; else nothing."""
    if is_enough(size, size.per_item):
        return ""
    work = f"one person can judge at most {size.items_per_person:,} of {size.items:,} items"
    if size.per_annotator is not None and size.items_per_person < size.subjects:
        return f", because {work} besides the overlap"
    twice = size.items - size.subjects
    return (
        f", because {work}: {twice:,} of the controls are of heads that the study asks about, too, and nobody judges "
        "two items of one head"
    )


def _change_words(size: StudySize, annotators: int) -> list[str]:
    words = []
    for name, other in sizes_for(size, annotators).items():
        if name == "items":
            words.append(f"take {size.items - other.items:,} fewer heads")
        elif name == "controls":
            words.append("take no controls")
        elif name == "per_item":
            words.append(f"ask for {pluralize(other.per_item, 'judgment')} of each item")
        elif other.per_annotator is not None:
            words.append(f"let one person judge {other.per_annotator:,} items")
    return words


def descriptions_sentence(settings: StudySettings) -> str:
    """Whether the explorer shows the descriptions of the study's heads while it goes on."""
    if settings.hides_descriptions:
        return "Until it is over, the explorer hides the descriptions of its heads and controls from visitors."
    return "The explorer goes on showing the descriptions of its heads: who looks one up can tell controls."


def recruitment_words(settings: StudySettings) -> str:
    """How people came to a study, after the word "by"."""
    other = "invitation" if settings.invited_only else "the address of the study"
    if not settings.panel.parameter:
        return other
    return f"{f'the panel {settings.panel.name}' if settings.panel.name else 'a panel'} or by {other}"


def recruitment_sentences(settings: StudySettings) -> list[str]:
    """Who takes part, where that is limited."""
    sentences = []
    if settings.panel.parameter or settings.invited_only:
        sentences.append(f"People come by {recruitment_words(settings)}.")
    sentences += stranded_sentences(settings.panel)
    if settings.practice_pass:
        items = pluralize(settings.practice_pass, "practice item")
        sentences.append(f"Whoever answers fewer than {items} right is given no item.")
    return sentences


def stranded_sentences(panel: PanelSettings) -> list[str]:
    """Who of a panel's people is told nothing that they can take back to it."""
    if not panel.parameter:
        return []
    sentences = [] if panel.completed else ["Whoever is done gets no code or address to take back to the panel."]
    who = {"screened_out": "fails the practice or finds nothing left", "declined": "does not agree"}
    stranded = [words for outcome, words in who.items() if not getattr(panel, outcome)]
    if stranded:
        sentences.append(f"Whoever {join_words(stranded, 'or')} gets no code, and is asked to return the study.")
    return sentences


def end_sentence(settings: StudySettings) -> str:
    """When a study is over, so that its answers are shown."""
    deadline = [] if settings.deadline is None else [f"after {settings.deadline:%Y-%m-%d}"]
    if settings.overlap and settings.annotators is None:
        return (
            f"It is over {join_words(['when you close it', *deadline], 'or')}. To end by itself, it needs the number "
            "of invited annotators, because everybody judges the overlap."
        )
    overlap = f" and {settings.annotators:,} annotators have judged the whole overlap" if settings.overlap else ""
    ends = [f"when every item has its judgments{overlap}", "when you close it", *deadline]
    return f"It is over {join_words(ends, 'or')}."


def plan_sentences(plan: PlannedStudy) -> list[str]:
    """What the study can show and what it costs; `expectation_rows` has the numbers."""
    model = plan.assumptions.model
    sentences = [
        f"Assumed: answers as in {plan.assumptions.source}, Krippendorff's alpha {number_words(model.agreement)} on "
        f"question one, {model.seconds:.0f} seconds per item. The intervals are those of simulated studies.",
    ]
    if plan.cost is not None:
        fees = f", with fees of {100 * plan.assumptions.fee_share:.0f} %" if plan.assumptions.fee_share else ""
        sentences.append(f"Pay: {plan.cost:,.2f} in all at {plan.assumptions.hourly_rate:,.2f} an hour{fees}.")
    return [*sentences, *power_sentences(plan)]


def power_sentences(plan: PlannedStudy) -> list[str]:
    """How surely the report tells the acceptance of true items from that of controls."""
    power, settings = plan.forecast.power, plan.study.settings
    accepted = plan.assumptions.model.rate("recognised")
    if not settings.swapped + settings.shuffled:
        return ["Without controls the study cannot tell acceptance from chance."]
    if not power:
        return [f"So few true items are accepted ({100 * accepted:.0f} %) that no control would differ."]
    chances = [f"{100 * value:.0f} % if {100 * share:.0f} % of controls are accepted" for share, value in power.items()]
    sentences = [
        f"Of true items {100 * accepted:.0f} % are expected to be accepted (a pattern is visible and is described). "
        f"The chance that the report tells them from controls: {'; '.join(chances)}."
    ]
    if power.get(0.1, 1.0) < ENOUGH_POWER:
        sentences.append("That is little: take more controls, or more judgments of each item.")
    return sentences


def expectation_rows(plan: PlannedStudy) -> list[tuple[str, str, str, str]]:
    """The lines under `TABLE_HEADER`: the four headline rates in per cent, and two coefficients of question one."""
    rows = [_expectation_row(RATE_WORDS[name], each, 100, 0) for name, each in plan.forecast.rates.items()]
    for name, each in plan.forecast.coefficients.items():
        rows.append(_expectation_row(f"{COEFFICIENT_NAMES[name]} of question one", each, 1, 2))
    return rows


def _expectation_row(name: str, each: Expectation, scale: int, decimals: int) -> tuple[str, str, str, str]:
    unit = " %" if scale == 100 else ""
    value = f"{scale * each.value:.{decimals}f}{unit}"
    if each.low is None or each.high is None:
        return name, value, "none: no item has two answers", ""
    interval = f"{scale * each.low:.{decimals}f} to {scale * each.high:.{decimals}f}{unit}"
    return name, value, interval, f"{scale * (each.high - each.low):.{decimals}f}{unit}"
