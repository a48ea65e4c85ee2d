"""A process of its own that submits one publication when it is told to. Prints ready, then what came of it as JSON."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime

from knowledge.domain.clock import SettableClock
from runtime.db.engine import make_engine
from tests.gate.ads import FakeAds
from tests.gate.house import Bench, policy_with, publication


async def race(url: str, name: str) -> None:
    bench = Bench(make_engine(url), SettableClock(datetime(2026, 11, 23, 11, 0, tzinfo=UTC)), FakeAds(), policy_with())
    await bench.rows("select 1")
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    receipt = await bench.submit(publication(name, "100"), name)
    print(json.dumps({"status": receipt.status, "published": bench.ads.count("publish")}), flush=True)
    await bench.engine.dispose()


if __name__ == "__main__":
    asyncio.run(race(sys.argv[1], sys.argv[2]))
