"""Builds everything that the pages use. Of the app, only this module and `space.address` read environment variables."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from annotation.identity.key import load_or_create_pseudonym_key
from annotation.identity.pseudonyms import normalise_name
from annotation.journal.journal import Journal
from annotation.ledger import HubLedger
from annotation.ledger.publisher import Publisher
from annotation.study.candidates import load_default_study
from annotation.study.store import load_studies
from annotation.study.study import Study
from maps.atlas.reader import Atlas
from maps.errors import MapsError
from maps.hub.repository import HubDataset
from maps.types import HeadId
from space import __version__
from space.address import read_listen_address
from space.atlases.catalogue import HubAccess, open_atlases
from space.atlases.hidden import VisibleAtlases
from space.atlases.shown import ShownAtlases
from space.jobs.atlases import JobAtlases
from space.jobs.keeper import JobKeeper
from space.jobs.runner import JobRunner
from space.jobs.store import JobStore
from space.jobs.uploads import Uploads
from space.live.download import WEIGHTS_ORIGIN, download_weights
from space.live.process import LiveModel, make_live_model
from space.one_time_files import OneTimeFiles
from space.rate_limit import RateLimiter, SignInLimits
from space.search.index import SearchIndexes


class LedgerReport(Protocol):
    """The state of the ledger, in sentences."""

    def problems(self) -> list[str]:
        """One sentence for each problem."""

    def state_sentences(self) -> list[str]:
        """The rest of the state, in sentences."""

    def public_summary(self) -> dict[str, object]:
        """The part that everybody may know."""


class LedgerView(Protocol):
    """The part of the ledger that pages use. It never waits for the network."""

    def closed_reason(self) -> str | None:
        """Why judging is closed, in one sentence; None if it is open."""

    def status(self) -> LedgerReport:
        """The state of the ledger and of the rows that it does not contain yet."""


@dataclass(frozen=True)
class Services:
    """Everything that a page may use.

    Atlases are by model name: `whole_atlases` for studies and organisers, and `atlases` as visitors see them, without
    the descriptions that a running study hides. `hub_datasets` names the Hub dataset of each atlas that came from one,
    and `skipped_atlas_messages` explain which configured atlases are not shown. `data_folder` contains the journal and
    the studies. On a Space (`is_on_space`) people sign in with Hugging Face if it has a login, and `organisers` are
    user names, normalised; elsewhere `organiser_key` is the key in the organiser's link. `public_address` is the
    Space's address outside the frame of huggingface.co. `ledger` is None if no dataset keeps the judgments;
    `publisher` keeps it up to date. `jobs` maps and describes models for organisers. With `has_mcp` the endpoints are
    MCP tools too. `code_address` is where the app's code can be read; empty if that is not known.
    `local_address` is where a browser on this machine reaches the app.
    """

    whole_atlases: Mapping[str, Atlas]
    default_study: Study
    journal: Journal
    pseudonym_key: bytes = field(repr=False)
    app_version: str
    data_folder: Path
    is_on_space: bool
    organisers: frozenset[str]
    organiser_key: str = field(repr=False)
    public_address: str
    jobs: JobRunner = field(repr=False)
    has_login: bool = False
    ledger: LedgerView | None = None
    publisher: Publisher | None = None
    hub_datasets: Mapping[str, str] = field(default_factory=dict)
    skipped_atlas_messages: tuple[str, ...] = ()
    search_indexes: SearchIndexes = field(default_factory=SearchIndexes, repr=False)
    live_model: LiveModel = field(default_factory=LiveModel, repr=False)
    rate_limiter: RateLimiter = field(default_factory=RateLimiter, repr=False)
    uploads: Uploads = field(init=False, repr=False)
    one_time_files: OneTimeFiles = field(default_factory=OneTimeFiles, repr=False)
    sign_in_limits: SignInLimits = field(default_factory=SignInLimits, repr=False)
    has_mcp: bool = False
    is_zero_gpu: bool = False
    code_address: str = ""
    local_address: str = ""
    atlases: Mapping[str, Atlas] = field(init=False)

    def __post_init__(self) -> None:
        visible = VisibleAtlases(self.whole_atlases, self.data_folder / "hidden", self.hidden_heads)
        object.__setattr__(self, "atlases", visible)
        object.__setattr__(self, "uploads", Uploads(self.data_folder.resolve() / "uploads"))

    def atlas(self, model: str) -> Atlas:
        """The atlas of a model as visitors see it.

        Raises MapsError for a damaged one and, with all models, for an unknown one.
        """
        return self._find_atlas(self.atlases, model)

    def whole_atlas(self, model: str) -> Atlas:
        """The same with all descriptions."""
        return self._find_atlas(self.whole_atlases, model)

    def _find_atlas(self, atlases: Mapping[str, Atlas], model: str) -> Atlas:
        if isinstance(self.whole_atlases, ShownAtlases) and (problem := self.whole_atlases.problem(model)):
            raise MapsError(problem)
        if model not in atlases:
            raise MapsError(f"There is no model {model!r} here; choose one of {', '.join(atlases)}.")
        return atlases[model]

    def hidden_heads(self, model: str, except_study: str = "") -> frozenset[HeadId]:
        """The heads of a model whose descriptions a study hides: one that was created and whose end is not recorded.

        `except_study` does not count. All heads on an empty disk until the ledger, which holds the studies, is read.
        Raises MapsError if a study's file is damaged, as nobody knows then.
        """
        studies = load_studies(self.data_folder / "studies").values()
        if not studies and self.ledger is not None and self.ledger.closed_reason() is not None:
            atlas = self.whole_atlases.get(model)  # the disk may be a new one, and the ledger may hold a study
            return frozenset(atlas.head_ids if atlas is not None else ())
        hiding = [study for study in studies if study.settings.hides_descriptions and study.settings.model == model]
        if not hiding:
            return frozenset()
        without = {*self.journal.endings(), except_study}
        return frozenset().union(*(study.heads_to_hide for study in hiding if study.name not in without))

    def default_model(self) -> str:
        """The model that is shown if an address names none; raises MapsError if no atlas is left."""
        for model in self.atlases:
            return model
        raise MapsError("No atlas can be shown at the moment. Please tell the person who runs this site.")

    def atlas_problems(self) -> list[str]:
        """A sentence for each atlas that is not shown: those that were skipped, and those that became damaged."""
        damaged = self.whole_atlases.problems() if isinstance(self.whole_atlases, ShownAtlases) else []
        return [*self.skipped_atlas_messages, *damaged]


def open_services(environment: Mapping[str, str] = os.environ) -> Services:
    data = Path(environment.get("MAPS_DATA") or "data")
    hub = HubAccess(environment.get("HF_TOKEN") or None, environment.get("HF_ENDPOINT") or None)
    opened = open_atlases(environment.get("MAPS_ATLASES") or "", data, hub)
    key = load_or_create_pseudonym_key(environment.get("MAPS_PSEUDONYM_KEY") or "", data)
    journal = Journal(data / "journal.sqlite")
    ledger = open_ledger(environment, journal, data)
    on_space = bool(environment.get("SPACE_ID"))
    organisers = (environment.get("MAPS_ORGANISERS") or "").split(",")
    host = (environment.get("SPACE_HOST") or "").split(",")[0].strip()
    return Services(
        opened.atlases,
        load_default_study(next(iter(opened.atlases.values()))),
        journal,
        key,
        __version__,
        data_folder=data,
        is_on_space=on_space,
        organisers=frozenset(filter(None, map(normalise_name, organisers))),
        organiser_key="" if on_space else secrets.token_urlsafe(24),
        public_address=f"https://{host}" if host else "",
        jobs=open_jobs(data, opened.atlases, environment),
        has_login=on_space and bool(environment.get("OAUTH_CLIENT_ID")),
        ledger=ledger,
        publisher=Publisher(ledger) if ledger else None,
        hub_datasets=opened.hub_datasets,
        skipped_atlas_messages=opened.skipped_atlas_messages,
        live_model=make_live_model(
            opened.atlases,
            partial(download_weights, hub.endpoint) if on_space else None,
            WEIGHTS_ORIGIN,
            loads_at_start=environment.get("MAPS_LOAD_AT_START", "").lower() not in ("false", "0"),
        ),
        has_mcp=is_mcp_wanted(environment),
        is_zero_gpu=environment.get("SPACES_ZERO_GPU", "").lower() in ("true", "t", "1"),
        code_address=f"https://huggingface.co/spaces/{environment['SPACE_ID']}/tree/main" if on_space else "",
        local_address=read_listen_address(environment).local_url,
    )


def open_jobs(data: Path, atlases: ShownAtlases, environment: Mapping[str, str]) -> JobRunner:
    """The jobs of this app, and the atlases of earlier ones, which are shown beside those that are configured."""
    store = JobStore(data / "jobs" / "jobs.sqlite")
    space, token = environment.get("SPACE_ID"), environment.get("HF_TOKEN")
    keeper = None
    if space and token:  # the disk of a Space is lost when it restarts
        dataset = HubDataset(f"{space}-atlases", token, environment.get("HF_ENDPOINT") or None)
        keeper = JobKeeper(dataset, store, data)
    shown = JobAtlases(atlases, data / "jobs" / "previews")
    for job in store.all_jobs():  # with MAPS_ATLASES, nothing else shows them
        shown.update(Path(job.folder))
    return JobRunner(store, data / "jobs", environment, shown.update, keeper)


def is_mcp_wanted(environment: Mapping[str, str]) -> bool:
    """Reads GRADIO_MCP_SERVER, Gradio's own setting; raises MapsError if it is on and its package is missing."""
    wanted = environment.get("GRADIO_MCP_SERVER", "").lower() in ("true", "1")
    if wanted and find_spec("mcp") is None:
        raise MapsError(
            "GRADIO_MCP_SERVER is on, but the package mcp is missing; run `pip install 'gradio[mcp]'`, or unset it."
        )
    return wanted


def open_ledger(environment: Mapping[str, str], journal: Journal, data_folder: Path) -> HubLedger | None:
    """The ledger in the dataset MAPS_JUDGMENTS, without network access. Raises MapsError if HF_TOKEN is missing."""
    name = environment.get("MAPS_JUDGMENTS")
    if not name:
        return None
    return HubLedger(
        HubDataset(name, environment.get("HF_TOKEN") or "", environment.get("HF_ENDPOINT") or None),
        journal,
        data_folder,
    )
