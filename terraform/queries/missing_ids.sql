-- Holes in the ids of a market, where its exchange numbers trades without holes
SELECT previous_id + 1 AS first_missing, trade_id - 1 AS last_missing, trade_ts AS next_ts
FROM (
  SELECT trade_id, trade_ts, lag(trade_id) OVER (ORDER BY trade_id) AS previous_id
  FROM trades
  WHERE exchange = 'EXCHANGE'
    AND symbol = 'BTC-USD'
) AS followed
WHERE trade_id > previous_id + 1
ORDER BY first_missing
