"""`deploy`: puts the app on a Hugging Face Space, with the dataset that keeps its judgments."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from maps.atlas.remote import HUB_NAME_PATTERN
from maps.command_line import Subparsers, print_text
from maps.errors import MapsError

if TYPE_CHECKING:
    from space.hosting.hub import HubSpace
    from space.hosting.plan import CurrentSpace, DesiredSpace

PROJECT_ROOT = Path(__file__).parents[2]
DEFAULT_TIMEOUT = 1800.0  # seconds: the first build installs every package


def add(commands: Subparsers[argparse.ArgumentParser]) -> None:
    """`deploy`."""
    p = commands.add_parser(
        "deploy",
        help="the app on a Hugging Face Space",
        description=(
            "Makes or updates a Space and the private dataset that keeps its judgments: uploads what differs, sets "
            "secrets and variables, waits until the Space runs. Twice in a row changes nothing; cut off anywhere, the "
            "same command goes on. Needs a token that may write: HF_TOKEN, or `hf auth login`; the Space gets "
            "MAPS_SPACE_TOKEN where that is set, else the same."
        ),
        epilog="example: python -m space deploy --space me/heads --dataset me/judgments --dry-run",
    )
    p.add_argument("--space", required=True, metavar="REPO", help="the Space, such as user/name")
    p.add_argument("--dataset", required=True, metavar="REPO", help="the private dataset that keeps the judgments")
    p.add_argument(
        "--atlas",
        action="append",
        default=[],
        metavar="REPO",
        help="an atlas on the Hub to show (repeatable; default: the prebuilt one)",
    )
    p.add_argument(
        "--organiser",
        action="append",
        default=[],
        metavar="NAME",
        help="a Hugging Face user who organises studies (repeatable; default: whose token it is)",
    )
    p.add_argument("--private", action="store_true", help="make the Space private")
    p.add_argument("--hardware", metavar="NAME", help="such as cpu-basic, zero-a10g (default: what the Space has)")
    p.add_argument("--data", metavar="DIR", help="where the pseudonym key is kept (default: MAPS_DATA, or data)")
    p.add_argument(
        "--timeout",
        type=float,
        default=DEFAULT_TIMEOUT,
        metavar="SECONDS",
        help="wait so long (default: 1800); 0: not at all",
    )
    p.add_argument("--dry-run", action="store_true", help="print what would be done, and do nothing")
    p.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Looks, plans, does it, waits, prints the addresses."""
    from maps.hub.repository import HubDataset
    from space.hosting.card import direct_address
    from space.hosting.deploy import carry_out_steps, inspect_space, wait_until_running
    from space.hosting.hub import HubSpace
    from space.hosting.plan import deployment_notes, plan_deployment, step_sentence

    for name in (options.space, options.dataset, *options.atlas):
        if not HUB_NAME_PATTERN.fullmatch(name):
            raise MapsError(f"{name!r} is no name on the Hub; write it as user/name.")
    endpoint = options.environment.get("HF_ENDPOINT") or None
    token = read_token(options.environment)
    space, judgments = HubSpace(options.space, token, endpoint), HubDataset(options.dataset, token, endpoint)
    who = check_token(space, [("space", options.space), ("dataset", options.dataset)])
    models = atlas_models(options.atlas, token, endpoint)
    found = inspect_space(space, judgments)
    wanted = desired_space(options, found, token, who, models)
    acts = plan_deployment(wanted, found)
    for sentence in deployment_notes(wanted, found):
        print_text(sentence)
    if options.dry_run:
        print_text("\n".join([step_sentence(act, wanted.space) for act in acts] or ["Nothing is to be done."]))
        return
    carry_out_steps(acts, wanted, space, judgments, print_now)
    if not acts:
        print_text("Everything is as it shall be.")
    if options.timeout > 0:
        wait_until_running(space, options.timeout, print_now)
    print_text(f"The app: {direct_address(options.space)} (for annotators: …/annotate)")
    print_text(f"In the frame of the Hub: {endpoint or 'https://huggingface.co'}/spaces/{options.space}")


def print_now(sentence: str) -> None:
    """Prints a line at once."""
    print_text(sentence)


def read_token(environment: Mapping[str, str]) -> str:
    """HF_TOKEN, or that of `hf auth login`."""
    from huggingface_hub import get_token

    found = environment.get("HF_TOKEN") or get_token()
    if not found:
        raise MapsError("There is no token; set HF_TOKEN or run `hf auth login`, with a token that may write.")
    return found


def check_token(space: HubSpace, repositories: list[tuple[str, str]]) -> str:
    """The user whose token it is; raises MapsError where it may not write the repositories."""
    from space.hosting.permissions import missing_permission

    who = space.whoami()
    if trouble := missing_permission(who, repositories):
        raise MapsError(trouble)
    return str(who.get("name") or "")


def atlas_models(atlases: list[str], token: str, endpoint: str | None) -> list[str]:
    """The Hub ids of the models whose atlases are shown; raises MapsError where a dataset is none."""
    import json

    from maps.atlas.remote import COMMIT_PATTERN
    from maps.hub.repository import HubDataset

    found = []
    for name in atlases:
        dataset = HubDataset(name, token, endpoint)
        head = dataset.read_state()
        if head is None or "atlas.json" not in head.files:
            raise MapsError(f"The Hub has no atlas {name}; push it first: python -m maps push ATLAS {name}.")
        info = json.loads(dataset.read_files(head, ["atlas.json"])["atlas.json"])
        if COMMIT_PATTERN.fullmatch(str(info.get("revision"))) and HUB_NAME_PATTERN.fullmatch(
            str(info.get("asked_for"))
        ):
            found.append(str(info["asked_for"]))
    return found


def desired_space(
    options: argparse.Namespace, current: CurrentSpace, token: str, user: str, models: list[str]
) -> DesiredSpace:
    """The Space as the options ask for it."""
    from space.hosting.plan import PSEUDONYM_KEY_SECRET, TOKEN_SECRET, DesiredSpace
    from space.hosting.upload import space_files

    given = options.environment.get("MAPS_SPACE_TOKEN")
    secrets = {TOKEN_SECRET: given or token}
    key = pseudonym_key_for(options, current)
    secrets |= {} if key is None else {PSEUDONYM_KEY_SECRET: key}
    variables = {"MAPS_JUDGMENTS": options.dataset, "MAPS_ORGANISERS": ",".join(options.organiser or [user])}
    variables |= {"MAPS_ATLASES": ",".join(options.atlas)} if options.atlas else {}
    files = space_files(
        PROJECT_ROOT, options.space, [*options.atlas, options.dataset], models, options.hardware or current.hardware
    )
    return DesiredSpace(options.space, options.dataset, files, secrets, variables, options.private, options.hardware)


def pseudonym_key_for(options: argparse.Namespace, current: CurrentSpace) -> str | None:
    """The pseudonym key: MAPS_PSEUDONYM_KEY, the one kept here for this Space, or a new one, which is kept.

    None where the Space has a key that is not kept here: it stays. A dry run makes none.
    """
    from space.hosting.plan import PSEUDONYM_KEY_SECRET
    from space.services import load_or_create_pseudonym_key

    if given := options.environment.get("MAPS_PSEUDONYM_KEY"):
        return str(given)
    data = Path(options.data or options.environment.get("MAPS_DATA") or "data")
    folder = data / "spaces" / options.space.replace("/", "--")
    if not (folder / "pseudonym.key").exists():
        if PSEUDONYM_KEY_SECRET in current.secrets:
            return None
        if options.dry_run:
            return ""
    return load_or_create_pseudonym_key("", folder).decode()
