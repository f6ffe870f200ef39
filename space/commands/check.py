"""`check`: builds the upload in a fresh folder and environment, starts it as a Space does, and looks at its pages."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from annotation.commands.arguments import Commands
from maps.errors import MapsError
from maps.text import many
from space.commands.deploy import ROOT, say

if TYPE_CHECKING:
    from space.hosting.trial import Started

SPACE = "somebody/heads"


def add(commands: Commands[argparse.ArgumentParser]) -> None:
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
            checked(options, Path(folder))
    elif options.folder.exists() and any(options.folder.iterdir()):
        raise MapsError(f"{options.folder} is not empty; name a new folder.")
    else:
        checked(options, options.folder)


def checked(options: argparse.Namespace, folder: Path) -> None:
    """All of it in one folder."""
    from space.hosting.building import installed, lay_out, linked
    from space.hosting.trial import port_for, started, variables
    from space.hosting.upload import upload

    app, home = folder / "app", folder / "home"
    files = upload(ROOT, SPACE)
    lay_out(files, app)
    home.mkdir()
    say(f"{many(len(files), 'file')}, {sum(map(len, files.values())) / 1e6:.1f} MB, are what a Space is given.")
    say(f"{'Linking' if options.installed else 'Installing'} its packages.")
    python = (linked if options.installed else installed)(app / "requirements.txt", folder / "environment")
    port = port_for(options.port)
    environment = variables(SPACE, home, port, options.environment)
    with started(python, app, environment, folder / "log.txt", port) as running:
        told(running)
        if not options.no_browser:
            looked(running.url, options.pictures)
    say("The app starts, serves and ends as on a Space.")


def told(running: Started) -> None:
    """What the health of a running app says."""
    health = running.health
    versions = ", ".join(f"{name} {version}" for name, version in health["versions"].items())
    say(f"It answers at {running.url} after {running.seconds:.1f} seconds ({versions}).")
    say(f"Models: {', '.join(health['models'])}. Ledger: {health['ledger']['state']}. Live: {health['live']}.")


def looked(url: str, pictures: Path | None) -> None:
    """Looks at every page; raises MapsError where one is not as it shall be."""
    from space.hosting.browser_check import look_at

    wrong = []
    for page in look_at(url, pictures):
        said = "; ".join(page.wrong) or "as it shall be"
        say(f"  /{page.address:<32} {page.seconds:5.1f} s  {page.heading or '(no heading)'}: {said}")
        wrong += [f"/{page.address}: {each}" for each in page.wrong]
    if wrong:
        raise MapsError("; ".join(wrong))
