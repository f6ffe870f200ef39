"""What a child process of `space.live.process` may run in tests, instead of a model."""

from __future__ import annotations

import os
import sys
import time
from multiprocessing.connection import Connection

from maps.errors import MapsError
from maps.mapping.probe_results import Probe, VocabularyToken


def echo(pipe: Connection, model: str) -> None:
    """Answers with the question; `sleep 1` takes that long, `wrong` is refused, `end` ends the process."""
    while True:
        try:
            question = pipe.recv()
        except EOFError:
            return
        if question is None:
            pipe.send(None)
            continue
        word, _ = question
        if word.startswith("sleep "):
            time.sleep(float(word[6:]))
        if word == "end":
            sys.exit(3)
        refused = MapsError("“wrong” is no token.") if word == "wrong" else None
        pipe.send(refused or Probe(model, os.getpid(), VocabularyToken(0, word)))


def end_at_once(_pipe: Connection, _model: str) -> None:
    """Ends without an answer, as a process that the system ends for want of memory."""
    sys.exit(3)
