-- Title: Series that are much shorter than others like them
-- Group: Series
-- Columns: Verdict: always "suspect", because only the source knows; SeriesInstanceUID: the series; Modality, SeriesDescription, StationName: what makes series alike; Slices: how many different positions it has, or images if they have none; UsualSlices: the median of the series like it; Alike: how many there are; StudyDate: date of the study; PatientID: the patient
-- Options: alike=5: how many series must be alike, this one included; part=50: percent of the usual length below which a series is short
-- Tags: problem, note
-- Description: A series of single-frame CT, MR or PET images, localizers left aside, with less than half as many slices as is usual for series of the same modality, description and station. Several images at one position (echoes, phases) are one slice, so that a series with fewer echoes is not short.
-- Action: Compare with the number of images that the source system has for the series, and fetch it again if that is more. An examination that was broken off is short, too.
WITH measured AS MATERIALIZED (
  SELECT
    i.series_ref AS series_ref,
    CASE WHEN count(i.image_position_patient) = count(*) THEN count(DISTINCT i.image_position_patient) ELSE count(*) END AS slices
  FROM series c
  JOIN instance i ON i.series_ref = c.id
  WHERE c.modality IN ('CT', 'MR', 'PT') AND c.series_description <> '' AND i.rows > 0
    AND coalesce(i.number_of_frames, 1) = 1
    AND upper(coalesce(i.image_type, '')) NOT LIKE '%LOCALIZER%'
  GROUP BY i.series_ref
), ranked AS (
  SELECT
    m.series_ref AS series_ref, m.slices AS slices,
    s.modality AS modality, s.series_description AS description, coalesce(s.station_name, '') AS station,
    row_number() OVER (PARTITION BY s.modality, s.series_description, coalesce(s.station_name, '') ORDER BY m.slices) AS place,
    count(*) OVER (PARTITION BY s.modality, s.series_description, coalesce(s.station_name, '')) AS alike
  FROM measured m
  JOIN series s ON s.id = m.series_ref
), usual AS (
  SELECT modality, description, station, max(slices) AS median
  FROM ranked
  WHERE place = (alike + 1) / 2 AND alike >= :alike
  GROUP BY modality, description, station
)
SELECT
  'suspect' AS Verdict,
  s.series_instance_uid AS SeriesInstanceUID,
  k.modality AS Modality,
  k.description AS SeriesDescription,
  k.station AS StationName,
  k.slices AS Slices,
  u.median AS UsualSlices,
  k.alike AS Alike,
  t.study_date AS StudyDate,
  p.patient_id AS PatientID
FROM usual u
JOIN ranked k ON k.modality = u.modality AND k.description = u.description AND k.station = u.station
JOIN series s ON s.id = k.series_ref
JOIN study t ON t.id = s.study_ref
JOIN patient p ON p.id = t.patient_ref
WHERE k.slices * 100 < u.median * :part
  AND (:since = 0 OR EXISTS (
    SELECT 1 FROM instance i JOIN file f ON f.instance_ref = i.id
    WHERE i.series_ref = k.series_ref AND f.last_run_ref > :since
  ))
ORDER BY k.modality, k.description, k.station, k.slices, s.series_instance_uid NULLS FIRST, s.id
