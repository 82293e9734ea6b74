-- Title: Instances that cannot go into a File-set, and why
-- Group: Export and File-sets
-- Columns: Code: short name of the reason, as dcat export has it; Why: the reason; SOPClassUID: the SOP Class; Instances: how many there are; FirstSOPInstanceUID: one of them
-- Tags: problem, note
-- Description: Instances that an export of everything leaves out for one reason, by SOP Class; an instance has the first reason that fits. An export of a selection that holds only one side of a conflict (study-twice, series-twice, sop-instance-twice, patient-id-twice) takes it. An export compares files of one size that have no digest, and may find different-bytes there that nobody can know before.
-- Action: no-record-type cannot be helped (private SOP Classes: --private record). missing, no-file: find the files and index them. different-bytes, …-twice: see conflicting-instances and studies-under-several-patients, or select one side. illegal-uid, no-transfer-syntax: have the source write the files anew.
WITH odd AS MATERIALIZED (
  -- Whatever may have a reason: the others need not be looked at one by one.
  -- Each part is answered by one index, which one question with OR would not be.
  SELECT i.id AS instance_ref FROM instance i WHERE i.directory_record_type IS NULL
  UNION
  SELECT i.id FROM instance i WHERE 0 = dcat_is_uid(i.sop_instance_uid)
  UNION
  SELECT i.id FROM instance i WHERE NOT EXISTS (SELECT 1 FROM file f WHERE f.instance_ref = i.id)
  UNION
  SELECT i.id
  FROM instance i
  WHERE i.sop_class_uid IN (
    -- min() has each SOP Class looked at once, not each instance.
    SELECT sop_class_uid FROM instance GROUP BY sop_class_uid HAVING 0 = dcat_is_uid(min(sop_class_uid))
  )
  UNION
  SELECT i.id
  FROM instance i
  WHERE i.series_ref IN (
    SELECT s.id FROM series s
    WHERE 0 = dcat_is_uid(s.series_instance_uid)
      OR s.series_instance_uid IN (SELECT series_instance_uid FROM series GROUP BY series_instance_uid HAVING count(*) > 1)
      OR s.study_ref IN (
        SELECT t.id FROM study t
        WHERE 0 = dcat_is_uid(t.study_instance_uid)
          OR t.study_instance_uid IN (SELECT study_instance_uid FROM study GROUP BY study_instance_uid HAVING count(*) > 1)
          OR t.patient_ref IN (
            SELECT p.id FROM patient p
            WHERE p.patient_id IN (SELECT patient_id FROM patient WHERE patient_id <> '' GROUP BY patient_id HAVING count(*) > 1)
          )
      )
  )
  UNION
  SELECT i.id
  FROM instance i
  WHERE i.sop_instance_uid IN (SELECT sop_instance_uid FROM instance GROUP BY sop_instance_uid HAVING count(*) > 1)
  UNION
  SELECT instance_ref FROM file WHERE instance_ref IS NOT NULL GROUP BY instance_ref HAVING count(*) > 1
  UNION
  SELECT instance_ref FROM file
  WHERE instance_ref IS NOT NULL AND (status NOT IN ('ok', 'truncated', 'referenced') OR transfer_syntax_uid IS NULL)
), present AS MATERIALIZED (
  SELECT
    f.instance_ref AS instance_ref,
    count(*) AS files,
    sum(CASE WHEN f.status IN ('ok', 'truncated', 'referenced') THEN 1 ELSE 0 END) AS readable,
    count(DISTINCT CASE WHEN f.status IN ('ok', 'truncated', 'referenced') THEN coalesce(f.size_bytes, -1) END) AS sizes,
    count(DISTINCT CASE WHEN f.status IN ('ok', 'truncated', 'referenced') THEN f.digest END) AS digests,
    sum(CASE WHEN f.status IN ('ok', 'truncated', 'referenced') AND f.transfer_syntax_uid IS NULL THEN 1 ELSE 0 END) AS untold,
    max(f.last_run_ref) AS run_ref
  FROM file f
  WHERE f.instance_ref IN (SELECT instance_ref FROM odd)
  GROUP BY f.instance_ref
), judged AS MATERIALIZED (
  SELECT
    i.id AS instance_ref, i.sop_class_uid AS sop_class_uid, i.sop_instance_uid AS sop_instance_uid,
    s.id AS series_ref, s.series_instance_uid AS series_instance_uid,
    t.id AS study_ref, t.study_instance_uid AS study_instance_uid,
    p.id AS patient_ref, p.patient_id AS patient_id, h.run_ref AS run_ref,
    CASE
      WHEN i.directory_record_type IS NULL THEN 'no-record-type'
      WHEN 0 = dcat_is_uid(coalesce(nullif(i.sop_class_uid, ''), '1')) OR 0 = dcat_is_uid(coalesce(nullif(i.sop_instance_uid, ''), '1'))
        OR 0 = dcat_is_uid(coalesce(nullif(t.study_instance_uid, ''), '1')) OR 0 = dcat_is_uid(coalesce(nullif(s.series_instance_uid, ''), '1')) THEN 'illegal-uid'
      WHEN h.instance_ref IS NULL THEN 'no-file'
      WHEN h.readable = 0 THEN 'missing'
      WHEN h.readable > 1 AND (h.sizes > 1 OR h.digests > 1) THEN 'different-bytes'
      WHEN h.untold > 0 AND (
        SELECT f.transfer_syntax_uid FROM file f JOIN root r ON r.id = f.root_ref
        WHERE f.instance_ref = i.id AND f.status IN ('ok', 'truncated', 'referenced')
        ORDER BY r.path, f.path LIMIT 1
      ) IS NULL THEN 'no-transfer-syntax'
      ELSE ''
    END AS code
  FROM odd o
  JOIN instance i ON i.id = o.instance_ref
  LEFT JOIN present h ON h.instance_ref = i.id
  LEFT JOIN series s ON s.id = i.series_ref
  LEFT JOIN study t ON t.id = s.study_ref
  LEFT JOIN patient p ON p.id = t.patient_ref
), fit AS MATERIALIZED (
  SELECT DISTINCT series_ref, series_instance_uid, study_ref, study_instance_uid, patient_ref, patient_id
  FROM judged
  WHERE code = '' AND series_ref IS NOT NULL
), reasons AS (
  SELECT
    j.sop_class_uid AS sop_class_uid, j.sop_instance_uid AS sop_instance_uid, j.run_ref AS run_ref,
    CASE
      WHEN j.code <> '' THEN j.code
      WHEN j.patient_id IN (SELECT patient_id FROM fit WHERE patient_id <> '' GROUP BY patient_id HAVING count(DISTINCT patient_ref) > 1) THEN 'patient-id-twice'
      WHEN j.study_instance_uid IN (SELECT study_instance_uid FROM fit WHERE study_instance_uid <> '' GROUP BY study_instance_uid HAVING count(DISTINCT patient_ref) > 1) THEN 'study-twice'
      WHEN j.series_instance_uid IN (SELECT series_instance_uid FROM fit WHERE series_instance_uid <> '' GROUP BY series_instance_uid HAVING count(DISTINCT study_ref) > 1) THEN 'series-twice'
      WHEN j.sop_instance_uid IN (SELECT o.sop_instance_uid FROM judged o WHERE o.code = '' AND o.sop_instance_uid <> '' GROUP BY o.sop_instance_uid HAVING count(*) > 1) THEN 'sop-instance-twice'
      ELSE ''
    END AS code
  FROM judged j
)
SELECT
  x.code AS Code,
  CASE x.code
    WHEN 'no-record-type' THEN 'the standard defines no directory record for the SOP Class (PS3.3 F.5), or it is private'
    WHEN 'illegal-uid' THEN 'one of the UIDs is no legal UID (PS3.5 §9.1), so no directory record can name it'
    WHEN 'no-file' THEN 'no file of it is known, only a directory record'
    WHEN 'missing' THEN 'its file is missing or cannot be read'
    WHEN 'different-bytes' THEN 'several files have its SOP Instance UID and differ'
    WHEN 'no-transfer-syntax' THEN 'its file does not say its Transfer Syntax (PS3.10 §7.1)'
    WHEN 'patient-id-twice' THEN 'its Patient ID is used by several patients, with different issuers'
    WHEN 'study-twice' THEN 'its Study Instance UID is used under several patients'
    WHEN 'series-twice' THEN 'its Series Instance UID is used in several studies'
    ELSE 'its SOP Instance UID is used in several series'
  END AS Why,
  x.sop_class_uid AS SOPClassUID,
  count(*) AS Instances,
  min(x.sop_instance_uid) AS FirstSOPInstanceUID
FROM reasons x
WHERE x.code <> ''
GROUP BY x.code, x.sop_class_uid
HAVING :since = 0 OR max(x.run_ref) > :since
ORDER BY 4 DESC, x.code, x.sop_class_uid NULLS FIRST
