-- Title: Accession Numbers that several studies have
-- Group: Identity of instances
-- Columns: AccessionNumber: the number; Studies: how many studies have it; Patients: of how many patients; StudyInstanceUID: one of the studies; StudyDate: its date; PatientID: its patient
-- Tags: problem, warning
-- Description: One of the studies that have this Accession Number. One order may lead to several studies (several rooms, several days); an Accession Number of several patients is a mistake, or comes from institutions that number alike.
-- Action: If Patients is more than 1, find out in the source system to whom the order belongs. Otherwise look whether the studies are one examination.
WITH numbers AS (
  SELECT
    accession_number AS number,
    count(DISTINCT study_instance_uid) AS studies,
    count(DISTINCT patient_ref) AS patients
  FROM study
  WHERE accession_number <> ''
  GROUP BY accession_number
  HAVING count(DISTINCT study_instance_uid) > 1
)
SELECT
  n.number AS AccessionNumber,
  n.studies AS Studies,
  n.patients AS Patients,
  t.study_instance_uid AS StudyInstanceUID,
  t.study_date AS StudyDate,
  p.patient_id AS PatientID
FROM numbers n
JOIN study t ON t.accession_number = n.number
JOIN patient p ON p.id = t.patient_ref
WHERE :since = 0 OR EXISTS (
  SELECT 1
  FROM study o
  JOIN series s ON s.study_ref = o.id
  JOIN instance i ON i.series_ref = s.id
  JOIN file f ON f.instance_ref = i.id
  WHERE o.accession_number = n.number AND f.last_run_ref > :since
)
ORDER BY n.patients DESC, n.number, t.study_date NULLS FIRST, t.study_instance_uid NULLS FIRST, p.patient_id NULLS FIRST, t.id
