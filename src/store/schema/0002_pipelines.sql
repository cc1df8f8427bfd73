-- SPDX-License-Identifier: GPL-3.0-or-later
-- Pipelines: their versions, runs, steps, the cache of what steps gave, schedules.

-- A version is never changed: its sha is that of its document and its code. Names for people are in pipeline_tags.
CREATE TABLE pipelines (
    id        INTEGER PRIMARY KEY,
    project   TEXT NOT NULL REFERENCES projects (name),
    name      TEXT NOT NULL,
    sha       TEXT NOT NULL,
    version   TEXT NOT NULL, -- the one of its file, ''
    document  TEXT NOT NULL,
    code      TEXT NOT NULL, -- JSON: the artifact of each list of code files, and '' of all of them
    create_ms INTEGER NOT NULL,
    UNIQUE (project, name, sha)
) STRICT;

CREATE TABLE pipeline_tags (
    project     TEXT NOT NULL,
    name        TEXT NOT NULL,
    tag         TEXT NOT NULL,
    movable     INTEGER NOT NULL, -- an alias; a version's number never comes to mean another one
    pipeline_id INTEGER NOT NULL REFERENCES pipelines (id),
    PRIMARY KEY (project, name, tag)
) STRICT, WITHOUT ROWID;

CREATE TABLE runs (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    uid            TEXT NOT NULL UNIQUE,
    project        TEXT NOT NULL REFERENCES projects (name),
    pipeline_id    INTEGER NOT NULL REFERENCES pipelines (id),
    pipeline       TEXT NOT NULL, -- its name
    key            TEXT UNIQUE,   -- of whoever asked for it and may ask again: a trial's run, a firing of a schedule
    params         TEXT NOT NULL,
    origin         TEXT NOT NULL, -- JSON: whose it is and what it goes on from
    labels         TEXT NOT NULL,
    state          TEXT NOT NULL CHECK (state = 'RUNNING' OR state = 'STOPPING' OR state = 'SUCCEEDED' OR state = 'FAILED' OR state = 'CANCELLED'),
    live           INTEGER NOT NULL,
    outcome        TEXT NOT NULL, -- what it will end as, once that is known: '' or a final state
    reason         TEXT NOT NULL,
    message        TEXT NOT NULL,
    outputs        TEXT NOT NULL,
    n_rows         INTEGER NOT NULL,
    saved_s        REAL NOT NULL, -- what its cached steps had cost
    experiment_id  INTEGER NOT NULL, -- 0 = none
    trial          INTEGER NOT NULL,
    schedule_id    INTEGER NOT NULL,
    first_revision INTEGER NOT NULL,
    revision       INTEGER NOT NULL,
    create_ms      INTEGER NOT NULL,
    update_ms      INTEGER NOT NULL,
    start_ms       INTEGER,
    end_ms         INTEGER
) STRICT;

CREATE INDEX runs_live ON runs (id) WHERE live = 1;
CREATE INDEX runs_schedule ON runs (schedule_id) WHERE live = 1 AND schedule_id > 0;
CREATE INDEX runs_trial ON runs (experiment_id, trial) WHERE experiment_id > 0;

-- Kept for the events that tell of them.
CREATE TABLE deleted_runs (
    id       INTEGER PRIMARY KEY,
    uid      TEXT NOT NULL,
    project  TEXT NOT NULL,
    revision INTEGER NOT NULL
) STRICT;

