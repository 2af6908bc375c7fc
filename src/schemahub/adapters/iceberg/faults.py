"""pyiceberg's errors, and those of what it stands on, as CatalogError: translated once, here."""

from __future__ import annotations

import sys
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
    iceberg.RESTError,
    iceberg.NoSuchTableError,
    iceberg.NoSuchNamespaceError,
    iceberg.NoSuchPropertyException,
    iceberg.GenericDynamoDbError,
    iceberg.NotInstalledError,
    iceberg.OAuthError,
    iceberg.SignError,
    pa.ArrowException,
    OSError,  # of requests, too
    ValueError,  # metadata that is none; pydantic's, too
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
    except (*_OWN, *beneath()) as error:
        raise CatalogError(what, _words(error)) from error


def _words(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__
