"""What is to be done for a Space, from what is wanted and what is there. Pure: steps are data, each in a sentence."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from maps.hub.repository import Head, digest
from maps.text import many
from space.hosting.upload import is_ours

TOKEN = "HF_TOKEN"
KEY = "MAPS_PSEUDONYM_KEY"
VARIABLES = ("MAPS_JUDGMENTS", "MAPS_ATLASES", "MAPS_ORGANISERS")  # those that a deployment sets and unsets
STANDING = ("PAUSED", "STOPPED", "RUNTIME_ERROR", "BUILD_ERROR", "CONFIG_ERROR")  # stages that end by a restart only


@dataclass(frozen=True)
class Wanted:
    """A Space as it shall be. `judgments` is the ledger's dataset; `secrets` by name, never shown.

    `private` makes it private; a Space that is private stays so. Without `hardware` it keeps what it has.
    """

    space: str
    judgments: str
    files: Mapping[str, bytes] = field(repr=False)
    secrets: Mapping[str, str] = field(repr=False)
    variables: Mapping[str, str] = field(default_factory=dict)
    private: bool = False
    hardware: str | None = None


@dataclass(frozen=True)
class Found:
    """What is there: the newest states of Space and dataset (None: there is none), and how the Space is set.

    Of its secrets the Hub tells names and descriptions alone.
    """

    space: Head | None = None
    judgments: Head | None = None
    secrets: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    stage: str = ""
    hardware: str = ""


@dataclass(frozen=True)
class MakeDataset:
    """A private dataset."""

    name: str


@dataclass(frozen=True)
class MakeSpace:
    """An empty Space."""

    private: bool
    hardware: str | None


@dataclass(frozen=True)
class Hide:
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
class DropVariable:
    """A variable that is no longer wanted."""

    name: str


@dataclass(frozen=True)
class Upload:
    """One commit; the paths whose content is new or different, and those to delete."""

    add: tuple[str, ...]
    delete: tuple[str, ...]
    parent: str | None


@dataclass(frozen=True)
class AskHardware:
    """Other hardware."""

    name: str


@dataclass(frozen=True)
class Restart:
    """A start of what stands still."""


Act = MakeDataset | MakeSpace | Hide | SetSecret | SetVariable | DropVariable | Upload | AskHardware | Restart


def plan(wanted: Wanted, found: Found) -> tuple[Act, ...]:
    """The steps that lead from what is there to what is wanted, in their order; none where all is as it shall be."""
    acts: list[Act] = [] if found.judgments else [MakeDataset(wanted.judgments)]
    if found.space is None:
        acts.append(MakeSpace(wanted.private, wanted.hardware))
    elif wanted.private and not found.space.private:
        acts.append(Hide())
    acts += settings(wanted, found)
    acts += uploads(wanted, found)
    if found.space and wanted.hardware not in (None, found.hardware):
        acts.append(AskHardware(wanted.hardware or ""))
    if found.stage in STANDING and not any(isinstance(act, Upload) for act in acts):
        acts.append(Restart())
    return tuple(acts)


def settings(wanted: Wanted, found: Found) -> list[Act]:
    """Secrets and variables. A key of pseudonyms that is there stays: another one makes strangers of all annotators."""
    acts: list[Act] = [
        SetSecret(name)
        for name, value in wanted.secrets.items()
        if name not in found.secrets or (name != KEY and mark(value) not in found.secrets[name])
    ]
    acts += [SetVariable(n, value) for n, value in wanted.variables.items() if found.variables.get(n) != value]
    return acts + [DropVariable(n) for n in VARIABLES if n in found.variables and n not in wanted.variables]


def uploads(wanted: Wanted, found: Found) -> list[Act]:
    """One commit of what differs, or none."""
    there = found.space.files if found.space else {}
    add = [
        path
        for path, content in sorted(wanted.files.items())
        if path not in there or there[path].digest != digest(content, there[path].large)
    ]
    delete = [path for path in sorted(there) if is_ours(path) and path not in wanted.files]
    return [Upload(tuple(add), tuple(delete), found.space.commit if found.space else None)] if add or delete else []


def mark(secret: str) -> str:
    """A few signs by which a secret is known again, kept in its description; nothing can be told from them."""
    return hashlib.sha256(b"maps-heads\0" + secret.encode()).hexdigest()[:8]


def description(secret: str) -> str:
    """The description of a secret on the Space's page."""
    return f"Set by `python -m space deploy` (mark {mark(secret)})"


def notes(wanted: Wanted, found: Found) -> list[str]:
    """What somebody should know beside the steps."""
    kept = found.secrets.get(KEY)
    if kept is None or KEY not in wanted.secrets or mark(wanted.secrets[KEY]) in kept:
        return []
    return ["The Space keeps the pseudonym key that it has, which is not the one kept here."]


def told(act: Act, space: str) -> str:
    """A step in a sentence."""
    match act:
        case MakeDataset(name):
            return f"Make the private dataset {name} for the judgments."
        case MakeSpace(private, hardware):
            return f"Make the {'private' if private else 'public'} Space {space} on {hardware or 'cpu-basic'}."
        case Hide():
            return f"Make the Space {space} private."
        case SetSecret(name):
            return f"Set the secret {name}."
        case SetVariable(name, value):
            return f"Set the variable {name} to {value}."
        case DropVariable(name):
            return f"Delete the variable {name}."
        case Upload(add, delete, _):
            gone = f" and delete {many(len(delete), 'file')}" if delete else ""
            return f"Upload {many(len(add), 'file')}{gone} in one commit."
        case AskHardware(name):
            return f"Ask for the hardware {name}."
        case Restart():
            return f"Start the Space {space}, which stands still."
