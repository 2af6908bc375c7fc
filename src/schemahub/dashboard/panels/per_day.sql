-- title: Trades per day
SELECT date_trunc('day', bar_ts) AS day_ts, exchange, sum(trades)::BIGINT AS trades
FROM bars_1m GROUP BY ALL ORDER BY day_ts, exchange
