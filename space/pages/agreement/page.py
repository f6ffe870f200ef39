"""How far annotators agree: words first, then the numbers and figures, then files."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import gradio as gr

from annotation.export.files import export
from annotation.form import QUESTIONS
from annotation.report.paper import published_answers
from annotation.report.paper_file import published
from annotation.study.study import Study
from maps.describers.describer import OFFLINE
from maps.errors import MapsError
from space.components.markup import notice, text
from space.pages.agreement.view import overview, question_tables, question_words, rest
from space.services import Services
from space.studies.access import closed
from space.studies.current import chosen
from space.studies.results import Results, numbers, open_to, results, stale_rows
from space.web.browser_storage import browser_organiser, browser_token
from space.web.errors import spoken
from space.web.sessions import annotator, organiser

FIGURES = 2  # of each question: coefficients, answers beside the paper's
FILES = (("csv", "Judgments (CSV)"), ("parquet", "Judgments (Parquet)"))


def build(services: Services, page: gr.Blocks) -> None:
    """Lays out the page and wires its events."""
    token, key = browser_token(), browser_organiser()
    name = gr.Textbox(visible="hidden", elem_id="agreement-study")
    told, plots = [gr.HTML(elem_id="agreement-words")], []
    for question in QUESTIONS:
        told.append(gr.HTML(elem_id=f"agreement-{question.field}"))
        plots += [gr.Plot(visible=False, show_label=False) for _ in range(FIGURES)]
        told.append(gr.HTML())
    told.append(gr.HTML(elem_id="agreement-rest"))
    with gr.Row():
        buttons = [gr.Button(label, min_width=120, elem_id=f"download-{fmt}") for fmt, label in FILES]
        report = gr.Button("Agreement (JSON)", min_width=120, elem_id="download-json")
    files = gr.File(label="Your download", visible=False, elem_id="download")

    @spoken
    def opened(key: object, request: gr.Request) -> list[str]:
        """The numbers of the study in the address, or of the present one, to whom they are open.

        In words and tables; the figures, which are slower, follow.
        """
        study = chosen(services, request.query_params.get("study"))
        if reason := kept_from(services, study, key, request):
            return [study.name, notice(reason), *nothing()]
        found = results(services, study)
        return [study.name, in_words(study, found), *parts(found)]

    @spoken
    def drawn(key: object, name: str | None, request: gr.Request) -> list[Any]:
        """The present figures."""
        study = chosen(services, name or None)
        if kept_from(services, study, key, request):
            return [gr.update(visible=False)] * len(plots)
        found = numbers(services, study)
        return [figure for question in QUESTIONS for figure in figures(found, question.field)]

    loaded = page.load(opened, key, [name, *told], api_visibility="private")
    loaded.then(drawn, [key, name], plots, api_visibility="private")
    for (fmt, _), button in zip(FILES, buttons, strict=True):
        button.click(judgments_file(services, fmt), [token, name], files, api_visibility="private")
    report.click(report_file(services), [key, name], files, api_visibility="private")


def kept_from(services: Services, study: Study, key: object, request: gr.Request) -> str | None:
    """Why the agreement is not shown to a visitor yet; an organiser sees it at any time."""
    return None if organiser(services, key, request) else closed(services, study)


def judgments_file(services: Services, fmt: str) -> Any:
    """Makes the file of the judgments that this visitor may see."""

    @spoken
    def made(signed: object, name: str | None, request: gr.Request) -> Any:
        study = chosen(services, name or None)
        if reason := closed(services, study):
            raise MapsError(reason)
        rows = open_to(services, study, annotator(services, signed, request))
        if not rows:
            raise gr.Error(
                "Single judgments are shown for items that you have judged yourself; judge some first. Whoever runs "
                "the app exports all of them with `python -m annotation export`.",
                print_exception=False,
            )
        folder, stale = Path(tempfile.mkdtemp(prefix="judgments-")), stale_rows(services, study, rows)
        paths = export(rows, folder, fmt, settings=study.settings, stale=stale)
        return gr.update(visible=True, value=[str(path) for path in paths])

    return made


def report_file(services: Services) -> Any:
    """Makes the file of the agreement report."""

    @spoken
    def made(key: object, name: str | None, request: gr.Request) -> Any:
        study = chosen(services, name or None)
        if reason := kept_from(services, study, key, request):
            raise MapsError(reason)
        path = Path(tempfile.mkdtemp(prefix="agreement-")) / "agreement.json"
        whole = results(services, study).report.as_json() | {"paper": published().as_json()}
        path.write_text(json.dumps(whole, indent=2, allow_nan=False), encoding="utf-8")
        return gr.update(visible=True, value=[str(path)])

    return made


def in_words(study: Study, found: Results) -> str:
    """The report in sentences."""
    settings = study.settings
    who = "the offline describer" if settings.describer == OFFLINE else settings.describer or "nobody"
    start = f"<h1>Agreement</h1><p>Judgments of the descriptions of {text(settings.model)} by {text(who)}.</p>"
    if not found.report.judgments:
        return start + notice("Nobody has judged a description yet. The page Annotate is where it starts.")
    return start + overview(found.report)


def nothing() -> list[str]:
    """Below the overview, where there is nothing to show."""
    return [""] * (2 * len(QUESTIONS) + 1)


def parts(found: Results) -> list[str]:
    """What stands below the overview: each question's words and tables, then the rest."""
    if not found.report.judgments:
        return nothing()
    paper = published()
    shown = []
    for question in QUESTIONS:
        shown += [question_words(found.report, question, paper), question_tables(found.report, question)]
    return [*shown, rest(found.report, paper)]


def figures(found: Results, field: str) -> list[Any]:
    """A question's coefficients with their intervals, and its answers beside the paper's; none without judgments."""
    if not found.report.judgments:
        return [gr.update(visible=False)] * FIGURES
    from annotation.report.figures import (  # imported here: the figure library is slow to load
        beside_paper,
        coefficients,
    )

    charts = coefficients(found.report, field), beside_paper(found.answers, published_answers(published()), field)
    return [gr.update(visible=True, value=chart) for chart in charts]
