-- Title: Instances and bytes by SOP Class
-- Group: Volumes and growth
-- Columns: SOPClassUID: the SOP Class; DirectoryRecordType: type of the directory record that can hold its instances, empty if there is none; Instances: how many; Files, SizeBytes: files that are there, and their bytes
-- Tags: figures
-- Description: What kinds of objects the archive holds. Nothing here is wrong.
SELECT
  coalesce(i.sop_class_uid, '') AS SOPClassUID,
  coalesce(i.directory_record_type, '') AS DirectoryRecordType,
  count(DISTINCT i.id) AS Instances,
  count(f.id) AS Files,
  coalesce(sum(f.size_bytes), 0) AS SizeBytes
FROM instance i
LEFT JOIN file f ON f.instance_ref = i.id AND f.status <> 'missing'
GROUP BY coalesce(i.sop_class_uid, ''), coalesce(i.directory_record_type, '')
ORDER BY 3 DESC, 1, 2
