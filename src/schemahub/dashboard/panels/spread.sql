-- title: How far apart exchanges are
WITH closes AS (
  SELECT exchange || ':' || symbol AS market, time_bucket(:every::INTERVAL, bar_ts) AS open_ts,
    arg_max(close, bar_ts) AS close
  FROM bars_1m
  WHERE :markets AND bar_ts >= :since::TIMESTAMPTZ AND bar_ts < :until::TIMESTAMPTZ
  GROUP BY ALL
)
SELECT open_ts, count(*) AS markets, arg_min(market, (close, market)) AS lowest, min(close) AS low,
  arg_max(market, (close, market)) AS highest, max(close) AS high, max(close) - min(close) AS spread,
  round((max(close) - min(close))::DOUBLE / min(close)::DOUBLE * 10000, 2) AS basis_points
FROM closes GROUP BY open_ts HAVING count(*) > 1 ORDER BY open_ts
