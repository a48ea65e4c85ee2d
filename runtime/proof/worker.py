"""A process with a gate of its own, told what to do by lines of JSON: one of those that race in the proof over Postgres.

Several commands may be under way in it at once, as in any web server. Seconds that the vendors' clients count (rests after a rate
limit, an open breaker, a creation that was lost) pass in simulated time, and what they sleep is shortened: the proof waits for nobody.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import stamina

from knowledge.domain.action import Actor, Platform
from knowledge.domain.books import Proposal
from knowledge.domain.clock import Clock, SettableClock
from knowledge.domain.policy import Policy
from runtime.db.engine import make_engine
from runtime.db.gate_books import PgGateBooks
from runtime.db.lease import Lease
from runtime.observability import configure
from runtime.sandbox import adtree
from tools.effects import Effects, Ports
from tools.gate import Gate, Outcome, Receipt
from tools.registry import make

FAST: dict[str, Any] = {"per_second": 1000, "timeout": 5.0}


async def soon(seconds: float) -> None:
    """The pauses between attempts, a hundred times shorter."""
    await asyncio.sleep(seconds / 100)


def clients(clock: Clock, sandbox: str) -> dict[Platform, Any]:
    """The platforms' clients; the seconds they count are those of `clock`."""
    made: dict[Platform, Any] = {
        "meta": make(
            "meta", clock=clock, token="sandbox-meta-token", app_secret="sandbox-meta-secret", base_url=f"{sandbox}/meta",
            account_id=f"act_{adtree.META_ACCOUNT}", pixel_id="2000000001", page_id="3000000001", sleep=soon, **FAST,
        ),
        "tiktok": make(
            "tiktok", clock=clock, token="sandbox-tiktok-token", base_url=f"{sandbox}/tiktok",
            advertiser_id=adtree.TIKTOK_ADVERTISER, pixel_id="C0PROOF", sleep=soon, **FAST,
        ),
    }  # fmt: skip
    for client in made.values():
        for counter in (client.http, client.http.breaker, client._reconcile):
            counter._monotonic = lambda: clock.now().timestamp()
    return made


class Worker:
    """One open house: a database, a sandbox, a policy. `answer` turns a command into what its asker may know."""

    async def open(self, command: dict[str, Any]) -> dict[str, Any]:
        self.clock = SettableClock(datetime.fromisoformat(command["now"]))
        self.engine = make_engine(command["database"], pool_size=3, max_overflow=5)
        lease = await Lease.acquire(self.engine, self.clock.now())
        self.lease, policy, sandbox = lease, Policy.model_validate(command["policy"]), command["sandbox"]
        self.clients = clients(self.clock, sandbox)
        effects = Effects(Ports(ads=self.clients))
        books = PgGateBooks(self.engine)
        self.gate = Gate(books, effects, lambda: policy, self.clock, executor=lease.incarnation, sleep=soon)
        return {"executor": lease.incarnation}

    async def close(self) -> dict[str, Any]:
        await self.lease.release()
        for client in self.clients.values():
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


async def serve(link: socket.socket) -> None:
    """Answers [number, command] with [number, answer], in whatever order they are ready, until the other side hangs up."""
    worker, running = Worker(), set[asyncio.Task[None]]()
    reader, writer = await asyncio.open_connection(sock=link, limit=2**20)

    async def work(number: int, command: dict[str, Any]) -> None:
        try:
            answer = await worker.answer(command)
        except Exception as error:  # whatever the gate raises is the finding: it is told, not hidden
            answer = {"raised": f"{type(error).__name__}: {error}"[:500]}
        writer.write(json.dumps([number, answer]).encode() + b"\n")

    while line := await reader.readline():
        task = asyncio.create_task(work(*json.loads(line)))
        running.add(task)
        task.add_done_callback(running.discard)


def run(link: socket.socket) -> None:
    """The life of the process."""
    configure("critical")
    stamina.set_testing(True, attempts=10, cap=True)  # reads are tried as often as ever, at once
    asyncio.run(serve(link))
