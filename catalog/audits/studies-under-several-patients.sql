-- Title: Studies that are filed under several patients
-- Columns: StudyInstanceUID: the study; PatientID, IssuerOfPatientID, PatientName: one of its patients; Instances: how many of its instances are filed there; FirstPath: the first of their files
-- Tags: problem, error
-- Description: A study belongs to exactly one patient (PS3.3 A.1.2.2). Somebody's images carry the wrong ID, or an ID was changed for part of a study. One File-set cannot hold them together: export them by patient.
SELECT
  t.study_instance_uid AS StudyInstanceUID,
  p.patient_id AS PatientID,
  p.issuer_of_patient_id AS IssuerOfPatientID,
  p.patient_name AS PatientName,
  count(DISTINCT i.id) AS Instances,
  min(r.path || '/' || f.path) AS FirstPath
FROM study t
JOIN patient p ON p.id = t.patient_ref
LEFT JOIN series s ON s.study_ref = t.id
LEFT JOIN instance i ON i.series_ref = s.id
LEFT JOIN file f ON f.instance_ref = i.id
LEFT JOIN root r ON r.id = f.root_ref
WHERE t.study_instance_uid IN (
  SELECT study_instance_uid FROM study GROUP BY study_instance_uid HAVING count(*) > 1
)
GROUP BY t.id
ORDER BY t.study_instance_uid, p.patient_id, p.issuer_of_patient_id
