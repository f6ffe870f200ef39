"""`deploy`: puts the app on a Hugging Face Space, with the dataset for its judgments."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from maps.command_line import Subparsers, print_text
from maps.errors import MapsError
from maps.hub.names import DATASET_NAME_PATTERN

if TYPE_CHECKING:
    from space.hosting.hub import HubSpace
    from space.hosting.plan import CurrentSpace, DesiredSpace

PROJECT_ROOT = Path(__file__).parents[2]
DEFAULT_TIMEOUT = 1800.0  # seconds; the first build installs every package


def add(commands: Subparsers[argparse.ArgumentParser]) -> None:
    p = commands.add_parser(
        "deploy",
        help="put the app on a Hugging Face Space",
        description=(
            "Creates or updates a Space and the private dataset for its judgments: uploads changed files, sets secrets "
            "and variables, and waits until the Space runs. Running it again changes nothing more; after an "
            "interruption the same command continues. Needs a token with write access: set HF_TOKEN or run `hf auth "
            "login`. The Space gets the token MAPS_SPACE_TOKEN, or the same token if that is not set."
        ),
        epilog="example: python -m space deploy --space me/heads --dataset me/judgments --dry-run",
    )
    p.add_argument("--space", required=True, metavar="REPO", help="the Space, such as user/name")
    p.add_argument("--dataset", required=True, metavar="REPO", help="the private dataset for the judgments")
    repeatable = partial(p.add_argument, action="append", default=[])
    repeatable("--atlas", metavar="REPO", help="an atlas on the Hub to show (repeatable; default: the prebuilt one)")
    organiser_help = "a Hugging Face user who organises studies (repeatable; default: the token's owner)"
    repeatable("--organiser", metavar="NAME", help=organiser_help)
    p.add_argument("--private", action="store_true", help="make the Space private")
    p.add_argument("--hardware", metavar="NAME", help="such as cpu-basic or zero-a10g (default: unchanged)")
    p.add_argument("--data", metavar="DIR", help="the folder with the pseudonym key (default: MAPS_DATA, or data)")
    timeout_help = "how long to wait until the Space runs (default: 1800; 0: do not wait)"
    p.add_argument("--timeout", type=float, default=DEFAULT_TIMEOUT, metavar="SECONDS", help=timeout_help)
    p.add_argument("--dry-run", action="store_true", help="print the steps without carrying them out")
    p.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Inspects the Space, plans and carries out the steps, waits, and prints the addresses."""
    from maps.hub.repository import HubDataset
    from space.hosting.deploy import carry_out_steps, inspect_space, wait_until_running
    from space.hosting.hub import HubSpace
    from space.hosting.plan import deployment_notes, plan_deployment, step_sentence
    from space.hosting.upload import direct_address

    for name in (options.space, options.dataset, *options.atlas):
        if not DATASET_NAME_PATTERN.fullmatch(name):
            raise MapsError(f"{name!r} is not a valid name on the Hub; write it as user/name.")
    endpoint = options.environment.get("HF_ENDPOINT") or None
    token = read_token(options.environment)
    space, judgments = HubSpace(options.space, token, endpoint), HubDataset(options.dataset, token, endpoint)
    user = check_token(space, [("space", options.space), ("dataset", options.dataset)])
    models = atlas_models(options.atlas, token, endpoint)
    current = inspect_space(space, judgments)
    desired = desired_space(options, current, token, user, models)
    steps = plan_deployment(desired, current)
    for sentence in deployment_notes(desired, current):
        print_text(sentence)
    if not steps:
        print_text("The Space is up to date.")
    if options.dry_run:
        for step in steps:
            print_text(step_sentence(step, desired.space))
        return
    carry_out_steps(steps, desired, space, judgments, print_now)
    if options.timeout > 0:
        wait_until_running(space, options.timeout, print_now)
    print_text(f"The app: {direct_address(options.space)} (for annotators: …/annotate)")
    print_text(f"In the frame of the Hub: {endpoint or 'https://huggingface.co'}/spaces/{options.space}")


