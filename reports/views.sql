-- Views that answer the usual questions; made in every Coalmine database, explained in docs/reference/sqlite.md.

-- The weights that the router carried, as intervals. The last one of a run ends with the run.
CREATE VIEW IF NOT EXISTS weights AS
SELECT routes.run, runs.name AS run_name, routes.canary, routes.rollout,
       (at_ms - epoch_ms) / 1000.0 AS from_s,
       (coalesce(lead(at_ms) OVER (PARTITION BY routes.run, routes.canary ORDER BY seq), end_ms) - epoch_ms) / 1000.0
           AS to_s,
       primary_weight, canary_weight, mirror
FROM routes JOIN runs USING (run)
WHERE outcome = 'ok'
ORDER BY routes.run, routes.canary, seq;

-- Every metric check with the seconds since the run began.
CREATE VIEW IF NOT EXISTS check_history AS
SELECT checks.run, runs.name AS run_name, canary, rollout, tick, (at_ms - epoch_ms) / 1000.0 AS at_s,
       metric, weight, window_ms / 1000.0 AS window_s, value, min, max, bound, verdict, cause, text
FROM checks JOIN runs USING (run)
ORDER BY checks.run, seq;

-- The checks that said no.
CREATE VIEW IF NOT EXISTS failed_checks AS
SELECT * FROM check_history WHERE verdict IN ('fail', 'none', 'error');

-- One line per rollout: how it ended, how long it took, and what it cost.
--   exposed_s       seconds of whole traffic that met the new version (at 20 % for 60 s: 12)
--   detected_s      from the start of the rollout to its first failed check
--   reacted_s       from the first failed check to the end
CREATE VIEW IF NOT EXISTS summary AS
SELECT r.run, runs.name AS run_name, runs.profile, c.namespace, c.name AS canary_name, r.rollout, r.revision,
       coalesce(r.result, 'unfinished') AS result,
       (r.began_ms - epoch_ms) / 1000.0 AS began_s,
       (coalesce(r.ended_ms, end_ms) - r.began_ms) / 1000.0 AS took_s,
       (SELECT count(*) FROM ticks t WHERE t.run = r.run AND t.canary = r.canary AND t.rollout = r.rollout)
           AS ticks,
       (SELECT count(*) FROM checks k WHERE k.run = r.run AND k.canary = r.canary AND k.rollout = r.rollout)
           AS checks,
       (SELECT count(*) FROM checks k WHERE k.run = r.run AND k.canary = r.canary AND k.rollout = r.rollout
           AND verdict IN ('fail', 'none', 'error')) AS failed_checks,
       (SELECT max(canary_weight) FROM routes w WHERE w.run = r.run AND w.canary = r.canary
           AND w.rollout = r.rollout AND w.outcome = 'ok') AS max_weight,
       round((SELECT total(canary_weight * max(0, min(to_s, (coalesce(r.ended_ms, end_ms) - epoch_ms) / 1000.0) - from_s))
           / 100.0 FROM weights w WHERE w.run = r.run AND w.canary = r.canary AND w.rollout = r.rollout), 3)
           AS exposed_s,
       ((SELECT min(at_ms) FROM checks k WHERE k.run = r.run AND k.canary = r.canary AND k.rollout = r.rollout
           AND verdict IN ('fail', 'none', 'error')) - r.began_ms) / 1000.0 AS detected_s,
       (coalesce(r.ended_ms, end_ms) - (SELECT min(at_ms) FROM checks k WHERE k.run = r.run
           AND k.canary = r.canary AND k.rollout = r.rollout AND verdict IN ('fail', 'none', 'error'))) / 1000.0
           AS reacted_s
FROM rollouts r JOIN runs USING (run) JOIN canaries c ON c.run = r.run AND c.canary = r.canary
ORDER BY r.run, r.canary, r.rollout;

-- The phases of each Canary as intervals.
CREATE VIEW IF NOT EXISTS phases AS
WITH changes AS (
    SELECT run, canary, rollout, seq, at_ms, phase,
           lag(phase, 1, '') OVER (PARTITION BY run, canary ORDER BY seq) AS before
    FROM status WHERE outcome = 'ok'
)
SELECT changes.run, runs.name AS run_name, canary, rollout, phase, (at_ms - epoch_ms) / 1000.0 AS from_s,
       (coalesce(lead(at_ms) OVER (PARTITION BY changes.run, canary ORDER BY seq), end_ms) - epoch_ms) / 1000.0
           AS to_s
FROM changes JOIN runs USING (run)
WHERE phase <> before
ORDER BY changes.run, canary, seq;

