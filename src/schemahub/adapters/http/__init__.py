"""HTTP to one exchange, by urllib3, which nothing else imports.

There is no key, cookie, redirect or proxy in here, so there is nothing to leak.
"""

from __future__ import annotations

from schemahub.adapters.http.client import HttpClient
from schemahub.adapters.http.wire import Bounds

__all__ = ["Bounds", "HttpClient"]
