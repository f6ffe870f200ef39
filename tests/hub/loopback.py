"""A Hugging Face Hub on loopback for tests: real HTTP, repositories in memory, troubles to order."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi

from tests.hub.jobs import Jobs
from tests.hub.repository import Commit, Repository
from tests.hub.routes import answer_request
from tests.hub.routing import USER_NAME, HubReply, HubRequest
from tests.hub.spaces import LoopbackSpace

TOKEN = "hf_loopback"


@dataclass(frozen=True)
class RecordedRequest:
    """A request with its answer: the status (0 where it was dropped) and the body's bytes that were sent."""

    method: str
    path: str
    status: int
    bytes_sent: int
    range_header: str


@dataclass
class OrderedFailure:
    """What goes wrong with the next `times` requests, after `skip` others, whose `METHOD /path` holds the pattern."""

    pattern: str
    times: int
    status: int = 0
    delay: float = 0.0
    lose_reply: bool = False
    cut_reply: bool = False
    retry_after: int = 0
    skip: int = 0
    drop_request: bool = False


class LoopbackHub:
    """A Hub. Everything that writes needs `token`; `ranges = False` answers ranged requests with the whole file."""

    def __init__(self) -> None:
        self.url = ""
        self.files_url = ""
        self.token = TOKEN
        self.supports_ranges = True
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.objects: dict[str, bytes] = {}
        self.jobs = Jobs()
        self.spaces: dict[str, LoopbackSpace] = {}
        self.account: dict[str, Any] = {"type": "user", "name": USER_NAME, "fullname": USER_NAME, "orgs": []}
        self.account["auth"] = {"type": "access_token", "accessToken": {"displayName": "test", "role": "write"}}
        self.has_paid_plan = True  # whether the account has a plan
        self.recorded_requests: list[RecordedRequest] = []
        self.ordered_failures: list[OrderedFailure] = []
        self.closing = threading.Event()
        self.lock = threading.Lock()

    def client(self, token: str | bool = TOKEN) -> HfApi:
        """The real client; `token=False` is a stranger."""
        return HfApi(endpoint=self.url, token=token)

    def add_model(self, name: str, files: Mapping[str, bytes] | Path, **options: bool) -> str:
        """Adds files, or a folder's, to a model that is made where it is missing; returns the commit's hash."""
        return self.add("model", name, files, **options)

    def add_dataset(self, name: str, files: Mapping[str, bytes] | Path, **options: bool) -> str:
        return self.add("dataset", name, files, **options)

    def add(
        self, kind: str, name: str, files: Mapping[str, bytes] | Path, *, private: bool = False, gated: bool = False
    ) -> str:
        if isinstance(files, Path):
            paths = [path for path in sorted(files.rglob("*")) if path.is_file()]
            files = {path.relative_to(files).as_posix(): path.read_bytes() for path in paths}
        repo = self.repositories.setdefault((kind, name), Repository(kind, name, private, gated))
        return repo.commit("Add files", {**repo.head.files, **files}).oid

    def files(self, name: str, kind: str = "dataset") -> dict[str, bytes]:
        """The files of a repository now, without .gitattributes."""
        files = self.repositories[kind, name].head.files
        return {path: content for path, content in files.items() if path != ".gitattributes"}

    def commits(self, name: str, kind: str = "dataset") -> list[Commit]:
        """The commits after the first one, which only says which files are large."""
        return self.repositories[kind, name].commits[1:]

    def matching_requests(self, pattern: str = "") -> list[RecordedRequest]:
        """The requests so far whose `METHOD /path` the pattern is found in."""
        return [seen for seen in self.recorded_requests if re.search(pattern, f"{seen.method} {seen.path}")]

    def bytes_sent(self, pattern: str = "") -> int:
        return sum(seen.bytes_sent for seen in self.matching_requests(pattern))

    def fail_next(self, pattern: str, status: int = 503, times: int = 1, retry_after: int = 0) -> None:
        """Answers the next requests with an error instead of doing what they ask."""
        self.ordered_failures.append(OrderedFailure(pattern, times, status=status, retry_after=retry_after))

    def stall_next(self, pattern: str, seconds: float, times: int = 1) -> None:
        self.ordered_failures.append(OrderedFailure(pattern, times, delay=seconds))

    def lose_next_reply(self, pattern: str, times: int = 1) -> None:
        """Does what the next requests ask, then drops the connection without an answer."""
        self.ordered_failures.append(OrderedFailure(pattern, times, lose_reply=True))

    def cut_next_reply(self, pattern: str, times: int = 1) -> None:
        """Drops the connection in the middle of the answers' bodies."""
        self.ordered_failures.append(OrderedFailure(pattern, times, cut_reply=True))

    def stop_after(self, requests: int, lose_reply: bool = False) -> None:
        """Answers so many requests and then none, as for a killed client; with `lose_reply` one more is done."""
        self.ordered_failures += [OrderedFailure("", 1, lose_reply=True, skip=requests)] if lose_reply else []
        self.ordered_failures.append(OrderedFailure("", 1_000_000, drop_request=True, skip=requests))

    def next_failure(self, line: str) -> OrderedFailure:
        """The trouble that is due, or one that is none."""
        for trouble in self.ordered_failures:
            if trouble.times <= 0 or not re.search(trouble.pattern, line):
                continue
            if trouble.skip > 0:
                trouble.skip -= 1
                continue
            trouble.times -= 1
            return trouble
        return OrderedFailure("", 0)

    def answer(self, request: HubRequest) -> tuple[HubReply, OrderedFailure]:
        with self.lock:
            trouble = self.next_failure(f"{request.method} {request.path}")
        self.closing.wait(trouble.delay)
        with self.lock:
            if trouble.drop_request:
                return HubReply(), trouble
            if trouble.status:
                page = b"<html>Ordered by a test</html>"  # gateways answer with pages
                headers = {"Retry-After": str(trouble.retry_after)} if trouble.retry_after else {}
                return HubReply(trouble.status, page, {"Content-Type": "text/html", **headers}), trouble
            return answer_request(self, request), trouble


