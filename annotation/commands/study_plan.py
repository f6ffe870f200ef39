"""The command `study plan`: what a study would need, cost and show, before anybody is asked."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pandas as pd

from annotation.commands.arguments import TABLE_HELP
from annotation.commands.study_design import add_design_options, design_study
from annotation.export.files import read_judgments_table
from annotation.report.paper_file import load_paper
from annotation.report.study_plan import (
    SECONDS_PER_ITEM,
    PlanAssumptions,
    assumptions_of_paper,
    expectation_rows,
    plan_sentences,
    plan_study,
    summary_sentences,
)
from annotation.statistics.judgments_table import select_counted_judgments
from annotation.statistics.planning import ASSUMED_AGREEMENT, AnswerModel, model_of_pilot
from maps.command_line import Subparsers, parse_positive_number, print_text, share

PLANNED_NAME = "plan"  # the study is not saved


def add_plan_command(actions: Subparsers[argparse.ArgumentParser]) -> None:
    p = actions.add_parser(
        "plan",
        help="say what a study would need, cost and show, and save nothing",
        description="Takes the options of `study create` and saves nothing. Says how many people the study needs, how "
        "long they work, and, by simulated studies, how wide the intervals of its results will be and whether it can "
        "tell true items from controls.",
        epilog="example: python -m annotation study plan --atlas data/atlases/smollm2 --annotators 5 --hourly-rate 15",
    )
    add_design_options(p)
    add_assumption_options(p)
    p.add_argument("--json", action="store_true", help="print one JSON object instead of sentences")
    p.set_defaults(run=run_plan)


def add_assumption_options(p: argparse.ArgumentParser) -> None:
    """Declares what is assumed of annotators, and what an hour costs; `answer_model` reads the former."""
    p.add_argument("--pilot", type=Path, metavar="FILE", help=f"assume the answers of a pilot, {TABLE_HELP}")
    agreement_help = (
        f"Krippendorff's alpha of question one to assume (default: the pilot's, else {ASSUMED_AGREEMENT}: the paper "
        "reports none)"
    )
    p.add_argument("--agreement", type=share, metavar="ALPHA", help=agreement_help)
    seconds_help = f"time that an item takes (default: the pilot's median, else {SECONDS_PER_ITEM})"
    p.add_argument("--seconds", type=positive_amount, metavar="N", help=seconds_help)
    p.add_argument("--hourly-rate", type=positive_amount, metavar="AMOUNT", help="pay for an hour, in any currency")
    p.add_argument("--fee", type=share, default=0.0, metavar="SHARE", help="a panel's fee as a share of the pay")


def run_plan(options: argparse.Namespace) -> None:
    model, source = answer_model(options)
    study = design_study(options, PLANNED_NAME)
    plan = plan_study(study, PlanAssumptions(model, source, options.hourly_rate, options.fee))
    if options.json:
        print(json.dumps(plan.as_json(), indent=2, ensure_ascii=False, allow_nan=False))
        return
    print_text("\n".join(summary_sentences(study, model.seconds)))
    print_text("\n".join(["", *plan_sentences(plan), ""]))
    for name, value, interval, width in expectation_rows(plan):
        print_text(f"{name}: {value} ({interval}), {width} wide" if width else f"{name}: {value} ({interval})")


def positive_amount(text: str) -> float:
    return parse_positive_number(text, "a number above 0")


def answer_model(options: argparse.Namespace) -> tuple[AnswerModel, str]:
    """How people are assumed to answer, and where that is from."""
    if options.pilot is None:
        agreement = ASSUMED_AGREEMENT if options.agreement is None else options.agreement
        return assumptions_of_paper(load_paper(), agreement, options.seconds or SECONDS_PER_ITEM), "the paper's study"
    table = read_judgments_table(options.pilot)
    model = model_of_pilot(select_counted_judgments(table), options.seconds or median_seconds(table))
    if options.agreement is not None:
        model = AnswerModel(model.shares, options.agreement, model.seconds)
    return model, f"the pilot {options.pilot}"


def median_seconds(table: pd.DataFrame) -> float:
    """The median of the column seconds; `SECONDS_PER_ITEM` without one."""
    if "seconds" not in table:
        return SECONDS_PER_ITEM
    median = pd.to_numeric(table["seconds"], errors="coerce").median()
    return SECONDS_PER_ITEM if pd.isna(median) else float(median)
