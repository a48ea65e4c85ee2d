"""The smallest house in which a gate stands: a ledger, a policy, and one ad platform."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from knowledge.domain.action import Action, Actor, Creative, PauseCampaign, PublishCampaign, SendMessage, SetBudget
from knowledge.domain.books import ActionRecord, Proposal, Ticket
from knowledge.domain.campaign import PublishedCampaign
from knowledge.domain.clock import SettableClock
from knowledge.domain.message import Message
from knowledge.domain.money import Money
from knowledge.domain.policy import Autonomy, Financial, Guardrails, Policy, Quality
from runtime.db.gate_books import PgGateBooks
from runtime.db.uow import Database
from tests.gate.ads import FakeAds
from tools.effects import Effects, Ports
from tools.gate import Gate, Receipt

BUYER = Actor(kind="agent", id="media_buyer")
ANA = Actor(kind="user", id="ana@example.com", role="manager")
RUI = Actor(kind="user", id="rui@example.com", role="admin")
VERA = Actor(kind="user", id="vera@example.com", role="viewer")
WHY = Message(id="why.new_campaign", params={"product": "Pia"})


def brl(amount: str) -> Money:
    return Money.of(amount, "BRL")


def policy_with(*, quality: dict[str, Any] | None = None, autonomy: dict[str, Any] | None = None, **financial: Any) -> Policy:
    """Daily cap 300 and the spec's defaults, but for what the test names.

    New campaigns go without asking, nothing is kept in reserve, and campaigns need no history unless told: each such rule has its
    own tests, and the whole law is in force in the journeys and the demo.
    """
    calm: dict[str, Any] = {"min_impressions": 0, "test_hours": 0, "rejection_memory_hours": 0}
    money: dict[str, Any] = {
        "reserve_share": Decimal(0),
        "max_reallocation": Decimal(1),
        "strategy_min_campaigns": 1000,
        "daily_cap": brl("300"),
        "weekly_cap": brl("1500"),
        "max_campaign_budget": brl("150"),
        "pause_asks_above": brl("5000"),
        "new_campaign_asks": False,
    }
    return Policy(
        guardrails=Guardrails(financial=Financial(**(money | financial)), quality=Quality(**(calm | (quality or {})))),
        autonomy=Autonomy(**({"publication": "auto"} | (autonomy or {}))),
    )


def publication(campaign_id: str = "pia-meta", budget: str = "40") -> PublishCampaign:
    return PublishCampaign(
        platform="meta", campaign_id=campaign_id, product_id="pia", name=f"Pia {campaign_id}", daily_budget=brl(budget),
        creatives=(Creative(id=f"{campaign_id}-1", headline="Pia", text="Pia em aço inox", image_url="https://x.example/i.jpg"),),
        landing_url="https://x.example/pia",
    )  # fmt: skip


def budget(amount: str, campaign_id: str = "pia-meta") -> SetBudget:
    return SetBudget(platform="meta", campaign_id=campaign_id, daily_budget=brl(amount))


def pause(campaign_id: str = "pia-meta") -> PauseCampaign:
    return PauseCampaign(platform="meta", campaign_id=campaign_id)


def asks(action: Action, key: str, proposer: Actor = BUYER, **more: Any) -> Proposal:
    return Proposal(action=action, key=key, proposer=proposer, why=WHY, **({"confidence": Decimal("0.95")} | more))


async def at_once(_seconds: float) -> None:
    """A pause between attempts that takes no time."""


class FakeMessenger:
    """A WhatsApp line that keeps what it sent; `trouble` is raised after the text left."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []
        self.trouble: Exception | None = None

    async def send_text(self, to: str, text: str, key: str) -> str:
        from tools.permit import current_permit

        permit = current_permit()
        assert permit is not None
        await permit.guard()
        self.sent.append((to, text))
        if self.trouble is not None:
            raise self.trouble
        return f"wamid-{len(self.sent)}"

    async def mark_read(self, to: str, external_id: str) -> None:
        raise AssertionError("not asked for")

    async def health(self) -> Any:
        raise AssertionError("not asked for")


