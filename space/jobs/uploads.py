"""Files of models that organisers upload: a ticket admits one upload, which is written as it arrives."""

from __future__ import annotations

import re
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from threading import Lock

from space.jobs.job import JobError

TICKET_SECONDS = 900.0  # for an upload to begin
MAGIC = b"GGUF"
FREE_BYTES = 2_000_000_000  # that an upload leaves on the disk
FILE_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,150}\.gguf", re.IGNORECASE)


class Uploads:
    """The uploaded files in a folder, and the tickets that were given to organisers."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self.folder = folder
        self._clock = clock
        self._tickets: dict[str, float] = {}
        self._lock = Lock()

    def new_ticket(self) -> str:
        with self._lock:
            now = self._clock()
            self._tickets = {ticket: until for ticket, until in self._tickets.items() if until > now}
            ticket = secrets.token_urlsafe(24)
            self._tickets[ticket] = now + TICKET_SECONDS
            return ticket

    def take(self, ticket: str) -> bool:
        """Whether a ticket admits an upload; each admits one."""
        with self._lock:
            return self._tickets.pop(ticket, 0.0) > self._clock()

    async def store(self, name: str, size: int, chunks: AsyncIterator[bytes]) -> Path:
        """Writes a file as it arrives; raises JobError if it is not a whole .gguf file or does not fit on the disk."""
        if not FILE_NAME.fullmatch(name):
            raise JobError("The file's name must end in .gguf and have letters, digits, dots, hyphens or underscores.")
        self.folder.mkdir(parents=True, exist_ok=True)
        if size + FREE_BYTES > shutil.disk_usage(self.folder).free:
            raise JobError(
                f"The disk has no room for {size / 1e9:,.1f} GB. Free some space, or use a model on the Hub."
            )
        temporary = self.folder / f".{secrets.token_hex(8)}"
        try:
            if await write_chunks(temporary, size, chunks) != size:
                raise JobError("The file did not arrive whole. Upload it again.")
            with temporary.open("rb") as file:
                if file.read(len(MAGIC)) != MAGIC:
                    raise JobError("This is not a .gguf file, whatever its name says. Choose another file.")
            return temporary.replace(self.folder / name)
        finally:
            temporary.unlink(missing_ok=True)

    def has(self, model: str) -> bool:
        """Whether this is the path of a file that was uploaded here."""
        path = Path(model)
        return path.parent == self.folder.resolve() and path.is_file()


async def write_chunks(path: Path, size: int, chunks: AsyncIterator[bytes]) -> int:
    """Writes chunks as they arrive, at most one beyond `size` bytes; returns how many bytes arrived."""
    received = 0
    with path.open("wb") as file:
        async for chunk in chunks:
            received += len(chunk)
            file.write(chunk)
            if received > size:
                break
    return received
