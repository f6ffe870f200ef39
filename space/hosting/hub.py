"""A Space on the Hub: its files as any repository's, and its settings. Every trouble is one plain sentence."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from maps.errors import HubError, MapsError
from maps.hub.repository import HubDataset
from space.hosting.upload import ZERO_GPU_HARDWARE

PAYMENT_REQUIRED = 402


class SpaceRuntime(NamedTuple):
    """How a Space is: its stage in the Hub's words, the hardware asked for, the commit that runs, what went wrong."""

    stage: str
    hardware: str
    commit: str
    error: str


class HubSpace(HubDataset):
    """A Space of the Hub. Methods raise HubError as those of a dataset; what they set may be set again."""

    repo_type = "space"

    def whoami(self) -> Mapping[str, Any]:
        """Whose token it is, and what it may do."""
        found: Mapping[str, Any] = self._call_with_retries(self._api.whoami)
        return found

    def create_space(self, private: bool, hardware: str | None) -> None:
        """Makes the Space; nothing happens where it is there."""
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
        """As of any repository; the prebuilt atlas belongs to the app, which the client would warn of."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "It seems that you are about to commit a data file")
            return super().commit(message, add, delete, parent)

    def make_private(self) -> None:
        """Makes the Space private."""
        self._call_with_retries(
            lambda: self._api.update_repo_settings(self.name, repo_type=self.repo_type, private=True)
        )

    def secret_descriptions(self) -> dict[str, str]:
        """The descriptions of the secrets by name; their values cannot be read."""
        found = self._call_with_retries(lambda: self._api.get_space_secrets(self.name))
        return {name: secret.description or "" for name, secret in found.items()}

    def variables(self) -> dict[str, str]:
        """The variables."""
        found = self._call_with_retries(lambda: self._api.get_space_variables(self.name))
        return {name: variable.value for name, variable in found.items()}

    def set_secret(self, name: str, value: str, description: str) -> None:
        """Sets a secret."""
        self._call_with_retries(lambda: self._api.add_space_secret(self.name, name, value, description=description))

    def set_variable(self, name: str, value: str) -> None:
        """Sets a variable."""
        self._call_with_retries(lambda: self._api.add_space_variable(self.name, name, value))

    def delete_variable(self, name: str) -> None:
        """Deletes a variable; nothing happens where there is none."""
        if name in self.variables():
            self._call_with_retries(lambda: self._api.delete_space_variable(self.name, name))

    def runtime(self) -> SpaceRuntime:
        """How the Space is now."""
        found = self._call_with_retries(lambda: self._api.get_space_runtime(self.name))
        asked = found.requested_hardware or found.hardware or ""
        raw = found.raw
        return SpaceRuntime(str(found.stage), str(asked), str(raw.get("sha") or ""), str(raw.get("errorMessage") or ""))

    def request_hardware(self, name: str) -> None:
        """Asks for other hardware."""
        try:
            self._call_with_retries(lambda: self._api.request_space_hardware(self.name, name))  # type: ignore[arg-type]
        except HubError as error:
            raise explain_refusal(error, name) from None

    def restart(self) -> None:
        """Starts the Space again."""
        self._call_with_retries(lambda: self._api.restart_space(self.name))


def explain_refusal(error: HubError, hardware: str | None) -> MapsError:
    """What the Hub refuses for want of payment, with the way that costs nothing."""
    if error.status != PAYMENT_REQUIRED:
        return error
    free = (
        ""
        if hardware == ZERO_GPU_HARDWARE
        else f"; a free account hosts two Spaces with --hardware {ZERO_GPU_HARDWARE}"
    )
    return MapsError(f"The Hub wants a paid plan for a Gradio Space on {hardware or 'cpu-basic'}{free}.")
