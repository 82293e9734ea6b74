-- Title: Folders with files that were not verified for long
-- Group: Files
-- Columns: Root: the indexed folder; Files, SizeBytes: its files that were not verified, and their bytes; WithoutDigest: how many of them have no digest, so that a change of content behind size and time cannot be seen; LastRead: when the latest of them was read; LastVerified: when a verification last went through everything, empty if none did
-- Options: before=365 days ago: what was last verified before this day was so too long ago
-- Tags: problem, note
-- Description: An indexed folder with files that were read last before that day, and that no finished dcat verify of everything has looked at since. A verification counts if it met as many files as were known then; one of a selection or of one folder is not kept by file, and does not count.
-- Action: Run dcat verify without arguments; with --digest it reads every file to its end (dcat index --digest makes the digests).
WITH seen AS (
  SELECT first_run_ref AS run_ref, count(*) AS files FROM file GROUP BY first_run_ref
), whole AS (
  SELECT max(substr(u.started_at, 1, 10)) AS day
  FROM run u
  WHERE u.command = 'verify' AND u.outcome = 'done'
    AND coalesce(CAST(u.counts ->> 'same' AS INTEGER), 0) + coalesce(CAST(u.counts ->> 'changed' AS INTEGER), 0)
      + coalesce(CAST(u.counts ->> 'missing' AS INTEGER), 0)
      >= (SELECT coalesce(sum(n.files), 0) FROM seen n WHERE n.run_ref < u.id)
)
SELECT
  r.path AS Root,
  count(*) AS Files,
  coalesce(sum(f.size_bytes), 0) AS SizeBytes,
  sum(CASE WHEN f.digest IS NULL THEN 1 ELSE 0 END) AS WithoutDigest,
  max(substr(u.started_at, 1, 10)) AS LastRead,
  coalesce(max(w.day), '') AS LastVerified
FROM file f
JOIN root r ON r.id = f.root_ref
JOIN run u ON u.id = f.last_run_ref
CROSS JOIN whole w
WHERE f.status NOT IN ('missing', 'not-followed', 'not-dicom')
  AND substr(u.started_at, 1, 10) < :before AND coalesce(w.day, '') < :before
  AND (:since = 0 OR f.last_run_ref > :since)
GROUP BY r.id, r.path
ORDER BY r.path
