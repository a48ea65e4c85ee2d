"""The marketing loop's steps: launch, publish, measure, decide. Deterministic code; agents are asked for words and judgement only."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo

from knowledge.domain.action import Action, Actor, PauseCampaign, Platform, PublishCampaign, ResumeCampaign, SetBudget
from knowledge.domain.books import Proposal
from knowledge.domain.campaign import Product
from knowledge.domain.clock import known_zone
from knowledge.domain.decision import CampaignFigures
from knowledge.domain.message import Message
from knowledge.domain.money import Money, total
from prompts.messages import LOCALES
from runtime.db.products import ProductRecord
from runtime.jobs.expectations import stated
from runtime.jobs.figures import figures, in_account, tell, whole
from runtime.jobs.history import build_history, optimizer_policy
from tools.errors import VendorError
from tools.optimizer.reasons import sentence
from tools.replay import decision_round

if TYPE_CHECKING:
    from runtime.db.campaigns import CampaignRecord
    from runtime.wiring import House
    from tools.gate import Receipt
    from tools.ports import AdPlatform

log = logging.getLogger("ceo.marketing")

MEDIA_BUYER = Actor(kind="agent", id="media_buyer")
RESTATED_DAYS = 7
"""Days that are read again at every look: platforms restate conversions for days (ads.md 1.4)."""


async def launch(house: House, slot: datetime) -> dict[str, Any]:
    """Drafts campaigns for products that have none yet: creatives by the copywriter, budget by the operator's dial."""
    marketing = house.settings.operator.marketing
    room = marketing.max_new_campaigns_per_day
    drafted: list[str] = []
    async with house.db.transaction() as tx:
        failed = await tx.blacklist.values("product")
        products = [p for p in await tx.products.list(status="approved") if p.product.id.lower() not in failed]
        known = {(c.product_id, c.platform) for c in await tx.campaigns.list()}
        accounts = await tx.analytics.account_currencies(workspace=house.policy().workspace)
    for record in products:
        for platform in marketing.platforms:
            if len(drafted) >= room or platform not in house.effects.ports.ads:
                continue
            if not record.product.in_stock or (record.product.id, platform) in known:
                continue
            policy = house.policy()
            budget = Money.of(str(marketing.daily_budget[platform]), policy.currency)
            own = await in_account(house, budget, accounts.get(platform, policy.currency))
            if own is not None:
                drafted.append(await _draft(house, record.product, platform, own))
    return {"drafted": drafted}


_SPELLED = {"meta": "Meta", "tiktok": "TikTok"}
"""How the platforms write themselves, in names that their own managers show."""


async def _draft(house: House, product: Product, platform: Literal["meta", "tiktok"], budget: Money) -> str:
    marketing, policy, now = house.settings.operator.marketing, house.policy(), house.clock.now()
    campaign_id = f"{product.id}-{platform}"
    creatives = await house.write_creatives(product, platform, campaign_id)
    action = PublishCampaign(
        workspace=policy.workspace,
        platform=platform,
        campaign_id=campaign_id,
        product_id=product.id,
        name=f"{product.name} · {_SPELLED[platform]}",
        daily_budget=budget,
        creatives=creatives,
        landing_url=tracked(product.landing_url, platform, campaign_id),
        countries=marketing.countries,
    )
    async with house.db.transaction() as tx:
        for creative in creatives:
            await tx.creatives.put(creative, product_id=product.id, platform=platform, at=now)
        await tx.campaigns.draft(action, at=now)
        await tx.campaigns.put_raw(campaign_id, {"publish": action.args()})
        await tx.live_events.add(
            "campaign.drafted", {"campaign_id": campaign_id, "platform": platform, "name": action.name}, at=now
        )
    return campaign_id


def tracked(url: str, platform: Platform, campaign_id: str) -> str:
    """The landing page with UTM parameters that name the campaign, so that an order finds its way back."""
    mark = "&" if "?" in url else "?"
    return f"{url}{mark}utm_source={platform}&utm_medium=paid&utm_campaign={campaign_id}"


