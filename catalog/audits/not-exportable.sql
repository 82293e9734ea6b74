-- Title: Instances for which no directory record exists
-- Columns: SOPClassUID: the SOP Class; Instances: how many there are; FirstSOPInstanceUID: one of them
-- Tags: problem, note
-- Description: The standard defines no directory record for these SOP Classes (PS3.3 F.5), or they are private, so they cannot go into a File-set. They are left out of exports, and each export says so.
SELECT
  sop_class_uid AS SOPClassUID,
  count(*) AS Instances,
  min(sop_instance_uid) AS FirstSOPInstanceUID
FROM instance
WHERE directory_record_type IS NULL
GROUP BY sop_class_uid
ORDER BY count(*) DESC, sop_class_uid
