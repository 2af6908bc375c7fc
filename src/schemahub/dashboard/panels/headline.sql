-- title: The lake in one row
WITH bars AS (
  SELECT sum(trades)::BIGINT AS trades, min(bar_ts) AS first_ts, max(bar_ts) AS last_ts
  FROM bars_1m
), stored AS (
  SELECT sum(bytes - superseded_bytes) FILTER (layer = 'table')::BIGINT AS parquet_bytes,
    sum(bytes)::BIGINT AS all_bytes, sum(objects)::BIGINT AS objects
  FROM storage
), traded AS (
  SELECT exchange, symbol, max(bar_ts) AS last_ts FROM bars_1m GROUP BY ALL
)
SELECT trades, parquet_bytes, round(parquet_bytes / trades, 1) AS bytes_per_trade,
  all_bytes, objects, bars.first_ts, bars.last_ts,
  (SELECT count(*) FROM watermarks WHERE held > 0) AS markets,
  (SELECT count(*) FROM traded WHERE last_ts > bars.last_ts - INTERVAL 1 DAY) AS active_markets,
  (SELECT sum(missing) FILTER (axis = 'ids')::BIGINT FROM watermarks) AS missing_ids,
  (SELECT score FROM scores WHERE market IS NULL) AS score,
  (SELECT at_ts FROM scores WHERE market IS NULL) AS score_ts
FROM bars, stored
