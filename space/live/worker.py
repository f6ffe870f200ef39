"""What runs in the child process: the model stays in memory, questions come and answers go through a pipe.

Torch is imported here, in the child, when it starts to work.
"""

from __future__ import annotations

import signal
from multiprocessing.connection import Connection

from maps.errors import MapsError
from maps.mapping.probe_results import OwnPairsResult, Probe
from maps.types import no_progress_bar

LiveQuestion = tuple[str, str | None] | tuple[tuple[str, str], ...]  # a source with its target or none, or own pairs
LiveAnswer = Probe | OwnPairsResult


def run_worker(pipe: Connection, model: str) -> None:
    """Answers until the other end is gone. What a person can mend goes back as a MapsError; all else ends the child."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is the app's, which then ends this
    import maps
    from maps.mapping.probe import prepare_model

    opened = maps.load(model)
    prepare_model(opened, no_progress_bar)
    while True:
        try:
            question = pipe.recv()
        except EOFError:
            return
        if question is None:  # is anybody there?
            pipe.send(None)
            continue
        try:
            found: LiveAnswer | MapsError = answer_question(opened, question)
        except MapsError as error:
            found = error
        pipe.send(found)


def answer_question(model: object, question: LiveQuestion) -> LiveAnswer:
    """What the heads of an open model say to a question."""
    import maps
    from maps.mapping.model import Model
    from maps.mapping.probe import score_own_pairs

    assert isinstance(model, Model)
    if len(question) == 2 and isinstance(question[0], str):
        return maps.probe(model, *question)
    return score_own_pairs(model, question, no_progress_bar)
