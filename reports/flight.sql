-- The tables of a flight record: what the operator asked and was answered, tick by tick. Written by
-- `coalmine operator --record`, read by `coalmine replay`; explained in docs/reference/flight.md.
-- Version: PRAGMA user_version. Times are milliseconds since 1970 UTC.

-- One row for each start of the operator: what a decision depends on besides the Canary.
CREATE TABLE processes (
    process INTEGER PRIMARY KEY,
    began_ms INTEGER NOT NULL,
    version TEXT NOT NULL,
    identity TEXT NOT NULL,
    profile TEXT NOT NULL,
    deviations TEXT NOT NULL,
    mesh_provider TEXT NOT NULL,
    cluster_name TEXT NOT NULL,
    config_tracking INTEGER NOT NULL,
    dry_run INTEGER NOT NULL
);

-- Each spec once: the Canary without its status, and without what may be secret in it.
CREATE TABLE specs (
    spec INTEGER PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,
    canary TEXT NOT NULL
);

CREATE TABLE ticks (
    tick INTEGER PRIMARY KEY,
    process INTEGER NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    spec INTEGER NOT NULL,
    kind TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    phase TEXT NOT NULL,
    before TEXT NOT NULL,
    after TEXT
);
CREATE INDEX ticks_by_canary ON ticks (namespace, name, tick);

-- Step n of a tick: what was asked, the answer, and what the engine said to the answer before.
CREATE TABLE steps (
    tick INTEGER NOT NULL,
    step INTEGER NOT NULL,
    notes TEXT NOT NULL,
    ask TEXT NOT NULL,
    answer TEXT,
    PRIMARY KEY (tick, step)
) WITHOUT ROWID;

-- What people read first: every event with its time.
CREATE VIEW events AS
SELECT
    ticks.tick,
    ticks.namespace,
    ticks.name,
    strftime('%Y-%m-%dT%H:%M:%SZ', ticks.at_ms / 1000, 'unixepoch') AS at,
    json_extract(note.value, '$.phase') AS phase,
    json_extract(note.value, '$.event') AS event,
    json_extract(note.value, '$.message') AS message
FROM ticks
JOIN steps USING (tick)
JOIN json_each(steps.notes) AS note
WHERE json_extract(note.value, '$.event') IS NOT NULL
ORDER BY ticks.tick, steps.step, note.key;
