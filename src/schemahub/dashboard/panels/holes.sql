-- title: Every hole of a market, and why it is there
SELECT class, start_position, stop_position, positions, axis, start_ts, stop_ts
FROM gaps WHERE market = :market ORDER BY start_position, class LIMIT 500
