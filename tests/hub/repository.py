"""Repositories of the loopback Hub: commits in memory, and what the Hub says of their files."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

LFS_SUFFIXES = (".bin", ".gguf", ".parquet", ".png", ".pt", ".pth", ".safetensors", ".zip")  # what the Hub keeps as LFS
CREATED_AT = datetime(2026, 1, 1, tzinfo=UTC).isoformat().replace("+00:00", ".000Z")
Json = dict[str, Any]


class RefusedRequestError(Exception):
    """A request that the Hub answers with an error; `code` is the Hub's own name of it."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


@dataclass(frozen=True)
class Commit:
    """One state of a repository."""

    oid: str
    title: str
    files: Mapping[str, bytes]


@dataclass
class Repository:
    """A repository with its history; `kind` is model, dataset or space. A gated one shows no file to anybody."""

    kind: str
    name: str
    private: bool = False
    gated: bool = False
    commits: list[Commit] = field(default_factory=list)

    def __post_init__(self) -> None:
        attributes = "".join(f"*{end} filter=lfs diff=lfs merge=lfs -text\n" for end in LFS_SUFFIXES)
        self.commit("initial commit", {".gitattributes": attributes.encode()})

    @property
    def head(self) -> Commit:
        return self.commits[-1]

    def commit(self, title: str, files: Mapping[str, bytes]) -> Commit:
        """Adds a commit after which the repository holds exactly these files."""
        state = [self.kind, self.name, str(len(self.commits)), title, *sorted(files), *map(git_oid, files.values())]
        self.commits.append(Commit(hashlib.sha1("\n".join(state).encode()).hexdigest(), title, dict(files)))
        return self.head

    def commit_at(self, revision: str) -> Commit:
        """The commit of a branch (only main) or hash."""
        if revision == "main":
            return self.head
        for commit in self.commits:
            if commit.oid == revision:
                return commit
        raise RefusedRequestError(404, "RevisionNotFound", f"Invalid rev id: {revision}")

    def file_at(self, revision: str, path: str) -> tuple[Commit, bytes]:
        commit = self.commit_at(revision)
        if path not in commit.files:
            raise RefusedRequestError(404, "EntryNotFound", f"{path} does not exist on {revision}")
        return commit, commit.files[path]

    def squash(self, title: str) -> None:
        files = self.head.files
        self.commits.clear()
        self.commit(title, files)

    def info(self, revision: str, blobs: bool = False) -> Json:
        """What `/api/models/NAME` answers; with `blobs` the files' ids too."""
        commit = self.commit_at(revision)
        return {
            "_id": "0" * 24,
            "id": self.name,
            "author": self.name.partition("/")[0],
            "sha": commit.oid,
            "private": self.private,
            "gated": "manual" if self.gated else False,
            "disabled": False,
            "downloads": 0,
            "likes": 0,
            "tags": [],
            "lastModified": CREATED_AT,
            "createdAt": CREATED_AT,
            "siblings": [sibling_entry(path, commit.files[path], blobs) for path in sorted(commit.files)],
            **({"modelId": self.name} if self.kind == "model" else {}),
        }

    def tree(self, revision: str, folder: str, recursive: bool) -> list[Json]:
        files, start = self.commit_at(revision).files, f"{folder}/" if folder else ""
        below = sorted(path for path in files if path.startswith(start))
        if folder and not below:
            raise RefusedRequestError(404, "EntryNotFound", f"{folder} does not exist on {revision}")
        folders = sorted({parent for path in below for parent in parent_folders(path) if parent.startswith(start)})
        found = [folder_entry(path) for path in folders] + [file_entry(path, files[path]) for path in below]
        return [entry for entry in found if recursive or "/" not in entry["path"].removeprefix(start)]

    def path_entries(self, revision: str, paths: Iterable[str]) -> list[Json]:
        """The entries of those paths that exist."""
        files = self.commit_at(revision).files
        folders = {parent for path in files for parent in parent_folders(path)}
        return [
            file_entry(path, files[path]) if path in files else folder_entry(path)
            for path in paths
            if path in files or path in folders
        ]


def git_oid(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def is_large(path: str) -> bool:
    """Whether the Hub keeps a file outside git."""
    return path.endswith(LFS_SUFFIXES)


def etag(path: str, content: bytes) -> str:
    """What the client's cache names a file's content by."""
    return sha256(content) if is_large(path) else git_oid(content)


def parent_folders(path: str) -> list[str]:
    """`a/b/c` → `a`, `a/b`."""
    parts = path.split("/")
    return ["/".join(parts[:n]) for n in range(1, len(parts))]


def file_entry(path: str, content: bytes) -> Json:
    entry: Json = {"type": "file", "oid": git_oid(content), "size": len(content), "path": path}
    if is_large(path):
        entry["lfs"] = {"oid": sha256(content), "size": len(content), "pointerSize": 134}
    return entry


def sibling_entry(path: str, content: bytes, blobs: bool) -> Json:
    entry: Json = {"rfilename": path}
    if blobs:
        entry |= {"blobId": git_oid(content), "size": len(content)}
    if blobs and is_large(path):
        entry["lfs"] = {"sha256": sha256(content), "size": len(content), "pointerSize": 134}
    return entry


def folder_entry(path: str) -> Json:
    return {"type": "directory", "oid": git_oid(path.encode()), "size": 0, "path": path}


def apply_operations(
    files: Mapping[str, bytes], operations: Iterable[Json], objects: Mapping[str, bytes]
) -> dict[str, bytes]:
    """Files after the operations of a commit; `objects` holds the large files that were sent before."""
    after = dict(files)
    for operation in operations:
        value = operation["value"]
        path = value["path"]
        if operation["key"] == "file":
            after[path] = base64.b64decode(value["content"])
        elif operation["key"] == "lfsFile" and value["oid"] in objects:
            after[path] = objects[value["oid"]]
        elif operation["key"] == "deletedFile" and path in after:
            del after[path]
        elif operation["key"] == "deletedFolder":
            after = {name: content for name, content in after.items() if not name.startswith(path.rstrip("/") + "/")}
        else:
            raise RefusedRequestError(400, "BadRequest", f"{operation['key']} {path} cannot be done")
    return after
