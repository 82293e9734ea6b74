-- Title: Studies that are filed under several patients
-- Group: Identity of instances
-- Columns: StudyInstanceUID: the study; PatientID, IssuerOfPatientID, PatientName: one of its patients; Instances: how many of its instances are filed there; FirstPath: the first of their files
-- Tags: problem, error
-- Description: One of the patients under whom the files of a study are filed; a study belongs to exactly one (PS3.3 A.1.2.2). Somebody's images carry the wrong ID, or an ID was changed for part of a study. What a DICOMDIR states otherwise than its files does not count.
-- Action: Find out in the source system whose study it is, and have the other files corrected. One File-set cannot hold them together: until then export them with --patient.
WITH owned AS MATERIALIZED (
  SELECT
    t.study_instance_uid AS uid,
    t.patient_ref AS patient_ref,
    count(DISTINCT i.id) AS instances,
    min(r.path || '/' || f.path) AS first_path,
    max(f.last_run_ref) AS run_ref
  FROM study t
  JOIN series s ON s.study_ref = t.id
  JOIN instance i ON i.series_ref = s.id
  JOIN file f ON f.instance_ref = i.id
  JOIN root r ON r.id = f.root_ref
  WHERE t.study_instance_uid IN (
    SELECT study_instance_uid FROM study
    WHERE study_instance_uid <> ''
    GROUP BY study_instance_uid
    HAVING count(*) > 1
  )
  GROUP BY t.study_instance_uid, t.patient_ref
), shared AS (
  SELECT uid
  FROM owned
  GROUP BY uid
  HAVING count(*) > 1 AND (:since = 0 OR max(run_ref) > :since)
)
SELECT
  o.uid AS StudyInstanceUID,
  p.patient_id AS PatientID,
  p.issuer_of_patient_id AS IssuerOfPatientID,
  p.patient_name AS PatientName,
  o.instances AS Instances,
  o.first_path AS FirstPath
FROM shared x
JOIN owned o ON o.uid = x.uid
JOIN patient p ON p.id = o.patient_ref
ORDER BY o.uid, p.patient_id NULLS FIRST, p.issuer_of_patient_id NULLS FIRST, p.id