def print_now(sentence: str) -> None:
    """Prints a line without buffering."""
    print_text(sentence)


def read_token(environment: Mapping[str, str]) -> str:
    """The token: HF_TOKEN, or that of `hf auth login`; raises MapsError if there is none."""
    from huggingface_hub import get_token

    token = environment.get("HF_TOKEN") or get_token()
    if not token:
        raise MapsError("There is no token; set HF_TOKEN to a token with write access, or run `hf auth login`.")
    return token


def check_token(space: HubSpace, repositories: list[tuple[str, str]]) -> str:
    """The token's owner; raises MapsError if the token has no write access to these repositories (kind, name)."""
    from space.hosting.hub import missing_permission

    whoami = space.whoami()
    if problem := missing_permission(whoami, repositories):
        raise MapsError(problem)
    return str(whoami.get("name") or "")


def atlas_models(atlases: list[str], token: str, endpoint: str | None) -> list[str]:
    """The Hub ids of the models of these atlases; raises MapsError if a dataset is not an atlas."""
    import json

    from maps.atlas.remote import COMMIT_PATTERN
    from maps.hub.repository import HubDataset

    models = []
    for name in atlases:
        dataset = HubDataset(name, token, endpoint)
        state = dataset.read_state()
        if state is None or "atlas.json" not in state.files:
            raise MapsError(f"The Hub has no atlas {name}; push it first: python -m maps push ATLAS {name}.")
        info = json.loads(dataset.read_files(state, ["atlas.json"])["atlas.json"])
        model, revision = str(info.get("asked_for")), str(info.get("revision"))
        if COMMIT_PATTERN.fullmatch(revision) and DATASET_NAME_PATTERN.fullmatch(model):
            models.append(model)
    return models


def desired_space(
    options: argparse.Namespace, current: CurrentSpace, token: str, user: str, models: list[str]
) -> DesiredSpace:
    from space.hosting.plan import PSEUDONYM_KEY_SECRET, TOKEN_SECRET, DesiredSpace
    from space.hosting.upload import space_files

    secrets = {TOKEN_SECRET: options.environment.get("MAPS_SPACE_TOKEN") or token}
    key = pseudonym_key_for(options, current)
    if key is not None:
        secrets[PSEUDONYM_KEY_SECRET] = key
    variables = {
        "MAPS_JUDGMENTS": options.dataset,
        "MAPS_ORGANISERS": ",".join(options.organiser or [user]),
        "GRADIO_MCP_SERVER": "true",  # which costs 16 MB: benchmarks/mcp_memory.py
    }
    if options.atlas:
        variables["MAPS_ATLASES"] = ",".join(options.atlas)
    datasets, hardware = [*options.atlas, options.dataset], options.hardware or current.hardware
    files = space_files(PROJECT_ROOT, options.space, datasets, models, hardware)
    return DesiredSpace(options.space, options.dataset, files, secrets, variables, options.private, options.hardware)


def pseudonym_key_for(options: argparse.Namespace, current: CurrentSpace) -> str | None:
    """The pseudonym key: MAPS_PSEUDONYM_KEY, the one stored here for this Space, or a new one, which is then stored.

    None if the Space has a key that is not stored here: it stays. A dry run stores no new key.
    """
    from annotation.identity.key import load_or_create_pseudonym_key
    from space.hosting.plan import PSEUDONYM_KEY_SECRET

    if key := options.environment.get("MAPS_PSEUDONYM_KEY"):
        return str(key)
    data = Path(options.data or options.environment.get("MAPS_DATA") or "data")
    folder = data / "spaces" / options.space.replace("/", "--")
    if not (folder / "pseudonym.key").exists():
        if PSEUDONYM_KEY_SECRET in current.secrets:
            return None
        if options.dry_run:
            return ""
    return load_or_create_pseudonym_key("", folder).decode()
