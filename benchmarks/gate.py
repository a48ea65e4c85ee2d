"""The gate: passes a second against the bare transaction, and what a pass costs the processor beyond its SQL.

"Beyond its SQL" is measured, not estimated: every statement that a pass hands to the driver is recorded with its parameters, and
the same statements run bare through psycopg, transaction by transaction, on a copy of the database, pass and play in turns. Both
sides are the processor time of this process (user and system), not of Postgres; the platform is a dictionary, so no HTTP is counted.
A workspace changes its budgets some times a day, not some hundreds: what a bench did is put back a month every few passes, so that a
pass does not get dearer the longer the bench runs.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.measure import Row, apair, row

EACH = 20
CAMPAIGNS = (1, 10, 100)
CPU_PASSES = 10
CPU_LIMIT_MS = 3.0
WARM = 6
A_DAY = 20
"""Changes of one day, so many as a busy workspace makes."""
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


def asked(number: int, campaign: str = "c0") -> Any:
    """A manager's wish for another budget, as a caller brings it to the gate."""
    from knowledge.domain.action import Actor, SetBudget
    from knowledge.domain.money import Money
    from tests.gate.house import asks

    ana = Actor(kind="user", id="ana@example.com", role="manager")
    amount = "100.00" if number % 2 else "101.00"
    action = SetBudget(platform="meta", campaign_id=campaign, daily_budget=Money.of(amount, "BRL"))
    return asks(action, f"bench:{uuid.uuid4()}", ana)


async def one_pass(bench: Any, proposal: Any) -> None:
    """One whole pass: facts, judge, reserve, perform, read back, audit. Raises when the gate does not do it."""
    receipt = await bench.gate.submit(proposal)
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
        house, base = await apair(lambda n: one_pass(bench, asked(n)), lambda _: bare_transaction(engine), rounds, EACH)
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


Statement = tuple[Any, Any]


@dataclass
class Errand:
    """One errand's statements, in the journeys to the server that it made. `alone`: no transaction around them; `together`: its commit
    went with the last journey."""

    journeys: list[list[Statement]] = field(default_factory=list[list[Statement]])
    alone: bool = False
    together: bool = False


class Tape:
    """Statements as the driver gets them, in their transactions. The pool's own questions are none of a pass's."""

    def __init__(self) -> None:
        self.errands: list[Errand] = []
        self._open = Errand()
        self._flight: list[Statement] | None = None

    @property
    def statements(self) -> int:
        return sum(len(journey) for errand in self.errands for journey in errand.journeys)

    @property
    def journeys(self) -> int:
        """Times that the pass waits for the server: BEGIN and COMMIT are journeys of their own where they do not go with others."""
        return sum(
            len(e.journeys) + (0 if e.alone else (not e.together) + (len(e.journeys[0]) == 1)) for e in self.errands
        )  # fmt: skip

    @contextmanager
    def running(self) -> Iterator[None]:
        """Listens at the driver itself."""
        from psycopg import AsyncConnection, AsyncCursor

        execute, commit, pipeline = AsyncCursor.execute, AsyncConnection.commit, AsyncConnection.pipeline

        async def listened(cursor: Any, query: Any, params: Any = None, **more: Any) -> Any:
            if cursor.connection.autocommit:
                if query:
                    self.errands.append(Errand([[(query, params)]], alone=True))
            elif self._flight is not None:
                self._flight.append((query, params))
            else:
                self._open.journeys.append([(query, params)])
            return await execute(cursor, query, params, **more)

        async def committed(connection: Any) -> None:
            await commit(connection)
            if self._flight is not None:
                self._open.together = True
            else:
                self._close()

        @asynccontextmanager
        async def flown(connection: Any) -> AsyncIterator[Any]:
            self._flight = []
            async with pipeline(connection) as entered:
                yield entered
            self._open.journeys.append(self._flight)
            self._flight = None
            if self._open.together:
                self._close()

        AsyncCursor.execute, AsyncConnection.commit = listened, committed  # type: ignore[method-assign, assignment]
        AsyncConnection.pipeline = flown  # type: ignore[method-assign, assignment]
        try:
            yield
        finally:
            AsyncCursor.execute, AsyncConnection.commit = execute, commit  # type: ignore[method-assign]
            AsyncConnection.pipeline = pipeline  # type: ignore[method-assign]

    def _close(self) -> None:
        if self._open.journeys:
            self.errands.append(self._open)
        self._open = Errand()


