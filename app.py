"""Serves the app: `python app.py`."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
from threading import Thread
from typing import TYPE_CHECKING

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # read when gradio is imported
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # they fill the log
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")  # returns memory after a page is built

from maps.command_line import print_text, run_and_report
from space.address import ListenAddress, read_listen_address
from space.starting import StartingServer
from space.web.memory import limit_memory_arenas

if TYPE_CHECKING:
    from space.services import Services

COMMAND_LINE = "command line"  # who started the first job


def main() -> int:
    """Serves the app until it is stopped; returns 0, or 1 with an error message where it cannot start."""
    parser = argparse.ArgumentParser(
        prog="python app.py",
        description="Serves the app. Settings are the environment variables HOST, PORT, MAPS_DATA, MAPS_ATLASES, "
        "MAPS_JUDGMENTS, HF_TOKEN, MAPS_ORGANISERS and MAPS_PSEUDONYM_KEY.",
        epilog="example: PORT=8000 python app.py",
    )
    parser.add_argument(
        "--map", metavar="MODEL", help="map and describe this model as a job, unless it was mapped here"
    )
    model = parser.parse_args().map
    limit_memory_arenas()
    return run_and_report(lambda: serve(model), "Stopped.", bad_input_status=1)


def serve(model_to_map: str | None = None) -> None:
    """Starts the server and its workers, and stops them when the server ends."""
    address = read_listen_address()
    starting = StartingServer(address)  # before the imports, which take seconds
    from space.services import open_services

    services = open_services()
    from space.site import build_site, launch_arguments  # imported late, so that wrong settings are reported at once
    from space.studies.current import load_running_studies
    from space.web.connections import ConnectionLimits, connection_limit
    from space.web.zero_gpu import register_with_zero_gpu

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    site = build_site(services)
    site.queue(default_concurrency_limit=16)
    if services.is_zero_gpu:
        register_with_zero_gpu()
    if services.publisher is not None:
        services.publisher.start()
    try:  # from here on, since a signal may come while the server starts
        services.jobs.start()
        if model_to_map is not None:
            start_first_job(services, model_to_map)
        services.search_indexes.start_building(services.atlases)
        Thread(target=load_running_studies, args=(services,), name="studies", daemon=True).start()
        limits = ConnectionLimits(connection_limit())
        options = launch_arguments(services, limits)
        starting.stop()
        site.launch(server_name=address.host, server_port=address.port, prevent_thread_lock=True, **options)
        limits.server = site.server
        services.live_model.start()  # late, since loading the weights takes a core for some seconds
        print_addresses(address, services)
        site.block_thread()
    finally:
        services.jobs.stop()
        services.live_model.close()
        for sentence in services.publisher.stop() if services.publisher is not None else ():
            print_text(sentence, sys.stderr)
        services.one_time_files.close()
        services.journal.close()


def start_first_job(services: Services, model: str) -> None:
    """Maps and describes a model as a job, unless its atlas or the job is there already."""
    from space.jobs.recipes import ModelRequest, folder_name, mapping_job

    request = ModelRequest(model)
    folder = services.data_folder.resolve() / "atlases" / folder_name(request)
    is_known = any(job.folder == str(folder) for job in services.jobs.store.all_jobs())
    if not is_known and not (folder / "atlas.json").exists():
        services.jobs.submit(mapping_job(request, folder, COMMAND_LINE))


def print_addresses(address: ListenAddress, services: Services) -> None:
    """Prints where the app can be opened and where it keeps its data."""
    from space.web.sessions import organiser_link

    base = address.local_url
    print(f"Answers, studies and keys are kept in {services.data_folder.resolve()}", flush=True)
    if address.is_every_interface and not services.is_on_space:
        print(
            f"From other machines: http://{socket.gethostname()}:{address.port}, or this machine's address", flush=True
        )
    if (link := organiser_link(services, base)) is not None:
        print(f"For the organiser only, until the app stops: {link}", flush=True)
    print(f"Open {base} (Ctrl+C stops)", flush=True)


if __name__ == "__main__":
    sys.exit(main())