async def publish(house: House, slot: datetime) -> dict[str, Any]:
    """The publication queue: every draft is submitted once under a key of its own; the gate asks, publishes or refuses."""
    outcome: dict[str, str] = {}
    async with house.db.transaction() as tx:
        drafts = await tx.campaigns.list(statuses=("draft",))
        plans = {c.id: await tx.campaigns.raw(c.id) for c in drafts}
    for draft in sorted(drafts, key=lambda c: (c.created_at, c.id)):
        plan = plans[draft.id].get("publish")
        if plan is None:
            continue
        receipt = await house.gate.submit(
            Proposal(
                action=PublishCampaign.model_validate(plan),
                key=f"publish:{draft.id}",
                proposer=MEDIA_BUYER,
                why=Message(id="why.new_campaign", params={"product": draft.name}),
                priority="high",
            )
        )
        outcome[draft.id] = receipt.status
        if receipt.status in ("failed", "refused", "rejected", "expired", "cancelled"):
            async with house.db.transaction() as tx:
                await tx.campaigns.failed(draft.id, receipt.message.model_dump(mode="json"), at=house.clock.now())
    return {"published": outcome}


async def insights(house: House, slot: datetime) -> dict[str, Any]:
    """Reads figures and states from every platform into the ledger. One platform's failure does not hide the others'."""
    now, policy = house.clock.now(), house.policy()
    result: dict[str, Any] = {"rows": 0, "changed": 0, "failed": {}}

    async def read(platform: Platform, ads: AdPlatform) -> None:
        try:
            account = await ads.account()
            today = now.astimezone(ZoneInfo(known_zone(account.time_zone, policy.time_zone))).date()
            since = today - timedelta(days=RESTATED_DAYS)
            rows, seen = await asyncio.gather(ads.insights(since, today), ads.list_campaigns())
        except VendorError as error:
            result["failed"][platform] = str(error)
            await house.unread(platform, error)
            return
        whole = [since + timedelta(days=n) for n in range(RESTATED_DAYS)]
        async with house.db.transaction() as tx:
            await tx.analytics.taking(platform, workspace=policy.workspace)
            result["rows"] += len(rows)
            result["changed"] += await tx.analytics.upsert(rows, at=now, workspace=policy.workspace)
            await tx.analytics.day_read(platform, whole, at=now, workspace=policy.workspace)
            await tx.analytics.account_read(account, at=now, workspace=policy.workspace)
            for campaign in seen:
                await tx.campaigns.synced(campaign)
        await house.read_again(platform)

    await asyncio.gather(*(read(platform, ads) for platform, ads in house.effects.ports.ads.items()))
    async with house.db.transaction() as tx:
        await tx.analytics.refresh_views()
        await tx.live_events.add("insights", {"changed": result["changed"]}, at=now)
    return result


async def decide(house: House, slot: datetime) -> dict[str, Any]:
    """One decision round: history -> optimizer -> decision document -> typed actions through the gate."""
    policy, now = house.policy(), house.clock.now()
    if not await fresh_enough(house):
        await insights(house, slot)
    history = await build_history(house)
    dials = optimizer_policy(policy)
    known, accounts = await campaign_figures(house)
    made = decision_round(history, dials, known, now, policy)
    document, proposals = made.document, made.proposals
    async with house.db.transaction() as tx:
        decision_id = await tx.decisions.add(
            at=now,
            strategy=policy.targets.strategy,
            document=document,
            history=history,
            figures=known,
            dials=dials,
            proposals_hash=made.proposals_hash,
            policy=policy,
            workspace=policy.workspace,
        )
        await tx.live_events.add(
            "decision", {"decision_id": decision_id, "health": document.overall_health, "actions": len(proposals)}, at=now
        )
    platforms = {f.campaign_id: f.platform for f in known}
    outcome: dict[str, str] = {}
    for proposal in sorted(proposals, key=lambda p: (p["priority"], p["campaign_id"])):
        campaign = proposal["campaign_id"]
        receipt = await _propose(house, proposal, platforms[campaign], accounts[campaign], decision_id, slot)
        outcome[f"{campaign}:{proposal['action']}"] = "rate_missing" if receipt is None else receipt.status
    return {"decision": decision_id, "health": document.overall_health, "actions": outcome}


