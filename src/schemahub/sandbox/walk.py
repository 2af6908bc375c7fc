"""A market that never was: times, prices, sizes and sides as pure functions of seed and position.

Work is done a block of 32 trades at a time: what is costly (hashing, noise, the ends of the
block in time) is done once a block, what is left per trade is integers and one format. Only
integers and IEEE + - * / are used, never libm, so every machine makes the same digits.
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from hashlib import blake2b

from schemahub.sandbox.times import iso

__all__ = ["BLOCK", "Row", "Walk", "mix", "scaled"]

BLOCK = 32
Row = tuple[int, str, str, str, str]  # trade_id, taker's side, price, size, time

_MASK = (1 << 64) - 1
_ODD = 0x9E3779B97F4A7C15
_MILLI, _SECOND = 1000, 1_000_000  # in microseconds
_TABLE = 2048
_TIES = 26  # per cent; a block's first trade never ties, which makes it 25 overall
_LEAST = 100  # ticks: below that a price has no room to walk
_DECIMALS = 8  # what the exchange prints when it prints all
_AHEAD = 3  # blocks: one for the remainder, one for the dice, one for what is moved back
_LONG_PRICES = 1 << 62  # of 2**64: a quarter
# Each octave is 4 times as slow and twice as strong, as the parts of a random walk are. The
# strengths add up to 0.61, so a price stays within 0.39 .. 1.61 of where it started: positive.
_OCTAVES = tuple((2 * k, 0.00015 * (1 << k)) for k in range(12))


def mix(x: int) -> int:
    """64 well-mixed bits of x (the finaliser of splitmix64)."""
    x &= _MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _MASK
    return x ^ (x >> 31)


def scaled(text: str) -> tuple[int, int]:
    """A plain decimal as (integer, number of decimals): "0.050" -> (50, 3)."""
    whole, _, part = text.partition(".")
    return int(whole + part), len(part)


def _form(decimals: int) -> tuple[str, int]:
    """A format and a scale, such that `form % divmod(value, scale)` is the fixed-point text."""
    return (f"%d.%0{decimals}d" if decimals else "%d%.0s"), 10**decimals


@lru_cache(maxsize=1)
def _rhythms() -> tuple[tuple[int, ...], ...]:
    """64 ways to spread a block's trades over its time, in 65536ths.

    Starts at 0 and never falls; a quarter of the neighbours are equal (one taker order that
    sweeps several makers prints them all in one microsecond).
    """
    ways = []
    for way in range(64):
        at, total = [0], 0
        for i in range(1, BLOCK):
            dice = mix(way * 4096 + i)
            if dice % 100 >= _TIES:
                spread = (dice >> 16) & 0xFFFF
                total += 1 + (spread * spread >> 24)
            at.append(total)
        ways.append(tuple(a * 65_000 // (total + 1) for a in at))
    return tuple(ways)


class Walk:
    """The trades of one generated market. Call `start_at` or `end_at` once before use."""

    def __init__(  # noqa: PLR0913 -- what a market is made of
        self,
        *,
        seed: int,
        symbol: str,
        price: str,
        quote_increment: str,
        base_increment: str,
        gap_ns: int,
    ) -> None:
        digest = blake2b(f"{seed}\0{symbol}".encode(), digest_size=8).digest()
        self._key = int.from_bytes(digest, "big")
        self.quote_increment = quote_increment
        self.base_increment = base_increment
        self._units, decimals = scaled(quote_increment)
        amount, amount_decimals = scaled(price)
        self._middle: int = amount * 10**decimals // (10**amount_decimals * self._units)
        if self._middle < _LEAST:
            raise ValueError(f"price {price} is less than {_LEAST} increments of {quote_increment}")
        self._short, self._long = _form(decimals), _form(max(decimals, _DECIMALS))
        self._padding = 10 ** max(0, _DECIMALS - decimals)
        self._typical_price = amount / 10**amount_decimals
        self._gap_ns = self._tail_ns = gap_ns
        self._knee: int | None = None
        self._start_us = 0
        # A page asks for each of these several times over.
        self._lattice = lru_cache(maxsize=1024)(self._knot)
        self._level = lru_cache(maxsize=256)(self._noise)
        self._begins = lru_cache(maxsize=256)(self._begin)

    def start_at(self, start_ts: float) -> None:
        """Trade 1 is at or after `start_ts`, by less than a block."""
        self._start_us = round(start_ts * _SECOND)
        self._begins.cache_clear()

    def end_at(self, end_ts: float, trades: int, tail_ns: int | None) -> None:
        """The last of `trades` is at or before `end_ts`, by less than two blocks.

        Later trades come every `tail_ns` nanoseconds, if given and less than the mean gap.
        """
        knee = -(-trades // BLOCK)
        if tail_ns is not None:
            self._knee, self._tail_ns = knee, min(tail_ns, self._gap_ns)
        self._start_us = 0
        lag = self._begin(knee)
        self._start_us = (round(end_ts * _SECOND) - lag) // _MILLI * _MILLI
        self._begins.cache_clear()

    def count_until(self, us: int) -> int:
        """How many trades have a time <= us (Unix µs), found without a look at all of them."""
        block = self._block_after(us)
        while block >= 0 and self._begins(block) > us:
            block -= 1
        if block < 0:
            return 0
        return block * BLOCK + sum(at <= us for at in self._times(block))

    def _block_after(self, us: int) -> int:
        """A block that begins after `us`, by a few beats at most."""
        elapsed = (us + 1 - self._start_us) * 1000
        gap, tail = BLOCK * self._gap_ns, BLOCK * self._tail_ns
        if self._knee is None or elapsed < self._knee * gap:
            return elapsed // gap + _AHEAD
        return self._knee + (elapsed - self._knee * gap) // tail + _AHEAD

    def rows(self, block: int) -> list[Row]:
        """The trades block * BLOCK + 1 .. block * BLOCK + BLOCK."""
        dice = mix(self._key ^ block * _ODD)
        rhythm = _rhythms()[dice & 63]
        times = self._times(block)
        level = self._level(block)
        slope = (self._level(block + 1) - level) / BLOCK
        units, (form, scale) = self._units, self._short
        if dice < _LONG_PRICES:
            units, (form, scale) = units * self._padding, self._long
        pick = (dice >> 16) % _TABLE
        jitters, sizes = self._jitters[pick : pick + BLOCK], self._sizes[pick : pick + BLOCK]
        bits = dice >> 6
        before = tick = int(level)
        trade_id, side, step, last, when = block * BLOCK, "buy", 1, -1, ""
        found: list[Row] = []
        for at, us, jitter, size in zip(rhythm, times, jitters, sizes, strict=True):
            bits >>= 1
            trade_id += 1
            level += slope
            if at == last:
                # The same taker order goes on: same time, same side, price never better for it.
                tick += step * (bits & 1)
            else:
                last = at
                tick = int(level) + jitter
                # An up-tick is a taker who buys, a down-tick one who sells; an even one either.
                buys = tick > before if tick != before else bits & 1
                side, step = ("buy", 1) if buys else ("sell", -1)
                when = iso(us)
            before = tick
            found.append((trade_id, side, form % divmod(tick * units, scale), size, when))
        return found

    def _base_us(self, block: int) -> tuple[int, int]:
        """Where a block would begin on an even beat, and how long a beat is there, in µs."""
        beat, tail = BLOCK * self._gap_ns, BLOCK * self._tail_ns
        if self._knee is None or block < self._knee:
            return block * beat // 1000, max(1, beat // 1000)
        return (self._knee * beat + (block - self._knee) * tail) // 1000, max(1, tail // 1000)

    def _uneven(self, block: int) -> int:
        """The time of a block's first trade, before it is moved to a whole second."""
        base, beat = self._base_us(block)
        us = self._start_us + base + mix(self._key + 7 * block) % (beat // 2 + 1)
        return us - us % _MILLI if beat >= 4 * _MILLI and self._start_us % _MILLI == 0 else us

    def _begin(self, block: int) -> int:
        """The time of a block's first trade in µs; grows with the block."""
        us = self._uneven(block)
        # One block in four starts on a whole second where one lies between it and the last.
        whole = us - us % _SECOND
        if mix(self._key ^ block) & 3 == 0 and block > 0 and whole > self._uneven(block - 1):
            return whole
        return us

    def _times(self, block: int) -> list[int]:
        dice = mix(self._key ^ block * _ODD)
        begin = self._begins(block)
        span = self._begins(block + 1) - begin
        times = [begin + (at * span >> 16) for at in _rhythms()[dice & 63]]
        # One block in eight knows milliseconds only (".560000"), as old rows do.
        if (dice >> 57) & 7 == 0 and begin % _MILLI == 0:
            return [us - us % _MILLI for us in times]
        return times

    def _noise(self, block: int) -> float:
        """The price in ticks at a block's beginning: value noise of twelve octaves."""
        total = 0.0
        for shift, strength in _OCTAVES:
            cell = block >> shift
            left = self._lattice(shift, cell)
            x = (block - (cell << shift)) / (1 << shift)
            if x:
                left += (self._lattice(shift, cell + 1) - left) * (x * x * (3.0 - 2.0 * x))
            total += strength * left
        return self._middle * (1.0 + total)

    def _knot(self, shift: int, cell: int) -> float:
        bits: int = mix(self._key + shift * _ODD + cell)
        return bits / float(1 << 63) - 1.0

    @cached_property  # a sandbox of 500 markets starts at once
    def _jitters(self) -> list[int]:
        spread = max(1, self._middle // 50_000)
        jitters = [mix(self._key - i) % (2 * spread + 1) - spread for i in range(_TABLE)]
        return jitters + jitters[:BLOCK]  # a slice that starts near the end wraps round

    @cached_property
    def _sizes(self) -> list[str]:
        """Sizes around 500 quote units, over three orders of magnitude, many of them round."""
        units, decimals = scaled(self.base_increment)
        typical = max(64, int(500.0 / self._typical_price * 10**decimals / units))
        texts = []
        for i in range(_TABLE):
            dice = mix(self._key + 3 * i + 1)
            count = max(1, (typical * (64 + dice % 64) >> 6) >> ((dice >> 8) % 10))
            if (dice >> 20) & 1:  # people like round sizes
                count -= count % 10 ** max(0, len(str(count)) - 2)
            texts.append(_size_text(count * units, decimals, all_decimals=bool((dice >> 24) & 1)))
        return texts + texts[:BLOCK]


def _size_text(value: int, decimals: int, *, all_decimals: bool) -> str:
    """With all of 8 decimals ("0.04000000") or without trailing zeros ("0.04"): both are seen."""
    if all_decimals and decimals < _DECIMALS:
        value, decimals = value * 10 ** (_DECIMALS - decimals), _DECIMALS
    form, scale = _form(decimals)
    text = form % divmod(value, scale)
    return text if all_decimals or not decimals else text.rstrip("0").rstrip(".")
