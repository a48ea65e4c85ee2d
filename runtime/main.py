"""The web application: our routes, and Agno's AgentOS beside them, in one process with the durable engine."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles

from knowledge.domain.action import Actor
from runtime import heap
from runtime.api import AUDIENCE, PREFIX, build_api
from runtime.cockpit.app import CockpitDeps, CockpitSettings, build_router
from runtime.db.embedded import EmbeddedPostgres
from runtime.desks import ManagerDesk
from runtime.inbox import build_inbox
from runtime.media import LocalMedia
from runtime.observability import quiet_agno
from runtime.request_desk import RequestDesk
from runtime.settings import ConfigError, Settings
from runtime.wiring import House, build_house

if TYPE_CHECKING:
    from runtime.sandbox.serve import ServerHandle

OURS = ("/cockpit", "/cockpit/*", "/api/v1/*", "/webhooks/*", "/media/*", "/healthz", "/readyz", "/metrics/prometheus")
"""Paths that guard themselves: the cockpit and the JSON API by their sessions and tokens, webhooks by their signatures; the others tell nothing private."""

log = logging.getLogger("ceo.main")


def create_app(
    house: House, *, demo: bool = False, demo_credentials: tuple[str, str] | None = None, secure_cookies: bool = True
) -> FastAPI:
    """AgentOS with our application as its base. Raises ConfigError when CEO_SECRET_KEY is missing or short."""
    from agno.os import AgentOS, Authorization
    from agno.os.config import CORSConfig
    from agno.os.settings import AgnoAPISettings

    quiet_agno()
    secret = house.settings.secrets.need("ceo_secret_key")
    if len(secret) < 32:
        raise ConfigError(["environment: CEO_SECRET_KEY is shorter than 32 characters; use `openssl rand -hex 32`"])
    base = base_app(house, demo=demo, demo_credentials=demo_credentials, secure_cookies=secure_cookies)
    # Who comes through AgentOS's own routes has a token and scopes but no role of ours: the crew proposes as itself, so that every
    # request for approval still needs one of our managers.
    crew = Actor(kind="agent", id="ceo")
    desk, decisions = ManagerDesk(house, crew, None), RequestDesk(house, crew, house.settings.operator.locale)
    ceo = house.make_ceo(desk, decisions, may_propose=True, db=house.agno_db)
    members: list[Any] = list(ceo.members) if isinstance(ceo.members, list) else []
    agent_os = AgentOS(
        id="agente-ceo",
        name="Agente-CEO",
        db=house.agno_db,
        agents=members,
        teams=[ceo],
        base_app=base,
        config=agentos_config(house.settings),
        on_route_conflict="error",
        authorization=Authorization(
            verification_keys=[secret],
            algorithm="HS256",
            verify_audience=True,
            audience=AUDIENCE,
            excluded_route_paths=list(OURS),
        ),
        cors=CORSConfig(origins=[]),
        settings=AgnoAPISettings(docs_enabled=False),
        telemetry=False,
        tracing=False,
    )
    return agent_os.get_app()


def agentos_config(settings: Settings) -> Any:
    """The `agentos:` section as Agno's own model. Raises ConfigError for a key that Agno would drop without a word."""
    from agno.os.config import AgentOSConfig

    section, known = settings.operator.agentos, sorted(AgentOSConfig.model_fields)
    unknown = sorted(set(section) - set(known))
    if unknown:
        raise ConfigError([f"{settings.path} agentos.{key}: unknown key; known here: {', '.join(known)}" for key in unknown])
    return AgentOSConfig(**section)


def base_app(house: House, *, demo: bool, demo_credentials: tuple[str, str] | None, secure_cookies: bool) -> FastAPI:
    """Our own routes: webhooks, cockpit, health. Usable without AgentOS (the worker's health port, tests)."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield

    app = FastAPI(title="Agente-CEO", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(build_inbox(house))
    if isinstance(house.media, LocalMedia):
        app.mount("/media", StaticFiles(directory=house.media.root), name="media")
    operator = house.settings.operator
    label = operator.crew.model
    deps = CockpitDeps(
        database=house.db,
        clock=house.clock,
        gate=house.gate,
        chat=house,
        settings=CockpitSettings(
            policy=house.policy(),
            default_locale=operator.locale,
            secure_cookies=secure_cookies,
            demo=demo,
            # A simulated clock runs hundreds of times faster: nobody should be signed out while reading.
            session_hours=24 * 365 if demo else 12,
            demo_credentials=demo_credentials,
            model_label=label,
            model_offline=label == "offline",
            quick_prompts={operator.locale: operator.quick_prompts} if operator.quick_prompts else {},
        ),
        prefix="/cockpit",
        render=house.render,
    )
    app.include_router(build_router(deps))
    app.mount(PREFIX, build_api(deps, house.settings.secrets.get("ceo_secret_key")))

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        """Alive: the process answers."""
        return {"status": "ok"}

    @app.get("/readyz")
    async def readyz() -> Response:
        """Ready: the database answers and the lease is held."""
        try:
            await house.db.ping()
        except Exception as error:  # any failure means not ready; the kind is told, never a secret
            return JSONResponse({"status": "unavailable", "database": type(error).__name__}, status_code=503)
        if house.jobs.lost_lease.is_set():
            return JSONResponse({"status": "unavailable", "lease": "lost"}, status_code=503)
        return JSONResponse({"status": "ok"})

    @app.get("/metrics/prometheus")
    async def metrics() -> Response:
        """Prometheus. Not /metrics, which is AgentOS's own route for usage figures."""
        from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return app


def dev_token(house: House, sub: str = "demo") -> str:
    """A token for AgentOS's routes in the demo: may run the crew and read, may not administer."""
    from agno.os.auth import create_dev_token

    scopes = ["teams:*:run", "teams:read", "agents:*:run", "agents:read", "sessions:read", "config:read"]
    secret = house.settings.secrets.need("ceo_secret_key")
    return create_dev_token(sub, secret=secret, scopes=scopes, audience=AUDIENCE, expires_in=24 * 3600)


@asynccontextmanager
async def database_of(settings: Settings) -> AsyncIterator[str]:
    """The configured database, or the embedded one, migrated and ready; stopped again when it was ours to start."""
    from runtime.db.migrate import migrate_async

    given = settings.secrets.get("database_url")
    if given:
        await migrate_async(given)
        yield given
        return
    server = EmbeddedPostgres(settings.secrets.ceo_data_dir / "postgres")
    await asyncio.to_thread(server.start)
    try:
        await migrate_async(server.url)
        yield server.url
    finally:
        await asyncio.to_thread(server.close)


async def serve(settings: Settings, *, host: str = "127.0.0.1", port: int = 8000, web: bool = True) -> None:
    """Runs until SIGINT or SIGTERM: the durable engine always, the web application when `web`."""
    from runtime.sandbox.serve import serve_in_loop

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    async with database_of(settings) as url:
        house = await build_house(settings, url)
        handle: ServerHandle | None = None
        try:
            await house.jobs.launch()
            house.jobs.start_beating()
            if web:
                handle = await serve_in_loop(create_app(house), host, port)
                log.info("serving on %s", handle.url)
            heap.settle()
            lost = asyncio.create_task(house.jobs.lost_lease.wait())
            asked = asyncio.create_task(stop.wait())
            _, waiting = await asyncio.wait({lost, asked}, return_when=asyncio.FIRST_COMPLETED)
            for task in waiting:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        finally:
            if handle is not None:
                await handle.stop()
            await house.close()


async def worker(settings: Settings) -> None:
    """The durable engine without a web server: several may run beside `serve` on any machine."""
    await serve(settings, web=False)
