-- title: What the quality checks found
SELECT name, severity, status, found, about, "columns", samples, error, at_ts
FROM checks
ORDER BY array_position(['failed', 'error', 'warn', 'note', 'ok'], status), name
