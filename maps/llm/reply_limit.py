"""Stops reading a server's response when it is longer than any useful one, before it fills the memory.

The limit counts the bytes after decompression: some kilobytes of gzip can become gigabytes.
"""

from __future__ import annotations

import zlib
from collections.abc import AsyncIterator

import httpx2  # the transport of the openai package

from maps.errors import NoReplyError

MAX_REPLY_BYTES = 4_000_000  # of one reply or error; three answers have some kilobytes
MAX_RESULTS_BYTES = 400_000_000  # of the file with the results of a batch of 50,000 questions
ACCEPTED_ENCODINGS = "gzip, deflate"  # what `LimitedStream` can unpack
AUTOMATIC_HEADER = 32 + zlib.MAX_WBITS  # zlib finds out whether it is gzip or deflate


class LongReplyError(NoReplyError):
    """Raised while a response is read that is longer than the limit."""


class LimitedStream(httpx2.AsyncByteStream):
    """The content of a response, unpacked; raises LongReplyError after `limit` bytes."""

    def __init__(self, stream: httpx2.AsyncByteStream, limit: int, host: str, is_compressed: bool) -> None:
        self._stream, self._limit, self._host = stream, limit, host
        self._unpacker = zlib.decompressobj(AUTOMATIC_HEADER) if is_compressed else None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = self._limit
        async for chunk in self._stream:
            content = self._unpack(chunk, left + 1)
            left -= len(content)
            if left < 0:
                limit = f"{self._limit / 1_000_000:g} MB"
                raise LongReplyError(f"{self._host} sent a reply of more than {limit}, which was not read to its end.")
            yield content

    def _unpack(self, chunk: bytes, most: int) -> bytes:
        if self._unpacker is None:
            return chunk
        try:
            return self._unpacker.decompress(chunk, most)
        except zlib.error as error:
            raise httpx2.DecodingError(str(error)) from error

    async def aclose(self) -> None:
        await self._stream.aclose()


async def limit_response(response: httpx2.Response) -> None:
    """Limits how much of a response is read; called before its content is."""
    limit = MAX_RESULTS_BYTES if response.request.url.path.endswith("/content") else MAX_REPLY_BYTES
    encoding = response.headers.pop("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity", "gzip", "x-gzip", "deflate"):
        raise httpx2.DecodingError(f"the server sent the encoding {encoding[:20]}, which was not asked for")
    if isinstance(response.stream, httpx2.AsyncByteStream):
        url, is_compressed = response.request.url, encoding not in ("", "identity")
        host = f"{url.host}:{url.port}" if url.port else url.host
        response.stream = LimitedStream(response.stream, limit, host, is_compressed)
