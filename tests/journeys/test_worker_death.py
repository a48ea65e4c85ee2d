"""kill -9 of a worker in the middle of things: nothing is lost and nothing happens twice."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from runtime.demo import START, Driver, Stage
from runtime.sandbox.app import create_sandbox
from runtime.sandbox.serve import serve_in_loop
from runtime.sandbox.world import WebhookTarget
from tests.journeys.town import HOT, ROOT, Town
from tests.journeys.worker_process import Ticking, quick


class Crowd:
    """A town whose work is done by processes of their own; this one only takes webhooks in."""

    def __init__(self, town: Town, database_url: str, data: Path, epoch: float) -> None:
        self.town = town
        self._args = [database_url, town.stage.sandbox_url, str(data), str(epoch)]
        self.workers: list[subprocess.Popen[str]] = []

    async def hire(self, count: int) -> None:
        """Starts workers and waits until they work."""
        fresh = [
            subprocess.Popen(  # noqa: ASYNC220 - they must be processes that can die
                [sys.executable, "-m", "tests.journeys.worker_process", *self._args], cwd=ROOT, stdout=subprocess.PIPE, text=True
            )
            for _ in range(count)
        ]
        self.workers += fresh
        for worker in fresh:
            assert worker.stdout is not None
            while (line := await asyncio.to_thread(worker.stdout.readline)) != "ready\n":
                assert line, "the worker ended before it was ready"

    async def until(self, what: Callable[[], Any], seconds: float = 25) -> Any:
        async with asyncio.timeout(seconds):
            while True:
                seen = what()
                seen = await seen if asyncio.iscoroutine(seen) else seen
                if seen:
                    return seen
                await asyncio.sleep(0.03)

    async def kill_who_hangs(self, fault: Any) -> None:
        """Once the planned fault holds a request: kill -9 of the process that made it."""
        await self.until(lambda: fault.times == 0)
        pid = await self.until(self._busy)
        assert pid in [w.pid for w in self.workers]
        os.kill(pid, signal.SIGKILL)
        next(w for w in self.workers if w.pid == pid).wait()

    async def _busy(self) -> int | None:
        rows = await self.town.rows(
            "select e.pid from actions a join executors e on e.incarnation::text = a.executor where a.status = 'executing'"
        )
        return rows[0][0] if rows else None

    async def quiet(self) -> None:
        """Until no workflow waits or runs and no wake-up is set."""

        async def nothing_left() -> bool:
            open_ones = await self.town.one(
                "select (select count(*) from dbos.workflow_status where status in ('ENQUEUED', 'PENDING', 'DELAYED'))"
                " + (select count(*) from conversations where wake_at is not null)"
                " + (select count(*) from actions where status = 'executing')"
            )
            return open_ones == 0

        await self.until(nothing_left)


@pytest.fixture
async def crowd(database_url: str, tmp_path: Path) -> AsyncIterator[Crowd]:
    from runtime.main import base_app
    from runtime.wiring import build_house

    epoch = time.time()
    clock = Ticking(epoch)
    sandbox = create_sandbox(seed=7, start=START, personas=False)
    world = sandbox.state.world
    world._http = httpx.AsyncClient(timeout=10, verify=False)
    async with AsyncExitStack() as stack:
        twin = await serve_in_loop(sandbox)
        stack.push_async_callback(twin.stop)
        stack.push_async_callback(world.close)
        house = await build_house(quick(twin.url, tmp_path), database_url, clock)
        stack.push_async_callback(house.close)
        web = await serve_in_loop(base_app(house, demo=False, demo_credentials=None, secure_cookies=False))
        stack.push_async_callback(web.stop)
        world.targets["zapi"] = WebhookTarget(f"{web.url}/webhooks/zapi/sandbox-zapi-path")
        stage = Stage(sandbox, twin.url, house, clock, web.url, "", time.monotonic())  # pyright: ignore[reportArgumentType]
        http = await stack.enter_async_context(httpx.AsyncClient(timeout=20, verify=False))
        made = Crowd(Town(stage, Driver(stage, auto_manager=False), http), database_url, tmp_path, epoch)
        try:
            yield made
        finally:
            for worker in made.workers:
                worker.kill()
                worker.wait()


async def test_killed_while_its_answer_is_on_the_way(crowd: Crowd) -> None:
    """The text is committed at WhatsApp and the answer hangs: sent once, and the line's echo proves it."""
    town = crowd.town
    fault = town.fault(r"POST .*/send-text", "timeout", seconds=30)
    await crowd.hire(2)
    assert await town.says("Oi, aqui é a Carla") == 202
    await crowd.kill_who_hangs(fault)
    await crowd.quiet()
    assert len(town.answers()) == 1
    assert await town.rows("select status from actions where kind = 'message.send'") == [("unknown",)]
    await town.world.advance(START.replace(minute=1))  # the phone sends it, and says so
    await crowd.quiet()
    assert await town.rows("select status from actions where kind = 'message.send'") == [("done",)]
    assert await town.rows("select body from messages where direction = 'out'") == [(town.answers()[0],)]
    # The conversation goes on with the survivor.
    assert await town.says("preciso de 3 fornos") == 202
    await crowd.until(lambda: len(town.answers()) == 2)
    await crowd.quiet()
    shown = [m["content"] for m in town.desk()["messages"] if m["type"] != "activity"]
    assert shown == [words for _, words in town.chat()]
    await town.clean()


