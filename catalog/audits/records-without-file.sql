-- Title: Directory records whose file is not there
-- Group: Export and File-sets
-- Columns: FileSetID: the File-set, as its DICOMDIR says; Folder: where it was imported from; FileID: the file that the record names; RecordType: type of the record; SOPInstanceUID: the instance that it names; OtherFiles: other files known to hold it
-- Tags: problem, error
-- Description: A record of an imported DICOMDIR that names a file which was not there when it was imported, and has not been seen since.
-- Action: If OtherFiles is 0, read the medium again or ask its sender for a whole one. To have the DICOMDIR right again: dcat dicomdir remove.
SELECT
  s.file_set_id AS FileSetID,
  s.folder AS Folder,
  c.file_id AS FileID,
  c.record_type AS RecordType,
  c.sop_instance_uid AS SOPInstanceUID,
  (SELECT count(*) FROM file f WHERE f.instance_ref = c.instance_ref AND f.status <> 'missing') AS OtherFiles
FROM fileset s
JOIN fileset_record c ON c.fileset_ref = s.id
WHERE s.direction = 'imported' AND c.file_id IS NOT NULL AND c.path IS NULL
  AND NOT EXISTS (
    SELECT 1 FROM file f JOIN root r ON r.id = f.root_ref
    WHERE f.instance_ref = c.instance_ref AND f.status <> 'missing'
      AND r.path || '/' || f.path = s.folder || '/' || c.file_id
  )
  AND (:since = 0 OR s.run_ref > :since)
ORDER BY s.folder, s.identity, s.id, c.position
