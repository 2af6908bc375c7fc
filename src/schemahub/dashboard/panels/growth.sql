-- title: Bytes by layer over time
SELECT day_ts, layer, sum(sum(bytes)) OVER (PARTITION BY layer ORDER BY day_ts)::BIGINT AS bytes
FROM storage GROUP BY day_ts, layer ORDER BY day_ts, layer
