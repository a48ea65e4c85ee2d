"""A believable week of a small shop, put through the real gate: what the pages are drawn from in tests and pictures."""

from __future__ import annotations

import random
import uuid
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import text

from knowledge.domain.action import Action, Actor, Creative, PauseCampaign, PublishCampaign, SetBudget
from knowledge.domain.books import Proposal
from knowledge.domain.campaign import AccountFacts, PlatformCampaign, PublishedCampaign
from knowledge.domain.clock import SettableClock
from knowledge.domain.message import Message
from knowledge.domain.money import Money
from knowledge.domain.outcome import Effect, Expectation
from knowledge.domain.policy import Autonomy, Financial, Guardrails, Policy
from prompts.messages import UnknownMessage, render
from runtime.db.gate_books import PgGateBooks
from runtime.db.uow import Database
from tools.effects import Effects, Ports
from tools.gate import Gate

POLICY = Policy(
    guardrails=Guardrails(
        financial=Financial(
            daily_cap=Money.of("300.00", "BRL"),
            weekly_cap=Money.of("1500.00", "BRL"),
            max_campaign_budget=Money.of("200.00", "BRL"),
            pause_asks_above=Money.of("5000.00", "BRL"),
            reserve_share=Decimal(0),
        )
    ),
    autonomy=Autonomy(level=1),
)

# id, platform, name, status, daily budget, true ROAS by orders, platform's view of it
CAMPAIGNS = (
    ("c-bancada", "tiktok", "UGC Bancada Inox", "scaling", 4200, 2.4, 3.2),
    ("c-verao", "meta", "Promo Verão", "active", 3500, 1.5, 2.3),
    ("c-inverno", "meta", "Promo Inverno", "active", 3000, 0.9, 1.6),
    ("c-marca", "google", "Marca", "active", 2500, 3.1, 3.6),
    ("c-fogao", "google", "Fogão Industrial", "testing", 1500, 1.8, 2.1),
    ("c-b2b", "linkedin", "Restaurantes B2B", "testing", 1500, 1.2, 1.4),
    ("c-coifa", "meta", "Coifa Reta", "paused", 2000, 0.6, 1.1),
)

SENTENCES = {
    "seed.raise": (
        "ROAS real {roas} contra meta 1,5; fatia de impressões perdida por orçamento {lost}.",
        "Real ROAS {roas} against a target of 1.5; share of impressions lost to budget {lost}.",
    ),
    "seed.pause": (
        "Atraso de atribuição já descontado (p95 = {days} dias); ROAS real {roas} em 14 dias.",
        "Attribution delay already discounted (p95 = {days} days); real ROAS {roas} over 14 days.",
    ),
    "seed.publish": (
        "Produto aprovado: margem {margin}, busca em alta há 3 semanas.",
        "Approved product: margin {margin}, search rising for 3 weeks.",
    ),
    "seed.otherwise": (
        "Sem a mudança: ~{amount}/dia de receita não capturada (intervalo {low} a {high}).",
        "Without the change: ~{amount}/day of revenue not captured (interval {low} to {high}).",
    ),
    "seed.roas_drop": ("ROAS de {name} caiu {drop} em 24 h.", "ROAS of {name} fell {drop} in 24 h."),
    "seed.cap": ("Gasto do dia em {share} do teto.", "Today's spend is at {share} of the cap."),
}


def say(message: Message, locale: str) -> str:
    """The house's sentences, and the story's own where the house has none."""
    try:
        return render(message, locale)
    except UnknownMessage:
        pair = SENTENCES[message.id]
        return pair[0 if locale == "pt-BR" else 1].format(**message.params)


class Ads:
    """An ad account in memory: what the gate reads and writes in these tests."""

    def __init__(self, platform: Any, clock: SettableClock) -> None:
        self.platform = platform
        self._clock = clock
        self.campaigns: dict[str, PlatformCampaign] = {}

    def put(self, external_id: str, name: str, budget: Money, delivery: Any) -> None:
        self.campaigns[external_id] = PlatformCampaign(
            platform=self.platform,
            external_id=external_id,
            name=name,
            delivery=delivery,
            daily_budget=budget,
            read_at=self._clock.now(),
        )

    def _set(self, external_id: str, **values: Any) -> PlatformCampaign:
        self.campaigns[external_id] = self.campaigns[external_id].model_copy(update=values | {"read_at": self._clock.now()})
        return self.campaigns[external_id]

    async def account(self) -> AccountFacts:
        raise NotImplementedError

    async def get_campaign(self, external_id: str) -> PlatformCampaign:
        return self.campaigns[external_id]

    async def list_campaigns(self) -> list[PlatformCampaign]:
        return list(self.campaigns.values())

    async def find_published(self, key: str) -> PublishedCampaign | None:
        return None

    async def publish(self, action: PublishCampaign, key: str) -> PublishedCampaign:
        self.put(f"x-{action.campaign_id}", action.name, action.daily_budget, "active")
        return PublishedCampaign(campaign=self.campaigns[f"x-{action.campaign_id}"], objects=())

    async def set_daily_budget(self, external_id: str, budget: Money, key: str) -> PlatformCampaign:
        return self._set(external_id, daily_budget=budget)

    async def pause(self, external_id: str, key: str) -> PlatformCampaign:
        return self._set(external_id, delivery="paused")

    async def resume(self, external_id: str, key: str) -> PlatformCampaign:
        return self._set(external_id, delivery="active")


