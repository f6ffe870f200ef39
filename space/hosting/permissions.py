"""Checks a token's permissions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

WRITE_PERMISSION = "repo.write"
WRITER_ROLES = ("admin", "write", "contributor")  # roles in an organisation
TOKENS_PAGE = "https://huggingface.co/settings/tokens"


def missing_permission(whoami: Mapping[str, Any], repositories: Iterable[tuple[str, str]]) -> str | None:
    """A sentence about the permission that a token lacks to write these repositories (kind, name), or None.

    `whoami` is the Hub's answer to `/api/whoami-v2`. If that does not settle it, the Hub itself refuses later.
    """
    token = whoami.get("auth", {}).get("accessToken") or {}
    if token.get("role") == "read":
        return f"The token can only read; create one with write access at {TOKENS_PAGE} and set HF_TOKEN to it."
    for kind, name in repositories:
        owner = name.partition("/")[0]
        if not can_write_for(whoami, owner):
            return f"{whoami.get('name')} cannot write for {owner}; choose a {kind} of your own, or use another token."
        if token.get("role") == "fineGrained" and not can_write_repository(token.get("fineGrained", {}), kind, name):
            return (
                f"The token has no write access to the {kind} {name}; give it write access to the repositories of "
                f"{owner} at {TOKENS_PAGE}, or set HF_TOKEN to another token."
            )
    return None


def can_write_for(whoami: Mapping[str, Any], owner: str) -> bool:
    roles = {each.get("name"): each.get("roleInOrg") for each in whoami.get("orgs", ())}
    role = roles.get(owner)
    return whoami.get("name") == owner or (owner in roles and (role is None or role in WRITER_ROLES))


def can_write_repository(fine_grained: Mapping[str, Any], kind: str, name: str) -> bool:
    """Whether a fine-grained token has write access to a repository, directly or through its owner."""
    scopes = [each for each in fine_grained.get("scoped", ()) if WRITE_PERMISSION in each.get("permissions", ())]
    named = {(each.get("entity", {}).get("type"), each.get("entity", {}).get("name")) for each in scopes}
    owner = name.partition("/")[0]
    everywhere = WRITE_PERMISSION in fine_grained.get("global", ())
    return everywhere or not named.isdisjoint({("user", owner), ("org", owner), (kind, name)})
