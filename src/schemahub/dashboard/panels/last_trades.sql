-- title: The last trades
SELECT trade_ts, exchange, price, quantity, side, trade_id
FROM trades
WHERE :markets AND trade_ts >= (SELECT max(bar_ts) FROM bars_1m WHERE :markets) - INTERVAL 1 HOUR
ORDER BY trade_ts DESC, trade_id DESC, exchange, symbol LIMIT 50
