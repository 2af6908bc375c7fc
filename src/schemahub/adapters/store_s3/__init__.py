"""A lake in an S3 bucket, of AWS or of any service that honours If-None-Match."""

from __future__ import annotations

from schemahub.adapters.store_s3.session import Place
from schemahub.adapters.store_s3.store import S3Store

__all__ = ["Place", "S3Store"]
