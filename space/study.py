"""The default study: all described heads of an atlas."""

from __future__ import annotations

from datetime import datetime

from annotation.candidates import candidates, chosen_describer
from annotation.study import Study, open_study
from maps.atlas import Atlas


def default_study(atlas: Atlas) -> Study:
    """Every head that the atlas's foremost describer described with its present mappings."""
    describer, info = chosen_describer(atlas), atlas.info
    created_at = datetime.fromisoformat(info["created_at"])
    described = candidates(atlas, describer)
    return open_study(atlas.model, info["revision"], info["layers"], describer, described, created_at)
