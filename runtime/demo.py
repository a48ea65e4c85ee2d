"""`ceo demo`: the whole product against the sandbox, in simulated time, without a credential.

One process and one loop: the sandbox's server, our server, the durable engine, and a driver that moves the simulated clock from
event to event and waits until everything has settled before it moves on. The same seed gives the same story.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets as chance
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import SecretStr

from knowledge.domain.action import Actor
from knowledge.domain.clock import SettableClock
from runtime.observability import configure
from runtime.settings import (
    Chatwoot,
    ConfigError,
    Meta,
    Operator,
    PipeRun,
    Schedules,
    Secrets,
    Settings,
    TikTok,
    Vendors,
    ZApi,
    load_operator,
)

MANAGER = ("gestor@demo.local", "manager")
ADMIN = ("diretora@demo.local", "admin")
START = datetime(2026, 11, 23, 11, 0, tzinfo=UTC)
STEP = timedelta(hours=1)
"""Longest stride of the simulated clock."""
GRAIN = timedelta(seconds=5)
"""Shortest stride: what happens within it is met together, as a busy server would."""
HESITATION = timedelta(minutes=30)
"""How long the simulated director lets a request wait."""
WARM_UP = timedelta(days=4, minutes=105)
"""Where the live demo begins: Friday 09:45, a few days of figures on the page and this morning's requests unanswered."""
RATE = 500
"""Requests a second to the twins: their clock runs thousands of times faster than the one that rate limits are meant for."""
PACE = Schedules(
    launch="0 9 * * *",
    publish="30 9-11 * * *",
    insights="5 * * * *",
    decide="20 */6 * * *",
    approvals="45 */4 * * *",
    reconcile="35 */4 * * *",
    desk_poll="50 */4 * * *",
    alerts="40 */4 * * *",
    watch="5 * * * *",
    verdicts="25 */4 * * *",
    autonomy="30 */4 * * *",
    anchor="0 */6 * * *",
)
"""The operator's schedules; what looks after the house minute by minute comes less often: a simulated week has ten thousand of them."""


@dataclass
class Stage:
    """The running demo: sandbox, house, servers."""

    sandbox: Any
    sandbox_url: str
    house: Any
    clock: SettableClock
    url: str
    password: str
    started: float


def operator_for(sandbox: str, base: Operator, public_url: str) -> Operator:
    """The operator's own file with every vendor pointed at the sandbox. Only URLs and ids differ from production."""
    from runtime.sandbox import adtree, chatwoot_state, piperun, zapi_state

    return base.model_copy(
        update={
            "vendors": Vendors(
                meta=Meta(
                    base_url=f"{sandbox}/meta",
                    account_id=f"act_{adtree.META_ACCOUNT}",
                    pixel_id="2000000001",
                    page_id="3000000001",
                    per_second=RATE,
                ),
                tiktok=TikTok(
                    base_url=f"{sandbox}/tiktok", advertiser_id=adtree.TIKTOK_ADVERTISER, pixel_id="C0DEMO", per_second=RATE
                ),
                zapi=ZApi(base_url=f"{sandbox}/zapi", instance_id=zapi_state.INSTANCE_ID, per_second=RATE),
                chatwoot=Chatwoot(
                    base_url=f"{sandbox}/chatwoot",
                    account_id=str(chatwoot_state.ACCOUNT_ID),
                    inbox_id=str(chatwoot_state.INBOX_ID),
                    per_second=RATE,
                ),
                piperun=PipeRun(
                    base_url=f"{sandbox}/piperun",
                    pipeline_id=str(piperun.PIPELINE_ID),
                    stage_id=str(next(iter(piperun.STAGES.values()))),
                    origin_id=str(piperun.ORIGIN_ID),
                    owner_id=str(piperun.OWNER_ID),
                    per_second=RATE,
                ),
            ),
            "public_url": public_url,
            "schedules": PACE,
            "crew": base.crew.model_copy(update={"model": "offline", "fallback": (), "by_agent": {}}),
        }
    )


def secrets_for(data: Path) -> Secrets:
    """The sandbox's own tokens; made up, valid nowhere else."""
    from runtime.sandbox import chatwoot_state, piperun, zapi_state

    def of(value: str) -> SecretStr:
        return SecretStr(value)

    return Secrets.model_validate(
        {
            "ceo_data_dir": data,
            "ceo_secret_key": of(chance.token_hex(32)),
            "meta_access_token": of("sandbox-meta-token"),
            "meta_app_secret": of("sandbox-meta-secret"),
            "tiktok_access_token": of("sandbox-tiktok-token"),
            "zapi_token": of(zapi_state.INSTANCE_TOKEN),
            "zapi_client_token": of(zapi_state.CLIENT_TOKEN),
            "zapi_webhook_token": of("sandbox-zapi-path"),
            "chatwoot_user_token": of(chatwoot_state.USER_TOKEN),
            "chatwoot_bot_token": of(chatwoot_state.BOT_TOKEN),
            "chatwoot_webhook_secret": of("sandbox-chatwoot-secret"),
            "piperun_token": of(piperun.TOKEN),
        }
    )


