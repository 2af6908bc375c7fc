"""The live parts as Iceberg tables, by pyiceberg, which is confined here."""

from __future__ import annotations

from schemahub.adapters.iceberg.catalog import DATABASE_FILE, FOLDER, IcebergCatalog, Place

__all__ = ["DATABASE_FILE", "FOLDER", "IcebergCatalog", "Place"]
