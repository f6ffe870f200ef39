"""What the commands that ask a model of a server share: their options, and the chat made of these."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from maps.command_line import positive_int
from maps.commands.arguments import dollars, seconds
from maps.llm.budget import Budget

if TYPE_CHECKING:
    from maps.llm.client import Chat


def add_server_options(p: argparse.ArgumentParser, unit: str) -> None:
    """The options; `unit` are what is asked about at once."""
    p.add_argument("--base-url", help="the server's address (default: OPENAI_BASE_URL, else OpenAI)")
    p.add_argument("--concurrency", type=positive_int, default=8, help=f"{unit} at once (default 8)")
    p.add_argument("--timeout", type=seconds, default=120, metavar="SECONDS", help="to wait for one reply (120)")
    p.add_argument(
        "--max-tokens", type=positive_int, metavar="N", help="of one reply, thoughts included (enough for most)"
    )
    p.add_argument("--max-cost", type=dollars, metavar="USD", help="stop before the run can cost more than that")
    p.add_argument("--prices", type=Path, metavar="FILE", help="a table of prices instead of the one that ships")


def chat_from(model: str, arguments: argparse.Namespace, budget: Budget, fallback_advice: str) -> Chat:
    """The chat with a model, by the options and the environment; raises DescriberError where they can't be right.

    `fallback_advice` says what else can be done where the key is missing.
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
        fallback_advice=fallback_advice,
        organization=environment.get("OPENAI_ORG_ID") or None,
        project=environment.get("OPENAI_PROJECT_ID") or None,
    )