@asynccontextmanager
async def stage(*, seed: int, port: int, data: Path, config: Path, leads_per_day: int = 2) -> AsyncIterator[Stage]:
    """Starts everything and stops everything, Postgres included."""
    from runtime.cockpit.app import ensure_user
    from runtime.main import create_app, database_of
    from runtime.sandbox import personas
    from runtime.sandbox.app import create_sandbox
    from runtime.sandbox.serve import serve_in_loop
    from runtime.sandbox.world import WebhookTarget
    from runtime.wiring import build_house

    started = time.monotonic()
    sandbox = create_sandbox(seed=seed, start=START, personas=False)
    personas.install(sandbox.state.world, count_per_day=leads_per_day)
    twin = await serve_in_loop(sandbox)
    port = port or _free_port()
    settings = Settings(
        operator=operator_for(twin.url, load_operator(config), f"http://127.0.0.1:{port}"), secrets=secrets_for(data), path=config
    )
    clock = SettableClock(START)
    password = chance.token_urlsafe(9)
    try:
        async with database_of(settings) as url:
            await asyncio.to_thread(_careless, url)
            house = await build_house(settings, url, clock, poll_seconds=0.02)
            house.confirm_within = timedelta(hours=20)  # ten minutes of somebody who reads while the clock runs 120 times faster
            try:
                for email, role in (MANAGER, ADMIN):
                    await ensure_user(house.db, email, password, role, clock)  # pyright: ignore[reportArgumentType]
                app = create_app(house, demo=True, demo_credentials=(MANAGER[0], password), secure_cookies=False)
                web = await serve_in_loop(app, "127.0.0.1", port)
                try:
                    await house.jobs.launch()
                    world = sandbox.state.world
                    world.targets["zapi"] = WebhookTarget(f"{web.url}/webhooks/zapi/sandbox-zapi-path")
                    world.targets["chatwoot"] = WebhookTarget(f"{web.url}/webhooks/chatwoot", "sandbox-chatwoot-secret")
                    yield Stage(sandbox, twin.url, house, clock, web.url, password, started)
                finally:
                    await web.stop()
            finally:
                await house.close()
    finally:
        await sandbox.state.world.close()
        await twin.stop()


def _careless(url: str) -> None:
    """The demo's database is thrown away with its folder: it need not survive a power cut, and is several times faster so."""
    import psycopg

    from runtime.db.engine import libpq_url

    with psycopg.connect(libpq_url(url), autocommit=True) as connection:
        connection.execute("alter system set synchronous_commit = off")
        connection.execute("alter system set fsync = off")
        connection.execute("select pg_reload_conf()")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Glance(NamedTuple):
    """Whether no job waits or runs, the next conversation to wake, and the oldest request nobody looked at."""

    idle: bool
    wake_at: datetime | None
    oldest_request: datetime | None


