"""The options of commands that ask a language model on a server, and the client that they configure."""

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
    """Declares the options. `unit`: what `--concurrency` counts, such as "heads asked about"."""
    p.add_argument("--base-url", help="the server's address (default: OPENAI_BASE_URL, else OpenAI)")
    p.add_argument("--concurrency", type=positive_int, default=8, help=f"{unit} at once (default 8)")
    p.add_argument("--timeout", type=seconds, default=120, metavar="SECONDS", help="to wait for a reply (default 120)")
    p.add_argument(
        "--max-tokens", type=positive_int, metavar="N", help="of a reply, with reasoning (default: enough for most)"
    )
    p.add_argument("--max-cost", type=dollars, metavar="USD", help="stop before the run can cost more than this")
    p.add_argument("--prices", type=Path, metavar="FILE", help="a price table to use instead of the built-in one")


def chat_from(model: str, arguments: argparse.Namespace, budget: Budget, fallback_advice: str) -> Chat:
    """The client for a model, from the options and the environment; raises DescriberError where they are invalid.

    `fallback_advice`: what to do instead where there is no API key.
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
