"""What every repository shares: running SQL on the errand's connection, and getting values across the border."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, cast

from psycopg.types.json import Jsonb
from pydantic_core import to_jsonable_python
from sqlalchemy import CursorResult, RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from knowledge.domain.chain import Spelled, canonical
from knowledge.domain.money import Money
from runtime.db import wire

DEFAULT_WORKSPACE = "default"


def new_id() -> str:
    """A fresh id for a row of ours."""
    return str(uuid.uuid4())


def is_id(value: str) -> bool:
    """Whether a text can be one of our uuid ids; a text that cannot names nothing, and must not reach the database."""
    try:
        uuid.UUID(value)
    except ValueError:
        return False
    return True


def money(minor: int | None, currency: str | None) -> Money | None:
    """Money from its two columns; None when the amount is not known."""
    return None if minor is None or currency is None else Money(minor=minor, currency=currency)


def _clean(value: Any) -> Any:
    """Postgres text and jsonb cannot hold U+0000, and outsiders do send it: one such message must not stop the queue."""
    if isinstance(value, str):
        return value.replace("\x00", "")
    if isinstance(value, Mapping):
        return {_clean(key): _clean(inner) for key, inner in cast(Mapping[Any, Any], value).items()}
    if isinstance(value, list | tuple):
        return [_clean(inner) for inner in cast(Sequence[Any], value)]
    return value


def as_json(value: Any) -> Jsonb:
    """Any model, dataclass or plain value for a jsonb column. Decimals become strings, so that no digit is lost."""
    return Jsonb(_clean(to_jsonable_python(value)))


def as_text(value: Any) -> str:
    """`as_json` as the text of it, for statements that take one."""
    text = value.text if isinstance(value, Spelled) else canonical(to_jsonable_python(value))
    return text if "\\u0000" not in text else canonical(_clean(json.loads(text)))


class Repository:
    """One aggregate's tables, on one transaction's connection. Ids go in and come out as strings."""

    def __init__(self, connection: wire.Errand) -> None:
        self.connection = connection

    async def run(self, sql: str, **values: Any) -> int:
        """Executes and returns the number of rows touched."""
        if isinstance(self.connection, AsyncConnection):
            return (await _execute(self.connection, sql, values)).rowcount
        return await wire.do(self.connection, sql, _safe(values))

    async def once(self, sql: str, **values: Any) -> bool:
        """Executes and says whether exactly one row was touched."""
        return await self.run(sql, **values) == 1

    async def one(self, sql: str, **values: Any) -> RowMapping | None:
        """The first row, or None."""
        rows = await self.all(sql, **values)
        return rows[0] if rows else None

    async def all(self, sql: str, **values: Any) -> Sequence[RowMapping]:
        """Every row."""
        if isinstance(self.connection, AsyncConnection):
            return (await _execute(self.connection, sql, values)).mappings().all()
        rows = await wire.rows(self.connection, sql, _safe(values))
        return cast(Sequence[RowMapping], rows)  # mappings of columns, as the others

    async def lock(self, name: str) -> None:
        """Holds a named lock until the transaction ends; whoever asks for the same name waits."""
        await self.run("select pg_advisory_xact_lock(hashtextextended(:name, 0))", name=name)


def _safe(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value if isinstance(value, Jsonb) else _clean(value) for key, value in values.items()}


async def _execute(connection: AsyncConnection, sql: str, values: dict[str, Any]) -> CursorResult[Any]:
    return cast(CursorResult[Any], await connection.execute(text(sql), _safe(values)))
