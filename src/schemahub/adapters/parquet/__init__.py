"""Arrow and Parquet: the unified schema, the field rules at speed, and parts as files."""

from schemahub.adapters.parquet.mapping import ArrowMapper
from schemahub.adapters.parquet.parts import ParquetTable
from schemahub.adapters.parquet.schema import ARROW_SCHEMA, ArrowRows

__all__ = ["ARROW_SCHEMA", "ArrowMapper", "ArrowRows", "ParquetTable"]
