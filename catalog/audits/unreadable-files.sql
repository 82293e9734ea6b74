-- Title: Files that cannot be read, are cut short, or do not say what they are
-- Columns: Status: unreadable, truncated or incomplete; Error: what is wrong; SizeBytes: size; Path: the file
-- Tags: problem, error
-- Description: DICOM files, or files that seem to be, from which no whole instance can be made. "unreadable": the header is broken or access is denied. "truncated": Pixel Data end too early, look for another copy. "incomplete": a UID is missing, so it cannot be placed under a patient.
SELECT Status, Error, SizeBytes, Path
FROM v_file
WHERE Status IN ('unreadable', 'truncated', 'incomplete')
ORDER BY Status DESC, Path
