-- Title: Files and bytes by Transfer Syntax
-- Group: Volumes and growth
-- Columns: TransferSyntaxUID: how the files are encoded, empty if they do not say it; Files, SizeBytes: files that are there, and their bytes; Instances: how many instances they hold
-- Tags: figures
-- Description: How the archive is encoded and compressed (PS3.5 §A). Nothing here is wrong.
SELECT
  coalesce(f.transfer_syntax_uid, '') AS TransferSyntaxUID,
  count(*) AS Files,
  coalesce(sum(f.size_bytes), 0) AS SizeBytes,
  count(DISTINCT f.instance_ref) AS Instances
FROM file f
WHERE f.instance_ref IS NOT NULL AND f.status <> 'missing'
GROUP BY coalesce(f.transfer_syntax_uid, '')
ORDER BY 3 DESC, 1
