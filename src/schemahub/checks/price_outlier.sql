-- about: A minute whose high or low lies far from all that was paid around it.
-- scope: market
-- severity: warn
-- threshold: 20 robust standard deviations, and 5 % beyond both neighbours
-- window: 1 day
--
-- Robust: the distance from the median of the closes half an hour either way, in units of their
-- median distance from it (times 1.4826, which makes it a standard deviation where prices are
-- normal). At least 10 neighbours; a market that stands still counts as moving by 0.05 %.
-- The first two steps let few minutes through, so the self-join is small.
WITH bars AS (
    SELECT exchange, symbol, bar_ts, CAST(high AS DOUBLE) AS high, CAST(low AS DOUBLE) AS low,
        CAST(close AS DOUBLE) AS close
    FROM bars_1m
    WHERE bar_ts >= :since AND bar_ts < :now
), beside AS (
    SELECT exchange, symbol, bar_ts, high, low,
        lag(close) OVER (PARTITION BY exchange, symbol ORDER BY bar_ts) AS before,
        lead(close) OVER (PARTITION BY exchange, symbol ORDER BY bar_ts) AS after
    FROM bars
), suspects AS (
    SELECT exchange, symbol, bar_ts,
        CASE WHEN high > 1.05 * coalesce(before, after) AND high > 1.05 * coalesce(after, before)
            THEN high ELSE low END AS price
    FROM beside
    WHERE (high > 1.05 * coalesce(before, after) AND high > 1.05 * coalesce(after, before))
        OR (low < 0.95 * coalesce(before, after) AND low < 0.95 * coalesce(after, before))
), around AS (
    SELECT s.exchange, s.symbol, s.bar_ts, s.price, b.close,
        row_number() OVER (PARTITION BY s.exchange, s.symbol, s.bar_ts ORDER BY b.close) AS nth,
        count(*) OVER (PARTITION BY s.exchange, s.symbol, s.bar_ts) AS many
    FROM suspects AS s
    JOIN bars AS b ON b.exchange = s.exchange AND b.symbol = s.symbol AND b.bar_ts <> s.bar_ts
        AND b.bar_ts >= s.bar_ts - INTERVAL '30' MINUTE
        AND b.bar_ts <= s.bar_ts + INTERVAL '30' MINUTE
), middles AS (
    SELECT exchange, symbol, bar_ts, avg(close) AS middle
    FROM around
    WHERE many >= 10 AND 2 * nth >= many AND 2 * nth <= many + 2
    GROUP BY exchange, symbol, bar_ts
), apart AS (
    SELECT a.exchange, a.symbol, a.bar_ts, a.price, a.many, m.middle,
        abs(a.close - m.middle) AS distance,
        row_number() OVER (PARTITION BY a.exchange, a.symbol, a.bar_ts
            ORDER BY abs(a.close - m.middle)) AS nth
    FROM around AS a
    JOIN middles AS m
        ON m.exchange = a.exchange AND m.symbol = a.symbol AND m.bar_ts = a.bar_ts
), spread AS (
    SELECT exchange, symbol, bar_ts, max(price) AS price, max(middle) AS middle,
        1.4826 * avg(distance) AS deviation
    FROM apart
    WHERE 2 * nth >= many AND 2 * nth <= many + 2
    GROUP BY exchange, symbol, bar_ts
)
SELECT exchange || ':' || symbol AS market, bar_ts AS at_ts,
    round(abs(price - middle) / greatest(deviation, 0.0005 * middle), 1) AS observed,
    price, middle AS median_around
FROM spread
WHERE abs(price - middle) > :threshold * greatest(deviation, 0.0005 * middle)