async def _propose(
    house: House, proposal: dict[str, Any], platform: Any, currency: str, decision_id: str, slot: datetime
) -> Receipt | None:
    """One proposal of the round through the gate, in the ad account's own currency; None when no rate leads there."""
    policy = house.policy()
    campaign_id: str = proposal["campaign_id"]
    action: Action
    match proposal["action"]:
        case "pause":
            action = PauseCampaign(workspace=policy.workspace, platform=platform, campaign_id=campaign_id)
        case "resume":
            action = ResumeCampaign(workspace=policy.workspace, platform=platform, campaign_id=campaign_id)
        case _:
            budget = await in_account(house, whole(Decimal(str(proposal["daily_budget"])), policy.currency), currency)
            if budget is None:
                return None
            action = SetBudget(workspace=policy.workspace, platform=platform, campaign_id=campaign_id, daily_budget=budget)
    why = proposal["why"]
    strategy = policy.targets.strategy
    return await house.gate.submit(
        Proposal(
            action=action,
            key=f"decide:{slot.isoformat()}:{campaign_id}:{proposal['action']}",
            proposer=MEDIA_BUYER,
            # The optimizer words its own reasons, numbers and all; both languages travel with the record.
            why=Message(
                id="why.optimizer",
                params={
                    "reason": why["message_id"],
                    "words": {locale: sentence(why["message_id"], why["params"], locale) for locale in LOCALES},
                },
            ),
            confidence=None if proposal["confidence"] is None else Decimal(str(round(proposal["confidence"], 4))),
            expected=stated(proposal["expected_effect"], policy.currency, method="response", strategy=strategy).plain(),
            evidence=({"table": "decisions", "id": decision_id}, {"table": "analytics", "campaign_id": campaign_id}),
            correlation_id=f"decision:{decision_id}",
        )
    )


async def fresh_enough(house: House) -> bool:
    """Whether figures were read within the last two hours."""
    async with house.db.transaction() as tx:
        last = await tx.schedule_ticks.last_finished("insights")
    return last is not None and house.clock.now() - last <= timedelta(hours=2)


async def campaign_figures(house: House) -> tuple[list[CampaignFigures], dict[str, str]]:
    """What the decision document says of every launched campaign, from the ledger, in the policy's currency; and the currency of each
    one's ad account. A campaign without a rate is left out, and somebody is told."""
    policy, now = house.policy(), house.clock.now()
    today = now.astimezone(ZoneInfo(policy.time_zone)).date()
    async with house.db.transaction() as tx:
        found = await figures(tx, policy, today - timedelta(days=13), today)
        margins = {p.product.id: p.product.margin for p in await tx.products.list()}
    await tell(house, found.missing, today)
    out: list[CampaignFigures] = []
    for campaign in sorted(found.campaigns, key=lambda c: c.id):
        own = [d.row for d in found.days if d.campaign_id == campaign.id]
        recent = [r for r in own if r.day > today - timedelta(days=7)]
        before = [r for r in own if r.day <= today - timedelta(days=7)]
        out.append(
            CampaignFigures(
                campaign_id=campaign.id,
                campaign_name=campaign.name,
                platform=campaign.platform,
                active=running(campaign),
                budget=campaign.daily_budget or Money.zero(policy.currency),
                spend_7d=total((r.spend for r in recent), policy.currency),
                revenue_7d=total((r.revenue for r in recent), policy.currency),
                spend_previous_7d=total((r.spend for r in before), policy.currency) if before else None,
                revenue_previous_7d=total((r.revenue for r in before), policy.currency) if before else None,
                margin=margins.get(campaign.product_id or ""),
            )
        )
    return out, found.accounts


def running(campaign: CampaignRecord) -> bool:
    """Whether the campaign is meant to deliver."""
    return campaign.status in ("active", "testing", "scaling")


async def load_catalogue(house: House) -> int:
    """Puts the products of the catalogue file into the ledger, once each; returns how many were new."""
    now = house.clock.now()
    added = 0
    async with house.db.transaction() as tx:
        for product in house.catalogue():
            record = ProductRecord(
                product=product, status="approved", created_at=now, updated_at=now, evidence={"source": "catalogue"}
            )
            added += await tx.products.add(record)
    return added
