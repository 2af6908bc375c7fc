-- about: An id that the exchange told twice, with different content; both are kept.
-- scope: market
-- severity: warn
-- threshold: 0 of them
-- window: all
SELECT market, last_ts AS at_ts, refused AS observed, reason, first_position, last_position,
    example
FROM quarantined
WHERE class = 'conflict'
