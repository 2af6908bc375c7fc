"""What the work costs on AWS a month, or once: counts times list prices, each line shown.

Exact decimals throughout. Counts are of what was measured (`Figure`), prices of one dated table
(`Price`), and a line keeps both, so that each amount can be computed again by hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from schemahub.core.errors import UsageError

HOURS_A_MONTH = Decimal(730)
OLD = timedelta(days=365)
ENGINES = ("fargate", "fargate-spot", "fargate-x86", "laptop")
_RATES = {"fargate": "fargate_arm", "fargate-spot": "fargate_spot", "fargate-x86": "fargate_x86"}
_MILLION = Decimal(1_000_000)
_GIGA, _TERA = Decimal(10) ** 9, Decimal(10) ** 12
_HOUR = Decimal(3600)


@dataclass(frozen=True, slots=True)
class Price:
    """USD for `per` units; `seen` is where it was read, empty if it is from memory."""

    unit: str
    per: Decimal
    usd: Decimal
    source: str
    seen: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """A count the program was measured at, or that is assumed; `by` says which."""

    value: Decimal
    unit: str
    by: str


@dataclass(frozen=True, slots=True)
class Book:
    """Prices of one region, and the figures that they are multiplied with."""

    region: str
    dated: date
    prices: Mapping[str, Price]
    figures: Mapping[str, Figure]

    def old(self, today: date) -> bool:
        """Whether the prices are too old to be believed without a look."""
        return today - self.dated > OLD

    def __getitem__(self, figure: str) -> Decimal:
        return self.figures[figure].value


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the bill. `count` says where the quantity comes from."""

    group: str
    what: str
    quantity: Decimal
    price: Price
    count: str

    @property
    def usd(self) -> Decimal:
        return self.quantity / self.price.per * self.price.usd


@dataclass(frozen=True, slots=True)
class Limit:
    """An exchange's: requests a second, trades a page."""

    rate: Decimal
    page: int


