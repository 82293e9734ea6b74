-- Title: Who received a patient's instances
-- Group: Export and File-sets
-- Columns: StartedAt: when; Login, Host: by whom and on which machine; Destination: where to; Reason, Recipient: as given; Outcome: how the export ended; PatientID: as files stated it then; IssuerOfPatientID: who assigned the Patient ID; StudyInstanceUID: the study; Instances: how many of it were copied
-- Args: patient: the Patient ID
-- Options: links=yes: patients who are linked to that one count, no for the Patient ID alone
-- Tags: figures
-- Description: The disclosure ledger for one patient: an export that copied instances of theirs, and which study. Patients who are linked (dcat patient link) are asked for together. Of an update only what it added is counted; dcat ledger patient has what was on the medium.
WITH local AS (
  SELECT l.local_identity AS identity
  FROM patient_link l
  WHERE lower(CAST(:links AS TEXT)) <> 'no'
    AND (l.patient_id = CAST(:patient AS TEXT) OR l.local_patient_id = CAST(:patient AS TEXT))
),
asked AS (
  SELECT CAST(:patient AS TEXT) AS patient_id, CAST(NULL AS TEXT) AS issuer
  UNION
  SELECT l.patient_id, l.issuer_of_patient_id
  FROM patient_link l
  WHERE l.local_identity IN (SELECT identity FROM local)
    AND l.patient_id <> CAST(:patient AS TEXT)
  UNION
  SELECT l.local_patient_id, l.local_issuer_of_patient_id
  FROM patient_link l
  WHERE l.local_identity IN (SELECT identity FROM local)
    AND l.local_patient_id <> CAST(:patient AS TEXT)
)
SELECT
  u.started_at AS StartedAt,
  u.login AS Login,
  u.host AS Host,
  e.destination AS Destination,
  e.reason AS Reason,
  e.recipient AS Recipient,
  coalesce(u.outcome, 'running or killed') AS Outcome,
  x.patient_id AS PatientID,
  coalesce(x.issuer_of_patient_id, '') AS IssuerOfPatientID,
  x.study_instance_uid AS StudyInstanceUID,
  count(*) AS Instances
FROM asked a
JOIN export_item x ON x.patient_id = a.patient_id
  AND (a.issuer IS NULL OR a.issuer = coalesce(x.issuer_of_patient_id, ''))
JOIN export e ON e.id = x.export_ref
JOIN run u ON u.id = e.run_ref
WHERE x.outcome = 'copied'
GROUP BY
  e.id, u.started_at, u.login, u.host, e.destination, e.reason, e.recipient, u.outcome,
  x.patient_id, coalesce(x.issuer_of_patient_id, ''), x.study_instance_uid
ORDER BY
  u.started_at, e.id, x.study_instance_uid NULLS FIRST, x.patient_id,
  coalesce(x.issuer_of_patient_id, '')
