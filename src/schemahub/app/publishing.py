"""Which Iceberg catalog a lake is published to."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from schemahub.adapters.store_local import LocalStore
from schemahub.app.wiring import App
from schemahub.core.errors import ConfigError
from schemahub.pipelines.publish import Publish, kept

if TYPE_CHECKING:
    from schemahub.adapters.iceberg import IcebergCatalog
    from schemahub.adapters.iceberg.catalog import CatalogKind


def publish(app: App, keep: timedelta, keep_last: int) -> Publish:
    """Raises ConfigError if the extra is not installed, or there can be no such catalog."""
    root = _root(app)
    return Publish(
        app.lake,
        catalog(app),
        app.clock,
        lambda key: f"{root}/{key}",
        keep,
        keep_last,
        app.stop.check,
    )


def needed(app: App) -> frozenset[str]:
    """The keys that published snapshots name; none where nothing was ever published.

    Raises CatalogError if the catalog cannot be asked, for want of the extra, too.
    """
    own = app.settings
    if own.publish or own.catalog or own.catalog_uri or app.store.keys("iceberg/"):
        return kept(catalog(app))
    return frozenset()


def kind(app: App) -> CatalogKind:
    own = app.settings
    if own.catalog:
        return own.catalog  # type: ignore[return-value]  # settings admit no other
    if own.catalog_uri:
        return "rest"
    return "sqlite" if isinstance(app.store, LocalStore) else "glue"


def catalog(app: App) -> IcebergCatalog:
    try:
        from schemahub.adapters.iceberg import IcebergCatalog, Place
    except ImportError as error:
        raise ConfigError(
            "the Iceberg catalog cannot be opened",
            f"{error.name} is not installed: it is an optional extra",
            "pip install 'schemahub[iceberg]'",
        ) from None
    own, chosen = app.settings, kind(app)
    if chosen == "sqlite" and own.s3_bucket:
        raise ConfigError(
            "a bucket has no SQLite catalog",
            "SQLite is a file, which stands beside a lake in a folder",
            "set `catalog` to glue, or to rest with `catalog_uri`",
        )
    if chosen == "sqlite" and "?" in _root(app):
        raise ConfigError(
            f"no SQLite catalog can stand in {own.lake}",
            "its name holds a ?, which means something else in the address of a database",
            "rename the folder",
        )
    if chosen == "rest" and not own.catalog_uri:
        raise ConfigError(
            "no one knows where the REST catalog answers",
            "catalog is rest, and catalog_uri is not set",
            "set `catalog_uri`, as https://catalog.example/iceberg",
        )
    place = Place(
        chosen, _root(app), own.database, own.catalog_uri, own.aws_region, own.aws_endpoint_url
    )
    return IcebergCatalog(place)


def _root(app: App) -> str:
    """Iceberg names its files by places that are the same from everywhere."""
    own = app.settings
    return own.place if own.s3_bucket else str(Path(own.lake).resolve())
