"""The dashboard's web application: the page, its assets, and panels as JSON and Arrow.

Reads only: no address takes SQL, only panels by name and parameters that are checked. Against
pages of other origins (DNS rebinding) it answers no Host but the one it was started for.
"""

from __future__ import annotations

import shlex
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from schemahub.core.errors import SchemaHubError, UsageError
from schemahub.dashboard.panels import Panel, panels
from schemahub.dashboard.source import Form, Source

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

STATIC = Path(__file__).with_name("static")
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_HEADERS = {
    # Styles in elements: the charts' library sets them.
    "content-security-policy": "default-src 'none'; script-src 'self'; connect-src 'self'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
_FORMS: dict[str, tuple[Form, str]] = {
    "json": ("json", "application/json"),
    "arrow": ("arrow", "application/vnd.apache.arrow.stream"),
}
_TEXTS = ("sql", "sh")


@dataclass(frozen=True, slots=True)
class Dashboard:
    """What the addresses answer. `place` are the options that name the lake in a command."""

    source: Source
    panels: Mapping[str, Panel]
    place: Sequence[str]

    def index(self, request: Request) -> Response:
        del request
        return FileResponse(STATIC / "index.html", headers={"cache-control": "no-cache"})

    def listed(self, request: Request) -> Response:
        """The panels that there are."""
        del request
        found = [
            {"name": one.name, "title": one.title, "params": one.params}
            for one in self.panels.values()
        ]
        quoted = [shlex.quote(word) for word in self.place]
        return _json({"place": list(self.place), "quoted": quoted, "panels": found})

    def panel(self, request: Request) -> Response:
        """A panel's rows as `.json` or `.arrow`, its statement as `.sql`, a command as `.sh`."""
        name, form = request.path_params["name"], request.path_params["form"]
        if name not in self.panels or form not in {*_FORMS, *_TEXTS}:
            return _refused(UsageError(f"there is no panel {name}.{form}", "", "see /api"), 404)
        try:
            sql = self.panels[name].sql(dict(request.query_params))
            if form in _TEXTS:
                words = ["schemahub", "query", *self.place, sql]
                text = sql if form == "sql" else shlex.join(words)
                return PlainTextResponse(text + "\n")
            return self._rows(request, sql, form)
        except SchemaHubError as error:
            return _refused(error, 400 if isinstance(error, UsageError) else 500)

    def _rows(self, request: Request, sql: str, form: str) -> Response:
        how, kind = _FORMS[form]
        data, tag = self.source.answer(sql, how)
        headers = {"etag": f'"{tag}"', "cache-control": "no-cache"}
        # A proxy or the compression may have weakened it.
        if request.headers.get("if-none-match", "").removeprefix("W/") == headers["etag"]:
            return Response(status_code=304, headers=headers)
        return Response(data, media_type=kind, headers=headers)


def application(
    source: Source, place: Sequence[str], task_usd_per_hour: str, hosts: Sequence[str] = LOOPBACK
) -> ASGIApp:
    """The application; `hosts` are the names that it answers to, "*" is any."""
    own = Dashboard(source, panels(task_usd_per_hour), place)
    return Starlette(
        routes=[
            Route("/", own.index),
            Route("/api", own.listed),
            Route("/api/{name}.{form}", own.panel),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        middleware=[
            Middleware(_Headers),
            Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False),
            Middleware(GZipMiddleware, minimum_size=1024, compresslevel=5),
        ],
    )


class _Headers:
    """Adds the headers that every answer has."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, _adding(send) if scope["type"] == "http" else send)


def _adding(send: Send) -> Callable[[Message], Awaitable[None]]:
    added = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]

    async def adding(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *added]
        await send(message)

    return adding


def _json(content: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status, media_type="application/json")


def _refused(error: SchemaHubError, status: int) -> Response:
    told = {"code": error.code, "what": error.what, "why": error.why, "do": error.do}
    return _json({"error": told}, status)
