-- One row for each attempt at a run. Rows are added and ended, never deleted.
CREATE TABLE run (
    id INTEGER PRIMARY KEY,
    -- The key: all that the result depends on. No peak: the optimizer's own rate.
    task TEXT NOT NULL,
    schedule TEXT NOT NULL,
    peak REAL,
    budget INTEGER NOT NULL CHECK (budget >= 1),
    seed INTEGER NOT NULL,
    label TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    versions TEXT NOT NULL CHECK (json_type(versions) = 'object'),
    status TEXT NOT NULL CHECK (status IN ('running', 'finished', 'failed', 'interrupted')),
    -- The process that started it, told apart by its birth from later ones with its number.
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    born TEXT,
    -- ISO 8601, UTC, with microseconds: they sort as texts.
    started TEXT NOT NULL,
    ended TEXT,
    results TEXT NOT NULL DEFAULT '{}' CHECK (json_type(results) = 'object'),
    error TEXT,
    CHECK ((status = 'running') = (ended IS NULL))
) STRICT;

CREATE INDEX run_by_key ON run (task, schedule, budget, seed, peak);

-- One row for each reading; ids rise in the order of appending. Non-finite numbers are strings in the JSON.
CREATE TABLE reading (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL REFERENCES run (id),
    step INTEGER NOT NULL CHECK (step >= 0),
    phase TEXT NOT NULL,
    rates TEXT NOT NULL CHECK (json_type(rates) = 'object'),
    metrics TEXT NOT NULL CHECK (json_type(metrics) = 'object')
) STRICT;

CREATE INDEX reading_by_run ON reading (run);
