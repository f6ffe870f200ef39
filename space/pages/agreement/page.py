"""How far annotators agree: words first, then the numbers and figures, then files."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import gradio as gr

from annotation.export.files import export_judgments
from annotation.form import QUESTIONS
from annotation.report.paper import tabulate_paper_answers
from annotation.report.paper_file import load_paper
from annotation.study.study import Study
from maps.describers.describer import OFFLINE
from maps.errors import MapsError
from space.components.markup import escape_html, notice
from space.pages.agreement.view import overview, question_summary, question_tables, remaining_sections
from space.services import Services
from space.studies.access import answers_hidden_reason
from space.studies.current import select_study
from space.studies.results import (
    StudyResults,
    find_stale_judgment_ids,
    results_without_evidence,
    study_results,
    visible_judgments,
)
from space.web.browser_storage import organiser_key_state, token_state
from space.web.errors import show_errors
from space.web.sessions import identify_annotator, identify_organiser

FIGURES_PER_QUESTION = 2  # of each question: coefficients, answers beside the paper's
DOWNLOAD_FORMATS = (("csv", "Judgments (CSV)"), ("parquet", "Judgments (Parquet)"))


def build(services: Services, page: gr.Blocks) -> None:
    """Lays out the page and wires its events."""
    token, key = token_state(), organiser_key_state()
    name = gr.Textbox(visible="hidden", elem_id="agreement-study")
    told, plots = [gr.HTML(elem_id="agreement-words")], []
    for question in QUESTIONS:
        told.append(gr.HTML(elem_id=f"agreement-{question.field}"))
        plots += [gr.Plot(visible=False, show_label=False) for _ in range(FIGURES_PER_QUESTION)]
        told.append(gr.HTML())
    told.append(gr.HTML(elem_id="agreement-rest"))
    with gr.Row():
        buttons = [gr.Button(label, min_width=120, elem_id=f"download-{fmt}") for fmt, label in DOWNLOAD_FORMATS]
        report = gr.Button("Agreement (JSON)", min_width=120, elem_id="download-json")
    files = gr.File(label="Your download", visible=False, elem_id="download")

    @show_errors
    def opened(key: object, request: gr.Request) -> list[str]:
        """The numbers of the study in the address, or of the present one, to whom they are open.

        In words and tables; the figures, which are slower, follow.
        """
        study = select_study(services, request.query_params.get("study"))
        if reason := agreement_hidden_reason(services, study, key, request):
            return [study.name, notice(reason), *empty_sections()]
        found = study_results(services, study)
        return [study.name, report_summary(study, found), *report_sections(found)]

    @show_errors
    def drawn(key: object, name: str | None, request: gr.Request) -> list[Any]:
        """The present figures."""
        study = select_study(services, name or None)
        if agreement_hidden_reason(services, study, key, request):
            return [gr.update(visible=False)] * len(plots)
        found = results_without_evidence(services, study)
        return [figure for question in QUESTIONS for figure in question_figures(found, question.field)]

    loaded = page.load(opened, key, [name, *told], api_visibility="private")
    loaded.then(drawn, [key, name], plots, api_visibility="private")
    for (fmt, _), button in zip(DOWNLOAD_FORMATS, buttons, strict=True):
        button.click(judgments_file_handler(services, fmt), [token, name], files, api_visibility="private")
    report.click(report_file_handler(services), [key, name], files, api_visibility="private")


def agreement_hidden_reason(services: Services, study: Study, key: object, request: gr.Request) -> str | None:
    """Why the agreement is not shown to a visitor yet; an organiser sees it at any time."""
    return None if identify_organiser(services, key, request) else answers_hidden_reason(services, study)


def judgments_file_handler(services: Services, fmt: str) -> Any:
    """Makes the file of the judgments that this visitor may see."""

    @show_errors
    def made(signed: object, name: str | None, request: gr.Request) -> Any:
        study = select_study(services, name or None)
        if reason := answers_hidden_reason(services, study):
            raise MapsError(reason)
        rows = visible_judgments(services, study, identify_annotator(services, signed, request))
        if not rows:
            raise gr.Error(
                "Single judgments are shown for items that you have judged yourself; judge some first. Whoever runs "
                "the app exports all of them with `python -m annotation export`.",
                print_exception=False,
            )
        folder, stale = Path(tempfile.mkdtemp(prefix="judgments-")), find_stale_judgment_ids(services, study, rows)
        paths = export_judgments(rows, folder, fmt, settings=study.settings, stale=stale)
        return gr.update(visible=True, value=[str(path) for path in paths])

    return made


def report_file_handler(services: Services) -> Any:
    """Makes the file of the agreement report."""

    @show_errors
    def made(key: object, name: str | None, request: gr.Request) -> Any:
        study = select_study(services, name or None)
        if reason := agreement_hidden_reason(services, study, key, request):
            raise MapsError(reason)
        path = Path(tempfile.mkdtemp(prefix="agreement-")) / "agreement.json"
        whole = study_results(services, study).report.as_json() | {"paper": load_paper().as_json()}
        path.write_text(json.dumps(whole, indent=2, allow_nan=False), encoding="utf-8")
        return gr.update(visible=True, value=[str(path)])

    return made


def report_summary(study: Study, results: StudyResults) -> str:
    """The report in sentences."""
    settings = study.settings
    who = "the offline describer" if settings.describer == OFFLINE else settings.describer or "nobody"
    start = f"<h1>Agreement</h1><p>Judgments of the descriptions of {escape_html(settings.model)} by {escape_html(who)}.</p>"
    if not results.report.judgments:
        return start + notice("Nobody has judged a description yet. The page Annotate is where it starts.")
    return start + overview(results.report)


def empty_sections() -> list[str]:
    """Below the overview, where there is nothing to show."""
    return [""] * (2 * len(QUESTIONS) + 1)


def report_sections(results: StudyResults) -> list[str]:
    """What stands below the overview: each question's words and tables, then the rest."""
    if not results.report.judgments:
        return empty_sections()
    paper = load_paper()
    shown = []
    for question in QUESTIONS:
        shown += [question_summary(results.report, question, paper), question_tables(results.report, question)]
    return [*shown, remaining_sections(results.report, paper)]


def question_figures(results: StudyResults, field: str) -> list[Any]:
    """A question's coefficients with their intervals, and its answers beside the paper's; none without judgments."""
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
