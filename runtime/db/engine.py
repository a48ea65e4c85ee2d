"""The one SQLAlchemy engine of a process: psycopg 3, async, every session in UTC."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.util.concurrency import greenlet_spawn

_SCHEMES = ("postgres", "postgresql", "postgresql+psycopg")
_TRANSACTION_POOLER_PORT = 6543
_FRESH = 1.0
"""Seconds for which a connection that just worked is taken to work still: asking costs as much as a statement."""


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
    engine = create_async_engine(
        normalise_url(url),
        pool_size=pool_size,
        max_overflow=max_overflow,
        pool_recycle=1800,
        connect_args={"application_name": "agente-ceo", "connect_timeout": 10},
    )

    # Said after connecting, not as a start-up option: some poolers refuse options they do not know.
    @event.listens_for(engine.sync_engine, "connect")
    def in_utc(connection: Any, _record: Any) -> None:  # pyright: ignore[reportUnusedFunction]
        cursor = connection.cursor()
        cursor.execute("set time zone 'UTC'")
        cursor.close()
        connection.commit()

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
        if returned is None or time.monotonic() - returned < _FRESH:
            return
        try:
            alive = engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise InvalidatePoolError() from error
        if not alive:
            raise InvalidatePoolError()


@asynccontextmanager
async def begin(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """`engine.begin()` for errands of few statements: connecting and beginning, committing and returning, in one step each."""
    held = await greenlet_spawn(_open, engine.sync_engine)
    conn = AsyncConnection(engine, held)
    try:
        yield conn
        await greenlet_spawn(_close, held)
    except BaseException:
        # To its end even when the errand was cancelled: a connection must not go back in mid-transaction.
        await asyncio.shield(asyncio.ensure_future(conn.close()))
        raise


def _open(engine: Engine) -> Connection:
    held = engine.connect()
    held.begin()
    return held


def _close(held: Connection) -> None:
    held.commit()
    held.close()
