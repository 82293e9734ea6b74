-- Title: Images that say who the patient is in their pixels
-- Group: Dates and attributes
-- Columns: SeriesInstanceUID: the series; Modality: its modality; Instances: how many of its instances say so; FirstPath: the first of their files that says so; StudyInstanceUID: the study; PatientID: the patient
-- Tags: problem, warning
-- Description: A series with instances whose Burned In Annotation (0028,0301) is YES: their pixels show enough to identify the patient (PS3.3 C.7.6.1). An image that does not say anything may show it all the same, above all ultrasound, secondary captures and scanned documents.
-- Action: Do not give them away as anonymised; have the pixels cleaned first, or leave the series out.
SELECT
  s.series_instance_uid AS SeriesInstanceUID,
  s.modality AS Modality,
  count(DISTINCT b.instance_ref) AS Instances,
  min(CASE WHEN e.value = 'YES' OR (e.file_ref IS NULL AND i.burned_in_annotation = 'YES') THEN r.path || '/' || f.path END) AS FirstPath,
  t.study_instance_uid AS StudyInstanceUID,
  p.patient_id AS PatientID
FROM (
  SELECT id AS instance_ref, series_ref FROM instance WHERE burned_in_annotation = 'YES'
  UNION
  SELECT i.id, i.series_ref
  FROM discrepancy d
  JOIN file f ON f.id = d.file_ref
  JOIN instance i ON i.id = f.instance_ref
  WHERE d.keyword = 'BurnedInAnnotation' AND d.value = 'YES'
) b
JOIN instance i ON i.id = b.instance_ref
LEFT JOIN series s ON s.id = b.series_ref
LEFT JOIN study t ON t.id = s.study_ref
LEFT JOIN patient p ON p.id = t.patient_ref
LEFT JOIN file f ON f.instance_ref = b.instance_ref
LEFT JOIN root r ON r.id = f.root_ref
LEFT JOIN discrepancy e ON e.file_ref = f.id AND e.keyword = 'BurnedInAnnotation'
GROUP BY b.series_ref, s.series_instance_uid, s.modality, t.study_instance_uid, p.patient_id
HAVING :since = 0 OR max(f.last_run_ref) > :since
ORDER BY s.series_instance_uid NULLS FIRST, b.series_ref NULLS FIRST
