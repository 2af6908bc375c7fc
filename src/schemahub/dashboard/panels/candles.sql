-- title: Candles
SELECT exchange || ':' || symbol AS market, time_bucket(:every::INTERVAL, bar_ts) AS open_ts,
  arg_min(open, bar_ts) AS open, max(high) AS high, min(low) AS low,
  arg_max(close, bar_ts) AS close, sum(volume) AS volume, sum(buy_volume) AS buy_volume,
  sum(trades)::BIGINT AS trades
FROM bars_1m
WHERE :markets AND bar_ts >= :since::TIMESTAMPTZ AND bar_ts < :until::TIMESTAMPTZ
GROUP BY ALL ORDER BY market, open_ts
