"""A worker process of the bench. Prints `ready`, starts on a line of standard input, and ends when it is closed.

passes URL NUMBER CAMPAIGNS SECONDS   gate passes on a dictionary for a platform; prints {"passes", "done", "seconds"}
writes URL NUMBER SANDBOX             budget changes at the sandbox's Meta over HTTP, several campaigns at once, for ever
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import uuid
from datetime import UTC, datetime

from benchmarks.gate import house_of, law
from knowledge.domain.action import Actor, SetBudget
from knowledge.domain.clock import SettableClock
from runtime import heap
from runtime.db.engine import make_engine
from runtime.db.gate_books import PgGateBooks
from runtime.observability import configure
from tests.gate.house import asks, brl, publication

START = datetime(2026, 11, 23, 11, 0, tzinfo=UTC)
LANES = 3
"""Campaigns that one worker changes at the same time."""


def told() -> bool:
    """Waits for a line; False when the other side is gone."""
    return bool(sys.stdin.readline())


async def passes(url: str, number: int, campaigns: int, seconds: float) -> None:
    """One pass after the other on this worker's own campaigns, all under one cap."""
    engine = make_engine(url, pool_size=3, max_overflow=2)
    bench = house_of(engine)
    for n in range(campaigns):
        bench.ads.put(f"x-c{n}", brl("100"), f"c{n}")
    mine = [n for n in range(campaigns) if n % 2 == number] or [0]
    await bench.rows("select 1")
    heap.settle()
    print("ready", flush=True)
    if not await asyncio.to_thread(told):
        return
    ana = Actor(kind="user", id="ana@example.com", role="manager")
    began, count, done = time.monotonic(), 0, 0
    while time.monotonic() - began < seconds:
        campaign, turn = mine[count % len(mine)], count // len(mine)
        action = SetBudget(platform="meta", campaign_id=f"c{campaign}", daily_budget=brl("101" if turn % 2 == 0 else "100"))
        receipt = await bench.submit(action, f"bench:{uuid.uuid4()}", ana)
        count, done = count + 1, done + receipt.done
    print(json.dumps({"passes": count, "done": done, "seconds": time.monotonic() - began}), flush=True)
    await engine.dispose()


async def writes(url: str, number: int, sandbox: str) -> None:
    """Publishes its campaigns and then changes their budgets without a pause; a refusal is only a reason to try again."""
    from runtime.sandbox import adtree
    from tools.effects import Effects, Ports
    from tools.gate import Gate
    from tools.registry import make

    engine = make_engine(url, pool_size=LANES + 2, max_overflow=4)
    meta = make(
        "meta", clock=SettableClock(START), token="sandbox-meta-token", app_secret="sandbox-meta-secret", per_second=1000,
        base_url=f"{sandbox}/meta", account_id=f"act_{adtree.META_ACCOUNT}", pixel_id="2000000001", page_id="3000000001",
    )  # fmt: skip
    effects, policy = Effects(Ports(ads={"meta": meta})), law()
    gate = Gate(PgGateBooks(engine), effects, lambda: policy, SettableClock(START), executor=str(uuid.uuid4()))
    ana = Actor(kind="user", id="ana@example.com", role="manager")
    names = [f"w{number}-{lane}" for lane in range(LANES)]
    for name in names:
        receipt = await gate.submit(asks(publication(name, "100"), f"publish:{name}", ana))
        if not receipt.done:
            raise RuntimeError(f"{name}: {receipt.status} {receipt.message}")
    print("ready", flush=True)
    if not await asyncio.to_thread(told):
        return

    async def lane(name: str) -> None:
        turn = 0
        while True:
            turn += 1
            action = SetBudget(platform="meta", campaign_id=name, daily_budget=brl("101" if turn % 2 else "100"))
            receipt = await gate.submit(asks(action, f"bench:{uuid.uuid4()}", ana))
            turn -= not receipt.done
            await asyncio.sleep(0 if receipt.done else 0.02)

    work = [asyncio.create_task(lane(name)) for name in names]
    ended = asyncio.create_task(asyncio.to_thread(told))
    await asyncio.wait([ended, *work], return_when=asyncio.FIRST_COMPLETED)
    for task in work:
        task.cancel()
    for outcome in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(outcome, Exception):
            raise outcome


if __name__ == "__main__":
    configure("critical")  # standard output is for the bench alone
    kind, url, number, *more = sys.argv[1:]
    if kind == "passes":
        asyncio.run(passes(url, int(number), int(more[0]), float(more[1])))
    else:
        asyncio.run(writes(url, int(number), more[0]))