class HubHandler(BaseHTTPRequestHandler):
    """Speaks HTTP for the Hub of its server."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: HubServer

    def handle_one_request(self) -> None:
        """Ends quietly where the client is gone."""
        try:
            super().handle_one_request()
        except OSError:
            self.close_connection = True

    def read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def answer(self) -> None:
        hub = self.server.hub
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = HubRequest(self.command, self.path, headers, self.read_body())
        reply, trouble = hub.answer(request)
        length = len(reply.body)
        silent = trouble.lose_reply or trouble.drop_request
        sent = 0 if self.command == "HEAD" or silent else length // 2 if trouble.cut_reply else length
        status = 0 if silent else reply.status
        hub.recorded_requests.append(RecordedRequest(self.command, self.path, status, sent, headers.get("range", "")))
        if not silent:
            self.send_response(reply.status)
            for name, value in {**reply.headers, "Content-Length": str(length)}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body[:sent])
        if silent or trouble.cut_reply:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = answer  # the names that the base class looks for

    def log_message(self, format: str, *args: object) -> None:
        """Prints nothing."""


class HubServer(ThreadingHTTPServer):
    """Serves a Hub on a free loopback port."""

    daemon_threads = True

    def __init__(self, hub: LoopbackHub) -> None:
        super().__init__(("127.0.0.1", 0), HubHandler)
        self.hub = hub
        self.open_connections: set[socket.socket] = set()
        hub.url = f"http://127.0.0.1:{self.server_port}"
        hub.files_url = f"http://localhost:{self.server_port}"  # another host, as the real Hub's large files have

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Keeps the connection in sight while it is open."""
        self.open_connections.add(request)
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.open_connections.discard(request)

    def hang_up(self) -> None:
        """Ends connections that clients keep for later."""
        for connection in list(self.open_connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue


@contextmanager
def loopback_hub() -> Iterator[LoopbackHub]:
    hub = LoopbackHub()
    with HubServer(hub) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield hub
        finally:
            hub.closing.set()
            server.shutdown()
            server.hang_up()
            thread.join()
