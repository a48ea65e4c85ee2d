"""From rows to facts: the half of fact-gathering that needs no database, so that every kind of books judges by the same figures.

Books fetch what they hold (one row a campaign, sums of the week, held room); everything that is decided about it is decided here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from knowledge.domain.action import PauseCampaign, PublishCampaign, ResumeCampaign, SetBudget
from knowledge.domain.campaign import PlatformCampaign
from knowledge.domain.clock import day_bounds, week_bounds
from knowledge.domain.facts import BudgetFacts, CampaignFacts, Exposure, Facts, Reservation
from knowledge.domain.money import Money
from knowledge.domain.policy import Policy

RUNNING = ("active", "testing", "scaling")
LIVE = ("active", "in_review", "with_issues", "unknown")
"""Deliveries that may spend. Unknown counts: doubt is never room."""
COUNTED = ("authorised", "executing", "unknown", "done")
ADJUSTMENTS = ("campaign.set_budget", "campaign.pause", "campaign.resume")

CampaignAction = PublishCampaign | SetBudget | PauseCampaign | ResumeCampaign
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Windows:
    """The stretches of time that facts are summed over: the account-local day and week, the last 24 hours and seven days."""

    now: datetime
    today: date
    monday: date
    day_start: datetime
    day_end: datetime
    week_end: datetime
    day_ago: datetime
    week_ago: date

    @classmethod
    def at(cls, now: datetime, zone: str) -> Windows:
        day_start, day_end = day_bounds(now, zone)
        week_start, week_end = week_bounds(now, zone)
        today = now.astimezone(ZoneInfo(zone)).date()
        monday = week_start.astimezone(ZoneInfo(zone)).date()
        return cls(now, today, monday, day_start, day_end, week_end, now - timedelta(hours=24), today - timedelta(days=7))


@dataclass(frozen=True)
class LedgerRows:
    """What the books hold of one workspace, fetched in one transaction. Minor units of the row's own currency.

    `campaigns`: id platform name external_id status delivery currency daily_budget_minor launched_at spent_today spend7 revenue7
    impressions7 highest_today day_ago_minor first_to_minor last_raise_at, ordered by id, external_id never None.
    `held`: action_id campaign_id platform exposure_minor currency, ordered by action_id, the judged action's own left out.
    `week_foreign`: whether a row of the week is in another currency than the policy's.
    """

    campaigns: Sequence[Row]
    held: Sequence[Row]
    week_spent: int
    week_foreign: bool
    adjustments: int


def campaign_facts(
    facts: Facts,
    action: CampaignAction,
    platform: tuple[PlatformCampaign, ...] | None,
    policy: Policy,
    at: Windows,
    rows: LedgerRows,
) -> Facts:
    """`facts` with the campaign, the workspace's budget and what could not be read. `platform` None: no read was made."""
    unreadable = list[str]()
    fresh = {(p.platform, p.external_id): p for p in platform or ()}
    exposures: list[Exposure] = []
    target: CampaignFacts | None = None
    known: set[tuple[str, str]] = set()
    for row in rows.campaigns:
        known.add((row["platform"], row["external_id"]))
        read_of = fresh.get((row["platform"], row["external_id"]))
        if row["currency"] != policy.currency or row["daily_budget_minor"] is None:
            unreadable.append(f"{row['id']}.currency")
            continue
        if row["platform"] == action.platform and platform and read_of is None and row["status"] in RUNNING:
            unreadable.append(f"{row['platform']}.{row['external_id']}")
        exposures.append(_exposure(row, read_of, policy))
        if row["id"] == action.campaign_id:
            target = _target(row, read_of, policy)
            if platform is not None and read_of is None:
                unreadable.append(f"{row['platform']}.{row['external_id']}")
    # Somebody else's campaigns in the same ad account spend the same money.
    for (name, external_id), campaign in sorted(fresh.items()):
        if (name, external_id) in known or campaign.delivery not in LIVE:
            continue
        if campaign.daily_budget is None or campaign.daily_budget.currency != policy.currency:
            unreadable.append(f"{name}.{external_id}.daily_budget")
            continue
        exposures.append(
            Exposure(
                campaign_id=f"{name}:{external_id}",
                platform=campaign.platform,
                delivering=True,
                daily_budget=campaign.daily_budget,
                highest_today=campaign.daily_budget,
                spent_today=Money.zero(policy.currency),
            )
        )
    if rows.week_foreign:
        unreadable.append("analytics.currency")
    budget = BudgetFacts(
        exposures=tuple(exposures),
        reservations=tuple(
            Reservation(
                action_id=str(r["action_id"]),
                campaign_id=r["campaign_id"],
                platform=r["platform"],
                daily_budget=Money(minor=r["exposure_minor"], currency=r["currency"]),
            )
            for r in rows.held
        ),
        spent_week_before_today=Money(minor=rows.week_spent, currency=policy.currency),
        days_left_after_today=max(0, round((at.week_end - at.day_end).total_seconds() / 86400)),
        adjustments_today=rows.adjustments,
    )
    return facts.model_copy(update={"campaign": target, "budget": budget, "unreadable": tuple(sorted(set(unreadable)))})


def _budget_now(row: Row, read_of: PlatformCampaign | None) -> tuple[Money, Money]:
    """(budget in force, budget by our ledger): the platform's own word wins where there is one."""
    ledger = Money(minor=row["daily_budget_minor"], currency=row["currency"])
    return (read_of.daily_budget if read_of and read_of.daily_budget else ledger), ledger


def _exposure(row: Row, read_of: PlatformCampaign | None, policy: Policy) -> Exposure:
    budget, ledger = _budget_now(row, read_of)
    return Exposure(
        campaign_id=row["id"],
        platform=row["platform"],
        delivering=read_of.delivery in LIVE if read_of else row["status"] in RUNNING,
        daily_budget=budget,
        highest_today=Money(minor=max(int(row["highest_today"]), budget.minor, ledger.minor), currency=policy.currency),
        spent_today=Money(minor=int(row["spent_today"]), currency=policy.currency),
    )


def _target(row: Row, read_of: PlatformCampaign | None, policy: Policy) -> CampaignFacts:
    budget, ledger = _budget_now(row, read_of)
    baseline = row["day_ago_minor"] if row["day_ago_minor"] is not None else row["first_to_minor"]
    return CampaignFacts(
        campaign_id=row["id"],
        platform=row["platform"],
        name=row["name"],
        external_id=row["external_id"],
        status=row["status"],
        delivery=read_of.delivery if read_of else row["delivery"],
        daily_budget=budget,
        ledger_budget=ledger,
        baseline_budget=Money(minor=int(baseline), currency=policy.currency) if baseline is not None else budget,
        launched_at=row["launched_at"],
        last_raise_at=row["last_raise_at"],
        impressions_7d=int(row["impressions7"]),
        spend_7d=Money(minor=int(row["spend7"]), currency=policy.currency),
        revenue_7d=Money(minor=int(row["revenue7"]), currency=policy.currency),
        read_at=read_of.read_at if read_of else None,
    )
