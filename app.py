"""The app: settings, services, site, server."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # read when gradio is imported
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")  # gives back what a page needed

from maps.errors import MapsError
from space.services import ListenAddress, open_services, read_listen_address
from space.web.memory import limit_memory_arenas


def main() -> int:
    """Serves the app until it is stopped; returns 0, or 1 with one sentence where it cannot start."""
    argparse.ArgumentParser(
        prog="python app.py",
        description="Serves the app. HOST, PORT, MAPS_DATA, MAPS_ATLASES, MAPS_JUDGMENTS, HF_TOKEN, "
        "MAPS_ORGANISERS and MAPS_PSEUDONYM_KEY are its settings.",
        epilog="example: PORT=8000 python app.py",
    ).parse_args()
    limit_memory_arenas()
    try:
        where = read_listen_address()
        check_port_is_free(where)
        used = open_services()
    except MapsError as error:
        print(error, file=sys.stderr)
        return 1
    from space.site import (  # imported here: what is wrong with the settings is said at once
        build_site,
        launch_arguments,
    )
    from space.web.sessions import organiser_link
    from space.web.zero_gpu import register_with_zero_gpu

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    site = build_site(used)
    site.queue(default_concurrency_limit=16)
    if used.is_zero_gpu:
        register_with_zero_gpu()
    used.live_model.start()
    used.search_indexes.start_building(used.atlases.values())
    if used.publisher is not None:
        used.publisher.start()
    site.launch(server_name=where.host, server_port=where.port, prevent_thread_lock=True, **launch_arguments(used))
    everywhere = where.host in ("0.0.0.0", "::")
    base = f"http://{'127.0.0.1' if everywhere else where.host}:{where.port}"
    print(f"Answers, studies and keys are kept in {used.data_folder.resolve()}", flush=True)
    if everywhere and not used.is_on_space:
        print(f"From other machines: http://{socket.gethostname()}:{where.port}, or this machine's address", flush=True)
    if (link := organiser_link(used, base)) is not None:
        print(f"For the organiser alone, until the app stops: {link}", flush=True)
    print(f"Open {base} (Ctrl+C stops)", flush=True)
    try:
        site.block_thread()
    finally:
        used.live_model.close()
        if used.publisher is not None and not used.publisher.stop():
            print("Some answers are not in the ledger yet; the next start publishes them.", file=sys.stderr, flush=True)
        used.journal.close()
    return 0


def check_port_is_free(address: ListenAddress) -> None:
    """Raises MapsError where the port is taken or the address is none of this machine's."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((address.host, address.port))
    except OSError as error:
        raise MapsError(
            f"{address.host}:{address.port} cannot be used ({error.strerror or error}); set PORT to a free port "
            "and HOST to an address of this machine."
        ) from error


if __name__ == "__main__":
    sys.exit(main())
