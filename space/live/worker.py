"""The child process: it keeps the model in memory, reads questions from a pipe and writes the answers to it.

Only the child imports torch, when it starts.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import Any

from maps.errors import MapsError
from maps.mapping.probe_results import OwnPairsResult, Probe
from maps.types import no_progress_bar

OTHER_WEIGHTS_MESSAGE = (
    "The weights here are not those of the model that is shown, so questions are not answered. Please tell the person "
    "who runs this site to map the model again."
)
LiveQuestion = tuple[str, str | None] | tuple[tuple[str, str], ...]  # a source with a target or None; or pairs
LiveAnswer = Probe | OwnPairsResult


def run_worker(pipe: Connection, model: str, atlas_info: Mapping[str, Any] | None = None) -> None:
    """Answers questions until the other end closes. A MapsError is sent back; other errors end the child.

    With `atlas_info`, the content of an `atlas.json`, every answer is an error if the model has other weights.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C ends the app, which then ends this process
    import maps
    from maps.mapping.probe import prepare_model

    loaded = maps.load(model)
    is_shown_model = atlas_info is None or loaded.checkpoint.is_model_of(atlas_info)
    prepare_model(loaded, no_progress_bar)
    while True:
        try:
            question = pipe.recv()
        except EOFError:
            return
        if question is None:  # a test whether this process is alive
            pipe.send(None)
            continue
        try:
            if not is_shown_model:
                raise MapsError(OTHER_WEIGHTS_MESSAGE)
            answer: LiveAnswer | MapsError = answer_question(loaded, question)
        except MapsError as error:
            answer = error
        pipe.send(answer)


def answer_question(model: object, question: LiveQuestion) -> LiveAnswer:
    import maps
    from maps.mapping.model import Model
    from maps.mapping.probe import score_own_pairs

    assert isinstance(model, Model)
    if len(question) == 2 and isinstance(question[0], str):
        return maps.probe(model, *question)
    return score_own_pairs(model, question, no_progress_bar)
