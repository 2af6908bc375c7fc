-- title: What failed, and why
SELECT started_ts, run_id, step, market, state, error, reason
FROM steps WHERE error IS NOT NULL ORDER BY started_ts DESC, run_id, step, market LIMIT 100
