-- about: Trades at times that cannot be: a time in milliseconds read as microseconds, or so.
-- scope: market
-- severity: error
-- threshold: 1 day in the future, or before 2009
-- window: all
--
-- 2009 is before any exchange. Milliseconds read as microseconds are in January 1970, and
-- microseconds read as milliseconds tens of thousands of years ahead.
SELECT exchange || ':' || symbol AS market, bar_ts AS at_ts, trades AS observed,
    first_position, last_position
FROM bars_1m
WHERE bar_ts < TIMESTAMP '2009-01-01 00:00:00 UTC' OR bar_ts > :now + INTERVAL '1' DAY
