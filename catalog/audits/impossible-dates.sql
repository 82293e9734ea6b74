-- Title: Dates and times that cannot be
-- Group: Dates and attributes
-- Columns: Attribute: which date or time; Fault: why it cannot be; Value: what it says; PatientID: the patient; StudyInstanceUID, SeriesInstanceUID: where, empty if it describes more than that; Instances: how many instances are concerned; FirstPath: the first of their files
-- Tags: problem, warning
-- Description: A date or time that is none of the calendar or clock ("not a date or time"), a study before the birth of its patient, of a patient older than 130 years, or before X-rays were discovered in November 1895. What cannot be read as a date is found by no selection by date.
-- Action: Have the date corrected in the source system. Made-up dates of anonymised files contradict each other easily: there it is harmless.
WITH lives AS MATERIALIZED (
  SELECT
    t.id AS study_ref, t.patient_ref AS patient_ref,
    CASE
      WHEN t.study_date < '1895-11-08' THEN 'before X-rays were discovered'
      WHEN t.study_date < p.patient_birth_date THEN 'study before birth'
      ELSE 'older than 130 years'
    END AS fault,
    t.study_date AS value
  FROM study t
  JOIN patient p ON p.id = t.patient_ref
  WHERE t.study_date <> '' AND (
    t.study_date < '1895-11-08'
    OR (p.patient_birth_date <> '' AND t.study_date < p.patient_birth_date)
    OR (p.patient_birth_date <> '' AND CAST(nullif(substr(t.study_date, 1, 4), '') AS INTEGER) - CAST(nullif(substr(p.patient_birth_date, 1, 4), '') AS INTEGER) > 130)
  )
), stated AS (
  SELECT 'StudyDate' AS keyword, l.fault AS fault, l.value AS value, 'study' AS level, l.patient_ref AS patient_ref, l.study_ref AS study_ref, s.id AS series_ref, i.id AS instance_ref, CAST(NULL AS BIGINT) AS file_ref
  FROM lives l
  LEFT JOIN series s ON s.study_ref = l.study_ref
  LEFT JOIN instance i ON i.series_ref = s.id
  UNION ALL
  SELECT 'PatientBirthDate', 'not a date or time', p.raw ->> 'PatientBirthDate', 'patient', p.id, t.id, s.id, i.id, NULL
  FROM patient p
  LEFT JOIN study t ON t.patient_ref = p.id
  LEFT JOIN series s ON s.study_ref = t.id
  LEFT JOIN instance i ON i.series_ref = s.id
  WHERE p.raw IS NOT NULL AND p.patient_birth_date IS NULL AND p.raw ->> 'PatientBirthDate' <> ''
  UNION ALL
  SELECT k.keyword, 'not a date or time', t.raw ->> k.keyword, 'study', t.patient_ref, t.id, s.id, i.id, NULL
  FROM study t
  JOIN (SELECT 'StudyDate' AS keyword UNION ALL SELECT 'StudyTime') k ON t.raw ->> k.keyword <> ''
  LEFT JOIN series s ON s.study_ref = t.id
  LEFT JOIN instance i ON i.series_ref = s.id
  WHERE t.raw IS NOT NULL AND CASE k.keyword WHEN 'StudyDate' THEN t.study_date ELSE t.study_time END IS NULL
  UNION ALL
  SELECT k.keyword, 'not a date or time', s.raw ->> k.keyword, 'series', t.patient_ref, t.id, s.id, i.id, NULL
  FROM series s
  JOIN (SELECT 'SeriesDate' AS keyword UNION ALL SELECT 'SeriesTime') k ON s.raw ->> k.keyword <> ''
  JOIN study t ON t.id = s.study_ref
  LEFT JOIN instance i ON i.series_ref = s.id
  WHERE s.raw IS NOT NULL AND CASE k.keyword WHEN 'SeriesDate' THEN s.series_date ELSE s.series_time END IS NULL
  UNION ALL
  SELECT k.keyword, 'not a date or time', i.raw ->> k.keyword, 'instance', t.patient_ref, t.id, s.id, i.id, NULL
  FROM instance i
  JOIN (SELECT 'ContentDate' AS keyword UNION ALL SELECT 'ContentTime' UNION ALL SELECT 'AcquisitionDateTime') k ON i.raw ->> k.keyword <> ''
  LEFT JOIN series s ON s.id = i.series_ref
  LEFT JOIN study t ON t.id = s.study_ref
  WHERE i.raw IS NOT NULL
    AND CASE k.keyword WHEN 'ContentDate' THEN i.content_date WHEN 'ContentTime' THEN i.content_time ELSE i.acquisition_date_time END IS NULL
  UNION ALL
  SELECT d.keyword, 'not a date or time', d.raw, 'file', t.patient_ref, t.id, s.id, i.id, d.file_ref
  FROM discrepancy d
  JOIN file f ON f.id = d.file_ref
  JOIN instance i ON i.id = f.instance_ref
  LEFT JOIN series s ON s.id = i.series_ref
  LEFT JOIN study t ON t.id = s.study_ref
  WHERE d.keyword IN ('PatientBirthDate', 'StudyDate', 'StudyTime', 'SeriesDate', 'SeriesTime', 'ContentDate', 'ContentTime', 'AcquisitionDateTime')
    AND d.value IS NULL AND d.raw <> ''
)
SELECT
  x.keyword AS Attribute,
  x.fault AS Fault,
  x.value AS Value,
  p.patient_id AS PatientID,
  CASE WHEN x.level <> 'patient' THEN t.study_instance_uid ELSE '' END AS StudyInstanceUID,
  CASE WHEN x.level NOT IN ('patient', 'study') THEN s.series_instance_uid ELSE '' END AS SeriesInstanceUID,
  count(DISTINCT x.instance_ref) AS Instances,
  min(r.path || '/' || f.path) AS FirstPath
FROM stated x
LEFT JOIN patient p ON p.id = x.patient_ref
LEFT JOIN study t ON t.id = x.study_ref
LEFT JOIN series s ON s.id = x.series_ref
LEFT JOIN file f ON f.instance_ref = x.instance_ref AND (x.file_ref IS NULL OR f.id = x.file_ref)
LEFT JOIN root r ON r.id = f.root_ref
GROUP BY
  x.keyword, x.fault, x.value, x.patient_ref, p.patient_id,
  CASE WHEN x.level <> 'patient' THEN t.study_instance_uid ELSE '' END,
  CASE WHEN x.level NOT IN ('patient', 'study') THEN s.series_instance_uid ELSE '' END
HAVING :since = 0 OR max(f.last_run_ref) > :since
ORDER BY 1, 2, 3, 4 NULLS FIRST, 5 NULLS FIRST, 6 NULLS FIRST, x.patient_ref NULLS FIRST
