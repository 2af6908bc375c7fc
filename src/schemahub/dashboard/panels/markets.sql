-- title: How far each market is
SELECT market, axis, held, missing, absent, in_table, watermark, asked_ts, online, parts, objects
FROM watermarks ORDER BY market
