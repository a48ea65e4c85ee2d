"""The gate: passes a second against the bare transaction, and what a pass costs the processor beyond its SQL.

"Beyond its SQL" is measured, not estimated: every statement that a pass hands to the driver is recorded with its parameters, and
the same statements run bare through psycopg, transaction by transaction, on a copy of the database, pass and play in turns. Both
sides are the processor time of this process (user and system), not of Postgres; the platform is a dictionary, so no HTTP is counted.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.measure import Row, apair, row

EACH = 20
CAMPAIGNS = (1, 10, 100)
CPU_PASSES = 20
CPU_LIMIT_MS = 3.0
WARM = 6
SECONDS = 5.0


def law() -> Any:
    """A policy that lets the bench's changes through for as long as it runs."""
    from knowledge.domain.money import Money
    from tests.gate.house import policy_with

    return policy_with(
        quality={"min_hours_between_raises": 0}, max_adjustments_per_day=10**6, daily_cap=Money.of(10**6, "BRL"),
        weekly_cap=Money.of(10**7, "BRL"), max_campaign_budget=Money.of(10**5, "BRL"),
    )  # fmt: skip


def house_of(engine: Any) -> Any:
    """A gate on a dictionary for a platform."""
    from knowledge.domain.clock import SettableClock
    from runtime.demo import START
    from tests.gate.ads import FakeAds
    from tests.gate.house import Bench

    return Bench(engine, SettableClock(START), FakeAds(), law())


async def one_pass(bench: Any, number: int, campaign: str = "c0") -> None:
    """One whole pass: facts, judge, reserve, perform, read back, audit. Raises when the gate does not do it."""
    from knowledge.domain.action import Actor, SetBudget
    from knowledge.domain.money import Money

    ana = Actor(kind="user", id="ana@example.com", role="manager")
    amount = "100.00" if number % 2 else "101.00"
    action = SetBudget(platform="meta", campaign_id=campaign, daily_budget=Money.of(amount, "BRL"))
    receipt = await bench.submit(action, f"bench:{uuid.uuid4()}", ana)
    if not receipt.done:
        raise RuntimeError(f"the gate answered {receipt.status}: {receipt.message} {receipt.findings}")


async def bare_transaction(engine: Any) -> None:
    """What the gate is compared with: one durable INSERT."""
    from sqlalchemy import text

    async with engine.begin() as conn:
        await conn.execute(text("insert into live_events (kind, payload, at) values ('bench', '{}', now())"))


async def gate(url: str, _folder: Path, rounds: int) -> list[Row]:
    """Passes a second of one process, one after the other."""
    from runtime.db.engine import make_engine

    engine = make_engine(url)
    bench = house_of(engine)
    rows: list[Row] = []
    made = 0
    for campaigns in CAMPAIGNS:
        while made < campaigns:
            await bench.running(f"c{made}", "100")
            made += 1
        house, base = await apair(lambda n: one_pass(bench, n), lambda _: bare_transaction(engine), rounds, EACH)
        per_second, bare = 1 / statistics.mean(house), 1 / statistics.mean(base)
        rows.append(
            row(
                f"gate pass, {campaigns} campaigns share the cap", house, base, "one transaction with one INSERT",
                passes_per_s=per_second, bare_per_s=bare,
            )
        )  # fmt: skip
    await engine.dispose()
    return rows


# -- beyond its SQL -----------------------------------------------------------------------------------------------------------


@dataclass
class Tape:
    """Statements as the driver gets them, in their transactions. The pool's own questions are none of a pass's."""

    transactions: list[list[tuple[Any, Any]]] = field(default_factory=list[list[tuple[Any, Any]]])

    @contextmanager
    def running(self) -> Iterator[None]:
        """Listens at the driver itself."""
        from psycopg import AsyncConnection, AsyncCursor

        execute, commit = AsyncCursor.execute, AsyncConnection.commit
        open_: list[tuple[Any, Any]] = []

        async def listened(cursor: Any, query: Any, params: Any = None, **more: Any) -> Any:
            if not cursor.connection.autocommit:
                open_.append((query, params))
            return await execute(cursor, query, params, **more)

        async def committed(connection: Any) -> None:
            await commit(connection)
            if open_:
                self.transactions.append(list(open_))
                open_.clear()

        AsyncCursor.execute, AsyncConnection.commit = listened, committed  # type: ignore[method-assign, assignment]
        try:
            yield
        finally:
            AsyncCursor.execute, AsyncConnection.commit = execute, commit  # type: ignore[method-assign]


async def replay(conn: Any, tape: Tape) -> float:
    """Processor seconds of the same statements through the driver alone: send, fetch, commit."""
    began = time.process_time()
    for statements in tape.transactions:
        for statement, parameters in statements:
            cursor = await conn.execute(statement, parameters)
            if cursor.description is not None:
                await cursor.fetchall()
        await conn.commit()
    return time.process_time() - began


