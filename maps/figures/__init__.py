"""Tables → figures. Every figure has a title and a description, and says in words what it says in colour."""

from maps.figures.by_layer import breadth_by_layer, group_similarity, identification_rate
from maps.figures.evidence import concentration_ticks, detection_bars
from maps.figures.heads import functionality_map, skewness_by_output_space
from maps.figures.relations import heads_per_relation
from maps.figures.style import Figure, vega_spec

__all__ = [
    "Figure",
    "breadth_by_layer",
    "concentration_ticks",
    "detection_bars",
    "functionality_map",
    "group_similarity",
    "heads_per_relation",
    "identification_rate",
    "skewness_by_output_space",
    "vega_spec",
]
