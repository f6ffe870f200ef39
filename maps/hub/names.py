"""How repositories on the Hub are named."""

from __future__ import annotations

import re

MODEL_ID = r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?"  # some old models have no user in front
MODEL_ID_PATTERN = re.compile(MODEL_ID)
DATASET_NAME_PATTERN = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
