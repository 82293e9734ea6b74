-- Title: SOP Instance UIDs of files with different bytes
-- Group: Identity of instances
-- Columns: SOPInstanceUID: the UID; Files: how many files have it; Instances: under how many series it is catalogued; Sizes, TransferSyntaxes, Digests: how many different ones (Digests of those files that have one); FirstPath, LastPath: the first and last of the files by path
-- Tags: problem, error
-- Description: Several files claim one SOP Instance UID, which names one instance for all time (PS3.5 §9), and differ: in size, Transfer Syntax, digest, or by the patient, study or series that they name. Usually something changed a file without giving it a new UID, or compressed it.
-- Action: Compare the files (dcmdump, or dcat find files --instance UID) and find out which one is true; take the others away, or have their source give them new UIDs. Until then dcat export leaves the instance out, unless told --take-first.
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
  count(DISTINCT i.id) AS Instances,
  count(DISTINCT f.size_bytes) AS Sizes,
  count(DISTINCT f.transfer_syntax_uid) AS TransferSyntaxes,
  count(DISTINCT f.digest) AS Digests,
  min(r.path || '/' || f.path) AS FirstPath,
  max(r.path || '/' || f.path) AS LastPath
FROM several x
JOIN instance i ON i.sop_instance_uid = x.uid
JOIN file f ON f.instance_ref = i.id AND f.status <> 'missing'
JOIN root r ON r.id = f.root_ref
WHERE x.uid <> ''
GROUP BY i.sop_instance_uid
HAVING count(*) > 1
  AND (count(DISTINCT i.id) > 1 OR count(DISTINCT f.size_bytes) > 1
    OR count(DISTINCT f.transfer_syntax_uid) > 1 OR count(DISTINCT f.digest) > 1)
  AND (:since = 0 OR max(f.last_run_ref) > :since)
ORDER BY i.sop_instance_uid
