-- SPDX-License-Identifier: GPL-3.0-or-later
-- The first schema. Never edited after a release: a change is a new file, and a line in schema.S and db.c.
--
-- Times are wall ms. What is not known (a NaN among it) is NULL; texts are '' instead. JSON is text. What a trial writes often stands in
-- narrow rows with few indexes: each one costs every write.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE projects (
    name      TEXT PRIMARY KEY,
    create_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO projects (name, create_ms) VALUES ('default', unixepoch() * 1000);

-- AUTOINCREMENT: the id of a deleted one must not come again, trials and events carry it.
CREATE TABLE experiments (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    uid            TEXT NOT NULL,
    project        TEXT NOT NULL REFERENCES projects (name),
    name           TEXT NOT NULL,
    -- OR, not IN: a list is built anew for every row that is checked
    state          TEXT NOT NULL CHECK (state = 'RUNNING' OR state = 'CREATED' OR state = 'PAUSED' OR state = 'STOPPING'
                       OR state = 'SUCCEEDED' OR state = 'FAILED' OR state = 'CANCELLED'),
    reason         TEXT NOT NULL,
    message        TEXT NOT NULL,
    seed           INTEGER NOT NULL,
    cursor         INTEGER NOT NULL,
    n_trials       INTEGER NOT NULL,
    n_queued       INTEGER NOT NULL,
    n_starting     INTEGER NOT NULL,
    n_running      INTEGER NOT NULL,
    n_paused       INTEGER NOT NULL,
    n_stopping     INTEGER NOT NULL,
    n_succeeded    INTEGER NOT NULL,
    n_pruned       INTEGER NOT NULL,
    n_infeasible   INTEGER NOT NULL,
    n_failed       INTEGER NOT NULL,
    n_lost         INTEGER NOT NULL,
    n_cancelled    INTEGER NOT NULL,
    best_number    INTEGER,
    best_value     REAL,
    first_revision INTEGER NOT NULL, -- its events are newer than this, and not newer than `revision`
    revision       INTEGER NOT NULL,
    create_ms      INTEGER NOT NULL,
    update_ms      INTEGER NOT NULL,
    start_ms       INTEGER,
    end_ms         INTEGER,
    UNIQUE (project, name)
) STRICT;

-- What is long and seldom changes, so that the row above, written with every change of a trial, stays short.
CREATE TABLE experiment_texts (
    experiment_id INTEGER PRIMARY KEY REFERENCES experiments (id),
    spec          TEXT NOT NULL,
    labels        TEXT NOT NULL,
    annotations   TEXT NOT NULL,
    note          TEXT NOT NULL
) STRICT;

-- Kept for the events that tell of them, and until all that hung on them is gone: it goes in slices (experiment_sweep).
CREATE TABLE deleted_experiments (
    id             INTEGER PRIMARY KEY,
    project        TEXT NOT NULL,
    name           TEXT NOT NULL,
    first_revision INTEGER NOT NULL,
    revision       INTEGER NOT NULL,
    swept          INTEGER NOT NULL -- 0: something of it may be left
) STRICT;

CREATE INDEX deleted_experiments_unswept ON deleted_experiments (id) WHERE swept = 0;

-- The id is made of experiment and number, so that the table itself is the index by both. No REFERENCES experiments: without an index of its own
-- a delete would look through every trial for it; experiment_delete takes the range of ids, and store_check looks for strays.
CREATE TABLE trials (
    id            INTEGER PRIMARY KEY, -- experiment_id << 32 | number
    experiment_id INTEGER AS (id >> 32) VIRTUAL,
    number        INTEGER AS (id & 4294967295) VIRTUAL,
    state         TEXT NOT NULL CHECK (state = 'RUNNING' OR state = 'SUCCEEDED' OR state = 'QUEUED' OR state = 'STARTING' OR state = 'PAUSED'
                      OR state = 'STOPPING' OR state = 'PRUNED' OR state = 'INFEASIBLE' OR state = 'FAILED' OR state = 'LOST' OR state = 'CANCELLED'),
    live          INTEGER NOT NULL, -- the state is not a final one
    reason        TEXT NOT NULL,
    message       TEXT NOT NULL,
    params        TEXT NOT NULL,
    x             BLOB, -- doubles of this machine
    objective     REAL,
    rank          REAL CHECK (rank IS NULL OR state = 'SUCCEEDED'),
    metrics       TEXT NOT NULL,
    objective_se  REAL,
    attempt       INTEGER NOT NULL,
    replicate     INTEGER NOT NULL,
    worker        TEXT NOT NULL,
    origin        TEXT NOT NULL,
    labels        TEXT NOT NULL,
    note          TEXT NOT NULL,
    progress      REAL,
    revision      INTEGER NOT NULL,
    create_ms     INTEGER NOT NULL,
    update_ms     INTEGER NOT NULL,
    start_ms      INTEGER,
    end_ms        INTEGER
) STRICT;

CREATE INDEX trials_live ON trials (experiment_id) WHERE live = 1;
CREATE INDEX trials_rank ON trials (experiment_id, rank) WHERE rank IS NOT NULL;

CREATE TABLE attempts (
    trial_id  INTEGER NOT NULL REFERENCES trials (id) ON DELETE CASCADE,
    number    INTEGER NOT NULL,
    replicate INTEGER NOT NULL,
    state     TEXT NOT NULL CHECK (state = 'RUNNING' OR state = 'SUCCEEDED' OR state = 'QUEUED' OR state = 'STARTING' OR state = 'PAUSED'
                  OR state = 'STOPPING' OR state = 'PRUNED' OR state = 'INFEASIBLE' OR state = 'FAILED' OR state = 'LOST' OR state = 'CANCELLED'),
    reason    TEXT NOT NULL,
    message   TEXT NOT NULL,
    run_key   TEXT NOT NULL,
    handle    TEXT NOT NULL,
    cursor    TEXT NOT NULL,
    worker    TEXT NOT NULL,
    exit_code INTEGER NOT NULL,
    signal    INTEGER NOT NULL,
    lease_s   REAL NOT NULL,
    create_ms INTEGER NOT NULL,
    start_ms  INTEGER,
    end_ms    INTEGER,
    PRIMARY KEY (trial_id, number)
) STRICT, WITHOUT ROWID;

-- No REFERENCES trials: looking each trial up again costs a tenth of a report; trial_delete takes its measurements along.
CREATE TABLE measurements (
    trial_id  INTEGER NOT NULL,
    metric    TEXT NOT NULL,
    step      INTEGER NOT NULL,
    attempt   INTEGER NOT NULL,
    replicate INTEGER NOT NULL,
    value     REAL, -- NULL is NaN
    time_ms   INTEGER NOT NULL,
    PRIMARY KEY (trial_id, metric, step, attempt, replicate)
) STRICT, WITHOUT ROWID;

-- No index by experiment: it would cost every change a page. An experiment's events are looked for between its first and last revision.
CREATE TABLE events (
    revision      INTEGER PRIMARY KEY,
    time_ms       INTEGER NOT NULL,
    experiment_id INTEGER NOT NULL,
    trial         INTEGER NOT NULL,
    kind          TEXT NOT NULL,
    data          TEXT NOT NULL
) STRICT;

CREATE TABLE idempotency (
    id           INTEGER PRIMARY KEY, -- rises with time: the oldest are found without an index by time
    key          TEXT NOT NULL UNIQUE,
    request_hash TEXT NOT NULL,
    status       INTEGER NOT NULL,
    reply        TEXT NOT NULL,
    create_ms    INTEGER NOT NULL
) STRICT;
