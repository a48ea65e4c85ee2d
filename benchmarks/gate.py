"""The gate: passes a second against the bare transaction, and what a pass costs the processor beyond its SQL.

"Beyond its SQL" is measured, not estimated: every statement that a pass hands to the driver is recorded with its parameters, and
the same statements run bare through psycopg, transaction by transaction, on a copy of the database made before the first pass. Both
sides are the processor time of this process (user and system), not of Postgres; the platform is a dictionary, so no HTTP is counted.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.measure import Row, apair, row

EACH = 20
CAMPAIGNS = (1, 10, 100)
CPU_PASSES = 40
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


async def replay(url: str, warm: Tape, measured: Tape) -> float:
    """Processor seconds of the same statements through the driver alone: send, fetch, commit. The warm-up is not counted."""
    import psycopg

    from runtime.db.engine import libpq_url

    conn = await psycopg.AsyncConnection.connect(libpq_url(url))
    await conn.execute("set time zone 'UTC'")
    await conn.commit()

    async def play(tape: Tape) -> None:
        for statements in tape.transactions:
            for statement, parameters in statements:
                cursor = await conn.execute(statement, parameters)
                if cursor.description is not None:
                    await cursor.fetchall()
            await conn.commit()

    await play(warm)
    gc.collect()
    began = time.process_time()
    await play(measured)
    spent = time.process_time() - began
    await conn.close()
    return spent


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
        house: list[float] = []
        base: list[float] = []
        tape = Tape()
        for turn in range(min(rounds, 3)):
            # All three begin at the same state: one is measured, one listened to (which costs), one gets the statements bare.
            first, second, third = [await copy_of(url, f"copy_{campaigns}_{turn}_{n}") for n in range(3)]
            house.append(await _passes(first, ads, None) / CPU_PASSES)
            warm, tape = Tape(), Tape()
            await _passes(second, ads, (warm, tape))
            base.append(await replay(third, warm, tape) / CPU_PASSES)
        beyond = 1000 * statistics.median([h - b for h, b in zip(house, base, strict=True)])
        rows.append(
            row(
                f"gate pass, processor time, {campaigns} campaigns", house, base, "its own SQL, bare through psycopg",
                limit=CPU_LIMIT_MS, limited=beyond, beyond_its_sql_ms=beyond,
                statements=sum(len(t) for t in tape.transactions) / CPU_PASSES, transactions=len(tape.transactions) / CPU_PASSES,
            )
        )  # fmt: skip
    return rows


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


async def _passes(url: str, ads: Any, tapes: tuple[Tape, Tape] | None) -> float:
    """Processor seconds of the measured passes, on an engine of their own that has warmed up; with tapes, (warm-up, measured)."""
    from runtime.db.engine import make_engine

    engine = make_engine(url)
    bench = house_of(engine)
    bench.ads.campaigns = dict(ads.campaigns)
    with tapes[0].running() if tapes else nullcontext():
        for number in range(WARM):
            await one_pass(bench, number)
    gc.collect()
    began = time.process_time()
    with tapes[1].running() if tapes else nullcontext():
        for number in range(CPU_PASSES):
            await one_pass(bench, number)
    spent = time.process_time() - began
    await engine.dispose()
    return spent


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
