"""`score`: how far the descriptions of an atlas can be trusted."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from maps.budget import Budget
from maps.commands.arguments import Commands, positive, small_seed, with_bar
from maps.commands.server import add_server, chat_of
from maps.forecast import SCORER, forecast
from maps.prices import read_prices
from maps.types import MapsError

if TYPE_CHECKING:
    from maps.atlas import Atlas
    from maps.chat import Chat
    from maps.scoring.offline import Draw
    from maps.scoring.plan import Plan

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
    p.add_argument("--scorer", help="a model of an OpenAI-compatible server; without it only the offline measures")
    p.add_argument("--describer", help="score only this describer's descriptions")
    add_server(p, "questions asked")
    p.add_argument("--seed", type=small_seed, default=0, help="seed of what is drawn and asked (default 0)")
    p.add_argument("--random", type=positive, default=20, metavar="N", help="random heads a layer (default 20)")
    p.add_argument("--no-random", action="store_true", help="draw no random heads, which needs no model")
    p.add_argument("--model", help="where the atlas's model is now (default: where it was mapped from)")
    p.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Computes the offline measures, then asks the scorer, and says the first numbers of both."""
    from maps.atlas import Atlas
    from maps.scoring.offline import Draw
    from maps.scoring.plan import plan

    atlas = Atlas.open(arguments.atlas)
    draw = Draw(arguments.random, arguments.seed)
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
    from maps.scoring.offline import draw_random_heads, keep_checks, keep_concentration

    rows = keep_checks(atlas, predefined())
    borne_out = {(row["layer"], row["head"]) for row in rows if row["support"] >= VISIBLE}
    print(
        f"{len(borne_out):,} of {len(atlas.ids):,} heads have {VISIBLE} or more mappings that bear out a named check: "
        f"{atlas.folder}/checks.parquet"
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
    beside = f"; {among.count(0):,} are more concentrated than every random head of their layer" if among else ""
    print(f"The targets of {len(rows):,} heads were measured{beside}: {atlas.folder}/concentration.parquet")


def ask(atlas: Atlas, planned: Plan, chat: Chat, arguments: argparse.Namespace) -> None:
    """Asks the scorer, after saying how much there is to ask, and says what came of it."""
    from maps.scoring.detection import detect
    from maps.scoring.summary import detection_sentences

    print(" ".join(left_out(planned)))
    print(ahead(atlas, planned, chat, arguments), flush=True)
    try:
        found = detect(atlas, planned.questions, chat, arguments.seed, arguments.concurrency)
    finally:
        if chat.budget.answers:
            print(chat.budget.sentence(), flush=True)
    failed = f", {found.failed:,} without a usable answer" if found.failed else ""
    print(f"{chat.model} was asked {found.answered + found.failed:,} questions now{failed}.")
    scores = [
        row
        for row in atlas.table("scores").to_pylist()
        if (row["scorer"], row["seed"]) == (chat.model, arguments.seed)
        and arguments.describer in (None, row["describer"])
    ]
    print("\n".join(detection_sentences(scores)))
    print(f"Scores: {atlas.folder}/scores.parquet")


def scorer(arguments: argparse.Namespace) -> Chat:
    """The model that is asked; raises MapsError where it can't be."""
    from maps.chat.troubles import MEASURE_OFFLINE

    budget = Budget(read_prices(arguments.prices).of(arguments.scorer), arguments.max_cost)
    chat = chat_of(arguments.scorer, arguments, budget, MEASURE_OFFLINE)
    chat.check_key()
    return chat


def ahead(atlas: Atlas, planned: Plan, chat: Chat, arguments: argparse.Namespace) -> str:
    """What is to be asked, with its price."""
    from maps.pending import merge
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
    said = [f"{heads:,} descriptions are to be scored with {len(planned.questions):,} questions."]
    counts = {
        "say that there is no pattern, so there is nothing to score": planned.unclear,
        "are of mappings that changed since": planned.stale,
        "have no other description in their layer, so no control": planned.alone,
        "have fewer than ten held-out mappings of their own or of other heads": planned.short,
    }
    return said + [f"{count:,} {why}." for why, count in counts.items() if count]
