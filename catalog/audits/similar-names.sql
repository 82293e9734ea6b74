-- Title: Patients with like names and one birth date
-- Group: People
-- Columns: Likeness: 0 to 100; PatientBirthDate: the birth date of both; PatientID, PatientName: one of the two; OtherPatientID, OtherPatientName: the other
-- Options: likeness=92: the least likeness that counts, 100 for the same words
-- Tags: problem, note
-- Description: Two patients who may be one: born on one day, with different IDs and names that differ little (a letter, the order of the words, a second given name), and no different sexes. Names are compared word by word, without case and accents (Jaro-Winkler). Of more than eleven people with one birth date, each is compared with the ten that follow in the order of the alphabet, so that a made-up birth date of thousands costs no time.
-- Action: Ask the source system whether it is one person; twins are two. Have the IDs merged there.
WITH people AS (
  SELECT
    min(id) AS id,
    patient_birth_date AS birth_date,
    patient_name_folded AS name,
    patient_id AS patient_id,
    max(patient_name) AS full_name,
    CASE WHEN min(patient_sex) = max(patient_sex) AND max(patient_sex) IN ('F', 'M') THEN max(patient_sex) ELSE '' END AS sex
  FROM patient
  WHERE patient_birth_date <> '' AND patient_name_folded <> '' AND patient_id <> ''
  GROUP BY patient_birth_date, patient_name_folded, patient_id
), placed AS MATERIALIZED (
  SELECT
    p.id, p.birth_date, p.name, p.patient_id, p.full_name, p.sex,
    lead(p.id, 1) OVER w AS id1,
    lead(p.id, 2) OVER w AS id2,
    lead(p.id, 3) OVER w AS id3,
    lead(p.id, 4) OVER w AS id4,
    lead(p.id, 5) OVER w AS id5,
    lead(p.id, 6) OVER w AS id6,
    lead(p.id, 7) OVER w AS id7,
    lead(p.id, 8) OVER w AS id8,
    lead(p.id, 9) OVER w AS id9,
    lead(p.id, 10) OVER w AS id10
  FROM people p
  WINDOW w AS (PARTITION BY p.birth_date ORDER BY p.name, p.patient_id)
), pairs AS (
  SELECT
    a.id AS a_id, a.birth_date AS birth_date, a.name AS a_folded, a.patient_id AS a_patient_id, a.full_name AS a_name, a.sex AS a_sex,
    CASE k.step WHEN 1 THEN a.id1 WHEN 2 THEN a.id2 WHEN 3 THEN a.id3 WHEN 4 THEN a.id4 WHEN 5 THEN a.id5 WHEN 6 THEN a.id6 WHEN 7 THEN a.id7 WHEN 8 THEN a.id8 WHEN 9 THEN a.id9 WHEN 10 THEN a.id10 END AS b_id
  FROM placed a
  JOIN (SELECT 1 AS step UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9 UNION ALL SELECT 10) k ON k.step > 0
  WHERE a.id1 IS NOT NULL
), compared AS MATERIALIZED (
  SELECT
    q.a_id AS a_id, b.id AS b_id, q.birth_date AS birth_date, q.a_patient_id AS a_patient_id, q.a_name AS a_name,
    b.patient_id AS b_patient_id, b.patient_name AS b_name,
    dcat_name_likeness(q.a_folded, b.patient_name_folded) AS likeness
  FROM pairs q
  JOIN patient b ON b.id = q.b_id
  WHERE q.a_patient_id <> b.patient_id AND q.a_folded <> b.patient_name_folded
    AND NOT (q.a_sex IN ('F', 'M') AND coalesce(b.patient_sex, '') IN ('F', 'M') AND q.a_sex <> b.patient_sex)
)
SELECT
  q.likeness AS Likeness,
  q.birth_date AS PatientBirthDate,
  q.a_patient_id AS PatientID,
  q.a_name AS PatientName,
  q.b_patient_id AS OtherPatientID,
  q.b_name AS OtherPatientName
FROM compared q
WHERE q.likeness >= :likeness AND (:since = 0 OR EXISTS (
  SELECT 1
  FROM study t
  JOIN series s ON s.study_ref = t.id
  JOIN instance i ON i.series_ref = s.id
  JOIN file f ON f.instance_ref = i.id
  WHERE t.patient_ref IN (q.a_id, q.b_id) AND f.last_run_ref > :since
))
ORDER BY q.likeness DESC, q.birth_date, q.a_patient_id, q.b_patient_id, q.a_id, q.b_id
