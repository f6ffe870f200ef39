"""EXAONE 4: like OLMo 2, norms behind attention and MLP instead of in front; norms of queries and keys by head."""

from __future__ import annotations

from dataclasses import replace

from maps.weights.families.olmo2 import OLMO2

EXAONE4 = replace(OLMO2, model_types=("exaone4",), architecture="exaone4")
