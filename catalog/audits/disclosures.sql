-- Title: Who received a patient's images
-- Columns: StartedAt: when; Login, Host: by whom and on which machine; Destination: where to; Reason, Recipient: as given; Outcome: how the export ended; StudyInstanceUID: the study; Instances: how many of it were copied
-- Args: patient: the Patient ID
-- Tags: volume
-- Description: The disclosure ledger for one patient: every export that copied any of their instances.
SELECT
  u.started_at AS StartedAt,
  u.login AS Login,
  u.host AS Host,
  e.destination AS Destination,
  e.reason AS Reason,
  e.recipient AS Recipient,
  coalesce(u.outcome, 'running or killed') AS Outcome,
  x.study_instance_uid AS StudyInstanceUID,
  count(*) AS Instances
FROM export_item x
JOIN export e ON e.id = x.export_ref
JOIN run u ON u.id = e.run_ref
WHERE x.outcome = 'copied' AND x.patient_id = :patient
GROUP BY e.id, x.study_instance_uid
ORDER BY u.started_at, x.study_instance_uid
