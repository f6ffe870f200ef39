"""The endpoint about people's judgments: their agreement, for studies whose answers are open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from annotation.report.paper_file import load_paper
from maps.errors import MapsError
from space.services import Services
from space.studies.current import answers_hidden_reason, select_study
from space.studies.results import study_results


def endpoints(services: Services) -> tuple[Callable[..., Any], ...]:
    """The endpoints of this module."""

    def agreement(study: str = "") -> dict:  # type: ignore[type-arg]
        """The agreement of annotators in a study whose answers are open, and that of the paper's own study.

        Args:
            study: its name; default: the current study
        """
        selected = select_study(services, study or None)
        if reason := answers_hidden_reason(services, selected):
            raise MapsError(reason)
        report: dict[str, Any] = study_results(services, selected).report.as_json()
        return {"study": selected.name, **report, "paper": load_paper().as_json()}

    return (agreement,)
