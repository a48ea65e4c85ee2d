"""The durable engine: DBOS in the house's own database, launched in the app's event loop.

One queue, many lines: turns of one conversation stand in one line, slots of one schedule in another, each stored webhook in its own.
One queue rather than three, since every queue is a poller of the database.
Every workflow is a thin function over a job; its id is derived from its cause, so the same cause never runs twice.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from croniter import croniter
from dbos import DBOS, DBOSClient, DBOSConfig, EnqueueOptions
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from knowledge.domain.clock import Clock
from runtime.db.lease import Lease, alive

APPLICATION_VERSION = "1"
"""Pinned: a deployment must not strand waiting work. Raise it only with a migration of running workflows."""

QUEUE = "work"

Job = Callable[..., Awaitable[Any]]

_jobs: dict[str, Job] = {}
"""What the workflows call; set by `bind` before launch, since workflows must be module-level functions."""


def bind(**jobs: Job) -> None:
    """Names the functions behind the steps: inbound(webhook_event_id), think, speak, follow_up, tick(schedule, slot)."""
    _jobs.clear()
    _jobs.update(jobs)


@DBOS.step(name="job", retries_allowed=True, max_attempts=3, interval_seconds=0.5, backoff_rate=2.0)
async def _run(name: str, *args: Any) -> Any:
    return await _jobs[name](*args)


@DBOS.workflow(name="inbound", max_recovery_attempts=5)
async def inbound(webhook_event_id: str) -> None:
    """One stored webhook: understood, filed, answered by whatever it asks for."""
    await _run("inbound", webhook_event_id)


@DBOS.workflow(name="turn", max_recovery_attempts=5)
async def turn(conversation_id: str, wake: int) -> None:
    """One turn of one conversation. The thought is kept before it is spoken, so a crash does not think twice."""
    thought = await _run("think", conversation_id, wake)
    if thought is None:
        return
    spoken = await _run("speak", conversation_id, thought)
    await _run("follow_up", conversation_id, thought, spoken)


@DBOS.workflow(name="tick", max_recovery_attempts=5)
async def tick(schedule: str, slot: str) -> None:
    """One slot of one schedule."""
    await _run("tick", schedule, slot)


class Engine:
    """Launch, enqueue, beat, stop."""

    def __init__(
        self,
        database_url: str,
        engine: AsyncEngine,
        lease: Lease,
        clock: Clock,
        schedules: dict[str, str],
        time_zone: str,
        *,
        poll_seconds: float = 0.1,
    ) -> None:
        self._url = database_url
        self._engine = engine
        self._lease = lease
        self._clock = clock
        self._schedules = {name: cron for name, cron in schedules.items() if cron}
        self._zone = ZoneInfo(time_zone)
        self._poll = poll_seconds
        self._client: DBOSClient | None = None
        self._dbos: DBOS | None = None
        self._next: dict[str, datetime] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self.lost_lease = asyncio.Event()

    def client(self) -> DBOSClient:
        """For enqueueing; needs no launched engine, so a web process without a worker can use it."""
        if self._client is None:
            self._client = DBOSClient(system_database_url=self._url, dbos_system_schema="dbos", lazy=True)
        return self._client

    async def launch(self) -> None:
        """Starts working on the queues, in the running loop."""
        for name in ("dbos", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)
        config = DBOSConfig(
            name="agente-ceo",
            system_database_url=self._url,
            dbos_system_schema="dbos",
            application_version=APPLICATION_VERSION,
            executor_id=self._lease.executor_id,
            log_level="WARNING",
            console_log_level="WARNING",
            sys_db_pool_size=10,
            use_listen_notify=False,
            scheduler_polling_interval_sec=3600.0,
        )
        self._dbos = DBOS(config=config)
        DBOS.launch()
        await DBOS.register_queue_async(QUEUE, partition_concurrency=1, worker_concurrency=16, polling_interval_sec=self._poll)

    async def enqueue(self, conn: AsyncConnection, workflow: str, workflow_id: str, *args: Any, line: str | None = None) -> None:
        """Enqueues work in the caller's transaction: both are kept or neither. A known workflow id is not enqueued again.

        Work of one `line` runs one after the other, in order; without a line it waits for nobody.
        """
        options: EnqueueOptions = {
            "queue_name": QUEUE,
            "workflow_name": workflow,
            "workflow_id": workflow_id,
            "app_version": APPLICATION_VERSION,
            "queue_partition_key": line or workflow_id,
        }
        client = self.client()
        await conn.run_sync(lambda sync: client.enqueue_in_transaction(sync, options, *args))

    async def beat(self) -> int:
        """Enqueues what is due by the clock: conversation turns and schedule slots. Returns how many. Many processes may beat at once."""
        now = self._clock.now()
        count = 0
        async with self._engine.begin() as conn:
            due = await conn.execute(
                text(
                    "update conversations set wake_at = null, wake_seq = wake_seq + 1 where id in (select id from conversations"
                    " where wake_at <= :now order by wake_at limit 100 for update skip locked) returning id, wake_seq"
                ),
                {"now": now},
            )
            for row in due.all():
                await self.enqueue(conn, "turn", f"turn:{row.id}:{row.wake_seq}", str(row.id), row.wake_seq, line=f"turn:{row.id}")
                count += 1
        ready = [name for name, moment in self._next.items() if moment <= now]
        for name in self._schedules.keys() - self._next.keys():
            self._next[name] = self._after(self._schedules[name], now)
        if ready:
            async with self._engine.begin() as conn:
                for name in sorted(ready):
                    count += await self._fire(conn, name, self._schedules[name], now)
            for name in ready:
                self._next[name] = self._after(self._schedules[name], now)
        return count

    def _after(self, cron: str, moment: datetime) -> datetime:
        return croniter(cron, moment.astimezone(self._zone)).get_next(datetime)

    async def _fire(self, conn: AsyncConnection, name: str, cron: str, now: datetime) -> int:
        """The latest due slot only: after an outage a schedule runs once, not once for each hour missed."""
        local = now.astimezone(self._zone)
        slot: datetime = local if croniter.match(cron, local) and not local.second else croniter(cron, local).get_prev(datetime)
        workflow_id = f"tick:{name}:{slot.astimezone(ZoneInfo('UTC')).isoformat()}"
        row = await conn.execute(
            text(
                "insert into schedule_ticks (schedule, slot, workflow_id, enqueued_at) values (:name, :slot, :id, :now)"
                " on conflict do nothing"
            ),
            {"name": name, "slot": slot, "id": workflow_id, "now": now},
        )
        if row.rowcount == 0:
            return 0
        await self.enqueue(conn, "tick", workflow_id, name, slot.isoformat(), line=f"tick:{name}")
        return 1

    def next_due(self) -> datetime | None:
        """The next moment at which a schedule fires; for whoever drives a simulated clock."""
        return min(self._next.values(), default=None)

    def start_beating(self, seconds: float = 0.25) -> None:
        """Beats by itself in the background, keeps the lease honest, and takes over the work of dead processes."""
        self._tasks = [asyncio.create_task(self._beats(seconds)), asyncio.create_task(self._watch())]

    async def _beats(self, seconds: float) -> None:
        log = logging.getLogger("ceo.jobs")
        while True:
            try:
                await self.beat()
            except Exception:  # weather (a database restart): the next beat tries again, nothing is lost in between
                log.exception("beat failed")
            await asyncio.sleep(seconds)

    async def _watch(self) -> None:
        log = logging.getLogger("ceo.jobs")
        while True:
            if not await self._lease.held():
                log.critical("this process lost its lease; it must stop, others already do its work")
                self.lost_lease.set()
                return
            try:
                await self.adopt_orphans()
            except Exception:  # the next round tries again
                log.exception("looking for orphaned work failed")
            await asyncio.sleep(2.0)

    async def adopt_orphans(self) -> list[str]:
        """Gives the pending workflows of dead executors to this one. Returns the executor ids that were found dead."""
        async with self._engine.begin() as conn:
            rows = await conn.execute(text("select incarnation, slot from executors where lost_at is null"))
            dead: list[tuple[uuid.UUID, int]] = []
            for row in rows.all():
                if str(row.incarnation) != self._lease.incarnation and not await alive(conn, str(row.incarnation)):
                    dead.append((row.incarnation, row.slot))
            for incarnation, _ in dead:
                await conn.execute(
                    text("update executors set lost_at = :now where incarnation = :id"),
                    {"id": incarnation, "now": self._clock.now()},
                )
        # A slot that has been taken again belongs to the living: its owner recovered it when it launched.
        slots = sorted({slot for _, slot in dead} - {self._lease.slot})
        orphans = [f"ceo-{slot}" for slot in slots]
        if orphans:
            # The public API recovers only its own executor id; this is the call behind it (durable.md 2), pinned by dbos~=3.4.0.
            await asyncio.to_thread(DBOS._recover_pending_workflows, orphans)  # pyright: ignore[reportPrivateUsage]
        return orphans

    async def idle(self) -> bool:
        """Whether no workflow waits or runs."""
        async with self._engine.connect() as conn:
            await conn.execution_options(isolation_level="AUTOCOMMIT")
            return await _idle(conn)

    async def settle(self, patience: float = 60.0, poll: float = 0.01) -> None:
        """Waits until the queues are empty. Raises TimeoutError after `patience` seconds."""
        async with asyncio.timeout(patience), self._engine.connect() as conn:
            await conn.execution_options(isolation_level="AUTOCOMMIT")
            while not await _idle(conn):  # noqa: ASYNC110 - the queues live in the database, which offers no event
                await asyncio.sleep(poll)

    async def stop(self) -> None:
        """Stops beating, lets running steps finish, frees the lease."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._client is not None:
            await asyncio.to_thread(self._client.destroy)
        if self._dbos is not None:
            # DBOS shuts down the loop's default executor, which it had replaced: destroy from a thread of our own, then give the
            # loop a working one for whoever closes after us.
            with ThreadPoolExecutor(1) as own:
                loop = asyncio.get_running_loop()
                await loop.run_in_executor(own, lambda: DBOS.destroy(workflow_completion_timeout_sec=5))
                loop.set_default_executor(ThreadPoolExecutor(4))
        await self._lease.release()


async def _idle(conn: AsyncConnection) -> bool:
    row = await conn.execute(
        text("select not exists (select 1 from dbos.workflow_status where status in ('ENQUEUED', 'PENDING', 'DELAYED'))")
    )
    return bool(row.scalar_one())


def database_url_for_engine(url: str) -> str:
    """DBOS takes a plain postgresql URL; ours names the driver."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
