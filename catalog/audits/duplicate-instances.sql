-- Title: SOP Instance UIDs of several files that seem alike
-- Group: Identity of instances
-- Columns: SOPInstanceUID: the UID; Files: how many files have it; SizeBytes: size of each; Verdict: "same bytes" if all have a digest and it is one, else "same size"; FirstPath, LastPath: the first and last of the files by path
-- Tags: problem, note
-- Description: Several files hold one instance and nothing known tells them apart. "same bytes" are copies; of "same size" not every file has a digest yet.
-- Action: Nothing needs to be done; exports take one of them. To save space compare the digests first (dcat index --digest), then delete the copies.
WITH several AS MATERIALIZED (
  SELECT sop_instance_uid AS uid
  FROM instance
  WHERE sop_instance_uid <> ''
  GROUP BY sop_instance_uid
  HAVING count(*) > 1
  UNION
  SELECT i.sop_instance_uid
  FROM (SELECT instance_ref FROM file WHERE instance_ref IS NOT NULL GROUP BY instance_ref HAVING count(*) > 1) g
  JOIN instance i ON i.id = g.instance_ref
)
SELECT
  i.sop_instance_uid AS SOPInstanceUID,
  count(*) AS Files,
  max(f.size_bytes) AS SizeBytes,
  CASE WHEN count(f.digest) = count(*) THEN 'same bytes' ELSE 'same size' END AS Verdict,
  min(r.path || '/' || f.path) AS FirstPath,
  max(r.path || '/' || f.path) AS LastPath
FROM several x
JOIN instance i ON i.sop_instance_uid = x.uid
JOIN file f ON f.instance_ref = i.id AND f.status <> 'missing'
JOIN root r ON r.id = f.root_ref
WHERE x.uid <> ''
GROUP BY i.sop_instance_uid
HAVING count(*) > 1 AND count(DISTINCT i.id) = 1
  AND count(DISTINCT f.size_bytes) <= 1 AND count(DISTINCT f.transfer_syntax_uid) <= 1
  AND count(DISTINCT f.digest) <= 1
  AND (:since = 0 OR max(f.last_run_ref) > :since)
ORDER BY i.sop_instance_uid
