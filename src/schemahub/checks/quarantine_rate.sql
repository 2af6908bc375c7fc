-- about: A market of which too much is refused: the exchange changed, or its spec is wrong.
-- scope: market
-- severity: error
-- threshold: 0.01 of its rows, and 10 of them; or anything in quarantine that cannot be read
-- window: all
WITH refusals AS (
    SELECT market, exchange, symbol, max(last_ts) AS last_ts,
        CAST(sum(CASE WHEN class = 'refused' THEN refused ELSE 0 END) AS BIGINT) AS refused,
        CAST(sum(CASE WHEN class = 'damaged' THEN refused ELSE 0 END) AS BIGINT) AS damaged,
        max(example) AS example
    FROM quarantined
    WHERE class IN ('refused', 'damaged')
    GROUP BY market, exchange, symbol
), held AS (
    SELECT exchange, symbol, count(*) AS trades
    FROM trades
    GROUP BY exchange, symbol
)
SELECT r.market, r.last_ts AS at_ts, r.refused AS observed, r.damaged,
    coalesce(h.trades, 0) AS trades, r.example
FROM refusals AS r
LEFT JOIN held AS h ON h.exchange = r.exchange AND h.symbol = r.symbol
WHERE r.damaged > 0 OR (r.refused >= 10
    AND CAST(r.refused AS DOUBLE) > :threshold * (coalesce(h.trades, 0) + r.refused))
