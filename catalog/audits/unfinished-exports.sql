-- Title: Exports that did not end well
-- Group: Export and File-sets
-- Columns: StartedAt: when; Login, Host: by whom and on which machine; Outcome: how the run ended; Destination: where to; Selection: what was asked; Copied: instances that the ledger knows to be copied
-- Tags: problem, warning
-- Description: An export that failed, was interrupted or killed, or is running now. Files that were copied count as disclosed; of a process that was killed the last second may be missing here.
-- Action: Finish it with dcat export --resume and the destination, or delete what was written. An update that was interrupted is repeated with dcat export --update.
SELECT
  u.started_at AS StartedAt,
  u.login AS Login,
  u.host AS Host,
  coalesce(u.outcome, 'running or killed') AS Outcome,
  e.destination AS Destination,
  e.selection AS Selection,
  (SELECT count(*) FROM export_item x WHERE x.export_ref = e.id AND x.outcome = 'copied') AS Copied
FROM export e
JOIN run u ON u.id = coalesce(e.resumed_run_ref, e.run_ref)
WHERE coalesce(u.outcome, '') <> 'done' AND (:since = 0 OR u.id > :since)
ORDER BY u.started_at, e.id
