"""Plans a deployment: the steps from the current to the desired Space, as data, each with a sentence."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from maps.hub.repository import RepositoryState, content_digest
from maps.text import pluralize
from space.hosting.upload import is_managed

TOKEN_SECRET = "HF_TOKEN"
PSEUDONYM_KEY_SECRET = "MAPS_PSEUDONYM_KEY"
MANAGED_VARIABLES = (
    "MAPS_JUDGMENTS",
    "MAPS_ATLASES",
    "MAPS_ORGANISERS",
    "GRADIO_MCP_SERVER",
)  # set and deleted by a deployment
STOPPED_STAGES = ("PAUSED", "STOPPED", "RUNTIME_ERROR", "BUILD_ERROR", "CONFIG_ERROR")  # only a restart ends them


@dataclass(frozen=True)
class DesiredSpace:
    """The desired state of a Space. `judgments` is the ledger's dataset; `secrets` by name, never printed.

    With `is_private` the Space is made private; without it a private Space stays private. Without `hardware` the Space
    keeps its hardware.
    """

    space: str
    judgments: str
    files: Mapping[str, bytes] = field(repr=False)
    secrets: Mapping[str, str] = field(repr=False)
    variables: Mapping[str, str] = field(default_factory=dict)
    is_private: bool = False
    hardware: str | None = None


@dataclass(frozen=True)
class CurrentSpace:
    """The current state: of Space and dataset (None if they do not exist), and the Space's settings.

    The Hub shows only the names and descriptions of secrets.
    """

    space: RepositoryState | None = None
    judgments: RepositoryState | None = None
    secrets: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    stage: str = ""
    hardware: str = ""


@dataclass(frozen=True)
class CreateDataset:
    name: str


@dataclass(frozen=True)
class CreateSpace:
    is_private: bool
    hardware: str | None


@dataclass(frozen=True)
class MakePrivate:
    """Make the Space private."""


@dataclass(frozen=True)
class SetSecret:
    """Set a secret. The plan contains its name only."""

    name: str


@dataclass(frozen=True)
class SetVariable:
    name: str
    value: str


@dataclass(frozen=True)
class DeleteVariable:
    name: str


@dataclass(frozen=True)
class UploadFiles:
    """Upload new and changed files and delete others, in one commit."""

    changed_paths: tuple[str, ...]
    deleted_paths: tuple[str, ...]
    parent_commit: str | None


@dataclass(frozen=True)
class RequestHardware:
    name: str


@dataclass(frozen=True)
class RestartSpace:
    """Start a stopped Space."""


DeploymentStep = (
    CreateDataset
    | CreateSpace
    | MakePrivate
    | SetSecret
    | SetVariable
    | DeleteVariable
    | UploadFiles
    | RequestHardware
    | RestartSpace
)
Steps = tuple[DeploymentStep, ...]


def plan_deployment(desired: DesiredSpace, current: CurrentSpace) -> Steps:
    """The steps from the current to the desired state, in order; none if nothing differs."""
    steps: list[DeploymentStep] = [] if current.judgments else [CreateDataset(desired.judgments)]
    if current.space is None:
        steps.append(CreateSpace(desired.is_private, desired.hardware))
    elif desired.is_private and not current.space.is_private:
        steps.append(MakePrivate())
    steps += plan_settings(desired, current)
    upload = plan_upload(desired, current)
    if upload is not None:
        steps.append(upload)
    if current.space and desired.hardware not in (None, current.hardware):
        steps.append(RequestHardware(desired.hardware or ""))
    if current.stage in STOPPED_STAGES and upload is None:
        steps.append(RestartSpace())
    return tuple(steps)


def plan_settings(desired: DesiredSpace, current: CurrentSpace) -> list[DeploymentStep]:
    """Secrets and variables. An existing pseudonym key stays: with another one all annotators would be new people."""
    steps: list[DeploymentStep] = []
    for name, value in desired.secrets.items():
        description = current.secrets.get(name)
        is_other = name != PSEUDONYM_KEY_SECRET and secret_fingerprint(value) not in (description or "")
        if description is None or is_other:
            steps.append(SetSecret(name))
    for name, value in desired.variables.items():
        if current.variables.get(name) != value:
            steps.append(SetVariable(name, value))
    for name in MANAGED_VARIABLES:
        if name in current.variables and name not in desired.variables:
            steps.append(DeleteVariable(name))
    return steps


def plan_upload(desired: DesiredSpace, current: CurrentSpace) -> UploadFiles | None:
    """One commit with every difference in the files; None if there is none."""
    files = current.space.files if current.space else {}
    changed = [
        path
        for path, content in sorted(desired.files.items())
        if path not in files or files[path].digest != content_digest(content, files[path].is_large)
    ]
    deleted = [path for path in sorted(files) if is_managed(path) and path not in desired.files]
    if not (changed or deleted):
        return None
    return UploadFiles(tuple(changed), tuple(deleted), current.space.commit if current.space else None)


def secret_fingerprint(secret: str) -> str:
    """A short hash, kept in a secret's description, that shows whether the secret changed but not what it is."""
    return hashlib.sha256(b"maps-heads\0" + secret.encode()).hexdigest()[:8]


def secret_description(secret: str) -> str:
    return f"Set by `python -m space deploy` (mark {secret_fingerprint(secret)})"


def deployment_notes(desired: DesiredSpace, current: CurrentSpace) -> list[str]:
    description, key = current.secrets.get(PSEUDONYM_KEY_SECRET), desired.secrets.get(PSEUDONYM_KEY_SECRET)
    if description is None or key is None or secret_fingerprint(key) in description:
        return []
    return ["The Space keeps its own pseudonym key, which differs from the one on this machine."]


def step_sentence(step: DeploymentStep, space: str) -> str:
    match step:
        case CreateDataset(name):
            return f"Create the private dataset {name} for the judgments."
        case CreateSpace(private, hardware):
            return f"Create the {'private' if private else 'public'} Space {space} on {hardware or 'cpu-basic'}."
        case MakePrivate():
            return f"Make the Space {space} private."
        case SetSecret(name):
            return f"Set the secret {name}."
        case SetVariable(name, value):
            return f"Set the variable {name} to {value}."
        case DeleteVariable(name):
            return f"Delete the variable {name}."
        case UploadFiles(changed, deleted, _):
            deletion = f" and delete {pluralize(len(deleted), 'file')}" if deleted else ""
            return f"Upload {pluralize(len(changed), 'file')}{deletion} in one commit."
        case RequestHardware(name):
            return f"Request the hardware {name}."
        case RestartSpace():
            return f"Restart the Space {space}, which is stopped."
