"""A process with a gate of its own, told what to do by lines of JSON: one of those that race in the proof over Postgres."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from knowledge.domain.action import Actor
from knowledge.domain.books import Proposal
from knowledge.domain.clock import SettableClock
from knowledge.domain.policy import Policy
from runtime.db.engine import make_engine
from runtime.db.gate_books import PgGateBooks
from runtime.db.lease import Lease
from runtime.sandbox import adtree
from tools.effects import Effects, Ports
from tools.gate import Gate, Outcome, Receipt
from tools.registry import make

FAST: dict[str, Any] = {"per_second": 1000, "lookup_waits": (0.01, 0.05), "settle": 0.1, "timeout": 5.0}


async def soon(seconds: float) -> None:
    """The gate's pauses between attempts, a hundred times shorter."""
    await asyncio.sleep(seconds / 100)


class Worker:
    """One open house: a database, a sandbox, a policy. `answer` turns a command into what its asker may know."""

    async def open(self, command: dict[str, Any]) -> dict[str, Any]:
        self.clock = SettableClock(datetime.fromisoformat(command["now"]))
        self.engine = make_engine(command["database"], pool_size=3, max_overflow=5)
        lease = await Lease.acquire(self.engine, self.clock.now())
        self.lease, policy, sandbox = lease, Policy.model_validate(command["policy"]), command["sandbox"]
        meta = make(
            "meta", clock=self.clock, token="sandbox-meta-token", app_secret="sandbox-meta-secret", base_url=f"{sandbox}/meta",
            account_id=f"act_{adtree.META_ACCOUNT}", pixel_id="2000000001", page_id="3000000001", **FAST,
        )  # fmt: skip
        tiktok = make(
            "tiktok", clock=self.clock, token="sandbox-tiktok-token", base_url=f"{sandbox}/tiktok",
            advertiser_id=adtree.TIKTOK_ADVERTISER, pixel_id="C0PROOF", **FAST,
        )  # fmt: skip
        self.clients = (meta, tiktok)
        effects = Effects(Ports(ads={"meta": meta, "tiktok": tiktok}))
        books = PgGateBooks(self.engine)
        self.gate = Gate(books, effects, lambda: policy, self.clock, executor=lease.incarnation, sleep=soon)
        return {"executor": lease.incarnation}

    async def close(self) -> dict[str, Any]:
        await self.lease.release()
        for client in self.clients:
            await client.http.aclose()
        await self.engine.dispose()
        return {}

    async def answer(self, command: dict[str, Any]) -> dict[str, Any]:
        do = command["do"]
        if do == "open":
            return await self.open(command)
        if do == "close":
            return await self.close()
        self.clock.set(max(self.clock.now(), datetime.fromisoformat(command["now"])))
        if do == "submit":
            return _told(await self.gate.submit(Proposal.model_validate(command["proposal"])))
        if do == "care":
            await self.gate.expire_due()
            await self.gate.release_due()
            return {"receipts": [_told(receipt) for receipt in await self.gate.recover()]}
        actor, ident = Actor.model_validate(command["actor"]), command.get("id", "")
        calls: dict[str, Callable[[], Awaitable[Outcome]]] = {
            "approve": lambda: self.gate.approve(ident, actor, command["fingerprint"]),
            "reject": lambda: self.gate.reject(ident, actor, "não"),
            "withdraw": lambda: self.gate.withdraw(ident, actor, "não"),
            "edit": lambda: self.gate.edit(ident, actor, command["changes"], "assim"),
            "extend": lambda: self.gate.extend(ident, actor, command["hours"]),
            "act_early": lambda: self.gate.act_early(ident, actor),
            "undo": lambda: self.gate.undo(ident, actor, "engano"),
            "kill": lambda: self.gate.kill(command["scope"], command["target"], actor, "para"),
            "lift": lambda: self.gate.resume(ident, actor),
        }
        return _told(await calls[do]())


def _told(given: Receipt | Outcome) -> dict[str, Any]:
    ok = given.ok if isinstance(given, Outcome) else given.done
    rules = [found.rule for found in given.findings if found.answer == "refuse"]
    return {"id": given.action_id, "status": given.status, "ok": ok, "message": given.message.id, "rules": rules}


async def main() -> None:
    worker = Worker()
    print("ready", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        try:
            answer = await worker.answer(json.loads(line))
        except Exception as error:  # whatever the gate raises is the finding: it is told, not hidden
            answer = {"raised": f"{type(error).__name__}: {error}"[:500]}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    from runtime.observability import configure

    configure("critical")
    asyncio.run(main())
