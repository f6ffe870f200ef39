"""What a Space is given: the project's code and the prebuilt atlas, its card and its pins, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from maps.errors import MapsError
from space.hosting.building import collect_distributions, find_distribution, link_packages, write_upload
from space.hosting.upload import (
    PYTORCH_CPU_INDEX,
    UNUSED_PACKAGES,
    direct_address,
    is_managed,
    package_name,
    space_files,
)
from tests.test_package import files

ROOT = Path(__file__).parents[3]


def front_matter(card: bytes) -> dict[str, object]:
    found: dict[str, object] = yaml.safe_load(card.decode().split("---\n")[1])
    return found


def test_the_upload_is_the_code_with_card_and_pins_and_nothing_else() -> None:
    code = {path.relative_to(ROOT).as_posix() for name in ("maps", "annotation", "space") for path in files(name)}
    assert set(space_files(ROOT, "a/b")) == code | {"app.py", "LICENSE", "README.md", "requirements.txt"}
    assert all(map(is_managed, space_files(ROOT, "a/b")))
    assert not is_managed("picture.png")
    assert not is_managed("mapsize/x")


def test_what_tools_leave_is_no_part_of_it(tmp_path: Path) -> None:
    write_upload(space_files(ROOT, "a/b"), tmp_path)
    before = set(space_files(tmp_path, "a/b"))
    write_upload(
        {"maps/__pycache__/a.py": b"", "space/.cache/b.py": b"", "maps/x.pyc": b"", "data/a.json": b""}, tmp_path
    )
    assert set(space_files(tmp_path, "a/b")) == before


def test_the_card_has_the_versions_that_the_tests_run_with() -> None:
    given = space_files(ROOT, "Ada/My_Heads", ["ada/atlas"], ["gpt2"])
    said = front_matter(given["README.md"])
    pins = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    assert f"gradio[oauth]=={said['sdk_version']}\n" in pins
    assert said["python_version"] == "3.11"
    assert (said["sdk"], said["hf_oauth"], said["hf_oauth_scopes"]) == ("gradio", True, ["inference-api"])
    assert said["datasets"] == ["ada/atlas"]
    assert said["models"][-1] == "gpt2"  # type: ignore[index]
    assert said["startup_duration_timeout"] == "30m"
    assert len(str(said["short_description"])) <= 60
    assert "https://ada-my-heads.hf.space/privacy" in given["README.md"].decode()
    assert direct_address("Ada/My_Heads") == "https://ada-my-heads.hf.space"


def test_the_pins_are_those_of_the_tests_without_what_the_app_does_not_use() -> None:
    pinned = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    given = space_files(ROOT, "a/b")["requirements.txt"].decode().splitlines()
    tested = (ROOT / "tests" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    used = [line for line in pinned if not line.startswith("#") and package_name(line) not in UNUSED_PACKAGES]
    used += [line for line in tested if package_name(line) == "mcp"]
    assert given == [f"--extra-index-url {PYTORCH_CPU_INDEX}", *used]
    gpu = space_files(ROOT, "a/b", hardware="t4-small")
    assert gpu["requirements.txt"].decode().splitlines() == used
    zero = space_files(ROOT, "a/b", hardware="zero-a10g")
    assert zero["requirements.txt"].decode().splitlines() == [*used, "spaces==0.51.3"]
    assert front_matter(zero["README.md"])["python_version"] == "3.12.12"


def test_a_folder_that_is_no_checkout_is_told(tmp_path: Path) -> None:
    with pytest.raises(MapsError, match=r"has no app\.py"):
        space_files(tmp_path, "a/b")


def test_a_linked_environment_has_what_is_asked_for_and_no_more(tmp_path: Path) -> None:
    pins = tmp_path / "requirements.txt"
    pins.write_text("rapidfuzz==3.14.6\n", encoding="utf-8")
    python = link_packages(pins, tmp_path / "environment")
    names = {path.name for path in python.parents[1].rglob("site-packages/*")}
    assert "rapidfuzz" in names
    assert not names & {"torch", "gradio", "pip", "numpy"}


def test_a_linked_environment_takes_no_other_version() -> None:
    from packaging.requirements import Requirement

    assert {"gradio", "authlib", "fastapi"} <= set(collect_distributions([Requirement("gradio[oauth]==6.31.0")]))
    with pytest.raises(MapsError, match="the Space uses rapidfuzz==1"):
        find_distribution(Requirement("rapidfuzz==1"))
    with pytest.raises(MapsError, match="is not installed here"):
        find_distribution(Requirement("no-such-package-anywhere==1"))
