"""What the app calls an atlas, and in which order it lists the atlases of several models and readings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from maps.atlas.reader import Atlas
from maps.atlas.readings import PAPER_READING, is_calibrated, title_with_reading
from maps.hashes import is_same_model

PREBUILT_FOLDER = Path(__file__).parents[1] / "seed"
HASH_LENGTH = 12  # characters that tell two models of one name apart


def sort_by_reading(atlases: Mapping[str, Atlas], models: Sequence[str]) -> dict[str, Atlas]:
    """The atlases in the order of their models; of one model calibrated readings first, then the paper's."""

    def sort_key(name: str) -> tuple[int, bool, bool]:
        reading = atlases[name].reading
        place = next(i for i, model in enumerate(models) if title_with_reading(model, reading) == name)
        return place, not is_calibrated(reading), reading != PAPER_READING

    return {name: atlases[name] for name in sorted(atlases, key=sort_key)}


def name_atlas(atlas: Atlas, models: dict[str, Atlas]) -> Atlas:
    """The atlas under the name by which pages and studies call it: its model, and its reading if not the paper's.

    `models` holds the first atlas of every model that was named before, and gets this one if its model is a new one.
    """
    distinguished = distinguish(atlas, models)
    models.setdefault(distinguished.model, distinguished)
    return distinguished.named_by_reading()


def distinguish(atlas: Atlas, before: Mapping[str, Atlas]) -> Atlas:
    """The atlas; with the hash of its weights in the model's name if a model before it has the same name and others.

    Two folders may be called `checkpoint-500`.
    """
    namesake = before.get(atlas.model)
    if namesake is None or is_same_model(namesake.info, atlas.info):
        return atlas
    name = f"{atlas.model} ({(atlas.info.get('weights') or atlas.info['revision'])[:HASH_LENGTH]})"
    return Atlas(atlas.folder, atlas.info | {"model": name})
