"""How far annotators agree: words first, then the numbers and figures, then files."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import gradio as gr

from annotation.agreement import Estimate, PairEstimate
from annotation.dataset import export
from annotation.form import QUESTIONS
from annotation.study import Study
from annotation.summary import Report
from annotation.words import COEFFICIENTS, paragraphs
from maps.describers import OFFLINE
from maps.types import MapsError
from space.browser import browser_organiser, browser_token
from space.markup import notice, table, text
from space.openness import closed
from space.results import Results, open_to, results
from space.services import Services
from space.sessions import annotator, organiser
from space.spoken import spoken
from space.studies import chosen

FILES = (("csv", "Judgments (CSV)"), ("parquet", "Judgments (Parquet)"))


def build(services: Services, page: gr.Blocks) -> None:
    """Lays out the page and wires its events."""
    token, key = browser_token(), browser_organiser()
    name = gr.Textbox(visible="hidden", elem_id="agreement-study")
    words = gr.HTML(elem_id="agreement-words")
    numbers = gr.HTML()
    plots = [gr.Plot(visible=False, show_label=False) for _ in QUESTIONS]
    with gr.Row():
        buttons = [gr.Button(label, min_width=120, elem_id=f"download-{fmt}") for fmt, label in FILES]
        report = gr.Button("Agreement (JSON)", min_width=120, elem_id="download-json")
    files = gr.File(label="Your download", visible=False, elem_id="download")

    @spoken
    def opened(key: object, request: gr.Request) -> tuple[Any, ...]:
        """The present numbers of the study in the address, or of the present one, to whom they are open."""
        study = chosen(services, request.query_params.get("study"))
        if reason := kept_from(services, study, key, request):
            return study.name, notice(reason), "", *(gr.update(visible=False) for _ in QUESTIONS)
        found = results(services, study)
        return study.name, in_words(study, found), coefficient_table(found.report), *figures(study, found)

    page.load(opened, key, [name, words, numbers, *plots], api_visibility="private")
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
        paths = export(rows, Path(tempfile.mkdtemp(prefix="judgments-")), fmt)
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
        path.write_text(json.dumps(results(services, study).report.as_json(), indent=2), encoding="utf-8")
        return gr.update(visible=True, value=[str(path)])

    return made


def in_words(study: Study, found: Results) -> str:
    """The report in sentences."""
    settings = study.settings
    who = "the offline describer" if settings.describer == OFFLINE else settings.describer or "nobody"
    start = f"<h1>Agreement</h1><p>Judgments of the descriptions of {text(settings.model)} by {text(who)}.</p>"
    if not found.report.judgments:
        return start + notice("Nobody has judged a description yet. The page Annotate is where it starts.")
    stale = f"{found.stale} judgments are of older mappings or descriptions and are left out." if found.stale else ""
    parts = "".join(f"<p>{text(' '.join(sentences))}</p>" for sentences in paragraphs(found.report, pairs=False))
    return start + parts + (notice(stale) if stale else "")


def numbers_of(found: Estimate | PairEstimate) -> tuple[str, str, str]:
    """Value, interval or the reason why there is none, and n, as cells."""
    value = "undefined" if found.value is None else f"{found.value:.3f}"
    interval = found.reason or ""
    if found.low is not None and found.high is not None:
        interval = f"{found.low:.3f} to {found.high:.3f}"
    return value, text(interval), f"{found.n:,}"


def coefficient_table(report: Report) -> str:
    """All coefficients as a table."""
    lines = []
    for question in QUESTIONS:
        for name, each in report.questions[question.field].coefficients.items():
            words = {"percent": "Share of agreeing pairs", **COEFFICIENTS}[name]
            lines.append((text(question.short), text(words), *numbers_of(each)))
    head = ("Question", "Coefficient", "Value", "95 % interval, or why there is none", "Items")
    return table(head, lines, "Agreement by question") + pair_tables(report) if report.judgments else ""


def pair_tables(report: Report) -> str:
    """Cohen's kappa of every two annotators, folded: there may be many."""
    lines = []
    for question in QUESTIONS:
        for each in report.questions[question.field].cohen_kappa:
            lines.append((text(question.short), text(" and ".join(each.pair)), *numbers_of(each)))
    head = ("Question", "Annotators", "Value", "95 % interval, or why there is none", "Items")
    folded = table(head, lines, "Cohen's kappa by pair")
    return f"<details><summary>Cohen's kappa of {len(lines)} pairs</summary>{folded}</details>" if lines else ""


def figures(study: Study, found: Results) -> list[Any]:
    """One figure a question: its answers by layer quarter."""
    from annotation.figures import answers_by_quarter  # imported here: the figure library is slow to load

    quarters = found.quarters
    if quarters is None:
        return [gr.update(visible=False) for _ in QUESTIONS]
    model = study.settings.model
    asked = set(quarters["question"])
    return [
        gr.update(visible=True, value=answers_by_quarter(quarters, model, question.field))
        if question.field in asked
        else gr.update(visible=False)
        for question in QUESTIONS
    ]
