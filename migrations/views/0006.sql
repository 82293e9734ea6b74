-- Views for people who ask in SQL: flat, with the standard's keywords as column names. What the
-- configuration adds stands in a JSON column of each level: StudyAttributes ->> 'PatientAge'.

-- Files on disk: every one that was seen, with the path to open it and the instance that it holds.
CREATE VIEW v_file AS
SELECT
  r.path || '/' || f.path AS Path,
  f.status AS Status,
  f.error AS Error,
  f.size_bytes AS SizeBytes,
  f.mtime_ns AS MtimeNs,
  f.transfer_syntax_uid AS TransferSyntaxUID,
  f.implementation_class_uid AS ImplementationClassUID,
  f.implementation_version_name AS ImplementationVersionName,
  f.digest AS Digest,
  f.missing_since AS MissingSince,
  i.sop_instance_uid AS SOPInstanceUID,
  i.sop_class_uid AS SOPClassUID,
  s.series_instance_uid AS SeriesInstanceUID,
  s.modality AS Modality,
  t.study_instance_uid AS StudyInstanceUID,
  p.patient_id AS PatientID,
  r.path AS Root,
  f.path AS PathInRoot,
  f.id AS file_ref,
  f.instance_ref AS instance_ref,
  i.series_ref AS series_ref,
  s.study_ref AS study_ref,
  t.patient_ref AS patient_ref
FROM file f
JOIN root r ON r.id = f.root_ref
LEFT JOIN instance i ON i.id = f.instance_ref
LEFT JOIN series s ON s.id = i.series_ref
LEFT JOIN study t ON t.id = s.study_ref
LEFT JOIN patient p ON p.id = t.patient_ref;

-- SOP Instances with everything above them. NumberOfFiles and SizeBytes count files that are there.
CREATE VIEW v_instance AS
SELECT
  p.patient_id AS PatientID,
  p.issuer_of_patient_id AS IssuerOfPatientID,
  p.patient_name AS PatientName,
  p.patient_birth_date AS PatientBirthDate,
  p.patient_sex AS PatientSex,
  p.other_patient_ids AS OtherPatientIDs,
  t.study_instance_uid AS StudyInstanceUID,
  t.study_id AS StudyID,
  t.study_date AS StudyDate,
  t.study_time AS StudyTime,
  t.accession_number AS AccessionNumber,
  t.study_description AS StudyDescription,
  t.referring_physician_name AS ReferringPhysicianName,
  s.series_instance_uid AS SeriesInstanceUID,
  s.series_number AS SeriesNumber,
  s.modality AS Modality,
  s.series_date AS SeriesDate,
  s.series_time AS SeriesTime,
  s.series_description AS SeriesDescription,
  s.body_part_examined AS BodyPartExamined,
  s.laterality AS Laterality,
  s.protocol_name AS ProtocolName,
  s.manufacturer AS Manufacturer,
  s.manufacturer_model_name AS ManufacturerModelName,
  s.station_name AS StationName,
  s.device_serial_number AS DeviceSerialNumber,
  s.software_versions AS SoftwareVersions,
  s.institution_name AS InstitutionName,
  s.institution_address AS InstitutionAddress,
  s.performing_physician_name AS PerformingPhysicianName,
  s.frame_of_reference_uid AS FrameOfReferenceUID,
  i.sop_instance_uid AS SOPInstanceUID,
  i.sop_class_uid AS SOPClassUID,
  i.instance_number AS InstanceNumber,
  i.acquisition_number AS AcquisitionNumber,
  i.content_date AS ContentDate,
  i.content_time AS ContentTime,
  i.acquisition_date_time AS AcquisitionDateTime,
  i.image_type AS ImageType,
  i.number_of_frames AS NumberOfFrames,
  i.rows AS Rows,
  i.columns AS Columns,
  i.bits_allocated AS BitsAllocated,
  i.photometric_interpretation AS PhotometricInterpretation,
  i.image_position_patient AS ImagePositionPatient,
  i.image_orientation_patient AS ImageOrientationPatient,
  i.pixel_spacing AS PixelSpacing,
  i.slice_thickness AS SliceThickness,
  i.burned_in_annotation AS BurnedInAnnotation,
  i.lossy_image_compression AS LossyImageCompression,
  i.specific_character_set AS SpecificCharacterSet,
  i.directory_record_type AS DirectoryRecordType,
  (SELECT min(f.transfer_syntax_uid) FROM file f WHERE f.instance_ref = i.id) AS TransferSyntaxUID,
  (SELECT count(*) FROM file f WHERE f.instance_ref = i.id AND f.status <> 'missing') AS NumberOfFiles,
  (SELECT CAST(coalesce(sum(f.size_bytes), 0) AS BIGINT) FROM file f WHERE f.instance_ref = i.id AND f.status <> 'missing') AS SizeBytes,
  p.attributes AS PatientAttributes,
  t.attributes AS StudyAttributes,
  s.attributes AS SeriesAttributes,
  i.attributes AS InstanceAttributes,
  l.local_patient_id AS LinkedPatientID,
  l.local_issuer_of_patient_id AS LinkedIssuerOfPatientID,
  i.provenance AS Provenance,
  CAST(i.is_disputed AS INTEGER) AS IsDisputed,
  i.id AS instance_ref,
  i.series_ref AS series_ref,
  s.study_ref AS study_ref,
  t.patient_ref AS patient_ref
