"""Builds everything that the pages use. The only reader of environment variables in the app."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from annotation.identity.pseudonyms import normalise_name
from annotation.journal.journal import Journal
from annotation.ledger import HubLedger
from annotation.ledger.publisher import Publisher
from annotation.study.candidates import load_default_study
from annotation.study.study import Study
from maps.atlas.reader import Atlas
from maps.errors import MapsError
from maps.files.atomic import write_file
from maps.hub.repository import HubDataset
from space import __version__
from space.atlases.catalogue import HubAccess, open_atlases
from space.live.download import WEIGHTS_ORIGIN, download_weights
from space.live.process import LiveModel, make_live_model
from space.live.rate_limit import RateLimiter
from space.search.index import SearchIndexes

OWNER_ONLY_MODE = 0o600


class LedgerReport(Protocol):
    """How the ledger stands, in sentences."""

    def problems(self) -> list[str]:
        """What is wrong, one plain sentence each."""

    def state_sentences(self) -> list[str]:
        """The rest, one plain sentence each."""

    def public_summary(self) -> dict[str, object]:
        """What everybody may know."""


class LedgerView(Protocol):
    """What pages ask of the ledger; it never waits for the network."""

    def closed_reason(self) -> str | None:
        """Why judging is closed, in one sentence; None where it is open."""

    def status(self) -> LedgerReport:
        """How things stand between journal and ledger."""


@dataclass(frozen=True)
class Services:
    """What a page may use: the atlases by model name, the open study, the journal, the key of pseudonyms.

    `data_folder` is the folder of the journal and the studies. On a Space (`is_on_space`) Hugging Face says who is there, and
    `organisers` are the organisers' user names, normalised; elsewhere `organiser_key` is what the organiser's link
    carries. `public_address` is the Space's own, outside the frame of huggingface.co; `has_login` says whether the Space has a
    login. `ledger` is None where no dataset keeps the judgments; `publisher` keeps it up to date once it is started.
    `hub_datasets` names the Hub dataset of each model that was read from one; `skipped_atlas_messages` says in a sentence each which
    atlases that were asked for are not shown.
    `search_indexes` is what search reads, `live_model` what asks a model's weights; `has_mcp` says whether the endpoints are tools too,
    `is_zero_gpu` whether this is a Space on ZeroGPU; `rate_limiter` is how often each visitor may ask the weights.
    """

    atlases: Mapping[str, Atlas]
    default_study: Study
    journal: Journal
    pseudonym_key: bytes = field(repr=False)
    app_version: str
    data_folder: Path
    is_on_space: bool
    organisers: frozenset[str]
    organiser_key: str = field(repr=False)
    public_address: str
    has_login: bool = False
    ledger: LedgerView | None = None
    publisher: Publisher | None = None
    hub_datasets: Mapping[str, str] = field(default_factory=dict)
    skipped_atlas_messages: tuple[str, ...] = ()
    search_indexes: SearchIndexes = field(default_factory=SearchIndexes, repr=False)
    live_model: LiveModel = field(default_factory=LiveModel, repr=False)
    rate_limiter: RateLimiter = field(default_factory=RateLimiter, repr=False)
    has_mcp: bool = False
    is_zero_gpu: bool = False

    def atlas(self, model: str) -> Atlas:
        """The atlas of a model; raises MapsError naming those there are."""
        if model not in self.atlases:
            raise MapsError(f"There is no model {model!r} here; the models are {', '.join(self.atlases)}.")
        return self.atlases[model]


@dataclass(frozen=True)
class ListenAddress:
    """Where the app listens."""

    host: str
    port: int


def read_listen_address(environment: Mapping[str, str] = os.environ) -> ListenAddress:
    """HOST and PORT; on a Hugging Face Space every interface, as its proxy needs."""
    host = environment.get("HOST") or ("0.0.0.0" if environment.get("SPACE_ID") else "127.0.0.1")
    port = environment.get("PORT") or "7860"
    if not (port.isascii() and port.isdecimal()) or not 0 < int(port) < 65536:
        raise MapsError(f"PORT is {port!r}; set it to a number from 1 to 65535, or leave it out for 7860.")
    return ListenAddress(host, int(port))


def open_services(environment: Mapping[str, str] = os.environ) -> Services:
    """Reads the settings, opens the atlases and the journal."""
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
        has_login=on_space and bool(environment.get("OAUTH_CLIENT_ID")),
        ledger=ledger,
        publisher=Publisher(ledger) if ledger else None,
        hub_datasets=opened.hub_datasets,
        skipped_atlas_messages=opened.skipped_atlas_messages,
        live_model=make_live_model(
            opened.atlases, partial(download_weights, hub.endpoint) if on_space else None, WEIGHTS_ORIGIN
        ),
        has_mcp=is_mcp_wanted(environment),
        is_zero_gpu=environment.get("SPACES_ZERO_GPU", "").lower() in ("true", "t", "1"),
    )


def is_mcp_wanted(environment: Mapping[str, str]) -> bool:
    """GRADIO_MCP_SERVER, Gradio's own setting; raises MapsError where the packages for it are missing."""
    wanted = environment.get("GRADIO_MCP_SERVER", "").lower() in ("true", "1")
    if wanted and find_spec("mcp") is None:
        raise MapsError(
            "GRADIO_MCP_SERVER is set, but the package mcp is missing; run `pip install 'gradio[mcp]'`, or unset it."
        )
    return wanted


def open_ledger(environment: Mapping[str, str], journal: Journal, data_folder: Path) -> HubLedger | None:
    """The ledger in the dataset of MAPS_JUDGMENTS; touches no network. Raises MapsError where HF_TOKEN is missing."""
    name = environment.get("MAPS_JUDGMENTS")
    if not name:
        return None
    return HubLedger(
        HubDataset(name, environment.get("HF_TOKEN") or "", environment.get("HF_ENDPOINT") or None),
        journal,
        data_folder,
    )


def load_or_create_pseudonym_key(configured_key: str, data_folder: Path) -> bytes:
    """MAPS_PSEUDONYM_KEY, or a key made once and kept in the data folder, readable by its owner only."""
    if configured_key:
        return configured_key.encode()
    path = data_folder / "pseudonym.key"
    try:
        if not path.exists():
            write_file(path, secrets.token_hex(32).encode(), OWNER_ONLY_MODE)
    except OSError as error:
        raise MapsError(
            f"The data folder {data_folder} cannot be written ({error.strerror}); set MAPS_DATA."
        ) from error
    try:
        key = path.read_bytes().strip()
    except OSError as error:
        raise MapsError(f"{path} cannot be read: {error.strerror}.") from error
    if not key:
        raise MapsError(f"{path} is empty; delete it, or put the key back that the journal was written with.")
    return key
