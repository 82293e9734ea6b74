-- Title: One name and birth date under several Patient IDs
-- Group: People
-- Columns: PatientName, PatientBirthDate, PatientSex: the person; IssuerOfPatientID: who assigned the IDs; PatientID: one of the IDs; IDs: how many there are; Studies: how many studies are filed under this one
-- Tags: problem, warning
-- Description: One of several Patient IDs of one issuer under which the same name (without regard to case and accents) and birth date are filed. Probably one person who was registered twice, so that part of their history is not found.
-- Action: Ask the source system whether it is one person; have the IDs merged there, and fetch the files again. Namesakes born on one day do exist.
WITH alike AS (
  SELECT
    patient_name_folded AS name,
    patient_birth_date AS birth_date,
    coalesce(issuer_of_patient_id, '') AS issuer,
    count(DISTINCT patient_id) AS ids
  FROM patient
  WHERE patient_name_folded <> '' AND patient_birth_date <> '' AND patient_id <> ''
  GROUP BY patient_name_folded, patient_birth_date, coalesce(issuer_of_patient_id, '')
  HAVING count(DISTINCT patient_id) > 1
)
SELECT
  p.patient_name AS PatientName,
  p.patient_birth_date AS PatientBirthDate,
  p.patient_sex AS PatientSex,
  a.issuer AS IssuerOfPatientID,
  p.patient_id AS PatientID,
  a.ids AS IDs,
  (SELECT count(*) FROM study t WHERE t.patient_ref = p.id) AS Studies
FROM alike a
JOIN patient p ON p.patient_name_folded = a.name AND p.patient_birth_date = a.birth_date
  AND coalesce(p.issuer_of_patient_id, '') = a.issuer AND p.patient_id <> ''
WHERE :since = 0 OR EXISTS (
  SELECT 1
  FROM patient q
  JOIN study t ON t.patient_ref = q.id
  JOIN series s ON s.study_ref = t.id
  JOIN instance i ON i.series_ref = s.id
  JOIN file f ON f.instance_ref = i.id
  WHERE q.patient_name_folded = a.name AND q.patient_birth_date = a.birth_date
    AND coalesce(q.issuer_of_patient_id, '') = a.issuer AND f.last_run_ref > :since
)
ORDER BY a.name, a.birth_date, a.issuer, p.patient_id
