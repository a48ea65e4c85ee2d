"""A desk with three campaigns that records what is proposed. The money and the law behind it are tested elsewhere."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from knowledge.domain.campaign import Product
from knowledge.domain.message import Message
from knowledge.domain.money import Money
from knowledge.library import shop_products
from tools.kits.media import ApprovalRow, CampaignRow, DecisionRow, OutcomeRow, PerformanceRow, Proposed, SpendRow, SpendToday
from tools.kits.reports import DaySummary

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def brl(amount: str) -> Money:
    return Money.of(amount, "BRL")


class FakeDesk:
    def __init__(self, budget: str | None = "100", status: str = "waiting") -> None:
        self.proposed: list[Any] = []
        self.stopped: list[str] = []
        self.budget = brl(budget) if budget else None
        self.status = status

    async def campaigns(self) -> Sequence[CampaignRow]:
        return [
            CampaignRow(
                id="c1", name="Garrafa Térmica", platform="meta", status="active", daily_budget=brl("100"), ref="campaign:c1"
            ),
            CampaignRow(
                id="c2", name="Faca do Chef", platform="tiktok", status="paused", daily_budget=brl("60"), ref="campaign:c2"
            ),
            CampaignRow(id="c3", name="Faca do Chef", platform="meta", status="active", daily_budget=None, ref="campaign:c3"),
        ]

    async def spend_today(self) -> SpendToday:
        row = SpendRow(
            campaign="Garrafa Térmica", platform="meta", spend=brl("82.15"), daily_budget=brl("100"), ref="insights:c1:2026-11-21"
        )
        return SpendToday(rows=(row,), total=brl("82.15"), daily_cap=brl("300"), week_total=None, weekly_cap=brl("1500"), as_of=NOW)

    async def performance(self, campaign_id: str | None, days: int) -> Sequence[PerformanceRow]:
        return [
            PerformanceRow(
                campaign="Garrafa Térmica",
                platform="meta",
                status="active",
                days=days,
                spend=brl("500"),
                revenue=brl("900"),
                conversions=7,
                roas=Decimal("1.8"),
                ctr=None,
                cpa=None,
                provisional=True,
                ref="insights:c1",
            )
        ]

    async def decisions(self, campaign_id: str | None, limit: int) -> Sequence[DecisionRow]:
        return [
            DecisionRow(
                action_id="a1",
                kind="campaign.pause",
                campaign="Garrafa Térmica",
                at=NOW,
                asked_by="schedule:decide",
                why=Message(id="chat.why.pause", params={"campaign": "Garrafa Térmica"}),
                status="done",
                findings=(Message(id="guard.pause_size.allow", params={"limit": brl("5000")}),),
                evidence=({"roas": Decimal("0.8"), "spend": brl("50")},),
                ref="action:a1",
            )
        ]

    async def outcomes(self, campaign_id: str | None, limit: int) -> tuple[Sequence[OutcomeRow], Message]:
        said = Message(
            id="outcome.undefined", params={"metric": {"pt-BR": "lucro", "en": "profit"}, "reason": {"pt-BR": "x", "en": "x"}}
        )
        row = OutcomeRow(
            action_id="a1",
            kind="campaign.pause",
            campaign="Garrafa Térmica",
            at=NOW,
            verdict="undefined",
            message=said,
            ref="outcomes:a1",
        )
        summary = Message(
            id="outcome.summary", params={"inside": 12, "judged": 15, "bias": Decimal("0.04"), "sign": "+", "undefined": 1}
        )
        return [row], summary

    async def approvals(self) -> Sequence[ApprovalRow]:
        return [
            ApprovalRow(
                action_id="a2",
                kind="campaign.set_budget",
                campaign="Garrafa Térmica",
                why=Message(id="gate.waiting"),
                expires_at=NOW,
                exposure=brl("35"),
                ref="action:a2",
            )
        ]

    async def current_budget(self, campaign_id: str) -> Money | None:
        return self.budget

    async def propose(self, action: Any, why: Message) -> Proposed:
        self.proposed.append(action)
        finding = Message(
            id="guard.approval_above.ask",
            params={
                "change": "0.3",
                "limit": "0.2",
                "current": brl("100"),
                "proposed": brl("130"),
                "baseline": brl("100"),
                "allowed": "x",
            },
        )
        return Proposed(action_id="a9", status=self.status, message=Message(id=f"gate.{self.status}"), findings=(finding,))

    async def stop_everything(self, reason: str) -> Proposed:
        self.stopped.append(reason)
        return Proposed(action_id=None, status="killed", message=Message(id="gate.killed", params={"scope": "all", "target": ""}))

    async def day_summary(self) -> DaySummary:
        return DaySummary(
            day="2026-11-21",
            spend=brl("82.15"),
            revenue=None,
            daily_cap=brl("300"),
            campaigns=tuple(await self.performance(None, 1)),
            decisions=tuple(await self.decisions(None, 5)),
            pending_approvals=1,
            open_alerts=(),
            new_leads=3,
            hot_leads=1,
            ref="day:2026-11-21",
        )

    async def products(self) -> Sequence[Product]:
        return shop_products()
