-- Title: Studies and bytes by scanner
-- Group: Volumes and growth
-- Columns: Manufacturer, ManufacturerModelName, StationName, DeviceSerialNumber: the equipment, empty where not said; Modality: modality of the series; Studies, Series, Instances: how many; Files, SizeBytes: files that are there, and their bytes; FirstStudyDate, LastStudyDate: from when to when
-- Tags: figures
-- Description: Which equipment the series come from. Nothing here is wrong.
SELECT
  coalesce(s.manufacturer, '') AS Manufacturer,
  coalesce(s.manufacturer_model_name, '') AS ManufacturerModelName,
  coalesce(s.station_name, '') AS StationName,
  coalesce(s.device_serial_number, '') AS DeviceSerialNumber,
  coalesce(s.modality, '') AS Modality,
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
GROUP BY
  coalesce(s.manufacturer, ''), coalesce(s.manufacturer_model_name, ''),
  coalesce(s.station_name, ''), coalesce(s.device_serial_number, ''), coalesce(s.modality, '')
ORDER BY 10 DESC, 1, 2, 3, 4, 5
