-- Title: Series with images of several sizes
-- Group: Series
-- Columns: SeriesInstanceUID: the series; Modality: its modality; Matrices: how many different sizes there are; LeastRows, MostRows, LeastColumns, MostColumns: from which to which, in pixels; Images: how many images; PatientID: the patient
-- Tags: problem, note
-- Description: A series of CT, MR or PET images whose Rows or Columns differ, localizers left aside. Usual for other modalities, so only these three are looked at.
-- Action: Such a series cannot be stacked into one volume: leave it out of processing, or split it. Look whether a screen capture was filed in it.
SELECT
  s.series_instance_uid AS SeriesInstanceUID,
  s.modality AS Modality,
  m.matrices AS Matrices,
  m.least_rows AS LeastRows,
  m.most_rows AS MostRows,
  m.least_columns AS LeastColumns,
  m.most_columns AS MostColumns,
  m.images AS Images,
  p.patient_id AS PatientID
FROM (
  SELECT
    i.series_ref AS series_ref,
    count(DISTINCT i.rows * 65536 + i.columns) AS matrices,
    min(i.rows) AS least_rows,
    max(i.rows) AS most_rows,
    min(i.columns) AS least_columns,
    max(i.columns) AS most_columns,
    count(*) AS images
  FROM series c
  JOIN instance i ON i.series_ref = c.id
  WHERE c.modality IN ('CT', 'MR', 'PT') AND i.rows > 0 AND i.columns > 0
    AND upper(coalesce(i.image_type, '')) NOT LIKE '%LOCALIZER%'
  GROUP BY i.series_ref
  HAVING min(i.rows) < max(i.rows) OR min(i.columns) < max(i.columns)
) m
JOIN series s ON s.id = m.series_ref
JOIN study t ON t.id = s.study_ref
JOIN patient p ON p.id = t.patient_ref
WHERE :since = 0 OR EXISTS (
  SELECT 1 FROM instance i JOIN file f ON f.instance_ref = i.id
  WHERE i.series_ref = s.id AND f.last_run_ref > :since
)
ORDER BY s.series_instance_uid NULLS FIRST, s.id
