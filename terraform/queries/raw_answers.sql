-- The latest answers of the exchange as they came; a query of raw must name the symbol
SELECT at, status, url, substr(body, 1, 200) AS beginning
FROM raw_EXCHANGE_trades
WHERE symbol = 'BTC-USD'
  AND at IS NOT NULL
ORDER BY at DESC
LIMIT 100
