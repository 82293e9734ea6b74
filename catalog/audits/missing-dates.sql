-- Title: Studies without date, patients without birth date
-- Group: Dates and attributes
-- Columns: Attribute: StudyDate or PatientBirthDate; PatientID, IssuerOfPatientID: the patient; StudyInstanceUID: the study, empty for the birth date of a patient who has an ID; Studies: how many studies are concerned; FirstStudyDate: date of the first of them
-- Tags: problem, note
-- Description: A study without Study Date, or a patient without birth date, in all files. Both are Type 2: they may be empty where they are not known. A patient who is known from a DICOMDIR alone does not count, as its records seldom have birth dates. Such a study is found by no selection by date, and namesakes cannot be told apart.
-- Action: Nothing if the files were anonymised; otherwise have the source system fill them in.
SELECT
  'StudyDate' AS Attribute,
  p.patient_id AS PatientID,
  p.issuer_of_patient_id AS IssuerOfPatientID,
  t.study_instance_uid AS StudyInstanceUID,
  1 AS Studies,
  '' AS FirstStudyDate
FROM study t
JOIN patient p ON p.id = t.patient_ref
WHERE coalesce(t.study_date, '') = '' AND coalesce(t.raw ->> 'StudyDate', '') = ''
  AND (:since = 0 OR EXISTS (
    SELECT 1 FROM series s JOIN instance i ON i.series_ref = s.id JOIN file f ON f.instance_ref = i.id
    WHERE s.study_ref = t.id AND f.last_run_ref > :since
  ))
UNION ALL
SELECT
  'PatientBirthDate',
  p.patient_id,
  p.issuer_of_patient_id,
  CASE WHEN coalesce(p.patient_id, '') = '' THEN (SELECT coalesce(min(t.study_instance_uid), '') FROM study t WHERE t.patient_ref = p.id) ELSE '' END,
  (SELECT count(*) FROM study t WHERE t.patient_ref = p.id),
  (SELECT coalesce(min(t.study_date), '') FROM study t WHERE t.patient_ref = p.id AND t.study_date <> '')
FROM patient p
WHERE p.provenance = 'header' AND coalesce(p.patient_birth_date, '') = '' AND coalesce(p.raw ->> 'PatientBirthDate', '') = ''
  AND (:since = 0 OR EXISTS (
    SELECT 1 FROM study t JOIN series s ON s.study_ref = t.id JOIN instance i ON i.series_ref = s.id JOIN file f ON f.instance_ref = i.id
    WHERE t.patient_ref = p.id AND f.last_run_ref > :since
  ))
ORDER BY 1 DESC, 2 NULLS FIRST, 3 NULLS FIRST, 4 NULLS FIRST
