"""Answers at the app's address while the app is still starting: `/health`, and a page that waits for the app."""

from __future__ import annotations

import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from maps.errors import MapsError
from space.address import ListenAddress

HEALTH = b'{"status":"starting"}'
PAGE = b"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Starting</title>
<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark"></head>
<body style="font-family:system-ui,sans-serif;margin:3rem"><p role="status">The site is starting; this takes some
seconds. The page then opens by itself.</p><noscript><p>Please reload it.</p></noscript><script>
const look = () => fetch(new URL('health', location.origin)).then(reply => reply.json())
  .then(health => { if (health.status !== 'starting') location.reload(); else again(); }, again);
const again = () => setTimeout(look, 300);
again();
</script></body></html>"""
SECURITY_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "connect-src 'self'",
}


class Answer(BaseHTTPRequestHandler):
    """`/health` has status 200, everything else 503."""

    def do_GET(self) -> None:
        is_health = self.path.partition("?")[0] == "/health"
        body = HEALTH if is_health else PAGE
        self.send_response(200 if is_health else 503)
        self.send_header("content-type", "application/json" if is_health else "text/html; charset=utf-8")
        self.send_header("content-length", str(len(body)))
        for name, value in SECURITY_HEADERS.items():
            self.send_header(name, value)
        if not is_health:
            self.send_header("retry-after", "2")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Requests are not logged, as the app does."""


class StartingServer:
    """Serves these answers from now on until `stop`, just before the app itself listens.

    Raises MapsError where the port is taken or the address is not one of this machine's.
    """

    def __init__(self, address: ListenAddress) -> None:
        class Server(ThreadingHTTPServer):
            address_family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
            daemon_threads = True

        try:
            self._server = Server((address.host, address.port), Answer)
        except OSError as error:
            raise MapsError(
                f"{address.host}:{address.port} cannot be used ({error.strerror or error}); set PORT to a free port "
                "and HOST to an address of this machine."
            ) from error
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, name="starting", daemon=True).start()

    def stop(self) -> None:
        """Frees the port; repeating it does nothing."""
        self._server.shutdown()
        self._server.server_close()
