-- title: Completeness, market by day
WITH traded AS (
  SELECT exchange || ':' || symbol AS market, date_trunc('day', bar_ts) AS day_ts,
    sum(trades)::BIGINT AS trades, min(first_position) AS first_position,
    max(last_position) AS last_position
  FROM bars_1m GROUP BY ALL
), spans AS (
  SELECT market, class, axis, positions,
    coalesce(date_trunc('day', start_ts),
      (SELECT max(day_ts) FROM traded t WHERE t.market = g.market AND t.first_position <= g.start_position),
      (SELECT min(day_ts) FROM traded t WHERE t.market = g.market)) AS first_day,
    coalesce(date_trunc('day', stop_ts - INTERVAL 1 MICROSECOND),
      (SELECT min(day_ts) FROM traded t WHERE t.market = g.market AND t.last_position >= g.stop_position),
      (SELECT max(day_ts) FROM traded t WHERE t.market = g.market)) AS last_day
  FROM gaps g
), marks AS (
  SELECT market, class, day_ts,
    CASE WHEN day_ts = first_day AND axis = 'ids' THEN positions ELSE 0 END AS ids
  FROM (
    SELECT *, unnest(generate_series(
      greatest(first_day, :since::TIMESTAMPTZ), least(last_day, :until::TIMESTAMPTZ),
      INTERVAL 1 DAY)) AS day_ts
    FROM spans WHERE first_day IS NOT NULL)
), marked AS (
  SELECT market, day_ts,
    sum(ids) FILTER (class IN ('not_fetched', 'gone', 'unattested'))::BIGINT AS missing,
    sum(ids) FILTER (class = 'absent_at_source')::BIGINT AS absent,
    sum(ids) FILTER (class = 'quarantined')::BIGINT AS quarantined,
    bool_or(class IN ('not_fetched', 'gone')) AS is_missing,
    bool_or(class = 'unattested') AS is_unattested,
    bool_or(class = 'absent_at_source') AS is_absent,
    bool_or(class = 'quarantined') AS is_quarantined
  FROM marks GROUP BY ALL
)
SELECT market, day_ts, coalesce(trades, 0) AS trades, coalesce(marked.missing, 0) AS missing,
  coalesce(absent, 0) AS absent, coalesce(quarantined, 0) AS quarantined,
  CASE WHEN is_missing THEN 'missing'
    WHEN is_unattested OR is_quarantined OR markets.axis IS DISTINCT FROM 'ids' THEN 'unproven'
    WHEN is_absent THEN 'absent'
    ELSE 'proven' END AS state
FROM traded FULL JOIN marked USING (market, day_ts) LEFT JOIN markets USING (market)
WHERE day_ts >= :since::TIMESTAMPTZ AND day_ts < :until::TIMESTAMPTZ
ORDER BY market, day_ts
