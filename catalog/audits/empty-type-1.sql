-- Title: Attributes that must have a value and have none
-- Group: Dates and attributes
-- Columns: Attribute: which one; Fault: absent or empty; SOPClassUID: SOP Class of the instances; SeriesInstanceUID: their series; Instances: how many instances of it lack the value; FirstPath: the first of their files; PatientID: the patient
-- Tags: problem, error
-- Description: Instances of a series that lack the value of an attribute of Type 1 (PS3.5 §7.4.1), of those that the catalogue keeps: Modality; of images Rows, Columns, Bits Allocated and Photometric Interpretation; of CT, MR and PET images also position, orientation, Pixel Spacing and Frame of Reference UID; of multi-frame images Number of Frames. What is known from a DICOMDIR alone does not count.
-- Action: Other systems may refuse or misplace such instances. Have the source system make them anew; an image without Rows or Columns cannot be shown.
WITH headers AS MATERIALIZED (
  SELECT
    i.id AS instance_ref, i.series_ref AS series_ref, i.sop_class_uid AS sop_class_uid, i.raw AS raw,
    i.rows AS image_rows, i.columns AS image_columns, i.bits_allocated AS bits, i.photometric_interpretation AS photometric,
    i.image_position_patient AS position, i.image_orientation_patient AS orientation, i.pixel_spacing AS spacing,
    CASE WHEN i.directory_record_type = 'IMAGE' THEN 1 ELSE 0 END AS is_image,
    CASE WHEN i.sop_class_uid IN ('1.2.840.10008.5.1.4.1.1.2', '1.2.840.10008.5.1.4.1.1.4', '1.2.840.10008.5.1.4.1.1.128') THEN 1 ELSE 0 END AS is_slice
  FROM instance i
  WHERE i.provenance = 'header' AND (
    i.raw ->> 'NumberOfFrames' = ''
    OR (i.directory_record_type = 'IMAGE' AND (
      i.rows IS NULL OR i.columns IS NULL OR i.bits_allocated IS NULL OR coalesce(i.photometric_interpretation, '') = ''
      OR (i.sop_class_uid IN ('1.2.840.10008.5.1.4.1.1.2', '1.2.840.10008.5.1.4.1.1.4', '1.2.840.10008.5.1.4.1.1.128') AND (
        coalesce(i.image_position_patient, '') = '' OR coalesce(i.image_orientation_patient, '') = '' OR coalesce(i.pixel_spacing, '') = ''
      ))
    ))
  )
), lacking AS (
  SELECT 'NumberOfFrames' AS keyword, 'empty' AS fault, h.sop_class_uid AS sop_class_uid, h.series_ref AS series_ref, h.instance_ref AS instance_ref, CAST(NULL AS BIGINT) AS file_ref
  FROM headers h WHERE h.raw ->> 'NumberOfFrames' = ''
  UNION ALL
  SELECT 'Rows', CASE WHEN h.raw ->> 'Rows' = '' THEN 'empty' ELSE 'absent' END, h.sop_class_uid, h.series_ref, h.instance_ref, NULL
  FROM headers h WHERE h.is_image = 1 AND h.image_rows IS NULL AND coalesce(h.raw ->> 'Rows', '') = ''
  UNION ALL
  SELECT 'Columns', CASE WHEN h.raw ->> 'Columns' = '' THEN 'empty' ELSE 'absent' END, h.sop_class_uid, h.series_ref, h.instance_ref, NULL
  FROM headers h WHERE h.is_image = 1 AND h.image_columns IS NULL AND coalesce(h.raw ->> 'Columns', '') = ''
  UNION ALL
  SELECT 'BitsAllocated', CASE WHEN h.raw ->> 'BitsAllocated' = '' THEN 'empty' ELSE 'absent' END, h.sop_class_uid, h.series_ref, h.instance_ref, NULL
  FROM headers h WHERE h.is_image = 1 AND h.bits IS NULL AND coalesce(h.raw ->> 'BitsAllocated', '') = ''
  UNION ALL
  SELECT 'PhotometricInterpretation', CASE WHEN h.photometric = '' THEN 'empty' ELSE 'absent' END, h.sop_class_uid, h.series_ref, h.instance_ref, NULL
  FROM headers h WHERE h.is_image = 1 AND coalesce(h.photometric, '') = ''
  UNION ALL
  SELECT 'ImagePositionPatient', CASE WHEN h.position = '' THEN 'empty' ELSE 'absent' END, h.sop_class_uid, h.series_ref, h.instance_ref, NULL
  FROM headers h WHERE h.is_slice = 1 AND coalesce(h.position, '') = ''
  UNION ALL
  SELECT 'ImageOrientationPatient', CASE WHEN h.orientation = '' THEN 'empty' ELSE 'absent' END, h.sop_class_uid, h.series_ref, h.instance_ref, NULL
  FROM headers h WHERE h.is_slice = 1 AND coalesce(h.orientation, '') = ''
  UNION ALL
  SELECT 'PixelSpacing', CASE WHEN h.spacing = '' THEN 'empty' ELSE 'absent' END, h.sop_class_uid, h.series_ref, h.instance_ref, NULL
  FROM headers h WHERE h.is_slice = 1 AND coalesce(h.spacing, '') = ''
  UNION ALL
  SELECT 'FrameOfReferenceUID', CASE WHEN s.frame_of_reference_uid = '' THEN 'empty' ELSE 'absent' END, i.sop_class_uid, s.id, i.id, NULL
  FROM series s
  JOIN instance i ON i.series_ref = s.id
  WHERE coalesce(s.frame_of_reference_uid, '') = '' AND i.provenance = 'header'
    AND i.sop_class_uid IN ('1.2.840.10008.5.1.4.1.1.2', '1.2.840.10008.5.1.4.1.1.4', '1.2.840.10008.5.1.4.1.1.128')
  UNION ALL
  SELECT 'Modality', CASE WHEN s.modality = '' THEN 'empty' ELSE 'absent' END, i.sop_class_uid, s.id, i.id, NULL
  FROM series s
  JOIN instance i ON i.series_ref = s.id
  WHERE coalesce(s.modality, '') = '' AND i.provenance = 'header'
  UNION ALL
  SELECT d.keyword, CASE WHEN d.value = '' THEN 'empty' ELSE 'absent' END, i.sop_class_uid, i.series_ref, i.id, f.id
  FROM discrepancy d
  JOIN file f ON f.id = d.file_ref
  JOIN instance i ON i.id = f.instance_ref
  WHERE coalesce(d.value, '') = '' AND coalesce(d.raw, '') = '' AND (
    d.keyword = 'Modality'
    OR (d.keyword = 'FrameOfReferenceUID' AND i.sop_class_uid IN ('1.2.840.10008.5.1.4.1.1.2', '1.2.840.10008.5.1.4.1.1.4', '1.2.840.10008.5.1.4.1.1.128'))
  )
)
SELECT
  x.keyword AS Attribute,
  x.fault AS Fault,
  x.sop_class_uid AS SOPClassUID,
  s.series_instance_uid AS SeriesInstanceUID,
  count(DISTINCT x.instance_ref) AS Instances,
  min(r.path || '/' || f.path) AS FirstPath,
  p.patient_id AS PatientID
FROM lacking x
LEFT JOIN series s ON s.id = x.series_ref
LEFT JOIN study t ON t.id = s.study_ref
LEFT JOIN patient p ON p.id = t.patient_ref
LEFT JOIN file f ON f.instance_ref = x.instance_ref AND (x.file_ref IS NULL OR f.id = x.file_ref)
LEFT JOIN root r ON r.id = f.root_ref
GROUP BY x.keyword, x.fault, x.sop_class_uid, x.series_ref, s.series_instance_uid, p.patient_id
HAVING :since = 0 OR max(f.last_run_ref) > :since
ORDER BY s.series_instance_uid NULLS FIRST, x.series_ref NULLS FIRST, x.keyword, x.fault, x.sop_class_uid NULLS FIRST
