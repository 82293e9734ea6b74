-- Title: Files that were there and are not any more
-- Group: Files
-- Columns: MissingSince: when that was first noticed; SOPInstanceUID: the instance; OtherFiles: files that still hold it; PatientID: whose it is; Path: where it was
-- Tags: problem, error
-- Description: A file that was indexed or named by a DICOMDIR, and is gone. If OtherFiles is 0 no copy is known.
-- Action: Look in the backup if OtherFiles is 0. If it was deleted on purpose, dcat index --prune forgets it.
SELECT
  f.missing_since AS MissingSince,
  i.sop_instance_uid AS SOPInstanceUID,
  (SELECT count(*) FROM file o WHERE o.instance_ref = f.instance_ref AND o.status <> 'missing') AS OtherFiles,
  p.patient_id AS PatientID,
  r.path || '/' || f.path AS Path
FROM file f
JOIN root r ON r.id = f.root_ref
LEFT JOIN instance i ON i.id = f.instance_ref
LEFT JOIN series s ON s.id = i.series_ref
LEFT JOIN study t ON t.id = s.study_ref
LEFT JOIN patient p ON p.id = t.patient_ref
WHERE f.status = 'missing' AND (:since = 0 OR f.last_run_ref > :since)
ORDER BY f.missing_since NULLS FIRST, r.path, f.path
