"""The site: its pages in order, its look, and the options of its server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import gradio as gr
from fastapi import Request, Response
from fastapi.responses import JSONResponse
from gradio.routes import App, ORJSONResponse
from starlette.types import ASGIApp

from space.endpoints import build_endpoints, endpoints
from space.endpoints.heads import make_head_endpoint
from space.pages import about, ask, catalogue, privacy, relation
from space.pages.agreement import page as agreement
from space.pages.annotate import page as annotate
from space.pages.annotate.submit_route import submit_route
from space.pages.compare import page as compare
from space.pages.explore import page as explore
from space.pages.explore.site_image import site_image_route
from space.pages.head import embedded as embedded_head
from space.pages.head import page as head
from space.pages.head.sharing import head_json_route
from space.pages.models import page as models
from space.pages.organise import page as organise
from space.pages.search import page as search
from space.pages.sentence import page as sentence
from space.pages.try_it import page as trying
from space.services import Services
from space.studies.headlines import head_headlines
from space.web.blocks import ManyPages
from space.web.browser_storage import script_tag, study_form_tags
from space.web.connections import ConnectionLimits
from space.web.document import respond_not_found
from space.web.downloads import one_time_route
from space.web.first_html import Site, app_arguments, base_address
from space.web.header import SITE_SUMMARY, SITE_TITLE, PageText, header_html
from space.web.health import health_route
from space.web.hub_login import login_error_handlers, login_routes
from space.web.request_guard import RequestGuard, host_of
from space.web.uploads import upload_route
from space.web.viewer import build_viewer

STATIC = Path(__file__).parent / "web" / "static"
PAGE_SCRIPTS = ("models.js", "scatter.js", "catalogue.js", "save_figure.js")  # of pages that Gradio builds
SESSIONS_KEPT = 40  # Gradio copies the layout of all pages for each, 0.4 MB; one used long ago starts anew, unnoticed
EXPLORER_PAGES = {
    "": explore,
    "head": head,
    "relation": relation,
    "search": search,
    "try": trying,
    "compare": compare,
    "catalogue": catalogue,
    "sentence": sentence,
}  # by path; the content of these pages depends only on their address
EXPLORER_LINKS = {
    "Heads": "",
    "Relations": "relation",
    "Try it": "try",
    "Compare": "compare",
}  # the explorer pages in the navigation, by label
PAGE_TEXTS = {
    "models": PageText("Models", "The models whose attention heads are mapped here."),
    "ask": PageText("Ask about a head", "Ask a language model what an attention head does, with a key of your own."),
    "annotate": PageText(
        "Judge descriptions of attention heads",
        "You read what an attention head does, with examples, and answer up to three questions about its description.",
    ),
    "agreement": PageText("Agreement", "How well the people who judged descriptions of attention heads agree."),
    "organise": PageText("Organise studies", "Create, run and publish a study of descriptions of attention heads."),
    "about": PageText("About", SITE_SUMMARY),
    "privacy": PageText("Privacy", "What is stored about people who judge, where, and how to withdraw."),
}  # of the pages that Gradio fills, by path


def build_about(services: Services, page: gr.Blocks) -> None:  # noqa: ARG001 - every page is built the same way
    about.build(services, endpoints(services))


GRADIO_PAGES = (
    ("Models", "models", models.build),
    ("Annotate", "annotate", annotate.build),
    ("Agreement", "agreement", agreement.build),
    ("About", "about", build_about),
)


def build_site(services: Services) -> gr.Blocks:
    """Builds all pages for these services. It changes nothing global, so it can be called twice."""
    with ManyPages(title=SITE_TITLE, analytics_enabled=False) as site:
        build_viewer(services, site, EXPLORER_PAGES)
        build_endpoints(services)
    for path in filter(None, EXPLORER_PAGES):
        name = next((name for name, listed in EXPLORER_LINKS.items() if listed == path), path.capitalize())
        with site.route(name, path, show_in_navbar=False) as page:
            build_viewer(services, page, EXPLORER_PAGES)
    with site.route("Organise", "organise", show_in_navbar=False) as page:
        organise.build(services, page)
    with site.route("Ask", "ask", show_in_navbar=False) as page:
        ask.build(services, page)
    with site.route("Privacy", "privacy", show_in_navbar=False) as page:
        privacy.build(services, page)
    for name, path, build in GRADIO_PAGES:
        with site.route(name, path, show_in_navbar=False) as page:
            build(services, page)
    site.finish()
    return site


def explorer_site() -> Site:
    links = EXPLORER_LINKS | {name: path for name, path, _ in GRADIO_PAGES}
    return Site(EXPLORER_PAGES, PAGE_TEXTS, links, {"head": embedded_head}, head_headlines)


def not_found_handler(services: Services, site: Site) -> Callable[[Request, Exception], Awaitable[Response]]:
    """The response for an unknown address: a page of the site for browsers, JSON for programs."""

    async def respond(request: Request, _error: Exception) -> Response:
        if "text/html" not in request.headers.get("accept", ""):
            return JSONResponse({"detail": "Not Found"}, status_code=404)
        header = header_html(services, site.links, "missing", "")
        return respond_not_found(services, header, base_address(services, request))

    return respond


class GuardedApp(App):
    """Gradio's app with the request guard as its outermost layer."""

    def __init__(self, services: Services, **options: Any) -> None:
        super().__init__(default_response_class=ORJSONResponse, **options)
        self._services = services

    def build_middleware_stack(self) -> ASGIApp:
        used = self._services
        return RequestGuard(
            super().build_middleware_stack(), used.is_on_space, host_of(used.public_address), used.has_mcp
        )


def launch_arguments(services: Services, limits: ConnectionLimits) -> dict[str, Any]:
    fonts = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
    mono = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"]
    theme = gr.themes.Default(primary_hue="blue", neutral_hue="slate", font=fonts, font_mono=mono)
    site = explorer_site()
    settings = app_arguments(services, site)
    settings["routes"][:0] = [site_image_route(services), head_json_route(make_head_endpoint(services))]
    settings["routes"] += [health_route(services), one_time_route(services), upload_route(services)]
    settings["routes"] += [submit_route(services), *login_routes(services)]
    handlers = {404: not_found_handler(services, site)} | login_error_handlers(services)
    theme.set(button_primary_background_fill="#0b5cad", button_primary_background_fill_hover="#08457f")
    return {
        "theme": theme,
        "js": (STATIC / "keys.js").read_text(encoding="utf-8"),
        "head": study_form_tags() + "".join(map(script_tag, PAGE_SCRIPTS)),
        "favicon_path": STATIC / "icon.svg",
        "i18n": gr.I18n(en={"common.complete": "Done"}),  # a text that Gradio lacks; screen readers read it out
        "footer_links": [],
        "run_history": False,
        "mcp_server": services.has_mcp,
        "ssr_mode": False,
        "enable_monitoring": False,
        "quiet": True,
        "_frontend": False,  # else Gradio stops the app if its own HEAD / takes 3 s, as it may at a restart
        "pwa": False,
        "state_session_capacity": SESSIONS_KEPT,
        "app_kwargs": {"lifespan": limits.lifespan},
        "_app": GuardedApp(services, exception_handlers=handlers, **settings),
    }
