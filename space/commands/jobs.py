"""`jobs`: runs a mapping on a machine of the Hub and prints its output."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

from maps.command_line import Subparsers, print_text
from maps.commands.map import add_mapping_options, requested_reading
from maps.errors import MapsError, RunFailedError
from maps.hub.names import MODEL_ID_PATTERN
from space.commands.deploy import PROJECT_ROOT

if TYPE_CHECKING:
    from huggingface_hub import HfApi

    from space.hosting.jobs import JobPlan

TIMEOUT_PATTERN = re.compile(r"\d+(\.\d+)?[smhd]?")
JOB_OPTIONS = ("model", "out", "relation", "flavor", "timeout", "namespace", "private", "dry_run", "detach", "help")


def add(commands: Subparsers[argparse.ArgumentParser]) -> None:
    p = commands.add_parser(
        "jobs",
        help="run a mapping as a Job on a machine of the Hub",
        description="Run a mapping as a Job on a machine of the Hugging Face Hub. The Hub charges for the machine.",
        epilog="example: python -m space jobs map user/model --out user/atlas --flavor cpu-upgrade --dry-run",
    )
    below = p.add_subparsers(required=True, metavar="COMMAND")
    add_map_command(below)
    logs = below.add_parser(
        "logs",
        help="print a Job's output until it ends",
        description="Print a Job's output from its beginning until it ends. Ctrl+C leaves the Job running.",
        epilog="example: python -m space jobs logs 687fb701029421ae5549d998",
    )
    logs.add_argument("job", help="the Job's id")
    logs.add_argument("--namespace", help="the user or organisation that runs the Job (default: you)")
    logs.set_defaults(run=run_logs)


def add_map_command(commands: Subparsers[argparse.ArgumentParser]) -> None:
    """Declares `jobs map`: the options of `maps map`, and those of the machine."""
    p = commands.add_parser(
        "map",
        help="map a model on a machine of the Hub and push the atlas",
        description="Map a model of the Hub on a machine of the Hub and push the atlas to a dataset. The Job continues "
        "when the terminal closes; the same command then shows its output instead of starting another Job.",
        epilog="example: python -m space jobs map user/model --out user/atlas --flavor cpu-upgrade --timeout 3h",
    )
    add_mapping_options(p, "the dataset for the atlas, such as user/name")
    p.add_argument("--flavor", default="cpu-upgrade", help="the kind of machine (default: cpu-upgrade)")
    p.add_argument("--timeout", type=duration, default="3h", help="the time limit, such as 90m (default: 3h)")
    p.add_argument("--namespace", help="the user or organisation that pays (default: you)")
    p.add_argument("--private", action="store_true", help="make the atlas's dataset private")
    p.add_argument("--detach", action="store_true", help="start the Job without printing its output")
    p.add_argument("--dry-run", action="store_true", help="print machine, price and command without starting a Job")
    p.set_defaults(run=run_map, parser=p)


def duration(text: str) -> str:
    """A time limit such as `300`, `90m` or `3h`."""
    if not TIMEOUT_PATTERN.fullmatch(text) or not float(text.rstrip("smhd")):
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 90m or 3h")
    return text


def run_map(options: argparse.Namespace) -> None:
    """Starts the Job, or finds it running, and prints its output."""
    from maps.hub.errors import call_with_retries, translate_hub_errors
    from space.hosting import jobs

    api, token = open_client(options)
    with translate_hub_errors("list", "machines for Jobs", jobs.UNREACHABLE_MESSAGE):
        machine = jobs.select_hardware(call_with_retries(api.list_jobs_hardware), options.flavor)
    plan = plan_job(options, job_namespace(api, options), machine.accelerator is not None)
    price = jobs.price_text(machine)
    print_text(f"Machine: {machine.name}, {machine.cpu}, {machine.ram}, {price}, for at most {plan.timeout}.")
    print_text(f"Input: {len(plan.files):,} files in the private dataset {plan.dataset}; the secret HF_TOKEN.")
    print_text(f"Command: {plan.command}")
    if options.dry_run:
        print_text("Nothing was started.")
        return
    job = jobs.find_active_job(api, plan)
    print_text("This Job is already running." if job else "Starting the Job.")
    job = job or jobs.start_job(api, plan, jobs.upload_source(api, plan), {"HF_TOKEN": token})
    again = f"python -m space jobs logs {job.id} --namespace {plan.namespace}"
    cancel = f"hf jobs cancel {plan.namespace}/{job.id}"
    print_text(f"The Job is at {job.url}; `{again}` prints its output, `{cancel}` ends it.")
    if not options.detach:
        watch_job(api, job.id, plan.namespace)
        print_text(f"The atlas is in the dataset {options.out}.")


def run_logs(options: argparse.Namespace) -> None:
    api, _ = open_client(options)
    watch_job(api, options.job, job_namespace(api, options))


def watch_job(api: HfApi, job: str, namespace: str) -> None:
    """Prints a Job's output until it ends; raises RunFailedError if it failed."""
    from space.hosting import jobs

    try:
        for line in jobs.job_output(api, job, namespace):
            print_text(line)
    except KeyboardInterrupt:
        print_text(f"The Job continues; `python -m space jobs logs {job} --namespace {namespace}` prints its output.")
        raise
    stage = jobs.job_stage(api, job, namespace)
    if stage != "COMPLETED":
        raise RunFailedError(f"The Job {job} ended as {stage}; its output above says why.")


