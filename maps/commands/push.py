"""`push`: an atlas onto the Hub."""

from __future__ import annotations

import argparse
from pathlib import Path

import maps
from maps.command_line import Subparsers


def add(commands: Subparsers[argparse.ArgumentParser]) -> None:
    """`push`."""
    p = commands.add_parser(
        "push",
        help="put an atlas on the Hub, as a dataset",
        description="Put an atlas on the Hugging Face Hub as a dataset, one config a table. Needs a token: set "
        "HF_TOKEN or run `hf auth login`. The same command again sends only what changed; nothing is deleted there.",
        epilog="example: python -m maps push data/atlases/smollm2 user/atlas-of-smollm2",
    )
    p.add_argument("atlas", type=Path, help="the atlas's folder")
    p.add_argument("repo", help="the dataset's name on the Hub, such as user/name")
    p.add_argument("--private", action="store_true", help="make the dataset private")
    p.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Pushes an atlas and says where it is."""
    from maps.atlas.remote import list_pending_files

    address = maps.push(arguments.atlas, arguments.repo, private=arguments.private)
    waiting = list_pending_files(arguments.atlas)
    if waiting:
        print(f"Left out: {', '.join(waiting)}, rows of a run that was cut off; finish it, then push again.")
    print(f"The atlas is at {address}.")
