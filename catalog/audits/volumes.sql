-- Title: Instances and bytes by modality and month
-- Columns: Modality: modality of the series; Month: month of the study, empty if it has no date; Studies, Series, Instances: how many; Files, SizeBytes: files that are there, and their bytes
-- Tags: volume
-- Description: How the archive has grown, by what was examined and when. Nothing here is wrong.
SELECT
  coalesce(s.modality, '') AS Modality,
  coalesce(substr(t.study_date, 1, 7), '') AS Month,
  count(DISTINCT t.id) AS Studies,
  count(DISTINCT s.id) AS Series,
  count(DISTINCT i.id) AS Instances,
  count(f.id) AS Files,
  coalesce(sum(f.size_bytes), 0) AS SizeBytes
FROM instance i
JOIN series s ON s.id = i.series_ref
JOIN study t ON t.id = s.study_ref
LEFT JOIN file f ON f.instance_ref = i.id AND f.status <> 'missing'
GROUP BY 1, 2
ORDER BY 1, 2
