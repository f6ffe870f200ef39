"""How far annotators agree: in words first, then numbers and figures, then files to download."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gradio as gr

from annotation.export.files import export_judgments
from annotation.form import QUESTIONS
from annotation.report.paper import tabulate_paper_answers
from annotation.report.paper_file import load_paper
from annotation.study.study import DEFAULT_STUDY, Study
from maps.errors import MapsError
from space.components.markup import Html, anchor, author_words, notice
from space.pages.agreement.view import judges_section, overview, question_summary, question_tables, remaining_sections
from space.services import Services
from space.studies.computation import StudyResults
from space.studies.current import all_studies, answers_hidden_reason, select_study
from space.studies.results import (
    find_stale_judgment_ids,
    heads_hidden_by_others,
    judge_reports,
    results_without_evidence,
    study_results,
    visible_judgments,
)
from space.web.browser_storage import organiser_token_state, token_state
from space.web.downloads import one_time_link
from space.web.errors import for_visitors
from space.web.sessions import identify_annotator, identify_organiser

FIGURES_PER_QUESTION = 2  # coefficients; answers compared with the paper's
BEING_COUNTED = "Newer answers are being counted. Reload the page in a few seconds to see them here."
JUDGMENTS_LEFT_OUT = "Without judgments of the heads whose descriptions are hidden while another study goes on."
DOWNLOAD_FORMATS = (("csv", "Judgments (CSV)"), ("parquet", "Judgments (Parquet)"))


def build(services: Services, page: gr.Blocks) -> None:
    token, key = token_state(), organiser_token_state()
    name = gr.Textbox(visible="hidden", elem_id="agreement-study")
    sections, plots = [gr.HTML(elem_id="agreement-words")], []
    for question in QUESTIONS:
        sections.append(gr.HTML(elem_id=f"agreement-{question.field}"))
        plots += [gr.Plot(visible=False, show_label=False) for _ in range(FIGURES_PER_QUESTION)]
        sections.append(gr.HTML())
    sections.append(gr.HTML(elem_id="agreement-rest"))
    with gr.Row():
        buttons = [gr.Button(label, min_width=120, elem_id=f"download-{fmt}") for fmt, label in DOWNLOAD_FORMATS]
        report = gr.Button("Agreement (JSON)", min_width=120, elem_id="download-json")
    download = gr.HTML(elem_id="download")

    @for_visitors
    def load_sections(key: object, request: gr.Request) -> list[str]:
        """The results of the study in the address, or of the current one, in words and tables. Figures follow later."""
        study = select_study(services, request.query_params.get("study"))
        picker = study_picker(services, study, identify_organiser(services, key, request) is not None)
        if reason := agreement_hidden_reason(services, study, key, request):
            return [study.name, picker + notice(reason), *empty_sections()]
        results = study_results(services, study)
        sections = report_sections(results)
        if results.report.judgments:
            judges, evidence = judge_reports(services, study), results.report.evidence or ()
            sections[-1] += judges_section(judges, len(study.true_items), evidence)
        return [study.name, picker + report_summary(study, results), *sections]

    @for_visitors
    def load_figures(key: object, name: str | None, request: gr.Request) -> list[Any]:
        study = select_study(services, name or None)
        if agreement_hidden_reason(services, study, key, request):
            return [gr.update(visible=False)] * len(plots)
        results = results_without_evidence(services, study)
        return [figure for question in QUESTIONS for figure in question_figures(results, question.field)]

    loaded = page.load(load_sections, key, [name, *sections], api_visibility="private")
    loaded.then(load_figures, [key, name], plots, api_visibility="private")
    for (fmt, _), button in zip(DOWNLOAD_FORMATS, buttons, strict=True):
        button.click(judgments_file_handler(services, fmt), [token, name], download, api_visibility="private")
    report.click(report_file_handler(services), [key, name], download, api_visibility="private")


def agreement_hidden_reason(services: Services, study: Study, key: object, request: gr.Request) -> str | None:
    """Why a visitor may not see the agreement yet; None if they may. Organisers may always see it."""
    return None if identify_organiser(services, key, request) else answers_hidden_reason(services, study)


def judgments_file_handler(services: Services, fmt: str) -> Any:
    """A handler that writes the judgments that this visitor may see to a file."""

    @for_visitors
    def write_file(signed: object, name: str | None, request: gr.Request) -> Any:
        study = select_study(services, name or None)
        if reason := answers_hidden_reason(services, study):
            raise MapsError(reason)
        rows = visible_judgments(services, study, identify_annotator(services, signed, request))
        if not rows:
            raise MapsError("You can download the judgments of items that you have judged yourself. Judge some first.")
        stale = find_stale_judgment_ids(services.whole_atlases, study, rows)

        def write(folder: Path) -> Path:
            return export_judgments(rows, folder, fmt, settings=study.settings, stale=stale)[0]

        left_out = notice(JUDGMENTS_LEFT_OUT) if heads_hidden_by_others(services, study) else Html("")
        return one_time_link(services, write) + left_out

    return write_file


def report_file_handler(services: Services) -> Any:
    @for_visitors
    def write_file(key: object, name: str | None, request: gr.Request) -> Any:
        study = select_study(services, name or None)
        if reason := agreement_hidden_reason(services, study, key, request):
            raise MapsError(reason)
        whole = study_results(services, study).report.as_json() | {"paper": load_paper().as_json()}

        def write(folder: Path) -> Path:
            path = folder / "agreement.json"
            path.write_text(json.dumps(whole, indent=2, allow_nan=False), encoding="utf-8")
            return path

        return one_time_link(services, write)

    return write_file


def study_picker(services: Services, study: Study, is_organiser: bool) -> Html:
    """The heading with the study's name, and links to the other studies whose answers this visitor may see."""
    names = [
        name
        for name, each in all_studies(services).items()
        if name == DEFAULT_STUDY or is_organiser or answers_hidden_reason(services, each) is None
    ]
    others = [anchor(f"agreement?study={name}", study_title(name)) for name in names if name != study.name]
    links = Html('<p class="hint">Other studies: {}</p>').format(Html(" · ").join(others)) if others else Html("")
    return Html("<h1>Agreement <small>{}</small></h1>{}").format(study_title(study.name), links)


