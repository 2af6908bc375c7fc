-- title: What the names of the stored objects prove
SELECT market, axis, origin, watermark, held, missing, absent, in_table,
  CASE WHEN missing > 0 THEN 'missing' WHEN axis <> 'ids' THEN 'unproven'
    WHEN refused > 0 THEN 'quarantined' WHEN in_table < held THEN 'not all in the table yet'
    WHEN absent > 0 THEN 'absent_at_source' ELSE 'proven' END AS status
FROM watermarks LEFT JOIN (
  SELECT market, sum(positions) AS refused FROM gaps WHERE class = 'quarantined' GROUP BY ALL
) USING (market)
WHERE market = :market
