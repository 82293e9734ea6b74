-- Title: Exports that did not end well
-- Group: Export and File-sets
-- Columns: StartedAt: when; Login, Host: by whom and on which machine; Outcome: how the run ended; Destination: where to; Selection: what was asked; Copied: instances that the ledger knows to be copied
-- Tags: problem, warning
-- Description: An export that failed, was interrupted or killed, or is running now. Files that were copied count as disclosed; of a process that was killed the last second may be missing here.
-- Action: Look at the destination itself. Repeat the export to an empty folder, or delete what was written.
SELECT
  u.started_at AS StartedAt,
  u.login AS Login,
  u.host AS Host,
  coalesce(u.outcome, 'running or killed') AS Outcome,
  e.destination AS Destination,
  e.selection AS Selection,
  (SELECT count(*) FROM export_item x WHERE x.export_ref = e.id AND x.outcome = 'copied') AS Copied
FROM export e
JOIN run u ON u.id = e.run_ref
WHERE coalesce(u.outcome, '') <> 'done' AND (:since = 0 OR u.id > :since)
ORDER BY u.started_at, e.id
