-- title: The latest runs
SELECT run_id, command, runs.started_ts, runs.milliseconds / 1000 AS seconds, exit_code,
  sum(trades)::BIGINT AS trades, sum("rows") FILTER (step = 'transform')::BIGINT AS "rows",
  sum(parts)::BIGINT AS parts, count(steps.error) AS failures,
  round(runs.milliseconds / 3600000 * :task_usd_per_hour, 6) AS usd_on_fargate
FROM runs LEFT JOIN steps USING (run_id)
GROUP BY ALL ORDER BY runs.started_ts DESC NULLS LAST, run_id DESC
