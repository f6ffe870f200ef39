"""What stands beside a list of models from which one is chosen."""

from __future__ import annotations

from space.components.links import link_to_catalogue
from space.components.markup import Html, anchor

FEW_MODELS = 3  # of which a list is easily read


def catalogue_link(models: int) -> Html:
    """A link to the catalogue if there are more models than one chooses from a list with ease; empty otherwise."""
    if models <= FEW_MODELS:
        return Html("")
    return Html("<p>{}</p>").format(anchor(link_to_catalogue(), f"All {models:,} models in a catalogue"))
