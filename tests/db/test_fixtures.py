"""The fixtures every other test leans on: a clean database each, no way out, the sandbox on a real port."""

from __future__ import annotations

import asyncio
import socket
from datetime import timedelta
from typing import TYPE_CHECKING

import httpx
import psycopg
import pytest

from knowledge.domain.clock import SettableClock
from runtime.db import engine
from runtime.db.uow import Database

if TYPE_CHECKING:
    from tests.conftest import SandboxControl


@pytest.mark.parametrize("turn", [1, 2])
async def test_rows_of_one_test_are_not_seen_by_the_next(database: Database, clock: SettableClock, turn: int) -> None:
    async with database.transaction() as tx:
        assert await tx.users.list() == []
        assert await tx.live_events.after(0) == []
        assert await tx.users.add("a@example.com", role="admin", at=clock.now()) is not None
        tx.live_events.publish("x", {}, at=clock.now())


@pytest.mark.parametrize("turn", [1, 2])
def test_a_table_of_one_test_is_not_seen_by_the_next(database_url: str, turn: int) -> None:
    with psycopg.connect(engine.libpq_url(database_url)) as connection:
        connection.execute("create table scratch (id int)")


def test_no_test_leaves_this_machine() -> None:
    with pytest.raises(AssertionError, match="stay on this machine"):
        httpx.get("http://203.0.113.7/", timeout=1)
    with pytest.raises(AssertionError, match="stay on this machine"):
        httpx.get("http://graph.facebook.com/", timeout=1)
    with pytest.raises(AssertionError, match="stay on this machine"):
        socket.create_connection(("example.com", 443), timeout=1)


async def test_nor_by_an_asynchronous_client() -> None:
    async with httpx.AsyncClient() as client:
        with pytest.raises(AssertionError, match="stay on this machine"):
            await client.get("http://api.openai.com/v1/models", timeout=1)


def test_the_sandbox_answers_on_a_real_port_and_its_clock_is_moved(sandbox: SandboxControl) -> None:
    before = sandbox.now()
    assert sandbox.advance(timedelta(minutes=5)) == before + timedelta(minutes=5)
    assert httpx.get(f"{sandbox.url}/no/such/route").status_code == 404
    assert sandbox.book()["writes"] == []


async def test_live_events_are_numbered_in_the_order_of_commits(database: Database, clock: SettableClock) -> None:
    """The first to write is the last to commit: its number must come last, or a page resuming after the other misses it."""
    wrote, released = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        async with database.transaction() as tx:
            await tx.live_events.add("slow", {}, at=clock.now())
            wrote.set()
            await released.wait()

    task = asyncio.create_task(slow())
    await wrote.wait()
    async with database.transaction() as tx:
        tx.live_events.publish("quick", {"n": 1}, at=clock.now())
    async with database.transaction() as tx:
        (quick,) = await tx.live_events.after(0)
        assert quick.kind == "quick"
    released.set()
    await task
    async with database.transaction() as tx:
        assert [event.kind for event in await tx.live_events.after(quick.id)] == ["slow"]


async def test_what_a_failed_errand_published_is_never_told(database: Database, clock: SettableClock) -> None:
    with pytest.raises(ZeroDivisionError):
        async with database.transaction() as tx:
            tx.live_events.publish("x", {}, at=clock.now())
            raise ZeroDivisionError
    async with database.transaction() as tx:
        assert await tx.live_events.after(0) == []
