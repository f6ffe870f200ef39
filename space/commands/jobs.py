"""`jobs`: a mapping on a machine of the Hub, and what such a run prints."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

from maps.command_line import Subparsers, print_text
from maps.commands.map import add_mapping_options
from maps.errors import MapsError, RunFailedError
from space.commands.deploy import PROJECT_ROOT

if TYPE_CHECKING:
    from huggingface_hub import HfApi

    from space.hosting.jobs import JobPlan

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")
TIMEOUT_PATTERN = re.compile(r"\d+(\.\d+)?[smhd]?")
JOB_OPTIONS = ("model", "out", "relation", "flavor", "timeout", "namespace", "private", "dry_run", "detach", "help")


def add(commands: Subparsers[argparse.ArgumentParser]) -> None:
    """`jobs map` and `jobs logs`."""
    p = commands.add_parser(
        "jobs",
        help="run a mapping as a Job on a machine of the Hub",
        description="Run a mapping as a Job on a machine of the Hugging Face Hub, which costs money there.",
        epilog="example: python -m space jobs map user/model --out user/atlas --flavor cpu-upgrade --dry-run",
    )
    below = p.add_subparsers(required=True, metavar="COMMAND")
    add_map_command(below)
    logs = below.add_parser(
        "logs",
        help="print what a Job prints, until it ends",
        description="Print what a Job has printed and prints, until it ends. Ctrl+C leaves the Job running.",
        epilog="example: python -m space jobs logs 687fb701029421ae5549d998",
    )
    logs.add_argument("job", help="the Job's id")
    logs.add_argument("--namespace", help="whose Job it is (default: yours)")
    logs.set_defaults(run=run_logs)


def add_map_command(commands: Subparsers[argparse.ArgumentParser]) -> None:
    """`jobs map`: the options of `maps map`, and the machine's."""
    p = commands.add_parser(
        "map",
        help="map a model on a machine of the Hub and push the atlas",
        description="Map a model of the Hub on a machine of the Hub and push the atlas to a dataset. The Job goes on "
        "when the terminal closes; the same command again shows it instead of starting another.",
        epilog="example: python -m space jobs map user/model --out user/atlas --flavor cpu-upgrade --timeout 3h",
    )
    add_mapping_options(p, "the dataset that takes the atlas, such as user/name")
    p.add_argument("--flavor", default="cpu-upgrade", help="the kind of machine (default cpu-upgrade)")
    p.add_argument("--timeout", type=duration, default="3h", help="when the Hub ends it, such as 90m (default 3h)")
    p.add_argument("--namespace", help="who pays: you, or an organisation (default: you)")
    p.add_argument("--private", action="store_true", help="make the atlas's dataset private")
    p.add_argument("--detach", action="store_true", help="start it and leave; do not print what it prints")
    p.add_argument("--dry-run", action="store_true", help="print machine, price and command, and start nothing")
    p.set_defaults(run=run_map, parser=p)


def duration(text: str) -> str:
    """`300`, `90m`, `3h`."""
    if not TIMEOUT_PATTERN.fullmatch(text) or not float(text.rstrip("smhd")):
        raise argparse.ArgumentTypeError(f"{text!r} is no time such as 90m or 3h")
    return text


def run_map(options: argparse.Namespace) -> None:
    """Starts the Job, or finds it running, and prints what it prints."""
    from maps.hub.errors import call_with_retries, translate_hub_errors
    from space.hosting import jobs

    api, token = open_client(options)
    with translate_hub_errors("list", "machines for Jobs", jobs.UNREACHABLE_MESSAGE):
        machine = jobs.select_hardware(call_with_retries(api.list_jobs_hardware), options.flavor)
    plan = plan_job(options, job_namespace(api, options), machine.accelerator is not None)
    print_text(
        f"Machine: {machine.name}, {machine.cpu}, {machine.ram}, {jobs.price_text(machine)}, ended after {plan.timeout}."
    )
    print_text(f"Given: {len(plan.files):,} files in the private dataset {plan.dataset}; the secret HF_TOKEN.")
    print_text(f"Runs: {plan.command}")
    if options.dry_run:
        print_text("Nothing was started.")
        return
    job = jobs.find_active_job(api, plan)
    print_text("It is there already." if job else "Starting.")
    job = job or jobs.start_job(api, plan, jobs.upload_source(api, plan), {"HF_TOKEN": token})
    again = f"python -m space jobs logs {job.id} --namespace {plan.namespace}"
    print_text(f"The Job is at {job.url}; `{again}` shows it, `hf jobs cancel {plan.namespace}/{job.id}` ends it.")
    if not options.detach:
        watch_job(api, job.id, plan.namespace)
        print_text(f"The atlas is in the dataset {options.out}.")


