"""An OpenID provider on the loopback, as Hugging Face is for a Space: authorisation codes, signed tokens, keys."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey


class OpenIdProvider(ThreadingHTTPServer):
    """Grants what is asked, as user `user`, or refuses. `scopes` are those that were asked for, in order."""

    def __init__(self, user: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.user, self.refuses = user, False
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.key = RSAKey.generate_key(2048, {"kid": "1"})
        self.scopes: list[str] = []
        self.requests_of_codes: dict[str, dict[str, str]] = {}

    def authorize(self, query: dict[str, str]) -> str:
        """The address to which the browser is sent back."""
        self.scopes.append(query["scope"])
        if self.refuses:
            answer = {"error": "access_denied", "state": query["state"]}
        else:
            answer = {"code": secrets.token_hex(8), "state": query["state"]}
            self.requests_of_codes[answer["code"]] = query
        return f"{query['redirect_uri']}&{urlencode(answer)}"

    def make_token(self, code: str) -> dict[str, object]:
        """What a code is worth, once."""
        asked, now = self.requests_of_codes.pop(code), int(time.time())
        claims = {"iss": self.url, "sub": "1", "aud": asked["client_id"], "nonce": asked["nonce"]}
        claims |= {"iat": now, "exp": now + 600, "preferred_username": self.user}  # type: ignore[dict-item]
        return {
            "access_token": f"hf_oauth_{secrets.token_hex(8)}",
            "token_type": "bearer",
            "expires_in": 600,
            "scope": asked["scope"],
            "id_token": jwt.encode({"alg": "RS256", "kid": "1"}, claims, self.key),
        }


class Handler(BaseHTTPRequestHandler):
    """The provider's four addresses."""

    server: OpenIdProvider

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path == "/authorize":
            query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
            self.send_response(302)
            self.send_header("Location", self.server.authorize(query))
            self.end_headers()
        elif parts.path == "/jwks":
            self.answer({"keys": [self.server.key.as_dict(private=False)]})
        else:
            url = self.server.url
            addresses = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "jwks"}
            self.answer({"issuer": url} | {name: f"{url}/{path}" for name, path in addresses.items()})

    def do_POST(self) -> None:
        body = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.answer(self.server.make_token(body["code"][0]))

    def answer(self, reply: object) -> None:
        content = json.dumps(reply).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing on the terminal."""


@contextmanager
def serve_provider(user: str) -> Iterator[OpenIdProvider]:
    provider = OpenIdProvider(user)
    thread = threading.Thread(target=provider.serve_forever)
    thread.start()
    yield provider
    provider.shutdown()
    thread.join()
    provider.server_close()
