"""What a Space is given: every file by its path there, from this project's root and nothing else."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from maps.errors import MapsError
from space.hosting.card import space_card

UPLOADED_FOLDERS = ("maps", "annotation", "space")
COPIED_FILES = ("app.py", "LICENSE")
MANAGED_FILES = (
    *COPIED_FILES,
    "README.md",
    "requirements.txt",
)  # with what lies in FOLDERS, all that a deployment may replace
UPLOADED_SUFFIXES = {".py", ".typed", ".json", ".txt", ".csv", ".parquet", ".css", ".js", ".html", ".md"}
UNUSED_PACKAGES = ("transformers", "accelerate", "openai", "datasets")  # the commands' and the tests', not the app's
ZERO_GPU_HARDWARE = "zero-a10g"  # the Hub's name for ZeroGPU
ZERO_GPU_PACKAGE = "spaces==0.51.3"
PACKAGE_NAME = re.compile(r"[A-Za-z0-9._-]+")


def space_files(
    root: Path, space: str, datasets: Iterable[str] = (), models: Iterable[str] = (), hardware: str | None = None
) -> dict[str, bytes]:
    """The files of a Space by their path there; raises MapsError where `root` is no checkout of the project."""
    missing = [name for name in (*COPIED_FILES, *UPLOADED_FOLDERS, "requirements.txt") if not (root / name).exists()]
    if missing:
        raise MapsError(f"{root} has no {missing[0]}; run this in the project's root.")
    zero = hardware == ZERO_GPU_HARDWARE
    requirements = space_requirements((root / "requirements.txt").read_text(encoding="utf-8"), zero)
    template = (root / "space" / "card.md").read_text(encoding="utf-8")
    card = space_card(template, space, pinned_version("gradio", requirements), datasets, models, zero)
    files = {name: (root / name).read_bytes() for name in COPIED_FILES}
    files |= {path.relative_to(root).as_posix(): path.read_bytes() for path in code_files(root, UPLOADED_FOLDERS)}
    return files | {"README.md": card.encode(), "requirements.txt": requirements.encode()}


def code_files(root: Path, folders: Iterable[str]) -> list[Path]:
    """The files of some packages, without what tools leave among them."""
    found = (path for folder in folders for path in sorted((root / folder).rglob("*")))
    return [
        path
        for path in found
        if path.is_file() and path.suffix in UPLOADED_SUFFIXES and not is_hidden(path.relative_to(root))
    ]


def is_hidden(path: Path) -> bool:
    """Whether a path lies in a cache or begins with a dot."""
    return any(part.startswith(".") or part == "__pycache__" for part in path.parts)


def is_managed(path: str) -> bool:
    """Whether a file of a Space is one that a deployment put there, or would."""
    return path in MANAGED_FILES or path.partition("/")[0] in UPLOADED_FOLDERS


def space_requirements(requirements: str, is_zero_gpu: bool) -> str:
    """The pins that the app needs on a Space, one a line, from those that the tests run with."""
    return (
        "\n".join([*pinned_requirements(requirements, UNUSED_PACKAGES), *([ZERO_GPU_PACKAGE] if is_zero_gpu else [])])
        + "\n"
    )


def pinned_requirements(requirements: str, unused_packages: Collection[str]) -> list[str]:
    """The lines of requirements, without comments and the packages that are not used."""
    lines = [line for line in requirements.splitlines() if line and not line.startswith("#")]
    return [line for line in lines if package_name(line) not in unused_packages]


def pinned_version(package: str, requirements: str) -> str:
    """The version that a package is pinned to."""
    pins: Mapping[str, str] = {package_name(line): line.partition("==")[2] for line in requirements.splitlines()}
    if not pins.get(package):
        raise MapsError(f"requirements.txt pins no version of {package}.")
    return pins[package]


def package_name(requirement: str) -> str:
    """The package that a line asks for."""
    found = PACKAGE_NAME.match(requirement)
    return found[0].lower() if found else ""
