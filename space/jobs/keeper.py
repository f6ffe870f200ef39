"""Keeps the jobs of a Space and their atlases in a private dataset, since a Space loses its disk when it restarts.

    jobs.json                        the list of jobs
    atlases/NAME/heads.parquet …     an atlas as it is on disk, also an unfinished one, layer by layer

What is in the dataset and not on disk is read when the app starts. Afterwards changed files are sent every few minutes
while a job runs, and when it ends.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

from maps.errors import HubError, MapsError
from maps.files.atomic import write_file
from maps.hub.repository import HubDataset, RepositoryState, content_digest
from space.jobs.store import JobStore

KEEP_SECONDS = 120.0  # between two commits while a job runs
RETRY_SECONDS = 60.0  # after a failure
END_SECONDS = 20.0  # for the last commit, when the app is asked to end
JOBS_FILE, ATLASES = "jobs.json", "atlases"
DATA_MARK = "{data}"  # stands for the path of the data folder
UNKEPT_SUFFIXES = (".safetensors.parts", ".lock")  # streams of a calibration, gigabytes, and locks


class JobKeeper:
    """Restores and sends. `data` is the data folder, whose `atlases` are kept. `problem` is the last error."""

    def __init__(self, dataset: HubDataset, store: JobStore, data: Path, seconds: float = KEEP_SECONDS) -> None:
        self.dataset, self.problem = dataset, ""
        self._store, self._data, self._seconds = store, data.resolve(), seconds
        self._digests: dict[tuple[Path, int, int, bool], str] = {}
        self._kept: tuple[bytes, dict[str, tuple[int, int]]] | None = None  # what the dataset held after the last look
        self._wanted, self._stopping = Event(), Event()
        self._thread = Thread(target=self._run, name="keeper", daemon=True)

    def restore(self) -> None:
        """Reads what the dataset has and the disk lacks; raises HubError if it cannot be read."""
        state = self.dataset.read_state()
        if state is not None and not state.is_private:
            raise HubError(f"The dataset {self.dataset.name} is public; make it private on its page.")
        if state is None or JOBS_FILE not in state.files:
            return
        kept = [path for path in state.files if path.startswith(f"{ATLASES}/") and is_safe(path)]
        missing = [path for path in kept if not (self._data / path).exists()]
        contents = self.dataset.read_files(state, [JOBS_FILE, *missing])
        for path in missing:
            write_file(self._data / path, contents[path])
        if not self._store.all_jobs():
            text = contents[JOBS_FILE].decode().replace(DATA_MARK, str(self._data))
            self._store.restore(json.loads(text))

    def start(self) -> None:
        """Begins to send, after `restore`."""
        self._thread.start()

    def request(self) -> None:
        """Something changed that is worth a commit now."""
        self._wanted.set()

    def stop(self) -> None:
        """Sends what is left, if that takes no longer than a host waits."""
        self.dataset.skip_waits()
        self._stopping.set()
        self._wanted.set()
        if self._thread.is_alive():
            self._thread.join(END_SECONDS)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wanted.wait(self._seconds)
            self._wanted.clear()
            try:
                self.keep()
                self.problem = ""
            except MapsError as error:
                self.problem = f"Results are not kept on the Hub at the moment: {error}"
                print(self.problem, file=sys.stderr)
                self._stopping.wait(RETRY_SECONDS)
                self._wanted.set()

    def keep(self) -> str | None:
        """Sends changed files and deletes those that are gone; returns the commit, or None where nothing changed."""
        files = {path.relative_to(self._data).as_posix(): path for path in self._kept_files()}
        jobs = json.dumps(self._store.rows(), indent=1).replace(str(self._data), DATA_MARK).encode()
        present = jobs, {name: file_version(path) for name, path in files.items()}
        if present == self._kept:  # an idle Space asks the Hub nothing
            return None
        commit = self._send(files, jobs)
        self._kept = present
        return commit

    def _send(self, files: dict[str, Path], jobs: bytes) -> str | None:
        """Makes the dataset hold these files and jobs, with one commit if anything differs."""
        state = self.dataset.read_state()
        if state is None:
            if not json.loads(jobs):
                return None
            self.dataset.create(private=True)
            state = RepositoryState("", True, {})
        changed = [name for name, path in files.items() if not self._is_sent(state, name, path)]
        gone = [path for path in state.files if path.startswith(f"{ATLASES}/") and path not in files]
        add = {name: files[name].read_bytes() for name in changed}
        sent = state.files.get(JOBS_FILE)
        if sent is None or content_digest(jobs, sent.is_large) != sent.digest:
            add[JOBS_FILE] = jobs
        if not add and not gone:
            return None
        return self.dataset.commit("Jobs and atlases of the Space", add, gone)

    def _kept_files(self) -> Iterator[Path]:
        folder = self._data / ATLASES
        for path in sorted(folder.rglob("*")):
            parts = path.relative_to(folder).parts
            is_kept = not any(part.startswith(".") or part.endswith(UNKEPT_SUFFIXES) for part in parts)
            if is_kept and path.is_file():
                yield path

    def _is_sent(self, state: RepositoryState, name: str, path: Path) -> bool:
        sent = state.files.get(name)
        if sent is None:
            return False
        key = path, *file_version(path), sent.is_large
        if key not in self._digests:
            self._digests[key] = content_digest(path.read_bytes(), sent.is_large)
        return self._digests[key] == sent.digest


def file_version(path: Path) -> tuple[int, int]:
    """A file's size and when it was last written, in nanoseconds."""
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


def is_safe(path: str) -> bool:
    """Whether a file of the dataset stays inside the data folder."""
    return not any(part in ("", ".", "..") for part in path.split("/"))
