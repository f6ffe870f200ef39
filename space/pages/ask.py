"""The page on which a visitor asks a language model about one head, at their own cost. The answer is not kept.

They type a key or, on a Space with a login, use the inference credits of their account on Hugging Face.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Semaphore
from typing import Any
from urllib.parse import urlencode

import gradio as gr

from maps.atlas.reader import Atlas
from maps.atlas.schema import Row
from maps.errors import MapsError
from maps.types import HeadId
from space.atlases.hidden import DESCRIPTIVE_TABLES, HIDDEN_DESCRIPTION, hidden_heads, link_or_copy
from space.components.markup import Html, anchor, author_words, bullet_list, head_link, mapping_list, notice, with_chips
from space.jobs.job import Step
from space.jobs.recipes import ROUTED_PREFIX, ServerRequest
from space.services import Services
from space.web.addresses import requested_head
from space.web.errors import show_errors
from space.web.hub_login import credits_token
from space.web.sessions import login_name
from space.web.visitors import visitor_id

VISITORS_URL = ""  # OpenAI's own address; another one in tests
ASKED_AT_ONCE = 2
ASK_SECONDS = 150.0
OPENAI_MODELS = ("gpt-4o", "gpt-4o-mini")
HUB_MODEL = f"{ROUTED_PREFIX}openai/gpt-oss-120b"
NO_KEY_MESSAGE = "Type a key of your own: OpenAI's, or a Hugging Face token for a model that begins with hf:."
NO_CREDITS_MESSAGE = f"Your inference credits pay for models that begin with {ROUTED_PREFIX}, such as {HUB_MODEL}."
CREDITS_OFFER = Html(
    "<p>{} Hugging Face then asks whether this app may use them and see your name, and nothing more.</p>"
)
CREDITS_NOTE = Html("<p>The inference credits of <b>{}</b> pay for models that begin with hf:. {}</p>")
BUSY_MESSAGE = "Other visitors are asking at the moment. Try again in a minute."
HINT = (
    "<p>The model reads the head's mappings and describes them. A key that you type is used for this one question. "
    "Neither the key nor the answer is stored.</p>"
)
# What a visitor's question must not inherit from the app: its keys, and its server.
BLANK_SETTINGS = dict.fromkeys(
    ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "HF_TOKEN"), ""
)
_places = Semaphore(ASKED_AT_ONCE)


def build(services: Services, page: gr.Blocks) -> None:
    shown = gr.HTML(elem_id="ask-head")
    gr.HTML(HINT)
    query = gr.JSON(visible="hidden")
    payer = gr.HTML(elem_id="ask-credits", visible=services.has_login)
    models = [HUB_MODEL, *OPENAI_MODELS] if services.has_login else [*OPENAI_MODELS, HUB_MODEL]
    with gr.Row():
        name = gr.Dropdown(
            models,
            value=models[0],
            allow_custom_value=True,
            label="Model",
            info="of OpenAI, or hf:MODEL of the Hub's Inference Providers",
            min_width=260,
            elem_id="ask-model",
        )
        key = gr.Textbox(label="Your key", type="password", max_length=500, min_width=260, elem_id="ask-key")
    button = gr.Button("Ask", variant="primary", elem_id="ask")
    answer = gr.HTML(elem_id="ask-answer")

    def open_ask_page(request: gr.Request) -> list[Any]:
        """The head in the address with its mappings, what describers have said of it, and who pays."""
        asked = dict(request.query_params)
        try:
            return [head_html(services, asked), asked, credits_html(asked, request) if services.has_login else ""]
        except MapsError as error:  # an address without a head
            return [Html("<h1>Ask a model about a head</h1>{}").format(notice(str(error), "problem")), asked, ""]

    def ask_model(asked: object, model: object, typed_key: object, request: gr.Request) -> str:
        return answer_html(services, asked, model, typed_key, request)

    page.load(show_errors(open_ask_page), None, [shown, query, payer], api_visibility="private")
    button.click(show_errors(ask_model), [query, name, key], answer, api_visibility="private")


def head_html(services: Services, query: dict[str, str]) -> Html:
    atlas, head = requested_head(services, query)
    lines = [
        Html("{}: {}").format(author_words(row["describer"]), with_chips(row["observed_pattern"]))
        for row in atlas.descriptions(head)
    ]
    said = Html("<h2>Described so far</h2>{}").format(bullet_list(lines)) if lines else Html("")
    return Html("<h1>Ask a model about {} <small>of {}</small></h1>{}{}").format(
        head_link(atlas.model, head), atlas.model, mapping_list(atlas.mappings(head)), said
    )


def credits_html(query: dict[str, str], request: gr.Request) -> Html:
    """On a Space with a login: whose inference credits pay, or where to allow it."""
    address = urlencode(query)
    if credits_token(request):
        sign_out = anchor("logout?" + urlencode({"_target_url": f"/ask?{address}"}), "Sign out")
        return CREDITS_NOTE.format(login_name(request) or "your account", sign_out)
    return CREDITS_OFFER.format(anchor(f"login/credits?{address}", "Use my inference credits.", target="_blank"))


def answer_html(services: Services, query: object, model: object, key: object, request: gr.Request) -> Html:
    """What the model answers, or why there is no answer."""
    if not isinstance(query, dict) or not isinstance(model, str) or not isinstance(key, str):
        raise MapsError("Reload the page and ask again.")
    credits = credits_token(request)
    is_routed = model.strip().startswith(ROUTED_PREFIX)
    server = ServerRequest(model.strip(), VISITORS_URL, key.strip() or (credits if is_routed else ""))
    if not server.key:
        return notice(NO_CREDITS_MESSAGE if credits else NO_KEY_MESSAGE, "problem")
    if not server.name or server.is_reserved or server.name.startswith("-"):
        return notice(f"Name a model of OpenAI, or {ROUTED_PREFIX}MODEL.", "problem")
    atlas, head = requested_head(services, {str(name): str(value) for name, value in query.items()})
    if head in hidden_heads(atlas):
        return notice(HIDDEN_DESCRIPTION, "problem")
    if services.is_on_space:
        services.rate_limiter.consume(visitor_id(request))
    if not _places.acquire(blocking=False):
        return notice(BUSY_MESSAGE, "problem")
    try:
        row = describe_in_copy(services, atlas, head, server)
    except MapsError as error:
        return notice(str(error), "problem")
    finally:
        _places.release()
    return Html("<h2>{}</h2><p>Inputs: {}</p><p>Pattern: <b>{}</b></p>").format(
        server.name, with_chips(row["input_strings"]), with_chips(row["observed_pattern"])
    )


def describe_in_copy(services: Services, atlas: Atlas, head: HeadId, server: ServerRequest) -> Row:
    """The model's description of a head, from a copy of the atlas that is thrown away."""
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for path in atlas.folder.iterdir():
            if path.name == "atlas.json" or (path.suffix == ".parquet" and path.stem not in DESCRIPTIVE_TABLES):
                link_or_copy(path, folder / path.name)
        command = ("describe", temporary, "--describer", server.name, "--heads", str(head), *server.options)
        services.jobs.run_now(Step("Asking about one head", command), {**BLANK_SETTINGS, **server.keys}, ASK_SECONDS)
        rows = Atlas.open(folder).descriptions(head)
        if not rows:
            raise MapsError(f"{server.name} gave no usable description of {head}.")
        return rows[0]
