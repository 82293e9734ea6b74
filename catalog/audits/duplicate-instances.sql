-- Title: SOP Instance UIDs that more than one file has
-- Columns: SOPInstanceUID: the UID; Files: how many files have it; Instances: under how many series it is catalogued; Sizes, TransferSyntaxes: how many different ones; Verdict: see below; FirstPath, LastPath: the first and last of the files by path
-- Tags: problem, warning
-- Description: A SOP Instance UID names one instance for all time (PS3.5 §9). "different" means that size, transfer syntax, series or digest differ: find out which file is the true one, and export with care. "same size" may be a plain copy; compare the digests before removing one.
SELECT
  i.sop_instance_uid AS SOPInstanceUID,
  count(*) AS Files,
  count(DISTINCT i.id) AS Instances,
  count(DISTINCT f.size_bytes) AS Sizes,
  count(DISTINCT f.transfer_syntax_uid) AS TransferSyntaxes,
  CASE
    WHEN count(DISTINCT i.id) > 1 OR count(DISTINCT f.size_bytes) > 1
      OR count(DISTINCT f.transfer_syntax_uid) > 1 OR count(DISTINCT f.digest) > 1 THEN 'different'
    ELSE 'same size'
  END AS Verdict,
  min(r.path || '/' || f.path) AS FirstPath,
  max(r.path || '/' || f.path) AS LastPath
FROM instance i
JOIN file f ON f.instance_ref = i.id AND f.status <> 'missing'
JOIN root r ON r.id = f.root_ref
GROUP BY i.sop_instance_uid
HAVING count(*) > 1
ORDER BY i.sop_instance_uid
