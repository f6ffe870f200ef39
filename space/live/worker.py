"""The child process: it keeps the model in memory, reads questions from a pipe and writes the answers to it.

The network that runs, half a gigabyte more, is built when the first sentence is asked.

Only the child imports torch, when it starts.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping
from functools import lru_cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from maps.atlas.readings import PAPER_READING
from maps.errors import MapsError
from maps.experiments.sentence_results import HeadOnSentence, SentenceQuestion
from maps.mapping.probe_results import OwnPairsResult, Probe
from maps.types import no_progress_bar

if TYPE_CHECKING:
    from maps.experiments.hooked_model import HookedModel
    from maps.mapping.model import Model

OTHER_WEIGHTS_MESSAGE = (
    "The weights here are not those of the model that is shown, so questions are not answered. Please tell the person "
    "who runs this site to map the model again."
)
OTHER_CALIBRATION_MESSAGE = (
    "The calibration here is not the one that the model was mapped with, so questions are not answered. Please tell "
    "the person who runs this site to map the model again."
)
UNREADABLE_MESSAGE = (
    "The model cannot be read here, so questions are not answered. Please tell the person who runs this site."
)
NOT_RUN_MESSAGE = "The model cannot be run here. Please tell the person who runs this site."
ProbeQuestion = tuple[str, str | None] | tuple[tuple[str, str], ...]  # a source with a target or None; or pairs
ProbeAnswer = Probe | OwnPairsResult
LiveQuestion = ProbeQuestion | SentenceQuestion
LiveAnswer = ProbeAnswer | HeadOnSentence


def run_worker(
    pipe: Connection,
    model: str,
    atlas_info: Mapping[str, Any] | None = None,
    reading: str = PAPER_READING,
    calibration: Path | None = None,
) -> None:
    """Answers questions in a reading until the other end closes. A MapsError is sent back; other errors end the child.

    With `atlas_info`, the content of an `atlas.json`, every answer is an error if the model has other weights, or the
    calibration is another one.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C ends the app, which then ends this process
    loaded: Model | MapsError
    try:
        loaded = prepare_live_model(model, atlas_info, reading, calibration)
    except MapsError as error:
        loaded = error
    while True:
        try:
            question = pipe.recv()
        except EOFError:
            return
        if question is None:  # a test whether this process is alive
            pipe.send(None)
            continue
        try:
            if isinstance(loaded, MapsError):
                raise loaded
            answer: LiveAnswer | MapsError = answer_question(loaded, question)
        except MapsError as error:
            answer = error
        pipe.send(answer)


def prepare_live_model(
    name: str, atlas_info: Mapping[str, Any] | None, reading: str, calibration: Path | None
) -> Model:
    """The model with all its weights in memory; raises MapsError with a sentence for visitors."""
    import maps
    from maps.mapping.probe import prepare_model

    try:
        model = maps.load(name, reading=reading, calibration=calibration)
        message = mismatch_message(model, atlas_info) if atlas_info is not None else ""
        if not message:
            prepare_model(model, no_progress_bar)
    except MapsError as error:  # it may name files and commands, which are for the operator
        print(f"Live questions are not answered: {error}", file=sys.stderr)
        raise MapsError(UNREADABLE_MESSAGE) from error
    if message:
        raise MapsError(message)
    return model


def mismatch_message(model: Model, atlas_info: Mapping[str, Any]) -> str:
    """Why a model does not belong to an atlas; empty if it does."""
    if not model.checkpoint.is_model_of(atlas_info):
        return OTHER_WEIGHTS_MESSAGE
    if model.calibration is not None and model.calibration.hash != atlas_info["settings"].get("calibration"):
        return OTHER_CALIBRATION_MESSAGE
    return ""


def answer_question(model: Model, question: LiveQuestion) -> LiveAnswer:
    import maps
    from maps.mapping.probe import score_own_pairs

    if isinstance(question, SentenceQuestion):
        return answer_sentence(model, question)
    if len(question) == 2 and isinstance(question[0], str):
        return maps.probe(model, *question)
    return score_own_pairs(model, question, no_progress_bar)


def answer_sentence(model: Model, question: SentenceQuestion) -> HeadOnSentence:
    from maps.experiments.sentence import run_sentence

    return run_sentence(running_network(model), question)


@lru_cache(maxsize=1)
def running_network(model: Model) -> HookedModel:
    """The model as transformers runs it; kept. Raises MapsError with a sentence for visitors."""
    from maps.experiments.bundled_network import open_bundled_network

    try:
        return open_bundled_network(model)
    except MapsError as error:
        print(f"Sentences are not run: {error}", file=sys.stderr)
        raise MapsError(NOT_RUN_MESSAGE) from error
