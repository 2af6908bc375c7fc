-- title: How each exchange answered
SELECT exchange, sum(ok)::BIGINT AS ok, sum(throttled)::BIGINT AS throttled,
  sum(server_error)::BIGINT AS server_error, sum(timeout)::BIGINT AS timeout,
  sum(connection)::BIGINT AS connection, sum(bad_answer)::BIGINT AS bad_answer,
  sum(refused)::BIGINT AS refused, arg_max(p50_ms, started_ts) AS p50_ms_last,
  max(p99_ms) AS p99_ms_worst, sum(breaker_opened)::BIGINT AS breaker_opened,
  arg_max(breaker_open, started_ts) AS breaker_open_last, max(limit_share) AS limit_share_most,
  count(*) AS runs, max(started_ts) AS last_ts
FROM requests GROUP BY exchange ORDER BY exchange
