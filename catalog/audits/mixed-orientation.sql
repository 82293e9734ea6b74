-- Title: Series with slices in several directions
-- Group: Series
-- Columns: SeriesInstanceUID: the series; Modality: its modality; Orientations: how many different ones there are; FirstOrientation, LastOrientation: two of them, direction cosines of row and column rounded to two digits; Images: how many images; PatientID: the patient
-- Tags: problem, note
-- Description: A series whose Image Orientation (Patient) differs from image to image by more than rounding (two digits), localizers left aside.
-- Action: Such a series cannot be stacked into one volume: split it by orientation. Some radial and rotating acquisitions are meant so.
SELECT
  s.series_instance_uid AS SeriesInstanceUID,
  s.modality AS Modality,
  m.orientations AS Orientations,
  m.first_one AS FirstOrientation,
  m.last_one AS LastOrientation,
  m.images AS Images,
  p.patient_id AS PatientID
FROM (
  SELECT
    x.series_ref AS series_ref,
    count(DISTINCT dcat_rounded(i.image_orientation_patient, 2)) AS orientations,
    min(dcat_rounded(i.image_orientation_patient, 2)) AS first_one,
    max(dcat_rounded(i.image_orientation_patient, 2)) AS last_one,
    count(*) AS images
  FROM (
    SELECT o.series_ref AS series_ref
    FROM instance o
    WHERE o.image_orientation_patient <> '' AND upper(coalesce(o.image_type, '')) NOT LIKE '%LOCALIZER%'
    GROUP BY o.series_ref
    HAVING min(o.image_orientation_patient) < max(o.image_orientation_patient)
  ) x
  JOIN instance i ON i.series_ref = x.series_ref
  WHERE i.image_orientation_patient <> '' AND upper(coalesce(i.image_type, '')) NOT LIKE '%LOCALIZER%'
  GROUP BY x.series_ref
) m
JOIN series s ON s.id = m.series_ref
JOIN study t ON t.id = s.study_ref
JOIN patient p ON p.id = t.patient_ref
WHERE m.orientations > 1 AND (:since = 0 OR EXISTS (
  SELECT 1 FROM instance i JOIN file f ON f.instance_ref = i.id
  WHERE i.series_ref = s.id AND f.last_run_ref > :since
))
ORDER BY s.series_instance_uid NULLS FIRST, s.id
