-- Title: Series with several Frames of Reference
-- Group: Series
-- Columns: SeriesInstanceUID: the series; Modality: its modality; FrameOfReferenceUID: what most of its files state; OtherFrameOfReferenceUID: what some state instead; Files: how many do; FirstPath: the first of them; PatientID: the patient
-- Tags: problem, warning
-- Description: Files of one series whose positions are measured in another Frame of Reference than those of the others; a series has one (PS3.3 A.1.2.5), and positions in two of them cannot be compared.
-- Action: Do not build volumes or plans from the whole series. Look whether two series were given one Series Instance UID, or the patient was positioned anew.
SELECT
  s.series_instance_uid AS SeriesInstanceUID,
  s.modality AS Modality,
  s.frame_of_reference_uid AS FrameOfReferenceUID,
  d.value AS OtherFrameOfReferenceUID,
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
WHERE d.keyword = 'FrameOfReferenceUID' AND d.value <> '' AND s.frame_of_reference_uid <> ''
GROUP BY s.id, s.series_instance_uid, s.modality, s.frame_of_reference_uid, d.value, p.patient_id
HAVING :since = 0 OR max(f.last_run_ref) > :since
ORDER BY s.series_instance_uid NULLS FIRST, s.id, d.value
