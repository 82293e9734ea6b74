-- Title: Who received a patient's instances
-- Group: Export and File-sets
-- Columns: StartedAt: when; Login, Host: by whom and on which machine; Destination: where to; Reason, Recipient: as given; Outcome: how the export ended; IssuerOfPatientID: who assigned the Patient ID; StudyInstanceUID: the study; Instances: how many of it were copied
-- Args: patient: the Patient ID
-- Tags: figures
-- Description: The disclosure ledger for one patient: an export that copied instances of theirs, and which study.
SELECT
  u.started_at AS StartedAt,
  u.login AS Login,
  u.host AS Host,
  e.destination AS Destination,
  e.reason AS Reason,
  e.recipient AS Recipient,
  coalesce(u.outcome, 'running or killed') AS Outcome,
  coalesce(x.issuer_of_patient_id, '') AS IssuerOfPatientID,
  x.study_instance_uid AS StudyInstanceUID,
  count(*) AS Instances
FROM export_item x
JOIN export e ON e.id = x.export_ref
JOIN run u ON u.id = e.run_ref
WHERE x.outcome = 'copied' AND x.patient_id = CAST(:patient AS TEXT)
GROUP BY
  e.id, u.started_at, u.login, u.host, e.destination, e.reason, e.recipient, u.outcome,
  coalesce(x.issuer_of_patient_id, ''), x.study_instance_uid
ORDER BY u.started_at, e.id, x.study_instance_uid NULLS FIRST, coalesce(x.issuer_of_patient_id, '')
