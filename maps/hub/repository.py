"""One repository on the Hugging Face Hub: its state, its files, commits. Every error is a HubError."""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from json import JSONDecodeError

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
from maps.hub.errors import (
    MAX_WAIT,
    RETRY_WAITS,
    RETRYABLE_STATUSES,
    Result,
    call_with_retries,
    requested_wait,
    underlying_error,
)

REQUEST_TIMEOUT = httpx2.Timeout(60.0, connect=10.0)  # seconds; the client itself would wait for ever
CONFLICT_STATUSES = (409, 412)  # somebody else's commit came first
READ_THREADS = 8
CLIENT_ERRORS = (httpx2.HTTPError, httpx2.InvalidURL, HFValidationError, JSONDecodeError, ConnectionError)


@dataclass(frozen=True)
class HubFile:
    """A file as the Hub lists it. `digest`: see `content_digest`; `size`: bytes."""

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
    """The Hub's id of a content: the git id, or the SHA-256 of a large file."""
    if is_large:
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


class HubDataset:
    """A dataset on the Hub. The constructor touches no network; methods may be called from any thread.

    Requests that may succeed later are tried again after `retry_waits` (with jitter), or after what the Hub asks for,
    if that is at most MAX_WAIT. All methods raise HubError. Other kinds of repositories are subclasses with their own
    `repo_type`.
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
        """From now on, retry at once: the process is about to end."""
        self._skip_waits.set()

    def commit_url(self, commit: str) -> str:
        return f"{self._api.endpoint}/{self.repo_type}s/{self.name}/commit/{commit}"

    def read_state(self) -> RepositoryState | None:
        """The newest state; None where there is no such repository or the token may not read it."""
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
        files = {}
        for entry in getattr(info, "siblings", None) or ():  # some kinds of repository have no `siblings`
            digest = entry.lfs.sha256 if entry.lfs else entry.blob_id or ""
            files[entry.rfilename] = HubFile(digest, entry.lfs is not None, entry.size or 0)
        return RepositoryState(str(info.sha), bool(info.private), files)

    def create(self, private: bool) -> None:
        """Creates the repository unless it exists."""
        self._call_with_retries(
            lambda: self._api.create_repo(self.name, repo_type=self.repo_type, private=private, exist_ok=True)
        )

    def make_public(self) -> None:
        """Lets everybody read the repository."""
        self._call_with_retries(
            lambda: self._api.update_repo_settings(self.name, repo_type=self.repo_type, private=False)
        )

    def read_files(self, state: RepositoryState, paths: Iterable[str]) -> dict[str, bytes]:
        """The contents of files by path, each checked against the digest that the Hub lists."""
        wanted = sorted(paths)
        with ThreadPoolExecutor(READ_THREADS) as pool:
            contents = pool.map(lambda path: self._call_with_retries(lambda: self._download_file(state, path)), wanted)
            return dict(zip(wanted, contents, strict=True))

    def _download_file(self, state: RepositoryState, path: str) -> bytes:
        url = hf_hub_url(self.name, path, repo_type=self.repo_type, revision=state.commit, endpoint=self._endpoint)
        response = get_session().get(url, headers={"Authorization": f"Bearer {self._token}"}, timeout=REQUEST_TIMEOUT)
        hf_raise_for_status(response)
        file = state.files[path]
        if content_digest(response.content, file.is_large) != file.digest:
            raise HubError(f"{path} of {self.name} arrived damaged; try again later.", is_retryable=True)
        return bytes(response.content)

    def commit(
        self,
        message: str,
        add: Mapping[str, bytes],
        delete: Iterable[str] = (),
        parent: str | None = None,
        before_try: Callable[[], object] | None = None,
    ) -> str:
        """Adds and deletes files in one commit. Returns its hash, or the newest commit's where nothing changes.

        Raises CommitConflictError where `parent` is given and is no longer the newest commit. `before_try` is called
        before every try; where it raises, nothing more is sent.
        """

        def send() -> str:
            if before_try is not None:
                before_try()
            operations: list[CommitOperationAdd | CommitOperationCopy | CommitOperationDelete] = [
                *(CommitOperationAdd(path, content) for path, content in sorted(add.items())),
                *(CommitOperationDelete(path) for path in sorted(delete)),
            ]
            created = self._api.create_commit(
                self.name, operations, commit_message=message, repo_type=self.repo_type, parent_commit=parent
            )
            return str(created.oid)

        return self._call_with_retries(send, retry_conflicts=parent is None)

    def squash_history(self, message: str) -> None:
        """Replaces the whole history by one commit, so that deleted contents can no longer be read."""
        self._call_with_retries(
            lambda: self._api.super_squash_history(self.name, repo_type=self.repo_type, commit_message=message)
        )

    def _call_with_retries(self, call: Callable[[], Result], retry_conflicts: bool = False) -> Result:
        def should_retry(error: Exception) -> bool:
            if not isinstance(error, HubError) or error.retry_after > MAX_WAIT:
                return False
            return error.is_retryable or (retry_conflicts and error.status in CONFLICT_STATUSES)

        waits = [wait * self._random.uniform(0.5, 1.5) for wait in self._retry_waits]
        return call_with_retries(lambda: self._call_once(call), waits, should_retry, self._skip_waits.wait)

    def _call_once(self, call: Callable[[], Result]) -> Result:
        get_session().timeout = REQUEST_TIMEOUT
        try:
            return call()
        except (*CLIENT_ERRORS, RuntimeError) as error:
            raise self._hub_error(underlying_error(error)) from None  # the client's message may quote the token

    def _hub_error(self, error: BaseException) -> HubError:
        if not isinstance(error, HfHubHTTPError):
            return self._connection_error(error)
        status = error.response.status_code
        if status in CONFLICT_STATUSES:
            return CommitConflictError(f"Somebody else changed {self.name} in the meantime; try again.", status)
        wait = requested_wait(error.response)
        return HubError(self._status_message(status), status, wait, status in RETRYABLE_STATUSES)

    def _connection_error(self, error: BaseException) -> HubError:
        if isinstance(error, (HFValidationError, httpx2.InvalidURL)):
            return HubError(f"{self.name!r} is not a valid name on the Hub; write it as user/name.")
        if isinstance(error, JSONDecodeError):
            message = f"The Hub's answer for {self.name} cannot be read; try again later."
        elif isinstance(error, httpx2.TimeoutException):
            message = f"The Hub does not answer for {self.name}; check the network."
        elif isinstance(error, CLIENT_ERRORS):
            message = f"The Hub cannot be reached for {self.name}; check the network."
        else:
            message = f"The Hub did not accept a file of {self.name}; try again later."
        return HubError(message, is_retryable=True)

    def _status_message(self, status: int) -> str:
        if status in (401, 403):
            return f"The Hub does not accept the token for {self.name}: set HF_TOKEN to one that may write it."
        if status == 404:
            return f"The Hub has no {self.repo_type} {self.name} that this token may read; check the name and HF_TOKEN."
        if status == 429:
            return f"The Hub asks for fewer requests to {self.name}; try again later."
        if status in RETRYABLE_STATUSES:
            return f"The Hub has a problem of its own (status {status} for {self.name}); try again later."
        return f"The Hub refused the request for {self.name} (status {status}); check its page on the Hub."
