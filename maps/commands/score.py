"""The command `score`: measures how far the descriptions of an atlas can be trusted."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from maps.command_line import Subparsers, positive_int, print_text, whole_number
from maps.commands.arguments import (
    add_atlas_model_option,
    add_choice_options,
    add_server_options,
    chat_from,
    choice_from,
    model_name,
    progress_bar,
)
from maps.commands.server_run import models_in, print_cost_and_reasons, question_cost, resolve_model
from maps.errors import MapsError, RunFailedError
from maps.files.lock import lock_folder
from maps.llm.budget import Budget
from maps.llm.prices import SCORER_ROLE, WRITER_ROLE, PriceTable
from maps.text import pluralize

if TYPE_CHECKING:
    from maps.atlas.reader import Atlas
    from maps.llm.client import Chat
    from maps.scoring.measures import RandomHeadDraw
    from maps.scoring.plan import DetectionPlan
    from maps.scoring.stored_run import RunCounts

SCORER_OPTIONS = (  # only used with --scorer
    *("describer", "base_url", "max_tokens", "max_cost", "prices", "heads", "layers", "sample", "look_alikes"),
)
VISIBLE_SUPPORT = 20  # of 30 mappings: a visible pattern has at least this support (docs/contract.md, section 5)


def add(commands: Subparsers[argparse.ArgumentParser]) -> None:
    p = commands.add_parser(
        "score",
        help="score the descriptions of an atlas",
        description="Score the descriptions of an atlas: named checks and the concentration of targets, which need no "
        "language model, and with --scorer whether a model recognises a head's mappings by its description. The same "
        "command again continues a run that was stopped.",
        epilog="example: python -m maps score data/atlases/smollm2 --scorer gpt-4o",
    )
    p.add_argument("atlas", type=Path, help="the atlas's folder")
    p.add_argument(
        "--scorer",
        type=model_name,
        help="a model on an OpenAI-compatible server, or hf:MODEL (default: only the offline measures)",
    )
    p.add_argument("--describer", type=model_name, help="score only this describer's descriptions")
    add_choice_options(p)
    p.add_argument(
        "--look-alikes", action="store_true", help="ask also with mappings of the most similar heads beside the head's"
    )
    p.add_argument(
        "--predict",
        action="store_true",
        help="have mappings predicted from each description alone (by the scorer, the rules and whoever wrote the "
        "reference), and rank them in M; needs the model's weights",
    )
    add_server_options(p, "questions asked")
    p.add_argument("--seed", type=whole_number, default=0, help="of the random heads and the questions (default 0)")
    p.add_argument("--random", type=positive_int, default=20, metavar="N", help="random heads per layer (default 20)")
    p.add_argument("--no-random", action="store_true", help="draw no random heads, so that the model is not needed")
    add_atlas_model_option(p)
    p.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Computes the offline measures, then asks the scorer; prints the first results of both."""
    from maps.atlas.reader import Atlas
    from maps.scoring.measures import RandomHeadDraw

    atlas, draw = Atlas.open(arguments.atlas), RandomHeadDraw(arguments.random, arguments.seed)
    given = [name for name in SCORER_OPTIONS if getattr(arguments, name) not in (None, (), False)]
    unused = [f"--{name.replace('_', '-')}" for name in given]
    if not arguments.scorer and unused:
        raise MapsError(f"{unused[0]} needs a scorer: name one with --scorer MODEL, or leave it out.")
    with lock_folder(atlas.folder, "score"):
        if not arguments.scorer:
            run_offline_measures(atlas, draw, arguments)
            if arguments.predict:
                rank_predictions(atlas, arguments)
            print_text("To have a language model check the descriptions too, add --scorer MODEL.")
            return
        planned = plan_scored_heads(atlas, arguments)
        prices = resolve_model(arguments, "scorer", models_in(atlas, "scores", "scorer"))
        chat = open_scorer(arguments, prices)
        run_offline_measures(atlas, draw, arguments)
        ask_scorer(atlas, planned, chat, prices, arguments)
        if arguments.predict:
            ask_for_predictions(atlas, chat, prices, arguments)
            rank_predictions(atlas, arguments)


