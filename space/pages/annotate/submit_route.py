"""The request by which an answer is submitted and the next item comes back, as plain JSON.

Gradio would copy and check all components of the form at each answer, which takes longer than storing it. So the page
sends an answer here, and `static/study_form.js` hands the reply to the components. The handler is the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import anyio.to_thread
from gradio.blocks import Block
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from annotation import form
from space.pages.annotate.handlers import for_annotator, submit
from space.pages.annotate.view import AnnotatePage
from space.services import Services

PATH = "/annotate/submit"
NOT_AN_ANSWER = "This request is no answer of the form. Reload the page."


class ComponentNames:
    """Stands in for the page where its components are named, not shown: `names.task` is `"task"`."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.questions = {question.field: question.field for question in form.QUESTIONS}

    def __getattr__(self, name: str) -> str:
        return name


def output_names(page: AnnotatePage) -> list[str]:
    """The names of the page's outputs, in their order."""
    names = {part: name for name, part in (vars(page) | page.questions).items() if isinstance(part, Block)}
    return [names[part] for part in page.outputs()]


@dataclass(frozen=True)
class RouteRequest:
    """A request as handlers know it: Gradio's holds Starlette's."""

    request: Request


def submit_route(services: Services) -> Route:
    """Answers with the updates of the page's components by name."""
    names = cast(AnnotatePage, ComponentNames(services))
    handle = for_annotator(names, submit)

    async def respond(request: Request) -> Response:
        try:
            body = await request.json()
        except ValueError:
            body = None
        if not isinstance(body, dict):
            return JSONResponse({"error": NOT_AN_ANSWER}, 400)
        updates = await anyio.to_thread.run_sync(handle, form_inputs(body), RouteRequest(request))
        return JSONResponse(updates)

    return Route(PATH, respond, methods=["POST"])


def form_inputs(body: dict[Any, Any]) -> dict[str, Any]:
    """What the form holds, by component name; an answer or comment that is not text counts as missing."""
    texts = {name: body.get(name) for name in (*(question.field for question in form.QUESTIONS), "comment")}
    return {"token": body.get("token"), "task": body.get("task")} | {
        name: text if isinstance(text, str) else None for name, text in texts.items()
    }
