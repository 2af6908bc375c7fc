-- about: A trade of nothing, or of more than ten times all other trades of the window together.
-- scope: market
-- severity: warn
-- threshold: 10 times all others together, among 100 trades or more
-- window: 1 day
WITH totals AS (
    SELECT exchange, symbol, CAST(sum(volume) AS DOUBLE) AS volume, CAST(sum(trades) AS BIGINT) AS trades
    FROM bars_1m
    WHERE bar_ts >= :since AND bar_ts < :now
    GROUP BY exchange, symbol
)
SELECT t.exchange || ':' || t.symbol AS market, t.trade_ts AS at_ts, t.quantity AS observed,
    t.price, t.trade_id, s.volume AS volume_of_all, s.trades AS trades_of_all
FROM trades AS t
JOIN totals AS s ON s.exchange = t.exchange AND s.symbol = t.symbol
WHERE t.trade_ts >= :since AND t.trade_ts < :now
    AND (t.price <= 0 OR t.quantity <= 0
        OR (s.trades >= 100
            AND CAST(t.quantity AS DOUBLE) > :threshold * (s.volume - CAST(t.quantity AS DOUBLE))))
