"""Panels of annotators, such as Prolific: how people come to a study from one, and how they go back.

A panel sends each person by a link that holds their id at the panel, and wants them back with a code, or at an address,
that says how it went. The id is turned into a pseudonym and never stored.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import Literal
from urllib.parse import quote, urlsplit

from maps.errors import MapsError

Outcome = Literal["completed", "screened_out", "declined"]
ID_PLACEHOLDER, CODE_PLACEHOLDER = "{id}", "{code}"
PARAMETER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")
PANEL_ID = re.compile(r"[A-Za-z0-9_.@-]{1,100}")
RESERVED_PARAMETERS = ("study", "invitation", "code", "head", "layer", "model")
MAX_EXIT_LENGTH = 500  # characters


@dataclass(frozen=True)
class PanelSettings:
    """How people come from a panel and go back; all texts may be empty.

    `name`: of the panel. `parameter`: the parameter of the link that holds a person's id; without it people come by
    themselves. `placeholder`: what the panel replaces by the id in a link. `completed`, `screened_out` and `declined`:
    what somebody is given at the end, a code, or an address in which `{id}` stands for their id.
    """

    name: str = ""
    parameter: str = ""
    placeholder: str = ""
    completed: str = ""
    screened_out: str = ""
    declined: str = ""


NO_PANEL = PanelSettings()


@dataclass(frozen=True)
class PanelPreset:
    """What is known about a panel. `exit_address` makes an address of a code; without it a code is shown as it is.

    With `needs_code` nobody is paid there without one.
    """

    name: str
    parameter: str
    placeholder: str
    exit_address: str = ""
    needs_code: bool = False


PRESETS = {
    "prolific": PanelPreset(
        "Prolific",
        "PROLIFIC_PID",
        "{{%PROLIFIC_PID%}}",
        f"https://app.prolific.com/submissions/complete?cc={CODE_PLACEHOLDER}",
        needs_code=True,
    ),
    # Connect adds the parameter itself
    "connect": PanelPreset("CloudResearch Connect", "participantId", "", needs_code=True),
    "sona": PanelPreset("SONA", "id", "%SURVEY_CODE%"),
}
PANEL_FIELDS = tuple(field.name for field in fields(PanelSettings))


def panel_settings(
    preset_name: str = "", parameter: str = "", completed: str = "", screened_out: str = "", declined: str = ""
) -> PanelSettings:
    """The settings of a known panel, or of another one by the name of its parameter.

    Raises MapsError for a parameter that cannot be used, for an exit that is neither a code nor an address, and where a
    code is missing without which nobody is paid.
    """
    if preset_name and preset_name not in PRESETS:
        raise MapsError(f"There is no panel {preset_name!r} here; choose among {', '.join(PRESETS)}.")
    preset = PRESETS.get(preset_name, PanelPreset("", "", ""))
    chosen = parameter.strip() or preset.parameter
    if chosen and (not PARAMETER_NAME.fullmatch(chosen) or chosen in RESERVED_PARAMETERS):
        raise MapsError(f"{chosen!r} cannot be the name of the link's parameter; use letters, digits, _ and -.")
    if preset.needs_code and not completed.strip():
        raise MapsError(f"{preset.name} needs a code for whoever is done; without it nobody can be paid there.")
    exits = [_exit_text(text.strip(), preset) for text in (completed, screened_out, declined)]
    return PanelSettings(preset.name, chosen, preset.placeholder, *exits)


def _exit_text(text: str, preset: PanelPreset) -> str:
    """The address that a code belongs to, or the text itself."""
    if len(text) > MAX_EXIT_LENGTH or not text.isprintable():
        raise MapsError(f"A code or address for the end must be printable and have at most {MAX_EXIT_LENGTH} signs.")
    if not text or is_address(text):
        return text
    if "://" in text or " " in text:
        raise MapsError(f"{text!r} is neither a code nor an address that begins with https://.")
    return preset.exit_address.replace(CODE_PLACEHOLDER, quote(text, safe="")) or text


def is_address(text: str) -> bool:
    """Whether it is an address that a browser may be sent to."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)


def exit_address(text: str, panel_id: str) -> str:
    """The address at the end for one person."""
    return text.replace(ID_PLACEHOLDER, quote(panel_id, safe=""))


def check_panel_id(text: object) -> str | None:
    """The id in a panel's link; None for anything that is not one, such as a placeholder that was not replaced."""
    return text if isinstance(text, str) and PANEL_ID.fullmatch(text) else None
