"""`score`: how far the descriptions of an atlas can be trusted."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from maps.commands.arguments import Commands, model_name, positive, small_seed, with_bar
from maps.commands.server import add_server, chat_of
from maps.errors import MapsError, NothingDoneError
from maps.files.lock import locked
from maps.llm.budget import Budget
from maps.llm.cost_estimate import SCORER, forecast
from maps.llm.prices import read_prices
from maps.text import many

if TYPE_CHECKING:
    from maps.atlas.reader import Atlas
    from maps.llm.client import Chat
    from maps.scoring.measures import Draw
    from maps.scoring.plan import Plan

OF_THE_SCORER = ("describer", "base_url", "max_tokens", "max_cost", "prices")  # options of no use without one
VISIBLE = 20  # mappings of 30 from which on a pattern counts as visible (docs/contract.md, section 5)


def add(commands: Commands[argparse.ArgumentParser]) -> None:
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
    add_server(p, "questions asked")
    p.add_argument("--seed", type=small_seed, default=0, help="seed of what is drawn and asked (default 0)")
    p.add_argument("--random", type=positive, default=20, metavar="N", help="random heads a layer (default 20)")
    p.add_argument("--no-random", action="store_true", help="draw no random heads, which needs no model")
    p.add_argument("--model", help="where the atlas's model is now (default: where it was mapped from)")
    p.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Computes the offline measures, then asks the scorer, and says the first numbers of both."""
    from maps.atlas.reader import Atlas
    from maps.scoring.measures import Draw
    from maps.scoring.plan import plan

    atlas, draw = Atlas.open(arguments.atlas), Draw(arguments.random, arguments.seed)
    useless = [f"--{name.replace('_', '-')}" for name in OF_THE_SCORER if getattr(arguments, name) is not None]
    if not arguments.scorer and useless:
        raise MapsError(f"{useless[0]} is about what a scorer is asked: name one with --scorer MODEL, or leave it out.")
    with locked(atlas.folder, "score"):
        if not arguments.scorer:
            offline(atlas, draw, arguments)
            print("Only these offline measures were made; --scorer MODEL asks a model whether the descriptions hold.")
            return
        planned, chat = plan(atlas, arguments.describer, arguments.seed), scorer(arguments)
        offline(atlas, draw, arguments)
        ask(atlas, planned, chat, arguments)


def offline(atlas: Atlas, draw: Draw, arguments: argparse.Namespace) -> None:
    """The measures without a language model. Random heads are left out, with a sentence, where there is no model."""
    from maps.data import predefined
    from maps.scoring.measures import draw_random_heads, keep_checks, keep_concentration

    rows = keep_checks(atlas, predefined())
    borne_out = {(row["layer"], row["head"]) for row in rows if row["support"] >= VISIBLE}
    print(
        f"A named check is borne out by {VISIBLE} or more mappings in {len(borne_out):,} of "
        f"{many(len(atlas.ids), 'head')}: {atlas.folder}/checks.parquet"
    )
    if not arguments.no_random:
        try:
            draw_random_heads(atlas, arguments.model, draw, partial(with_bar, doing="random heads"))
        except MapsError as error:
            if arguments.model:
                raise
            print(f"No random heads were drawn, since the model cannot be read; name it with --model. {error}")
    rows = keep_concentration(atlas, draw)
    among = [row["entropy_below"] for row in rows if row["entropy_below"] is not None]
    beside = (
        f"; in {among.count(0):,} they are more concentrated than in every random head of their layer" if among else ""
    )
    print(f"The targets of {many(len(rows), 'head')} were measured{beside}: {atlas.folder}/concentration.parquet")


def ask(atlas: Atlas, planned: Plan, chat: Chat, arguments: argparse.Namespace) -> None:
    """Asks the scorer, after saying how much there is to ask, and says what came of it."""
    from maps.scoring.detection import detect
    from maps.scoring.summary import detection_sentences
    from maps.text import said

    print(" ".join(left_out(planned)))
    if not planned.questions:
        return print(f"There is nothing to ask {chat.model}.")
    print(ahead(atlas, planned, chat, arguments), flush=True)
    try:
        found = detect(atlas, planned.questions, chat, arguments.seed, arguments.concurrency)
    finally:
        if chat.budget.answers or chat.budget.lost:
            print(chat.budget.sentence(), flush=True)
    if found.failed == len(planned.questions):
        raise NothingDoneError(
            f"{chat.model} answered none of {many(found.failed, 'question')}: {atlas.folder}/detections.parquet says "
            "why."
        )
    failed = f", {found.failed:,} without a usable answer" if found.failed else ""
    print(f"{chat.model} was asked {many(found.answered + found.failed, 'question')} now{failed}.")
    planned_for = {question.description_id for question in planned.questions}
    scores = [
        row
        for row in atlas.table("scores").to_pylist()
        if (row["scorer"], row["seed"]) == (chat.model, arguments.seed) and row["description_id"] in planned_for
    ]
    for sentence in detection_sentences(scores):
        print(said(sentence))
    print(f"Scores: {atlas.folder}/scores.parquet")
    return None


def scorer(arguments: argparse.Namespace) -> Chat:
    """The model that is asked; raises MapsError where it can't be."""
    from maps.llm.error_messages import MEASURE_OFFLINE

    budget = Budget(read_prices(arguments.prices).of(arguments.scorer), arguments.max_cost)
    chat = chat_of(arguments.scorer, arguments, budget, MEASURE_OFFLINE)
    chat.check_key()
    return chat


def ahead(atlas: Atlas, planned: Plan, chat: Chat, arguments: argparse.Namespace) -> str:
    """What is to be asked, with its price."""
    from maps.atlas.append_log import merge
    from maps.scoring.detection import MAX_TOKENS, unanswered

    merge(atlas, "detections")
    todo = unanswered(atlas, planned.questions, chat.model, arguments.seed)
    most = chat.terms.tokens or MAX_TOKENS + chat.terms.thoughts
    prompts = [message["content"] for question in todo for message in question.asked]
    prices, today = read_prices(arguments.prices), datetime.now(UTC).date()
    return forecast(chat.model, prompts, most, prices, today, role=SCORER)


def left_out(planned: Plan) -> list[str]:
    """What cannot be scored, and why."""
    heads = len({(each.describer, each.head) for each in planned.questions})
    said = [f"To be scored: {many(heads, 'description')} with {many(len(planned.questions), 'question')}."]
    counts = {
        "with no pattern, so nothing to score": planned.unclear,
        "of mappings that changed since": planned.stale,
        "with no other one in their layer, so no control": planned.alone,
        "of heads with fewer than ten held-out mappings of their own or of other heads": planned.short,
    }
    return said + [f"{many(count, 'description')} {why}." for why, count in counts.items() if count]
