-- Title: DICOM files without preamble
-- Group: Files
-- Columns: Path: the file; SizeBytes: its size; TransferSyntaxUID: as it says, empty if it does not; Status: what dcat made of it
-- Tags: problem, warning
-- Description: A file that holds DICOM elements and lacks the 128 bytes of preamble and the prefix DICM (PS3.10 §7.1). dcat reads it all the same; many programs do not.
-- Action: Have its source write it anew, or let a converter add what is missing (dcmconv of DCMTK does). Without a Transfer Syntax it can be in no File-set.
SELECT
  r.path || '/' || f.path AS Path,
  f.size_bytes AS SizeBytes,
  coalesce(f.transfer_syntax_uid, '') AS TransferSyntaxUID,
  f.status AS Status
FROM finding n
JOIN file f ON f.id = n.file_ref AND f.status <> 'missing'
JOIN root r ON r.id = f.root_ref
WHERE n.code = 'no-preamble' AND (:since = 0 OR f.last_run_ref > :since)
ORDER BY r.path, f.path
