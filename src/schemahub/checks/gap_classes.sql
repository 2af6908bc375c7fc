-- about: Why there is nothing where there is nothing, by class of gap.
-- scope: market
-- severity: note
-- threshold: 60 minutes of silence; every position that is missing or absent
-- window: 8 days
--
-- Positions (ids, or µs of a time) that the names of the objects tell of, for all times; and
-- minutes of silence in the window between trades that are held. A silence is an outage if the
-- exchange was silent for half an hour of it, else the market alone was quiet.
WITH bars AS (
    SELECT exchange, symbol, bar_ts,
        lag(bar_ts) OVER (PARTITION BY exchange, symbol ORDER BY bar_ts) AS before_ts
    FROM bars_1m
    WHERE bar_ts >= :since AND bar_ts < :now
), silences AS (
    SELECT exchange, symbol, before_ts, bar_ts, date_diff('minute', before_ts, bar_ts) AS silent
    FROM bars
    WHERE date_diff('minute', before_ts, bar_ts) > :threshold
), exchange_minutes AS (
    SELECT DISTINCT exchange, bar_ts FROM bars
), exchange_steps AS (
    SELECT exchange, bar_ts,
        lag(bar_ts) OVER (PARTITION BY exchange ORDER BY bar_ts) AS before_ts
    FROM exchange_minutes
), known AS (
    SELECT s.exchange, s.symbol, s.before_ts, max(s.silent) AS silent,
        max(CASE WHEN o.exchange IS NULL THEN 0 ELSE 1 END) AS shared
    FROM silences AS s
    LEFT JOIN (SELECT exchange, before_ts, bar_ts FROM exchange_steps
        WHERE date_diff('minute', before_ts, bar_ts) > 30) AS o
        ON o.exchange = s.exchange AND o.before_ts < s.bar_ts AND o.bar_ts > s.before_ts
    GROUP BY s.exchange, s.symbol, s.before_ts
)
SELECT exchange || ':' || symbol AS market, max(before_ts) AS at_ts, CAST(sum(silent) AS BIGINT) AS observed,
    CASE WHEN shared = 1 THEN 'outage' ELSE 'quiet' END AS class, count(*) AS gaps
FROM known
GROUP BY exchange, symbol, shared
UNION ALL
SELECT market, max(stop_ts) AS at_ts, CAST(sum(positions) AS BIGINT) AS observed, class, count(*) AS gaps
FROM gaps
GROUP BY market, class
