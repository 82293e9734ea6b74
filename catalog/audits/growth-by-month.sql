-- Title: What each month brought
-- Group: Volumes and growth
-- Columns: Month: in which files were first seen; NewFiles, NewBytes: how many of them are still catalogued, and their bytes; NewInstances: how many instances these files hold; AllFiles, AllBytes: those of this month and all before it
-- Tags: figures
-- Description: How the archive grew, by the month in which dcat first saw a file (not by study date). Nothing here is wrong.
SELECT
  g.month AS Month,
  g.files AS NewFiles,
  g.bytes AS NewBytes,
  g.instances AS NewInstances,
  sum(g.files) OVER (ORDER BY g.month) AS AllFiles,
  sum(g.bytes) OVER (ORDER BY g.month) AS AllBytes
FROM (
  SELECT
    substr(u.started_at, 1, 7) AS month,
    count(*) AS files,
    coalesce(sum(f.size_bytes), 0) AS bytes,
    count(DISTINCT f.instance_ref) AS instances
  FROM file f
  JOIN run u ON u.id = f.first_run_ref
  GROUP BY substr(u.started_at, 1, 7)
) g
ORDER BY g.month
