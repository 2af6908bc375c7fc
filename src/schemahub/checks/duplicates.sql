-- about: An id that stands in the table more than once.
-- scope: market
-- severity: error
-- threshold: 1 row an id
-- window: 1 day
SELECT exchange || ':' || symbol AS market, min(trade_ts) AS at_ts, count(*) AS observed,
    trade_id, min(price) AS lowest_price, max(price) AS highest_price
FROM trades
WHERE trade_ts >= :since AND trade_id IS NOT NULL
GROUP BY exchange, symbol, trade_id
HAVING count(*) > :threshold
