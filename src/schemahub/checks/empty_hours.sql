-- about: An hour without a trade in a market that always trades at that hour of the day.
-- scope: market
-- severity: warn
-- threshold: 10 minutes with trades at that hour on an average day, and no other day without
-- window: 8 days
--
-- While other markets of the exchange traded: where none did it is an outage. Only hours that
-- were fetched whole count, and hours of the day seen on three other days at least.
WITH hours AS (
    SELECT exchange, symbol, date_trunc('hour', bar_ts) AS hour_ts, count(*) AS minutes
    FROM bars_1m
    WHERE bar_ts >= :since AND bar_ts < :now
    GROUP BY exchange, symbol, date_trunc('hour', bar_ts)
), open_hours AS (
    SELECT DISTINCT exchange, hour_ts FROM hours
), ends AS (
    SELECT h.exchange, h.symbol, min(h.hour_ts) AS first_ts, max(h.hour_ts) AS last_ts,
        date_trunc('hour', max(w.asked_ts)) AS asked_ts
    FROM hours AS h
    LEFT JOIN watermarks AS w ON w.exchange = h.exchange AND w.symbol = h.symbol
    GROUP BY h.exchange, h.symbol
), profile AS (
    SELECT exchange, symbol, extract(HOUR FROM hour_ts) AS hour_of_day,
        count(*) AS days, avg(CAST(minutes AS DOUBLE)) AS minutes
    FROM hours
    GROUP BY exchange, symbol, extract(HOUR FROM hour_ts)
), wanted AS (
    SELECT e.exchange, e.symbol, o.hour_ts, extract(HOUR FROM o.hour_ts) AS hour_of_day
    FROM ends AS e
    JOIN open_hours AS o ON o.exchange = e.exchange AND o.hour_ts > e.first_ts
        AND (o.hour_ts < e.last_ts OR o.hour_ts < e.asked_ts)
), absences AS (
    SELECT w.exchange, w.symbol, w.hour_ts, w.hour_of_day,
        count(*) OVER (PARTITION BY w.exchange, w.symbol, w.hour_of_day) AS empty_days
    FROM wanted AS w
    LEFT JOIN hours AS h
        ON h.exchange = w.exchange AND h.symbol = w.symbol AND h.hour_ts = w.hour_ts
    WHERE h.hour_ts IS NULL
)
SELECT e.exchange || ':' || e.symbol AS market, e.hour_ts AS at_ts,
    round(p.minutes, 1) AS observed, p.days AS days_with_trades
FROM absences AS e
JOIN profile AS p ON p.exchange = e.exchange AND p.symbol = e.symbol
    AND p.hour_of_day = e.hour_of_day
WHERE e.empty_days = 1 AND p.days >= 3 AND p.minutes >= :threshold
