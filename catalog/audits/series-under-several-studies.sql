-- Title: Series that are filed under several studies
-- Group: Identity of instances
-- Columns: SeriesInstanceUID: the series; StudyInstanceUID: one of its studies; PatientID: its patient; Modality: as stated there; Instances: how many of its instances are filed there; FirstPath: the first of their files
-- Tags: problem, error
-- Description: One of the studies under which the files of a series are filed; a series belongs to exactly one (PS3.3 A.1.2.3). Series of one study that is filed under several patients are not among them: see studies-under-several-patients. What a DICOMDIR states otherwise than its files does not count.
-- Action: Find out in the source system to which study it belongs, and have the other files corrected. One File-set cannot hold them together: until then export them with --study.
WITH owned AS MATERIALIZED (
  SELECT
    s.series_instance_uid AS uid,
    t.study_instance_uid AS study_uid,
    s.id AS series_ref,
    count(DISTINCT i.id) AS instances,
    min(r.path || '/' || f.path) AS first_path,
    max(f.last_run_ref) AS run_ref
  FROM series s
  JOIN study t ON t.id = s.study_ref
  JOIN instance i ON i.series_ref = s.id
  JOIN file f ON f.instance_ref = i.id
  JOIN root r ON r.id = f.root_ref
  WHERE s.series_instance_uid IN (
    SELECT series_instance_uid FROM series
    WHERE series_instance_uid <> ''
    GROUP BY series_instance_uid
    HAVING count(*) > 1
  )
  GROUP BY s.series_instance_uid, t.study_instance_uid, s.id
), shared AS (
  SELECT uid
  FROM owned
  GROUP BY uid
  HAVING count(DISTINCT study_uid) > 1 AND (:since = 0 OR max(run_ref) > :since)
)
SELECT
  o.uid AS SeriesInstanceUID,
  t.study_instance_uid AS StudyInstanceUID,
  p.patient_id AS PatientID,
  s.modality AS Modality,
  o.instances AS Instances,
  o.first_path AS FirstPath
FROM shared x
JOIN owned o ON o.uid = x.uid
JOIN series s ON s.id = o.series_ref
JOIN study t ON t.id = s.study_ref
JOIN patient p ON p.id = t.patient_ref
ORDER BY o.uid, t.study_instance_uid NULLS FIRST, p.patient_id NULLS FIRST, s.id
