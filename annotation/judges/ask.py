"""Asks a language model about a study's items and stores each answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from annotation.judges.prompt import MAX_REPLY_TOKENS, REPLY_SCHEMA, judge_messages, parse_judgment
from annotation.judges.store import Row, item_of_row, open_writer, read_rows
from annotation.study.study import Study
from annotation.types import StudyItem
from maps.llm.messages import Message, prompt_hash
from maps.scoring.stored_run import RunCounts, StoredRun

if TYPE_CHECKING:
    from maps.llm.client import Chat

REPLY_COLUMNS = ("prompt_tokens", "completion_tokens", "cost_usd")


@dataclass(frozen=True)
class JudgeQuestion:
    """An item and what is asked about it."""

    item: StudyItem
    messages: list[Message]

    @property
    def prompt_hash(self) -> str:
        return prompt_hash(self.messages)


def judge_questions(study: Study) -> list[JudgeQuestion]:
    """A question for each item of the study, controls included, in the order in which people get them."""
    return [JudgeQuestion(item, judge_messages(study.contents[item.key])) for item in study.order]


def open_questions(questions: Sequence[JudgeQuestion], path: Path, judge: str, seed: int) -> list[JudgeQuestion]:
    """The questions without a usable answer of the judge to the same prompt."""
    answered = {
        (item_of_row(row), row["prompt_hash"])
        for row in read_rows(path)
        if (row["judge"], row["seed"]) == (judge, seed) and row.get("presence") is not None
    }
    return [each for each in questions if (each.item, each.prompt_hash) not in answered]


def ask_judge(questions: Sequence[JudgeQuestion], path: Path, chat: Chat, seed: int, concurrency: int) -> RunCounts:
    """Asks these questions; stores each answer, and each failure with its reason, at once.

    Raises DescriberError if the run cannot continue.
    """

    async def ask(question: JudgeQuestion, seed: int) -> Row:
        reply = await chat.ask(question.messages, seed=seed, schema=REPLY_SCHEMA, max_tokens=MAX_REPLY_TOKENS)
        columns = {name: getattr(reply, name) for name in REPLY_COLUMNS}
        return {**asdict(parse_judgment(reply.content)), "reply_model": reply.model, **columns}

    def identify(question: JudgeQuestion) -> Row:
        return {**asdict(question.item), "judge": chat.model, "prompt_hash": question.prompt_hash}

    run = StoredRun(chat, ask, identify, seed, doing="judging")
    return run.run_with(open_writer(path), lambda: questions, concurrency)