-- Everything a person would want to read, in the order it happened.
CREATE VIEW IF NOT EXISTS timeline AS
WITH lines AS (
    SELECT run, seq, canary, rollout, tick, at_ms, 'event' AS kind, message AS what FROM events
    UNION ALL
    SELECT run, seq, canary, rollout, tick, at_ms, 'alert', severity || ': ' || message FROM alerts
    UNION ALL
    SELECT run, seq, canary, rollout, tick, at_ms, 'check',
           metric || ' ' || verdict || iif(value IS NULL, '', printf(' %.2f', value))
           || iif(bound IS NULL, '', printf(' (bound %.2f)', bound)) FROM checks
    UNION ALL
    SELECT run, seq, canary, rollout, tick, at_ms, 'hook',
           type || ' ' || hook || ' ' || outcome || coalesce(': ' || text, '') FROM hooks
    UNION ALL
    SELECT run, seq, canary, rollout, tick, at_ms, 'routes',
           'primary ' || primary_weight || ' canary ' || canary_weight || iif(mirror, ' mirrored', '')
           || iif(outcome = 'ok', '', ' ' || outcome) || coalesce(': ' || text, '') FROM routes
    UNION ALL
    SELECT run, seq, canary, rollout, tick, at_ms, 'effect',
           effect || ' ' || outcome || coalesce(': ' || text, '') FROM effects
    UNION ALL
    SELECT run, seq, canary, rollout, tick, at_ms, 'outage',
           iif(lost > 0, lost || ' % of the requests meet no ready pod', 'over') FROM outages
    UNION ALL
    SELECT run, seq, canary, rollout, tick, at_ms, 'world', text FROM world
)
SELECT lines.run, runs.name AS run_name, seq, canary, rollout, tick,
       printf('%d:%02d:%02d', (at_ms - epoch_ms) / 3600000, (at_ms - epoch_ms) / 60000 % 60,
              (at_ms - epoch_ms) / 1000 % 60) AS clock,
       kind, what
FROM lines JOIN runs USING (run)
ORDER BY lines.run, seq;

-- Sweeps: every cell with its chances as shares.
CREATE VIEW IF NOT EXISTS sweep_points AS
SELECT sweep, cell, settings, rps, error_rate, release, runs,
       1.0 * rolled_back / runs AS p_rollback, rollback_low, rollback_high, rollback_exact,
       1.0 * promoted / runs AS p_promote, promote_low, promote_high,
       detection_median_s, detection_p90_s, duration_median_s, duration_p90_s, bad_requests, users_exposed
FROM sweep_cells
ORDER BY sweep, cell;

-- A policy = one setting of all swept fields under one rate of traffic. One line for each pair of a healthy and a
-- bad error rate that it was tried with: how often it rolls the healthy one back, how often it promotes the bad one.
--   detection_s   until the bad release was rolled back, from its fault on (median)
--   bad_requests  failed requests of users while the bad release was out
--   duration_s    until the healthy release was promoted (median)
CREATE VIEW IF NOT EXISTS sweep_policies AS
SELECT h.sweep, h.settings, h.rps, h.cell AS healthy_cell, b.cell AS bad_cell,
       h.error_rate AS healthy_error_rate, b.error_rate AS bad_error_rate,
       h.p_rollback AS false_rollback, h.rollback_low AS false_rollback_low, h.rollback_high AS false_rollback_high,
       b.p_promote AS miss, b.promote_low AS miss_low, b.promote_high AS miss_high,
       b.detection_median_s AS detection_s, b.bad_requests, h.duration_median_s AS duration_s
FROM sweep_points h JOIN sweep_points b
  ON b.sweep = h.sweep AND b.rps = h.rps AND b.settings = h.settings AND b.release = 'bad'
WHERE h.release = 'healthy'
ORDER BY h.sweep, h.cell, b.cell;

