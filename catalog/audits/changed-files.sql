-- Title: Files whose content changed behind dcat's back
-- Group: Files
-- Columns: Code: content-changed, content-unreadable or changed-while-read; NoticedAt: when that was noticed; SOPInstanceUID: the instance; Message: what was noticed; Path: the file
-- Tags: problem, error
-- Description: A file whose bytes are not those of its digest, although size and time are; that could not be read to its end; or that changed while it was read. A disk may be dying, or software sets times back.
-- Action: Compare with the backup before anything overwrites it, and check the disk. Of changed-while-read index again.
SELECT
  n.code AS Code,
  u.started_at AS NoticedAt,
  i.sop_instance_uid AS SOPInstanceUID,
  n.message AS Message,
  r.path || '/' || f.path AS Path
FROM finding n
JOIN run u ON u.id = n.run_ref
JOIN file f ON f.id = n.file_ref
JOIN root r ON r.id = f.root_ref
LEFT JOIN instance i ON i.id = f.instance_ref
WHERE n.code IN ('content-changed', 'content-unreadable', 'changed-while-read')
  AND (:since = 0 OR n.run_ref > :since)
ORDER BY n.code, r.path, f.path, n.id
