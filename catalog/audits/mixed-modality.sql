-- Title: Series with several modalities
-- Group: Series
-- Columns: SeriesInstanceUID: the series; Modality: what most of its files state; OtherModality: what some state instead; Files: how many do; FirstPath: the first of them; PatientID: the patient
-- Tags: problem, error
-- Description: Files of one series that state another Modality than the others; a series has one (PS3.3 C.7.3.1).
-- Action: Look which of the two is right. Often a secondary capture or a report was filed under the series of its images: have its source give it a series of its own.
SELECT
  s.series_instance_uid AS SeriesInstanceUID,
  s.modality AS Modality,
  d.value AS OtherModality,
  count(*) AS Files,
  min(r.path || '/' || f.path) AS FirstPath,
  p.patient_id AS PatientID
FROM discrepancy d
JOIN file f ON f.id = d.file_ref AND f.status <> 'missing'
JOIN root r ON r.id = f.root_ref
JOIN instance i ON i.id = f.instance_ref
JOIN series s ON s.id = i.series_ref
JOIN study t ON t.id = s.study_ref
JOIN patient p ON p.id = t.patient_ref
WHERE d.keyword = 'Modality' AND d.value <> '' AND s.modality <> ''
GROUP BY s.id, s.series_instance_uid, s.modality, d.value, p.patient_id
HAVING :since = 0 OR max(f.last_run_ref) > :since
ORDER BY s.series_instance_uid NULLS FIRST, s.id, d.value
