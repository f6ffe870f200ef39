"""Errors that a server sends with status 200, as OpenRouter does: `{"error": {"code": 429, "message": "…"}}`.

The response gets the status that the error names. From there on it is an ordinary error: the run waits, retries or
stops.
"""

from __future__ import annotations

import httpx2  # the transport of the openai package

from maps.llm.sanitise import read_json

STATUS_KEYS = ("code", "status", "status_code", "statusCode", "type")
STATUS_BY_NAME = {  # names that servers write instead of a number
    "invalid_request_error": 400,
    "context_length_exceeded": 400,
    "invalid_api_key": 401,
    "authentication_error": 401,
    "unauthenticated": 401,
    "insufficient_credits": 402,
    "permission_error": 403,
    "permission_denied": 403,
    "model_not_found": 404,
    "not_found_error": 404,
    "insufficient_quota": 429,  # the openai package keeps the name, so that it counts as an empty account
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "resource_exhausted": 429,
    "too_many_requests": 429,
    "server_error": 500,
    "internal_server_error": 500,
    "internal": 500,
    "api_error": 500,
    "overloaded_error": 503,
    "service_unavailable": 503,
    "unavailable": 503,
    "timeout": 504,
    "deadline_exceeded": 504,
}


async def reveal_error(response: httpx2.Response) -> None:
    """Gives a response with status 200 the status of the error in it, if there is one that names a status."""
    if response.status_code != 200 or response.request.url.path.endswith("/content"):
        return
    content = await response.aread()
    if b'"error"' not in content:
        return
    try:
        body = read_json(content)
    except ValueError:
        return
    response.status_code = hidden_status(body) or 200


def hidden_status(body: object) -> int | None:
    """The HTTP status that the error in an answer names, from 400 to 599; None without an error or without a status."""
    error = hidden_error(body)
    if error is None:
        return None
    for holder in (error, body[0] if isinstance(body, list) else body):
        for key in STATUS_KEYS:
            value = holder.get(key) if isinstance(holder, dict) else None
            status = STATUS_BY_NAME.get(value.lower()) if isinstance(value, str) else value
            if isinstance(value, str) and value.isdecimal() and len(value) == 3:
                status = int(value)
            if isinstance(status, int) and 400 <= status <= 599:
                return status
    return None


def hidden_error(body: object) -> object | None:
    """The error in an answer that should contain a reply, or None.

    It stands under `error`, is the body itself (`"object": "error"`), or stands in the choice that it interrupted.
    """
    if isinstance(body, list) and len(body) == 1:
        return hidden_error(body[0])
    if not isinstance(body, dict):
        return None
    choices = body.get("choices")
    if isinstance(choices, list) and choices:
        choice = choices[0]
        return (choice.get("error") or None) if isinstance(choice, dict) else None
    return body if body.get("object") == "error" else (body.get("error") or None)
