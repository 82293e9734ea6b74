-- Title: Studies and bytes by institution
-- Group: Volumes and growth
-- Columns: InstitutionName: where the equipment stands, empty if not said; Patients, Studies, Series, Instances: how many; Files, SizeBytes: files that are there, and their bytes; FirstStudyDate, LastStudyDate: from when to when
-- Tags: figures
-- Description: Where the series come from. One institution under several spellings is several rows. Nothing here is wrong.
SELECT
  coalesce(s.institution_name, '') AS InstitutionName,
  count(DISTINCT t.patient_ref) AS Patients,
  count(DISTINCT t.id) AS Studies,
  count(*) AS Series,
  coalesce(sum(c.number_of_instances), 0) AS Instances,
  coalesce(sum(c.number_of_files), 0) AS Files,
  coalesce(sum(c.size_bytes), 0) AS SizeBytes,
  min(CASE WHEN t.study_date <> '' THEN t.study_date END) AS FirstStudyDate,
  max(CASE WHEN t.study_date <> '' THEN t.study_date END) AS LastStudyDate
FROM series s
JOIN study t ON t.id = s.study_ref
LEFT JOIN series_total c ON c.series_ref = s.id
GROUP BY coalesce(s.institution_name, '')
ORDER BY 7 DESC, 1
