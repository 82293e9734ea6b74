-- Title: What was noticed in files and File-sets, by kind
-- Group: Files
-- Columns: Severity: error, warning or note; Code: kind of finding; Findings: how many; Message: one of them; FirstPath: the first file concerned
-- Tags: figures
-- Description: A summary of the table finding, one row for each kind. Ask that table for each case.
SELECT
  n.severity AS Severity,
  n.code AS Code,
  count(*) AS Findings,
  min(n.message) AS Message,
  min(r.path || '/' || f.path) AS FirstPath
FROM finding n
LEFT JOIN file f ON f.id = n.file_ref
LEFT JOIN root r ON r.id = f.root_ref
GROUP BY n.severity, n.code
ORDER BY CASE n.severity WHEN 'error' THEN 0 WHEN 'warning' THEN 1 ELSE 2 END, count(*) DESC, n.code