-- A row is made when a step leaves WAITING: what has none still waits.
CREATE TABLE steps (
    run_id      INTEGER NOT NULL,
    seq         INTEGER NOT NULL,
    parent      INTEGER NOT NULL, -- seq of the map, the sub-pipeline or the expanded step that it is of; 0 = the run's own
    path        TEXT NOT NULL,    -- "fold[3].train"
    step        TEXT NOT NULL,
    item        INTEGER NOT NULL, -- of a map; -1 = not one
    state       TEXT NOT NULL CHECK (state = 'STARTING' OR state = 'RUNNING' OR state = 'SUCCEEDED' OR state = 'CACHED' OR state = 'WAITING'
                    OR state = 'CACHE_WAIT' OR state = 'RETRYING' OR state = 'STOPPING' OR state = 'SKIPPED' OR state = 'FAILED' OR state = 'CANCELLED'
                    OR state = 'UPSTREAM_FAILED'),
    attempt     INTEGER NOT NULL,
    n_user      INTEGER NOT NULL, -- retries used up, of the step's own failures and of others
    n_infra     INTEGER NOT NULL,
    retry_ms    INTEGER,
    cache_key   TEXT NOT NULL,
    outputs     TEXT NOT NULL,
    data        TEXT NOT NULL,    -- JSON: the items of a map, the steps that were written
    cause       TEXT NOT NULL,
    message     TEXT NOT NULL,
    cost_s      REAL,
    cached_from TEXT NOT NULL,    -- "<run uid>/<path>"
    revision    INTEGER NOT NULL,
    start_ms    INTEGER,
    end_ms      INTEGER,
    PRIMARY KEY (run_id, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE step_attempts (
    run_id    INTEGER NOT NULL,
    seq       INTEGER NOT NULL,
    number    INTEGER NOT NULL,
    state     TEXT NOT NULL,
    cause     TEXT NOT NULL,
    message   TEXT NOT NULL,
    run_key   TEXT NOT NULL,
    cursor    TEXT NOT NULL,
    exit_code INTEGER NOT NULL,
    signal    INTEGER NOT NULL,
    create_ms INTEGER NOT NULL,
    start_ms  INTEGER,
    end_ms    INTEGER,
    PRIMARY KEY (run_id, seq, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE step_measurements (
    run_id  INTEGER NOT NULL,
    seq     INTEGER NOT NULL,
    metric  TEXT NOT NULL,
    step    INTEGER NOT NULL,
    value   REAL, -- NULL is NaN
    cached  INTEGER NOT NULL,
    time_ms INTEGER NOT NULL,
    PRIMARY KEY (run_id, seq, metric, step)
) STRICT, WITHOUT ROWID;

CREATE TABLE step_cache (
    id        INTEGER PRIMARY KEY,
    scope     TEXT NOT NULL,
    key       TEXT NOT NULL,
    outputs   TEXT NOT NULL,
    metrics   TEXT NOT NULL,
    origin    TEXT NOT NULL, -- "<run uid>/<path>"
    cost_s    REAL NOT NULL,
    bytes     INTEGER NOT NULL,
    n_hits    INTEGER NOT NULL,
    create_ms INTEGER NOT NULL,
    used_ms   INTEGER NOT NULL,
    UNIQUE (scope, key)
) STRICT;

CREATE INDEX step_cache_used ON step_cache (used_ms);

CREATE TABLE schedules (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    project   TEXT NOT NULL REFERENCES projects (name),
    name      TEXT NOT NULL,
    kind      TEXT NOT NULL, -- pipeline or experiment
    document  TEXT NOT NULL, -- when it fires, normalised
    target    TEXT NOT NULL, -- {"pipeline", "params"} or {"experiment"}
    paused    INTEGER NOT NULL,
    queued    INTEGER NOT NULL, -- a firing waits for the run before to end: its planned time, 0 = none
    next_ms   INTEGER,
    create_ms INTEGER NOT NULL,
    UNIQUE (project, name)
) STRICT;

CREATE TABLE fires (
    schedule_id INTEGER NOT NULL,
    planned_ms  INTEGER NOT NULL,
    outcome     TEXT NOT NULL, -- STARTED, SKIPPED, MISSED, QUEUED, FAILED
    started     TEXT NOT NULL, -- uid of a run, name of an experiment
    message     TEXT NOT NULL,
    time_ms     INTEGER NOT NULL,
    PRIMARY KEY (schedule_id, planned_ms)
) STRICT, WITHOUT ROWID;

ALTER TABLE events ADD COLUMN run_id INTEGER NOT NULL DEFAULT 0;
