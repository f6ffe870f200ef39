"""`check`: builds the upload in a fresh folder and environment, starts it as a Space does, and looks at its pages."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from maps.command_line import Subparsers
from maps.errors import MapsError
from maps.text import pluralize
from space.commands.deploy import PROJECT_ROOT, print_now

if TYPE_CHECKING:
    from space.hosting.trial import RunningApp

TRIAL_SPACE = "somebody/heads"


def add(commands: Subparsers[argparse.ArgumentParser]) -> None:
    """`check`."""
    p = commands.add_parser(
        "check",
        help="try at home what a Space would run",
        description=(
            "Writes what `deploy` uploads into a fresh folder, installs its packages into a fresh environment, starts "
            "it with a Space's variables on an empty disk, on port 7860 or a free one, and opens its pages in headless "
            "Chromium."
        ),
        epilog="example: python -m space check",
    )
    p.add_argument(
        "--installed",
        action="store_true",
        help="link the packages that are installed here, if they are the Space's versions, instead of installing",
    )
    p.add_argument("--port", type=int, metavar="N", help="listen there (default: 7860, or a free one)")
    p.add_argument("--folder", type=Path, metavar="DIR", help="build there and keep it (default: a folder that goes)")
    p.add_argument("--pictures", type=Path, metavar="DIR", help="put a picture of every page there")
    p.add_argument("--no-browser", action="store_true", help="only start it and read its health")
    p.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Builds, starts, looks, and says what it saw."""
    if options.folder is None:
        with tempfile.TemporaryDirectory(prefix="space-check-") as folder:
            run_trial(options, Path(folder))
    elif options.folder.exists() and any(options.folder.iterdir()):
        raise MapsError(f"{options.folder} is not empty; name a new folder.")
    else:
        run_trial(options, options.folder)


def run_trial(options: argparse.Namespace, folder: Path) -> None:
    """All of it in one folder."""
    from space.hosting.building import install_packages, link_packages, write_upload
    from space.hosting.trial import choose_port, run_app, space_environment
    from space.hosting.upload import space_files

    app, home = folder / "app", folder / "home"
    files = space_files(PROJECT_ROOT, TRIAL_SPACE)
    write_upload(files, app)
    home.mkdir()
    print_now(
        f"{pluralize(len(files), 'file')}, {sum(map(len, files.values())) / 1e6:.1f} MB, are what a Space is given."
    )
    print_now(f"{'Linking' if options.installed else 'Installing'} its packages.")
    python = (link_packages if options.installed else install_packages)(
        app / "requirements.txt", folder / "environment"
    )
    port = choose_port(options.port)
    environment = space_environment(TRIAL_SPACE, home, port, options.environment)
    with run_app(python, app, environment, folder / "log.txt", port) as running:
        print_health(running)
        if not options.no_browser:
            check_in_browser(running.url, options.pictures)
    print_now("The app starts, serves and ends as on a Space.")


def print_health(running_app: RunningApp) -> None:
    """What the health of a running app says."""
    health = running_app.health
    versions = ", ".join(f"{name} {version}" for name, version in health["versions"].items())
    print_now(f"It answers at {running_app.url} after {running_app.start_seconds:.1f} seconds ({versions}).")
    print_now(f"Models: {', '.join(health['models'])}. Ledger: {health['ledger']['state']}. Live: {health['live']}.")


def check_in_browser(url: str, screenshot_folder: Path | None) -> None:
    """Looks at every page; raises MapsError where one is not as it shall be."""
    from space.hosting.browser_check import check_pages

    wrong = []
    for page in check_pages(url, screenshot_folder):
        said = "; ".join(page.problems) or "as it shall be"
        print_now(f"  /{page.address:<32} {page.seconds:5.1f} s  {page.heading or '(no heading)'}: {said}")
        wrong += [f"/{page.address}: {each}" for each in page.problems]
    if wrong:
        raise MapsError("; ".join(wrong))
