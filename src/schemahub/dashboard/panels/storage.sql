-- title: Bytes by layer and market
SELECT layer, market, sum(objects)::BIGINT AS objects, sum(bytes)::BIGINT AS bytes,
  sum(superseded)::BIGINT AS superseded, sum(superseded_bytes)::BIGINT AS superseded_bytes
FROM storage GROUP BY ALL ORDER BY bytes DESC, layer, market
