"""The tables of the journal as numbered steps. A step that was released is never edited: add another."""

from __future__ import annotations

APPLICATION_ID = 0x4D415053  # "MAPS", in the header of the file

_ANNOTATORS_AND_JUDGMENTS = (
    """
    CREATE TABLE annotators (
        position INTEGER PRIMARY KEY AUTOINCREMENT,
        pseudonym TEXT NOT NULL UNIQUE CHECK (pseudonym <> ''),
        name TEXT,
        consented_at TEXT NOT NULL,
        guidelines_version TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE judgments (
        position INTEGER PRIMARY KEY AUTOINCREMENT,
        stored_at TEXT NOT NULL,
        judgment_id TEXT NOT NULL UNIQUE CHECK (length(judgment_id) BETWEEN 1 AND 100),
        study TEXT NOT NULL CHECK (study <> ''),
        model TEXT NOT NULL CHECK (model <> ''),
        layer INTEGER NOT NULL CHECK (layer >= 0),
        head INTEGER NOT NULL CHECK (head >= 0),
        item_kind TEXT NOT NULL,
        annotator TEXT NOT NULL REFERENCES annotators (pseudonym),
        presence TEXT NOT NULL,
        precision TEXT,
        category TEXT,
        comment TEXT NOT NULL,
        started_at TEXT NOT NULL,
        submitted_at TEXT NOT NULL,
        seconds REAL NOT NULL CHECK (seconds >= 0),
        supersedes TEXT REFERENCES judgments (judgment_id) CHECK (supersedes <> judgment_id),
        mapping_hash TEXT NOT NULL,
        description_id TEXT NOT NULL,
        guidelines_version TEXT NOT NULL,
        form_version TEXT NOT NULL,
        app_version TEXT NOT NULL
    )
    """,
    """
    CREATE UNIQUE INDEX one_first_judgment ON judgments
        (study, item_kind, model, layer, head, annotator, mapping_hash, description_id)
        WHERE supersedes IS NULL
    """,
    "CREATE UNIQUE INDEX one_successor ON judgments (supersedes) WHERE supersedes IS NOT NULL",
    "CREATE INDEX judgments_by_annotator ON judgments (study, annotator)",
    """
    CREATE TRIGGER judgments_are_never_updated BEFORE UPDATE ON judgments
    BEGIN SELECT RAISE(ABORT, 'judgments are only ever added'); END
    """,
    """
    CREATE TRIGGER judgments_are_never_deleted BEFORE DELETE ON judgments
    BEGIN SELECT RAISE(ABORT, 'judgments are only ever added'); END
    """,
)

_RESERVATIONS_AND_WITHDRAWALS = (
    """
    CREATE TABLE reservations (
        study TEXT NOT NULL,
        item TEXT NOT NULL,
        annotator TEXT NOT NULL REFERENCES annotators (pseudonym),
        reserved_at TEXT NOT NULL,
        until TEXT NOT NULL,
        PRIMARY KEY (study, item, annotator)
    )
    """,
    """
    CREATE TABLE withdrawals (
        position INTEGER PRIMARY KEY AUTOINCREMENT,
        annotator TEXT NOT NULL UNIQUE CHECK (annotator <> ''),
        withdrawn_at TEXT NOT NULL
    )
    """,
    """
    CREATE TRIGGER withdrawals_are_never_updated BEFORE UPDATE ON withdrawals
    BEGIN SELECT RAISE(ABORT, 'withdrawals are only ever added'); END
    """,
    """
    CREATE TRIGGER withdrawals_are_never_deleted BEFORE DELETE ON withdrawals
    BEGIN SELECT RAISE(ABORT, 'withdrawals are only ever added'); END
    """,
    """
    CREATE TABLE published (
        kind TEXT NOT NULL CHECK (kind IN ('judgment', 'consent', 'withdrawal')),
        row_id TEXT NOT NULL,
        commit_id TEXT NOT NULL CHECK (commit_id <> ''),
        published_at TEXT NOT NULL,
        PRIMARY KEY (kind, row_id)
    )
    """,
)

_OPENINGS = (
    """
    CREATE TABLE openings (
        position INTEGER PRIMARY KEY AUTOINCREMENT,
        study TEXT NOT NULL UNIQUE CHECK (study <> ''),
        organiser TEXT NOT NULL CHECK (organiser <> ''),
        opened_at TEXT NOT NULL
    )
    """,
    """
    CREATE TRIGGER openings_are_never_updated BEFORE UPDATE ON openings
    BEGIN SELECT RAISE(ABORT, 'openings are only ever added'); END
    """,
    """
    CREATE TRIGGER openings_are_never_deleted BEFORE DELETE ON openings
    BEGIN SELECT RAISE(ABORT, 'openings are only ever added'); END
    """,
)

_ITEM_ORDERED_INDEX = (  # the same uniqueness, in the order in which an item's people are gathered, so that nothing is sorted
    "DROP INDEX one_first_judgment",
    """
    CREATE UNIQUE INDEX one_first_judgment ON judgments
        (study, model, layer, head, item_kind, mapping_hash, description_id, annotator)
        WHERE supersedes IS NULL
    """,
)

_OPENINGS_PUBLISHED = (  # `published` takes openings too
    "ALTER TABLE published RENAME TO published_before",
    """
    CREATE TABLE published (
        kind TEXT NOT NULL CHECK (kind IN ('judgment', 'consent', 'withdrawal', 'opening')),
        row_id TEXT NOT NULL,
        commit_id TEXT NOT NULL CHECK (commit_id <> ''),
        published_at TEXT NOT NULL,
        PRIMARY KEY (kind, row_id)
    )
    """,
    "INSERT INTO published SELECT kind, row_id, commit_id, published_at FROM published_before",
    "DROP TABLE published_before",
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    _ANNOTATORS_AND_JUDGMENTS,
    _RESERVATIONS_AND_WITHDRAWALS,
    _OPENINGS,
    _ITEM_ORDERED_INDEX,
    _OPENINGS_PUBLISHED,
)