def make_gate(database: Database, clock: SettableClock) -> tuple[Gate, dict[str, Ads]]:
    """The real gate over the test's database and ad accounts in memory."""
    ads = {platform: Ads(platform, clock) for platform in ("meta", "tiktok", "google", "linkedin")}
    gate = Gate(PgGateBooks(database.engine), Effects(Ports(ads=ads)), lambda: POLICY, clock, executor="test")  # pyright: ignore
    for ident, platform, name, status, budget, *_ in CAMPAIGNS:
        ads[platform].put(f"x-{ident}", name, Money(minor=budget, currency="BRL"), "paused" if status == "paused" else "active")
    return gate, ads


def brl(amount: str) -> Money:
    return Money.of(amount, "BRL")


PROFIT = Expectation(
    effects=(Effect(metric="profit", horizon_hours=168, low=brl("-42.00"), mid=brl("310.00"), high=brl("690.00")),),
    method="posterior",
    strategy="bayes",
)


async def _history(database: Database, now: datetime) -> None:
    """Thirty-seven days of figures and orders with a slow wave; today is partly spent and provisional."""
    chance = random.Random(11)
    today = now.date()
    statements: list[tuple[str, dict[str, Any]]] = []
    for ident, platform, name, status, budget, real, seen in CAMPAIGNS:
        statements.append(
            (
                "insert into campaigns (id, platform, name, external_id, status, delivery, currency, daily_budget_minor, "
                "launch_budget_minor, created_at, launched_at, synced_at) values (:id, :platform, :name, :ext, :status, :delivery, "
                "'BRL', :budget, :budget, :launched, :launched, :now)",
                {
                    "id": ident,
                    "platform": platform,
                    "name": name,
                    "ext": f"x-{ident}",
                    "status": status,
                    "budget": budget,
                    "delivery": "paused" if status == "paused" else "active",
                    "launched": now - timedelta(days=40),
                    "now": now,
                },
            )
        )
        for back in range(37):
            day = today - timedelta(days=back)
            if back:
                statements.append(
                    (
                        "insert into days_read (workspace, platform, day, read_at) values ('default', :platform, :day, :now)"
                        " on conflict do nothing",
                        {"platform": platform, "day": day, "now": now},
                    )
                )
            if status == "paused" and back < 5:
                continue
            wave = 1 + 0.18 * ((back % 18) / 9 - 1) * (1 if (back // 18) % 2 else -1)
            spend = int(budget * (0.62 if back == 0 else chance.uniform(0.82, 1.02)))
            orders = max(0, round(spend * real * wave / 9000 + chance.uniform(-0.5, 0.5)))
            revenue = int(spend * seen * wave * chance.uniform(0.9, 1.1))
            impressions = spend * 9
            statements.append(
                (
                    "insert into analytics (platform, level, external_id, campaign_id, day, impressions, clicks, spend_minor, "
                    "conversions, revenue_minor, currency, provisional, first_seen_at, updated_at) values (:platform, 'campaign', "
                    ":ext, :id, :day, :impressions, :clicks, :spend, :conversions, :revenue, 'BRL', :provisional, :now, :now)",
                    {
                        "platform": platform,
                        "ext": f"x-{ident}",
                        "id": ident,
                        "day": day,
                        "impressions": impressions,
                        "clicks": impressions // 60,
                        "spend": spend,
                        "conversions": max(0, revenue // 9000),
                        "revenue": revenue,
                        "provisional": back < 3,
                        "now": now,
                    },
                )
            )
            for number in range(orders):
                statements.append(
                    (
                        "insert into orders (id, source, external_id, campaign_id, value_minor, currency, status, ordered_at, "
                        "received_at) values (:id, 'shopify', :id, :campaign, :value, 'BRL', 'paid', :at, :at)",
                        {
                            "id": f"{ident}-{back}-{number}",
                            "campaign": ident,
                            "value": chance.randint(5200, 14500),
                            "at": now - timedelta(days=back, hours=2 + number),
                        },
                    )
                )
    async with database.transaction() as tx:
        for sql in dict.fromkeys(sql for sql, _ in statements):
            await tx.conn.execute(text(sql), [values for other, values in statements if other == sql])


async def _people(database: Database, now: datetime) -> None:
    async with database.transaction() as tx:
        for number in range(19):
            lead, conversation = uuid.uuid5(uuid.NAMESPACE_OID, f"l{number}"), uuid.uuid5(uuid.NAMESPACE_OID, f"c{number}")
            await tx.conn.execute(
                text("insert into leads (id, name, created_at, updated_at) values (:id, :name, :now, :now)"),
                {"id": lead, "name": f"Lead {number}", "now": now},
            )
            await tx.conn.execute(
                text(
                    "insert into conversations (id, lead_id, channel, owner, last_inbound_at, created_at) "
                    "values (:id, :lead, 'whatsapp', :owner, :at, :now)"
                ),
                {
                    "id": conversation,
                    "lead": lead,
                    "owner": "human" if number < 7 else "bot",
                    "at": now - timedelta(hours=number * 2),
                    "now": now,
                },
            )


async def seed(database: Database, gate: Gate, clock: SettableClock) -> dict[str, str]:
    """The whole story, ending eight hours after the clock's moment. Returns names -> action ids of what waits."""
    start = clock.now()
    end = start + timedelta(hours=7, minutes=30)
    await _history(database, end)
    await _people(database, end)
    buyer, analyst = Actor(kind="agent", id="media_buyer"), Actor(kind="agent", id="analyst")

    async def ask(name: str, action: Action, why: Message, **more: Any) -> str:
        receipt = await gate.submit(Proposal(action=action, key=f"seed:{name}", proposer=more.pop("by", buyer), why=why, **more))
        return receipt.action_id

    raised = Message(id="seed.raise", params={"roas": "3,1", "lost": "22 %"})
    marca = await ask(
        "marca",
        SetBudget(platform="google", campaign_id="c-marca", daily_budget=brl("29.00")),
        raised,
        confidence=Decimal("0.95"),
        evidence=({"day": "23/11", "spend": brl("24.10").model_dump(), "roas": "3.4"},),
    )
    clock.advance(timedelta(hours=1, minutes=12))
    await ask(
        "verao",
        PauseCampaign(platform="meta", campaign_id="c-verao"),
        Message(id="seed.pause", params={"days": 3, "roas": "1,1"}),
        confidence=Decimal("0.97"),
        by=analyst,
    )
    clock.advance(timedelta(minutes=48))
    await ask(
        "marca-80",
        SetBudget(platform="google", campaign_id="c-marca", daily_budget=brl("52.00")),
        raised,
        confidence=Decimal("0.90"),
        by=Actor(kind="agent", id="ceo"),
    )
    clock.advance(timedelta(hours=2))
    pause = await ask(
        "inverno",
        PauseCampaign(platform="meta", campaign_id="c-inverno"),
        Message(id="seed.pause", params={"days": 3, "roas": "0,9"}),
        confidence=Decimal("0.78"),
        by=analyst,
        evidence=(
            {"day": "24/11", "spend": brl("28.10").model_dump(), "orders": 0, "roas": None},
            {"day": "23/11", "spend": brl("29.40").model_dump(), "orders": 1, "roas": "1.02"},
        ),
    )
    clock.advance(timedelta(hours=1, minutes=20))
    publish = await ask(
        "coifa",
        PublishCampaign(
            platform="google",
            campaign_id="c-chapa",
            product_id="p-chapa",
            name="Chapa Bifeteira",
            daily_budget=brl("15.00"),
            landing_url="https://loja.example/chapa",
            creatives=(Creative(id="cr-1", headline="Chapa que aguenta o rush", text="Inox 304, garantia de 2 anos."),),
        ),
        Message(id="seed.publish", params={"margin": "38 %"}),
        by=Actor(kind="agent", id="scout"),
        priority="low",
    )
    clock.advance(timedelta(minutes=22))
    budget = await ask(
        "bancada",
        SetBudget(platform="tiktok", campaign_id="c-bancada", daily_budget=brl("54.60")),
        Message(id="seed.raise", params={"roas": "2,4", "lost": "38 %"}),
        confidence=Decimal("0.93"),
        priority="high",
        expected=PROFIT.plain()
        | {
            "probability": "0.93",
            "otherwise": {"id": "seed.otherwise", "params": {"amount": "R$ 44", "low": "−6", "high": "98"}},
        },
        evidence=(
            {"day": "24/11", "spend": brl("41.20").model_dump(), "orders": 1, "roas": "2.61"},
            {"day": "23/11", "spend": brl("40.05").model_dump(), "orders": 2, "roas": "2.33"},
            {"day": "22/11", "spend": brl("42.00").model_dump(), "orders": 1, "roas": "2.40"},
        ),
    )
    clock.set(end)
    async with database.transaction() as tx:
        drop = {"id": "seed.roas_drop", "params": {"name": "Promo Inverno", "drop": "23 %"}}
        await tx.alerts.open("roas:c-inverno", kind="roas_drop", severity="warning", message=drop, at=end - timedelta(hours=3))
    return {"pause": pause, "publish": publish, "budget": budget, "marca": marca}
