"""A chat-completions server on loopback for tests: a real socket, scripted replies, and batches."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

DESCRIPTION = {"Reasoning": "Seen often.", "Input strings": "Words.", "Observed pattern": "The first letter."}
MODEL = "scripted-model-2026-01-01"

Behaviour = Callable[[dict[str, Any]], Response]


def completion_response(
    content: object, finish: str = "stop", refusal: str | None = None, tokens: int = 60, **message_fields: object
) -> Response:
    """A chat completion. `tokens`: how many the reply has; `message_fields`: further fields of the message."""
    message = {"role": "assistant", "content": content, "refusal": refusal, **message_fields}
    return JSONResponse(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": MODEL,
            "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}],
            "usage": {"prompt_tokens": 700, "completion_tokens": tokens, "total_tokens": 700 + tokens},
        }
    )


def error_response(status: int, message: str, code: str | None = None, **headers: str) -> Response:
    """An error in the form of OpenAI's API; by default, a header asks for a retry after a millisecond."""
    body = {"error": {"message": message, "type": "error", "param": None, "code": code}}
    given_headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return JSONResponse(body, status_code=status, headers=given_headers or {"retry-after-ms": "1"})


def good_reply(_body: dict[str, Any]) -> Response:
    return completion_response(json.dumps(DESCRIPTION))


def bad_key_error(_body: dict[str, Any]) -> Response:
    """401 that quotes the key, as some servers do."""
    return error_response(401, "Incorrect API key provided: sk-secret.", "invalid_api_key")


def unknown_model_error(body: dict[str, Any]) -> Response:
    """404 for the requested model."""
    return error_response(404, f"The model {body['model']} does not exist", "model_not_found")


def no_quota_error(_body: dict[str, Any]) -> Response:
    """429 because of an empty account; waiting does not help."""
    return error_response(429, "You exceeded your current quota", "insufficient_quota")


def no_credit_error(_body: dict[str, Any]) -> Response:
    """402 because of an empty account, as some gateways answer."""
    return error_response(402, "Insufficient credits")


def rate_limit_error(_body: dict[str, Any]) -> Response:
    """429 because of too many requests; waiting helps."""
    return error_response(429, "Rate limit reached", "rate_limit_exceeded")


def retry_in_half_a_second(_body: dict[str, Any]) -> Response:
    return error_response(429, "Rate limit reached", "rate_limit_exceeded", retry_after="0.5")


def retry_in_an_hour(_body: dict[str, Any]) -> Response:
    return error_response(429, "Rate limit reached", "rate_limit_exceeded", retry_after="3600")


def last_reply_of_the_minute(body: dict[str, Any]) -> Response:
    """A good description; its headers say that no further request is allowed for half a second."""
    response = good_reply(body)
    response.headers["x-ratelimit-remaining-requests"] = "0"
    response.headers["x-ratelimit-reset-requests"] = "500ms"
    return response


def server_error(_body: dict[str, Any]) -> Response:
    """500 that quotes the key."""
    return error_response(500, "Internal error while serving sk-secret")


def no_schema_support(body: dict[str, Any]) -> Response:
    """400 for a request with a JSON schema, otherwise a good description."""
    if body.get("response_format", {}).get("type") == "json_schema":
        return error_response(400, "Invalid parameter: 'response_format' of type 'json_schema' is not supported")
    return good_reply(body)


def no_seed_support(body: dict[str, Any]) -> Response:
    """400 for a seed, then for max_tokens, as newer models answer; otherwise a good description."""
    if "seed" in body:
        return error_response(
            400, "Unsupported parameter: 'seed' is not supported with this model.", "unsupported_parameter"
        )
    if "max_tokens" in body:
        message = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens'."
        return error_response(400, message, "unsupported_parameter")
    return good_reply(body)


def invalid_request_error(_body: dict[str, Any]) -> Response:
    """400 without a reason."""
    return error_response(400, "Invalid request")


def no_json_mode_support(body: dict[str, Any]) -> Response:
    """400 for a request with a response format, otherwise a good description."""
    if "response_format" in body:
        return error_response(400, "response_format is not supported")
    return good_reply(body)


def too_long_error(_body: dict[str, Any]) -> Response:
    """400 for this question, with any options."""
    return error_response(400, "maximum context length exceeded", "context_length_exceeded")


def refused_reply(_body: dict[str, Any]) -> Response:
    return completion_response(None, refusal="I can't help with that.")


