"""psycopg's own pool for errands of few statements: the gate's.

A transaction that SQLAlchemy begins, ends and takes from its pool costs more processor time than a statement in it; a pass of the gate
has five. The connections are as many as the engine's pool may have and are closed with it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any

from psycopg import AsyncConnection, AsyncCursor, Error
from psycopg.pq import TransactionStatus
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool
from sqlalchemy.exc import DBAPIError

FRESH = 1.0
"""Seconds for which a connection that just worked is taken to work still: asking costs as much as a statement."""
_PATIENCE, _LIFETIME = 10.0, 1800.0


class Driver(AsyncConnection[Any]):
    """A connection that knows when it was last given back, and whose errands share one cursor: each reads its rows at once.

    Statements whose answer nobody needs wait for the next one that is asked, or for the end of the errand, and go with it in one
    journey (libpq's pipeline mode): the server executes them in their order, and the first that fails fails the errand.
    """

    rested: float | None = None
    born: float = 0.0
    _asking: AsyncCursor[dict[str, Any]] | None = None
    _waiting: list[tuple[bytes, Mapping[str, Any]]] | None = None

    @property
    def asking(self) -> AsyncCursor[dict[str, Any]]:
        """The cursor for the next statement, with rows as mappings of their columns."""
        if self._asking is None:
            self._asking = self.cursor(row_factory=dict_row)
        return self._asking

    def later(self, statement: bytes, values: Mapping[str, Any]) -> None:
        """Has a statement executed before the next one, or at the end of the errand."""
        if self._waiting is None:
            self._waiting = []
        self._waiting.append((statement, values))

    async def ask(self, statement: bytes, values: Mapping[str, Any]) -> AsyncCursor[dict[str, Any]]:
        """Executes a statement, after those that wait."""
        if not self._waiting:
            return await self.asking.execute(statement, values)
        async with self.pipeline():
            await self._send()
            return await self.asking.execute(statement, values)

    async def finish(self) -> None:
        """Commits what was done, those that wait included."""
        if not self._waiting:
            await self.commit()
            return
        try:
            async with self.pipeline():
                await self._send()
                await self.commit()
        except Error:
            with suppress(Error):  # of a connection that is gone
                await self.rollback()
            raise

    def forget(self) -> None:
        """What waits is not done."""
        self._waiting = None

    async def _send(self) -> None:
        waiting, self._waiting = self._waiting or (), None
        for statement, values in waiting:
            await self.asking.execute(statement, values)


class Drivers:
    """The connections of one database address, opened in the event loop that first wants one."""

    def __init__(self, url: str, *, most: int, **options: Any) -> None:
        self._url, self._most, self._options = url, most, options
        self._pool: AsyncConnectionPool[Driver] | None = None
        self._hand: Driver | None = None
        self._asked = 0

    def begin(self, *, reading: bool = False) -> Errand:
        """One transaction: committed on leaving, rolled back when the block raises; when `reading`, none at all, each statement is
        its own. Errors of the database are SQLAlchemy's, as everywhere in the house."""
        return Errand(self, reading)

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

    async def take(self) -> tuple[AsyncConnectionPool[Driver], Driver]:
        """A connection for one errand, and the pool it goes back to: the one at hand when it worked a moment ago. What the pool does
        around each loan costs as much as a statement, and a pass of the gate borrows five times in a few milliseconds."""
        pool = await self.pool()
        self._asked += 1
        try:
            conn, self._hand = self._hand, None
            if conn is not None:
                if not conn.closed and conn.rested is not None and time.monotonic() - conn.rested < FRESH:
                    return pool, conn
                await pool.putconn(conn)
            return pool, await pool.getconn()
        except BaseException:
            self._asked -= 1
            raise

    async def give(self, pool: AsyncConnectionPool[Driver], conn: Driver) -> None:
        """Takes a connection back: kept at hand when none is and nobody waits for one, else to the pool, which looks after it."""
        self._asked -= 1
        # Noted here and not in a `reset` of the pool's: that has a task of its own run for every connection given back.
        conn.rested = time.monotonic()
        fit = conn.pgconn.transaction_status == TransactionStatus.IDLE and conn.rested - conn.born < _LIFETIME
        if fit and self._hand is None and pool is self._pool and not pool.closed and self._asked < self._most:
            self._hand = conn
        else:
            await pool.putconn(conn)

    async def close(self) -> None:
        """Closes what is free. What is in use is closed when its errand ends; who begins another one gets new connections."""
        pool, self._pool = self._pool, None
        conn, self._hand = self._hand, None
        if pool is not None:
            if conn is not None:
                await pool.putconn(conn)
            await pool.close()


class Errand:
    """A connection of the pool for the length of one transaction: what `pool.connection()` does, without its layers of generators."""

    __slots__ = ("_conn", "_drivers", "_pool", "_reading")

    def __init__(self, drivers: Drivers, reading: bool) -> None:
        self._drivers, self._reading = drivers, reading

    async def __aenter__(self) -> Driver:
        try:
            self._pool, self._conn = await self._drivers.take()
            if self._reading:
                await self._conn.set_autocommit(True)  # says nothing to the server
        except Error as error:
            raise _told(error) from error
        return self._conn

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        conn = self._conn
        try:
            if self._reading:
                if conn.pgconn.transaction_status == TransactionStatus.IDLE:  # else the pool throws it away
                    await conn.set_autocommit(False)
            elif kind is None:
                await conn.finish()
            else:
                conn.forget()
                await conn.__aexit__(kind, error, trace)
        except Error as failed:
            raise _told(failed) from failed
        finally:
            await self._drivers.give(self._pool, conn)
        if isinstance(error, Error):
            raise _told(error) from error


def _told(error: Error) -> DBAPIError:
    made = DBAPIError.instance(None, None, error, Error)
    assert isinstance(made, DBAPIError)
    return made


async def _in_utc(conn: Driver) -> None:
    # Said after connecting, not as a start-up option: some poolers refuse options they do not know.
    conn.born = time.monotonic()
    await conn.execute("set time zone 'UTC'")
    await conn.commit()


async def _works(conn: Driver) -> None:
    """Asks a connection that rested whether it still reaches its server; raises when it does not, and the pool takes another."""
    if conn.rested is not None and time.monotonic() - conn.rested >= FRESH:
        await AsyncConnectionPool.check_connection(conn)
