"""What a manager does from the terminal: the same gate, the same books, the same record as in the cockpit."""

from __future__ import annotations

import asyncio
import functools
import getpass
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar, cast

from knowledge.domain.action import Actor
from prompts.messages import render
from runtime.cli_database import database
from runtime.settings import ConfigError, Settings

if TYPE_CHECKING:
    from runtime.db.uow import Database
    from tools.gate import Gate, Outcome


class SystemClock:
    """The real moment. Not runtime.wiring's: that module loads the agents, and a stop must be in force at once."""

    def now(self) -> datetime:
        return datetime.now(UTC)


SCOPES = ("all", "platform", "campaign", "agent", "conversation")
T = TypeVar("T")


@dataclass(frozen=True)
class Counter:
    """The gate and its database for the length of one command."""

    settings: Settings
    db: Database
    gate: Gate
    clock: Any

    async def person(self) -> Actor:
        """Who decides here: the account that `terminal` gives this login, in its role, so that one person is one person wherever
        they sit; without such a line the login itself. Raises ConfigError for an account that is none."""
        from runtime.db.cockpit_accounts import CockpitAccounts

        email = self.settings.operator.terminal.get(login())
        if email is None:
            return person()
        account = await CockpitAccounts(self.db).user(email)
        if account is None or account.disabled:
            raise ConfigError(
                [f"agentos.yaml terminal.{login()}: {email!r} is not an active account; make it with `ceo user add {email}`"]
            )
        return Actor(kind="user", id=account.email, role=account.role)


def known(who: Actor) -> bool:
    """Whether it is an account, and not only a login of a machine."""
    return not who.id.startswith("terminal:")


def person() -> Actor:
    """Who sits at the terminal. Whoever reaches the database from a shell could change it anyway: the role is admin, the record
    says which login it was."""
    return Actor(kind="user", id=f"terminal:{login()}", role="admin")


