-- The tables of a Coalmine database: what happened in each run, row by row, and sweeps. Written by `coalmine simulate
-- --db` and `coalmine sweep --db`; explained in docs/reference/sqlite.md. Version: PRAGMA user_version.
--
-- Every row carries (run, seq): seq counts up through all tables of a run, so a UNION ordered by seq is the
-- order of events. Times are milliseconds; subtract runs.epoch_ms to count from the start of the run.

CREATE TABLE IF NOT EXISTS runs (
    run INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    file TEXT,
    title TEXT,
    profile TEXT NOT NULL,
    deviations TEXT NOT NULL,
    seed INTEGER NOT NULL,
    epoch_ms INTEGER NOT NULL,
    end_ms INTEGER,
    version TEXT NOT NULL
);

CREATE TABLE IF NOT EXISTS canaries (
    run INTEGER NOT NULL,
    canary INTEGER NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    target_kind TEXT NOT NULL,
    target TEXT NOT NULL,
    provider TEXT NOT NULL,
    strategy TEXT NOT NULL,
    interval_ms INTEGER NOT NULL,
    threshold INTEGER NOT NULL,
    max_weight INTEGER NOT NULL,
    PRIMARY KEY (run, canary)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS rollouts (
    run INTEGER NOT NULL,
    canary INTEGER NOT NULL,
    rollout INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    revision TEXT,
    from_revision TEXT,
    to_revision TEXT,
    began_ms INTEGER NOT NULL,
    ended_ms INTEGER,
    result TEXT,
    PRIMARY KEY (run, canary, rollout)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS ticks (
    run INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    canary INTEGER NOT NULL,
    rollout INTEGER NOT NULL,
    tick INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    ended_ms INTEGER,
    kind TEXT NOT NULL,
    phase TEXT NOT NULL,
    phase_after TEXT,
    PRIMARY KEY (run, seq)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS checks (
    run INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    canary INTEGER NOT NULL,
    rollout INTEGER NOT NULL,
    tick INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    weight INTEGER NOT NULL,
    metric TEXT NOT NULL,
    kind TEXT NOT NULL,
    window_ms INTEGER,
    value REAL,
    min REAL,
    max REAL,
    bound REAL,
    verdict TEXT NOT NULL,
    cause TEXT,
    event TEXT,
    text TEXT,
    canary_errors INTEGER,
    canary_requests INTEGER,
    primary_errors INTEGER,
    primary_requests INTEGER,
    PRIMARY KEY (run, seq)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS hooks (
    run INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    canary INTEGER NOT NULL,
    rollout INTEGER NOT NULL,
    tick INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    hook TEXT NOT NULL,
    type TEXT NOT NULL,
    phase TEXT NOT NULL,
    call INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    http_status INTEGER,
    took_ms INTEGER NOT NULL,
    text TEXT,
    PRIMARY KEY (run, seq)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS events (
    run INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    canary INTEGER NOT NULL,
    rollout INTEGER NOT NULL,
    tick INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    event TEXT NOT NULL,
    type TEXT NOT NULL,
    phase TEXT NOT NULL,
    message TEXT NOT NULL,
    PRIMARY KEY (run, seq)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS alerts (
    run INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    canary INTEGER NOT NULL,
    rollout INTEGER NOT NULL,
    tick INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    alert TEXT NOT NULL,
    severity TEXT NOT NULL,
    message TEXT NOT NULL,
    PRIMARY KEY (run, seq)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS routes (
    run INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    canary INTEGER NOT NULL,
    rollout INTEGER NOT NULL,
    tick INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    primary_weight INTEGER NOT NULL,
    canary_weight INTEGER NOT NULL,
    mirror INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    text TEXT,
    PRIMARY KEY (run, seq)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS effects (
    run INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    canary INTEGER NOT NULL,
    rollout INTEGER NOT NULL,
    tick INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    effect TEXT NOT NULL,
    flag INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    text TEXT,
    PRIMARY KEY (run, seq)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS status (
    run INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    canary INTEGER NOT NULL,
    rollout INTEGER NOT NULL,
    tick INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    op TEXT NOT NULL,
    phase TEXT NOT NULL,
    canary_weight INTEGER NOT NULL,
    failed_checks INTEGER NOT NULL,
    iterations INTEGER NOT NULL,
    condition TEXT NOT NULL,
    condition_reason TEXT NOT NULL,
    last_applied TEXT,
    last_promoted TEXT,
    tracked_configs TEXT,
    memory INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    text TEXT,
    PRIMARY KEY (run, seq)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS world (
    run INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    canary INTEGER NOT NULL,
    rollout INTEGER NOT NULL,
    tick INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (run, seq)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS outages (
    run INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    canary INTEGER NOT NULL,
    rollout INTEGER NOT NULL,
    tick INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    lost INTEGER NOT NULL,
    to_primary INTEGER NOT NULL,
    to_canary INTEGER NOT NULL,
    PRIMARY KEY (run, seq)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS gauges (
    run INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    canary INTEGER NOT NULL,
    rollout INTEGER NOT NULL,
    tick INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    gauge TEXT NOT NULL,
    metric TEXT,
    a INTEGER NOT NULL,
    b INTEGER NOT NULL,
    x REAL,
    PRIMARY KEY (run, seq)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS logs (
    run INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    canary INTEGER NOT NULL,
    rollout INTEGER NOT NULL,
    tick INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    log TEXT NOT NULL,
    text TEXT,
    PRIMARY KEY (run, seq)
) WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS asks (
    run INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    canary INTEGER NOT NULL,
    rollout INTEGER NOT NULL,
    tick INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    ask_id INTEGER NOT NULL,
    ask TEXT NOT NULL,
    item INTEGER NOT NULL,
    metric TEXT,
    phase TEXT NOT NULL,
    flag INTEGER NOT NULL,
    primary_weight INTEGER NOT NULL,
    canary_weight INTEGER NOT NULL,
    outcome INTEGER NOT NULL,
    cause INTEGER NOT NULL,
    mirrored INTEGER NOT NULL,
    got_primary INTEGER NOT NULL,
    got_canary INTEGER NOT NULL,
    value_bits INTEGER NOT NULL,
    target TEXT,
    configs TEXT,
    subject TEXT,
    text TEXT,
    canary_errors INTEGER NOT NULL,
    canary_requests INTEGER NOT NULL,
    primary_errors INTEGER NOT NULL,
    primary_requests INTEGER NOT NULL,
    canary_samples BLOB,
    primary_samples BLOB,
    loaded TEXT,
    PRIMARY KEY (run, seq)
) WITHOUT ROWID;

-- What `coalmine sweep --db` and `coalmine merge --db` write: one row per sweep, one per cell of its grid.
-- settings is JSON: the fields below .spec that the cell sets, by their paths.
CREATE TABLE IF NOT EXISTS sweeps (
    sweep INTEGER PRIMARY KEY,
    canary TEXT NOT NULL,
    version TEXT NOT NULL,
    seed INTEGER NOT NULL,
    cells INTEGER NOT NULL
);

CREATE TABLE IF NOT EXISTS sweep_cells (
    sweep INTEGER NOT NULL,
    cell INTEGER NOT NULL,
    settings TEXT NOT NULL,
    rps REAL NOT NULL,
    error_rate REAL NOT NULL,
    release TEXT NOT NULL,
    runs INTEGER NOT NULL,
    rolled_back INTEGER NOT NULL,
    promoted INTEGER NOT NULL,
    unfinished INTEGER NOT NULL,
    rollback_low REAL,
    rollback_high REAL,
    rollback_exact REAL,
    exact_flaw TEXT,
    promote_low REAL,
    promote_high REAL,
    detection_median_s REAL,
    detection_p90_s REAL,
    rollback_median_s REAL,
    rollback_p90_s REAL,
    duration_median_s REAL,
    duration_p90_s REAL,
    bad_requests REAL,
    bad_requests_rolled_back REAL,
    canary_requests REAL,
    users_exposed REAL,
    error_budget REAL,
    PRIMARY KEY (sweep, cell)
) WITHOUT ROWID;

-- With --fan: in how many runs of a cell the new version had this share of the traffic after this tick
-- (rolled back: 0; from the promotion on: 100).
CREATE TABLE IF NOT EXISTS sweep_weights (
    sweep INTEGER NOT NULL,
    cell INTEGER NOT NULL,
    tick INTEGER NOT NULL,
    at_s REAL NOT NULL,
    weight INTEGER NOT NULL,
    runs INTEGER NOT NULL,
    PRIMARY KEY (sweep, cell, tick, weight)
) WITHOUT ROWID;
