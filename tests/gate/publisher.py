"""A process of its own that publishes one campaign at the sandbox's Meta and may be killed at any line."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime

from knowledge.domain.clock import SettableClock
from runtime.db.engine import make_engine
from runtime.db.gate_books import PgGateBooks
from runtime.db.lease import Lease
from runtime.sandbox import adtree
from tests.gate.house import asks, policy_with, publication
from tools.effects import Effects, Ports
from tools.gate import Gate
from tools.registry import make

START = datetime(2026, 11, 23, 11, 0, tzinfo=UTC)


def gate_at(sandbox: str, url: str, executor: str) -> Gate:
    """A gate with the real Meta client."""
    meta = make(
        "meta", clock=SettableClock(START), token="sandbox-meta-token", app_secret="sandbox-meta-secret",
        base_url=f"{sandbox}/meta", account_id=f"act_{adtree.META_ACCOUNT}", pixel_id="2000000001", page_id="3000000001",
    )  # fmt: skip
    books = PgGateBooks(make_engine(url, pool_size=3, max_overflow=2))
    return Gate(books, Effects(Ports(ads={"meta": meta})), lambda: policy_with(), SettableClock(START), executor=executor)


async def publish(sandbox: str, url: str) -> None:
    lease = await Lease.acquire(make_engine(url), START)
    receipt = await gate_at(sandbox, url, lease.incarnation).submit(asks(publication(), "k1"))
    print(json.dumps({"status": receipt.status}), flush=True)


if __name__ == "__main__":
    asyncio.run(publish(sys.argv[1], sys.argv[2]))