async def replay(conn: Any, tape: Tape) -> float:
    """Processor seconds of the same statements through the driver alone, one after the other: send, fetch, commit."""
    began = time.process_time()
    for errand in tape.errands:
        if errand.alone:
            await conn.set_autocommit(True)
        for journey in errand.journeys:
            for statement, parameters in journey:
                await _play(conn, statement, parameters)
        if errand.alone:
            await conn.set_autocommit(False)
        else:
            await conn.commit()
    return time.process_time() - began


async def replay_in_journeys(conn: Any, tape: Tape) -> float:
    """The same in as many journeys as the pass made: what it saves by sending several at once is the bare side's too."""
    began = time.process_time()
    for errand in tape.errands:
        if errand.alone:
            await conn.set_autocommit(True)
        for place, journey in enumerate(errand.journeys):
            ends = errand.together and place == len(errand.journeys) - 1
            if len(journey) == 1 and not ends:
                await _play(conn, *journey[0])
                continue
            async with conn.pipeline():
                cursors = [await conn.execute(statement, parameters) for statement, parameters in journey]
                if ends:
                    await conn.commit()
            if not ends and cursors[-1].description is not None:
                await cursors[-1].fetchall()
        if errand.alone:
            await conn.set_autocommit(False)
        elif not errand.together:
            await conn.commit()
    return time.process_time() - began


async def _play(conn: Any, statement: Any, parameters: Any) -> None:
    cursor = await conn.execute(statement, parameters)
    if cursor.description is not None:
        await cursor.fetchall()


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
        house, base, together, tape = await _in_turns(url, campaigns, ads, CPU_PASSES * rounds)
        own = statistics.median(house)
        beyond = 1000 * (own - statistics.median(base))
        rows.append(
            row(
                f"gate pass, processor time, {campaigns} campaigns", house, base, "its own SQL, bare through psycopg",
                limit=CPU_LIMIT_MS, limited=beyond, beyond_its_sql_ms=beyond,
                beyond_its_journeys_ms=1000 * (own - statistics.median(together)), statements=tape.statements,
                journeys=tape.journeys,
            )
        )  # fmt: skip
    return rows


async def _in_turns(url: str, campaigns: int, ads: Any, passes: int) -> tuple[list[float], list[float], list[float], Tape]:
    """Processor seconds of single passes, and of the statements of others played bare, one by one and in the pass's own journeys, in
    turns; and the last tape.

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
    together: list[float] = []
    tape = Tape()
    heap.settle()  # as a server does when it is up
    for number in range(4 * (WARM + passes)):
        if number % A_DAY == 0:
            await _put_back(engine, conn)
        if number == 4 * WARM:
            for figures in (house, base, together):
                figures.clear()
            gc.collect()
        proposal = asked(number)
        if number % 2:
            tape = Tape()
            with tape.running():
                await one_pass(bench, proposal)
            if number % 4 == 1:
                base.append(await replay(conn, tape))
            else:
                together.append(await replay_in_journeys(conn, tape))
        else:
            began = time.process_time()
            await one_pass(bench, proposal)
            house.append(time.process_time() - began)
    await conn.close()
    await engine.dispose()
    return house, base, together, tape


async def _put_back(engine: Any, conn: Any) -> None:
    """What was changed so far is of last month, on both sides."""
    from sqlalchemy import text

    past = (
        "update actions set decided_at = decided_at - interval '30 days', closed_at = closed_at - interval '30 days'",
        "update budget_changes set at = at - interval '30 days'",
    )
    async with engine.begin() as ours:
        for statement in past:
            await ours.execute(text(statement))
            await conn.execute(statement)
    await conn.commit()


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
