"""A new spec to be filled in: the questions that an exchange's documentation answers."""

from __future__ import annotations

from schemahub.core.spec_reading import FILL_IN

SCHEMA_FILE = "exchange.schema.json"

_TEXT = """\
# yaml-language-server: $schema=SCHEMA_FILE
#
# An exchange, as SchemaHub is told of it. Answer each FILL-IN; until then
#   schemahub exchange check NAME.yaml
# lists those that are left. docs/add-an-exchange.md explains every question on one page.

exchange: NAME
title: FILL-IN
docs: FILL-IN         # https://… where the exchange documents this API
base_url: FILL-IN     # https://… what stands before every path

# How are the trades of a market numbered, and what does the cursor take?
#   ids         1, 2, 3 … in each market without a hole; the cursor takes an id
#   sparse_ids  ids grow, but skip (mostly: all markets share them); the cursor takes an id
#   time        the cursor takes a time; ids are unique and grow
axis: FILL-IN
# by: ids (a range without a hole proves that nothing is missing) or nothing
# basis: measured (seen in real answers) or documented
provable: {by: FILL-IN, basis: FILL-IN, why: FILL-IN}
# history: 90d        # how far back it goes, if not to the first trade

limits: {scope: host, rate: FILL-IN, burst: 1}    # requests a second of one address

# How an answer of status 200 says that it is an error. Take this out if none does.
errors: {at: FILL-IN, throttled: [FILL-IN], refused: [FILL-IN]}

symbols:
  native: FILL-IN     # how BTC-USD is spelt: "{base}-{quote}", "{base}{quote}", …
  # The list of markets. Take the rest out if there is none.
  path: FILL-IN       # /…
  rows: ""            # where in the answer the list is; "" if the answer is the list
  id: FILL-IN         # the field with the spelling
  base: FILL-IN       # the fields with the two currencies
  quote: FILL-IN
  status: FILL-IN     # the field that says whether it trades, and the words for yes
  online: [FILL-IN]

trades:
  path: FILL-IN       # /…, with {symbol} in it; or give that in params
  # params: {pair: "{symbol}"}
  rows: ""            # where in the answer the list is: "", result, data.trades; * is the only one
  # Which trades come for a cursor c?
  #   newest_below  the newest ones before c, c not included    (newest first)
  #   oldest_from   the oldest ones from c on, c included       (oldest first)
  #   oldest_after  the oldest ones after c, c not included     (oldest first)
  #   time_window   those between two times, the newest first: start and stop instead of cursor
  #   latest_only   there is no cursor: only the latest come
  # On an axis of time also unit: s, ms, us, ns, or iso_s, iso_ms, iso_us.
  # newest: {sort: desc} if an answer without a cursor would begin with the oldest.
  paging: {rule: FILL-IN, cursor: FILL-IN, limit: FILL-IN, page: FILL-IN}
  fields:
    # from: the name of a field, or its index where a row is a list.
    trade_id: {from: FILL-IN, as: FILL-IN}    # integer, integer_text
    # Whose side does the word tell: the taker's, or the maker's? If the documentation does not
    # say, `exchange check --live` looks whether buys lift the price.
    side: {from: FILL-IN, of: FILL-IN, buy: FILL-IN, sell: FILL-IN}
    price: {from: FILL-IN, as: FILL-IN}       # decimal_text "1.5", decimal_number 1.5
    quantity: {from: FILL-IN, as: FILL-IN}    # the same; in units of the base currency
    # iso_time, iso_utc if it has no zone, unix_ms, unix_ms_text; s, us, ns too
    trade_ts: {from: FILL-IN, as: FILL-IN}
"""


def scaffold(name: str) -> str:
    """The text of NAME.yaml. All that is wrong with it is what is to be filled in."""
    text = _TEXT.replace("NAME", name).replace("SCHEMA_FILE", SCHEMA_FILE)
    return text.replace("FILL-IN", FILL_IN)
