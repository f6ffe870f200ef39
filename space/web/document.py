"""The parts of a page's HTML document: title and link preview, scripts, the policy; and documents without Gradio."""

from __future__ import annotations

import secrets
from html import escape

from starlette.responses import HTMLResponse, Response

from maps.text import escape_controls
from space.components.markup import Html, join_html
from space.services import Services
from space.web.assets import asset_address
from space.web.header import SITE_TITLE
from space.web.page import PageContent, article_html, missing_page
from space.web.request_guard import frame_ancestors

# Gradio compiles the functions of its events ('unsafe-eval') and writes styles into elements.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self' 'nonce-{nonce}' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; media-src 'self'; manifest-src 'self'; "
    "worker-src 'self' blob:; form-action 'self'; base-uri 'self'; frame-ancestors {ancestors}"
)
EMBEDDED_POLICY = (
    "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self'; base-uri 'self'; frame-ancestors *"
)
MAX_SUMMARY_LENGTH = 300  # characters in a link preview
SITE_IMAGE = "look/site.png"
SCRIPTS = join_html(
    Html('<script src="{}"></script>').format(asset_address(name)) for name in ("grid.js", "explorer.js", "recent.js")
)


def content_policy(nonce: str, ancestors: str) -> str:
    """The content security policy of a page: scripts with the nonce may run, and sites of `ancestors` may frame it."""
    return CONTENT_SECURITY_POLICY.format(nonce=nonce, ancestors=ancestors)


def head_tags(content: PageContent, base: str, address: str) -> str:
    """Title, link preview (Open Graph) and assets."""
    title, summary = escape_controls(content.title), escape_controls(content.summary)
    if len(summary) > MAX_SUMMARY_LENGTH:
        summary = summary[:MAX_SUMMARY_LENGTH] + "…"
    properties = {"og:title": title, "og:description": summary, "og:type": "website", "og:url": address}
    properties |= {"og:site_name": SITE_TITLE, "og:image": f"{base}/{content.image_address or SITE_IMAGE}"}
    tags = "".join(f'<meta property="{name}" content="{escape(value)}">' for name, value in properties.items())
    return (
        f'<title>{escape(title)}</title><meta name="description" content="{escape(summary)}">{tags}'
        '<meta name="twitter:card" content="summary_large_image">'
        f'<link rel="icon" type="image/svg+xml" href="{asset_address("icon.svg")}">'
        f'<link rel="stylesheet" href="{asset_address("style.css")}">'
    )


def content_html(content: PageContent, path: str) -> Html:
    """The content, which the scripts make usable before Gradio is there."""
    return Html('<div id="first-look" class="gradio-container"><main id="main">{}</main></div>').format(
        article_html(content, path)
    )


def plain_document(content: PageContent, path: str, base: str, before: Html = Html(""), after: Html = Html("")) -> str:
    """A whole document without Gradio. `base`: the app's own address, where its links start."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="color-scheme" content="light dark">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><base href="{escape(base)}/">'
        f'{head_tags(content, base, base)}</head><body class="plain">'
        f"{before}{content_html(content, path)}{after}</body></html>"
    )


def respond_not_found(services: Services, header: Html, base: str) -> Response:
    """A page with the site's header, for an address that leads nowhere."""
    document = plain_document(missing_page("There is no page at this address."), "missing", base, header, SCRIPTS)
    policy = content_policy(secrets.token_urlsafe(16), frame_ancestors(services.is_on_space))
    return HTMLResponse(document, status_code=404, headers={"content-security-policy": policy})


def respond_embedded(content: PageContent, base: str) -> Response:
    """A page for frames on other sites: no script and nothing that is a person's. Its links open outside the frame."""
    document = plain_document(content, "embedded", base).replace("<base ", '<base target="_blank" ', 1)
    document = document.replace('content="light dark"', 'content="light"', 1)  # a script would choose
    status = 200 if content.exists else 404
    return HTMLResponse(document, status_code=status, headers={"content-security-policy": EMBEDDED_POLICY})
