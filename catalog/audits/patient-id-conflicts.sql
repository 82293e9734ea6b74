-- Title: Patient IDs with several names, birth dates or sexes
-- Group: People
-- Columns: PatientID, IssuerOfPatientID: the ID; Attribute: what differs; Value: one of the values; Files: how many files state it; FirstPath: the first of them
-- Tags: problem, error
-- Description: One of the values that files with this Patient ID state. One Patient ID should be one person: a name that changed (marriage, correction) is harmless, two birth dates are two people, or a mistake at registration. Files that are silent do not count.
-- Action: Find out in the source system who it is. If two people share an ID, have it corrected there and fetch the files again; if only the spelling differs, nothing more is needed.
WITH stated AS (
  SELECT
    p.id AS patient_ref,
    k.keyword AS keyword,
    CASE WHEN d.file_ref IS NOT NULL THEN coalesce(d.value, d.raw) ELSE k.value END AS value,
    r.path || '/' || f.path AS path,
    f.last_run_ref AS run_ref
  FROM patient p
  JOIN (
    SELECT id, 'PatientName' AS keyword, patient_name AS value FROM patient
    UNION ALL
    SELECT id, 'PatientBirthDate', coalesce(patient_birth_date, raw ->> 'PatientBirthDate') FROM patient
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
  SELECT
    patient_ref, keyword, value, count(*) AS files, min(path) AS first_path, max(run_ref) AS run_ref
  FROM stated
  WHERE value <> ''
  GROUP BY patient_ref, keyword, value
), conflicts AS (
  SELECT patient_ref, keyword
  FROM counted
  GROUP BY patient_ref, keyword
  HAVING count(*) > 1 AND (:since = 0 OR max(run_ref) > :since)
)
SELECT
  p.patient_id AS PatientID,
  p.issuer_of_patient_id AS IssuerOfPatientID,
  c.keyword AS Attribute,
  c.value AS Value,
  c.files AS Files,
  c.first_path AS FirstPath
FROM conflicts x
JOIN counted c ON c.patient_ref = x.patient_ref AND c.keyword = x.keyword
JOIN patient p ON p.id = c.patient_ref
ORDER BY p.patient_id NULLS FIRST, p.issuer_of_patient_id NULLS FIRST, c.keyword, c.files DESC, c.value, p.id
