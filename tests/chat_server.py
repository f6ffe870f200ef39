"""A chat-completions server on loopback for tests: a real socket, and replies that follow a script."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

DESCRIPTION = {"Reasoning": "Seen often.", "Input strings": "Words.", "Observed pattern": "The first letter."}
MODEL = "scripted-model-2026-01-01"

Behaviour = Callable[[dict[str, Any]], Response]


def completion(content: str | None, finish: str = "stop", refusal: str | None = None) -> Response:
    """A well-formed answer of a chat-completions server, with its usage."""
    message = {"role": "assistant", "content": content, "refusal": refusal}
    return JSONResponse(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": MODEL,
            "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}],
            "usage": {"prompt_tokens": 700, "completion_tokens": 60, "total_tokens": 760},
        }
    )


def failure(status: int, message: str, code: str | None = None, **headers: str) -> Response:
    """An error as OpenAI's API writes it; the header tells the client not to wait long before a retry."""
    body = {"error": {"message": message, "type": "error", "param": None, "code": code}}
    written = {name.replace("_", "-"): value for name, value in headers.items()}
    return JSONResponse(body, status_code=status, headers=written or {"retry-after-ms": "1"})


def answer(_body: dict[str, Any]) -> Response:
    """A good description."""
    return completion(json.dumps(DESCRIPTION))


def bad_key(_body: dict[str, Any]) -> Response:
    """401, quoting the key, as some servers do."""
    return failure(401, "Incorrect API key provided: sk-secret.", "invalid_api_key")


def unknown_model(body: dict[str, Any]) -> Response:
    """404 for the model asked for."""
    return failure(404, f"The model {body['model']} does not exist", "model_not_found")


def no_quota(_body: dict[str, Any]) -> Response:
    """429 that no waiting mends."""
    return failure(429, "You exceeded your current quota", "insufficient_quota")


def no_credit(_body: dict[str, Any]) -> Response:
    """402, as some gateways say the same."""
    return failure(402, "Insufficient credits")


def rate_limit(_body: dict[str, Any]) -> Response:
    """429 that waiting mends."""
    return failure(429, "Rate limit reached", "rate_limit_exceeded")


def wait_half_a_second(_body: dict[str, Any]) -> Response:
    """429 that says when to ask again."""
    return failure(429, "Rate limit reached", "rate_limit_exceeded", retry_after="0.5")


def wait_an_hour(_body: dict[str, Any]) -> Response:
    """429 that says so, too late to wait for."""
    return failure(429, "Rate limit reached", "rate_limit_exceeded", retry_after="3600")


def last_of_the_minute(body: dict[str, Any]) -> Response:
    """A good description, after which the server's limit leaves no room for half a second."""
    response = answer(body)
    response.headers["x-ratelimit-remaining-requests"] = "0"
    response.headers["x-ratelimit-reset-requests"] = "500ms"
    return response


def broken(_body: dict[str, Any]) -> Response:
    """500, quoting the key."""
    return failure(500, "Internal error while serving sk-secret")


def no_schema(body: dict[str, Any]) -> Response:
    """400 where a JSON schema is asked for, otherwise a good description."""
    if body.get("response_format", {}).get("type") == "json_schema":
        return failure(400, "Invalid parameter: 'response_format' of type 'json_schema' is not supported")
    return answer(body)


def choosy(body: dict[str, Any]) -> Response:
    """400 for a seed, then for max_tokens, as newer models answer; otherwise a good description."""
    if "seed" in body:
        return failure(400, "Unsupported parameter: 'seed' is not supported with this model.", "unsupported_parameter")
    if "max_tokens" in body:
        message = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens'."
        return failure(400, message, "unsupported_parameter")
    return answer(body)


def invalid(_body: dict[str, Any]) -> Response:
    """400 that says nothing of why."""
    return failure(400, "Invalid request")


def no_json_mode(body: dict[str, Any]) -> Response:
    """400 where JSON mode is asked for, otherwise a good description."""
    if "response_format" in body:
        return failure(400, "response_format is not supported")
    return answer(body)


def too_long(_body: dict[str, Any]) -> Response:
    """400 for this question, whatever the terms."""
    return failure(400, "maximum context length exceeded", "context_length_exceeded")


def refusal(_body: dict[str, Any]) -> Response:
    """A refusal in its own field."""
    return completion(None, refusal="I can't help with that.")


def filtered(_body: dict[str, Any]) -> Response:
    """An answer withheld by the content filter."""
    return completion(None, finish="content_filter")


def truncated(_body: dict[str, Any]) -> Response:
    """An answer cut off at the token limit."""
    return completion(json.dumps(DESCRIPTION)[:40], finish="length")


def malformed(_body: dict[str, Any]) -> Response:
    """A chat completion whose content is no JSON."""
    return completion("The first letter, it seems.")


def no_choices(_body: dict[str, Any]) -> Response:
    """200 with an error object, as some proxies answer."""
    return JSONResponse({"error": "upstream failed"})


def web_page(_body: dict[str, Any]) -> Response:
    """200 with a page, as a wrong address answers."""
    return PlainTextResponse("<html>Welcome</html>", media_type="text/html")


def half_json(_body: dict[str, Any]) -> Response:
    """200 that calls itself JSON and is not."""
    return Response('{"id": "chatcmpl-1", "choi', media_type="application/json")


def slow(body: dict[str, Any]) -> Response:
    """A good description after half a second."""
    time.sleep(0.5)
    return answer(body)


def drop(_body: dict[str, Any]) -> Response:
    """The connection ends in the middle of the answer."""
    return Response("{", headers={"content-length": "100"}, media_type="application/json")


@dataclass
class ChatServer:
    """Follows `script`, one behaviour a request, its last one for ever; keeps the bodies and keys it saw."""

    script: Sequence[Behaviour]
    bodies: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    peers: list[int] = field(default_factory=list)  # the client's port of each request
    url: str = ""

    def reply(self, body: dict[str, Any], key: str) -> Response:
        """The answer to one request."""
        behaviour = self.script[min(len(self.bodies), len(self.script) - 1)]
        self.bodies.append(body)
        self.keys.append(key)
        return behaviour(body)


@contextmanager
def chat_server(*script: Behaviour) -> Iterator[ChatServer]:
    """Serves the script on a free loopback port, in a thread, until the block ends."""
    chat = ChatServer(script)

    async def endpoint(request: Request) -> Response:
        key = request.headers.get("authorization", "")
        chat.peers.append(request.client.port if request.client else 0)
        return await run_in_threadpool(chat.reply, await request.json(), key)

    app = Starlette(routes=[Route("/v1/chat/completions", endpoint, methods=["POST"])])
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