-- Policies that no other one beats: at least as few false rollbacks, and less of the other figure. Those that let
-- more than 5 % of the bad releases through are left out: fast and cheap is easy for who never looks.
--   front_bad_requests, front_detection, front_duration   1 = nobody beats it in that figure
CREATE VIEW IF NOT EXISTS sweep_front AS
WITH good AS (SELECT * FROM sweep_policies WHERE miss <= 0.05),
best AS (
    SELECT *,
           min(bad_requests) OVER same AS same_bad, min(bad_requests) OVER fewer AS fewer_bad,
           min(detection_s) OVER same AS same_detection, min(detection_s) OVER fewer AS fewer_detection,
           min(duration_s) OVER same AS same_duration, min(duration_s) OVER fewer AS fewer_duration
    FROM good
    WINDOW pair AS (PARTITION BY sweep, rps, healthy_error_rate, bad_error_rate),
           same AS (PARTITION BY sweep, rps, healthy_error_rate, bad_error_rate, false_rollback),
           fewer AS (pair ORDER BY false_rollback GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
)
SELECT sweep, settings, rps, healthy_cell, bad_cell, healthy_error_rate, bad_error_rate, false_rollback, miss,
       detection_s, bad_requests, duration_s,
       bad_requests <= same_bad AND bad_requests < ifnull(fewer_bad, 1e999) AS front_bad_requests,
       detection_s <= same_detection AND detection_s < ifnull(fewer_detection, 1e999) AS front_detection,
       duration_s <= same_duration AND duration_s < ifnull(fewer_duration, 1e999) AS front_duration
FROM best
ORDER BY sweep, healthy_cell, bad_cell;

-- Settings in the order that the table of `coalmine sweep` has: by the sum of the chances that a verdict is wrong
-- (a healthy release not promoted, a bad one not rolled back) over the cells.
CREATE VIEW IF NOT EXISTS sweep_ranking AS
SELECT sweep, settings, min(cell) AS first_cell,
       rank() OVER (PARTITION BY sweep ORDER BY sum(wrong), min(cell)) AS rank, sum(wrong) AS wrong
FROM (SELECT sweep, cell, settings,
             1.0 * (runs - iif(release = 'bad', rolled_back, promoted)) / runs AS wrong FROM sweep_cells)
GROUP BY sweep, settings
ORDER BY sweep, rank;

-- Quantiles over the runs of a cell (of a sweep with --fan): the share of the traffic that the new version has after
-- each tick.
CREATE VIEW IF NOT EXISTS sweep_fan AS
WITH counted AS (
    SELECT sweep, cell, tick, at_s, weight,
           sum(runs) OVER (PARTITION BY sweep, cell, tick ORDER BY weight) AS upto,
           sum(runs) OVER (PARTITION BY sweep, cell, tick) AS total
    FROM sweep_weights
)
SELECT sweep, cell, tick, at_s, total AS runs,
       min(weight) FILTER (WHERE upto >= 0.10 * total) AS p10,
       min(weight) FILTER (WHERE upto >= 0.25 * total) AS p25,
       min(weight) FILTER (WHERE upto >= 0.50 * total) AS median,
       min(weight) FILTER (WHERE upto >= 0.75 * total) AS p75,
       min(weight) FILTER (WHERE upto >= 0.90 * total) AS p90
FROM counted
GROUP BY sweep, cell, tick
ORDER BY sweep, cell, tick;

-- The same of recorded rollouts, all those of a Canary in whatever run they stand, from their beginnings: how the
-- share changed (rolled back: 0; from the promotion on: 100), and the quantiles at each time at which any did.
CREATE VIEW IF NOT EXISTS rollout_shares AS
WITH spans AS (
    SELECT r.run, r.canary, r.rollout, c.namespace, c.name AS canary_name, r.result,
           (r.began_ms - epoch_ms) / 1000.0 AS began_s, (r.ended_ms - epoch_ms) / 1000.0 AS ended_s,
           (SELECT min(from_s) FROM phases p WHERE p.run = r.run AND p.canary = r.canary AND p.rollout = r.rollout
               AND phase IN ('Promoting', 'Finalising', 'Succeeded')) AS promoted_s
    FROM rollouts r JOIN runs USING (run) JOIN canaries c ON c.run = r.run AND c.canary = r.canary
)
SELECT run, namespace, canary_name, rollout, 0.0 AS at_s, 0 AS share FROM spans
UNION ALL
SELECT s.run, namespace, canary_name, s.rollout, from_s - began_s, canary_weight
FROM spans s JOIN weights w ON w.run = s.run AND w.canary = s.canary AND w.rollout = s.rollout
WHERE to_s > from_s AND from_s >= began_s AND from_s < coalesce(promoted_s, ended_s, 1e999)
UNION ALL
SELECT run, namespace, canary_name, rollout, promoted_s - began_s, 100 FROM spans WHERE promoted_s IS NOT NULL
UNION ALL
SELECT run, namespace, canary_name, rollout, ended_s - began_s, 0 FROM spans WHERE ended_s IS NOT NULL AND result <> 'succeeded';

CREATE VIEW IF NOT EXISTS rollout_fan AS
WITH times AS (SELECT DISTINCT namespace, canary_name, at_s FROM rollout_shares),
last AS (
    SELECT t.namespace, t.canary_name, t.at_s, s.run, s.rollout, s.share,
           row_number() OVER (PARTITION BY t.namespace, t.canary_name, t.at_s, s.run, s.rollout
                              ORDER BY s.at_s DESC, s.share DESC) AS back
    FROM times t JOIN rollout_shares s
      ON s.namespace = t.namespace AND s.canary_name = t.canary_name AND s.at_s <= t.at_s
),
placed AS (
    SELECT *, row_number() OVER (PARTITION BY namespace, canary_name, at_s ORDER BY share) AS place,
           count(*) OVER (PARTITION BY namespace, canary_name, at_s) AS total
    FROM last WHERE back = 1
)
SELECT namespace, canary_name, at_s, total AS rollouts,
       min(share) FILTER (WHERE place >= 0.10 * total) AS p10,
       min(share) FILTER (WHERE place >= 0.25 * total) AS p25,
       min(share) FILTER (WHERE place >= 0.50 * total) AS median,
       min(share) FILTER (WHERE place >= 0.75 * total) AS p75,
       min(share) FILTER (WHERE place >= 0.90 * total) AS p90
FROM placed
GROUP BY namespace, canary_name, at_s
ORDER BY namespace, canary_name, at_s;