def login() -> str:
    """The login at this terminal; in a container without one, the number of the user."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


@asynccontextmanager
async def counter(settings: Settings, url: str, *, vendors: bool, stop: bool = False) -> AsyncIterator[Counter]:
    """The gate over a migrated database; with `vendors`, able to act on the world. The rules are read when something is judged: a
    stop needs none, and must hold when they cannot be read.

    Raises ConfigError when migrations are pending (for a `stop`, only if it then fails) or a configured vendor lacks its secret.
    """
    from runtime.db.engine import make_engine, normalise_url
    from runtime.db.gate_books import PgGateBooks
    from runtime.db.lease import Lease
    from runtime.db.migrate import pending
    from runtime.db.uow import Database
    from tools.effects import Effects, Ports
    from tools.gate import Gate

    waiting = await asyncio.to_thread(pending, url)
    lacking = ConfigError([f"the database lacks {len(waiting)} migrations (first: {(*waiting, '-')[0]}); run `ceo migrate`"])
    if waiting and not stop:
        raise lacking
    clock, policy = SystemClock(), functools.cache(settings.operator.policy)
    engine = make_engine(normalise_url(url), pool_size=3, max_overflow=2)
    ports = Ports()
    if vendors:
        from runtime.wiring import connect

        ports = connect(settings, clock)[0]
    try:
        # An action executed from here must have a living executor, or a worker would take it for stranded.
        lease = await Lease.acquire(engine, clock.now()) if vendors else None
        executor = lease.incarnation if lease else "terminal"
        try:
            gate = Gate(PgGateBooks(engine), Effects(ports), policy, clock, executor=executor)
            yield Counter(settings, Database(engine), gate, clock)
        except Exception:
            if waiting:
                raise lacking from None
            raise
        finally:
            if lease is not None:
                await lease.release()
    finally:
        for port in (*ports.ads.values(), ports.messenger, ports.desk, ports.crm):
            closing = getattr(port, "aclose", None) or getattr(port, "close", None)
            if closing is not None:
                await closing()
        await engine.dispose()


def run(settings: Settings, errand: Callable[[Counter], Awaitable[T]], *, vendors: bool = False, stop: bool = False) -> T:
    """One errand at the gate of the configured database; with `vendors`, able to act on the world."""

    async def go(url: str) -> T:
        async with counter(settings, url, vendors=vendors, stop=stop) as here:
            return await errand(here)

    with database(settings.secrets) as url:
        return asyncio.run(go(url))


def _said(settings: Settings, outcome: Outcome) -> dict[str, Any]:
    operator = settings.operator
    return {
        "ok": outcome.ok,
        "status": outcome.status,
        "message": render(outcome.message, operator.locale, operator.time_zone),
        "findings": [render(f.message, operator.locale, operator.time_zone) for f in outcome.findings],
    }


def kill(settings: Settings, scope: str, target: str | None, reason: str) -> dict[str, Any]:
    """Stops every write in the scope; in force when this returns."""
    who = person()

    async def errand(here: Counter) -> dict[str, Any]:
        return _said(settings, await here.gate.kill(cast(Any, scope), target, who, reason))

    return run(settings, errand, stop=True)


def resume(settings: Settings, kill_id: str | None, *, everything: bool) -> dict[str, Any]:
    """Lifts one stop, the only one, or with `everything` all of them. Several and none named: says which there are."""
    who = person()

    async def errand(here: Counter) -> dict[str, Any]:
        from runtime.db.gate_books import PgGateBooks

        async with PgGateBooks(here.db.engine).transaction() as tx:
            active = await tx.kills()
        stops = [f"{k.id} {k.scope} {k.target or ''} ({k.set_by}: {k.reason})" for k in active]
        if kill_id is not None:
            chosen = [known_id(kill_id)]
        elif active and (everything or len(active) == 1):
            chosen = [k.id for k in active]
        else:
            message = "Several stops are set; name one, or lift all with --all:" if active else "No stop is set."
            return {"ok": not active, "status": "choose" if active else "none", "message": message, "findings": stops}
        results = [_said(settings, await here.gate.resume(one, who)) for one in chosen]
        failed = next((r for r in results if not r["ok"]), None)
        return failed or {**results[0], "lifted": chosen}

    return run(settings, errand)


def dead_letters(settings: Settings) -> list[dict[str, Any]]:
    """Webhooks that failed for good, without their content."""

    async def errand(here: Counter) -> list[dict[str, Any]]:
        async with here.db.transaction() as tx:
            rows = await tx.webhooks.dead_letters(limit=200)
        return [
            {
                "event_id": row.id,
                "source": row.source,
                "received_at": row.received_at.isoformat(),
                "attempts": row.attempts,
                "error": row.error,
                "bytes": len(row.raw),
            }
            for row in rows
        ]

    return run(settings, errand)


def replay(settings: Settings, event_id: str) -> bool:
    """Puts a dead webhook back in line: its row and its job in one transaction. False when it is not among the dead."""

    async def errand(here: Counter, url: str) -> bool:
        from runtime.db.lease import Lease
        from runtime.jobs.engine import Engine, database_url_for_engine

        engine = here.db.engine
        lease = await Lease.acquire(engine, here.clock.now())
        jobs = Engine(database_url_for_engine(url), engine, lease, here.clock, {}, settings.operator.time_zone)
        try:
            async with here.db.transaction() as tx:
                record = await tx.webhooks.get(known_id(event_id))
                if record is None or not await tx.webhooks.revive(record.id):
                    return False
                # The dead run's workflow id is taken. Two clicks queue it once: only the first finds it among the dead.
                workflow_id = f"inbound:{record.id}:replay:{here.clock.now():%Y%m%dT%H%M%S}"
                await jobs.enqueue(tx.conn, "inbound", workflow_id, record.id)
            return True
        finally:
            await jobs.stop()

    async def run(url: str) -> bool:
        async with counter(settings, url, vendors=False) as here:
            from runtime.db.engine import normalise_url

            return await errand(here, normalise_url(url))

    with database(settings.secrets) as url:
        return asyncio.run(run(url))


def known_id(value: str, where: str = "the list command") -> str:
    """An id of ours as typed. Raises ConfigError when it cannot be one, saying where there are some."""
    import uuid

    try:
        return str(uuid.UUID(value))
    except ValueError:
        raise ConfigError([f"{value!r} is not an id; copy it from {where}"]) from None


def show_dead(rows: list[dict[str, Any]]) -> None:
    """Dead letters on a terminal."""
    from rich.console import Console
    from rich.markup import escape

    console = Console()
    if not rows:
        console.print("No dead letters.")
    for row in rows:
        head = f"[bold]{row['event_id']}[/]  {escape(row['source'])}  {row['received_at']}  {row['attempts']} attempts"
        console.print(f"{head}\n  {escape(row['error'] or '')}", highlight=False)
