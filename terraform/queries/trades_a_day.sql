-- Trades a day of every market, for the last 30 days
SELECT exchange, symbol, date_trunc('day', trade_ts) AS day, count(*) AS trades
FROM trades
WHERE trade_ts > current_timestamp - INTERVAL '30' DAY
GROUP BY exchange, symbol, date_trunc('day', trade_ts)
ORDER BY day DESC, trades DESC
