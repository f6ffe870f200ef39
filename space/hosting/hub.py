"""A Space on the Hub: the files of a repository, the settings of a Space, and what a token permits."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from maps.errors import HubError, MapsError
from maps.hub.repository import HubDataset
from space.hosting.upload import ZERO_GPU_HARDWARE

PAYMENT_REQUIRED = 402
WRITE_PERMISSION = "repo.write"
WRITER_ROLES = ("admin", "write", "contributor")  # roles in an organisation
TOKENS_PAGE = "https://huggingface.co/settings/tokens"


class SpaceRuntime(NamedTuple):
    """The state of a Space: its stage in the Hub's words, the requested hardware, the running commit, the error."""

    stage: str
    hardware: str
    commit: str
    error: str


class HubSpace(HubDataset):
    """A Space on the Hub. Methods raise HubError; calling them again is harmless."""

    repo_type = "space"

    def whoami(self) -> Mapping[str, Any]:
        """The Hub's answer about the token: its owner and its permissions."""
        answer: Mapping[str, Any] = self._call_with_retries(self._api.whoami)
        return answer

    def create_space(self, private: bool, hardware: str | None) -> None:
        """Creates the Space, unless it exists."""
        try:
            self._call_with_retries(
                lambda: self._api.create_repo(
                    self.name,
                    repo_type=self.repo_type,
                    private=private,
                    exist_ok=True,
                    space_sdk="gradio",
                    space_hardware=hardware,  # type: ignore[arg-type]
                )
            )
        except HubError as error:
            raise explain_refusal(error, hardware) from None

    def commit(
        self,
        message: str,
        add: Mapping[str, bytes],
        delete: Iterable[str] = (),
        parent: str | None = None,
        before_try: Callable[[], object] | None = None,
    ) -> str:
        """As for any repository, without the client's warning about data files (the prebuilt atlas)."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "It seems that you are about to commit a data file")
            return super().commit(message, add, delete, parent, before_try)

    def make_private(self) -> None:
        kind = self.repo_type
        self._call_with_retries(lambda: self._api.update_repo_settings(self.name, repo_type=kind, private=True))

    def secret_descriptions(self) -> dict[str, str]:
        """The descriptions of the secrets, by name. The values cannot be read."""
        secrets = self._call_with_retries(lambda: self._api.get_space_secrets(self.name))
        return {name: secret.description or "" for name, secret in secrets.items()}

    def variables(self) -> dict[str, str]:
        variables = self._call_with_retries(lambda: self._api.get_space_variables(self.name))
        return {name: variable.value for name, variable in variables.items()}

    def set_secret(self, name: str, value: str, description: str) -> None:
        self._call_with_retries(lambda: self._api.add_space_secret(self.name, name, value, description=description))

    def set_variable(self, name: str, value: str) -> None:
        self._call_with_retries(lambda: self._api.add_space_variable(self.name, name, value))

    def delete_variable(self, name: str) -> None:
        """Deletes a variable, if it exists."""
        if name in self.variables():
            self._call_with_retries(lambda: self._api.delete_space_variable(self.name, name))

    def runtime(self) -> SpaceRuntime:
        runtime = self._call_with_retries(lambda: self._api.get_space_runtime(self.name))
        hardware = runtime.requested_hardware or runtime.hardware or ""
        commit, error = str(runtime.raw.get("sha") or ""), str(runtime.raw.get("errorMessage") or "")
        return SpaceRuntime(str(runtime.stage), str(hardware), commit, error)

    def request_hardware(self, name: str) -> None:
        try:
            self._call_with_retries(lambda: self._api.request_space_hardware(self.name, name))  # type: ignore[arg-type]
        except HubError as error:
            raise explain_refusal(error, name) from None

    def restart(self) -> None:
        self._call_with_retries(lambda: self._api.restart_space(self.name))


def explain_refusal(error: HubError, hardware: str | None) -> MapsError:
    """The error, or for missing payment a message that names the free hardware."""
    if error.status != PAYMENT_REQUIRED:
        return error
    advice = ""
    if hardware != ZERO_GPU_HARDWARE:
        advice = f"; a free account can host two Spaces with --hardware {ZERO_GPU_HARDWARE}"
    return MapsError(f"The Hub requires a paid plan for a Gradio Space on {hardware or 'cpu-basic'}{advice}.")


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
