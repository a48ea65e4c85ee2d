"""psycopg's own pool for errands of few statements: the gate's.

A transaction that SQLAlchemy begins, ends and takes from its pool costs more processor time than a statement in it; a pass of the gate
has five. The connections are as many as the engine's pool may have and are closed with it.
"""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any

from psycopg import AsyncConnection, AsyncCursor, Error
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool
from sqlalchemy.exc import DBAPIError

FRESH = 1.0
"""Seconds for which a connection that just worked is taken to work still: asking costs as much as a statement."""
_PATIENCE, _LIFETIME = 10.0, 1800.0


class Driver(AsyncConnection[Any]):
    """A connection that knows when it was last given back, and whose errands share one cursor: each reads its rows at once."""

    rested: float | None = None
    _asking: AsyncCursor[dict[str, Any]] | None = None

    @property
    def asking(self) -> AsyncCursor[dict[str, Any]]:
        """The cursor for the next statement, with rows as mappings of their columns."""
        if self._asking is None:
            self._asking = self.cursor(row_factory=dict_row)
        return self._asking


class Drivers:
    """The connections of one database address, opened in the event loop that first wants one."""

    def __init__(self, url: str, *, most: int, **options: Any) -> None:
        self._url, self._most, self._options = url, most, options
        self._pool: AsyncConnectionPool[Driver] | None = None

    def begin(self) -> Errand:
        """One transaction: committed on leaving, rolled back when the block raises. Errors of the database are SQLAlchemy's, as
        everywhere in the house."""
        return Errand(self)

    async def pool(self) -> AsyncConnectionPool[Driver]:
        """The pool, opened in the event loop that first wants it."""
        if self._pool is None:
            self._pool = AsyncConnectionPool(
                self._url, connection_class=Driver, kwargs=self._options, min_size=0, max_size=self._most, open=False,
                timeout=_PATIENCE, max_lifetime=_LIFETIME, configure=_in_utc, check=_works, num_workers=1,
            )  # fmt: skip
        pool = self._pool
        if pool.closed:
            await pool.open()
        return pool

    async def close(self) -> None:
        """Closes what is free. What is in use is closed when its errand ends; who begins another one gets new connections."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()


class Errand:
    """A connection of the pool for the length of one transaction: what `pool.connection()` does, without its layers of generators."""

    __slots__ = ("_conn", "_drivers", "_pool")

    def __init__(self, drivers: Drivers) -> None:
        self._drivers = drivers

    async def __aenter__(self) -> Driver:
        try:
            self._pool = await self._drivers.pool()
            self._conn = await self._pool.getconn()
        except Error as error:
            raise _told(error) from error
        return self._conn

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        conn = self._conn
        try:
            await conn.__aexit__(kind, error, trace)
        except Error as failed:
            raise _told(failed) from failed
        finally:
            # Noted here and not in a `reset` of the pool's: that has a task of its own run for every connection given back.
            conn.rested = time.monotonic()
            await self._pool.putconn(conn)
        if isinstance(error, Error):
            raise _told(error) from error


def _told(error: Error) -> DBAPIError:
    made = DBAPIError.instance(None, None, error, Error)
    assert isinstance(made, DBAPIError)
    return made


async def _in_utc(conn: Driver) -> None:
    # Said after connecting, not as a start-up option: some poolers refuse options they do not know.
    await conn.execute("set time zone 'UTC'")
    await conn.commit()


async def _works(conn: Driver) -> None:
    """Asks a connection that rested whether it still reaches its server; raises when it does not, and the pool takes another."""
    if conn.rested is not None and time.monotonic() - conn.rested >= FRESH:
        await AsyncConnectionPool.check_connection(conn)
