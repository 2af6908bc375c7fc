-- about: A silence of a whole exchange: none of its markets here had a trade.
-- scope: exchange
-- severity: warn
-- threshold: 30 minutes, in which at the usual pace twenty would have had trades
-- window: 8 days
--
-- The last silence runs to when a run last asked and got all there was. One that lies at
-- positions which were not fetched is none.
WITH minutes AS (
    SELECT exchange, bar_ts, max(last_position) AS last_position,
        min(first_position) AS first_position
    FROM bars_1m
    WHERE bar_ts >= :since AND bar_ts < :now
    GROUP BY exchange, bar_ts
), asked AS (
    SELECT exchange, date_trunc('minute', max(asked_ts)) AS asked_ts
    FROM watermarks
    GROUP BY exchange
), ends AS (
    SELECT exchange, bar_ts FROM minutes
    UNION ALL
    SELECT a.exchange, a.asked_ts
    FROM asked AS a
    JOIN (SELECT exchange, max(bar_ts) AS last_ts FROM minutes GROUP BY exchange) AS m
        ON m.exchange = a.exchange AND a.asked_ts > m.last_ts
), steps AS (
    SELECT exchange, bar_ts,
        lag(bar_ts) OVER (PARTITION BY exchange ORDER BY bar_ts) AS before_ts,
        count(*) OVER (PARTITION BY exchange) AS active,
        date_diff('minute', min(bar_ts) OVER (PARTITION BY exchange),
            max(bar_ts) OVER (PARTITION BY exchange)) AS whole
    FROM ends
), silences AS (
    SELECT exchange, before_ts, bar_ts, date_diff('minute', before_ts, bar_ts) AS silent,
        active, whole
    FROM steps
    WHERE date_diff('minute', before_ts, bar_ts) > :threshold
), unfetched AS (
    SELECT DISTINCT s.exchange, s.before_ts
    FROM silences AS s
    JOIN (SELECT exchange, symbol, bar_ts, first_position,
            lag(last_position) OVER (PARTITION BY exchange, symbol ORDER BY bar_ts) AS before_position,
            lag(bar_ts) OVER (PARTITION BY exchange, symbol ORDER BY bar_ts) AS before_ts
        FROM bars_1m
        WHERE bar_ts >= :since AND bar_ts < :now) AS b
        ON b.exchange = s.exchange AND b.before_ts <= s.before_ts AND b.bar_ts >= s.bar_ts
    JOIN gaps AS g ON g.exchange = b.exchange AND g.symbol = b.symbol
        AND g.class IN ('not_fetched', 'gone')
        AND g.start_position < b.first_position AND g.stop_position > b.before_position
)
SELECT s.exchange, s.before_ts AS at_ts, s.silent AS observed, s.bar_ts AS until_ts
FROM silences AS s
LEFT JOIN unfetched AS u ON u.exchange = s.exchange AND u.before_ts = s.before_ts
WHERE u.exchange IS NULL AND s.whole > s.silent
    AND CAST(s.active AS DOUBLE) * s.silent > 20.0 * (s.whole - s.silent)
