"""The two kinds of books behind one face, and short ways to make what goes into them."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from datetime import date, datetime, timedelta
from typing import Any, Protocol

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from knowledge.domain.action import Action, Actor, SendMessage
from knowledge.domain.books import ActionRecord, GateBooks, GateTx, Status, Ticket
from knowledge.domain.campaign import AccountFacts, InsightRow
from knowledge.domain.chain import Row
from knowledge.domain.facts import Facts, KillSwitch
from knowledge.domain.message import Message
from knowledge.domain.money import Money
from knowledge.domain.verdict import Finding, Verdict
from runtime.db.gate_books import PgGateBooks
from runtime.db.lease import Lease
from runtime.db.uow import Database
from runtime.proof.memory_books import MemoryBooks, Talk
from tests.conftest import START
from tests.gate.house import ANA, BUYER, WHY, brl

BUDGET = Finding(rule="daily_cap", answer="allow", message=Message(id="guard.daily_cap.allow"))


def record(
    action: Action,
    key: str,
    status: Status = "authorised",
    at: datetime = START,
    *,
    facts: Facts | None = None,
    proposer: Actor = BUYER,
    **more: Any,
) -> ActionRecord:
    """An action as the gate would put it into the ledger."""
    return ActionRecord(
        id=str(uuid.uuid5(uuid.NAMESPACE_URL, f"contract:{key}")),
        action=action,
        key=key,
        fingerprint=action.fingerprint(),
        proposer=proposer,
        why=WHY,
        evidence=({"rows": [1, 2]},),
        expected={"roas": "1.5"},
        confidence=None,
        correlation_id=more.pop("correlation_id", None),
        undo_of=more.pop("undo_of", None),
        status=status,
        verdict=Verdict.of((BUDGET,), "policy-1"),
        facts=facts or Facts(now=at, proposer=str(proposer)),
        created_at=at,
        decided_at=at,
        **more,
    )


def ticket_for(action: ActionRecord, *, hours: int = 4) -> Ticket:
    return Ticket(
        action_id=action.id,
        status="pending",
        priority="normal",
        exposure=brl("10"),
        requested_at=action.created_at,
        expires_at=action.created_at + timedelta(hours=hours),
        quorum=2,
        role="admin",
    )


class Shelf(Protocol):
    """Books and what other parts of the house write into the same ledger."""

    books: GateBooks

    async def campaign(self, campaign_id: str, platform: str, budget: Money, launched_at: datetime, workspace: str) -> None: ...
    async def spend(self, platform: str, external_id: str, day: date, spend: Money, workspace: str) -> None: ...
    async def day_read(self, platform: str, day: date, at: datetime) -> None: ...
    async def account(self, platform: str, zone: str) -> None: ...
    async def talk(self) -> SendMessage: ...
    async def owner(self, conversation_id: str, owner: str) -> None: ...
    async def worker(self) -> str: ...
    async def dies(self, worker: str) -> None: ...
    async def chain(self) -> list[Row]: ...
    async def held(self, action_id: str) -> str | None: ...
    async def events(self) -> list[str]: ...


class MemoryShelf:
    """Books in memory."""

    def __init__(self) -> None:
        self.books = MemoryBooks()

    async def campaign(
        self, campaign_id: str, platform: str, budget: Money, launched_at: datetime, workspace: str = "default"
    ) -> None:
        self.books.put_campaign(campaign_id, platform, f"x-{campaign_id}", budget, launched_at, workspace=workspace)

    async def spend(self, platform: str, external_id: str, day: date, spend: Money, workspace: str = "default") -> None:
        rows = self.books.rows("campaigns")
        ours = next((c["id"] for c in rows if (c["platform"], c["external_id"]) == (platform, external_id)), None)
        self.books.put_spend(ours, platform, external_id, day, spend, revenue=spend.minor * 3, impressions=700, workspace=workspace)

    async def day_read(self, platform: str, day: date, at: datetime) -> None:
        self.books.put_read(platform, day)

    async def account(self, platform: str, zone: str) -> None:
        self.books.put_account(platform, zone)

    async def talk(self) -> SendMessage:
        self.books.put_conversation(Talk("talk-1", "lead-1", last_inbound_at=START, address="+5511987654321"))
        return SendMessage(conversation_id="talk-1", lead_id="lead-1", text="Olá", epoch=0)

    async def owner(self, conversation_id: str, owner: str) -> None:
        from dataclasses import replace

        talk: Talk = self.books.one("conversations", conversation_id)
        self.books.put_conversation(replace(talk, owner=owner, epoch=talk.epoch + 1))  # type: ignore[arg-type]

    async def worker(self) -> str:
        worker = str(uuid.uuid4())
        self.books.living.add(worker)
        return worker

    async def dies(self, worker: str) -> None:
        self.books.living.discard(worker)

    async def chain(self) -> list[Row]:
        return self.books.rows("audit")

    async def held(self, action_id: str) -> str | None:
        row = self.books.one("reservations", action_id)
        return row["status"] if row else None

    async def events(self) -> list[str]:
        return [kind for kind, _, _ in self.books.rows("events")]


class PostgresShelf:
    """Books on a test's own database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self.books = PgGateBooks(engine)
        self._db = Database(engine)
        self._leases: dict[str, Lease] = {}

    async def _rows(self, sql: str, **params: Any) -> list[Any]:
        async with self.engine.begin() as conn:
            result = await conn.execute(text(sql), params)
            return list(result.mappings()) if result.returns_rows else []

    async def campaign(
        self, campaign_id: str, platform: str, budget: Money, launched_at: datetime, workspace: str = "default"
    ) -> None:
        await self._rows(
            "insert into campaigns (id, workspace, platform, name, external_id, status, delivery, currency, daily_budget_minor,"
            " launch_budget_minor, created_at, launched_at, last_change_at) values (:id, :workspace, :platform, :id, :external,"
            " 'testing', 'active', :currency, :minor, :minor, :at, :at, :at)",
            id=campaign_id,
            workspace=workspace,
            platform=platform,
            external=f"x-{campaign_id}",
            currency=budget.currency,
            minor=budget.minor,
            at=launched_at,
        )

    async def spend(self, platform: str, external_id: str, day: date, spend: Money, workspace: str = "default") -> None:
        row = InsightRow(
            platform=platform,  # type: ignore[arg-type]
            external_id=external_id,
            day=day,
            impressions=700,
            clicks=7,
            spend=spend,
            conversions=1,
            revenue=Money(minor=spend.minor * 3, currency=spend.currency),
            provisional=False,
        )
        async with self._db.transaction() as tx:
            await tx.analytics.upsert([row], at=START, workspace=workspace)

    async def day_read(self, platform: str, day: date, at: datetime) -> None:
        async with self._db.transaction() as tx:
            await tx.analytics.day_read(platform, [day], at=at)  # type: ignore[arg-type]

    async def account(self, platform: str, zone: str) -> None:
        facts = AccountFacts(
            platform=platform, external_id="1", currency="BRL", time_zone=zone, active=True, min_daily_budget=None  # type: ignore[arg-type]
        )  # fmt: skip
        async with self._db.transaction() as tx:
            await tx.analytics.account_read(facts, at=START)

    async def talk(self) -> SendMessage:
        from knowledge.domain.lead import Identity

        async with self._db.transaction() as tx:
            lead = await tx.leads.resolve([Identity(kind="phone_e164", value="+5511987654321")], at=START)
            talk = await tx.conversations.ensure(lead.id, "whatsapp", at=START)
            await tx.messages.append(talk.id, direction="in", author="lead", body="Oi", at=START, status="received")
        return SendMessage(conversation_id=talk.id, lead_id=lead.id, text="Olá", epoch=0)

    async def owner(self, conversation_id: str, owner: str) -> None:
        async with self._db.transaction() as tx:
            await tx.conversations.set_owner(conversation_id, owner, reason="test", at=START)  # type: ignore[arg-type]

    async def worker(self) -> str:
        lease = await Lease.acquire(self.engine, START)
        self._leases[lease.incarnation] = lease
        return lease.incarnation

    async def dies(self, worker: str) -> None:
        await self._leases.pop(worker).release()

    async def chain(self) -> list[Row]:
        rows = await self._rows(
            "select seq, at, kind, actor, action_id::text, payload_text, prev_hash, hash from audit_log order by seq"
        )
        return [Row(**row) for row in rows]

    async def held(self, action_id: str) -> str | None:
        rows = await self._rows("select status from reservations where action_id = :id", id=action_id)
        return rows[0]["status"] if rows else None

    async def events(self) -> list[str]:
        return [row["kind"] for row in await self._rows("select kind from live_events order by id")]

    async def close(self) -> None:
        for lease in self._leases.values():
            await lease.release()


__all__ = ["ANA", "MemoryShelf", "PostgresShelf", "Shelf", "record", "ticket_for"]


async def put(shelf: Shelf, action: ActionRecord, *, ticket: bool = False, reserve: bool = False) -> ActionRecord:
    async with shelf.books.transaction() as tx:
        assert await tx.insert(action, ticket_for(action) if ticket else None)
        if reserve:
            await tx.reserve(action, action.created_at)
    return action


async def look(shelf: Shelf, ask: Callable[[GateTx], Awaitable[Any]]) -> Any:
    async with shelf.books.transaction() as tx:
        return await ask(tx)


async def status(shelf: Shelf, action_id: str) -> str:
    found = await look(shelf, lambda tx: tx.action(action_id))
    return found.status


async def waits(task: asyncio.Task[Any]) -> bool:
    """Whether somebody else has to finish first."""
    done, _ = await asyncio.wait([task], timeout=0.15)
    return not done


def a_kill(scope: Any, target: str | None, number: int = 1) -> KillSwitch:
    ident = f"3f0e7c1e-0000-4000-8000-{number:012d}"
    return KillSwitch(id=ident, scope=scope, target=target, reason="stop", set_by=str(ANA), set_at=START)