def plan_scored_heads(atlas: Atlas, arguments: argparse.Namespace) -> DetectionPlan:
    from maps.scoring.plan import plan_detection

    return plan_detection(atlas, arguments.describer, arguments.seed, choice_from(arguments), arguments.look_alikes)


def run_offline_measures(atlas: Atlas, draw: RandomHeadDraw, arguments: argparse.Namespace) -> None:
    """The measures without a language model. Where the atlas's model is missing, random heads are left out."""
    from maps.data import predefined_relations
    from maps.scoring.measures import draw_random_heads, write_checks, write_concentration

    rows = write_checks(atlas, predefined_relations())
    supported = {(row["layer"], row["head"]) for row in rows if row["support"] >= VISIBLE_SUPPORT}
    print_text(
        f"A named check is supported by {VISIBLE_SUPPORT} or more mappings in {len(supported):,} of "
        f"{pluralize(len(atlas.head_ids), 'head')}: {atlas.folder}/checks.parquet"
    )
    if not arguments.no_random:
        try:
            draw_random_heads(atlas, arguments.model, draw, partial(progress_bar, doing="random heads"))
        except MapsError as error:
            if arguments.model:
                raise
            print_text(f"No random heads were drawn, because the model cannot be read; name it with --model. {error}")
    rows = write_concentration(atlas, draw)
    shares = [row["entropy_below"] for row in rows if row["entropy_below"] is not None]
    compared = f"; {shares.count(0):,} are more concentrated than all random heads of their layer" if shares else ""
    heads = pluralize(len(rows), "head")
    print_text(f"The targets of {heads} were measured{compared}: {atlas.folder}/concentration.parquet")


def ask_scorer(
    atlas: Atlas, planned: DetectionPlan, chat: Chat, prices: PriceTable, arguments: argparse.Namespace
) -> None:
    """Prints the expected cost, asks the scorer, prints why questions failed, and the scores."""
    from maps.scoring.detection import run_detection

    print_text(" ".join(plan_sentences(planned)))
    if not planned.questions:
        print_text(f"There is nothing to ask {chat.model}.")
        return
    print_text(cost_preview(atlas, planned, chat, prices, arguments.seed))
    start = datetime.now(UTC)
    try:
        result = run_detection(atlas, planned.questions, chat, arguments.seed, arguments.concurrency)
    finally:
        values = {"scorer": chat.model, "seed": arguments.seed}
        print_cost_and_reasons(chat.budget, atlas.folder, "detections", start, **values)
    print_scores(atlas, planned, result, chat.model, arguments.seed)


def ask_for_predictions(atlas: Atlas, chat: Chat, prices: PriceTable, arguments: argparse.Namespace) -> None:
    """Has the scorer predict mappings from each description; prints the expected cost and what it was."""
    from maps.atlas.append_log import merge_pending_rows
    from maps.scoring.prediction import (
        MAX_REPLY_TOKENS,
        prediction_questions,
        run_predictions,
        unanswered_predictions,
    )

    merge_pending_rows(atlas, "predictions")
    questions = prediction_questions(atlas, arguments.describer, choice_from(arguments))
    todo = unanswered_predictions(atlas, questions, chat.model, arguments.seed)
    print_text(question_cost(chat, [each.messages for each in todo], MAX_REPLY_TOKENS, prices, WRITER_ROLE))
    start = datetime.now(UTC)
    try:
        result = run_predictions(atlas, todo, chat, arguments.seed, arguments.concurrency)
    finally:
        values = {"writer": chat.model, "seed": arguments.seed}
        print_cost_and_reasons(chat.budget, atlas.folder, "predictions", start, **values)
    if result.failed > result.answered:
        raise RunFailedError(
            f"{chat.model} predicted mappings from {result.answered:,} of "
            f"{pluralize(result.answered + result.failed, 'description')}; the reasons are in "
            f"{atlas.folder}/predictions.parquet. The same command again asks for the others."
        )