@dataclass(frozen=True, slots=True)
class Load:
    """A schedule: so many markets every so many hours, that trade so often a day together."""

    markets: int
    every: timedelta
    trades_per_day: int

    def __post_init__(self) -> None:
        if self.markets < 1 or self.trades_per_day < 0:
            raise UsageError(
                "there is nothing to reckon",
                f"{self.markets} markets, {self.trades_per_day} trades a day",
                "give at least one market, and trades from 0 on",
            )
        if not timedelta(minutes=1) <= self.every <= timedelta(days=31):
            raise UsageError(
                f"a run every {self.every} is no schedule",
                "a run takes longer than a minute, and a month is what is reckoned",
                "give --every from 1m to 31d, as 6h",
            )

    @property
    def runs(self) -> Decimal:
        """A month."""
        return HOURS_A_MONTH / (Decimal(self.every // timedelta(seconds=1)) / _HOUR)

    @property
    def trades(self) -> Decimal:
        """A month."""
        return Decimal(self.trades_per_day) * HOURS_A_MONTH / 24


def total(lines: Iterable[Line]) -> Decimal:
    return sum((line.usd for line in lines), Decimal(0))


def monthly(book: Book, load: Load, limit: Limit, engine: str) -> list[Line]:
    """The lines of a month of scheduled runs; of `laptop` only what S3 bills."""
    bill = _Bill(book, engine, "updates")
    runs, visits = load.runs, load.runs * load.markets
    # What a run's own requests do not hold for costs as much as if it were backfilled.
    more = max(Decimal(0), load.trades - visits * book["run_trades"]) / _MILLION
    both = {kind: book[f"ingest_{kind}"] + book[f"transform_{kind}"] for kind in _KINDS}
    asked = {kind: visits * book[f"run_{kind}"] + more * both[kind] for kind in _KINDS}
    bill.storage_requests(asked, "run_put, run_list, run_get")
    bill.stored(load.trades, ("raw_bytes", "table_bytes", "bars_bytes"))
    pages = visits * book["market_requests"] + load.trades / limit.page
    cpu = visits * book["market_seconds"] + load.trades / _MILLION * bill.cpu_a_million
    seconds = pages / limit.rate + cpu / book["vcpu"] + runs * book["start_seconds"]
    bill.tasks(seconds, "limit of the exchange + CPU + start_seconds")
    bill.transfer(load.trades, pages)
    if engine == "laptop":
        return bill.lines
    bill.add("leases", visits * book["lease_writes"], "dynamodb_write", "lease_writes")
    bill.add("leases", visits, "dynamodb_read", "one a market and run")
    bill.add("schedule", runs, "scheduler", "730 h / --every")
    bill.add("image", book["image_gb"], "ecr", "image_gb")
    bill.add("publishing", runs * book["glue_calls"], "glue", "glue_calls")
    _watched(bill, load)
    return bill.lines


def _watched(bill: _Bill, load: Load) -> None:
    book, bill.group = bill.book, "watching"
    runs = load.runs
    hours = min(runs, HOURS_A_MONTH) / HOURS_A_MONTH
    bill.add(
        "metrics", book["metrics_watched"] * hours, "metric", "metrics_watched × hours with a run"
    )
    bill.add("dashboard", book["dashboards"], "dashboard", "dashboards")
    bill.add("alarms", book["alarms"], "alarm", "alarms")
    logged = runs * load.markets * book["log_bytes"] / _GIGA
    bill.add("logs", logged, "logs", "log_bytes")
    bill.add(
        "quality",
        runs * _scanned(book, load) / _TERA,
        "athena",
        "day_reads, bars_reads, small_reads",
    )
    busy = runs * book["lambda_seconds"] * book["lambda_gb"]
    bill.add("quality", busy, "lambda_gb_seconds", "lambda_seconds × lambda_gb")
    bill.add("quality", runs, "lambda_request", "one a run")


def _scanned(book: Book, load: Load) -> Decimal:
    """Bytes that Athena bills for the checks of one run: at least so many a statement.

    The window's day, and of each market a row group in which it begins; never more than a
    month. Bars are reckoned as if each reading took a month of them.
    """
    day = min(load.trades, load.trades_per_day + load.markets * book["row_group"])
    least = book["athena_least"]
    return (
        book["day_reads"] * max(day * book["table_bytes"], least)
        + book["bars_reads"] * max(load.trades * book["bars_bytes"], least)
        + book["small_reads"] * least
    )


def fetching(book: Book, trades: Decimal, limit: Limit, engine: str) -> list[Line]:
    """Once: so many trades into raw, and a month of keeping them."""
    bill = _Bill(book, engine, "fetching")
    bill.per_million("ingest", trades)
    bill.stored(trades, ("raw_bytes",))
    pages = trades / limit.page
    cpu = trades / _MILLION * book["ingest_seconds"]
    seconds = max(pages / limit.rate, cpu / book["vcpu"]) + book["start_seconds"]
    bill.tasks(seconds, "limit of the exchange or CPU, + start_seconds")
    bill.transfer(trades, pages, read_back=False)
    return bill.lines


def tabling(book: Book, trades: Decimal, engine: str) -> list[Line]:
    """Once: so many trades from raw into the table, and a month of keeping it."""
    bill = _Bill(book, engine, "table")
    bill.per_million("transform", trades)
    bill.stored(trades, ("table_bytes", "bars_bytes"))
    seconds = trades / _MILLION * book["transform_seconds"] / book["vcpu"]
    bill.tasks(seconds + book["start_seconds"], "transform_seconds + start_seconds")
    if engine == "laptop":
        bill.add("raw read back", trades * book["raw_bytes"] / _GIGA, "transfer_out", "raw_bytes")
    return bill.lines


def backfill(book: Book, trades: Decimal, limit: Limit, engine: str) -> list[Line]:
    """Once: fetched and made into the table."""
    return [*fetching(book, trades, limit, engine), *tabling(book, trades, engine)]


_KINDS = ("put", "get", "list")


class _Bill:
    """Lines as they are added."""

    def __init__(self, book: Book, engine: str, group: str) -> None:
        self.book, self.engine, self.group = book, engine, group
        self.lines: list[Line] = []

    @property
    def cpu_a_million(self) -> Decimal:
        return self.book["ingest_seconds"] + self.book["transform_seconds"]

    def add(self, what: str, quantity: Decimal, price: str, count: str) -> None:
        self.lines.append(Line(self.group, what, quantity, self.book.prices[price], count))

    def storage_requests(self, asked: Mapping[str, Decimal], count: str) -> None:
        self.add("requests", asked["put"] + asked["list"], "s3_put", count)
        self.add("requests", asked["get"], "s3_get", count)

    def per_million(self, job: str, trades: Decimal) -> None:
        asked = {kind: trades / _MILLION * self.book[f"{job}_{kind}"] for kind in _KINDS}
        self.storage_requests(asked, f"{job}_put, {job}_list, {job}_get")

    def stored(self, trades: Decimal, kinds: Sequence[str]) -> None:
        size = sum((self.book[kind] for kind in kinds), Decimal(0))
        self.add("storage", trades * size / _GIGA, "s3_storage", " + ".join(kinds))

    def tasks(self, seconds: Decimal, count: str) -> None:
        if self.engine == "laptop":
            return
        hours, rate = seconds / _HOUR, _RATES[self.engine]
        self.add("task", hours * self.book["vcpu"], f"{rate}_vcpu", count)
        self.add("task", hours * self.book["memory"], f"{rate}_gb", count)
        self.add("task's address", hours, "ipv4", count)

    def transfer(self, trades: Decimal, pages: Decimal, *, read_back: bool = True) -> None:
        """In from the exchange is free. Out goes what is asked; to a laptop, raw as well."""
        if self.engine == "laptop":
            if read_back:
                size = trades * self.book["raw_bytes"] / _GIGA
                self.add("raw read back", size, "transfer_out", "raw_bytes")
            return
        self.add("answers", trades * self.book["wire_bytes"] / _GIGA, "transfer_in", "wire_bytes")
        sent = pages * self.book["request_bytes"] / _GIGA
        self.add("questions", sent, "transfer_out", "request_bytes")