def open_client(options: argparse.Namespace) -> tuple[HfApi, str]:
    """The Hub's client and the token, which the Job gets too; raises MapsError if there is no token."""
    from huggingface_hub import HfApi, get_token

    from maps.hub.errors import LOGIN_HINT

    token = options.environment.get("HF_TOKEN") or get_token()
    if not token:
        raise MapsError(f"Jobs need a token: {LOGIN_HINT}.")
    return HfApi(endpoint=options.environment.get("HF_ENDPOINT") or None, token=token), token


def job_namespace(api: HfApi, options: argparse.Namespace) -> str:
    """The user or organisation that runs the Job."""
    from maps.hub.errors import call_with_retries, translate_hub_errors
    from space.hosting.jobs import UNREACHABLE_MESSAGE

    with translate_hub_errors("token", "this command", UNREACHABLE_MESSAGE):
        return options.namespace or str(call_with_retries(api.whoami)["name"])


def plan_job(options: argparse.Namespace, namespace: str, has_gpu: bool) -> JobPlan:
    """The Job that the options describe; raises MapsError if it cannot run on the Hub."""
    from maps.commands.arguments import settings_from
    from maps.hub.names import DATASET_NAME_PATTERN
    from maps.mapping.reading import AUTO
    from maps.weights.bundled import BUNDLED_MODEL
    from space.hosting import jobs

    repo = str(options.out)
    if not DATASET_NAME_PATTERN.fullmatch(repo):
        raise MapsError(f"{repo!r} is not a valid name of a dataset on the Hub; write --out user/name.")
    model = options.model
    if model != BUNDLED_MODEL and (Path(model).exists() or not MODEL_ID_PATTERN.fullmatch(model)):
        raise MapsError(f"A Job cannot read {model}; put the model on the Hub and give its id, such as user/name.")
    if options.calibration is not None:
        raise MapsError(f"A Job cannot read {options.calibration}; with --reading auto it calibrates by itself.")
    reading = requested_reading(options)
    settings_from(argparse.Namespace(**{**vars(options), "reading": None if reading == AUTO else options.reading}))
    relations = [spec.partition("=")[::2] for spec in options.relation]
    files = {f"relations/{number}.json": Path(file).read_bytes() for number, (_, file) in enumerate(relations)}
    relation_options = [
        f"--relation={name}={jobs.SOURCE_FOLDER}/relations/{number}.json" for number, (name, _) in enumerate(relations)
    ]
    if has_gpu and options.device == "cpu":
        options.device = "cuda"  # the machine's price includes the GPU
    command = jobs.shell_command(model, [*relation_options, *changed_options(options)], repo, options.private)
    return jobs.JobPlan(namespace, command, options.flavor, options.timeout, jobs.source_files(PROJECT_ROOT, files))


def changed_options(options: argparse.Namespace) -> list[str]:
    """The options of `maps map` that differ from their defaults, as on a command line."""
    arguments = []
    for action in options.parser._actions:  # argparse has no public list of its options
        value = getattr(options, action.dest, action.default)
        if action.dest in JOB_OPTIONS or value == action.default:
            continue
        text = "-".join(map(str, value)) if isinstance(value, tuple) else str(value)
        arguments.append(action.option_strings[-1] + ("" if action.nargs == 0 else f"={text}"))
    return arguments
