"""What the jobs consist of: from an organiser's request to the commands of the library that carry it out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from maps.data import predefined_relations
from maps.describers.names import OFFLINE, REFERENCE, RESERVED_NAMES
from maps.errors import MapsError
from maps.hub.names import DATASET_NAME_PATTERN, MODEL_ID_PATTERN
from maps.mapping.reading import AUTO
from maps.weights.bundled import BUNDLED_MODEL
from space.jobs.job import SPACE, JobRequest, Step

MAX_FOLDER_NAME = 80  # characters
TRIAL_HEADS = 5
KEY_NAMES = {True: "HF_TOKEN", False: "OPENAI_API_KEY"}  # by whether the Hub's router is asked
ROUTED_PREFIX = "hf:"


@dataclass(frozen=True)
class ModelRequest:
    """A model to be mapped. `relations`: names of own relations with their files, scored besides the twenty."""

    model: str
    revision: str = ""
    reading: str = AUTO
    relations: tuple[tuple[str, Path], ...] = ()
    repo: str = ""
    is_private: bool = True


@dataclass(frozen=True)
class ServerRequest:
    """A language model to ask. `url` is empty for OpenAI and the Hub's router; `key` for the key of the environment."""

    name: str
    url: str = ""
    key: str = ""
    max_cost: float | None = None

    @property
    def is_routed(self) -> bool:
        return self.name.startswith(ROUTED_PREFIX)

    @property
    def is_reserved(self) -> bool:
        """Whether no model is asked: the rules, and the reference descriptions."""
        return self.name in RESERVED_NAMES

    @property
    def keys(self) -> dict[str, str]:
        return {KEY_NAMES[self.is_routed]: self.key} if self.key else {}

    @property
    def options(self) -> tuple[str, ...]:
        """The options of `describe` and `score` for this server; none for describers that ask no model."""
        if self.is_reserved:
            return ()
        url = ("--base-url", self.url) if self.url else ()
        return (*url, *(() if self.max_cost is None else ("--max-cost", f"{self.max_cost:g}")))


@dataclass(frozen=True)
class HubMachine:
    """A machine of the Hub for a mapping, and the longest time that it may take."""

    flavor: str
    time_limit: str = "3h"


def folder_name(request: ModelRequest) -> str:
    """The name of the folder for an atlas: that of the model, its revision, and its reading unless that is `auto`."""
    parts = [request.model.removesuffix(".gguf"), request.revision, "" if request.reading == AUTO else request.reading]
    return re.sub(r"[^\w.-]+", "--", "@".join(filter(None, parts))).strip("-.")[-MAX_FOLDER_NAME:] or "model"


def mapping_steps(request: ModelRequest, folder: Path) -> tuple[Step, ...]:
    """Maps a model, describes its heads by rules, and pushes the atlas if a dataset is named."""
    options = ["--reading", request.reading]
    options += ["--revision", request.revision] if request.revision else []
    if request.relations:
        options += ["--relations", ",".join(relation.name for relation in predefined_relations())]
        options += [part for name, path in request.relations for part in ("--relation", f"{name}={path}")]
    mapping = Step("Mapping every head", ("map", request.model, "--out", str(folder), *options))
    steps = [mapping.as_dry_run("Checking that it fits here"), mapping, *rule_steps(folder)]
    if request.model == BUNDLED_MODEL:
        steps += bundled_steps(folder)
    return (*steps, *push_steps(folder, request.repo, request.is_private))


def hub_job_steps(request: ModelRequest, machine: HubMachine, folder: Path) -> tuple[Step, ...]:
    """Maps a model on a machine of the Hub, which uploads the atlas; fetches it and describes its heads by rules."""
    if not DATASET_NAME_PATTERN.fullmatch(request.repo):
        raise MapsError("Name the dataset that the machine of the Hub uploads the atlas to: user/name.")
    if request.relations:
        raise MapsError("Own relations are scored on this machine only; leave them out.")
    command = ["jobs", "map", request.model, "--out", request.repo, "--reading", request.reading]
    command += ["--revision", request.revision] if request.revision else []
    command += ["--private"] if request.is_private else []
    command += ["--flavor", machine.flavor, "--timeout", machine.time_limit]
    return (
        Step(f"Mapping on a machine of the Hub ({machine.flavor})", tuple(command), program=SPACE),
        Step("Fetching the atlas", ("pull", request.repo, "--out", str(folder))),
        *rule_steps(folder),
    )


def rule_steps(folder: Path) -> list[Step]:
    """Descriptions by rules, of whole heads and of their operations."""
    describe = ("describe", str(folder), "--describer", OFFLINE)
    return [
        Step("Describing heads by rules", describe),
        Step("Describing the operations of heads by rules", (*describe, "--operations")),
    ]


def bundled_steps(folder: Path) -> list[Step]:
    """The reference descriptions of the bundled model, and evidence for all descriptions."""
    return [
        Step("Adding the reference descriptions", ("describe", str(folder), "--describer", REFERENCE), True),
        Step("Measuring evidence for descriptions", ("score", str(folder), "--no-random", "--predict")),
    ]


def push_steps(folder: Path, repo: str, is_private: bool) -> list[Step]:
    if not repo:
        return []
    if not DATASET_NAME_PATTERN.fullmatch(repo):
        raise MapsError(f"{repo!r} is not a dataset on the Hub: write it as user/name.")
    private = ("--private",) if is_private else ()
    return [Step(f"Uploading to {repo}", ("push", str(folder), repo, *private))]


def description_steps(folder: Path, server: ServerRequest, sample: int | None, operations: bool) -> tuple[Step, ...]:
    """Asks a describer about all heads, or a sample of them; with `operations`, about their operations afterwards."""
    describe = ("describe", str(folder), "--describer", server.name, *server.options)
    trial = ("--sample", str(sample)) if sample else ()
    steps = [Step(f"Asking {server.name} about heads", (*describe, *trial))]
    if operations:
        steps.append(Step(f"Asking {server.name} about operations", (*describe, *trial, "--operations")))
    return tuple(steps)


def evidence_steps(
    folder: Path, scorer: ServerRequest | None, sample: int | None, options: Iterable[str] = ()
) -> tuple[Step, ...]:
    """Measures the evidence for descriptions: named checks and concentration, and with a scorer detection."""
    score: tuple[str, ...] = ("score", str(folder), *options)
    if scorer is not None:
        score = (*score, "--scorer", scorer.name, *scorer.options, *(("--sample", str(sample)) if sample else ()))
    return (Step("Measuring evidence for descriptions", score),)


def check_model_name(name: str, is_on_space: bool) -> str:
    """The name of a model to be mapped. On a Space nothing reads the server's own files; raises MapsError then."""
    model = name.strip()
    if not model or model.startswith("-"):
        raise MapsError("Name a model: a Hub id such as Qwen/Qwen3-0.6B.")
    is_hub_id = MODEL_ID_PATTERN.fullmatch(model) is not None and not model.lower().endswith(".gguf")
    if is_on_space and model != BUNDLED_MODEL and (not is_hub_id or Path(model).expanduser().exists()):
        raise MapsError(f"{model!r} is not a model on the Hub: write it as user/name.")
    return model


def mapping_job(request: ModelRequest, folder: Path, created_by: str) -> JobRequest:
    revision = f" at {request.revision}" if request.revision else ""
    title = f"Map {request.model}{revision} (reading: {request.reading})"
    return JobRequest(title, str(folder), mapping_steps(request, folder), created_by)
