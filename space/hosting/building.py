"""Builds at home what a Space builds: the upload in a folder, its packages in an environment of their own."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator, Mapping
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from maps.errors import MapsError


def write_upload(files: Mapping[str, bytes], folder: Path) -> None:
    """Writes the files of an upload below a folder."""
    for path, content in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def install_packages(requirements: Path, folder: Path) -> Path:
    """An environment with these packages, from the package index or pip's cache; returns its Python."""
    venv.create(folder, with_pip=True)
    python = environment_python(folder)
    options = ["--quiet", "--disable-pip-version-check", "-r", str(requirements)]
    command = [str(python), "-m", "pip", "install", *options]
    if subprocess.run(command, check=False).returncode != 0:
        raise MapsError("The packages of the Space cannot be installed; what pip says is above.")
    return python


def link_packages(requirements: Path, folder: Path) -> Path:
    """The same without an installation: links to packages of this environment, which must be those asked for.

    The new environment holds them and what they need, and nothing else that is installed here.
    """
    venv.create(folder, with_pip=False)
    python = environment_python(folder)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    lines = requirements.read_text(encoding="utf-8").splitlines()
    for found in collect_distributions([Requirement(line) for line in lines if line]).values():
        for name in top_level_names(found):
            source, link = Path(str(found.locate_file(name))).resolve(), site / name
            if source.exists() and not link.exists():
                link.symlink_to(source)
    return python


def collect_distributions(requirements: list[Requirement]) -> dict[str, Distribution]:
    """The installed packages that are asked for and all that they need, by name."""
    found: dict[str, Distribution] = {}
    asked, seen = list(requirements), set()
    while asked:
        requirement = asked.pop()
        name = canonicalize_name(requirement.name)
        if (name, *sorted(requirement.extras)) in seen:
            continue
        seen.add((name, *sorted(requirement.extras)))
        found[name] = find_distribution(requirement)
        asked += package_requirements(found[name], requirement.extras)
    return found


def find_distribution(requirement: Requirement) -> Distribution:
    """The installed package of a requirement; raises MapsError where it is missing or another version."""
    try:
        found = distribution(requirement.name)
    except PackageNotFoundError as error:
        raise MapsError(f"{requirement} is not installed here; leave --installed out to install it.") from error
    if found.version.partition("+")[0] not in requirement.specifier:
        raise MapsError(f"{requirement.name} {found.version} is installed here, the Space takes {requirement}.")
    return found


def package_requirements(package: Distribution, extras: set[str]) -> Iterator[Requirement]:
    """What a package asks for on this machine, with these extras."""
    for line in package.requires or ():
        requirement = Requirement(line)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield requirement


def top_level_names(package: Distribution) -> set[str]:
    """The names directly below the folder of packages that belong to a package."""
    parts = (file.parts[0] for file in package.files or ())
    return {name for name in parts if name not in ("..", "__pycache__")}


def environment_python(folder: Path) -> Path:
    """The Python of an environment."""
    return folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
