-- about: A trade whose time lies before that of the trade with the id below it.
-- scope: market
-- severity: warn
-- threshold: 10 seconds
-- window: 1 day
--
-- Matching engines stamp neighbours some milliseconds apart either way. Where the axis is time
-- there is no such order.
WITH neighbours AS (
    SELECT t.exchange, t.symbol, t.trade_id, t.trade_ts,
        lag(t.trade_ts) OVER (PARTITION BY t.exchange, t.symbol ORDER BY t.trade_id) AS before_ts
    FROM trades AS t
    WHERE t.trade_ts >= :since AND t.trade_ts < :now AND t.trade_id IS NOT NULL
)
SELECT w.market, n.trade_ts AS at_ts,
    date_diff('second', date_trunc('second', n.trade_ts), date_trunc('second', n.before_ts))
        AS observed,
    n.trade_id, n.before_ts
FROM neighbours AS n
JOIN watermarks AS w ON w.exchange = n.exchange AND w.symbol = n.symbol AND w.axis <> 'time'
WHERE n.trade_ts < n.before_ts
    AND n.trade_ts + :threshold * INTERVAL '1' SECOND < n.before_ts
