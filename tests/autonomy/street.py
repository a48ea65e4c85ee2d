"""A house of which only the ledger, the gate and the clock stand: enough for the jobs that look back."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from knowledge.domain.campaign import InsightRow, Product
from knowledge.domain.message import Message
from knowledge.domain.money import Money
from knowledge.domain.outcome import Effect, Expectation
from knowledge.domain.policy import Policy
from prompts.messages import LOCALES, render
from runtime.db.outcomes import Outcome
from runtime.db.products import ProductRecord
from tests.gate.house import Bench, brl

ZONE = ZoneInfo("America/Sao_Paulo")


@dataclass
class Street:
    """What the jobs ask of a House, on a gate's bench."""

    bench: Bench
    alerts: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock, self.db, self.books, self.gate = self.bench.clock, self.bench.db, self.bench.books, self.bench.gate

    def policy(self) -> Policy:
        return self.bench.policy

    async def alert(self, cause: str, kind: str, severity: str, **params: Any) -> bool:
        message = Message(id=f"alert.{kind}", params=params)
        for locale in LOCALES:
            assert "{" not in render(message, locale)
        self.alerts.append((cause, render(message, "en")))
        return True

    # -- what the platform reported ---------------------------------------------------------------------------------------------

    def today(self) -> date:
        return self.clock.now().astimezone(ZONE).date()

    async def product(self, margin: str = "0.5") -> None:
        now = self.clock.now()
        product = Product(
            id="pia", name="Pia", description="x", price=brl("100"), margin=Decimal(margin), landing_url="https://x.example/pia"
        )
        async with self.db.transaction() as tx:
            await tx.products.add(ProductRecord(product=product, status="approved", created_at=now, updated_at=now, evidence={}))

    async def day(
        self,
        campaign_id: str,
        day: date,
        spend: str,
        revenue: str,
        *,
        orders: int = 4,
        provisional: bool = False,
        currency: str = "BRL",
    ) -> None:
        row = InsightRow(
            platform="meta", external_id=f"x-{campaign_id}", day=day, impressions=5000, clicks=100, conversions=orders,
            spend=Money.of(spend, currency), revenue=Money.of(revenue, currency), provisional=provisional,
        )  # fmt: skip
        async with self.db.transaction() as tx:
            await tx.analytics.upsert([row], at=self.clock.now())

    async def days(self, campaign_id: str, first: int, last: int, spend: str, revenue: str, **more: Any) -> None:
        """Days `first`..`last` counted from today."""
        for n in range(first, last + 1):
            await self.day(campaign_id, self.today() + timedelta(days=n), spend, revenue, **more)

    async def read(self, failed: dict[str, str] | None = None) -> None:
        """The insights schedule ran to its end now."""
        now = self.clock.now()
        async with self.db.transaction() as tx:
            await tx.schedule_ticks.claim("insights", now, "w", at=now)
            await tx.schedule_ticks.finish("insights", now, {"rows": 1, "changed": 1, "failed": failed or {}}, at=now)

    async def outcomes(self, action_id: str) -> dict[str, Outcome]:
        async with self.db.transaction() as tx:
            return {o.metric: o for o in (await tx.outcomes.of([action_id])).get(action_id, [])}


def promise(spend: tuple[str, str, str], revenue: tuple[str, str, str] | None = None, strategy: str = "bayes") -> dict[str, Any]:
    """An expectation as it is stored, from (low, mid, high) per metric; revenue is the headline where given."""
    effects = [Effect(metric="revenue", low=brl(r[0]), mid=brl(r[1]), high=brl(r[2])) for r in (revenue,) if r]
    effects.append(Effect(metric="spend", low=brl(spend[0]), mid=brl(spend[1]), high=brl(spend[2])))
    return Expectation(effects=tuple(effects), method="response", strategy=strategy).plain()


def later(street: Street, **step: float) -> datetime:
    return street.clock.advance(timedelta(**step))
