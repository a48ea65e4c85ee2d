"""Statements on the driver itself: the same spelling, the same transaction, the same kind of error as everywhere in the house."""

from __future__ import annotations

import ast
import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.dialects.postgresql.psycopg import PGDialectAsync_psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from runtime.db import wire
from runtime.db.engine import begin, make_engine, with_database
from runtime.db.uow import Database

ROOT = Path(__file__).resolve().parents[2]
STATEMENT = re.compile(r"\s*(?:with|select|insert|update|delete)\s", re.I)


def statements() -> list[str]:
    """Every literal statement of the database's room."""
    found = {
        node.value
        for file in (ROOT / "runtime/db").glob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and STATEMENT.match(node.value)
    }
    return sorted(found)


def test_every_statement_is_spelled_as_sqlalchemy_would_spell_it() -> None:
    known = statements()
    assert len(known) > 150
    for sql in known:
        assert wire.spelled(sql).decode() == str(text(sql).compile(dialect=PGDialectAsync_psycopg())), sql


def test_casts_and_percent_signs_are_no_parameters() -> None:
    assert wire.spelled("select a::int, x like 'u:%' where b = :b_2") == b"select a::int, x like 'u:%%' where b = %(b_2)s"


async def test_it_runs_in_the_errands_own_transaction(database: Database) -> None:
    with pytest.raises(RuntimeError):
        async with database.engine.begin() as conn:
            await conn.execute(text("create temporary table wired (id int) on commit drop"))
            assert await wire.do(conn, "insert into wired values (:a), (:b)", {"a": 1, "b": 2}) == 2
            assert (await conn.execute(text("select count(*) from wired"))).scalar_one() == 2
            assert await wire.rows(conn, "select id from wired order by id") == [{"id": 1}, {"id": 2}]
            assert await wire.one(conn, "select id from wired where id > :n", {"n": 5}) is None
            await wire.do(conn, "insert into live_events (kind, payload, at) values ('wired', '{}', now())")
            raise RuntimeError("the errand fails")
    async with database.engine.begin() as conn:
        assert await wire.rows(conn, "select 1 from live_events where kind = 'wired'") == []


async def test_a_database_error_is_the_houses_own_and_the_connection_is_good_again_afterwards(database: Database) -> None:
    with pytest.raises(DBAPIError, match="live_events"):
        async with database.engine.begin() as conn:
            await wire.do(conn, "insert into live_events (kind) values (:kind)", {"kind": None})
    async with database.engine.begin() as conn:
        assert await wire.one(conn, "select 1 as one") == {"one": 1}


async def test_a_connection_that_the_server_closed_is_not_given_out_again(database: Database) -> None:
    with pytest.raises(DBAPIError):
        async with database.engine.begin() as conn:
            await wire.do(conn, "select pg_terminate_backend(pg_backend_pid())")
    async with database.engine.begin() as conn:
        assert await wire.one(conn, "select 1 as one") == {"one": 1}


async def test_an_errand_of_the_gate_commits_whole_or_not_at_all_also_when_it_is_cancelled(database: Database) -> None:
    async def publish(kind: str, then: Callable[[], Awaitable[object]]) -> None:
        async with begin(database.engine) as conn:
            await wire.do(conn, "insert into live_events (kind, payload, at) values (:kind, '{}', now())", {"kind": kind})
            await then()

    async def fail() -> None:
        raise RuntimeError("the errand fails")

    await publish("kept", lambda: asyncio.sleep(0))
    with pytest.raises(RuntimeError):
        await publish("failed", fail)
    cancelled = asyncio.create_task(publish("cancelled", lambda: asyncio.sleep(60)))
    await asyncio.sleep(0.1)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    async with begin(database.engine) as conn:
        assert await wire.rows(conn, "select kind from live_events") == [{"kind": "kept"}]
    # What a cancelled errand held is free again, however often that happens.
    small = make_engine(database.engine.url.render_as_string(hide_password=False), pool_size=1, max_overflow=0)
    for _ in range(3):
        task = asyncio.create_task(_rest(small))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    async with begin(small) as conn:
        assert await wire.one(conn, "select 1 as one") == {"one": 1}
    await small.dispose()


async def _rest(engine: AsyncEngine) -> None:
    async with begin(engine) as conn:
        await wire.one(conn, "select pg_sleep(30)")


async def test_a_connection_that_died_while_it_rested_costs_no_errand(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.db.drivers.FRESH", 0.0)  # every connection counts as rested
    async with begin(database.engine) as conn:
        mine = await wire.one(conn, "select pg_backend_pid() as pid")
    assert mine is not None
    async with database.engine.connect() as one, database.engine.connect() as other:
        await wire.one(one, "select 1 as one")
        await wire.one(other, "select 1 as one")
        pids = [row["pid"] for row in await wire.rows(one, "select pid from pg_stat_activity where datname = current_database()")]
    killer = make_engine(with_database(database.engine.url.render_as_string(hide_password=False), "postgres"))
    async with killer.begin() as conn:
        for pid in pids:
            await wire.do(conn, "select pg_terminate_backend(:pid)", {"pid": pid})
    await killer.dispose()
    async with begin(database.engine) as conn:
        assert await wire.one(conn, "select 1 as one") == {"one": 1}


async def test_the_gates_connections_are_as_many_as_the_engine_may_have_and_are_closed_with_it(database: Database) -> None:
    engine = make_engine(database.engine.url.render_as_string(hide_password=False), pool_size=1, max_overflow=1)
    pids: set[int] = set()

    async def errand() -> None:
        async with begin(engine) as conn:
            row = await wire.one(conn, "select pg_backend_pid() as pid, pg_sleep(0.02)")
            assert row is not None
            pids.add(row["pid"])

    async def left() -> list[wire.Row]:
        async with database.engine.connect() as conn:
            return await wire.rows(conn, "select pid from pg_stat_activity where pid = any(:pids)", {"pids": sorted(pids)})

    await asyncio.gather(*(errand() for _ in range(6)))
    assert len(pids) == len(await left()) == 2
    await engine.dispose()
    for _ in range(50):
        if not await left():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("a connection was left open")
