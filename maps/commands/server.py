"""What the commands that ask a model of a server share: their options, and the chat made of these."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from maps.commands.arguments import dollars, positive, seconds
from maps.llm.budget import Budget

if TYPE_CHECKING:
    from maps.llm.client import Chat


def add_server(p: argparse.ArgumentParser, things: str) -> None:
    """The options; `things` are what is asked about at once."""
    p.add_argument("--base-url", help="the server's address (default: OPENAI_BASE_URL, else OpenAI)")
    p.add_argument("--concurrency", type=positive, default=8, help=f"{things} at once (default 8)")
    p.add_argument("--timeout", type=seconds, default=120, metavar="SECONDS", help="to wait for one reply (120)")
    p.add_argument("--max-tokens", type=positive, metavar="N", help="of one reply, thoughts included (enough for most)")
    p.add_argument("--max-cost", type=dollars, metavar="USD", help="stop before the run can cost more than that")
    p.add_argument("--prices", type=Path, metavar="FILE", help="a table of prices instead of the one that ships")


def chat_of(model: str, arguments: argparse.Namespace, budget: Budget, without_key: str) -> Chat:
    """The chat with a model, by the options and the environment; raises DescriberError where they can't be right.

    `without_key` says what else can be done where the key is missing.
    """
    from maps.llm.client import Chat

    environment = arguments.environment
    return Chat(
        model,
        arguments.base_url or environment.get("OPENAI_BASE_URL") or None,
        environment.get("OPENAI_API_KEY") or None,
        timeout=arguments.timeout,
        max_tokens=arguments.max_tokens,
        concurrency=arguments.concurrency,
        budget=budget,
        without_key=without_key,
        organization=environment.get("OPENAI_ORG_ID") or None,
        project=environment.get("OPENAI_PROJECT_ID") or None,
    )
