"""The journal's tables, as numbered migrations. Never edit a migration that was released: append another one."""

from __future__ import annotations

APPLICATION_ID = 0x4D415053  # "MAPS", in the header of the file


def _append_only(table: str) -> tuple[str, ...]:
    """Triggers that make SQLite itself refuse every UPDATE and DELETE of a table."""
    return tuple(
        f"CREATE TRIGGER {table}_are_never_{event.lower()}d BEFORE {event} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, '{table} are only ever added'); END"
        for event in ("UPDATE", "DELETE")
    )


_TABLES = (
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
    # The columns are in the order in which `load_slot_holders` groups rows, so that SQLite need not sort them.
    """
    CREATE UNIQUE INDEX one_first_judgment ON judgments
        (study, model, layer, head, item_kind, mapping_hash, description_id, annotator)
        WHERE supersedes IS NULL
    """,
    "CREATE UNIQUE INDEX one_successor ON judgments (supersedes) WHERE supersedes IS NOT NULL",
    "CREATE INDEX judgments_by_annotator ON judgments (study, annotator)",
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
    CREATE TABLE openings (
        position INTEGER PRIMARY KEY AUTOINCREMENT,
        study TEXT NOT NULL UNIQUE CHECK (study <> ''),
        organiser TEXT NOT NULL CHECK (organiser <> ''),
        opened_at TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE published (
        kind TEXT NOT NULL CHECK (kind IN ('judgment', 'consent', 'withdrawal', 'opening')),
        row_id TEXT NOT NULL,
        commit_id TEXT NOT NULL CHECK (commit_id <> ''),
        published_at TEXT NOT NULL,
        PRIMARY KEY (kind, row_id)
    )
    """,
    *_append_only("judgments"),
    *_append_only("withdrawals"),
    *_append_only("openings"),
)

_STUDY_RULES_AND_SESSIONS = (
    """
    CREATE TABLE endings (
        position INTEGER PRIMARY KEY AUTOINCREMENT,
        study TEXT NOT NULL UNIQUE CHECK (study <> ''),
        reason TEXT NOT NULL CHECK (reason <> ''),
        ended_by TEXT CHECK (ended_by <> ''),
        ended_at TEXT NOT NULL
    )
    """,
    *_append_only("endings"),
    # Every item that a person was given in a study, so that nobody sees both a head and its control.
    """
    CREATE TABLE given_items (
        study TEXT NOT NULL,
        annotator TEXT NOT NULL REFERENCES annotators (pseudonym),
        item TEXT NOT NULL,
        PRIMARY KEY (study, annotator, item)
    ) WITHOUT ROWID
    """,
    # The table of what is published, without a list of the kinds: SQLite cannot change a CHECK.
    "ALTER TABLE published RENAME TO published_before",
    """
    CREATE TABLE published (
        kind TEXT NOT NULL,
        row_id TEXT NOT NULL,
        commit_id TEXT NOT NULL CHECK (commit_id <> ''),
        published_at TEXT NOT NULL,
        PRIMARY KEY (kind, row_id)
    )
    """,
    "INSERT INTO published SELECT kind, row_id, commit_id, published_at FROM published_before",
    "DROP TABLE published_before",
    "ALTER TABLE annotators DROP COLUMN name",  # a pseudonym can be found by its name with the key, and not otherwise
    "CREATE TABLE ended_sessions (session_id TEXT PRIMARY KEY, ended_at TEXT NOT NULL)",
    "CREATE TABLE personal_links (pseudonym TEXT PRIMARY KEY, number INTEGER NOT NULL, first_session TEXT)",
)

_FLAGS = ("ALTER TABLE judgments ADD COLUMN flag TEXT",)

# Who has come into a study by an invitation; the invitation itself is in the person's link.
_MEMBERS = (
    """
    CREATE TABLE members (
        study TEXT NOT NULL,
        annotator TEXT NOT NULL,
        joined_at TEXT NOT NULL,
        PRIMARY KEY (study, annotator)
    ) WITHOUT ROWID
    """,
)

# What organisers change of a running study; the names that people gave, encrypted; and who was shown which end.
_RUNNING_STUDIES = (
    """
    CREATE TABLE study_changes (
        position INTEGER PRIMARY KEY AUTOINCREMENT,
        change_id TEXT NOT NULL UNIQUE CHECK (change_id <> ''),
        study TEXT NOT NULL CHECK (study <> ''),
        action TEXT NOT NULL CHECK (action <> ''),
        ends_at TEXT,
        organiser TEXT NOT NULL CHECK (organiser <> ''),
        changed_at TEXT NOT NULL
    )
    """,
    "CREATE TRIGGER study_changes_are_never_updated BEFORE UPDATE ON study_changes "
    "BEGIN SELECT RAISE(ABORT, 'study_changes are only ever added'); END",
    "CREATE TABLE names (pseudonym TEXT PRIMARY KEY, sealed_name TEXT NOT NULL)",
    """
    CREATE TABLE outcomes (
        study TEXT NOT NULL,
        annotator TEXT NOT NULL,
        outcome TEXT NOT NULL CHECK (outcome <> ''),
        shown_at TEXT NOT NULL,
        PRIMARY KEY (study, annotator)
    ) WITHOUT ROWID
    """,
)

MIGRATIONS: tuple[tuple[str, ...], ...] = (_TABLES, _STUDY_RULES_AND_SESSIONS, _FLAGS, _MEMBERS, _RUNNING_STUDIES)
