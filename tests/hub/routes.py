"""What the loopback Hub answers: one function for each kind of request, as the real Hub's client sends them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from urllib.parse import parse_qs, quote, unquote, urlsplit

import yaml  # type: ignore[import-untyped]

from tests.hub import spaces
from tests.hub.repository import Commit, Json, Refused, Repository, changed, etag, is_large, sha256
from tests.hub.routing import PREFIXES, ROUTES, USER, Reply, Request, State, check_known, of_api, repository, route


def reply_to(hub: State, request: Request) -> Reply:
    """The answer to a request."""
    method = "GET" if request.method == "HEAD" else request.method
    path = urlsplit(request.path).path
    try:
        for wanted, pattern, answer in ROUTES:
            found = pattern.fullmatch(path)
            if wanted == method and found:
                return answer(hub, request, {name: unquote(part) for name, part in found.groupdict("").items()})
        raise Refused(404, "NotFound", f"The loopback Hub does not know {request.method} {path}")
    except Refused as error:
        body = {"error": error.message}
        return Reply.of(body, error.status, X_Error_Code=error.code, X_Error_Message=error.message)


@route("GET", "/api/whoami-v2")
def whoami(hub: State, request: Request, _part: Mapping[str, str]) -> Reply:
    check_known(hub, request)
    return Reply.of(hub.account)


@route("POST", "/api/repos/create")
def create(hub: State, request: Request, _part: Mapping[str, str]) -> Reply:
    check_known(hub, request)
    wanted = request.json
    kind, name = wanted.get("type", "model"), f"{wanted['organization'] or USER}/{wanted['name']}"
    answer = {"url": f"{hub.url}/{PREFIXES[kind]}{name}", "name": name, "id": name}
    if (kind, name) in hub.repositories:
        return Reply.of({**answer, "error": "You already created this repo"}, 409)
    if kind == "space":
        spaces.made(hub, name, wanted)
    hub.repositories[kind, name] = Repository(kind, name, private=wanted.get("visibility") == "private")
    return Reply.of(answer)


@route("POST", "/api/validate-yaml")
def validate(_hub: State, request: Request, _part: Mapping[str, str]) -> Reply:
    block = re.match(r"---\n(.*?\n)---\n", request.json["content"], re.DOTALL)
    try:
        yaml.safe_load(block[1] if block else "")
    except yaml.YAMLError as error:
        return Reply.of({"errors": [{"message": str(error)}], "warnings": []}, 400)
    return Reply.of({"errors": [], "warnings": []})


@route("POST", "/api/{kinds}/{repo}/preupload/{rev}")
def preupload(hub: State, request: Request, part: Mapping[str, str]) -> Reply:
    check_known(hub, request)
    files = of_api(hub, request, part).at(part["rev"]).files
    answers = []
    for file in request.json["files"]:
        path = file["path"]
        there = {"oid": etag(path, files[path])} if path in files else {}
        mode = "lfs" if is_large(path) else "regular"
        answers.append({"path": path, "uploadMode": mode, "shouldIgnore": False, **there})
    return Reply.of({"files": answers})


@route("POST", "/api/{kinds}/{repo}/commit/{rev}")
def commit(hub: State, request: Request, part: Mapping[str, str]) -> Reply:
    check_known(hub, request)
    repo = of_api(hub, request, part)
    header, *operations = [json.loads(line) for line in request.body.splitlines()]
    parent = header["value"].get("parentCommit")
    if part["rev"] != "main":
        raise Refused(404, "RevisionNotFound", f"Invalid rev id: {part['rev']}")
    if parent not in (None, repo.head.oid):
        raise Refused(412, "", "A commit has happened since. Please refresh and try again.")
    made = repo.commit(header["value"]["summary"], changed(repo.head.files, operations, hub.objects))
    if repo.name in hub.spaces and repo.kind == "space":
        hub.spaces[repo.name].start()
    address = f"{hub.url}/{PREFIXES[repo.kind]}{repo.name}/commit/{made.oid}"
    return Reply.of({"success": True, "commitOid": made.oid, "commitUrl": address, "hookOutput": ""})


@route("POST", "/api/{kinds}/{repo}/super-squash/{rev}")
def super_squash(hub: State, request: Request, part: Mapping[str, str]) -> Reply:
    """One commit of the whole history; the earlier ones are gone."""
    check_known(hub, request)
    repo = of_api(hub, request, part)
    if part["rev"] != "main":
        raise Refused(404, "RevisionNotFound", f"Invalid rev id: {part['rev']}")
    repo.squash(request.json["message"])
    return Reply.of({})


@route("POST", "/{prefix}{repo}[.]git/info/lfs/objects/batch")
def lfs_batch(hub: State, request: Request, part: Mapping[str, str]) -> Reply:
    check_known(hub, request)
    kinds = {prefix: kind for kind, prefix in PREFIXES.items()}
    repository(hub, request, kinds[part["prefix"]], part["repo"])
    objects: list[Json] = []
    for wanted in request.json["objects"]:
        place = f"{hub.url}/lfs/{wanted['oid']}"
        actions = {"upload": {"href": place}, "verify": {"href": f"{place}/verify"}}
        objects.append(wanted if wanted["oid"] in hub.objects else {**wanted, "actions": actions})
    return Reply.of({"transfer": "basic", "objects": objects})


@route("PUT", "/lfs/{oid}")
def lfs_put(hub: State, request: Request, part: Mapping[str, str]) -> Reply:
    if sha256(request.body) != part["oid"]:
        raise Refused(400, "BadDigest", "The content has another hash")
    hub.objects[part["oid"]] = request.body
    return Reply()


@route("POST", "/lfs/{oid}/verify")
def lfs_verify(hub: State, request: Request, part: Mapping[str, str]) -> Reply:
    check_known(hub, request)
    if len(hub.objects.get(part["oid"], b"")) != request.json["size"]:
        raise Refused(404, "", "The object was not received whole")
    return Reply()


@route("GET", "/api/{kinds}/{repo}(?:/revision/(?P<revision>[^/]+))?")
def info(hub: State, request: Request, part: Mapping[str, str]) -> Reply:
    blobs = request.query.get("blobs", [""])[0].lower() in ("true", "1")
    return Reply.of(of_api(hub, request, part).info(part["revision"] or "main", blobs))


@route("GET", "/api/{kinds}/{repo}/tree/{rev}(?:/(?P<folder>.+))?")
def tree(hub: State, request: Request, part: Mapping[str, str]) -> Reply:
    recursive = request.query.get("recursive", [""])[0].lower() in ("true", "1")
    return Reply.of(of_api(hub, request, part).tree(part["rev"], part["folder"], recursive))


@route("POST", "/api/{kinds}/{repo}/paths-info/{rev}")
def paths_info(hub: State, request: Request, part: Mapping[str, str]) -> Reply:
    is_form = "form" in request.headers.get("content-type", "")
    paths = parse_qs(request.body.decode())["paths"] if is_form else request.json["paths"]
    return Reply.of(of_api(hub, request, part).paths(part["rev"], paths))


@route("GET", "/{prefix}{repo}/resolve/{rev}/{path}")
def resolve(hub: State, request: Request, part: Mapping[str, str]) -> Reply:
    """A small file itself; for a large one its metadata and where its content is."""
    kind = next(kind for kind, prefix in PREFIXES.items() if prefix == part["prefix"])
    repo = repository(hub, request, kind, part["repo"])
    if repo.gated:
        raise Refused(403, "GatedRepo", f"Access to {kind} {repo.name} is restricted.")
    found, content = repo.file(part["rev"], part["path"])
    if not is_large(part["path"]):
        return ranged(hub, request, found, part["path"], content)
    at = f"{hub.files_url}/files/{kind}/{repo.name}/{found.oid}/{quote(part['path'])}"
    linked = {"X-Linked-ETag": f'"{sha256(content)}"', "X-Linked-Size": str(len(content)), "Location": at}
    return Reply(302, b"", {"X-Repo-Commit": found.oid, "Accept-Ranges": "bytes", **linked})


@route("GET", "/files/(?P<kind>model|dataset|space)/{repo}/(?P<oid>[0-9a-f]+)/{path}")
def content_of(hub: State, request: Request, part: Mapping[str, str]) -> Reply:
    """The content of a large file, at another host; a token that comes here went too far."""
    if "authorization" in request.headers:
        raise Refused(400, "", "A token was sent to where the files are")
    found, content = hub.repositories[part["kind"], part["repo"]].file(part["oid"], part["path"])
    return ranged(hub, request, found, part["path"], content)


def ranged(hub: State, request: Request, at: Commit, path: str, content: bytes) -> Reply:
    """A file or the part that the request asks for."""
    headers = {"ETag": f'"{etag(path, content)}"', "X-Repo-Commit": at.oid, "Content-Type": "application/octet-stream"}
    wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", "")) if hub.ranges else None
    if hub.ranges:
        headers["Accept-Ranges"] = "bytes"
    if wanted is None:
        return Reply(200, content, headers)
    first, last = int(wanted[1]), min(int(wanted[2] or len(content) - 1), len(content) - 1)
    if first > last:
        return Reply(416, b"", {**headers, "Content-Range": f"bytes */{len(content)}"})
    return Reply(206, content[first : last + 1], {**headers, "Content-Range": f"bytes {first}-{last}/{len(content)}"})
