"""What the app adds to Gradio's login on a Space: inference credits, and a way back for whoever refuses.

The usual login asks only who somebody is. `/login/credits` asks for the scope `inference-api` as well, so that a
visitor's own credits pay for questions about heads; only visitors of /ask who choose it get there. Hugging Face sends
them back to the address of the usual login, where Gradio keeps the token in the signed cookie of their browser until
they sign out or the login expires.
"""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import urlencode, urlsplit

import gradio.oauth as gradio_oauth
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from space.services import Services
from space.web.sessions import HasRequest, current_login

IDENTITY_SCOPES = "openid profile"
CREDITS_SCOPE = "inference-api"


def credits_token(request: HasRequest) -> str:
    """The token of a visitor whose login includes their inference credits; empty for everybody else."""
    login = current_login(request) or {}
    scopes, token = login.get("scope"), login.get("access_token")
    has_credits = isinstance(scopes, str) and CREDITS_SCOPE in scopes.split()
    return token if has_credits and isinstance(token, str) else ""


def login_routes(services: Services) -> list[Route]:
    """Sends a visitor to Hugging Face, which asks whether the app may use their credits, and from there to /ask.

    Gradio's own login would ask for every scope in the Space's card. From here on it asks only who somebody is.
    """
    if not services.has_login:
        return []
    gradio_oauth.OAUTH_SCOPES = IDENTITY_SCOPES

    async def respond(request: Request) -> Response:
        back = urlencode({"_target_url": f"/ask?{request.url.query}"})
        address = f"{services.public_address}/login/callback?{back}"
        response: Response = await open_login().authorize_redirect(
            request, address, scope=f"{IDENTITY_SCOPES} {CREDITS_SCOPE}"
        )
        return response

    return [Route("/login/credits", respond, methods=["GET"])]


def open_login() -> Any:
    """The Space's OAuth client, under the name by which Gradio's callback finds what was asked."""
    from authlib.integrations.starlette_client import OAuth  # only a Space with a login has it

    return OAuth().register(
        "huggingface",
        client_id=gradio_oauth.OAUTH_CLIENT_ID,
        client_secret=gradio_oauth.OAUTH_CLIENT_SECRET,
        server_metadata_url=f"{gradio_oauth.OPENID_PROVIDER_URL}/.well-known/openid-configuration",
    )


def login_error_handlers(services: Services) -> dict[Any, Any]:
    """Leads whoever refuses at Hugging Face, or is refused there, back to the page that they came from."""
    if not services.has_login:
        return {}
    from authlib.integrations.starlette_client import OAuthError

    async def lead_back(request: Request, error: Exception) -> Response:
        logging.getLogger(__name__).warning("nobody was signed in: %r", str(error))
        target = urlsplit(request.query_params.get("_target_url", "/"))
        path = target.path.replace("\\", "/").lstrip("/")  # never `//host`: a browser would leave the app
        return RedirectResponse(f"/{path}?{target.query}")

    return {OAuthError: lead_back}
