-- Title: Files of a File-set that no directory record names
-- Group: Export and File-sets
-- Columns: FileSetID: the File-set, as its DICOMDIR says; Folder: where it was imported from; Path: the file; Status: what dcat made of it; SOPInstanceUID: the instance that it holds, empty if none; RecordType: type of the record that could name it, empty if the standard has none
-- Tags: problem, warning
-- Description: A DICOM file in the folder of an imported File-set that no record of its DICOMDIR names, nor that of another File-set (PS3.3 F.2.1). Only files that were indexed are known: dcat import alone looks at those which the DICOMDIR names.
-- Action: Somebody copied it there, or the DICOMDIR is not whole: dcat dicomdir add, or ask the sender. dcat verify --media lists other files, too.
WITH named AS (
  SELECT s.folder || '/' || coalesce(c.path, c.file_id) AS path
  FROM fileset s
  JOIN fileset_record c ON c.fileset_ref = s.id
  WHERE coalesce(c.path, c.file_id) IS NOT NULL
), places AS (
  SELECT
    s.id AS fileset_ref, s.file_set_id AS file_set_id, s.folder AS folder, s.run_ref AS run_ref,
    r.id AS root_ref, r.path AS root_path,
    CASE WHEN s.folder = r.path THEN '' ELSE substr(s.folder, length(r.path) + 2) || '/' END AS below
  FROM fileset s
  JOIN root r ON s.folder = r.path OR substr(s.folder, 1, length(r.path) + 1) = r.path || '/'
  WHERE s.direction = 'imported'
)
SELECT
  x.file_set_id AS FileSetID,
  x.folder AS Folder,
  x.root_path || '/' || f.path AS Path,
  f.status AS Status,
  coalesce(i.sop_instance_uid, '') AS SOPInstanceUID,
  coalesce(i.directory_record_type, '') AS RecordType
FROM places x
JOIN file f ON f.root_ref = x.root_ref AND f.path >= x.below
  AND (x.below = '' OR f.path < substr(x.below, 1, length(x.below) - 1) || '0')
LEFT JOIN instance i ON i.id = f.instance_ref
WHERE f.status IN ('ok', 'truncated', 'incomplete', 'unreadable')
  AND x.root_path || '/' || f.path NOT IN (SELECT path FROM named)
  AND (:since = 0 OR f.last_run_ref > :since OR x.run_ref > :since)
ORDER BY x.folder, x.fileset_ref, f.path
