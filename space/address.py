"""Where the app listens, from HOST and PORT. It imports little: it is read before anything that takes long."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from maps.errors import MapsError


@dataclass(frozen=True)
class ListenAddress:
    """The address at which the app accepts connections."""

    host: str
    port: int

    @property
    def is_every_interface(self) -> bool:
        """Whether other machines can connect, too."""
        return self.host in ("0.0.0.0", "::")

    @property
    def local_url(self) -> str:
        """Where a browser on this machine reaches the app."""
        return f"http://{'127.0.0.1' if self.is_every_interface else self.host}:{self.port}"


def read_listen_address(environment: Mapping[str, str] = os.environ) -> ListenAddress:
    """Reads HOST and PORT. On a Hugging Face Space the default is every interface, for its proxy."""
    host = environment.get("HOST") or ("0.0.0.0" if environment.get("SPACE_ID") else "127.0.0.1")
    port = environment.get("PORT") or "7860"
    if not (port.isascii() and port.isdecimal()) or not 0 < int(port) < 65536:
        raise MapsError(f"PORT is {port!r}; set it to a number from 1 to 65535, or unset it for 7860.")
    return ListenAddress(host, int(port))