def study_title(name: str) -> str:
    return "open mode" if name == DEFAULT_STUDY else f"study {name}"


def report_summary(study: Study, results: StudyResults) -> Html:
    """Whose descriptions were judged, and the report in sentences."""
    settings = study.settings
    author = f", written by {author_words(settings.describer)}" if settings.describer else ""
    start = Html("<p>Human judgments of the descriptions of {}{}.</p>").format(settings.model, author)
    if not results.report.judgments:
        return start + notice("Nobody has judged a description yet. You can be the first, on the page Annotate.")
    newer = Html("") if results.is_current else notice(BEING_COUNTED)
    return start + newer + overview(results.report)


def empty_sections() -> list[str]:
    return [""] * (2 * len(QUESTIONS) + 1)


def report_sections(results: StudyResults) -> list[str]:
    """The sections below the overview: a summary and tables for each question, then the rest."""
    if not results.report.judgments:
        return empty_sections()
    paper = load_paper()
    sections: list[str] = []
    for question in QUESTIONS:
        sections += [question_summary(results.report, question, paper), question_tables(results.report, question)]
    return [*sections, remaining_sections(results.report, paper)]


def question_figures(results: StudyResults, field: str) -> list[Any]:
    """A question's coefficients with intervals, and its answers compared with the paper's; hidden without judgments."""
    if not results.report.judgments:
        return [gr.update(visible=False)] * FIGURES_PER_QUESTION
    from annotation.report.figures import (  # imported here: the figure library is slow to load
        build_answers_figure,
        build_coefficients_figure,
    )

    charts = (
        build_coefficients_figure(results.report, field),
        build_answers_figure(results.answer_counts, tabulate_paper_answers(load_paper()), field),
    )
    return [gr.update(visible=True, value=chart) for chart in charts]
