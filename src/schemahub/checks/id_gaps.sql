-- about: Positions that were never fetched, or that the table skips although raw holds them.
-- scope: market
-- severity: error
-- threshold: 0 of them
-- window: 1 day
--
-- What was never fetched is told by the names of the objects, for all times. What the table
-- skips shows only where the exchange numbers trades without holes, and is looked for in the
-- window. A hole within the window's first hour may have its trade just before the window.
WITH ids AS (
    SELECT t.exchange, t.symbol, t.trade_id, t.trade_ts,
        lag(t.trade_id) OVER (PARTITION BY t.exchange, t.symbol ORDER BY t.trade_id) AS before_id
    FROM trades AS t
    WHERE t.trade_ts >= :since AND t.trade_id IS NOT NULL
), holes AS (
    SELECT m.market, i.trade_ts, i.before_id + 1 AS start_position, i.trade_id AS stop_position
    FROM ids AS i
    JOIN watermarks AS m ON m.exchange = i.exchange AND m.symbol = i.symbol AND m.axis = 'ids'
    WHERE i.trade_id > i.before_id + 1 AND i.trade_ts >= :since + INTERVAL '1' HOUR
)
SELECT h.market, h.trade_ts AS at_ts, h.stop_position - h.start_position AS observed,
    'not_in_table' AS class, h.start_position, h.stop_position
FROM holes AS h
LEFT JOIN gaps AS g ON g.market = h.market
    AND g.start_position < h.stop_position AND g.stop_position > h.start_position
WHERE g.market IS NULL
UNION ALL
SELECT market, start_ts AS at_ts, positions AS observed, class, start_position, stop_position
FROM gaps
WHERE class = 'not_fetched'
