-- Candles of a day from exact trades, with the volume of buyers
SELECT
  date_trunc('day', trade_ts) AS day,
  min_by(price, ROW(trade_ts, coalesce(trade_id, 0))) AS open,
  max(price) AS high,
  min(price) AS low,
  max_by(price, ROW(trade_ts, coalesce(trade_id, 0))) AS close,
  sum(quantity) AS volume,
  sum(CASE WHEN side = 'buy' THEN quantity ELSE CAST(0 AS DECIMAL(38, 12)) END) AS buy_volume,
  count(*) AS trades
FROM trades
WHERE exchange = 'EXCHANGE'
  AND symbol = 'BTC-USD'
GROUP BY date_trunc('day', trade_ts)
ORDER BY day DESC
