"""A describer that answers from a script."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from maps.errors import DescriberError
from maps.types import Answer, Mapping


class ScriptedDescriber:
    """Gives the scripted answers in order; an exception in the script is raised when its turn comes.

    `questions` records the source ids and the seed of every question. Raises DescriberError after the last answer.
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
            raise DescriberError("The script has no more answers: give it one for each question.")
        if isinstance(entry, Exception):
            raise entry
        return entry
