-- about: A watermark below what an earlier run recorded: something that was held is gone.
-- scope: market
-- severity: error
-- threshold: 0 positions lower
-- window: all
SELECT market, asked_ts AS at_ts, told - coalesce(watermark, 0) AS observed, watermark,
    told, told_by
FROM watermarks
WHERE told > coalesce(watermark, 0)