def filtered_reply(_body: dict[str, Any]) -> Response:
    return completion_response(None, finish="content_filter")


def truncated_reply(body: dict[str, Any]) -> Response:
    """A reply that was cut off because it has as many tokens as it may have."""
    return completion_response(json.dumps(DESCRIPTION)[:40], finish="length", tokens=body["max_tokens"])


def reply_cut_in_thoughts(body: dict[str, Any]) -> Response:
    """A reply that was cut off while the model thought aloud."""
    thoughts = "Let me look at the strings first. Most of them are"
    return completion_response(thoughts, finish="length", tokens=body["max_tokens"])


def malformed_reply(_body: dict[str, Any]) -> Response:
    """A chat completion whose content is not JSON."""
    return completion_response("The first letter, it seems.")


def reply_without_choices(_body: dict[str, Any]) -> Response:
    """200 with an error object, as some proxies answer."""
    return JSONResponse({"error": "upstream failed"})


def web_page_reply(_body: dict[str, Any]) -> Response:
    return PlainTextResponse("<html>Welcome</html>", media_type="text/html")


def half_json_reply(_body: dict[str, Any]) -> Response:
    """200 with the content type of JSON, but half of the JSON only."""
    return Response('{"id": "chatcmpl-1", "choi', media_type="application/json")


def slow_reply(body: dict[str, Any]) -> Response:
    """A good description after half a second."""
    time.sleep(0.5)
    return good_reply(body)


def late_reply(body: dict[str, Any]) -> Response:
    """A good description after 1.2 seconds, too late for a client that waits one."""
    time.sleep(1.2)
    return good_reply(body)


def dropped_reply(_body: dict[str, Any]) -> Response:
    return Response("{", headers={"content-length": "100"}, media_type="application/json")


class MixedErrors:
    """Errors by prompt: a hash of the prompt chooses a sequence of errors, after which a good description follows.

    `paid_replies` counts the good descriptions of each prompt; prompts in `hopeless_prompts` never get one.
    """

    ERRORS_BY_PROMPT: Sequence[Sequence[Behaviour]] = (
        (rate_limit_error,), (server_error, server_error), (late_reply,), (dropped_reply,),
        (malformed_reply,), (truncated_reply,), (refused_reply,), (half_json_reply,),
        (rate_limit_error, server_error, malformed_reply), (server_error, dropped_reply, truncated_reply),
    )  # fmt: skip
    PERMANENT_ERRORS: Sequence[Behaviour] = (server_error, refused_reply)

    def __init__(self) -> None:
        self.paid_replies: Counter[str] = Counter()
        self.hopeless_prompts: set[str] = set()
        self._attempts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __call__(self, body: dict[str, Any]) -> Response:
        prompt = body["messages"][0]["content"]
        choice = hashlib.sha256(prompt.encode()).digest()[0] % 24
        with self._lock:
            attempt = self._attempts[prompt]
            self._attempts[prompt] += 1
            if choice < len(self.ERRORS_BY_PROMPT) and attempt < len(self.ERRORS_BY_PROMPT[choice]):
                behaviour = self.ERRORS_BY_PROMPT[choice][attempt]
            elif 0 <= choice - len(self.ERRORS_BY_PROMPT) < len(self.PERMANENT_ERRORS):
                self.hopeless_prompts.add(prompt)
                behaviour = self.PERMANENT_ERRORS[choice - len(self.ERRORS_BY_PROMPT)]
            else:
                self.paid_replies[prompt] += 1
                behaviour = good_reply
        return behaviour(body)


