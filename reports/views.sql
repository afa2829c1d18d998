-- Views that answer the usual questions; made in every Coalmine database, explained in docs/reference/sqlite.md.

-- The weights that the router carried, as intervals. The last one of a run ends with the run.
CREATE VIEW weights AS
SELECT routes.run, runs.name AS run_name, routes.canary, routes.rollout,
       (at_ms - epoch_ms) / 1000.0 AS from_s,
       (coalesce(lead(at_ms) OVER (PARTITION BY routes.run, routes.canary ORDER BY seq), end_ms) - epoch_ms) / 1000.0
           AS to_s,
       primary_weight, canary_weight, mirror
FROM routes JOIN runs USING (run)
WHERE outcome = 'ok'
ORDER BY routes.run, routes.canary, seq;

-- Every metric check with the seconds since the run began.
CREATE VIEW check_history AS
SELECT checks.run, runs.name AS run_name, canary, rollout, tick, (at_ms - epoch_ms) / 1000.0 AS at_s,
       metric, weight, window_ms / 1000.0 AS window_s, value, min, max, bound, verdict, cause, text
FROM checks JOIN runs USING (run)
ORDER BY checks.run, seq;

-- The checks that said no.
CREATE VIEW failed_checks AS
SELECT * FROM check_history WHERE verdict IN ('fail', 'none', 'error');

-- One line per rollout: how it ended, how long it took, and what it cost.
--   exposed_s       seconds of whole traffic that met the new version (at 20 % for 60 s: 12)
--   detected_s      from the start of the rollout to its first failed check
--   reacted_s       from the first failed check to the end
CREATE VIEW summary AS
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
CREATE VIEW phases AS
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
CREATE VIEW timeline AS
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
