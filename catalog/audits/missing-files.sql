-- Title: Files that were there and are not any more
-- Columns: MissingSince: when that was first noticed; SOPInstanceUID: the instance; OtherFiles: files that still hold it; PatientID: whose it is; Path: where it was
-- Tags: problem, error
-- Description: Indexed or named by a DICOMDIR, and gone. If OtherFiles is 0 no copy is known: look in the backup.
SELECT
  v.MissingSince,
  v.SOPInstanceUID,
  (SELECT count(*) FROM file f WHERE f.instance_ref = v.instance_ref AND f.status <> 'missing') AS OtherFiles,
  v.PatientID,
  v.Path
FROM v_file v
WHERE v.Status = 'missing'
ORDER BY v.MissingSince, v.Path
