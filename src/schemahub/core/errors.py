"""Every error that SchemaHub raises on purpose, in one tree.

    SchemaHubError                 what / why / do, a stable code, an exit code
    ├── UsageError            2    the command line asks for something that does not exist
    ├── ConfigError           6    schemahub.toml or an environment variable is invalid
    │   └── SpecError         6    an exchange's YAML is invalid: all mistakes at once
    ├── StoreError            1    the lake's folder or bucket refuses or fails
    │   ├── ObjectMissing     1    a name that was listed is gone
    │   └── ObjectCorrupt     1    stored bytes are not what was written
    ├── RawUnread             1    raw is whole, but today's spec does not read it
    ├── ExchangeError         1    the exchange cannot be used as asked
    │   ├── Unreachable       1    no answer after all tries
    │   ├── Refused           1    401, 403, 404, 451: this market stops
    │   ├── Throttled         1    told to stay away for longer than we wait
    │   ├── BadAnswer         1    an answer that is not what the exchange documents
    │   └── IdsRestarted      1    the ids of a market began again
    ├── TooManyRejects        1    more rows fail the wire contract than a fault explains
    ├── ProofFailed           4    verify found something missing, twice or different
    ├── QualityFailed         4    a check of the data found an error, or could not run
    ├── LeaseHeld             5    another run works on it now
    ├── CatalogError          1    the Iceberg catalog, or what it names, cannot be reached or read
    │   └── TableLost         1    the lake was moved away from where its catalog says it is
    ├── EngineError           1    the cluster or Athena cannot be reached, or gave up
    ├── PartlyFailed          3    some markets failed, the rest is saved
    └── Interrupted    130/143     SIGINT or SIGTERM: what was proven is saved

Edges translate foreign errors into these exactly once, where they enter.
"""

from __future__ import annotations


class SchemaHubError(Exception):
    """One line what, one line why and where, one line what to do."""

    code = "SH-ERROR"
    exit_code = 1
    advice = "see `schemahub doctor`; --debug tells more"

    def __init__(self, what: str, why: str = "", do: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.do = do or self.advice

    def __reduce__(self) -> tuple[object, ...]:
        # Errors come back from worker processes; their constructors differ, their state is all.
        return _remade, (type(self), self.args, self.__dict__)

    def __str__(self) -> str:
        return " — ".join(part for part in (self.what, self.why) if part)


def _remade(
    kind: type[SchemaHubError], args: tuple[object, ...], state: dict[str, object]
) -> SchemaHubError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error


class UsageError(SchemaHubError):
    code = "SH-USAGE"
    exit_code = 2


class ConfigError(SchemaHubError):
    code = "SH-CONFIG"
    exit_code = 6


class SpecError(ConfigError):
    """`mistakes` holds every mistake of the file as `line N: path: message`."""

    code = "SH-SPEC"

    def __init__(self, what: str, mistakes: tuple[str, ...], do: str = "") -> None:
        super().__init__(what, "; ".join(mistakes), do)
        self.mistakes = mistakes


class StoreError(SchemaHubError):
    code = "SH-STORE"


class ObjectMissing(StoreError):
    code = "SH-OBJECT-MISSING"


class ObjectCorrupt(StoreError):
    """`key` names the stored object whose bytes are not what was written.

    `duplicates` counts ids that stand in it more than once, where that is what is wrong.
    """

    code = "SH-OBJECT-CORRUPT"

    def __init__(
        self, key: str, why: str, do: str = "run `schemahub repair`", duplicates: int = 0
    ) -> None:
        super().__init__(f"{key} is corrupt", why, do)
        self.key = key
        self.duplicates = duplicates


class RawUnread(SchemaHubError):
    """The bytes of `key` are sound, but the spec does not find in them what its name promises.

    Either the spec is wrong, or the object lies under another's name.
    """

    code = "SH-RAW-UNREAD"
    advice = "correct the spec; if other objects read well, `schemahub repair` sets this one aside"

    def __init__(self, key: str, why: str) -> None:
        super().__init__(f"{key} does not hold what its name says", why)
        self.key = key


class ExchangeError(SchemaHubError):
    code = "SH-EXCHANGE"


class Unreachable(ExchangeError):
    code = "SH-UNREACHABLE"


class Refused(ExchangeError):
    """`status` is the HTTP status with which the exchange refused this market."""

    code = "SH-REFUSED"

    def __init__(self, what: str, why: str, do: str, status: int) -> None:
        super().__init__(what, why, do)
        self.status = status


class Throttled(ExchangeError):
    code = "SH-THROTTLED"


class BadAnswer(ExchangeError):
    """`body` is what was answered at `url`, so that it can be kept in quarantine.

    `throttled`: it says, whatever its status, that we ask too fast.
    """

    code = "SH-BAD-ANSWER"
    advice = "run it again; if that does not help, the exchange changed or its spec is wrong"

    def __init__(  # noqa: PLR0913, PLR0917  (what, why, do; and the answer)
        self,
        what: str,
        why: str = "",
        do: str = "",
        body: bytes = b"",
        url: str = "",
        throttled: bool = False,  # noqa: FBT001, FBT002  (named wherever it is given)
    ) -> None:
        super().__init__(what, why, do)
        self.body = body
        self.url = url
        self.throttled = throttled


class IdsRestarted(ExchangeError):
    code = "SH-IDS-RESTARTED"


class TooManyRejects(SchemaHubError):
    code = "SH-TOO-MANY-REJECTS"


class ProofFailed(SchemaHubError):
    code = "SH-PROOF"
    exit_code = 4


class QualityFailed(SchemaHubError):
    code = "SH-QUALITY"
    exit_code = 4


class LeaseHeld(SchemaHubError):
    code = "SH-LEASE-HELD"
    exit_code = 5


class CatalogError(SchemaHubError):
    code = "SH-CATALOG"
    advice = "run it again: a publish takes the difference anew; see the settings of the catalog"


class TableLost(CatalogError):
    code = "SH-TABLE-LOST"
    advice = "run `schemahub publish`: it makes the table anew here, without its older snapshots"


class EngineError(SchemaHubError):
    code = "SH-ENGINE"


class PartlyFailed(SchemaHubError):
    code = "SH-PARTLY"
    exit_code = 3


class Interrupted(SchemaHubError):
    """`signal` is the number of the signal that asked us to stop."""

    code = "SH-INTERRUPTED"

    def __init__(self, signal: int = 2) -> None:
        super().__init__(
            "stopped by a signal",
            "no new requests were made; what was proven is saved",
            "run the same command again to go on",
        )
        self.exit_code = 128 + signal
