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

from annotation.identity.pseudonyms import normalised
from annotation.journal.journal import Journal
from annotation.ledger import Ledger as HubLedger
from annotation.ledger.publisher import Publisher
from annotation.study.candidates import default_study
from annotation.study.study import Study
from maps.atlas.reader import Atlas
from maps.errors import MapsError
from maps.hub.repository import HubDataset
from space import __version__
from space.atlases.catalogue import Hub, open_atlases
from space.live.download import ORIGIN, weights_from_hub
from space.live.process import Live, live_of
from space.live.rate_limit import Limits
from space.search.index import Indexes

OWNER_ONLY = 0o600


class Reporting(Protocol):
    """How the ledger stands, in sentences."""

    def troubles(self) -> list[str]:
        """What is wrong, one plain sentence each."""

    def sentences(self) -> list[str]:
        """The rest, one plain sentence each."""

    def summary(self) -> dict[str, object]:
        """What everybody may know."""


class Ledger(Protocol):
    """What pages ask of the ledger; it never waits for the network."""

    def closed(self) -> str | None:
        """Why judging is closed, in one sentence; None where it is open."""

    def status(self) -> Reporting:
        """How things stand between journal and ledger."""


@dataclass(frozen=True)
class Services:
    """What a page may use: the atlases by model name, the open study, the journal, the key of pseudonyms.

    `data` is the folder of the journal and the studies. On a Space (`on_space`) Hugging Face says who is there, and
    `organisers` are the organisers' user names, normalised; elsewhere `organiser_key` is what the organiser's link
    carries. `address` is the Space's own, outside the frame of huggingface.co; `login` says whether the Space has a
    login. `ledger` is None where no dataset keeps the judgments; `publisher` keeps it up to date once it is started.
    `datasets` names the Hub dataset of each model that was read from one; `left_out` says in a sentence each which
    atlases that were asked for are not shown.
    `indexes` is what search reads, `live` what asks a model's weights; `mcp` says whether the endpoints are tools too,
    `zero_gpu` whether this is a Space on ZeroGPU; `limits` is how often each visitor may ask the weights.
    """

    atlases: Mapping[str, Atlas]
    study: Study
    journal: Journal
    key: bytes = field(repr=False)
    app_version: str
    data: Path
    on_space: bool
    organisers: frozenset[str]
    organiser_key: str = field(repr=False)
    address: str
    login: bool = False
    ledger: Ledger | None = None
    publisher: Publisher | None = None
    datasets: Mapping[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    indexes: Indexes = field(default_factory=Indexes, repr=False)
    live: Live = field(default_factory=Live, repr=False)
    limits: Limits = field(default_factory=Limits, repr=False)
    mcp: bool = False
    zero_gpu: bool = False

    def atlas(self, model: str) -> Atlas:
        """The atlas of a model; raises MapsError naming those there are."""
        if model not in self.atlases:
            raise MapsError(f"There is no model {model!r} here; the models are {', '.join(self.atlases)}.")
        return self.atlases[model]


@dataclass(frozen=True)
class Address:
    """Where the app listens."""

    host: str
    port: int


def address(environment: Mapping[str, str] = os.environ) -> Address:
    """HOST and PORT; on a Hugging Face Space every interface, as its proxy needs."""
    host = environment.get("HOST") or ("0.0.0.0" if environment.get("SPACE_ID") else "127.0.0.1")
    port = environment.get("PORT") or "7860"
    if not (port.isascii() and port.isdecimal()) or not 0 < int(port) < 65536:
        raise MapsError(f"PORT is {port!r}; set it to a number from 1 to 65535, or leave it out for 7860.")
    return Address(host, int(port))


def services(environment: Mapping[str, str] = os.environ) -> Services:
    """Reads the settings, opens the atlases and the journal."""
    data = Path(environment.get("MAPS_DATA") or "data")
    hub = Hub(environment.get("HF_TOKEN") or None, environment.get("HF_ENDPOINT") or None)
    opened = open_atlases(environment.get("MAPS_ATLASES") or "", data, hub)
    key = pseudonym_key(environment.get("MAPS_PSEUDONYM_KEY") or "", data)
    journal = Journal(data / "journal.sqlite")
    ledger = ledger_named(environment, journal, data)
    on_space = bool(environment.get("SPACE_ID"))
    organisers = (environment.get("MAPS_ORGANISERS") or "").split(",")
    host = (environment.get("SPACE_HOST") or "").split(",")[0].strip()
    return Services(
        opened.atlases,
        default_study(next(iter(opened.atlases.values()))),
        journal,
        key,
        __version__,
        data=data,
        on_space=on_space,
        organisers=frozenset(filter(None, map(normalised, organisers))),
        organiser_key="" if on_space else secrets.token_urlsafe(24),
        address=f"https://{host}" if host else "",
        login=on_space and bool(environment.get("OAUTH_CLIENT_ID")),
        ledger=ledger,
        publisher=Publisher(ledger) if ledger else None,
        datasets=opened.datasets,
        left_out=opened.left_out,
        live=live_of(opened.atlases, partial(weights_from_hub, hub.endpoint) if on_space else None, ORIGIN),
        mcp=mcp_wanted(environment),
        zero_gpu=environment.get("SPACES_ZERO_GPU", "").lower() in ("true", "t", "1"),
    )


def mcp_wanted(environment: Mapping[str, str]) -> bool:
    """GRADIO_MCP_SERVER, Gradio's own setting; raises MapsError where the packages for it are missing."""
    wanted = environment.get("GRADIO_MCP_SERVER", "").lower() in ("true", "1")
    if wanted and find_spec("mcp") is None:
        raise MapsError(
            "GRADIO_MCP_SERVER is set, but the package mcp is missing; run `pip install 'gradio[mcp]'`, or unset it."
        )
    return wanted


def ledger_named(environment: Mapping[str, str], journal: Journal, data: Path) -> HubLedger | None:
    """The ledger in the dataset of MAPS_JUDGMENTS; touches no network. Raises MapsError where HF_TOKEN is missing."""
    name = environment.get("MAPS_JUDGMENTS")
    if not name:
        return None
    return HubLedger(
        HubDataset(name, environment.get("HF_TOKEN") or "", environment.get("HF_ENDPOINT") or None), journal, data
    )


def pseudonym_key(given: str, data: Path) -> bytes:
    """MAPS_PSEUDONYM_KEY, or a key made once and kept in the data folder, readable by its owner only."""
    if given:
        return given.encode()
    path = data / "pseudonym.key"
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        data.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            beside.touch(OWNER_ONLY)
            beside.write_text(secrets.token_hex(32), encoding="ascii")
            beside.replace(path)
    except OSError as error:
        raise MapsError(f"The data folder {data} cannot be written ({error.strerror}); set MAPS_DATA.") from error
    try:
        key = path.read_bytes().strip()
    except OSError as error:
        raise MapsError(f"{path} cannot be read: {error.strerror}.") from error
    if not key:
        raise MapsError(f"{path} is empty; delete it, or put the key back that the journal was written with.")
    return key