class Driver:
    """Moves simulated time: to the next event of either side, never more than a step, and waits until all is quiet."""

    def __init__(self, on: Stage, *, auto_manager: bool) -> None:
        self.on = on
        self.auto_manager = auto_manager
        self._looked_at: set[str] = set()
        self._begun = False

    async def advance(self, to: datetime) -> None:
        """Runs the story up to a moment."""
        house, world = self.on.house, self.on.sandbox.state.world
        glance = await self._quiet()  # what came in since the last time belongs to this moment, not to the end of the next stride
        while self.on.clock.now() < to:
            now = self.on.clock.now()
            moments = [m for m in (world.next_event_at, glance.wake_at, house.jobs.next_due()) if m is not None and m > now]
            target = min(max(min([*moments, now + STEP]), now + GRAIN), to)
            self.on.clock.set(target)
            await world.advance(target)
            glance = await self._quiet()

    async def _quiet(self) -> Glance:
        """Until a whole round brings nothing new: jobs may cause webhooks at this very moment, and those again jobs."""
        house, world = self.on.house, self.on.sandbox.state.world
        while True:
            now, due = self.on.clock.now(), house.jobs.next_due()
            glance = await self._glance()
            if not glance.idle:
                await house.jobs.settle()
            elif not self._begun or (due is not None and due <= now) or (glance.wake_at is not None and glance.wake_at <= now):
                self._begun = True  # the first beat plans the schedules; a house without any has nothing due for ever
                await house.jobs.beat()
            elif self.auto_manager and glance.oldest_request is not None and glance.oldest_request <= now - HESITATION:
                await self._manage()
            elif world.next_event_at is not None and world.next_event_at <= now:
                await world.advance(now)
            else:
                return glance

    async def _glance(self) -> Glance:
        """One look at everything that could still want to happen."""
        from sqlalchemy import text

        async with self.on.house.db.engine.connect() as conn:
            await conn.execution_options(isolation_level="AUTOCOMMIT")
            row = await conn.execute(
                text(
                    "select not exists (select 1 from dbos.workflow_status where status in ('ENQUEUED', 'PENDING', 'DELAYED')) as idle,"
                    " (select min(wake_at) from conversations where wake_at is not null) as wake_at,"
                    " (select min(p.requested_at) from approvals p join actions a on a.id = p.action_id where p.status = 'pending'"
                    "   and not (a.id::text = any(:looked_at))) as oldest_request"
                ),
                {"looked_at": sorted(self._looked_at)},
            )
            return Glance(*row.one())

    async def _manage(self) -> None:
        """The simulated director: looks at every request half an hour after it was made and approves what the rules still allow."""
        from sqlalchemy import text

        async with self.on.house.db.transaction() as tx:
            rows = await tx.conn.execute(
                text(
                    "select p.action_id, a.fingerprint from approvals p join actions a on a.id = p.action_id"
                    " where p.status = 'pending' and p.requested_at <= :then order by p.requested_at, a.idempotency_key"
                ),
                {"then": self.on.clock.now() - HESITATION},
            )
            waiting = rows.all()
        director = Actor(kind="user", id=ADMIN[0], role="admin")
        for row in waiting:
            # Once each: what the gate does not let her approve (her own proposal, facts that moved twice) is left to expire.
            self._looked_at.add(str(row.action_id))
            outcome = await self.on.house.gate.approve(str(row.action_id), director, row.fingerprint)
            if outcome.message.id == "gate.drifted":
                await self.on.house.gate.approve(str(row.action_id), director, row.fingerprint)


async def figures(on: Stage, days: float) -> dict[str, Any]:
    """What happened, read from the database and from the sandbox's own book; `books_agree` names where they differ."""
    from sqlalchemy import text

    async with on.house.db.transaction() as tx:

        async def one(sql: str) -> Any:
            return (await tx.conn.execute(text(sql))).scalar_one()

        by_status = dict((await tx.conn.execute(text("select status, count(*) from actions group by status"))).tuples().all())
        asked = await one("select count(*) from approvals")
        spend, revenue = (
            await tx.conn.execute(
                text(
                    "select coalesce(sum(spend_minor), 0)::bigint, coalesce(sum(revenue_minor), 0)::bigint from analytics"
                    " where level = 'campaign' and hour is null"
                )
            )
        ).one()
        crm = dict(
            (await tx.conn.execute(text("select entity, count(distinct external_id) from crm_links group by entity")))
            .tuples()
            .all()
        )
        result: dict[str, Any] = {
            "days": days,
            "campaigns": await one("select count(*) from campaigns where external_id is not null"),
            "actions": {
                "executed": by_status.get("done", 0),
                "asked": asked,
                "refused": by_status.get("refused", 0),
                "failed": by_status.get("failed", 0),
                "expired": by_status.get("expired", 0),
                "rejected": by_status.get("rejected", 0),
                "unknown": by_status.get("unknown", 0),
            },
            "decisions": await one("select count(*) from decisions"),
            "spend": round(spend / 100, 2),
            "revenue": round(revenue / 100, 2),
            "roas": round(revenue / spend, 4) if spend else None,
            "leads": await one("select count(*) from leads where merged_into is null"),
            "messages_in": await one("select count(*) from messages where direction = 'in'"),
            "messages_out": await one("select count(*) from messages where direction = 'out' and external_id is not null"),
            "takeovers": await one("select count(*) from conversations where handed_off_at is not null"),
            "crm": {
                "companies": crm.get("company", 0),
                "persons": crm.get("person", 0),
                "deals": crm.get("deal", 0),
                "notes": crm.get("note", 0),
            },
            "audit_rows": await one("select count(*) from audit_log"),
            "errors": await one(
                "select count(*) from dbos.workflow_status where status in ('ERROR', 'MAX_RECOVERY_ATTEMPTS_EXCEEDED')"
            )
            + await one("select count(*) from webhook_events where status = 'dead'")
            + by_status.get("failed", 0)
            + len(on.sandbox.state.world.delivery_errors),
        }
    return result


