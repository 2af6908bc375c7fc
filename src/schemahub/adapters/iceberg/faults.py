"""pyiceberg's errors, and those of what it stands on, as CatalogError: translated once, here."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
from pyiceberg import exceptions as iceberg

from schemahub.core.errors import CatalogError

# The commit did not happen, or nobody knows: what the table says when it is opened again counts.
UNDECIDED = (
    iceberg.CommitFailedException,
    iceberg.CommitStateUnknownException,
    iceberg.ValidationException,
)
_OWN = (
    *(each for each in vars(iceberg).values() if isinstance(each, type)),
    pa.ArrowException,
    OSError,  # of requests, too
)
# What its readers of JSON and Avro stumble over where the bytes are not those that were written:
# they check nothing. EOFError would end a command as Ctrl-C does.
_UNREADABLE = (
    iceberg.ValidationError,
    ValueError,  # pydantic's, too
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    EOFError,
    MemoryError,  # a length that is none
    RuntimeError,  # of nesting and of what is not implemented
    SystemError,
    zlib.error,
)
_ANEW = (
    "if it stays so, move iceberg/ of the lake away and run `schemahub publish`: "
    "it makes the tables anew from the live parts, without their older snapshots"
)


def beneath() -> tuple[type[Exception], ...]:
    """Errors of the libraries under pyiceberg, which are loaded only for the catalog at hand."""
    found = []
    for module, names in (
        ("botocore.exceptions", ("ClientError", "BotoCoreError")),
        ("sqlalchemy.exc", ("SQLAlchemyError",)),
    ):
        if module in sys.modules:
            found += [getattr(sys.modules[module], name) for name in names]
    return tuple(found)


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Raises CatalogError, told as `what`, for whatever fails in a library."""
    try:
        yield
    except UNDECIDED as error:
        raise CatalogError(what, _words(error)) from error
    except _UNREADABLE as error:
        raise CatalogError(what, _words(error), _ANEW) from error
    except (*_OWN, *beneath()) as error:
        raise CatalogError(what, _words(error)) from error


def _words(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__
