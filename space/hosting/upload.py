"""Collects the files of a Space from the project's root, by their path on the Space, and makes its card (README.md)."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from string import Template

from maps.errors import MapsError
from maps.weights.bundled import BUNDLED_FILE, BUNDLED_REPOSITORY, BUNDLED_REVISION

UPLOADED_FOLDERS = ("maps", "annotation", "space")
COPIED_FILES = ("app.py", "LICENSE")
# A deployment may replace or delete these files and everything in UPLOADED_FOLDERS.
MANAGED_FILES = (*COPIED_FILES, "README.md", "requirements.txt")
UPLOADED_SUFFIXES = {".py", ".typed", ".json", ".jsonl", ".txt", ".csv", ".parquet", ".css", ".js", ".svg", ".md"}
UNUSED_PACKAGES = ("datasets",)  # used by tests only
PYTORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"  # the builds on PyPI bring gigabytes of CUDA
ZERO_GPU_HARDWARE = "zero-a10g"  # the Hub's name for ZeroGPU
MCP_PACKAGE = "mcp==1.30.0"  # only a Space has it: where it is installed, the app needs 16 MB more
ZERO_GPU_PACKAGE = "spaces==0.51.3"
PYTHON_VERSION = "3.11"  # the version of the tests
ZERO_GPU_PYTHON_VERSION = "3.12.12"  # the version among those of ZeroGPU that the packages support
CARD_MODELS = ("HuggingFaceTB/SmolLM2-135M-Instruct", BUNDLED_REPOSITORY)
PACKAGE_NAME = re.compile(r"[A-Za-z0-9._-]+")


def space_files(
    root: Path, space: str, datasets: Iterable[str] = (), models: Iterable[str] = (), hardware: str | None = None
) -> dict[str, bytes]:
    """The files of a Space, by their path there; raises MapsError if `root` is not a checkout of the project."""
    missing = [name for name in (*COPIED_FILES, *UPLOADED_FOLDERS, "requirements.txt") if not (root / name).exists()]
    if missing:
        raise MapsError(f"{root} has no {missing[0]}; run this command in the project's root.")
    zero = hardware == ZERO_GPU_HARDWARE
    is_cpu = not hardware or hardware.startswith("cpu")
    requirements = space_requirements((root / "requirements.txt").read_text(encoding="utf-8"), zero, is_cpu)
    template = (root / "space" / "card.md").read_text(encoding="utf-8")
    card = space_card(template, space, pinned_version("gradio", requirements), datasets, models, zero)
    files = {name: (root / name).read_bytes() for name in COPIED_FILES}
    files |= {path.relative_to(root).as_posix(): path.read_bytes() for path in code_files(root, UPLOADED_FOLDERS)}
    return files | {"README.md": card.encode(), "requirements.txt": requirements.encode()}


def code_files(root: Path, folders: Iterable[str]) -> list[Path]:
    """The files of some packages, without caches and other files of tools."""
    paths = [path for folder in folders for path in sorted((root / folder).rglob("*")) if path.is_file()]
    return [path for path in paths if path.suffix in UPLOADED_SUFFIXES and not is_hidden(path.relative_to(root))]


def is_hidden(path: Path) -> bool:
    """Whether a path is inside a cache or a folder that begins with a dot."""
    return any(part.startswith(".") or part == "__pycache__" for part in path.parts)


def is_managed(path: str) -> bool:
    """Whether a deployment may replace or delete this file of a Space."""
    return path in MANAGED_FILES or path.partition("/")[0] in UPLOADED_FOLDERS


def space_requirements(requirements: str, is_zero_gpu: bool, is_cpu: bool) -> str:
    """The requirements.txt of a Space: the pinned versions of the packages that the app and its jobs need."""
    lines = [*pinned_requirements(requirements, UNUSED_PACKAGES), MCP_PACKAGE]
    if is_cpu:
        lines.insert(0, f"--extra-index-url {PYTORCH_CPU_INDEX}")
    if is_zero_gpu:
        lines.append(ZERO_GPU_PACKAGE)
    return "\n".join(lines) + "\n"


def pinned_requirements(requirements: str, unused_packages: Collection[str]) -> list[str]:
    """The lines of a requirements file, without comments and unused packages."""
    lines = [line for line in requirements.splitlines() if line and not line.startswith("#")]
    return [line for line in lines if package_name(line) not in unused_packages]


def pinned_version(package: str, requirements: str) -> str:
    pins: Mapping[str, str] = {package_name(line): line.partition("==")[2] for line in requirements.splitlines()}
    if not pins.get(package):
        raise MapsError(f"requirements.txt pins no version of {package}; add one.")
    return pins[package]


def package_name(requirement: str) -> str:
    match = PACKAGE_NAME.match(requirement)
    return match[0].lower() if match else ""


def space_card(
    template: str, space: str, gradio: str, datasets: Iterable[str], models: Iterable[str], is_zero_gpu: bool
) -> str:
    """The text of the card, front matter first. JSON lists are valid YAML."""
    return Template(template).substitute(
        gradio=gradio,
        python=f'"{ZERO_GPU_PYTHON_VERSION if is_zero_gpu else PYTHON_VERSION}"',
        models=json.dumps([*dict.fromkeys([*CARD_MODELS, *models])]),
        datasets=json.dumps([*datasets]),
        preloaded=json.dumps([f"{BUNDLED_REPOSITORY} {BUNDLED_FILE} {BUNDLED_REVISION}"]),
        direct=direct_address(space),
    )


def direct_address(space: str) -> str:
    """The address of a Space outside the frame of huggingface.co, as the Hub derives it from the name."""
    return f"https://{subdomain(space)}.hf.space"


def subdomain(space: str) -> str:
    """The part of the direct address that comes from the Space's name."""
    plain = "".join(character if character.isascii() and character.isalnum() else "-" for character in space.lower())
    return "-".join(filter(None, plain.split("-")))
