"""The endpoint about people's judgments: how far they agree, to whom that is open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from annotation.report.paper_file import load_paper
from maps.errors import MapsError
from space.services import Services
from space.studies.access import answers_hidden_reason
from space.studies.current import select_study
from space.studies.results import study_results


def endpoints(services: Services) -> tuple[Callable[..., Any], ...]:
    """The functions, by the names of their endpoints."""

    def agreement(study: str = "") -> dict:  # type: ignore[type-arg]
        """How far annotators agree in a study whose answers are open, beside the paper's own study.

        Args:
            study: its name; the present one where it is left out
        """
        found = select_study(services, study or None)
        if reason := answers_hidden_reason(services, found):
            raise MapsError(reason)
        told: dict[str, Any] = study_results(services, found).report.as_json()
        return {"study": found.name, **told, "paper": load_paper().as_json()}

    return (agreement,)