FROM instance i
LEFT JOIN series s ON s.id = i.series_ref
LEFT JOIN study t ON t.id = s.study_ref
LEFT JOIN patient p ON p.id = t.patient_ref
LEFT JOIN patient_link l ON l.identity = p.identity;

-- Series with their study and patient, and what they hold.
CREATE VIEW v_series AS
SELECT
  p.patient_id AS PatientID,
  p.issuer_of_patient_id AS IssuerOfPatientID,
  p.patient_name AS PatientName,
  p.patient_birth_date AS PatientBirthDate,
  p.patient_sex AS PatientSex,
  p.other_patient_ids AS OtherPatientIDs,
  t.study_instance_uid AS StudyInstanceUID,
  t.study_id AS StudyID,
  t.study_date AS StudyDate,
  t.study_time AS StudyTime,
  t.accession_number AS AccessionNumber,
  t.study_description AS StudyDescription,
  t.referring_physician_name AS ReferringPhysicianName,
  s.series_instance_uid AS SeriesInstanceUID,
  s.series_number AS SeriesNumber,
  s.modality AS Modality,
  s.series_date AS SeriesDate,
  s.series_time AS SeriesTime,
  s.series_description AS SeriesDescription,
  s.body_part_examined AS BodyPartExamined,
  s.laterality AS Laterality,
  s.protocol_name AS ProtocolName,
  s.manufacturer AS Manufacturer,
  s.manufacturer_model_name AS ManufacturerModelName,
  s.station_name AS StationName,
  s.device_serial_number AS DeviceSerialNumber,
  s.software_versions AS SoftwareVersions,
  s.institution_name AS InstitutionName,
  s.institution_address AS InstitutionAddress,
  s.performing_physician_name AS PerformingPhysicianName,
  s.frame_of_reference_uid AS FrameOfReferenceUID,
  n.number_of_instances AS NumberOfSeriesRelatedInstances,
  n.number_of_files AS NumberOfFiles,
  n.size_bytes AS SizeBytes,
  p.attributes AS PatientAttributes,
  t.attributes AS StudyAttributes,
  s.attributes AS SeriesAttributes,
  l.local_patient_id AS LinkedPatientID,
  l.local_issuer_of_patient_id AS LinkedIssuerOfPatientID,
  s.provenance AS Provenance,
  CAST(s.is_disputed AS INTEGER) AS IsDisputed,
  s.id AS series_ref,
  s.study_ref AS study_ref,
  t.patient_ref AS patient_ref
FROM series s
JOIN series_total n ON n.series_ref = s.id
JOIN study t ON t.id = s.study_ref
JOIN patient p ON p.id = t.patient_ref
LEFT JOIN patient_link l ON l.identity = p.identity;