async def copy_of(url: str, name: str) -> str:
    """The database as it is now, under another name on the same server. Nobody may be connected to the original."""
    import psycopg

    from runtime.db.engine import libpq_url, make_url, with_database

    original = make_url(url).database
    admin = await psycopg.AsyncConnection.connect(libpq_url(with_database(url, "template1")), autocommit=True)
    await admin.execute(f'create database "{name}" template "{original}"'.encode())
    await admin.close()
    return with_database(url, name)


async def cpu(url: str, _folder: Path, rounds: int) -> list[Row]:
    """Processor time of a pass, of its statements alone, and the difference, with its bound."""
    rows: list[Row] = []
    ads: Any = None
    for campaigns in CAMPAIGNS:
        ads = await _campaigns(url, campaigns, ads)
        house, base, tape = await _in_turns(url, campaigns, ads, CPU_PASSES * rounds)
        beyond = 1000 * (statistics.median(house) - statistics.median(base))
        rows.append(
            row(
                f"gate pass, processor time, {campaigns} campaigns", house, base, "its own SQL, bare through psycopg",
                limit=CPU_LIMIT_MS, limited=beyond, beyond_its_sql_ms=beyond,
                statements=sum(len(t) for t in tape.transactions), transactions=len(tape.transactions),
            )
        )  # fmt: skip
    return rows


async def _in_turns(url: str, campaigns: int, ads: Any, passes: int) -> tuple[list[float], list[float], Tape]:
    """Processor seconds of single passes, and of the statements of as many others played bare, in turns; and the last tape.

    Every second pass is listened to (which costs, so that it is not measured) and its statements are then played on a copy of the
    database: whatever else the machine does befalls both sides alike.
    """
    import psycopg

    from runtime import heap
    from runtime.db.engine import libpq_url, make_engine

    ours, theirs = [await copy_of(url, f"copy_{campaigns}_{side}") for side in ("house", "bare")]
    engine = make_engine(ours)
    bench = house_of(engine)
    bench.ads.campaigns = dict(ads.campaigns)
    conn = await psycopg.AsyncConnection.connect(libpq_url(theirs))
    await conn.execute("set time zone 'UTC'")
    await conn.commit()
    house: list[float] = []
    base: list[float] = []
    tape = Tape()
    heap.settle()  # as a server does when it is up
    for number in range(2 * (WARM + passes)):
        if number == 2 * WARM:
            house.clear()
            base.clear()
            gc.collect()
        if number % 2:
            tape = Tape()
            with tape.running():
                await one_pass(bench, number)
            base.append(await replay(conn, tape))
        else:
            began = time.process_time()
            await one_pass(bench, number)
            house.append(time.process_time() - began)
    await conn.close()
    await engine.dispose()
    return house, base, tape


async def _campaigns(url: str, wanted: int, ads: Any) -> Any:
    """Lets that many campaigns run, c0 onwards; returns the platform that knows them."""
    from runtime.db.engine import make_engine

    engine = make_engine(url)
    bench = house_of(engine)
    bench.ads.campaigns = ads.campaigns if ads else {}
    for number in range(len(bench.ads.campaigns), wanted):
        await bench.running(f"c{number}", "100")
    await engine.dispose()
    return bench.ads


# -- two workers --------------------------------------------------------------------------------------------------------------


async def workers(url: str, _folder: Path, rounds: int) -> list[Row]:
    """Passes a second of two worker processes under one cap, against the bare transaction of two connections at once."""
    import json

    from benchmarks.kill import line, process, start
    from runtime.db.engine import make_engine

    rows: list[Row] = []
    ads: Any = None
    for campaigns in CAMPAIGNS:
        ads = await _campaigns(url, campaigns, ads)
        command = ("-m", "benchmarks.worker", "passes", url)
        async with (
            process(*command, "0", str(campaigns), str(SECONDS)) as one,
            process(*command, "1", str(campaigns), str(SECONDS)) as other,
        ):
            await start(one, other)
            told = [json.loads(await line(worker)) for worker in (one, other)]
        engine = make_engine(url)
        base = await _bare_of_two(engine)
        await engine.dispose()
        count, done = sum(t["passes"] for t in told), sum(t["done"] for t in told)
        per_second = sum(t["passes"] / t["seconds"] for t in told)
        rows.append(
            Row(
                f"gate pass, {campaigns} campaigns share the cap, two workers", 1000 / per_second, 1000 / base,
                "the bare transaction on two connections at once",
                {"passes_per_s": per_second, "bare_per_s": base, "passes": count, "executed": done},
            )
        )  # fmt: skip
    return rows


async def _bare_of_two(engine: Any) -> float:
    """Bare transactions a second, two at a time."""

    async def lane() -> int:
        count = 0
        while time.monotonic() - began < SECONDS / 2:
            await bare_transaction(engine)
            count += 1
        return count

    began = time.monotonic()
    counts = await asyncio.gather(lane(), lane())
    return sum(counts) / (time.monotonic() - began)
