"""A server that sends more than any reply has: reading stops at the limit, and the failure says so."""

from __future__ import annotations

import gzip
import json
import resource
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import JSONResponse, Response, StreamingResponse

from maps.atlas.reader import Atlas
from maps.describers.describe_atlas import describe_atlas
from maps.describers.describe_in_batches import describe_in_batches
from maps.describers.openai_compatible import OpenAICompatibleDescriber
from maps.errors import MapsError
from maps.llm import reply_limit
from maps.llm.client import Chat
from maps.types import Answer, Description
from tests.chat_server import DESCRIPTION, completion_response, good_reply, serve_chat
from tests.scripted import ScriptedDescriber

ENDLESS = 2_000  # megabytes that the server would send
TOO_LONG = "sent a reply of more than 4 MB, which was not read to its end."
Body = dict[str, Any]


def endless_reply(_body: Body) -> Response:
    """JSON that goes on for gigabytes."""

    def chunks() -> Iterator[bytes]:
        yield b'{"choices": [{"message": {"content": "'
        for _ in range(ENDLESS):
            yield b"x" * 1_000_000

    return StreamingResponse(chunks(), media_type="application/json")


def endless_error(body: Body) -> Response:
    response = endless_reply(body)
    response.status_code = 400
    return response


def packed(encoding: str, content: bytes) -> Response:
    return Response(content, media_type="application/json", headers={"content-encoding": encoding})


def gzip_bomb(_body: Body) -> Response:
    """A megabyte that unpacks to a gigabyte."""
    packer = zlib.compressobj(9, wbits=31)
    parts = [packer.compress(b" " * 10_000_000) for _ in range(100)]
    return packed("gzip", b"".join([*parts, packer.flush()]))


def gzipped_reply(body: Body) -> Response:
    """A good description, compressed, as some gateways send it."""
    return packed("gzip", gzip.compress(bytes(good_reply(body).body)))


def deflated_reply(body: Body) -> Response:
    return packed("deflate", zlib.compress(bytes(good_reply(body).body)))


def unknown_encoding(body: Body) -> Response:
    return packed("br", bytes(good_reply(body).body))


def long_answer(_body: Body) -> Response:
    return completion_response(json.dumps({**DESCRIPTION, "Observed pattern": "x" * 5_000}))


def long_reply(_body: Body) -> Response:
    return completion_response("x" * 1_000_000)


def long_model_name(body: Body) -> Response:
    answer = json.loads(bytes(good_reply(body).body))
    return JSONResponse({**answer, "model": "m" * 100_000 + "\0"})


@pytest.fixture
def one_head(atlas_folder: Path) -> Path:
    """The atlas of a small model with eight heads."""
    return atlas_folder


def describe(folder: Path, url: str) -> None:
    chat = Chat("some-model", url, "sk-secret", first_wait=0.001)
    describe_atlas(folder, OpenAICompatibleDescriber(chat), concurrency=2)


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (endless_reply, TOO_LONG),
        (endless_error, TOO_LONG),
        (gzip_bomb, TOO_LONG),
        (long_reply, "The reply has 1,000,000 characters; at most 100,000 are read."),
        (long_answer, "The reply's Observed pattern has more than 4,000 characters."),
    ],
)
@pytest.mark.slow
def test_a_reply_without_end_is_cut_and_the_failure_says_so(behaviour: Any, reason: str, one_head: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with serve_chat(behaviour) as server:
        describe(one_head, server.url)
    atlas = Atlas.open(one_head)
    reasons = {row["reason"] for row in atlas.table("failures").to_pylist()}
    assert len(reasons) == 1
    assert reasons.pop().endswith(reason)
    assert atlas.descriptions() == []
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400_000  # KiB


@pytest.mark.parametrize("behaviour", [gzipped_reply, deflated_reply, good_reply, long_model_name])
def test_compressed_replies_are_read(behaviour: Any, one_head: Path) -> None:
    with serve_chat(behaviour) as server:
        describe(one_head, server.url)
    rows = Atlas.open(one_head).descriptions()
    assert {row["observed_pattern"] for row in rows} == {"The first letter."}
    assert all(len(row["model"]) <= 501 for row in rows)


def test_results_of_a_batch_are_read_to_a_limit(one_head: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reply_limit, "MAX_RESULTS_BYTES", 1_000)
    message = "sent a reply of more than 0.001 MB, which was not read"
    with serve_chat(good_reply) as server, pytest.raises(MapsError, match=message):
        describe_in_batches(one_head, Chat("some-model", server.url, "sk-secret", first_wait=0.001), poll=0.001)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(Description("a", "b" * 100_000, "c"), "m"), "a observed_pattern has more than 65,536 bytes"),
        (Answer(Description("a", "\ud800", "c"), "m"), "surrogates not allowed"),
        (Answer(Description("a", "b", "c"), "m", prompt_tokens=-1), "a prompt_tokens is outside 0"),
    ],
)
def test_an_answer_that_could_not_be_read_again_is_a_failure(answer: Answer, reason: str, one_head: Path) -> None:
    describe_atlas(one_head, ScriptedDescriber([answer] * 8, "mine"))
    atlas = Atlas.open(one_head)
    assert atlas.descriptions() == []
    reasons = {row["reason"] for row in atlas.table("failures").to_pylist()}
    assert all(each.startswith("The answer cannot be stored: ") and reason in each for each in reasons)
    assert reasons


@pytest.mark.parametrize("name", ["\ud800", "x" * 5_000])
def test_a_describers_name_that_cannot_be_stored_is_refused(name: str, one_head: Path) -> None:
    with pytest.raises(MapsError, match="cannot be stored; give it another one"):
        describe_atlas(one_head, ScriptedDescriber([], name))


def test_a_describers_name_may_hold_control_characters(one_head: Path) -> None:
    describe_atlas(one_head, ScriptedDescriber([Answer(Description("a", "b", "c"), "m")] * 8, "a\0b"))
    assert {row["describer"] for row in Atlas.open(one_head).descriptions()} == {"a\0b"}
