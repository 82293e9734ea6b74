-- Title: Instances and bytes by modality and month
-- Group: Volumes and growth
-- Columns: Modality: modality of the series; Month: month of the study, empty if it has no date; Studies, Series, Instances: how many; Files, SizeBytes: files that are there, and their bytes
-- Tags: figures
-- Description: What the archive holds, by what was examined and when. Nothing here is wrong.
SELECT
  coalesce(s.modality, '') AS Modality,
  coalesce(substr(t.study_date, 1, 7), '') AS Month,
  count(DISTINCT t.id) AS Studies,
  count(*) AS Series,
  coalesce(sum(c.number_of_instances), 0) AS Instances,
  coalesce(sum(c.number_of_files), 0) AS Files,
  coalesce(sum(c.size_bytes), 0) AS SizeBytes
FROM series s
JOIN study t ON t.id = s.study_ref
LEFT JOIN series_total c ON c.series_ref = s.id
GROUP BY coalesce(s.modality, ''), coalesce(substr(t.study_date, 1, 7), '')
ORDER BY 1, 2
