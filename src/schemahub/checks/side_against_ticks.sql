-- about: A side column that is turned round or stuck: takers seem to sell as prices rise.
-- scope: market
-- severity: error
-- threshold: 0.35 of the price changes, or more, go the way of the taker's side
-- window: 1 day
--
-- A taker who buys lifts the price and one who sells presses it, in three changes of four and
-- more. Judged from 200 changes on. Stuck is a side that is always the same; broken one that is
-- missing in more than a hundredth of the trades, but not in all.
WITH ticks AS (
    SELECT exchange, symbol, side, price, trade_ts,
        lag(price) OVER (PARTITION BY exchange, symbol ORDER BY trade_ts, trade_id) AS before
    FROM trades
    WHERE trade_ts >= :since AND trade_ts < :now
), counted AS (
    SELECT exchange, symbol, min(trade_ts) AS at_ts, count(*) AS trades,
        count(CASE WHEN side = 'buy' THEN 1 END) AS bought,
        count(CASE WHEN side = 'sell' THEN 1 END) AS sold,
        count(CASE WHEN side IS NOT NULL AND price <> before THEN 1 END) AS moves,
        count(CASE WHEN (side = 'buy' AND price > before) OR (side = 'sell' AND price < before)
            THEN 1 END) AS along
    FROM ticks
    GROUP BY exchange, symbol
)
SELECT exchange || ':' || symbol AS market, at_ts,
    round(CAST(along AS DOUBLE) / moves, 3) AS observed, moves, trades, bought, sold
FROM counted
WHERE moves >= 200
    AND (CAST(along AS DOUBLE) / moves < :threshold OR bought = 0 OR sold = 0
        OR 100 * (trades - bought - sold) > trades)
