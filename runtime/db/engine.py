"""The one SQLAlchemy engine of a process: psycopg 3, async, every session in UTC."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.util.concurrency import await_only

from runtime.db.drivers import FRESH, Drivers, Errand

_SCHEMES = ("postgres", "postgresql", "postgresql+psycopg")
_TRANSACTION_POOLER_PORT = 6543
_DRIVERS: WeakKeyDictionary[Engine, Drivers] = WeakKeyDictionary()


class DatabaseUrlError(ValueError):
    """DATABASE_URL cannot be used. The message says which part and what to write; it never contains the password."""


def normalise_url(url: str) -> str:
    """DATABASE_URL in SQLAlchemy's spelling (postgresql+psycopg://…). Accepts postgres:// and postgresql:// too.

    Raises DatabaseUrlError for another database, another driver, an address without a database name, and Supabase's
    transaction pooler (port 6543), which keeps no session state: advisory locks and LISTEN would fail silently there.
    """
    scheme = urlsplit(url.strip()).scheme
    if scheme not in _SCHEMES:
        raise DatabaseUrlError(
            f"DATABASE_URL: scheme {scheme!r} is not supported; write postgresql://user:password@host:5432/database"
        )
    try:
        parsed = make_url(url.strip()).set(drivername="postgresql+psycopg")
    except (ArgumentError, ValueError) as error:
        raise DatabaseUrlError("DATABASE_URL: cannot be read; write postgresql://user:password@host:5432/database") from error
    if parsed.port == _TRANSACTION_POOLER_PORT:
        raise DatabaseUrlError(
            "DATABASE_URL: port 6543 is a transaction pooler, which keeps no session locks; "
            "use the direct connection or the session pooler, both on port 5432"
        )
    if not parsed.database:
        raise DatabaseUrlError("DATABASE_URL: names no database; add it at the end, such as …:5432/postgres")
    return parsed.render_as_string(hide_password=False)


def libpq_url(url: str) -> str:
    """The same address for psycopg and psql (postgresql://…)."""
    address, mark, query = normalise_url(url).replace("postgresql+psycopg://", "postgresql://", 1).partition("?")
    return address + mark + query.replace("+", "%20")  # SQLAlchemy writes a space as +, which libpq takes for a plus


def with_database(url: str, name: str) -> str:
    """The same server, another database."""
    return make_url(normalise_url(url)).set(database=name).render_as_string(hide_password=False)


def make_engine(url: str, *, pool_size: int = 10, max_overflow: int = 10) -> AsyncEngine:
    """The engine for a DATABASE_URL. Connections that rested are checked before use, so a restarted server costs no failed errand."""
    options: dict[str, Any] = {"application_name": "agente-ceo", "connect_timeout": 10}
    engine = create_async_engine(
        normalise_url(url), pool_size=pool_size, max_overflow=max_overflow, pool_recycle=1800, connect_args=options
    )
    drivers = Drivers(libpq_url(url), most=pool_size + max_overflow, **options)
    _DRIVERS[engine.sync_engine] = drivers

    # Said after connecting, not as a start-up option: some poolers refuse options they do not know.
    @event.listens_for(engine.sync_engine, "connect")
    def in_utc(connection: Any, _record: Any) -> None:  # pyright: ignore[reportUnusedFunction]
        cursor = connection.cursor()
        cursor.execute("set time zone 'UTC'")
        cursor.close()
        connection.commit()

    @event.listens_for(engine.sync_engine, "engine_disposed")
    def disposed(_engine: Engine) -> None:  # pyright: ignore[reportUnusedFunction]
        await_only(drivers.close())

    _checked(engine.sync_engine)
    return engine


def _checked(engine: Engine) -> None:
    """Has the pool ask a connection that rested whether it still works; one that does not takes those of its age with it."""

    @event.listens_for(engine, "checkin")
    def returned(_connection: Any, record: Any) -> None:  # pyright: ignore[reportUnusedFunction]
        record.info["returned"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def taken(connection: Any, record: Any, _proxy: Any) -> None:  # pyright: ignore[reportUnusedFunction]
        returned = record.info.get("returned")
        if returned is None or time.monotonic() - returned < FRESH:
            return
        try:
            alive = engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise InvalidatePoolError() from error
        if not alive:
            raise InvalidatePoolError()


def begin(engine: AsyncEngine, *, reading: bool = False) -> Errand:
    """`engine.begin()` for errands of few statements, on the driver's own connection (runtime.db.drivers, runtime.db.wire)."""
    return _DRIVERS[engine.sync_engine].begin(reading=reading)
