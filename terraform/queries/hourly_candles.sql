-- Candles of an hour from minute bars: reads a hundredth of what trades would
SELECT
  date_trunc('hour', bar_ts) AS hour,
  min_by(open, bar_ts) AS open,
  max(high) AS high,
  min(low) AS low,
  max_by(close, bar_ts) AS close,
  sum(volume) AS volume,
  sum(trades) AS trades
FROM bars_1m
WHERE exchange = 'EXCHANGE'
  AND symbol = 'BTC-USD'
  AND bar_ts > current_timestamp - INTERVAL '30' DAY
GROUP BY date_trunc('hour', bar_ts)
ORDER BY hour DESC
