"""The command `push`: uploads an atlas to the Hugging Face Hub."""

from __future__ import annotations

import argparse
from pathlib import Path

import maps
from maps.command_line import Subparsers, print_text


def add(commands: Subparsers[argparse.ArgumentParser]) -> None:
    p = commands.add_parser(
        "push",
        help="upload an atlas to the Hub, as a dataset",
        description="Upload an atlas to the Hugging Face Hub as a dataset with one config for each table. Needs a "
        "token: set HF_TOKEN or run `hf auth login`. The same command again uploads only what changed; nothing is "
        "deleted there.",
        epilog="example: python -m maps push data/atlases/smollm2 user/atlas-of-smollm2",
    )
    p.add_argument("atlas", type=Path, help="the atlas's folder")
    p.add_argument("repo", help="the dataset's name on the Hub, such as user/name")
    p.add_argument("--private", action="store_true", help="make the dataset private")
    p.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from maps.atlas.remote import list_pending_files

    address = maps.push(arguments.atlas, arguments.repo, private=arguments.private)
    pending = list_pending_files(arguments.atlas)
    if pending:
        print_text(f"Left out: {', '.join(pending)}, rows of an interrupted run; finish it, then push again.")
    print_text(f"The atlas is at {address}.")
