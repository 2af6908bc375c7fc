-- about: Positions that one run alone was told are not there, or that cannot be had any more.
-- scope: market
-- severity: warn
-- threshold: 0 of them
-- window: all
--
-- A second run attests what the first was told, a settle time later. What the exchange shows
-- no longer stays missing.
SELECT market, start_ts AS at_ts, positions AS observed, class, start_position, stop_position
FROM gaps
WHERE class IN ('unattested', 'gone')
