"""Descriptions that were written elsewhere: questions out to a file, descriptions in from one.

A row of the file is bound to a head's mappings: by their hash where the row has it, else by being stored now. All rows
are checked before the first is stored.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

from maps.atlas.append_log import merge_pending_rows, refusal_of_row
from maps.atlas.choice import EVERY_HEAD, HeadChoice, named_heads
from maps.atlas.info import is_text
from maps.atlas.reader import Atlas
from maps.atlas.schema import description_row, head_of
from maps.describers.describe_atlas import ANSWER_TABLES, AnswerStore, DescribeSummary, remaining_work, summarise_run
from maps.describers.names import RESERVED_NAMES
from maps.describers.prompt import MAX_ANSWER_LENGTH, REPLY_KEYS, description_messages, parse_description
from maps.errors import MapsError, ReplyError
from maps.files.atomic import write_file
from maps.files.csv_export import rows_to_csv, spreadsheet_safe_cell, unescape_formula
from maps.files.lock import lock_folder
from maps.hashes import mapping_hash
from maps.text import pluralize, shorten
from maps.types import Answer, Description, HeadId, Mapping

QUESTION_COLUMNS = ("head", "mapping_hash", "prompt")
MAX_FILE_BYTES = 200_000_000
MAX_SHOWN_FAULTS = 20
NO_OBJECT = "not an object"  # no name of a column has a space


def write_questions(atlas: Atlas, path: Path, choice: HeadChoice = EVERY_HEAD) -> int:
    """Writes the question about each chosen head; returns how many.

    `.jsonl` and `.csv` have a row for each head, with the hash of its mappings; every other file is text to copy from.
    """
    mappings = atlas.mappings_by_head()
    heads = choice.select(atlas.head_ids)
    rows = [(str(head), mapping_hash(mappings[head]), question_text(mappings[head])) for head in heads]
    if path.suffix.lower() == ".jsonl":
        lines = (json.dumps(dict(zip(QUESTION_COLUMNS, row, strict=True)), ensure_ascii=False) for row in rows)
        text = "".join(f"{line}\n" for line in lines)
    elif path.suffix.lower() == ".csv":
        text = rows_to_csv([QUESTION_COLUMNS, *(map(spreadsheet_safe_cell, row) for row in rows)])
    else:
        text = "\n\n".join(f"===== {head} =====\n\n{question}" for head, _, question in rows) + "\n"
    write_file(path, text.encode(errors="replace"))
    return len(rows)


def question_text(mappings: Sequence[Mapping]) -> str:
    return "\n\n".join(message["content"] for message in description_messages(mappings))


class WrittenRow(NamedTuple):
    """A description from a file."""

    head: HeadId
    describer: str
    answer: Answer


def store_written(folder: Path, path: Path, describer: str | None = None) -> dict[str, DescribeSummary]:
    """Stores the descriptions in a file, by describer; raises MapsError with every row that does not fit, stores none.

    `describer`: of rows that name none. A description that is stored already is not stored twice.
    """
    atlas = Atlas.open(folder)
    with lock_folder(folder, "describe"):
        for table in ANSWER_TABLES:
            merge_pending_rows(atlas, table)
        rows = read_written(atlas, path, describer)
        by_describer: dict[str, list[WrittenRow]] = {}
        for row in rows:
            by_describer.setdefault(row.describer, []).append(row)
        return {name: store_rows(folder, name, its_rows) for name, its_rows in by_describer.items()}


def store_rows(folder: Path, describer: str, rows: Sequence[WrittenRow]) -> DescribeSummary:
    """Stores one describer's rows that are not stored yet."""
    work = remaining_work(folder, describer, datetime.now(UTC), named_heads(row.head for row in rows))
    answers = AnswerStore(work)
    stored = [row for row in work.atlas.descriptions() if row["describer"] == describer]
    current = {head_of(row): row for row in stored}
    with answers.open():
        for head, _, answer in rows:
            new = {**vars(answer.description), "support": answer.support, "mapping_hash": work.mapping_hashes[head]}
            if head not in current or any(current[head][key] != value for key, value in new.items()):
                answers.store_answer(head, answer)
    return summarise_run(work, answers)


def read_written(atlas: Atlas, path: Path, describer: str | None) -> list[WrittenRow]:
    """The descriptions in a file; raises MapsError that names every row that does not fit the atlas."""
    mappings = atlas.mappings_by_head()
    rows: list[WrittenRow] = []
    faults: list[str] = []
    seen: dict[tuple[HeadId, str], int] = {}
    for number, fields in read_fields(path):
        try:
            row = parse_row(fields, describer, atlas, mappings)
            first = seen.setdefault((row.head, row.describer), number)
            if first != number:
                raise ValueError(f"{row.head} is described in row {first} too")
            rows.append(row)
        except (ValueError, MapsError) as error:
            faults.append(f"Row {number}: {shorten(str(error).rstrip('.'), 200)}.")
    if faults:
        listed, more = " ".join(faults[:MAX_SHOWN_FAULTS]), len(faults) - MAX_SHOWN_FAULTS
        unfit = pluralize(len(faults), "row")
        further = f" And {more:,} more." if more > 0 else ""
        raise MapsError(f"{path} has {unfit} that cannot be stored, so none was. {listed}{further}")
    if not rows:
        raise MapsError(f"{path} holds no description.")
    return rows