async def test_killed_in_mid_handover(crowd: Crowd) -> None:
    """The deal is committed in the CRM and the answer hangs; the next process finds it instead of opening a second one."""
    town = crowd.town
    fault = town.fault(r"POST /piperun/.*deals", "timeout", seconds=30)
    await crowd.hire(1)
    for number, words in enumerate(HOT, 1):
        assert await town.says(words) == 202
        await crowd.until(lambda n=number: len(town.answers()) == n)
    await crowd.kill_who_hangs(fault)
    await crowd.hire(1)  # takes the dead one's place
    await crowd.quiet()
    crm = town.book("crm")
    assert {k: len(crm[k]) for k in ("companies", "persons", "deals", "notes")} == dict.fromkeys(
        ("companies", "persons", "deals", "notes"), 1
    )
    assert len(town.answers()) == len(HOT)
    assert len(town.notes()) == 1
    assert town.desk()["status"] == "open"
    shown = [m["content"] for m in town.desk()["messages"] if m["type"] != "activity" and not m["private"]]
    assert shown == [words for _, words in town.chat()]
    await town.clean()


async def test_killed_in_mid_publication(crowd: Crowd) -> None:
    """A publication of the schedule: half of it stands on the platform when the process dies."""
    from runtime.jobs import marketing

    town = crowd.town
    await marketing.load_catalogue(town.house)
    await marketing.launch(town.house, START)
    drafted = await town.one("select count(*) from campaigns where status = 'draft'")
    assert drafted == 2
    fault = town.fault(r"POST /meta/.*/adsets", "timeout", seconds=30)
    await crowd.hire(2)
    async with town.house.db.transaction() as tx:
        await town.house.jobs.enqueue(tx.conn, "tick", "tick:publish:test", "publish", START.isoformat())
    await crowd.kill_who_hangs(fault)
    await crowd.quiet()
    assert await town.rows("select status, count(*) from actions group by 1") == [("done", 2)]
    book = town.book("ads")["campaigns"]
    assert sorted((c["platform"], c["status"], c["groups"]) for c in book) == [("meta", "ACTIVE", 1), ("tiktok", "ACTIVE", 1)]
    ours = await town.rows("select platform, external_id from campaigns where external_id is not null order by 1")
    assert ours == sorted((c["platform"], c["id"]) for c in book)
    assert await town.one("select count(*) from ads") == sum(c["ads"] for c in book)
    assert await town.rows("select status, count(*) from reservations group by 1") == [("settled", 2)]
    assert town.world.refusals == []
