-- title: The score of each market
SELECT market, score, at_ts FROM scores ORDER BY market NULLS FIRST
