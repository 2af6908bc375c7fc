-- title: Response times, run by run
SELECT started_ts, exchange, p50_ms, p99_ms, limit_share,
  throttled + server_error + timeout + connection + bad_answer + refused AS not_ok
FROM requests WHERE started_ts IS NOT NULL ORDER BY started_ts, exchange