@dataclass
class ChatServer:
    """Follows `script`, one behaviour per request and then the last one again; records bodies and keys."""

    script: Sequence[Behaviour]
    request_bodies: list[dict[str, Any]] = field(default_factory=list)
    request_keys: list[str] = field(default_factory=list)
    client_ports: list[int] = field(default_factory=list)  # by request
    url: str = ""
    models: list[Any] = field(default_factory=list)  # what a router lists
    files: dict[str, bytes] = field(default_factory=dict)
    batches: dict[str, dict[str, Any]] = field(default_factory=dict)
    polls_until_done: int = 1  # requests for the state of a batch until it is completed
    batch_ending: str = "completed"
    batch_api: str = "whole"  # "none": 404 for uploads; "page": a web page for them
    has_junk_lines: bool = False  # result lines without a reply before and after each good one
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin_batch(self, file: str) -> dict[str, Any]:
        name = f"batch_{len(self.batches)}"
        batch = {"object": "batch", "endpoint": "/v1/chat/completions", "completion_window": "24h", "created_at": 1}
        self.batches[name] = batch | {"id": name, "input_file_id": file, "status": "in_progress", "looked": 0}
        return self.batches[name]

    def poll_batch(self, name: str) -> dict[str, Any]:
        """The state of a batch, which is completed after enough requests for it."""
        batch = self.batches[name]
        batch["looked"] += 1
        if batch["status"] == "in_progress" and batch["looked"] >= self.polls_until_done:
            self.finish_batch(batch)
        return batch

    def finish_batch(self, batch: dict[str, Any]) -> None:
        """Answers the questions of a batch by the script; if it expires, only the first half."""
        batch["status"] = self.batch_ending
        if self.batch_ending == "failed":
            batch["errors"] = {"object": "list", "data": [{"code": "token_limit_exceeded", "message": "Too many."}]}
            return
        lines = [json.loads(line) for line in self.files[batch["input_file_id"]].split(b"\n") if line]
        lines = lines[: len(lines) // 2] if self.batch_ending == "expired" else lines
        results: dict[str, list[bytes]] = {"output": [], "error": []}
        for line in reversed(lines):  # a batch keeps no order
            response = self.reply(line["body"], "batch")
            answer = {"status_code": response.status_code, "body": json.loads(bytes(response.body))}
            row = {"id": "1", "custom_id": line["custom_id"], "response": answer, "error": None}
            junk = [json.dumps(row | {"response": None}).encode()] if self.has_junk_lines else []
            kind = "output" if response.status_code == 200 else "error"
            results[kind] += [*junk, json.dumps(row).encode(), *junk]
        for kind, rows in results.items():
            if rows:
                batch[f"{kind}_file_id"] = f"{batch['id']}_{kind}"
                self.files[f"{batch['id']}_{kind}"] = b"\n".join(rows)
        batch["request_counts"] = {"total": len(lines), "failed": len(results["error"])} | {
            "completed": len(results["output"])
        }

    def reply(self, body: dict[str, Any], key: str) -> Response:
        with self._lock:
            behaviour = self.script[min(len(self.request_bodies), len(self.script) - 1)]
            self.request_bodies.append(body)
            self.request_keys.append(key)
        return behaviour(body)


@contextmanager
def serve_chat(*script: Behaviour) -> Iterator[ChatServer]:
    chat = ChatServer(script)

    async def complete(request: Request) -> Response:
        key = request.headers.get("authorization", "")
        chat.client_ports.append(request.client.port if request.client else 0)
        return await run_in_threadpool(chat.reply, await request.json(), key)

    async def models(_request: Request) -> Response:
        return JSONResponse({"object": "list", "data": chat.models})

    async def upload(request: Request) -> Response:
        if chat.batch_api != "whole":
            return error_response(404, "Not found") if chat.batch_api == "none" else web_page_reply({})
        async with request.form() as form:
            file, purpose = form["file"], str(form["purpose"])
            assert isinstance(file, UploadFile)
            name = f"file_{len(chat.files)}"
            chat.files[name] = await file.read()
        description = {"id": name, "object": "file", "bytes": len(chat.files[name]), "created_at": 1}
        return JSONResponse(description | {"filename": "batch.jsonl", "purpose": purpose, "status": "processed"})

    async def content(request: Request) -> Response:
        return Response(chat.files[request.path_params["name"]])

    async def batches(request: Request) -> Response:
        if request.method == "GET":
            return JSONResponse({"object": "list", "data": list(chat.batches.values()), "has_more": False})
        return JSONResponse(chat.begin_batch((await request.json())["input_file_id"]))

    async def batch_state(request: Request) -> Response:
        if request.path_params["name"] not in chat.batches:
            return error_response(404, "No such batch")
        return JSONResponse(await run_in_threadpool(chat.poll_batch, request.path_params["name"]))

    app = Starlette(
        routes=[
            Route("/v1/chat/completions", complete, methods=["POST"]),
            Route("/v1/models", models),
            Route("/v1/files", upload, methods=["POST"]),
            Route("/v1/files/{name}/content", content),
            Route("/v1/batches", batches, methods=["GET", "POST"]),
            Route("/v1/batches/{name}", batch_state),
        ]
    )
    config = uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        chat.url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield chat
        finally:
            server.should_exit = True
            thread.join()
