"""What comes with the project: no secret in its history, and packages under known licences."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

import docs.packages

ROOT = Path(__file__).parents[1]
SECRETS = {  # how secrets look that somebody could commit by mistake
    "Hugging Face token": r"\bhf_[A-Za-z0-9]{30,}",
    "OpenAI key": r"\bsk-[A-Za-z0-9_-]{32,}",
    "GitHub token": r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{40,})",
    "PyPI token": r"\bpypi-[A-Za-z0-9_-]{60,}",
    "AWS key": r"\bAKIA[A-Z0-9]{16}\b",
    "private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "key in an address": r"https?://[^\s/:@]{1,64}:[^\s/:@]{16,}@",
}


def found(text: str) -> list[str]:
    return [kind for kind, pattern in SECRETS.items() if re.search(pattern, text)]


def git(*arguments: str) -> str:
    run = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, check=True)
    return run.stdout.decode("utf-8", errors="replace")


@pytest.mark.slow
def test_no_commit_has_ever_held_a_secret() -> None:
    assert found(git("log", "--all", "--patch", "--text", "--format=%H %s %b")) == []


def test_secrets_would_be_found() -> None:
    letters = "aB3" * 20
    examples = {
        "Hugging Face token": f"token = hf_{letters[:34]}",
        "OpenAI key": f"sk-{letters[:48]}",
        "GitHub token": f"ghp_{letters[:36]}",
        "PyPI token": f"pypi-{letters}{letters}",
        "AWS key": "AKIA" + "A1B2C3D4" * 2,
        "private key": "-----BEGIN RSA " + "PRIVATE KEY-----",
        "key in an address": "https" + f"://user:{letters[:20]}@example.org/",
    }
    assert {kind: found(text) for kind, text in examples.items()} == {kind: [kind] for kind in SECRETS}


def test_what_is_secret_on_a_machine_is_ignored() -> None:
    secret = ["data/pseudonym.key", "data/journal.sqlite", ".env"]
    assert git("check-ignore", "--no-index", *secret).split() == secret


def test_every_pinned_package_is_listed_with_its_licence() -> None:
    page = (ROOT / "docs" / "packages.md").read_text(encoding="utf-8")
    rows = {line.split(" | ")[0].strip("| "): line.split(" | ") for line in page.splitlines() if line.startswith("| ")}
    pinned = re.findall(r"^([a-z0-9-]+)(?:\[\w+\])?==(\S+)$", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert [(name, version) for name, version in pinned if rows[name][1] != version] == []
    assert [name for name, row in rows.items() if row[2] == "not said" or re.search(r"\bA?GPL", row[2])] == []


def test_the_list_of_packages_is_made_of_what_is_installed() -> None:
    assert docs.packages.packages_page().startswith(docs.packages.PAGE_START)
    assert "| gradio | " in docs.packages.packages_page()