@dataclass
class Bench:
    """One gate on a test's database, and short ways to look into its books."""

    engine: AsyncEngine
    clock: SettableClock
    ads: FakeAds
    policy: Policy
    messenger: FakeMessenger = field(default_factory=FakeMessenger)
    executor: str = field(default_factory=lambda: str(uuid.uuid4()))

    def __post_init__(self) -> None:
        self.books = PgGateBooks(self.engine)
        effects = Effects(Ports(ads={"meta": self.ads}, messenger=self.messenger))
        self.gate = Gate(self.books, effects, lambda: self.policy, self.clock, executor=self.executor, sleep=at_once)
        self.db = Database(self.engine)

    def beside(self, engine: AsyncEngine | None = None, executor: str | None = None) -> Bench:
        """Another process's gate on the same database and the same platform."""
        return Bench(
            engine or self.engine, self.clock, self.ads, self.policy, self.messenger, executor or str(uuid.uuid4())
        )  # fmt: skip

    async def submit(self, action: Action, key: str, proposer: Actor = BUYER, **more: Any) -> Receipt:
        return await self.gate.submit(asks(action, key, proposer, **more))

    async def running(self, campaign_id: str = "pia-meta", amount: str = "100", *, launched_hours_ago: int = 100) -> str:
        """A campaign that has been running for days; returns its id at the platform."""
        from datetime import timedelta

        external = f"x-{campaign_id}"
        seen = self.ads.put(external, brl(amount), campaign_id)
        at = self.clock.now() - timedelta(hours=launched_hours_ago)
        async with self.db.transaction() as tx:
            await tx.campaigns.draft(publication(campaign_id, amount), at=at)
            await tx.campaigns.published(campaign_id, PublishedCampaign(campaign=seen, objects=()), at=at)
        return external

    async def conversation(self) -> SendMessage:
        """A lead who wrote just now; the answer the bot could send."""
        from knowledge.domain.lead import Identity

        now = self.clock.now()
        async with self.db.transaction() as tx:
            lead = await tx.leads.resolve([Identity(kind="phone_e164", value="+5511987654321")], at=now)
            talk = await tx.conversations.ensure(lead.id, "whatsapp", at=now)
            await tx.messages.append(talk.id, direction="in", author="lead", body="Oi", at=now, status="received")
        return SendMessage(conversation_id=talk.id, lead_id=lead.id, text="Olá! Como posso ajudar?", epoch=talk.epoch)

    async def action(self, action_id: str) -> ActionRecord:
        async with self.books.transaction() as tx:
            record = await tx.action(action_id)
        assert record is not None
        return record

    async def ticket(self, action_id: str) -> Ticket:
        async with self.books.transaction() as tx:
            ticket = await tx.ticket(action_id)
        assert ticket is not None
        return ticket

    async def rows(self, sql: str, **params: Any) -> list[tuple[Any, ...]]:
        async with self.engine.connect() as conn:
            return [tuple(row) for row in (await conn.execute(text(sql), params)).all()]

    async def rows_changed(self, sql: str, **params: Any) -> None:
        """Somebody writes into the tables."""
        async with self.engine.begin() as conn:
            await conn.execute(text(sql), params)

    async def held(self) -> dict[str, str]:
        """campaign -> status of every reservation."""
        return {str(c): str(s) for c, s in await self.rows("select campaign_id, status from reservations order by created_at")}

    async def audited(self, action_id: str) -> list[str]:
        return [r[0] for r in await self.rows("select kind from audit_log where action_id = :id order by seq", id=action_id)]

    async def worst_today(self) -> Decimal:
        """The worst day the platform could make of what it has now."""
        total = sum((c.daily_budget.amount for c in self.ads.campaigns.values() if c.daily_budget), Decimal(0))
        return total * self.policy.guardrails.financial.overspend_multiplier["meta"]
