"""The command `judge`: a language model answers a study's questions, and a report says what its answers are worth."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from annotation.commands.arguments import (
    add_data_option,
    data_folder,
    find_named_study,
    find_stale_judgments,
    journal_path,
)
from annotation.journal.journal import Journal
from annotation.judges.ask import ask_judge, judge_questions, open_questions
from annotation.judges.prompt import MAX_REPLY_TOKENS
from annotation.judges.store import Row, judge_answers, judges_file, judges_of, read_rows
from annotation.report.judges import judge_paragraph
from annotation.statistics.alt_test import ASSUMED_PEOPLE, EPSILONS
from annotation.statistics.evidence import EvidenceTables, MeasureCorrelation, correlate_measures
from annotation.statistics.judgments_table import CountedJudgments, judgments_to_frame, select_counted_judgments
from annotation.statistics.model_judges import judge_report
from annotation.study.study import Study
from maps.atlas.reader import Atlas
from maps.command_line import Subparsers, positive_int, print_text, whole_number
from maps.commands.arguments import add_server_options, chat_from, model_name
from maps.commands.server_run import question_cost, resolve_model
from maps.errors import MapsError, RunFailedError
from maps.files.lock import lock_folder
from maps.llm.budget import Budget
from maps.llm.prices import ModelRole

if TYPE_CHECKING:
    from maps.llm.client import Chat

JUDGE_ROLE = ModelRole("item", "judge", "--model", 150)
NO_KEY_ADVICE = "or leave out --model to see the report of earlier answers"
PEOPLE_HELP = (
    "who the people are, which decides how much worse than a person a model may be: expert (ε 0.2), skilled (0.15) or "
    "crowd (0.1) (default: skilled)"
)


def add(commands: Subparsers[argparse.ArgumentParser]) -> None:
    p = commands.add_parser(
        "judge",
        help="have a language model answer a study's questions, and test whether it may take a person's place",
        description="A language model answers the questions about every item of a study, controls included. It sees "
        "what people see. Its answers are kept apart from theirs. The report gives its agreement with them, the "
        "alt-test on each question, and what it accepts on controls. The same command again asks only what is missing.",
        epilog="example: python -m annotation judge pilot --model gpt-4o --max-cost 2",
    )
    p.add_argument("study", metavar="STUDY", help="the study's name")
    p.add_argument("--model", type=model_name, help="who judges: a model on an OpenAI-compatible server, or hf:MODEL")
    p.add_argument("--first", type=positive_int, metavar="N", help="judge only the first N items, a random sample")
    p.add_argument("--dry-run", action="store_true", help="say how many items would be judged, and the price")
    add_server_options(p, "questions asked")
    p.add_argument("--seed", type=whole_number, default=0, help="of the questions and the intervals (default 0)")
    p.add_argument("--people", choices=EPSILONS, default=ASSUMED_PEOPLE, help=PEOPLE_HELP)
    atlas_help = "the judged atlas: leaves stale items out, and adds the measures of `maps score`"
    p.add_argument("--atlas", type=Path, metavar="FOLDER", help=atlas_help)
    add_data_option(p, "the studies and judgments")
    p.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    study = find_named_study(options, options.study)
    path = judges_file(data_folder(options), study.name)
    if options.model:
        path.parent.mkdir(parents=True, exist_ok=True)
        with lock_folder(path.parent, "judge"):
            ask(options, study, path)
    elif options.dry_run or options.first:
        raise MapsError("Name the language model that judges with --model.")
    rows = read_rows(path)
    if not judges_of(rows):
        print_text(f"No language model has judged {study.name} yet; name one with --model.")
        return
    print_text("\n\n".join("\n".join(each) for each in report_paragraphs(options, study, rows)))


def ask(options: argparse.Namespace, study: Study, path: Path) -> None:
    """Prints the price, then asks what is missing."""
    prices = resolve_model(options, "model", judges_of(read_rows(path)))
    chat = open_judge(options, Budget(prices.price_of(options.model), options.max_cost))
    questions = judge_questions(study)[: options.first]
    todo = open_questions(questions, path, chat.model, options.seed)
    if not todo:
        print_text(f"{chat.model} has judged all {len(questions):,} items.")
        return
    print_text(question_cost(chat, [each.messages for each in todo], MAX_REPLY_TOKENS, prices, JUDGE_ROLE))
    if options.dry_run:
        return
    try:
        found = ask_judge(todo, path, chat, options.seed, options.concurrency)
    finally:
        if chat.budget.answer_count or chat.budget.lost_count:
            print_text(chat.budget.cost_summary())
    if found.failed:
        reasons = list(dict.fromkeys(row["reason"] for row in read_rows(path) if row.get("reason")))[-3:]
        print_text(f"{found.failed:,} items got no usable answer, for example: {' '.join(reasons)}")
    if found.failed > found.answered:
        raise RunFailedError(f"{chat.model} failed on more items than it judged; the same command asks again.")


def open_judge(options: argparse.Namespace, budget: Budget) -> Chat:
    chat = chat_from(options.model, options, budget, NO_KEY_ADVICE)
    if not options.dry_run:
        chat.check_key()
    return chat


def report_paragraphs(options: argparse.Namespace, study: Study, rows: list[Row]) -> list[list[str]]:
    """A paragraph for each judge of the study."""
    people, evidence = people_and_evidence(options, study)
    epsilon = EPSILONS[options.people]
    reports = [
        judge_report(people, judge, judge_answers(rows, judge), epsilon, options.seed) for judge in judges_of(rows)
    ]
    return [judge_paragraph(each, len(study.true_items), evidence) for each in reports]


def people_and_evidence(options: argparse.Namespace, study: Study) -> tuple[CountedJudgments, list[MeasureCorrelation]]:
    """People's judgments that count, and how the atlas's own measures follow their precision."""
    judgments = []
    if journal_path(options).is_file():
        with Journal(journal_path(options)) as journal:
            judgments = journal.all_judgments(study.name)
    stale = None if options.atlas is None else find_stale_judgments(options, study, judgments)
    people = select_counted_judgments(judgments_to_frame(judgments, stale))
    if options.atlas is None:
        return people, []
    atlas = Atlas.open(options.atlas).named_by_reading()
    return people, correlate_measures(people, EvidenceTables.read(atlas.table), options.seed)
