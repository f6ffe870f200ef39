"""The questions of the Human Evaluation Datasheet 3.0 as data: number, kind, and id in the official form.

A file made of them opens in the form at nlp-heds.github.io. The words are this project's own and short; the form has
the full ones. Belz and Thomson, HEDS 3.0 (2024), arXiv 2412.07940.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

PREFIX = "heds-"
CRITERIA = f"{PREFIX}criteria-criterion"  # section 4 is answered once for each criterion
Kind = Literal["text", "integer", "radio", "checks"]


@dataclass(frozen=True)
class HedsQuestion:
    """One question; a radio or check group has `options` choices, counted from 1."""

    number: str
    element: str
    kind: Kind
    words: str
    options: int = 0

    @property
    def is_of_criterion(self) -> bool:
        return self.number.startswith("4.")


@dataclass(frozen=True)
class HedsAnswer:
    """The answer to one question: a text, or the chosen options with a text where the form asks for one."""

    text: str = ""
    options: tuple[int, ...] = field(default=())


_SAMPLE, _EVALUATORS, _DESIGN = (
    f"sample_evaluators_design-{name}" for name in ("sample", "evaluators", "experimental_design")
)
_PERSONS = "paper_and_resources-names_and_affiliations"
_ELICITATION, _MODE = "criteria-criterion-response_elicitation", "criteria-criterion-evaluation_mode"
QUESTIONS = (
    HedsQuestion("1.1.1", "paper_and_resources-paper-link", "radio", "Link to the report", 4),
    HedsQuestion("1.1.2", "paper_and_resources-paper-experiment_identification", "text", "Which experiment"),
    HedsQuestion("1.2", "paper_and_resources-resources-links", "radio", "Link to the resources", 2),
    HedsQuestion("1.3.1.1", f"{_PERSONS}-person_completing_this_sheet-name", "text", "Who fills this in: name"),
    HedsQuestion("1.3.1.2", f"{_PERSONS}-person_completing_this_sheet-affiliation", "text", "Affiliation"),
    HedsQuestion("1.3.1.3", f"{_PERSONS}-person_completing_this_sheet-email", "text", "Email"),
    HedsQuestion("1.3.2.1", f"{_PERSONS}-contact_author-name", "text", "Contact author: name"),
    HedsQuestion("1.3.2.2", f"{_PERSONS}-contact_author-affiliation", "text", "Affiliation"),
    HedsQuestion("1.3.2.3", f"{_PERSONS}-contact_author-email", "text", "Email"),
    HedsQuestion("2.1", "system-input_types", "checks", "What the systems take", 15),
    HedsQuestion("2.2", "system-output_types", "checks", "What the systems give", 14),
    HedsQuestion("2.3", "system-tasks", "checks", "Task of the systems", 20),
    HedsQuestion("2.4", "system-input_languages", "checks", "Languages of the input", 185),
    HedsQuestion("2.5", "system-output_languages", "checks", "Languages of the output", 185),
    HedsQuestion("3.1.1", f"{_SAMPLE}-number_of_system_outputs", "text", "Number of outputs judged"),
    HedsQuestion("3.1.2", f"{_SAMPLE}-system_output_selection", "radio", "How they were selected", 6),
    HedsQuestion("3.1.3.1", f"{_SAMPLE}-statistical_power-method", "text", "Power analysis: method"),
    HedsQuestion("3.1.3.2", f"{_SAMPLE}-statistical_power-value", "text", "Power analysis: value"),
    HedsQuestion("3.1.3.3", f"{_SAMPLE}-statistical_power-script", "text", "Power analysis: code"),
    HedsQuestion("3.2.1", f"{_EVALUATORS}-number_of_evaluators", "integer", "Number of evaluators"),
    HedsQuestion("3.2.2.1", f"{_EVALUATORS}-evaluators-expertise", "radio", "Are they experts", 3),
    HedsQuestion("3.2.2.2", f"{_EVALUATORS}-evaluators-payment", "radio", "Are they paid", 4),
    HedsQuestion("3.2.2.3", f"{_EVALUATORS}-evaluators-known_to_authors", "radio", "Are they known to the authors", 3),
    HedsQuestion("3.2.2.4", f"{_EVALUATORS}-evaluators-are_authors", "radio", "Are they authors", 3),
    HedsQuestion("3.2.3", f"{_EVALUATORS}-recruitment_method", "text", "How they were recruited"),
    HedsQuestion("3.2.4", f"{_EVALUATORS}-training_practice", "text", "Training and practice"),
    HedsQuestion("3.2.5", f"{_EVALUATORS}-characteristics", "text", "Other characteristics"),
    HedsQuestion("3.3.1", f"{_DESIGN}-preregistered", "radio", "Preregistered", 2),
    HedsQuestion("3.3.2", f"{_DESIGN}-collection_method", "text", "How answers were collected"),
    HedsQuestion("3.3.3.1", f"{_DESIGN}-quality_assurance-method", "checks", "Quality assurance", 7),
    HedsQuestion("3.3.3.2", f"{_DESIGN}-quality_assurance-description", "text", "Quality assurance: how"),
    HedsQuestion("3.3.4.1", f"{_DESIGN}-what_evaluators_see-link", "text", "Link to the form"),
    HedsQuestion("3.3.4.2", f"{_DESIGN}-what_evaluators_see-description", "text", "What evaluators see"),
    HedsQuestion("3.3.5", f"{_DESIGN}-evaluator_freedom", "checks", "Limits of time and place", 5),
    HedsQuestion("3.3.6", f"{_DESIGN}-evaluators_can_ask_questions", "checks", "Can they ask questions", 5),
    HedsQuestion("3.3.7", f"{_DESIGN}-experimental_conditions", "radio", "Where they judge", 8),
    HedsQuestion("3.3.8", f"{_DESIGN}-evaluators_place_of_choosing", "text", "How conditions vary"),
    HedsQuestion("4.1.1", "criteria-criterion-criteria-quality_type", "radio", "Type of quality", 3),
    HedsQuestion("4.1.2", "criteria-criterion-criteria-output_aspect", "radio", "Aspect of the output", 3),
    HedsQuestion("4.1.3", "criteria-criterion-criteria-self_vs_external_frame", "radio", "Frame of reference", 3),
    HedsQuestion("4.2.1", f"{_MODE}-objective_or_subjective", "radio", "Objective or subjective", 2),
    HedsQuestion("4.2.2", f"{_MODE}-absolute_or_relative", "radio", "Absolute or relative", 2),
    HedsQuestion("4.2.3", f"{_MODE}-intrinsic_or_extrinsic", "radio", "Intrinsic or extrinsic", 2),
    HedsQuestion("4.3.1.1", f"{_ELICITATION}-qc_name-participant_criterion_name", "text", "Name shown to evaluators"),
    HedsQuestion("4.3.1.2", f"{_ELICITATION}-qc_name-mapped_criterion_name", "text", "Standardised name"),
    HedsQuestion("4.3.2", f"{_ELICITATION}-participant_criterion_definiiton", "text", "Definition shown"),  # so spelt
    HedsQuestion("4.3.3", f"{_ELICITATION}-size_of_scale", "text", "Size of the scale"),
    HedsQuestion("4.3.4", f"{_ELICITATION}-list_or_range", "text", "Values of the scale"),
    HedsQuestion("4.3.5", f"{_ELICITATION}-scale_presented_as", "radio", "How the scale is shown", 5),
    HedsQuestion("4.3.6", f"{_ELICITATION}-task_description", "text", "Task without a scale"),
    HedsQuestion("4.3.7", f"{_ELICITATION}-verbatim_question", "text", "Question, word for word"),
    HedsQuestion("4.3.8", f"{_ELICITATION}-form_of_response", "radio", "Form of the response", 11),
    HedsQuestion("4.3.9", f"{_ELICITATION}-response_aggregation", "text", "How answers are aggregated"),
    HedsQuestion("4.3.10", f"{_ELICITATION}-effect_size_method", "text", "Effect size and significance"),
    HedsQuestion("4.3.11.1", f"{_ELICITATION}-inter_annotator-agreement", "text", "Agreement between evaluators: how"),
    HedsQuestion("4.3.11.2", f"{_ELICITATION}-inter_annotator-agreement_score", "text", "Agreement: values"),
    HedsQuestion("4.3.12.1", f"{_ELICITATION}-intra_annotator-intra_annotator_agreement", "text", "One evaluator: how"),
    HedsQuestion(
        "4.3.12.2", f"{_ELICITATION}-intra_annotator-intra_annotator_agreement_score", "text", "One evaluator: values"
    ),
    HedsQuestion("5.1", "ethics-review_body", "text", "Ethics committee"),
    HedsQuestion("5.2", "ethics-personal_data", "radio", "Personal data", 2),
    HedsQuestion("5.3", "ethics-special_category_data", "radio", "Special categories of data", 2),
    HedsQuestion("5.4", "ethics-impact_assessments", "text", "Impact assessments"),
)
Answers = dict[str, HedsAnswer]  # by question number


def heds_json(answers: Answers, criteria: dict[str, Answers]) -> dict[str, Any]:
    """The file that the form loads. `criteria` has the answers to section 4 by criterion."""
    whole: dict[str, Any] = {}
    for question in QUESTIONS:
        if question.is_of_criterion:
            by_criterion = {name: given.get(question.number, HedsAnswer()) for name, given in criteria.items()}
        else:
            by_criterion = {"": answers.get(question.number, HedsAnswer())}
        whole |= _elements(question, by_criterion)
    first = next(iter(criteria), None)
    control = {name: name == first for name in criteria}
    return whole | {CRITERIA: {"data": {}, "control": control, "number": "4"}}


def _elements(question: HedsQuestion, answers: dict[str, HedsAnswer]) -> dict[str, Any]:
    """The entries of one question: one for a text; one for each option and one for their text."""
    identifier, base = f"{PREFIX}{question.element}", {"control": {}, "number": question.number}
    if not question.options:
        return {identifier: base | {"data": {name: answer.text for name, answer in answers.items()}}}
    elements: dict[str, Any] = {
        f"{identifier}-other_text": base | {"data": {name: answer.text for name, answer in answers.items()}}
    }
    for option in range(1, question.options + 1):
        chosen = {name: option in answer.options for name, answer in answers.items()}
        text = {name: str(option) if is_chosen else "" for name, is_chosen in chosen.items()}
        elements[f"{identifier}-{option}"] = base | {"data": chosen, "text": text}
    return elements


def is_open(answer: HedsAnswer | None) -> bool:
    """Whether a question is not answered yet."""
    return answer is None or not (answer.text.strip() or answer.options)


def open_numbers(answers: Answers, criteria: dict[str, Answers]) -> list[str]:
    """The numbers of the questions that are left to people."""
    return [
        question.number
        for question in QUESTIONS
        if (
            any(is_open(given.get(question.number)) for given in criteria.values())
            if question.is_of_criterion
            else is_open(answers.get(question.number))
        )
    ]
