"""Builds locally what a Space builds: the uploaded files in a folder and their packages in a virtual environment."""

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
    for path, content in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def install_packages(requirements: Path, folder: Path) -> Path:
    """Installs the packages into a new environment with pip; returns its Python."""
    venv.create(folder, with_pip=True)
    python = environment_python(folder)
    options = ["--quiet", "--disable-pip-version-check", "-r", str(requirements)]
    command = [str(python), "-m", "pip", "install", *options]
    if subprocess.run(command, check=False).returncode != 0:
        raise MapsError("The Space's packages cannot be installed; see pip's messages above.")
    return python


def link_packages(requirements: Path, folder: Path) -> Path:
    """Makes a new environment with links to the packages installed here, which must have the required versions.

    The new environment contains these packages and their dependencies, and nothing else. Returns its Python.
    """
    venv.create(folder, with_pip=False)
    python = environment_python(folder)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    lines = requirements.read_text(encoding="utf-8").splitlines()
    for package in collect_distributions(
        [Requirement(line) for line in lines if line and not line.startswith("-")]
    ).values():
        for name in top_level_names(package):
            source, link = Path(str(package.locate_file(name))).resolve(), site / name
            if source.exists() and not link.exists():
                link.symlink_to(source)
    return python


def collect_distributions(requirements: list[Requirement]) -> dict[str, Distribution]:
    """The installed packages that meet the requirements, with all their dependencies, by name."""
    packages: dict[str, Distribution] = {}
    waiting, seen = list(requirements), set()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if (name, *sorted(requirement.extras)) in seen:
            continue
        seen.add((name, *sorted(requirement.extras)))
        packages[name] = find_distribution(requirement)
        waiting += package_requirements(packages[name], requirement.extras)
    return packages


def find_distribution(requirement: Requirement) -> Distribution:
    """The installed package of a requirement; raises MapsError if it is missing or has another version."""
    try:
        package = distribution(requirement.name)
    except PackageNotFoundError as error:
        raise MapsError(f"{requirement} is not installed here; leave out --installed to install it.") from error
    if package.version.partition("+")[0] not in requirement.specifier:
        raise MapsError(
            f"{requirement.name} {package.version} is installed here, but the Space uses {requirement}; leave out "
            "--installed to install that version."
        )
    return package


def package_requirements(package: Distribution, extras: set[str]) -> Iterator[Requirement]:
    """The requirements of a package with these extras, as far as they apply to this machine."""
    for line in package.requires or ():
        requirement = Requirement(line)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield requirement


def top_level_names(package: Distribution) -> set[str]:
    """The package's files and folders directly in site-packages."""
    parts = (file.parts[0] for file in package.files or ())
    return {name for name in parts if name not in ("..", "__pycache__")}


def environment_python(folder: Path) -> Path:
    return folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
