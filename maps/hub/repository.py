"""One repository on the Hub: what it holds now, its files' content, commits. Every trouble is one plain sentence."""

from __future__ import annotations

import hashlib
import random
import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from json import JSONDecodeError
from typing import TypeVar

import httpx2
from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationCopy,
    CommitOperationDelete,
    HfApi,
    get_session,
    hf_hub_url,
    hf_raise_for_status,
)
from huggingface_hub.errors import HfHubHTTPError, HFValidationError

from maps.errors import CommitConflictError, HubError, MapsError

RETRY_WAITS = (1.0, 2.0, 4.0)  # seconds before the second try, the third and so on
MAX_RETRY_WAIT = 30.0  # what the Hub asks beyond this is left to whoever called
REQUEST_TIMEOUT = httpx2.Timeout(60.0, connect=10.0)  # seconds; the client itself would wait for ever
RETRYABLE_STATUSES = (408, 429, 500, 502, 503, 504)
CONFLICT_STATUSES = (409, 412)  # somebody else's commit came first
READ_THREADS = 8
CLIENT_ERRORS = (httpx2.HTTPError, httpx2.InvalidURL, HFValidationError, JSONDecodeError, ConnectionError)
RATE_LIMIT_EXHAUSTED = re.compile(r";r=0;t=(\d+)")  # RateLimit: "api";r=0;t=55, where nothing remains for 55 seconds
Result = TypeVar("Result")


@dataclass(frozen=True)
class HubFile:
    """A file as the Hub lists it: the git id of its content, or for a large one its SHA-256; its size in bytes."""

    digest: str
    is_large: bool
    size: int


@dataclass(frozen=True)
class RepositoryState:
    """The newest state of a repository: its commit and its files by path."""

    commit: str
    is_private: bool
    files: Mapping[str, HubFile]


def content_digest(content: bytes, is_large: bool = False) -> str:
    """What the Hub names a content by: git's id of it, or the SHA-256 of a large file."""
    if is_large:
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


