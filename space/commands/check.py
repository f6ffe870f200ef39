"""`check`: builds the app in a new folder and environment, starts it as a Space does, and checks its pages."""

from __future__ import annotations

import argparse
import tempfile
from functools import partial
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
    p = commands.add_parser(
        "check",
        help="try the app locally as a Space would run it",
        description=(
            "Writes the files that `deploy` uploads into a new folder, installs their packages into a new environment, "
            "starts the app with a Space's variables and an empty disk, on port 7860 or a free one, and opens its "
            "pages in headless Chromium."
        ),
        epilog="example: python -m space check",
    )
    link_help = "link the packages installed here instead of installing them; they must have the Space's versions"
    p.add_argument("--installed", action="store_true", help=link_help)
    p.add_argument("--port", type=int, metavar="N", help="the app's port (default: 7860, or a free one)")
    folder = partial(p.add_argument, type=Path, metavar="DIR")
    folder("--folder", help="build in this folder and keep it (default: a temporary folder)")
    folder("--pictures", help="save a screenshot of every page in this folder")
    p.add_argument("--no-browser", action="store_true", help="start the app and read its health, without opening pages")
    p.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Builds and starts the app, checks its pages, and prints the results."""
    if options.folder is None:
        with tempfile.TemporaryDirectory(prefix="space-check-") as folder:
            run_trial(options, Path(folder))
    elif options.folder.exists() and any(options.folder.iterdir()):
        raise MapsError(f"{options.folder} is not empty; choose a new folder.")
    else:
        run_trial(options, options.folder)


def run_trial(options: argparse.Namespace, folder: Path) -> None:
    from space.hosting.building import install_packages, link_packages, write_upload
    from space.hosting.trial import choose_port, run_app, space_environment
    from space.hosting.upload import space_files

    app, home = folder / "app", folder / "home"
    files = space_files(PROJECT_ROOT, TRIAL_SPACE)
    write_upload(files, app)
    home.mkdir()
    megabytes = sum(map(len, files.values())) / 1e6
    print_now(f"A Space gets {pluralize(len(files), 'file')} ({megabytes:.1f} MB).")
    print_now(f"{'Linking' if options.installed else 'Installing'} the packages.")
    build = link_packages if options.installed else install_packages
    python = build(app / "requirements.txt", folder / "environment")
    port = choose_port(options.port)
    environment = space_environment(TRIAL_SPACE, home, port, options.environment)
    with run_app(python, app, environment, folder / "log.txt", port) as running:
        print_health(running)
        if not options.no_browser:
            check_in_browser(running.url, options.pictures)
    print_now("The app starts, runs and stops as on a Space.")


def print_health(running_app: RunningApp) -> None:
    health = running_app.health
    versions = ", ".join(f"{name} {version}" for name, version in health["versions"].items())
    print_now(f"The app answers at {running_app.url} after {running_app.start_seconds:.1f} seconds ({versions}).")
    models, ledger = ", ".join(health["models"]), health["ledger"]["state"]
    print_now(f"Models: {models}. Ledger: {ledger}. Live questions: {health['live']}.")


def check_in_browser(url: str, screenshot_folder: Path | None) -> None:
    """Checks every page; raises MapsError with all problems if there are any."""
    from space.hosting.browser_check import check_pages

    problems = []
    for page in check_pages(url, screenshot_folder):
        result = "; ".join(page.problems) or "OK"
        print_now(f"  /{page.address:<32} {page.seconds:5.1f} s  {page.heading or '(no heading)'}: {result}")
        problems += [f"/{page.address}: {problem}" for problem in page.problems]
    if problems:
        raise MapsError("; ".join(problems))