def run_logs(options: argparse.Namespace) -> None:
    """Prints what a Job prints."""
    api, _ = open_client(options)
    watch_job(api, options.job, job_namespace(api, options))


def watch_job(api: HfApi, job: str, namespace: str) -> None:
    """Prints what a Job prints until it ends; raises NothingDoneError where it ended otherwise than well."""
    from space.hosting import jobs

    try:
        for line in jobs.job_output(api, job, namespace):
            print_text(line)
    except KeyboardInterrupt:
        print_text(f"The Job goes on; `python -m space jobs logs {job} --namespace {namespace}` shows it again.")
        raise
    stage = jobs.job_stage(api, job, namespace)
    if stage != "COMPLETED":
        raise RunFailedError(f"The Job {job} ended as {stage}; what it printed says why.")


def open_client(options: argparse.Namespace) -> tuple[HfApi, str]:
    """The Hub's client, and the token that a Job gets too; raises MapsError where there is none."""
    from huggingface_hub import HfApi, get_token

    from maps.hub.errors import LOGIN_HINT

    token = options.environment.get("HF_TOKEN") or get_token()
    if not token:
        raise MapsError(f"The Hub runs no Job without a token: {LOGIN_HINT}.")
    return HfApi(endpoint=options.environment.get("HF_ENDPOINT") or None, token=token), token


def job_namespace(api: HfApi, options: argparse.Namespace) -> str:
    """Whose Job it is."""
    from maps.hub.errors import call_with_retries, translate_hub_errors
    from space.hosting.jobs import UNREACHABLE_MESSAGE

    with translate_hub_errors("token", "this command", UNREACHABLE_MESSAGE):
        return options.namespace or str(call_with_retries(api.whoami)["name"])


def plan_job(options: argparse.Namespace, namespace: str, has_gpu: bool) -> JobPlan:
    """What the options ask for; raises MapsError for what a Job cannot have."""
    from maps.atlas.remote import HUB_NAME_PATTERN
    from maps.commands.model import settings_from
    from maps.weights.bundled import BUNDLED_MODEL
    from space.hosting import jobs

    repo = str(options.out)
    if not HUB_NAME_PATTERN.fullmatch(repo):
        raise MapsError(f"{repo!r} is no name of a dataset on the Hub; write --out user/name.")
    if options.model != BUNDLED_MODEL and (Path(options.model).exists() or not HUB_ID.fullmatch(options.model)):
        raise MapsError(
            f"A Job cannot read {options.model}; put the model on the Hub and give its id, such as user/name."
        )
    settings_from(options)  # raises where the relations are none
    relations = [spec.partition("=")[::2] for spec in options.relation]
    files = {f"relations/{number}.json": Path(file).read_bytes() for number, (_, file) in enumerate(relations)}
    words = [
        f"--relation={name}={jobs.SOURCE_FOLDER}/relations/{number}.json" for number, (name, _) in enumerate(relations)
    ]
    if has_gpu and options.device == "cpu":
        options.device = "cuda"  # which is what the machine is paid for
    command = jobs.shell_command(options.model, [*words, *changed_options(options)], repo, options.private)
    return jobs.JobPlan(namespace, command, options.flavor, options.timeout, jobs.source_files(PROJECT_ROOT, files))


def changed_options(options: argparse.Namespace) -> list[str]:
    """The options of `maps map` that differ from their defaults, as they are typed."""
    words = []
    for action in options.parser._actions:  # argparse lists its options nowhere else
        value = getattr(options, action.dest, action.default)
        if action.dest in JOB_OPTIONS or value == action.default:
            continue
        text = "-".join(map(str, value)) if isinstance(value, tuple) else str(value)
        words.append(action.option_strings[-1] + ("" if action.nargs == 0 else f"={text}"))
    return words
