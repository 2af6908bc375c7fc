-- How many trades each market has, since when and until when
SELECT exchange, symbol, count(*) AS trades, min(trade_ts) AS first_ts, max(trade_ts) AS last_ts
FROM trades
GROUP BY exchange, symbol
ORDER BY trades DESC