async def final_books(on: Stage, driver: Driver) -> dict[str, Any]:
    """Reads the platforms a last time at this very moment, then lays the sandbox's book beside ours."""
    from runtime.jobs import marketing

    await marketing.insights(on.house, on.clock.now())
    return await asyncio.to_thread(_sandbox_book, on)


def _sandbox_book(on: Stage) -> dict[str, Any]:
    import httpx

    return httpx.get(f"{on.sandbox_url}/_sandbox/book", timeout=60).json()


def compare(ours: dict[str, Any], book: dict[str, Any]) -> list[str]:
    """Where the database and the sandbox's own book disagree; empty when they agree."""
    out: list[str] = []
    pairs = {
        "campaigns": (ours["campaigns"], len(book["ads"]["campaigns"])),
        "spend": (ours["spend"], round(book["ads"]["spend"] / 100, 2)),
        "revenue": (ours["revenue"], round(book["ads"]["revenue"] / 100, 2)),
        "messages_in": (ours["messages_in"], book["whatsapp"]["messages"]["in"]),
        "messages_out": (ours["messages_out"], book["whatsapp"]["messages"]["out"]),
        "crm.companies": (ours["crm"]["companies"], len(book["crm"]["companies"])),
        "crm.persons": (ours["crm"]["persons"], len(book["crm"]["persons"])),
        "crm.deals": (ours["crm"]["deals"], len(book["crm"]["deals"])),
        "crm.notes": (ours["crm"]["notes"], len(book["crm"]["notes"])),
    }
    for name, (one, other) in pairs.items():
        if one != other:
            out.append(f"{name}: ours {one}, sandbox {other}")
    return out


async def _story(
    *, days: float | None, exit_: bool, as_json: bool, seed: int, port: int, config: Path, data: Path, speed: float
) -> int:
    from runtime.db.audit_reads import verify_chain
    from runtime.jobs import marketing

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    say = _narrator(as_json)
    say("start")
    async with stage(seed=seed, port=port, data=data, config=config) as on:
        await marketing.load_catalogue(on.house)
        say("up", on=on)
        driver = Driver(on, auto_manager=True)
        length = days if days is not None else WARM_UP / timedelta(days=1)
        end, hour = START + timedelta(days=length), 0
        while on.clock.now() < end:
            if stop.is_set():
                return 130
            hour += 1
            await driver.advance(min(START + timedelta(hours=hour), end))
            if hour % 6 == 0 or on.clock.now() >= end:
                say("hour", on=on, figures=await figures(on, hour / 24))
        if exit_:
            book = await final_books(on, driver)
            ours = await figures(on, length)
            async with on.house.db.transaction() as tx:
                ours["audit_chain_ok"] = (await verify_chain(tx.conn))[1] is None
            differences = compare(ours, book)
            ours["books_agree"] = not differences
            ours["differences"] = differences
            ours["seed"] = seed
            ours["seconds"] = round(time.monotonic() - on.started, 1)
            if as_json:
                print(json.dumps(ours, ensure_ascii=False))
            else:
                say("end", on=on, figures=ours)
            return 0 if not differences and ours["audit_chain_ok"] and not ours["errors"] else 1
        driver.auto_manager = False
        say("live", on=on, speed=speed)
        while not stop.is_set():
            began = time.monotonic()
            await driver.advance(on.clock.now() + timedelta(minutes=15))
            pause = max(0.0, 15 * 60 / speed - (time.monotonic() - began))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause)
        say("stop")
    return 0


def _narrator(as_json: bool) -> Any:
    """What the terminal shows; silent for machines."""
    from runtime.demo_screen import narrator

    return (lambda *_args, **_more: None) if as_json else narrator()


def run(
    *,
    days: float | None = None,
    exit_: bool = False,
    as_json: bool = False,
    seed: int = 7,
    port: int = 8000,
    config: Path = Path("agentos.yaml"),
    speed: float = 120.0,
    keep: Path | None = None,
) -> int:
    """The command. `speed` is simulated seconds per real second once it runs live. Returns the exit code.

    The demo's database is its own, in a folder that goes with it: nothing of an installation is touched. `keep` names an empty
    folder in which everything is left instead, for commands to look into with CEO_DATA_DIR. Raises ConfigError when it is not empty.
    """
    configure("warning")
    if keep is not None and keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
        raise ConfigError([f"--keep: {keep} is not empty; name a new folder, so that nothing of an installation is touched"])
    data = keep or Path(tempfile.mkdtemp(prefix="agente-ceo-demo-"))
    try:
        return asyncio.run(
            _story(days=days, exit_=exit_, as_json=as_json, seed=seed, port=port, config=config, data=data, speed=speed)
        )
    finally:
        if keep is None:
            shutil.rmtree(data, ignore_errors=True)
