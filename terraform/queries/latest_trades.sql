-- The latest hundred trades of a market
SELECT trade_ts, trade_id, side, price, quantity
FROM trades
WHERE exchange = 'EXCHANGE'
  AND symbol = 'BTC-USD'
  AND trade_ts > current_timestamp - INTERVAL '1' DAY
ORDER BY trade_ts DESC, trade_id DESC
LIMIT 100
