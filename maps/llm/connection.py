"""The connection to a server: its pool, and what of the environment it may go by.

Proxies and certificates are the environment's (http_proxy, https_proxy, all_proxy, no_proxy, SSL_CERT_FILE), as for
every program; a server on this machine is spoken to without a proxy. Key, address, organization and project are handed
in.
"""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx2  # the transport of the openai package
from openai import AsyncOpenAI, DefaultAsyncHttpxClient

from maps.errors import DescriberError

PROXY_VARIABLES = "http_proxy, https_proxy or all_proxy"


def open_client(
    url: str, key: str, *, timeout: float, concurrency: int, organization: str | None, project: str | None
) -> AsyncOpenAI:
    """A client with one pool of connections; raises DescriberError where the environment's settings can't be used."""
    limits = httpx2.Limits(max_connections=concurrency, max_keepalive_connections=concurrency)
    try:
        transport = DefaultAsyncHttpxClient(limits=limits, trust_env=not is_local_address(url))
    except ImportError:
        raise DescriberError(
            f"The proxy of the environment ({PROXY_VARIABLES}) is a SOCKS proxy: pip install socksio, or unset the variable."
        ) from None
    except (ValueError, httpx2.InvalidURL):
        raise DescriberError(
            f"A proxy of the environment ({PROXY_VARIABLES}) has no address that can be used: correct or unset the variable."
        ) from None
    client = AsyncOpenAI(api_key=key, base_url=url, timeout=timeout, max_retries=0, http_client=transport)
    client.organization, client.project = organization, project  # not what the package read in the environment
    try:
        httpx2.Headers({name: value for name, value in client.default_headers.items() if isinstance(value, str)})
    except UnicodeEncodeError:
        raise DescriberError(
            "OPENAI_ORG_ID, OPENAI_PROJECT_ID or OPENAI_CUSTOM_HEADERS holds characters that cannot be sent: correct "
            "or unset it."
        ) from None
    return client


def is_local_address(url: str) -> bool:
    """Whether the address is on this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def is_behind_proxy(url: str) -> bool:
    """Whether a proxy of the environment stands between here and the address."""
    parts, proxies = urlsplit(url), getproxies()
    named = proxies.get(parts.scheme) or proxies.get("all")
    return bool(named) and not is_local_address(url) and not proxy_bypass(parts.hostname or "")
