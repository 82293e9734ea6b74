-- Title: Dates in the future
-- Group: Dates and attributes
-- Columns: Attribute: which date; Value: what it says; Level: what it describes; PatientID: the patient; StudyInstanceUID, SeriesInstanceUID: where, empty if it describes more than that; Instances: how many instances are concerned; FirstPath: the first of their files
-- Options: today=today: the last day that is no future
-- Tags: problem, error
-- Description: A birth, study, series, content or acquisition date after today. The clock of the equipment was wrong, or somebody mistyped a birth date.
-- Action: Have the date corrected in the source system. Look at other studies of that machine and day, as their dates may be wrong and not show it. East of here it may be tomorrow already: ask with -p today=… then.
WITH stated AS (
  SELECT 'PatientBirthDate' AS keyword, p.patient_birth_date AS value, 'patient' AS level, p.id AS patient_ref, t.id AS study_ref, s.id AS series_ref, i.id AS instance_ref, CAST(NULL AS BIGINT) AS file_ref
  FROM patient p
  LEFT JOIN study t ON t.patient_ref = p.id
  LEFT JOIN series s ON s.study_ref = t.id
  LEFT JOIN instance i ON i.series_ref = s.id
  WHERE p.patient_birth_date > :today
  UNION ALL
  SELECT 'StudyDate', t.study_date, 'study', t.patient_ref, t.id, s.id, i.id, NULL
  FROM study t
  LEFT JOIN series s ON s.study_ref = t.id
  LEFT JOIN instance i ON i.series_ref = s.id
  WHERE t.study_date > :today
  UNION ALL
  SELECT 'SeriesDate', s.series_date, 'series', t.patient_ref, t.id, s.id, i.id, NULL
  FROM series s
  JOIN study t ON t.id = s.study_ref
  LEFT JOIN instance i ON i.series_ref = s.id
  WHERE s.series_date > :today
  UNION ALL
  SELECT 'ContentDate', i.content_date, 'instance', t.patient_ref, t.id, s.id, i.id, NULL
  FROM instance i
  LEFT JOIN series s ON s.id = i.series_ref
  LEFT JOIN study t ON t.id = s.study_ref
  WHERE i.content_date > :today
  UNION ALL
  SELECT 'AcquisitionDateTime', substr(i.acquisition_date_time, 1, 10), 'instance', t.patient_ref, t.id, s.id, i.id, NULL
  FROM instance i
  LEFT JOIN series s ON s.id = i.series_ref
  LEFT JOIN study t ON t.id = s.study_ref
  WHERE substr(i.acquisition_date_time, 1, 10) > :today
  UNION ALL
  SELECT d.keyword, substr(d.value, 1, 10), 'file', t.patient_ref, t.id, s.id, i.id, d.file_ref
  FROM discrepancy d
  JOIN file f ON f.id = d.file_ref
  JOIN instance i ON i.id = f.instance_ref
  LEFT JOIN series s ON s.id = i.series_ref
  LEFT JOIN study t ON t.id = s.study_ref
  WHERE d.keyword IN ('PatientBirthDate', 'StudyDate', 'SeriesDate', 'ContentDate', 'AcquisitionDateTime')
    AND substr(d.value, 1, 10) > :today
)
SELECT
  x.keyword AS Attribute,
  x.value AS Value,
  x.level AS Level,
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
  x.keyword, x.value, x.level, x.patient_ref, p.patient_id,
  CASE WHEN x.level <> 'patient' THEN t.study_instance_uid ELSE '' END,
  CASE WHEN x.level NOT IN ('patient', 'study') THEN s.series_instance_uid ELSE '' END
HAVING :since = 0 OR max(f.last_run_ref) > :since
ORDER BY 1, 2, 4 NULLS FIRST, 5 NULLS FIRST, 6 NULLS FIRST, 3, x.patient_ref NULLS FIRST
