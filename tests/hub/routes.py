"""What the loopback Hub answers: one function for each kind of request, as the real Hub's client sends them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from urllib.parse import parse_qs, quote, unquote, urlsplit

import yaml  # type: ignore[import-untyped]

from tests.hub import spaces
from tests.hub.repository import Commit, Json, RefusedRequestError, Repository, apply_operations, etag, is_large, sha256
from tests.hub.routing import (
    PREFIXES_BY_KIND,
    ROUTES,
    USER_NAME,
    HubReply,
    HubRequest,
    HubState,
    api_repository,
    require_token,
    route,
    visible_repository,
)


def answer_request(hub: HubState, request: HubRequest) -> HubReply:
    method = "GET" if request.method == "HEAD" else request.method
    path = urlsplit(request.path).path
    try:
        for wanted, pattern, answer in ROUTES:
            found = pattern.fullmatch(path)
            if wanted == method and found:
                return answer(hub, request, {name: unquote(part) for name, part in found.groupdict("").items()})
        raise RefusedRequestError(404, "NotFound", f"The loopback Hub does not know {request.method} {path}")
    except RefusedRequestError as error:
        body = {"error": error.message}
        return HubReply.json_reply(body, error.status, X_Error_Code=error.code, X_Error_Message=error.message)


@route("GET", "/api/whoami-v2")
def whoami(hub: HubState, request: HubRequest, _part: Mapping[str, str]) -> HubReply:
    require_token(hub, request)
    return HubReply.json_reply(hub.account)


@route("POST", "/api/repos/create")
def create_repository(hub: HubState, request: HubRequest, _part: Mapping[str, str]) -> HubReply:
    require_token(hub, request)
    wanted = request.json
    kind, name = wanted.get("type", "model"), f"{wanted['organization'] or USER_NAME}/{wanted['name']}"
    answer = {"url": f"{hub.url}/{PREFIXES_BY_KIND[kind]}{name}", "name": name, "id": name}
    if (kind, name) in hub.repositories:
        return HubReply.json_reply({**answer, "error": "You already created this repo"}, 409)
    if kind == "space":
        spaces.create_space(hub, name, wanted)
    hub.repositories[kind, name] = Repository(kind, name, private=wanted.get("visibility") == "private")
    return HubReply.json_reply(answer)


@route("POST", "/api/validate-yaml")
def validate_yaml(_hub: HubState, request: HubRequest, _part: Mapping[str, str]) -> HubReply:
    block = re.match(r"---\n(.*?\n)---\n", request.json["content"], re.DOTALL)
    try:
        yaml.safe_load(block[1] if block else "")
    except yaml.YAMLError as error:
        return HubReply.json_reply({"errors": [{"message": str(error)}], "warnings": []}, 400)
    return HubReply.json_reply({"errors": [], "warnings": []})


@route("POST", "/api/{kinds}/{repo}/preupload/{rev}")
def preupload(hub: HubState, request: HubRequest, part: Mapping[str, str]) -> HubReply:
    require_token(hub, request)
    files = api_repository(hub, request, part).commit_at(part["rev"]).files
    answers = []
    for file in request.json["files"]:
        path = file["path"]
        there = {"oid": etag(path, files[path])} if path in files else {}
        mode = "lfs" if is_large(path) else "regular"
        answers.append({"path": path, "uploadMode": mode, "shouldIgnore": False, **there})
    return HubReply.json_reply({"files": answers})


@route("POST", "/api/{kinds}/{repo}/commit/{rev}")
def create_commit(hub: HubState, request: HubRequest, part: Mapping[str, str]) -> HubReply:
    require_token(hub, request)
    repo = api_repository(hub, request, part)
    header, *operations = [json.loads(line) for line in request.body.splitlines()]
    parent = header["value"].get("parentCommit")
    if part["rev"] != "main":
        raise RefusedRequestError(404, "RevisionNotFound", f"Invalid rev id: {part['rev']}")
    if parent not in (None, repo.head.oid):
        raise RefusedRequestError(412, "", "A commit has happened since. Please refresh and try again.")
    made = repo.commit(header["value"]["summary"], apply_operations(repo.head.files, operations, hub.objects))
    if repo.name in hub.spaces and repo.kind == "space":
        hub.spaces[repo.name].start()
    address = f"{hub.url}/{PREFIXES_BY_KIND[repo.kind]}{repo.name}/commit/{made.oid}"
    return HubReply.json_reply({"success": True, "commitOid": made.oid, "commitUrl": address, "hookOutput": ""})


@route("POST", "/api/{kinds}/{repo}/super-squash/{rev}")
def super_squash(hub: HubState, request: HubRequest, part: Mapping[str, str]) -> HubReply:
    """One commit of the whole history; the earlier ones are gone."""
    require_token(hub, request)
    repo = api_repository(hub, request, part)
    if part["rev"] != "main":
        raise RefusedRequestError(404, "RevisionNotFound", f"Invalid rev id: {part['rev']}")
    repo.squash(request.json["message"])
    return HubReply.json_reply({})


@route("POST", "/{prefix}{repo}[.]git/info/lfs/objects/batch")
def lfs_batch(hub: HubState, request: HubRequest, part: Mapping[str, str]) -> HubReply:
    require_token(hub, request)
    kinds = {prefix: kind for kind, prefix in PREFIXES_BY_KIND.items()}
    visible_repository(hub, request, kinds[part["prefix"]], part["repo"])
    objects: list[Json] = []
    for wanted in request.json["objects"]:
        place = f"{hub.url}/lfs/{wanted['oid']}"
        actions = {"upload": {"href": place}, "verify": {"href": f"{place}/verify"}}
        objects.append(wanted if wanted["oid"] in hub.objects else {**wanted, "actions": actions})
    return HubReply.json_reply({"transfer": "basic", "objects": objects})


@route("PUT", "/lfs/{oid}")
def lfs_put(hub: HubState, request: HubRequest, part: Mapping[str, str]) -> HubReply:
    if sha256(request.body) != part["oid"]:
        raise RefusedRequestError(400, "BadDigest", "The content has another hash")
    hub.objects[part["oid"]] = request.body
    return HubReply()


@route("POST", "/lfs/{oid}/verify")
def lfs_verify(hub: HubState, request: HubRequest, part: Mapping[str, str]) -> HubReply:
    require_token(hub, request)
    if len(hub.objects.get(part["oid"], b"")) != request.json["size"]:
        raise RefusedRequestError(404, "", "The object was not received whole")
    return HubReply()


@route("GET", "/api/{kinds}/{repo}(?:/revision/(?P<revision>[^/]+))?")
def repository_info(hub: HubState, request: HubRequest, part: Mapping[str, str]) -> HubReply:
    blobs = request.query.get("blobs", [""])[0].lower() in ("true", "1")
    return HubReply.json_reply(api_repository(hub, request, part).info(part["revision"] or "main", blobs))


@route("GET", "/api/{kinds}/{repo}/tree/{rev}(?:/(?P<folder>.+))?")
def folder_tree(hub: HubState, request: HubRequest, part: Mapping[str, str]) -> HubReply:
    recursive = request.query.get("recursive", [""])[0].lower() in ("true", "1")
    return HubReply.json_reply(api_repository(hub, request, part).tree(part["rev"], part["folder"], recursive))


@route("POST", "/api/{kinds}/{repo}/paths-info/{rev}")
def paths_info(hub: HubState, request: HubRequest, part: Mapping[str, str]) -> HubReply:
    is_form = "form" in request.headers.get("content-type", "")
    paths = parse_qs(request.body.decode())["paths"] if is_form else request.json["paths"]
    return HubReply.json_reply(api_repository(hub, request, part).path_entries(part["rev"], paths))


@route("GET", "/{prefix}{repo}/resolve/{rev}/{path}")
def resolve(hub: HubState, request: HubRequest, part: Mapping[str, str]) -> HubReply:
    """A small file itself; for a large one its metadata and where its content is."""
    kind = next(kind for kind, prefix in PREFIXES_BY_KIND.items() if prefix == part["prefix"])
    repo = visible_repository(hub, request, kind, part["repo"])
    if repo.gated:
        raise RefusedRequestError(403, "GatedRepo", f"Access to {kind} {repo.name} is restricted.")
    found, content = repo.file_at(part["rev"], part["path"])
    if not is_large(part["path"]):
        return range_reply(hub, request, found, part["path"], content)
    at = f"{hub.files_url}/files/{kind}/{repo.name}/{found.oid}/{quote(part['path'])}"
    linked = {"X-Linked-ETag": f'"{sha256(content)}"', "X-Linked-Size": str(len(content)), "Location": at}
    return HubReply(302, b"", {"X-Repo-Commit": found.oid, "Accept-Ranges": "bytes", **linked})


@route("GET", "/files/(?P<kind>model|dataset|space)/{repo}/(?P<oid>[0-9a-f]+)/{path}")
def large_file_content(hub: HubState, request: HubRequest, part: Mapping[str, str]) -> HubReply:
    """The content of a large file, at another host; a token that comes here went too far."""
    if "authorization" in request.headers:
        raise RefusedRequestError(400, "", "A token was sent to where the files are")
    found, content = hub.repositories[part["kind"], part["repo"]].file_at(part["oid"], part["path"])
    return range_reply(hub, request, found, part["path"], content)


def range_reply(hub: HubState, request: HubRequest, commit: Commit, path: str, content: bytes) -> HubReply:
    headers = {
        "ETag": f'"{etag(path, content)}"',
        "X-Repo-Commit": commit.oid,
        "Content-Type": "application/octet-stream",
    }
    wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", "")) if hub.supports_ranges else None
    if hub.supports_ranges:
        headers["Accept-Ranges"] = "bytes"
    if wanted is None:
        return HubReply(200, content, headers)
    first, last = int(wanted[1]), min(int(wanted[2] or len(content) - 1), len(content) - 1)
    if first > last:
        return HubReply(416, b"", {**headers, "Content-Range": f"bytes */{len(content)}"})
    return HubReply(
        206, content[first : last + 1], {**headers, "Content-Range": f"bytes {first}-{last}/{len(content)}"}
    )
