"""The paper's numbers, read from the file that ships with the package."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

from annotation.report.paper import Paper, parse_paper


@cache
def load_paper() -> Paper:
    """The paper's human study, from annotation/data/published.json, which names its source."""
    return parse_paper(json.loads(files("annotation").joinpath("data/published.json").read_text(encoding="utf-8")))
