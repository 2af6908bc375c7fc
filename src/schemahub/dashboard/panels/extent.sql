-- title: From when to when each market has trades
SELECT exchange || ':' || symbol AS market, min(bar_ts) AS first_ts, max(bar_ts) AS last_ts,
  sum(trades)::BIGINT AS trades
FROM bars_1m GROUP BY ALL ORDER BY market
