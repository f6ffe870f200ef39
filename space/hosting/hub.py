"""A Space on the Hub: the files of a repository, and the settings of a Space."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from maps.errors import HubError, MapsError
from maps.hub.repository import HubDataset
from space.hosting.upload import ZERO_GPU_HARDWARE

PAYMENT_REQUIRED = 402


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
        self, message: str, add: Mapping[str, bytes], delete: Iterable[str] = (), parent: str | None = None
    ) -> str:
        """As for any repository, without the client's warning about data files (the prebuilt atlas)."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "It seems that you are about to commit a data file")
            return super().commit(message, add, delete, parent)

    def make_private(self) -> None:
        self._call_with_retries(
            lambda: self._api.update_repo_settings(self.name, repo_type=self.repo_type, private=True)
        )

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
