-- Title: Files whose bytes were not verified for long
-- Group: Files
-- Columns: Root: the indexed folder; Why: "never verified", "changed since" (it was read anew, or seen again, after it had been verified), or "too long ago"; Files, SizeBytes: how many files there that is so for, and their bytes; WithoutDigest: how many of them have no digest, so that no change of content behind size and time can be seen; LastRead: when the latest of them was read; LastVerified: when the latest of them was verified, empty if none was; FirstPath: the first of them, by path
-- Options: before=365 days ago: what was read or verified last before this day was so too long ago
-- Tags: problem, note
-- Description: Files that were read last before that day, and that no dcat verify --digest has found since to have the bytes of their digest; counted by folder and by how that is. Kept is for each file which run found it right last (file.verified_run_ref), also of a selection or one folder, and of a run that was interrupted. Size and time, which a dcat verify without --digest looks at, prove no content.
-- Action: Run dcat verify --digest. What has no digest gets one by dcat index --digest.
WITH proved AS (
  SELECT f.root_ref, f.path, f.size_bytes, f.digest, substr(u.started_at, 1, 10) AS read_on, substr(v.started_at, 1, 10) AS verified_on,
    CASE WHEN v.id IS NULL THEN 'never verified' WHEN v.id < f.last_run_ref THEN 'changed since' ELSE 'too long ago' END AS why
  FROM file f
  JOIN run u ON u.id = f.last_run_ref
  LEFT JOIN run v ON v.id = f.verified_run_ref
  WHERE f.status NOT IN ('missing', 'not-followed', 'not-dicom')
    AND substr(u.started_at, 1, 10) < :before
    AND (v.id IS NULL OR v.id < f.last_run_ref OR substr(v.started_at, 1, 10) < :before)
    AND (:since = 0 OR f.last_run_ref > :since)
)
SELECT
  r.path AS Root,
  p.why AS Why,
  count(*) AS Files,
  coalesce(sum(p.size_bytes), 0) AS SizeBytes,
  sum(CASE WHEN p.digest IS NULL THEN 1 ELSE 0 END) AS WithoutDigest,
  max(p.read_on) AS LastRead,
  coalesce(max(p.verified_on), '') AS LastVerified,
  r.path || '/' || min(p.path) AS FirstPath
FROM proved p
JOIN root r ON r.id = p.root_ref
GROUP BY r.id, r.path, p.why
ORDER BY r.path, p.why
