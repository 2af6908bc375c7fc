-- title: Trades ingested per hour
SELECT time_bucket(INTERVAL 1 HOUR, started_ts) AS hour_ts, sum(trades)::BIGINT AS trades,
  coalesce(sum(parts), 0)::BIGINT AS parts, count(error) AS failures
FROM steps WHERE started_ts IS NOT NULL GROUP BY ALL ORDER BY hour_ts
