"""The connection to a server.

Proxies and certificates come from the environment (http_proxy, https_proxy, all_proxy, no_proxy, SSL_CERT_FILE); for a
server on this machine no proxy is used. Key, address, organization and project are parameters, never read from the
environment.
"""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx2  # the transport of the openai package
from openai import AsyncOpenAI, DefaultAsyncHttpxClient

from maps.errors import DescriberError
from maps.llm.hidden_errors import reveal_error
from maps.llm.reply_limit import ACCEPTED_ENCODINGS, limit_response

PROXY_VARIABLES = "http_proxy, https_proxy or all_proxy"


def open_client(
    url: str, key: str, *, timeout: float, concurrency: int, organization: str | None, project: str | None
) -> AsyncOpenAI:
    """A client with one pool of connections; raises DescriberError if settings of the environment are not usable."""
    limits = httpx2.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
    try:
        transport = DefaultAsyncHttpxClient(
            limits=limits,
            trust_env=not is_local_address(url),
            headers={"Accept-Encoding": ACCEPTED_ENCODINGS},
            event_hooks={"response": [limit_response, reveal_error]},
        )
    except ImportError:
        raise DescriberError(
            f"The proxy in {PROXY_VARIABLES} is a SOCKS proxy: pip install socksio, or unset the variable."
        ) from None
    except (ValueError, httpx2.InvalidURL):
        raise DescriberError(
            f"The proxy in {PROXY_VARIABLES} has an invalid address: correct or unset the variable."
        ) from None
    client = AsyncOpenAI(api_key=key, base_url=url, timeout=timeout, max_retries=0, http_client=transport)
    client.organization, client.project = organization, project  # replaces what the package read from the environment
    try:
        httpx2.Headers({name: value for name, value in client.default_headers.items() if isinstance(value, str)})
    except UnicodeEncodeError:
        raise DescriberError(
            "OPENAI_ORG_ID, OPENAI_PROJECT_ID or OPENAI_CUSTOM_HEADERS contains characters that cannot be sent: "
            "correct or unset it."
        ) from None
    return client


def is_local_address(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def is_behind_proxy(url: str) -> bool:
    parts, proxies = urlsplit(url), getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    return bool(proxy) and not is_local_address(url) and not proxy_bypass(parts.hostname or "")
