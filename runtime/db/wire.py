"""Statements of the gate's errands straight on the driver's connection, inside the errand's own transaction.

SQLAlchemy's layer over a plain statement (its parsing, cache key, result metadata, two greenlet switches a wait) costs more processor
time than the statement does. The gate runs some twenty statements a pass and uses nothing of that layer, so that it speaks to the
driver itself, on a connection of runtime.db.drivers or on the one that a transaction of SQLAlchemy's holds. Statements are spelled as
elsewhere: `:name` is a parameter.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from psycopg import AsyncCursor, Error
from psycopg.rows import dict_row
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from runtime.db.drivers import Driver

Errand = Driver | AsyncConnection
"""The open transaction of an errand: the driver's own, or SQLAlchemy's."""
Row = dict[str, Any]
NONE: Mapping[str, Any] = {}

_NAME = re.compile(r"(?<![:\w\\]):(\w+)(?!:)")


@lru_cache(maxsize=512)
def spelled(sql: str) -> bytes:
    """A statement in the driver's spelling: `:name` becomes `%(name)s`, a lone `%` is doubled, `::type` stays."""
    return _NAME.sub(r"%(\1)s", sql.replace("%", "%%")).encode()


def _driver(conn: AsyncConnection) -> Any:
    held = conn.sync_connection
    assert held is not None, "an errand's connection is open"
    return held.connection.driver_connection


async def _run(conn: Errand, sql: str, values: Mapping[str, Any]) -> AsyncCursor[Row]:
    try:
        if isinstance(conn, Driver):
            return await conn.ask(spelled(sql), values)
        return await _driver(conn).cursor(row_factory=dict_row).execute(spelled(sql), values)
    except Error as error:  # told as everywhere else in the house, so that callers know one kind of database error
        raise DBAPIError.instance(sql, values, error, Error) from error


async def rows(conn: Errand, sql: str, values: Mapping[str, Any] = NONE) -> list[Row]:
    """Every row, as a mapping of its columns."""
    return await (await _run(conn, sql, values)).fetchall()


async def one(conn: Errand, sql: str, values: Mapping[str, Any] = NONE) -> Row | None:
    """The first row, or None."""
    return await (await _run(conn, sql, values)).fetchone()


async def do(conn: Errand, sql: str, values: Mapping[str, Any] = NONE) -> int:
    """Executes and returns the number of rows touched."""
    _may_change(conn)
    return (await _run(conn, sql, values)).rowcount


async def later(conn: Errand, sql: str, values: Mapping[str, Any] = NONE) -> None:
    """Executes before the errand's next statement or its end, in the same journey: for what has no answer to wait for. A journey costs
    the processor as much as the statement, and as much time as the database is far away. Where the connection is SQLAlchemy's, at
    once."""
    _may_change(conn)
    if isinstance(conn, Driver):
        conn.later(spelled(sql), values)
    else:
        await _run(conn, sql, values)


def _may_change(conn: Errand) -> None:
    """An errand of questions has no transaction to keep a change in, nor an end at which what waits would be done."""
    if isinstance(conn, Driver) and conn.autocommit:
        raise RuntimeError("an errand that only reads changes and locks nothing; begin one with a transaction")
