"""`score`: how far the descriptions of an atlas can be trusted."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from maps.command_line import Subparsers, positive_int, whole_number
from maps.commands.arguments import model_name, progress_bar
from maps.commands.server import add_server_options, chat_from
from maps.errors import MapsError, RunFailedError
from maps.files.lock import lock_folder
from maps.llm.budget import Budget
from maps.llm.cost_estimate import SCORER_ROLE, cost_estimate_text
from maps.llm.prices import read_prices
from maps.text import pluralize

if TYPE_CHECKING:
    from maps.atlas.reader import Atlas
    from maps.llm.client import Chat
    from maps.scoring.measures import RandomHeadDraw
    from maps.scoring.plan import DetectionPlan

SCORER_OPTIONS = ("describer", "base_url", "max_tokens", "max_cost", "prices")  # options of no use without one
VISIBLE_SUPPORT = 20  # mappings of 30 from which on a pattern counts as visible (docs/contract.md, section 5)


def add(commands: Subparsers[argparse.ArgumentParser]) -> None:
    """`score`."""
    p = commands.add_parser(
        "score",
        help="score the descriptions of an atlas",
        description="Score the descriptions of an atlas: named checks and the concentration of targets without any "
        "language model, and with --scorer whether a model tells a head's mappings from others by its description. "
        "A run that was stopped goes on.",
        epilog="example: python -m maps score data/atlases/smollm2 --scorer gpt-4o",
    )
    p.add_argument("atlas", type=Path, help="the atlas's folder")
    p.add_argument(
        "--scorer", type=model_name, help="a model of an OpenAI-compatible server; without it only the offline measures"
    )
    p.add_argument("--describer", type=model_name, help="score only this describer's descriptions")
    add_server_options(p, "questions asked")
    p.add_argument("--seed", type=whole_number, default=0, help="seed of what is drawn and asked (default 0)")
    p.add_argument("--random", type=positive_int, default=20, metavar="N", help="random heads a layer (default 20)")
    p.add_argument("--no-random", action="store_true", help="draw no random heads, which needs no model")
    p.add_argument("--model", help="where the atlas's model is now (default: where it was mapped from)")
    p.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Computes the offline measures, then asks the scorer, and says the first numbers of both."""
    from maps.atlas.reader import Atlas
    from maps.scoring.measures import RandomHeadDraw
    from maps.scoring.plan import plan_detection

    atlas, draw = Atlas.open(arguments.atlas), RandomHeadDraw(arguments.random, arguments.seed)
    useless = [f"--{name.replace('_', '-')}" for name in SCORER_OPTIONS if getattr(arguments, name) is not None]
    if not arguments.scorer and useless:
        raise MapsError(f"{useless[0]} is about what a scorer is asked: name one with --scorer MODEL, or leave it out.")
    with lock_folder(atlas.folder, "score"):
        if not arguments.scorer:
            run_offline_measures(atlas, draw, arguments)
            print("Only these offline measures were made; --scorer MODEL asks a model whether the descriptions hold.")
            return
        planned, chat = plan_detection(atlas, arguments.describer, arguments.seed), open_scorer(arguments)
        run_offline_measures(atlas, draw, arguments)
        ask_scorer(atlas, planned, chat, arguments)


def run_offline_measures(atlas: Atlas, draw: RandomHeadDraw, arguments: argparse.Namespace) -> None:
    """The measures without a language model. Random heads are left out, with a sentence, where there is no model."""
    from maps.data import predefined_relations
    from maps.scoring.measures import draw_random_heads, write_checks, write_concentration

    rows = write_checks(atlas, predefined_relations())
    borne_out = {(row["layer"], row["head"]) for row in rows if row["support"] >= VISIBLE_SUPPORT}
    print(
        f"A named check is borne out by {VISIBLE_SUPPORT} or more mappings in {len(borne_out):,} of "
        f"{pluralize(len(atlas.head_ids), 'head')}: {atlas.folder}/checks.parquet"
    )
    if not arguments.no_random:
        try:
            draw_random_heads(atlas, arguments.model, draw, partial(progress_bar, doing="random heads"))
        except MapsError as error:
            if arguments.model:
                raise
            print(f"No random heads were drawn, since the model cannot be read; name it with --model. {error}")
    rows = write_concentration(atlas, draw)
    among = [row["entropy_below"] for row in rows if row["entropy_below"] is not None]
    beside = (
        f"; in {among.count(0):,} they are more concentrated than in every random head of their layer" if among else ""
    )
    print(f"The targets of {pluralize(len(rows), 'head')} were measured{beside}: {atlas.folder}/concentration.parquet")


