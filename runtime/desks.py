"""What the manager's kits read and ask, answered from our ledger and the platforms; proposals go to the gate under the session's actor."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from sqlalchemy import text

from agents.offline.commands import objection, parse
from knowledge.domain.action import Action, Actor, SetBudget
from knowledge.domain.books import Proposal
from knowledge.domain.clock import week_bounds
from knowledge.domain.message import Message
from knowledge.domain.money import Money, total
from runtime.db.action_reads import ActionReads
from tools.errors import VendorError
from tools.kits.media import (
    CampaignRow,
    DecisionRow,
    OutcomeRow,
    PerformanceRow,
    Proposed,
    SpendRow,
    SpendToday,
    resolve,
    wanted_budget,
)
from tools.kits.reports import DaySummary

if TYPE_CHECKING:
    from runtime.wiring import House


AGENT = Actor(kind="agent", id="ceo")
VERBS = {"campaign.set_budget": "budget", "campaign.pause": "pause", "campaign.resume": "resume"}


@dataclass
class ManagerDesk:
    """MediaDesk, ReportDesk and Products of one session. `request` names the request, so that asking twice acts once.

    `message` is what the person wrote: only a change that its own words name is the person's; what a model makes of it beyond them is
    the agent's, and is judged as such. Without a request (AgentOS's own routes, where one crew serves every caller) the same command within a minute is one request.
    """

    house: House
    actor: Actor
    request: str | None
    message: str | None = None

    def __post_init__(self) -> None:
        self._heard = parse(self.message or "")
        self.proposed: list[str] = []
        self.rows: list[dict[str, Any]] = []

    def _today(self) -> date:
        return self.house.clock.now().astimezone(ZoneInfo(self.house.policy().time_zone)).date()

    async def campaigns(self) -> Sequence[CampaignRow]:
        async with self.house.db.transaction() as tx:
            found = [c for c in await tx.campaigns.list() if c.external_id is not None]
        return [
            CampaignRow(
                id=c.id,
                name=c.name,
                platform=c.platform,
                status=c.status,
                daily_budget=c.daily_budget,
                ref=f"campaigns:{c.id}",
            )
            for c in sorted(found, key=lambda c: c.name)
        ]

    async def spend_today(self) -> SpendToday:
        policy, today = self.house.policy(), self._today()
        monday = week_bounds(self.house.clock.now(), policy.time_zone)[0].astimezone(ZoneInfo(policy.time_zone)).date()
        async with self.house.db.transaction() as tx:
            days = await tx.analytics.days(monday, today)
            known = {c.id: c for c in await tx.campaigns.list()}
            read_at = await tx.schedule_ticks.last_finished("insights")
        rows = [
            SpendRow(
                campaign=known[d.campaign_id].name if d.campaign_id in known else d.row.external_id,
                platform=d.row.platform,
                spend=d.row.spend,
                daily_budget=known[d.campaign_id].daily_budget if d.campaign_id in known else None,
                ref=f"analytics:{d.row.platform}/{d.row.external_id}/{d.row.day}",
            )
            for d in days
            if d.row.day == today
        ]
        self.rows += [r.model_dump(mode="json") for r in rows]
        unread = read_at is None and bool(known)
        money = policy.guardrails.financial
        return SpendToday(
            rows=tuple(rows),
            total=None if unread else total((r.spend for r in rows), policy.currency),
            daily_cap=money.daily_cap,
            week_total=None if unread else total((d.row.spend for d in days), policy.currency),
            weekly_cap=money.weekly_cap,
            as_of=read_at or self.house.clock.now(),
        )

    async def performance(self, campaign_id: str | None, days: int) -> Sequence[PerformanceRow]:
        policy, today = self.house.policy(), self._today()
        async with self.house.db.transaction() as tx:
            measured = await tx.analytics.days(today - timedelta(days=days - 1), today, campaign_id=campaign_id)
            found = [c for c in await tx.campaigns.list() if c.external_id and campaign_id in (None, c.id)]
        out: list[PerformanceRow] = []
        for c in sorted(found, key=lambda c: c.name):
            own = [d.row for d in measured if d.campaign_id == c.id]
            spend, revenue = total((r.spend for r in own), policy.currency), total((r.revenue for r in own), policy.currency)
            seen, clicks, sales = (sum(getattr(r, n) for r in own) for n in ("impressions", "clicks", "conversions"))
            out.append(
                PerformanceRow(
                    campaign=c.name,
                    platform=c.platform,
                    status=c.status,
                    days=days,
                    spend=spend,
                    revenue=revenue,
                    conversions=sales,
                    roas=revenue.ratio_to(spend),
                    ctr=Money(minor=clicks, currency=policy.currency).ratio_to(Money(minor=seen, currency=policy.currency)),
                    cpa=Money(minor=round(spend.minor / sales), currency=policy.currency) if sales else None,
                    provisional=any(r.provisional for r in own),
                    ref=f"campaigns:{c.id}",
                )
            )
        self.rows += [r.model_dump(mode="json") for r in out]
        return out

    async def decisions(self, campaign_id: str | None, limit: int) -> Sequence[DecisionRow]:
        async with self.house.db.transaction() as tx:
            found = await tx.conn.execute(
                text(
                    "select a.id, a.kind, c.name, a.created_at, a.proposer_kind, a.proposer_id, a.why, a.status, a.verdict, a.evidence"
                    " from actions a left join campaigns c on c.id = a.campaign_id where a.kind like 'campaign.%'"
                    " and (cast(:campaign as text) is null or a.campaign_id = :campaign) order by a.created_at desc, a.id limit :limit"
                ),
                {"campaign": campaign_id, "limit": limit},
            )
            rows = found.mappings().all()
            verdicts = await tx.outcomes.of([str(r["id"]) for r in rows])
        out = [
            DecisionRow(
                action_id=str(r["id"]),
                kind=r["kind"],
                campaign=r["name"],
                at=r["created_at"],
                asked_by=f"{r['proposer_kind']}:{_who(r['proposer_id'])}",
                why=Message.model_validate(r["why"]),
                status=r["status"],
                findings=tuple(Message.model_validate(f["message"]) for f in r["verdict"]["findings"] if f["answer"] != "allow"),
                evidence=tuple(r["evidence"] or ()),
                ref=f"actions:{r['id']}",
                outcome=verdicts[str(r["id"])][0].message if str(r["id"]) in verdicts else None,
            )
            for r in rows
        ]
        self.rows += [r.model_dump(mode="json") for r in out[:5]]
        return out

    async def outcomes(self, campaign_id: str | None, limit: int) -> tuple[Sequence[OutcomeRow], Message]:
        workspace = self.house.policy().workspace
        async with self.house.db.transaction() as tx:
            found = await tx.outcomes.recent(campaign_id=campaign_id, workspace=workspace, limit=limit)
            summary = await tx.outcomes.summary(campaign_id=campaign_id, workspace=workspace)
            names = {c.id: c.name for c in await tx.campaigns.list()}
        out = [
            OutcomeRow(
                action_id=o.action_id,
                kind=o.kind,
                campaign=names.get(o.campaign_id),
                at=o.done_at,
                verdict=o.verdict,
                message=o.message,
                ref=f"outcomes:{o.action_id}",
            )
            for o in found
        ]
        self.rows += [r.model_dump(mode="json") for r in out]
        return out, summary.message

    async def current_budget(self, campaign_id: str) -> Money | None:
        async with self.house.db.transaction() as tx:
            campaign = await tx.campaigns.get(campaign_id)
        if campaign is None or campaign.external_id is None or campaign.platform not in self.house.effects.ports.ads:
            return None
        try:
            return (await self.house.effects.ports.ads[campaign.platform].get_campaign(campaign.external_id)).daily_budget
        except VendorError:
            return None

    async def propose(self, action: Action, why: Message) -> Proposed:
        request = self.request or f"agentos:{self.house.clock.now():%Y-%m-%dT%H:%M}"
        receipt = await self.house.gate.submit(
            Proposal(
                action=action,
                key=f"{request}:{action.fingerprint()[:16]}",
                proposer=self.actor if await self._named(action) else AGENT,
                why=why,
                correlation_id=request,
                priority="high",
            )
        )
        self.proposed.append(receipt.action_id)
        return Proposed(
            action_id=receipt.action_id,
            status=receipt.status,
            message=receipt.message,
            findings=tuple(f.message for f in receipt.findings),
        )

    async def _named(self, action: Action) -> bool:
        """Whether the person's own words, read by rule, name exactly this change."""
        heard = self._heard
        if VERBS.get(action.kind) != heard.kind or heard.campaign is None:
            return False
        if [row.id for row in resolve(heard.campaign, await self.campaigns())] != [getattr(action, "campaign_id", None)]:
            return False
        if not isinstance(action, SetBudget):
            return True
        current = await self.current_budget(action.campaign_id)
        if objection(heard, heard.campaign, current) is not None:
            return False  # another currency, or a raise that would be a cut: a person said no such thing
        amount, delta = (None, heard.amount) if heard.by else (heard.amount, None)
        said = [None if value is None else str(value) for value in (heard.percent, amount, delta)]
        return current is not None and wanted_budget(current, *said) == action.daily_budget

    async def day_summary(self) -> DaySummary:
        now, policy, today = self.house.clock.now(), self.house.policy(), self._today()
        spend = await self.spend_today()
        rows = tuple(await self.performance(None, 1))
        recent = [d for d in await self.decisions(None, 50) if now - d.at <= timedelta(days=1)]
        async with self.house.db.transaction() as tx:
            alerts = await tx.alerts.list()
            leads = [lead for lead in await tx.leads.list() if now - lead.created_at <= timedelta(days=1)]
        return DaySummary(
            day=today.isoformat(),
            spend=spend.total,
            revenue=None if spend.total is None else total((r.revenue for r in rows), policy.currency),
            daily_cap=policy.guardrails.financial.daily_cap,
            campaigns=rows,
            decisions=tuple(recent[:10]),
            pending_approvals=len(await ActionReads(self.house.db, policy).pending(1000)),
            open_alerts=tuple(a.message for a in alerts[:10]),
            new_leads=len(leads),
            hot_leads=sum(1 for lead in leads if lead.qualification and lead.qualification.temperature == "hot"),
            ref=f"day:{today}",
        )

    async def products(self) -> Sequence[Any]:
        async with self.house.db.transaction() as tx:
            return [p.product for p in await tx.products.list(status="approved")]


def _who(proposer_id: str) -> str:
    return str(json.loads(proposer_id)["id"]) if proposer_id.startswith("{") else proposer_id
