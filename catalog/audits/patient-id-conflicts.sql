-- Title: Patient IDs with several names, birth dates or sexes
-- Columns: PatientID, IssuerOfPatientID: the ID; Attribute: what differs; Value: one of the values; Files: how many files state it; FirstPath: the first of them
-- Tags: problem, error
-- Description: One Patient ID should be one person. A name that changed (marriage, correction) is harmless; two birth dates are two people, or a mistake at registration: correct it in the source system. Files that are silent do not count.
WITH stated AS (
  SELECT
    p.id AS patient_ref,
    k.keyword AS keyword,
    CASE WHEN d.file_ref IS NOT NULL THEN coalesce(d.value, d.raw) ELSE k.value END AS value,
    r.path || '/' || f.path AS path
  FROM patient p
  JOIN (
    SELECT id, 'PatientName' AS keyword, patient_name AS value FROM patient
    UNION ALL
    SELECT id, 'PatientBirthDate', coalesce(patient_birth_date, json_extract(raw, '$.PatientBirthDate')) FROM patient
    UNION ALL
    SELECT id, 'PatientSex', patient_sex FROM patient
  ) k ON k.id = p.id
  JOIN study t ON t.patient_ref = p.id
  JOIN series s ON s.study_ref = t.id
  JOIN instance i ON i.series_ref = s.id
  JOIN file f ON f.instance_ref = i.id AND f.status <> 'missing'
  JOIN root r ON r.id = f.root_ref
  LEFT JOIN discrepancy d ON d.file_ref = f.id AND d.keyword = k.keyword
  WHERE p.is_disputed
), counted AS (
  SELECT patient_ref, keyword, value, count(*) AS files, min(path) AS first_path
  FROM stated
  WHERE value <> ''
  GROUP BY patient_ref, keyword, value
)
SELECT
  p.patient_id AS PatientID,
  p.issuer_of_patient_id AS IssuerOfPatientID,
  c.keyword AS Attribute,
  c.value AS Value,
  c.files AS Files,
  c.first_path AS FirstPath
FROM counted c
JOIN patient p ON p.id = c.patient_ref
WHERE EXISTS (
  SELECT 1 FROM counted other
  WHERE other.patient_ref = c.patient_ref AND other.keyword = c.keyword AND other.value <> c.value
)
ORDER BY p.patient_id, p.issuer_of_patient_id, c.keyword, c.files DESC, c.value
