"""psycopg's own connections for errands of few statements: the gate's.

A transaction that SQLAlchemy begins, ends and takes from its pool costs more processor time than a statement in it; a pass of the gate
has five. These are as many as the engine's pool may have and are closed with it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from psycopg import AsyncConnection, Error
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoRoom

Driver = AsyncConnection[Any]

FRESH = 1.0
"""Seconds for which a connection that just worked is taken to work still: asking costs as much as a statement."""
_PATIENCE = 30.0


class Drivers:
    """The connections of one database address. Those that are free are used again, the last one first."""

    def __init__(self, url: str, *, keep: int, most: int, **options: Any) -> None:
        self._url = url
        self._options = options
        self._keep = keep
        self._room = asyncio.Semaphore(most)
        self._free: list[tuple[Driver, float]] = []

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Driver]:
        """One transaction: committed on leaving, rolled back when the block raises. Errors of the database are SQLAlchemy's, as
        everywhere in the house."""
        await self._enter()
        try:
            conn = await self._take()
            try:
                yield conn
                await conn.commit()
            except BaseException:
                # To its end even when the errand was cancelled: a connection must not be given out again in mid-transaction.
                await asyncio.shield(asyncio.ensure_future(self._undo(conn)))
                raise
            await self._give_back(conn)
        except Error as error:
            raise DBAPIError.instance(None, None, error, Error) from error
        finally:
            self._room.release()

    async def close(self) -> None:
        """Closes what is free. What is in use is closed when its errand ends."""
        self._keep = 0
        while self._free:
            await self._free.pop()[0].close()

    async def _enter(self) -> None:
        if not self._room.locked():
            await self._room.acquire()
            return
        try:
            await asyncio.wait_for(self._room.acquire(), _PATIENCE)
        except TimeoutError as error:
            raise NoRoom(f"every connection was in use for {_PATIENCE:.0f} seconds") from error

    async def _take(self) -> Driver:
        while self._free:
            conn, since = self._free.pop()
            if conn.closed:
                continue
            if time.monotonic() - since < FRESH or await _works(conn):
                return conn
        conn = await AsyncConnection.connect(self._url, **self._options)
        # Said after connecting, not as a start-up option: some poolers refuse options they do not know.
        await conn.execute("set time zone 'UTC'")
        await conn.commit()
        return conn

    async def _undo(self, conn: Driver) -> None:
        try:
            await conn.rollback()
        except Error:
            await conn.close()
        await self._give_back(conn)

    async def _give_back(self, conn: Driver) -> None:
        if conn.closed:
            return
        if len(self._free) < self._keep:
            self._free.append((conn, time.monotonic()))
        else:
            await conn.close()


async def _works(conn: Driver) -> bool:
    """Whether a connection that rested still reaches its server. Begins the transaction that it is taken for."""
    try:
        await conn.execute("select 1")
    except Error:
        await conn.close()
        return False
    except BaseException:
        await conn.close()
        raise
    return True
