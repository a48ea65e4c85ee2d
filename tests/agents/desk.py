"""A desk with three campaigns that records what is proposed. The money and the law behind it are tested elsewhere."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from agents.offline.commands import parse
from knowledge.domain.campaign import Product
from knowledge.domain.message import Message
from knowledge.domain.money import Money
from knowledge.library import shop_products
from tools.kits.media import CampaignRow, DecisionRow, OutcomeRow, PerformanceRow, Proposed, SpendRow, SpendToday
from tools.kits.reports import DaySummary
from tools.kits.requests import ChangeRow, Command, Plan, RequestRow, StopRow, Target, Word

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def brl(amount: str) -> Money:
    return Money.of(amount, "BRL")


class FakeDesk:
    def __init__(self, budget: str | None = "100", status: str = "waiting") -> None:
        self.proposed: list[Any] = []
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


class FakeRequests:
    """One waiting request, and a memory of what was performed or asked. `said` is the manager's message."""

    time_zone = "America/Sao_Paulo"

    def __init__(self, said: str = "") -> None:
        self.heard = parse(said)
        self.performed: list[Plan] = []
        self.asked: list[Plan] = []
        self.shown: list[str] = []

    def ordered(self, command: Command) -> bool:
        return {"stop_all": "stop"}.get(self.heard.kind, self.heard.kind) == command

    def hopeless(self, plan: Plan) -> bool:
        return False

    async def campaigns(self) -> Sequence[CampaignRow]:
        return await FakeDesk().campaigns()

    async def requests(self) -> Sequence[RequestRow]:
        return [
            RequestRow(
                id="a2c40000-0000-4000-8000-000000000001", short="a2c4", title="Aumentar orçamento · Garrafa Térmica",
                status="waiting", campaign_id="c1", campaign="Garrafa Térmica", platform="meta", at=NOW,
                lines=("Orçamento diário: R$ 100,00 → R$ 120,00",), until=NOW, exposure=brl("35"), before=brl("100"),
                currency="BRL", editable=True, fingerprint="f",
            )
        ]  # fmt: skip

    async def changes(self) -> Sequence[ChangeRow]:
        return []

    async def of_cause(self, cause: str) -> Sequence[ChangeRow]:
        return []

    async def stops(self) -> Sequence[StopRow]:
        return []

    async def edit_preview(self, target: Target, amount: Money) -> Word:
        return Word(title=target.title, ok=True, message=Message(id="gate.preview_ask"))

    async def undo_preview(self, target: Target) -> Word:
        raise AssertionError("nothing was done here")

    async def decide(self, plan: Plan) -> Sequence[Word]:
        self.performed.append(plan)
        params = {"scope": plan.scope, "target": plan.scoped_to or ""}
        return [Word(title="", ok=True, message=Message(id="gate.killed", params=params))]

    async def ask(self, plan: Plan, text: str) -> datetime | None:
        if self.asked:
            return None
        self.asked.append(plan)
        return NOW

    async def confirmed(self) -> Plan | None:
        return None

    def show(self, text: str) -> None:
        self.shown.append(text)
