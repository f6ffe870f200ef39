"""A describer that answers from a script, for tests and trials; nothing is asked of anybody."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from maps.errors import DescriberError
from maps.types import Answer, Mapping


class ScriptedDescriber:
    """Gives the handed-in answers in order; an exception in the script is raised when its turn comes.

    `questions` keeps the source ids and the seed of every question. Raises DescriberError at the script's end.
    """

    def __init__(self, script: Iterable[Answer | Exception], name: str = "scripted") -> None:
        self.name = name
        self.questions: list[tuple[tuple[int, ...], int]] = []
        self._script = iter(script)

    async def describe(self, mappings: Sequence[Mapping], seed: int) -> Answer:
        """The next entry of the script, whatever the mappings."""
        self.questions.append((tuple(mapping.source_id for mapping in mappings), seed))
        entry = next(self._script, None)
        if entry is None:
            raise DescriberError("The script has no further answers: hand in one for each question.")
        if isinstance(entry, Exception):
            raise entry
        return entry
