"""`describe`: the heads of an atlas in words."""

from __future__ import annotations

import argparse
from pathlib import Path

import maps
from maps.commands.arguments import Commands, positive


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    """`describe`."""
    p = commands.add_parser(
        "describe",
        help="describe the heads of an atlas",
        description="Describe the heads of an atlas. Heads whose current mappings are described are not asked again.",
        epilog="example: python -m maps describe data/atlases/smollm2 --describer offline",
    )
    p.add_argument("atlas", type=Path, help="the atlas's folder")
    p.add_argument("--describer", default="gpt-4o", help="offline, or a model of an OpenAI-compatible server (gpt-4o)")
    p.add_argument("--base-url", help="the server's address (default: OPENAI_BASE_URL, else OpenAI)")
    p.add_argument("--concurrency", type=positive, default=1, help="heads asked about at once (default 1)")
    p.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Describes the heads of an atlas that are not described yet."""
    environment = arguments.environment
    base_url = arguments.base_url or environment.get("OPENAI_BASE_URL") or None
    key = environment.get("OPENAI_API_KEY") or None
    run = maps.describe(
        arguments.atlas, arguments.describer, base_url=base_url, api_key=key, concurrency=arguments.concurrency
    )
    failed = f" and failed on {run.failed:,} (see failures.parquet)" if run.failed else ""
    print(f"{arguments.describer} described {run.asked:,} heads now{failed}.")
    print(f"It sees a pattern in {run.patterns:,} of {run.heads:,} heads: {arguments.atlas}/descriptions.parquet")
