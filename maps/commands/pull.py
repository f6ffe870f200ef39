"""The command `pull`: downloads an atlas from the Hugging Face Hub."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from maps.command_line import Subparsers, print_text
from maps.errors import MapsError


def add(commands: Subparsers[argparse.ArgumentParser]) -> None:
    p = commands.add_parser(
        "pull",
        help="download an atlas from the Hub",
        description="Download an atlas that `maps push` uploaded, into a folder. A private one needs a token: set "
        "HF_TOKEN or run `hf auth login`.",
        epilog="example: python -m maps pull user/atlas-of-smollm2 --out data/atlases/smollm2",
    )
    p.add_argument("repo", help="the dataset's name on the Hub, such as user/name, also with @COMMIT behind it")
    p.add_argument("--out", required=True, type=Path, help="the folder for the atlas")
    p.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Downloads the atlas; raises MapsError where the folder holds something else."""
    from maps.atlas.reader import Atlas
    from maps.atlas.remote import download_atlas
    from maps.atlas.verification import verify_atlas

    out: Path = arguments.out
    name, _, revision = arguments.repo.partition("@")
    downloaded = download_atlas(name, revision or None)
    verify_atlas(downloaded)
    if (out / "atlas.json").exists() and Atlas.open(out).info == Atlas.open(downloaded).info:
        print_text(f"The atlas is in {out} already.")
        return
    if out.exists() and any(out.iterdir()):
        raise MapsError(f"{out} is not empty, and nothing in it is replaced; choose another --out.")
    temporary = out.with_name(f".{out.name}.pull")
    shutil.rmtree(temporary, ignore_errors=True)
    shutil.copytree(downloaded, temporary, dirs_exist_ok=True)  # real files in the place of the cache's links
    temporary.replace(out)
    print_text(f"The atlas of {Atlas.open(out).model} is in {out}.")