def ask_scorer(atlas: Atlas, planned: DetectionPlan, chat: Chat, arguments: argparse.Namespace) -> None:
    """Asks the scorer, after saying how much there is to ask, and says what came of it."""
    from maps.scoring.detection import run_detection
    from maps.scoring.summary import detection_sentences
    from maps.text import escape_for_terminal

    print(" ".join(plan_sentences(planned)))
    if not planned.questions:
        return print(f"There is nothing to ask {chat.model}.")
    print(cost_preview(atlas, planned, chat, arguments), flush=True)
    try:
        found = run_detection(atlas, planned.questions, chat, arguments.seed, arguments.concurrency)
    finally:
        if chat.budget.answer_count or chat.budget.lost_count:
            print(chat.budget.cost_summary(), flush=True)
    if found.failed == len(planned.questions):
        raise RunFailedError(
            f"{chat.model} answered none of {pluralize(found.failed, 'question')}: {atlas.folder}/detections.parquet says "
            "why."
        )
    failed = f", {found.failed:,} without a usable answer" if found.failed else ""
    print(f"{chat.model} was asked {pluralize(found.answered + found.failed, 'question')} now{failed}.")
    planned_for = {question.description_id for question in planned.questions}
    scores = [
        row
        for row in atlas.table("scores").to_pylist()
        if (row["scorer"], row["seed"]) == (chat.model, arguments.seed) and row["description_id"] in planned_for
    ]
    for sentence in detection_sentences(scores):
        print(escape_for_terminal(sentence))
    print(f"Scores: {atlas.folder}/scores.parquet")
    return None


def open_scorer(arguments: argparse.Namespace) -> Chat:
    """The model that is asked; raises MapsError where it can't be."""
    from maps.llm.error_messages import MEASURE_OFFLINE_ADVICE

    budget = Budget(read_prices(arguments.prices).price_of(arguments.scorer), arguments.max_cost)
    chat = chat_from(arguments.scorer, arguments, budget, MEASURE_OFFLINE_ADVICE)
    chat.check_key()
    return chat


def cost_preview(atlas: Atlas, planned: DetectionPlan, chat: Chat, arguments: argparse.Namespace) -> str:
    """What is to be asked, with its price."""
    from maps.atlas.append_log import merge_pending_rows
    from maps.scoring.detection import MAX_REPLY_TOKENS, unanswered_questions

    merge_pending_rows(atlas, "detections")
    todo = unanswered_questions(atlas, planned.questions, chat.model, arguments.seed)
    most = chat.request_options.token_limit or MAX_REPLY_TOKENS + chat.request_options.reasoning_tokens
    prompts = [message["content"] for question in todo for message in question.messages]
    prices, today = read_prices(arguments.prices), datetime.now(UTC).date()
    return cost_estimate_text(chat.model, prompts, most, prices, today, role=SCORER_ROLE)


def plan_sentences(planned: DetectionPlan) -> list[str]:
    """What cannot be scored, and why."""
    heads = len({(each.describer, each.head) for each in planned.questions})
    said = [f"To be scored: {pluralize(heads, 'description')} with {pluralize(len(planned.questions), 'question')}."]
    counts = {
        "with no pattern, so nothing to score": planned.unclear_count,
        "of mappings that changed since": planned.stale_count,
        "with no other one in their layer, so no control": planned.without_control_count,
        "of heads with fewer than ten held-out mappings of their own or of other heads": planned.short_count,
    }
    return said + [f"{pluralize(count, 'description')} {why}." for why, count in counts.items() if count]