-- Studies with their patient, and what they hold. Lists are joined by \.
CREATE VIEW v_study AS
SELECT
  p.patient_id AS PatientID,
  p.issuer_of_patient_id AS IssuerOfPatientID,
  p.patient_name AS PatientName,
  p.patient_birth_date AS PatientBirthDate,
  p.patient_sex AS PatientSex,
  p.other_patient_ids AS OtherPatientIDs,
  t.study_instance_uid AS StudyInstanceUID,
  t.study_id AS StudyID,
  t.study_date AS StudyDate,
  t.study_time AS StudyTime,
  t.accession_number AS AccessionNumber,
  t.study_description AS StudyDescription,
  t.referring_physician_name AS ReferringPhysicianName,
  (SELECT group_concat(m.modality, '\') FROM (SELECT DISTINCT s.modality FROM series s WHERE s.study_ref = t.id AND s.modality <> '' ORDER BY s.modality) m) AS ModalitiesInStudy,
  (SELECT group_concat(c.sop_class_uid, '\') FROM (SELECT DISTINCT i.sop_class_uid FROM series s JOIN instance i ON i.series_ref = s.id WHERE s.study_ref = t.id AND i.sop_class_uid <> '' ORDER BY i.sop_class_uid) c) AS SOPClassesInStudy,
  (SELECT count(*) FROM series s WHERE s.study_ref = t.id) AS NumberOfStudyRelatedSeries,
  (SELECT CAST(coalesce(sum(n.number_of_instances), 0) AS BIGINT) FROM series s JOIN series_total n ON n.series_ref = s.id WHERE s.study_ref = t.id) AS NumberOfStudyRelatedInstances,
  (SELECT CAST(coalesce(sum(n.number_of_files), 0) AS BIGINT) FROM series s JOIN series_total n ON n.series_ref = s.id WHERE s.study_ref = t.id) AS NumberOfFiles,
  (SELECT CAST(coalesce(sum(n.size_bytes), 0) AS BIGINT) FROM series s JOIN series_total n ON n.series_ref = s.id WHERE s.study_ref = t.id) AS SizeBytes,
  p.attributes AS PatientAttributes,
  t.attributes AS StudyAttributes,
  l.local_patient_id AS LinkedPatientID,
  l.local_issuer_of_patient_id AS LinkedIssuerOfPatientID,
  t.provenance AS Provenance,
  CAST(t.is_disputed AS INTEGER) AS IsDisputed,
  t.id AS study_ref,
  t.patient_ref AS patient_ref
FROM study t
JOIN patient p ON p.id = t.patient_ref
LEFT JOIN patient_link l ON l.identity = p.identity;

-- Patients, and what is stored of them.
CREATE VIEW v_patient AS
SELECT
  p.patient_id AS PatientID,
  p.issuer_of_patient_id AS IssuerOfPatientID,
  p.patient_name AS PatientName,
  p.patient_birth_date AS PatientBirthDate,
  p.patient_sex AS PatientSex,
  p.other_patient_ids AS OtherPatientIDs,
  (SELECT count(*) FROM study t WHERE t.patient_ref = p.id) AS NumberOfPatientRelatedStudies,
  (SELECT count(*) FROM study t JOIN series s ON s.study_ref = t.id WHERE t.patient_ref = p.id) AS NumberOfPatientRelatedSeries,
  (SELECT CAST(coalesce(sum(n.number_of_instances), 0) AS BIGINT) FROM study t JOIN series s ON s.study_ref = t.id JOIN series_total n ON n.series_ref = s.id WHERE t.patient_ref = p.id) AS NumberOfPatientRelatedInstances,
  (SELECT CAST(coalesce(sum(n.number_of_files), 0) AS BIGINT) FROM study t JOIN series s ON s.study_ref = t.id JOIN series_total n ON n.series_ref = s.id WHERE t.patient_ref = p.id) AS NumberOfFiles,
  (SELECT CAST(coalesce(sum(n.size_bytes), 0) AS BIGINT) FROM study t JOIN series s ON s.study_ref = t.id JOIN series_total n ON n.series_ref = s.id WHERE t.patient_ref = p.id) AS SizeBytes,
  p.attributes AS PatientAttributes,
  l.local_patient_id AS LinkedPatientID,
  l.local_issuer_of_patient_id AS LinkedIssuerOfPatientID,
  p.provenance AS Provenance,
  CAST(p.is_disputed AS INTEGER) AS IsDisputed,
  p.id AS patient_ref
FROM patient p
LEFT JOIN patient_link l ON l.identity = p.identity;