def read_fields(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows of a CSV, TSV or JSONL file, with their numbers from 1; raises MapsError if it is none of these."""
    readers: dict[str, Callable[[str], Iterator[tuple[int, dict[str, Any]]]]] = {
        ".csv": lambda text: read_table(text, ","),
        ".tsv": lambda text: read_table(text, "\t"),
        ".jsonl": read_json_lines,
    }
    if path.suffix.lower() not in readers:
        raise MapsError(f"{path} is no .csv, .tsv or .jsonl file; give the descriptions as one of these.")
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise MapsError(f"{path} has more than {MAX_FILE_BYTES:,} bytes, more than descriptions can have.")
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise MapsError(f"{path} is not in UTF-8; save it so.") from error
    except OSError as error:
        raise MapsError(f"{path} cannot be read: {error.strerror or error}.") from error
    yield from readers[path.suffix.lower()](text)


def read_table(text: str, delimiter: str) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        for number, row in enumerate(csv.DictReader(StringIO(text, newline=""), delimiter=delimiter), start=1):
            cells = {str(name): unescape_formula(cell) for name, cell in row.items() if isinstance(cell, str)}
            yield number, normalise_names(cells)
    except csv.Error as error:
        raise MapsError(f"The table cannot be read: {error}.") from error


def read_json_lines(text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    number = 0
    for line in text.split("\n"):  # a string may hold other signs that end lines elsewhere
        if not line.strip():
            continue
        number += 1
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        yield number, normalise_names(row) if isinstance(row, dict) else {NO_OBJECT: line}


def normalise_names(fields: dict[str, Any]) -> dict[str, Any]:
    """Names such as `Input strings` as `input_strings`."""
    return {name.strip().lower().replace(" ", "_"): value for name, value in fields.items()}


def parse_row(
    fields: dict[str, Any], describer: str | None, atlas: Atlas, mappings: dict[HeadId, list[Mapping]]
) -> WrittenRow:
    """A row's description; raises ValueError or MapsError where something does not fit."""
    if NO_OBJECT in fields:
        raise ValueError("it is no JSON object")
    if not fields.get("head"):
        raise ValueError("it names no head")
    head = HeadId.parse(str(fields["head"]))
    if head not in mappings:
        raise ValueError(f"the atlas has no head {head}")
    name = str(fields.get("describer") or describer or "").strip()
    if not name:
        raise ValueError("it names no describer; add a column describer, or --describer NAME")
    if name in RESERVED_NAMES or not is_text(name):
        raise ValueError(f"the describer's name {shorten(name, 80)!r} cannot be used for descriptions from a file")
    current = mapping_hash(mappings[head])
    if fields.get("mapping_hash") not in (None, "", current):
        raise ValueError(f"it was written for other mappings of {head}")
    answer = Answer(read_description(fields), name, read_support(fields, len(mappings[head])))
    identity = {"description_id": "", "mapping_hash": current, "created_at": datetime.now(UTC).isoformat()}
    if refusal := refusal_of_row(description_row(head, name, answer, identity), "descriptions", atlas.sizes):
        raise ValueError(refusal)
    return WrittenRow(head, name, answer)


def read_description(fields: dict[str, Any]) -> Description:
    """The description in a row: in columns of its own, or as the `reply` of a model."""
    if reply := fields.get("reply"):
        try:
            return parse_description(reply if isinstance(reply, str) else json.dumps(reply))
        except ReplyError as error:
            raise ValueError(f"its reply has no description: {error}") from error
    reasoning, inputs, pattern = (fields.get(key.lower().replace(" ", "_")) for key in REPLY_KEYS)
    if not isinstance(inputs, str) or not inputs.strip() or not isinstance(pattern, str) or not pattern.strip():
        raise ValueError('it needs both input_strings and observed_pattern, a sentence or "Unclear"')
    texts = (inputs.strip(), pattern.strip(), str(reasoning or "").strip())
    if max(map(len, texts)) > MAX_ANSWER_LENGTH:
        raise ValueError(f"a text has more than {MAX_ANSWER_LENGTH:,} characters")
    return Description(*texts)


def read_support(fields: dict[str, Any], most: int) -> int | None:
    """How many mappings fit; None where the row does not say."""
    support = fields.get("support")
    if support in (None, ""):
        return None
    try:
        count = int(str(support))
    except ValueError:
        count = -1
    if not 0 <= count <= most:
        raise ValueError(f"its support, {shorten(str(support), 40)}, is no whole number from 0 to {most}")
    return count