class HubDataset:
    """A dataset of the Hub. Making one touches no network; methods may be called from any thread.

    Troubles that pass are tried again after `waits` (with jitter) and after what the Hub asks for, if that is not
    long; `skip_waits` ends these waits. All methods raise HubError. What lies elsewhere than among datasets is a subclass
    with another `repo_type`.
    """

    repo_type = "dataset"

    def __init__(
        self,
        name: str,
        token: str,
        endpoint: str | None = None,
        retry_waits: Sequence[float] = RETRY_WAITS,
        seed: int | None = None,
    ) -> None:
        token = token.strip()
        if not token or not token.isascii() or not token.isprintable():
            raise MapsError(f"The {self.repo_type} {name} needs a token that may write it; set HF_TOKEN to one.")
        self.name = name
        self._token, self._endpoint, self._retry_waits = token, endpoint, retry_waits
        self._api = HfApi(endpoint=endpoint, token=token)
        self._random = random.Random(seed)
        self._skip_waits = threading.Event()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    def skip_waits(self) -> None:
        """From now on nothing is waited for between tries: the process is about to end."""
        self._skip_waits.set()

    def commit_url(self, commit: str) -> str:
        """Where a commit is looked at."""
        return f"{self._api.endpoint}/{self.repo_type}s/{self.name}/commit/{commit}"

    def read_state(self) -> RepositoryState | None:
        """The newest state; None where there is none, or none that the token may read."""
        try:
            info = self._call_with_retries(
                lambda: self._api.repo_info(
                    self.name, repo_type=self.repo_type, files_metadata=True, timeout=REQUEST_TIMEOUT.read
                )
            )
        except HubError as error:
            if error.status == 404:
                return None
            raise
        listed = getattr(info, "siblings", None) or ()  # which not every kind of repository has
        files = {
            each.rfilename: HubFile(
                each.lfs.sha256 if each.lfs else each.blob_id or "", each.lfs is not None, each.size or 0
            )
            for each in listed
        }
        return RepositoryState(str(info.sha), bool(info.private), files)

    def create(self, private: bool) -> None:
        """Makes it; nothing happens where it is there."""
        self._call_with_retries(
            lambda: self._api.create_repo(self.name, repo_type=self.repo_type, private=private, exist_ok=True)
        )

    def read_files(self, state: RepositoryState, paths: Iterable[str]) -> dict[str, bytes]:
        """The content of files at a state, checked against the ids that the Hub lists."""
        wanted = sorted(paths)
        with ThreadPoolExecutor(READ_THREADS) as pool:
            found = pool.map(lambda path: self._call_with_retries(lambda: self._download_file(state, path)), wanted)
            return dict(zip(wanted, found, strict=True))

    def _download_file(self, state: RepositoryState, path: str) -> bytes:
        url = hf_hub_url(self.name, path, repo_type=self.repo_type, revision=state.commit, endpoint=self._endpoint)
        answer = get_session().get(url, headers={"Authorization": f"Bearer {self._token}"}, timeout=REQUEST_TIMEOUT)
        hf_raise_for_status(answer)
        file = state.files[path]
        if content_digest(answer.content, file.is_large) != file.digest:
            raise HubError(f"{path} of {self.name} arrived damaged; try again later.", is_retryable=True)
        return bytes(answer.content)

    def commit(
        self, message: str, add: Mapping[str, bytes], delete: Iterable[str] = (), parent: str | None = None
    ) -> str:
        """Adds and deletes files in one commit and returns its hash; the newest one's where nothing changes.

        Raises ChangedError where `parent` is given and no longer the newest commit.
        """

        def send() -> str:
            operations: list[CommitOperationAdd | CommitOperationCopy | CommitOperationDelete] = [
                *(CommitOperationAdd(path, content) for path, content in sorted(add.items())),
                *(CommitOperationDelete(path) for path in sorted(delete)),
            ]
            made = self._api.create_commit(
                self.name, operations, commit_message=message, repo_type=self.repo_type, parent_commit=parent
            )
            return str(made.oid)

        return self._call_with_retries(send, retry_conflicts=parent is None)

    def squash_history(self, message: str) -> None:
        """Makes one commit of the whole history: what was deleted before can be read no more."""
        self._call_with_retries(
            lambda: self._api.super_squash_history(self.name, repo_type=self.repo_type, commit_message=message)
        )

    def _call_with_retries(self, call: Callable[[], Result], retry_conflicts: bool = False) -> Result:
        """What the call returns. Tried again where the trouble passes by itself."""
        for wait in self._retry_waits:
            try:
                return self._call_once(call)
            except HubError as error:
                if not (error.is_retryable or (retry_conflicts and error.status in CONFLICT_STATUSES)):
                    raise
                if error.retry_after > MAX_RETRY_WAIT:
                    raise
                self._skip_waits.wait(error.retry_after or wait * self._random.uniform(0.5, 1.5))
        return self._call_once(call)

    def _call_once(self, call: Callable[[], Result]) -> Result:
        get_session().timeout = REQUEST_TIMEOUT
        try:
            return call()
        except CLIENT_ERRORS as error:
            raise self._hub_error(error) from None  # the client's own words may quote what it was given
        except RuntimeError as error:  # so the client wraps what goes wrong with a large file
            if isinstance(error.__cause__, CLIENT_ERRORS):
                raise self._hub_error(error.__cause__) from None
            raise HubError(f"The Hub did not take a file of {self.name}; try again later.", is_retryable=True) from None

    def _hub_error(self, error: Exception) -> HubError:
        """The sentence for what the client raised."""
        if not isinstance(error, HfHubHTTPError):
            return self._connection_error(error)
        status, headers = error.response.status_code, error.response.headers
        if status in CONFLICT_STATUSES:
            return CommitConflictError(f"Somebody else changed {self.name} meanwhile; try again.", status)
        asked = headers.get("Retry-After", "").strip()
        wait = float(asked) if asked.isdecimal() else 0.0
        if used_up := RATE_LIMIT_EXHAUSTED.search(headers.get("RateLimit", "")):
            wait = max(wait, float(used_up[1]))
        return HubError(self._status_message(status), status, wait, status in RETRYABLE_STATUSES)

    def _connection_error(self, error: Exception) -> HubError:
        if isinstance(error, (HFValidationError, httpx2.InvalidURL)):
            return HubError(f"{self.name!r} cannot be asked for at the Hub; write it as user/name.")
        if isinstance(error, JSONDecodeError):
            return HubError(f"The Hub's answer for {self.name} cannot be read; try again later.", is_retryable=True)
        if isinstance(error, httpx2.TimeoutException):
            return HubError(f"The Hub does not answer for {self.name}; check the network.", is_retryable=True)
        return HubError(f"The Hub cannot be reached for {self.name}; check the network.", is_retryable=True)

    def _status_message(self, status: int) -> str:
        if status in (401, 403):
            return f"The Hub does not accept the token for {self.name}: set HF_TOKEN to one that may write it."
        if status == 404:
            return f"The Hub has no {self.repo_type} {self.name} that this token may see; check the name and HF_TOKEN."
        if status == 429:
            return f"The Hub wants fewer requests for {self.name}; try again later."
        if status in RETRYABLE_STATUSES:
            return f"The Hub has trouble of its own (it answered {status} for {self.name}); try again later."
        return f"The Hub refused what was asked of {self.name} (it answered {status}); look at its page there."
