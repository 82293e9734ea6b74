-- Title: Files that cannot be read, are cut short, or do not say what they are
-- Group: Files
-- Columns: Status: unreadable, truncated or incomplete; Error: what is wrong; SizeBytes: size; Path: the file
-- Tags: problem, error
-- Description: A DICOM file, or one that seems to be, from which no whole instance can be made. "unreadable": the header is broken or access is denied. "truncated": Pixel Data end too early. "incomplete": a UID is missing, so it cannot be placed under a patient.
-- Action: Look for another copy, in a backup or at the source; where access is denied, let dcat read the file. Then index again.
SELECT
  f.status AS Status,
  f.error AS Error,
  f.size_bytes AS SizeBytes,
  r.path || '/' || f.path AS Path
FROM file f
JOIN root r ON r.id = f.root_ref
WHERE f.status IN ('unreadable', 'truncated', 'incomplete') AND (:since = 0 OR f.last_run_ref > :since)
ORDER BY f.status DESC, r.path, f.path
