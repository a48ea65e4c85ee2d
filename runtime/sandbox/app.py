"""The sandbox as one web application: every twin under its prefix, faults before them, the control routes beside them."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.exception_handlers import http_exception_handler
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from runtime.sandbox import control, meta, tiktok
from runtime.sandbox.adtree import AdBook
from runtime.sandbox.faults import FaultDispatcher, vendor_of
from runtime.sandbox.market import Market
from runtime.sandbox.world import World

DEFAULT_START = datetime(2026, 11, 23, 11, 0, tzinfo=UTC)
"""A Monday, 08:00 in São Paulo."""

CONVERSATION_TWINS = ("zapi", "chatwoot", "piperun", "openai_api")


class Sandbox(FastAPI):
    """FastAPI whose every request first meets the fault dispatcher (outside all middleware, so that a drop is one)."""

    dispatcher: FaultDispatcher | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if self.dispatcher is None or scope["type"] != "http":
            await super().__call__(scope, receive, send)
        else:
            await self.dispatcher(scope, receive, send)


def _conversation(name: str, world: World) -> APIRouter | None:
    module_name = f"runtime.sandbox.{name}"
    if importlib.util.find_spec(module_name) is None:
        return None
    made: Any = importlib.import_module(module_name).router(world)
    return made if isinstance(made, APIRouter) else made.router


def create_sandbox(
    seed: int = 7, start: datetime | None = None, *, personas: bool = True, currency: str = "BRL",
    timezone: str = "America/Sao_Paulo",
) -> FastAPI:  # fmt: skip
    """Builds the twins. `app.state.world`, `.book` (ad accounts) and `.market` are the state behind them.

    seed and start fix the whole story. personas: whether leads write by themselves. currency and timezone: those of both ad
    accounts. Raises KeyError on a currency the market does not trade in.
    """
    world = World(seed, start or DEFAULT_START)
    book = AdBook(world, currency, timezone)
    world.ads = book
    market = Market(world, book)
    market.start()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await world.close()

    app = Sandbox(title="Agente-CEO sandbox", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.world, app.state.book, app.state.market = world, book, market
    world.book_sections["ads"] = lambda: control.ads_section(world, book, market)
    app.include_router(control.router(world, book, market))
    app.include_router(meta.router(world, book, market), prefix="/meta")
    app.include_router(tiktok.router(world, book, market), prefix="/tiktok")
    for name in CONVERSATION_TWINS:
        twin = _conversation(name, world)
        if twin is not None:
            prefix = "/" + name.removesuffix("_api")
            paths = [getattr(route, "path", "") for route in twin.routes]
            app.include_router(twin, prefix="" if any(path.startswith(prefix) for path in paths) else prefix)
    if personas and importlib.util.find_spec("runtime.sandbox.personas") is not None:
        importlib.import_module("runtime.sandbox.personas").install(world)

    @app.exception_handler(HTTPException)
    async def unknown(request: Request, error: HTTPException) -> Response:
        routed = request.scope.get("endpoint") is not None
        if error.status_code == 405 or (error.status_code == 404 and not routed):
            vendor = vendor_of(request.url.path)
            world.refuse(vendor, request.method, request.url.path, "unknown route")
            shape = meta.unknown_route if vendor == "meta" else tiktok.unknown_route if vendor == "tiktok" else None
            if shape is not None:
                return shape(request)
            return JSONResponse(
                {"error": "Not Found", "message": f"{request.method} {request.url.path} is not a route of this twin"},
                error.status_code,
            )
        return await http_exception_handler(request, error)

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        await FastAPI.__call__(app, scope, receive, send)

    app.dispatcher = FaultDispatcher(inner, world)
    return app
