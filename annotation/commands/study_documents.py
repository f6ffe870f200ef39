"""The commands `study preregister` and `study datasheet`: documents about a study for its reviewers."""

from __future__ import annotations

import argparse
import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

from annotation.commands.arguments import (
    add_data_option,
    data_folder,
    find_named_study,
    journal_path,
    studies_folder,
)
from annotation.commands.study_plan import add_assumption_options, answer_model
from annotation.journal.journal import Journal
from annotation.report.heds import datasheet_answers
from annotation.report.heds_form import heds_json, open_numbers
from annotation.report.study_documents import checklist_text, datasheet_latex, preregistration_text
from annotation.report.study_plan import PlanAssumptions, PlannedStudy, plan_study
from annotation.statistics.judgments_table import judgments_to_frame, select_counted_judgments
from annotation.statistics.summary import AgreementReport, summarise_judgments
from annotation.study.practice import practice_of_study
from annotation.study.study import Study
from maps.command_line import Subparsers, print_text
from maps.errors import MapsError
from maps.files.atomic import atomic_writer, write_file


def add_document_commands(actions: Subparsers[argparse.ArgumentParser]) -> None:
    p = actions.add_parser(
        "preregister",
        help="freeze the plan of a study: its design, analysis and expected results",
        description="Writes the plan of a study to a file that is never replaced: design, questions, analysis, "
        "expected intervals and power, the time, and the hash of the study's file, which commits to the items without "
        "showing them. Publish the file before the first answer.",
        epilog="example: python -m annotation study preregister pilot --hourly-rate 15",
    )
    p.add_argument("name", metavar="NAME", help="the study's name")
    add_assumption_options(p)
    add_data_option(p, "the studies")
    p.set_defaults(run=run_preregister)
    p = actions.add_parser(
        "datasheet",
        help="fill in the Human Evaluation Datasheet and a checklist for a study",
        description="Writes heds.json (opens in the form of HEDS 3.0), heds.tex and checklist.md, filled in from the "
        "study's file, its answers so far and its organiser's words, and lists the questions that are left.",
        epilog="example: python -m annotation study datasheet pilot --out pilot-documents",
    )
    p.add_argument("name", metavar="NAME", help="the study's name")
    p.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where to write the files")
    p.add_argument("--address", default="", metavar="URL", help="where the form can be seen")
    p.add_argument("--preregistration", default="", metavar="URL", help="where the preregistration is")
    add_assumption_options(p)
    add_data_option(p, "the studies and judgments")
    p.set_defaults(run=run_datasheet)


def run_preregister(options: argparse.Namespace) -> None:
    study = find_named_study(options, options.name)
    file = studies_folder(options) / f"{study.name}.json"
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    text = preregistration_text(planned_study(options, study), digest, datetime.now(UTC))
    path = preregistration_path(options, study)
    try:
        with atomic_writer(path, exclusive=True) as out:
            out.write(text.encode())
    except FileExistsError as error:
        raise MapsError(f"The study {study.name} is preregistered already: {path}.") from error
    print_text(f"{path}: SHA-256 {hashlib.sha256(text.encode()).hexdigest()}")
    if current_report(options, study) is not None:
        print_text("The study has answers already: say so where you publish this plan.")


def preregistration_path(options: argparse.Namespace, study: Study) -> Path:
    return data_folder(options) / "preregistrations" / f"{study.name}.md"


def frozen_plan_words(path: Path) -> str:
    """How to recognise the frozen plan; empty without one."""
    return f"SHA-256 of the frozen plan: {hashlib.sha256(path.read_bytes()).hexdigest()}" if path.is_file() else ""


def run_datasheet(options: argparse.Namespace) -> None:
    study = find_named_study(options, options.name)
    plan, report = planned_study(options, study), current_report(options, study)
    practice = len(practice_of_study(study))
    registration = options.preregistration or frozen_plan_words(preregistration_path(options, study))
    answers, criteria = datasheet_answers(study, plan, report, practice, options.address, registration)
    options.out.mkdir(parents=True, exist_ok=True)
    whole = json.dumps(heds_json(answers, criteria), indent=1, ensure_ascii=False)
    files = {
        "heds.json": whole + "\n",
        "heds.tex": datasheet_latex(answers, criteria),
        "checklist.md": checklist_text(study, plan, report),
    }
    for name, text in files.items():
        write_file(options.out / name, text.encode())
    print_text(f"{', '.join(files)} are in {options.out}.")
    print_text(f"Left to you in the datasheet: {', '.join(open_numbers(answers, criteria))}.")


def planned_study(options: argparse.Namespace, study: Study) -> PlannedStudy:
    model, source = answer_model(options)
    return plan_study(study, PlanAssumptions(model, source, options.hourly_rate, options.fee))


def current_report(options: argparse.Namespace, study: Study) -> AgreementReport | None:
    """The report on the answers so far; None without any."""
    if not journal_path(options).is_file():
        return None
    with Journal(journal_path(options)) as journal:
        rows = journal.all_judgments(study.name)
    report = summarise_judgments(select_counted_judgments(judgments_to_frame(rows)))
    return report if report.judgments else None
