-- Title: What each run brought
-- Group: Volumes and growth
-- Columns: Run: number of the run; Command: what was run; StartedAt: when; Outcome: how it ended; NewFiles, NewBytes: files first seen by it that are still catalogued, and their bytes; NewInstances: how many instances these files hold
-- Tags: figures
-- Description: How the archive grew, run by run. Runs that brought nothing are left out. Nothing here is wrong.
SELECT
  u.id AS Run,
  u.command AS Command,
  u.started_at AS StartedAt,
  coalesce(u.outcome, 'running or killed') AS Outcome,
  count(*) AS NewFiles,
  coalesce(sum(f.size_bytes), 0) AS NewBytes,
  count(DISTINCT f.instance_ref) AS NewInstances
FROM file f
JOIN run u ON u.id = f.first_run_ref
GROUP BY u.id, u.command, u.started_at, u.outcome
ORDER BY u.id
