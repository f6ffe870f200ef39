"""What is installed: the package's globs cover every file that lies among the code, and every folder is a package."""

from __future__ import annotations

import tomllib
from pathlib import Path

from setuptools import find_packages

ROOT = Path(__file__).parents[1]
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
PACKAGES = ("maps", "annotation", "space")
LEFT = ("__pycache__", ".mypy_cache", ".DS_Store")


def files(package: str) -> set[Path]:
    found = (path for path in (ROOT / package).rglob("*") if path.is_file())
    return {path for path in found if not any(part in LEFT for part in path.parts)}


def shipped(package: str) -> set[Path]:
    """The files that the package's globs find."""
    globs = SETUPTOOLS["package-data"].get(package, [])
    return {path for glob in globs for path in (ROOT / package).glob(glob) if path.is_file()}


def test_every_file_beside_the_code_is_shipped() -> None:
    for package in PACKAGES:
        data = {path for path in files(package) if path.suffix != ".py"}
        assert sorted(data - shipped(package)) == []


def test_no_glob_finds_nothing() -> None:
    named = [(package, glob) for package, globs in SETUPTOOLS["package-data"].items() for glob in globs]
    assert [(package, glob) for package, glob in named if not list((ROOT / package).glob(glob))] == []


def test_what_the_code_reads_is_among_it() -> None:
    relative = {path.relative_to(ROOT).as_posix() for package in PACKAGES for path in shipped(package)}
    for read in (
        "maps/py.typed",
        "maps/data/relations/copying.json",
        "space/web/static/style.css",
        "space/web/static/grid.js",
        "space/web/static/icon.svg",
        "space/seed/smollm2/atlas.json",
        "space/seed/smollm2/mappings.parquet",
    ):
        assert read in relative


def test_every_folder_with_code_is_an_installed_package_except_the_build_scripts() -> None:
    folders = {path.parent for package in PACKAGES for path in files(package) if path.suffix == ".py"}
    assert sorted(folder for folder in folders if not (folder / "__init__.py").exists()) == []
    names = {".".join(folder.relative_to(ROOT).parts) for folder in folders}
    assert names - set(find_packages(str(ROOT), **SETUPTOOLS["packages"]["find"])) == {"maps.data.build"}


def test_no_installed_module_imports_the_build_scripts() -> None:
    modules = [path for package in PACKAGES for path in files(package) if path.suffix == ".py"]
    importing = {path.parent.name for path in modules if "maps.data.build" in path.read_text(encoding="utf-8")}
    assert importing == {"build"}
