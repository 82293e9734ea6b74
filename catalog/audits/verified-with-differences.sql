-- Title: Verifications that found files changed, gone or not catalogued
-- Group: Files
-- Columns: Run: number of the run; StartedAt: when; Login, Host: by whom and on which machine; Arguments: the command line; Missing, Changed, Unindexed, Unknown: how many files were so; Same: how many were as catalogued
-- Tags: problem, warning
-- Description: A dcat verify since the last finished dcat index or dcat import that met files which were not as the catalogue says. It counts them and does not keep which; the catalogue is as it was.
-- Action: Run it again to see which files they are. If the files are right and the catalogue is old, dcat index brings it up to date.
SELECT
  u.id AS Run,
  u.started_at AS StartedAt,
  u.login AS Login,
  u.host AS Host,
  u.arguments AS Arguments,
  coalesce(CAST(u.counts ->> 'missing' AS BIGINT), 0) AS Missing,
  coalesce(CAST(u.counts ->> 'changed' AS BIGINT), 0) AS Changed,
  coalesce(CAST(u.counts ->> 'unindexed' AS BIGINT), 0) AS Unindexed,
  coalesce(CAST(u.counts ->> 'unknown' AS BIGINT), 0) AS Unknown,
  coalesce(CAST(u.counts ->> 'same' AS BIGINT), 0) AS Same
FROM run u
WHERE u.command = 'verify'
  AND u.id > (SELECT coalesce(max(x.id), 0) FROM run x WHERE x.command IN ('index', 'import') AND x.outcome = 'done')
  AND coalesce(CAST(u.counts ->> 'missing' AS BIGINT), 0) + coalesce(CAST(u.counts ->> 'changed' AS BIGINT), 0)
    + coalesce(CAST(u.counts ->> 'unindexed' AS BIGINT), 0) + coalesce(CAST(u.counts ->> 'unknown' AS BIGINT), 0) > 0
  AND (:since = 0 OR u.id > :since)
ORDER BY u.id
