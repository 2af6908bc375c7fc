-- about: An hour in which a market was priced unlike the same symbol on other exchanges.
-- scope: market
-- severity: warn
-- threshold: 0.03 of the mean of the others, by the mean price of the hour
-- window: 1 day
--
-- Hours with ten trades on each side at least. Of two exchanges nobody knows which is wrong:
-- both are told.
WITH hours AS (
    SELECT exchange, symbol, date_trunc('hour', bar_ts) AS hour_ts,
        CAST(sum(quote_volume) AS DOUBLE) / CAST(sum(volume) AS DOUBLE) AS price,
        CAST(sum(trades) AS BIGINT) AS trades
    FROM bars_1m
    WHERE bar_ts >= :since AND bar_ts < :now AND volume > 0
    GROUP BY exchange, symbol, date_trunc('hour', bar_ts)
), pairs AS (
    SELECT a.exchange, a.symbol, a.hour_ts, max(a.price) AS price, avg(b.price) AS others,
        count(*) AS exchanges
    FROM hours AS a
    JOIN hours AS b
        ON b.symbol = a.symbol AND b.hour_ts = a.hour_ts AND b.exchange <> a.exchange
    WHERE a.trades >= 10 AND b.trades >= 10
    GROUP BY a.exchange, a.symbol, a.hour_ts
)
SELECT exchange || ':' || symbol AS market, hour_ts AS at_ts,
    round(price / others - 1, 4) AS observed, price, others AS price_elsewhere,
    exchanges AS others_compared
FROM pairs
WHERE abs(price - others) > :threshold * others
