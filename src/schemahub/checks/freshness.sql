-- about: A market from which nothing was heard for longer than it is ever silent.
-- scope: market
-- severity: error
-- threshold: 12 hours, or twice the longest silence of the window if that is longer
-- window: 7 days
--
-- Heard is a trade, or a run that asked for everything and got it: a quiet market that is
-- asked is fresh. Markets that their exchange lists as not online are left out.
WITH minutes AS (
    SELECT exchange, symbol, bar_ts,
        lag(bar_ts) OVER (PARTITION BY exchange, symbol ORDER BY bar_ts) AS before_ts
    FROM bars_1m
    WHERE bar_ts >= :since AND bar_ts < :now
), rhythm AS (
    SELECT exchange, symbol, max(bar_ts) AS last_ts,
        max(date_diff('minute', before_ts, bar_ts)) AS silence
    FROM minutes
    GROUP BY exchange, symbol
), heard AS (
    SELECT w.market, r.last_ts, w.asked_ts, coalesce(r.silence, 0) AS silence,
        date_trunc('minute', CASE
            WHEN w.asked_ts IS NULL OR r.last_ts > w.asked_ts THEN r.last_ts
            ELSE w.asked_ts END) AS heard_ts
    FROM watermarks AS w
    LEFT JOIN rhythm AS r ON r.exchange = w.exchange AND r.symbol = w.symbol
    WHERE w.held > 0 AND coalesce(w.online, 1) = 1
)
SELECT market, heard_ts AS at_ts,
    date_diff('minute', heard_ts, date_trunc('minute', :now)) AS observed,
    silence AS longest_silence, last_ts, asked_ts
FROM heard
WHERE heard_ts IS NULL
    OR (date_diff('minute', heard_ts, date_trunc('minute', :now)) > :threshold * 60
        AND date_diff('minute', heard_ts, date_trunc('minute', :now)) > 2 * silence)
