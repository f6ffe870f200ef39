"""What is to be done for a Space, from what is wanted and what is there. Pure: steps are data, each in a sentence."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from maps.hub.repository import RepositoryState, content_digest
from maps.text import pluralize
from space.hosting.upload import is_managed

TOKEN_SECRET = "HF_TOKEN"
PSEUDONYM_KEY_SECRET = "MAPS_PSEUDONYM_KEY"
MANAGED_VARIABLES = ("MAPS_JUDGMENTS", "MAPS_ATLASES", "MAPS_ORGANISERS")  # those that a deployment sets and unsets
STOPPED_STAGES = (
    "PAUSED",
    "STOPPED",
    "RUNTIME_ERROR",
    "BUILD_ERROR",
    "CONFIG_ERROR",
)  # stages that end by a restart only


@dataclass(frozen=True)
class DesiredSpace:
    """A Space as it shall be. `judgments` is the ledger's dataset; `secrets` by name, never shown.

    `is_private` makes it private; a Space that is private stays so. Without `hardware` it keeps what it has.
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
    """What is there: the newest states of Space and dataset (None: there is none), and how the Space is set.

    Of its secrets the Hub tells names and descriptions alone.
    """

    space: RepositoryState | None = None
    judgments: RepositoryState | None = None
    secrets: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    stage: str = ""
    hardware: str = ""


@dataclass(frozen=True)
class CreateDataset:
    """A private dataset."""

    name: str


@dataclass(frozen=True)
class CreateSpace:
    """An empty Space."""

    is_private: bool
    hardware: str | None


@dataclass(frozen=True)
class MakePrivate:
    """The Space made private."""


@dataclass(frozen=True)
class SetSecret:
    """A secret, by its name: the value is no part of a plan."""

    name: str


@dataclass(frozen=True)
class SetVariable:
    """A variable."""

    name: str
    value: str


@dataclass(frozen=True)
class DeleteVariable:
    """A variable that is no longer wanted."""

    name: str


@dataclass(frozen=True)
class UploadFiles:
    """One commit; the paths whose content is new or different, and those to delete."""

    changed_paths: tuple[str, ...]
    deleted_paths: tuple[str, ...]
    parent_commit: str | None


@dataclass(frozen=True)
class RequestHardware:
    """Other hardware."""

    name: str


@dataclass(frozen=True)
class RestartSpace:
    """A start of what stands still."""


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


def plan_deployment(desired: DesiredSpace, current: CurrentSpace) -> tuple[DeploymentStep, ...]:
    """The steps that lead from what is there to what is wanted, in their order; none where all is as it shall be."""
    acts: list[DeploymentStep] = [] if current.judgments else [CreateDataset(desired.judgments)]
    if current.space is None:
        acts.append(CreateSpace(desired.is_private, desired.hardware))
    elif desired.is_private and not current.space.is_private:
        acts.append(MakePrivate())
    acts += plan_settings(desired, current)
    acts += plan_uploads(desired, current)
    if current.space and desired.hardware not in (None, current.hardware):
        acts.append(RequestHardware(desired.hardware or ""))
    if current.stage in STOPPED_STAGES and not any(isinstance(act, UploadFiles) for act in acts):
        acts.append(RestartSpace())
    return tuple(acts)


def plan_settings(desired: DesiredSpace, current: CurrentSpace) -> list[DeploymentStep]:
    """Secrets and variables. A key of pseudonyms that is there stays: another one makes strangers of all annotators."""
    acts: list[DeploymentStep] = [
        SetSecret(name)
        for name, value in desired.secrets.items()
        if name not in current.secrets
        or (name != PSEUDONYM_KEY_SECRET and secret_fingerprint(value) not in current.secrets[name])
    ]
    acts += [SetVariable(n, value) for n, value in desired.variables.items() if current.variables.get(n) != value]
    return acts + [
        DeleteVariable(n) for n in MANAGED_VARIABLES if n in current.variables and n not in desired.variables
    ]


def plan_uploads(desired: DesiredSpace, current: CurrentSpace) -> list[DeploymentStep]:
    """One commit of what differs, or none."""
    there = current.space.files if current.space else {}
    add = [
        path
        for path, content in sorted(desired.files.items())
        if path not in there or there[path].digest != content_digest(content, there[path].is_large)
    ]
    delete = [path for path in sorted(there) if is_managed(path) and path not in desired.files]
    return (
        [UploadFiles(tuple(add), tuple(delete), current.space.commit if current.space else None)]
        if add or delete
        else []
    )


def secret_fingerprint(secret: str) -> str:
    """A few signs by which a secret is known again, kept in its description; nothing can be told from them."""
    return hashlib.sha256(b"maps-heads\0" + secret.encode()).hexdigest()[:8]


def secret_description(secret: str) -> str:
    """The description of a secret on the Space's page."""
    return f"Set by `python -m space deploy` (mark {secret_fingerprint(secret)})"


def deployment_notes(desired: DesiredSpace, current: CurrentSpace) -> list[str]:
    """What somebody should know beside the steps."""
    kept = current.secrets.get(PSEUDONYM_KEY_SECRET)
    if (
        kept is None
        or PSEUDONYM_KEY_SECRET not in desired.secrets
        or secret_fingerprint(desired.secrets[PSEUDONYM_KEY_SECRET]) in kept
    ):
        return []
    return ["The Space keeps the pseudonym key that it has, which is not the one kept here."]


def step_sentence(step: DeploymentStep, space: str) -> str:
    """A step in a sentence."""
    match step:
        case CreateDataset(name):
            return f"Make the private dataset {name} for the judgments."
        case CreateSpace(private, hardware):
            return f"Make the {'private' if private else 'public'} Space {space} on {hardware or 'cpu-basic'}."
        case MakePrivate():
            return f"Make the Space {space} private."
        case SetSecret(name):
            return f"Set the secret {name}."
        case SetVariable(name, value):
            return f"Set the variable {name} to {value}."
        case DeleteVariable(name):
            return f"Delete the variable {name}."
        case UploadFiles(add, delete, _):
            gone = f" and delete {pluralize(len(delete), 'file')}" if delete else ""
            return f"Upload {pluralize(len(add), 'file')}{gone} in one commit."
        case RequestHardware(name):
            return f"Ask for the hardware {name}."
        case RestartSpace():
            return f"Start the Space {space}, which stands still."