def rank_predictions(atlas: Atlas, arguments: argparse.Namespace) -> None:
    """Adds the predictions of the rules and of the reference, ranks all in M, and prints the means."""
    from maps.scoring.measures import open_atlas_model
    from maps.scoring.prediction_scores import score_predictions, write_own_predictions
    from maps.scoring.prediction_summary import prediction_sentences

    model = open_atlas_model(atlas, arguments.model)
    write_own_predictions(atlas, model.vocabulary, arguments.seed)
    rows = score_predictions(atlas, model, partial(progress_bar, doing="ranking predictions"))
    sentences = prediction_sentences(rows) or ["No description has a pattern to predict mappings from."]
    print_text("\n".join([*sentences, f"Predictions: {atlas.folder}/scores.parquet"]))


def print_scores(atlas: Atlas, planned: DetectionPlan, result: RunCounts, scorer: str, seed: int) -> None:
    """Prints the scores; raises RunFailedError where more questions failed than were answered."""
    from maps.scoring.accuracy import detection_sentences

    place = f"the reasons are in {atlas.folder}/detections.parquet."
    if result.failed and not result.answered:
        raise RunFailedError(f"{scorer} answered none of {pluralize(result.failed, 'question')}; {place}")
    failed = f", {result.failed:,} without a usable answer" if result.failed else ""
    print_text(f"{scorer} was asked {pluralize(result.answered + result.failed, 'question')} now{failed}.")
    planned_for = {question.description_id for question in planned.questions}
    scores = [
        row
        for row in atlas.table("scores").to_pylist()
        if (row["scorer"], row["seed"]) == (scorer, seed) and row["description_id"] in planned_for
    ]
    print_text("\n".join([*detection_sentences(scores), f"Scores: {atlas.folder}/scores.parquet"]))
    if result.failed > result.answered:
        raise RunFailedError(
            f"{scorer} left more questions without a usable answer than it answered; {place} The same command again "
            "asks them again."
        )


def open_scorer(arguments: argparse.Namespace, prices: PriceTable) -> Chat:
    """The client for the scorer; raises MapsError where it cannot be used."""
    from maps.llm.error_messages import MEASURE_OFFLINE_ADVICE

    budget = Budget(prices.price_of(arguments.scorer), arguments.max_cost)
    chat = chat_from(arguments.scorer, arguments, budget, MEASURE_OFFLINE_ADVICE)
    chat.check_key()
    return chat


def cost_preview(atlas: Atlas, planned: DetectionPlan, chat: Chat, prices: PriceTable, seed: int) -> str:
    from maps.atlas.append_log import merge_pending_rows
    from maps.scoring.detection import MAX_REPLY_TOKENS, unanswered_questions

    merge_pending_rows(atlas, "detections")
    todo = unanswered_questions(atlas, planned.questions, chat.model, seed)
    return question_cost(chat, [question.messages for question in todo], MAX_REPLY_TOKENS, prices, SCORER_ROLE)


def plan_sentences(planned: DetectionPlan) -> list[str]:
    """How many descriptions will be scored, and how many cannot be, with the reason."""
    heads = len({(each.describer, each.head) for each in planned.questions})
    counts = {
        "without a pattern, so there is nothing to score": planned.unclear_count,
        "of mappings that have changed since": planned.stale_count,
        "alone in their layer, so there is no control": planned.without_control_count,
        "of heads that are like no other, so there are no look-alikes": planned.without_similar_count,
        "with fewer than ten held-out mappings of their own or of other heads": planned.short_count,
    }
    return [
        f"To be scored: {pluralize(heads, 'description')} with {pluralize(len(planned.questions), 'question')}.",
        *(f"{pluralize(count, 'description')} {reason}." for reason, count in counts.items() if count),
    ]
