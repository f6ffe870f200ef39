"""What runs in the child process: the model stays in memory, questions come and answers go through a pipe.

Torch is imported here, in the child, when it starts to work.
"""

from __future__ import annotations

import signal
from multiprocessing.connection import Connection

from maps.errors import MapsError
from maps.mapping.probe_results import OwnRelation, Probe

Question = tuple[str, str | None] | tuple[tuple[str, str], ...]  # a source with its target or none, or own pairs
Answer = Probe | OwnRelation


def work(pipe: Connection, model: str) -> None:
    """Answers until the other end is gone. What a person can mend goes back as a MapsError; all else ends the child."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is the app's, which then ends this
    import maps
    from maps.mapping.probe import get_ready

    opened = maps.load(model)
    get_ready(opened, lambda todo, _done: todo)
    while True:
        try:
            question = pipe.recv()
        except EOFError:
            return
        if question is None:  # is anybody there?
            pipe.send(None)
            continue
        try:
            found: Answer | MapsError = answer(opened, question)
        except MapsError as error:
            found = error
        pipe.send(found)


def answer(model: object, question: Question) -> Answer:
    """What the heads of an open model say to a question."""
    import maps
    from maps.mapping.model import Model
    from maps.mapping.probe import own_relation

    assert isinstance(model, Model)
    if len(question) == 2 and isinstance(question[0], str):
        return maps.probe(model, *question)
    return own_relation(model, question, lambda todo, _done: todo)
