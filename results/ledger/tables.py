"""The ledger's tables, as numbered steps from an empty file to this version's. Steps are only ever added.

What stands in the tables, and why: docs/ledger.md. Times are RFC 3339 text in UTC with milliseconds, digests
are bytes, and `body` columns are what `contents.py` packs.
"""

from __future__ import annotations

APPLICATION_ID = 0x6D734C31
"""In the file's header: tells a ledger from any other SQLite file."""

STEPS: tuple[str, ...] = (
    """
    CREATE TABLE meta (
        name TEXT PRIMARY KEY,
        value TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE contents (
        content INTEGER PRIMARY KEY,
        digest BLOB NOT NULL UNIQUE CHECK (length(digest) = 16),
        body BLOB NOT NULL
    ) STRICT;

    CREATE TABLE runs (
        run INTEGER PRIMARY KEY,
        run_id TEXT NOT NULL UNIQUE,
        directory TEXT NOT NULL,
        created_at TEXT NOT NULL,
        ended_at TEXT NOT NULL,
        state TEXT NOT NULL,
        vantage TEXT NOT NULL,
        purpose TEXT NOT NULL,
        organisation TEXT NOT NULL,
        planned INTEGER NOT NULL,
        facts BLOB NOT NULL,
        coverage INTEGER REFERENCES contents,
        segment INTEGER NOT NULL DEFAULT 1 CHECK (segment >= 1),
        offset INTEGER NOT NULL DEFAULT 0 CHECK (offset >= 0),
        damage TEXT NOT NULL DEFAULT '',
        read_to_end TEXT NOT NULL DEFAULT '',
        pruned INTEGER NOT NULL DEFAULT 0 CHECK (pruned IN (0, 1))
    ) STRICT;

    CREATE TABLE places (
        place INTEGER PRIMARY KEY,
        ip TEXT NOT NULL,
        port INTEGER NOT NULL CHECK (port BETWEEN 1 AND 65535),
        site TEXT NOT NULL,
        prefix TEXT,
        seen_open INTEGER NOT NULL DEFAULT 0 CHECK (seen_open IN (0, 1)),
        component INTEGER,
        UNIQUE (ip, port, site)
    ) STRICT;
    CREATE INDEX places_by_prefix ON places (prefix) WHERE prefix IS NOT NULL;
    CREATE INDEX places_by_component ON places (component) WHERE component IS NOT NULL;
    CREATE INDEX places_seen_open ON places (place) WHERE seen_open;

    CREATE TABLE visits (
        visit INTEGER PRIMARY KEY,
        place INTEGER NOT NULL REFERENCES places,
        run INTEGER NOT NULL REFERENCES runs,
        at TEXT NOT NULL,
        is_open INTEGER NOT NULL CHECK (is_open IN (0, 1)),
        answers INTEGER NOT NULL CHECK (answers IN (0, 1)),
        segment INTEGER NOT NULL,
        offset INTEGER NOT NULL,
        line_sha256 BLOB NOT NULL CHECK (length(line_sha256) = 32),
        body INTEGER NOT NULL REFERENCES contents,
        structure INTEGER REFERENCES contents,
        figures INTEGER REFERENCES contents,
        UNIQUE (place, run)
    ) STRICT;

    CREATE TABLE evidence (
        shown BLOB NOT NULL CHECK (length(shown) = 16),
        place INTEGER NOT NULL REFERENCES places,
        PRIMARY KEY (shown, place)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX evidence_by_place ON evidence (place);

    CREATE TABLE stale (
        place INTEGER PRIMARY KEY REFERENCES places
    ) STRICT;

    CREATE TABLE exposures (
        exposure_id TEXT PRIMARY KEY,
        component INTEGER NOT NULL,
        state TEXT NOT NULL,
        severity_number INTEGER NOT NULL,
        owner TEXT NOT NULL,
        ip TEXT NOT NULL,
        port INTEGER NOT NULL,
        first_seen_open TEXT NOT NULL,
        last_seen_open TEXT NOT NULL,
        closed_before TEXT NOT NULL,
        body BLOB NOT NULL
    ) STRICT;
    CREATE INDEX exposures_by_component ON exposures (component);

    CREATE TABLE looks (
        exposure_id TEXT NOT NULL REFERENCES exposures ON DELETE CASCADE,
        place INTEGER NOT NULL REFERENCES places,
        run INTEGER NOT NULL REFERENCES runs,
        PRIMARY KEY (exposure_id, place, run)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE former_ids (
        former_id TEXT NOT NULL,
        exposure_id TEXT NOT NULL REFERENCES exposures ON DELETE CASCADE,
        PRIMARY KEY (former_id, exposure_id)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX former_ids_by_exposure ON former_ids (exposure_id);

    CREATE TABLE changes (
        change_id TEXT PRIMARY KEY,
        exposure_id TEXT NOT NULL REFERENCES exposures ON DELETE CASCADE,
        at TEXT NOT NULL,
        rank INTEGER NOT NULL,
        body BLOB NOT NULL
    ) STRICT;
    CREATE INDEX changes_by_time ON changes (at, rank, change_id);
    CREATE INDEX changes_by_exposure ON changes (exposure_id, at);
    """,
)
