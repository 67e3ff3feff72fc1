-- As the tables of the SQLite store, with both of its formats in one. In texts, NUL is written as
-- U+001A and '0', and U+001A twice. Times are ISO 8601, UTC, with microseconds: they sort as texts.
CREATE TABLE run (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    task TEXT NOT NULL,
    schedule TEXT NOT NULL,
    peak DOUBLE PRECISION,
    budget BIGINT NOT NULL CHECK (budget >= 1),
    seed BIGINT NOT NULL,
    label TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    versions JSON NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('running', 'finished', 'failed', 'interrupted')),
    host TEXT NOT NULL,
    pid BIGINT NOT NULL,
    born TEXT,
    started TEXT COLLATE "C" NOT NULL,
    ended TEXT COLLATE "C",
    results JSON NOT NULL DEFAULT '{}',
    error TEXT,
    CHECK ((status = 'running') = (ended IS NULL))
);

-- By its parts that are short: a schedule's text may be longer than an index can hold.
CREATE INDEX run_by_key ON run (budget, seed, peak);

-- JSON, and not JSONB, keeps the order of the names.
CREATE TABLE reading (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run BIGINT NOT NULL REFERENCES run (id),
    step BIGINT NOT NULL CHECK (step >= 0),
    phase TEXT NOT NULL,
    rates JSON NOT NULL,
    metrics JSON NOT NULL,
    others JSON NOT NULL,
    epoch DOUBLE PRECISION,
    samples DOUBLE PRECISION,
    factors JSON NOT NULL,
    override TEXT NOT NULL
);

CREATE INDEX reading_by_run ON reading (run, id);
