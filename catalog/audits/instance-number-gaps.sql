-- Title: Series with gaps in their instance numbers
-- Group: Series
-- Columns: Verdict: always "suspect", because only the source knows; Evidence: "positions" if slices are missing in space too, "numbers" if positions are not known; SeriesInstanceUID: the series; Modality: its modality; Instances: how many there are; FirstNumber, LastNumber: of the Instance Numbers; Missing: how many numbers between them no instance has; Positions: how many different slice positions there are; PatientID: the patient
-- Tags: problem, warning
-- Description: A series of which instances may be missing. Numbers that go up in equal steps are no gap, as where the echoes of one acquisition are separate series. Where every image has a position, the gap counts only if slices are missing there too: a distance between neighbours of one orientation of more than one and a half times their usual one, or a position with fewer images (echoes, phases) than the others. Instances missing at the beginning or the end cannot be seen.
-- Action: Compare with the number of images that the source system has for the series, and fetch it again if that is more. Series that a person has selected images for have gaps, too.
WITH numbered AS MATERIALIZED (
  SELECT
    i.series_ref AS series_ref,
    count(*) AS instances,
    min(i.instance_number) AS first_number,
    max(i.instance_number) AS last_number,
    count(DISTINCT i.instance_number) AS numbers,
    sum(CASE WHEN i.image_position_patient <> '' AND i.image_orientation_patient <> '' THEN 1 ELSE 0 END) AS placed
  FROM instance i
  WHERE i.series_ref IS NOT NULL AND i.instance_number IS NOT NULL
  GROUP BY i.series_ref
  HAVING count(DISTINCT i.instance_number) > 2
    AND max(i.instance_number) - min(i.instance_number) + 1 > count(DISTINCT i.instance_number)
), stepped AS (
  SELECT x.series_ref AS series_ref, min(x.step) AS least_step, max(x.step) AS most_step
  FROM (
    SELECT
      i.series_ref AS series_ref,
      i.instance_number - lag(i.instance_number) OVER (PARTITION BY i.series_ref ORDER BY i.instance_number) AS step
    FROM numbered n
    JOIN instance i ON i.series_ref = n.series_ref
    WHERE i.instance_number IS NOT NULL
  ) x
  WHERE x.step > 0
  GROUP BY x.series_ref
), spots AS (
  SELECT
    y.series_ref AS series_ref, y.orientation AS orientation, y.location AS location, count(*) AS images
  FROM (
    SELECT
      i.series_ref AS series_ref,
      dcat_rounded(i.image_orientation_patient, 2) AS orientation,
      dcat_slice_location(i.image_position_patient, i.image_orientation_patient) AS location
    FROM numbered n
    JOIN instance i ON i.series_ref = n.series_ref
    WHERE i.instance_number IS NOT NULL AND n.placed = n.instances
  ) y
  GROUP BY y.series_ref, y.orientation, y.location
), spaced AS (
  SELECT
    z.series_ref AS series_ref, z.orientation AS orientation, z.images AS images,
    z.location - lag(z.location) OVER (PARTITION BY z.series_ref, z.orientation ORDER BY z.location) AS distance
  FROM spots z
), ranked AS (
  SELECT
    d.series_ref AS series_ref, d.orientation AS orientation, d.distance AS distance,
    row_number() OVER (PARTITION BY d.series_ref, d.orientation ORDER BY d.distance) AS place,
    count(*) OVER (PARTITION BY d.series_ref, d.orientation) AS distances
  FROM spaced d
  WHERE d.distance IS NOT NULL
), usual AS (
  SELECT
    k.series_ref AS series_ref, k.orientation AS orientation,
    min(CASE WHEN k.place = (k.distances + 1) / 2 THEN k.distance END) AS median,
    max(k.distance) AS most
  FROM ranked k
  GROUP BY k.series_ref, k.orientation
), holes AS (
  SELECT series_ref FROM usual WHERE most > 1.5 * median
  UNION
  SELECT series_ref FROM spots GROUP BY series_ref, orientation HAVING min(images) < max(images)
), positions AS (
  SELECT series_ref, count(*) AS positions FROM spots GROUP BY series_ref
)
SELECT
  'suspect' AS Verdict,
  CASE WHEN n.placed = n.instances THEN 'positions' ELSE 'numbers' END AS Evidence,
  s.series_instance_uid AS SeriesInstanceUID,
  s.modality AS Modality,
  n.instances AS Instances,
  n.first_number AS FirstNumber,
  n.last_number AS LastNumber,
  n.last_number - n.first_number + 1 - n.numbers AS Missing,
  coalesce(q.positions, 0) AS Positions,
  p.patient_id AS PatientID
FROM numbered n
JOIN stepped e ON e.series_ref = n.series_ref AND e.least_step < e.most_step
JOIN series s ON s.id = n.series_ref
JOIN study t ON t.id = s.study_ref
JOIN patient p ON p.id = t.patient_ref
LEFT JOIN positions q ON q.series_ref = n.series_ref
WHERE (n.placed < n.instances OR n.series_ref IN (SELECT series_ref FROM holes))
  AND (:since = 0 OR EXISTS (
    SELECT 1 FROM instance i JOIN file f ON f.instance_ref = i.id
    WHERE i.series_ref = n.series_ref AND f.last_run_ref > :since
  ))
ORDER BY 8 DESC, s.series_instance_uid NULLS FIRST, s.id
