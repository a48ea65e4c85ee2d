"""Statements that nobody waits for go with the next one, and questions need no transaction: fewer journeys, the same books."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from psycopg import AsyncConnection
from sqlalchemy.exc import DBAPIError, IntegrityError

from runtime.db import wire
from runtime.db.engine import begin, make_engine
from runtime.db.uow import Database

ADD = "insert into live_events (kind, payload, at) values (:kind, '{}', now())"
COUNT = "select count(*) as n from live_events where kind = :kind"
KEY = "insert into policies (version, document, first_seen_at) values (:version, '{}', now())"


async def kinds(database: Database) -> list[str]:
    async with begin(database.engine) as conn:
        return [row["kind"] for row in await wire.rows(conn, "select kind from live_events order by id")]


async def test_what_waits_is_done_before_the_next_statement_and_in_its_order(database: Database) -> None:
    async with begin(database.engine) as conn:
        await wire.later(conn, ADD, {"kind": "first"})
        await wire.later(conn, "update live_events set kind = 'second' where kind = :kind", {"kind": "first"})
        assert await wire.one(conn, COUNT, {"kind": "second"}) == {"n": 1}
        assert await wire.one(conn, COUNT, {"kind": "first"}) == {"n": 0}
        await wire.later(conn, ADD, {"kind": "third"})
        assert await wire.do(conn, "update live_events set kind = kind || '!'") == 2, "the count is the asked statement's own"
        await wire.later(conn, ADD, {"kind": "last"})
    assert await kinds(database) == ["second!", "third!", "last"]


async def test_of_an_errand_that_fails_nothing_that_waited_is_done(database: Database) -> None:
    with pytest.raises(RuntimeError):
        async with begin(database.engine) as conn:
            await wire.do(conn, ADD, {"kind": "asked"})
            await wire.later(conn, ADD, {"kind": "waited"})
            raise RuntimeError("the errand fails")
    async with begin(database.engine) as conn:  # the same connection
        await wire.later(conn, ADD, {"kind": "fresh"})
    assert await kinds(database) == ["fresh"]


@pytest.mark.parametrize("asked", [True, False], ids=["with the next statement", "with the commit"])
async def test_a_waiting_statement_that_fails_fails_the_errand_with_its_own_error(database: Database, asked: bool) -> None:
    with pytest.raises(IntegrityError, match="policies_pkey"):
        async with begin(database.engine) as conn:
            await wire.later(conn, ADD, {"kind": "before"})
            await wire.later(conn, KEY, {"version": "one"})
            await wire.later(conn, KEY, {"version": "one"})
            await wire.later(conn, ADD, {"kind": "after"})
            if asked:
                await wire.one(conn, COUNT, {"kind": "before"})
                raise AssertionError("it was told nothing")
    assert await kinds(database) == []
    async with begin(database.engine) as conn:  # the connection is good again
        await wire.later(conn, KEY, {"version": "one"})
    async with begin(database.engine) as conn:
        assert await wire.one(conn, "select version from policies") == {"version": "one"}


async def test_an_asked_statement_that_fails_behind_a_waiting_one_is_told_as_itself(database: Database) -> None:
    async with begin(database.engine) as conn:
        await wire.do(conn, KEY, {"version": "one"})
    with pytest.raises(IntegrityError, match="policies_pkey"):
        async with begin(database.engine) as conn:
            await wire.later(conn, ADD, {"kind": "before"})
            await wire.do(conn, KEY, {"version": "one"})
    assert await kinds(database) == []


async def test_a_server_that_is_gone_at_the_commit_is_told_and_costs_no_later_errand(database: Database) -> None:
    with pytest.raises(DBAPIError):
        async with begin(database.engine) as conn:
            await wire.later(conn, ADD, {"kind": "lost"})
            await wire.later(conn, "select pg_terminate_backend(pg_backend_pid())")
    assert await kinds(database) == []


async def test_a_lock_that_waits_holds_from_the_next_statement_on(database: Database) -> None:
    lock = "select pg_advisory_xact_lock(hashtextextended(:key, 0))"
    order: list[str] = []

    async def second() -> None:
        async with begin(database.engine) as conn:
            await wire.later(conn, lock, {"key": "k"})
            found = await wire.one(conn, COUNT, {"kind": "first"})
            order.append(f"second sees {found and found['n']}")

    async with begin(database.engine) as conn:
        await wire.do(conn, lock, {"key": "k"})
        task = asyncio.create_task(second())
        await asyncio.sleep(0.2)
        await wire.later(conn, ADD, {"kind": "first"})
        order.append("first commits")
    await task
    assert order == ["first commits", "second sees 1"], "it looked before it had the lock"


async def test_questions_run_without_a_transaction_and_leave_the_connection_as_it_was(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits: list[Any] = []
    commit = AsyncConnection.commit

    async def counted(connection: AsyncConnection[Any]) -> None:
        commits.append(connection)
        await commit(connection)

    async with begin(database.engine) as conn:
        await wire.do(conn, ADD, {"kind": "there"})
    monkeypatch.setattr(AsyncConnection, "commit", counted)
    async with begin(database.engine, reading=True) as conn:
        assert await wire.one(conn, COUNT, {"kind": "there"}) == {"n": 1}
        async with begin(database.engine) as other:
            await wire.do(other, ADD, {"kind": "there"})
        assert await wire.one(conn, COUNT, {"kind": "there"}) == {"n": 2}, "each question sees what is committed when it is asked"
        assert conn not in commits
    assert conn not in commits
    with pytest.raises(DBAPIError):
        async with begin(database.engine, reading=True) as conn:
            await wire.one(conn, "select nothing from nowhere")
    with pytest.raises(RuntimeError):
        async with begin(database.engine) as conn:
            await wire.do(conn, ADD, {"kind": "undone"})
            raise RuntimeError("this one has a transaction again")
    assert await kinds(database) == ["there", "there"]


@pytest.mark.parametrize("way", [wire.do, wire.later])
async def test_an_errand_of_questions_changes_nothing_and_leaves_nothing_to_the_next(database: Database, way: Any) -> None:
    with pytest.raises(RuntimeError, match="only reads"):
        async with begin(database.engine, reading=True) as conn:
            await way(conn, ADD, {"kind": "smuggled"})
    async with begin(database.engine) as conn:
        assert await wire.one(conn, COUNT, {"kind": "smuggled"}) == {"n": 0}
    assert await kinds(database) == []


async def test_a_server_that_is_gone_under_a_question_is_told_as_itself(database: Database) -> None:
    with pytest.raises(DBAPIError, match="terminat"):
        async with begin(database.engine, reading=True) as conn:
            await wire.one(conn, "select pg_terminate_backend(pg_backend_pid())")
    async with begin(database.engine, reading=True) as conn:
        assert await wire.one(conn, "select 1 as one") == {"one": 1}


async def test_errands_one_after_the_other_share_a_connection_and_none_that_waits_is_passed_over(database: Database) -> None:
    engine = make_engine(database.engine.url.render_as_string(hide_password=False), pool_size=1, max_overflow=0)
    pids: list[int] = []

    async def errand(reading: bool) -> None:
        async with begin(engine, reading=reading) as conn:
            row = await wire.one(conn, "select pg_backend_pid() as pid, pg_sleep(0.005)")
            assert row is not None
            pids.append(row["pid"])

    for number in range(4):
        await errand(reading=number % 2 == 0)
    await asyncio.wait_for(asyncio.gather(*(errand(reading=number % 2 == 0) for number in range(12))), 10)
    assert len(pids) == 16
    assert len(set(pids)) == 1
    await engine.dispose()
    await errand(reading=False)  # who begins after the end gets a new one
    assert pids[-1] != pids[0]
    await engine.dispose()


async def test_an_errand_that_is_cancelled_while_it_waits_for_a_lock_gives_its_connection_back(database: Database) -> None:
    lock = "select pg_advisory_xact_lock(hashtextextended(:key, 0))"
    small = make_engine(database.engine.url.render_as_string(hide_password=False), pool_size=1, max_overflow=0)

    async def waits(asked: bool) -> None:
        async with begin(small) as conn:
            await wire.later(conn, ADD, {"kind": "cancelled"})
            await wire.later(conn, lock, {"key": "k"})
            await wire.later(conn, ADD, {"kind": "cancelled"})
            if asked:
                await wire.one(conn, COUNT, {"kind": "cancelled"})

    async with begin(database.engine) as conn:
        await wire.do(conn, lock, {"key": "k"})
        for asked in (True, False, True):
            task = asyncio.create_task(waits(asked))
            await asyncio.sleep(0.1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asyncio.wait_for(task, 5)
            async with begin(small) as free:
                await wire.later(free, "select 1")
                assert await wire.one(free, COUNT, {"kind": "cancelled"}) == {"n": 0}
    assert await kinds(database) == []
    await small.dispose()
