"""From rows to facts: the half of fact-gathering that needs no database, so that every kind of books judges by the same figures.

Books fetch what they hold (one row a campaign, sums of the week, held room); everything that is decided about it is decided here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import ROUND_CEILING
from functools import lru_cache
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from knowledge.domain.action import PauseCampaign, Platform, PublishCampaign, ResumeCampaign, SetBudget
from knowledge.domain.campaign import Delivery, PlatformCampaign
from knowledge.domain.clock import Day, day_bounds, days_between, week_bounds
from knowledge.domain.fact_currency import Converter
from knowledge.domain.facts import (
    BudgetFacts,
    CampaignFacts,
    Exposure,
    Facts,
    LastRaise,
    Listed,
    Rejection,
    Reservation,
    UnreadDay,
)
from knowledge.domain.grant import GrantFact
from knowledge.domain.money import Money
from knowledge.domain.policy import Guardrails, Policy
from knowledge.domain.rates import Rate

RUNNING = ("active", "testing", "scaling")
LIVE = ("active", "in_review", "with_issues", "unknown")
"""Deliveries that may spend. Unknown counts: doubt is never room."""
COUNTED = ("authorised", "executing", "unknown", "done")
ADJUSTMENTS = ("campaign.set_budget", "campaign.pause", "campaign.resume")
CHANGES = (*ADJUSTMENTS, "campaign.publish")

RAISE_MEMORY = timedelta(days=14)
"""How long a raise is answerable for what the ROAS does: after that, seasons and creatives have changed more than it did."""

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
    window_start: datetime
    """Where the policy's sliding window of cumulative raises begins."""
    rejected_since: datetime
    raised_since: datetime
    past: tuple[Day, ...] = ()
    """The days of this week before today."""

    @classmethod
    def at(cls, now: datetime, zone: str, guardrails: Guardrails | None = None) -> Windows:
        """`guardrails` give the lengths of the sliding window and of a rejection's memory; their defaults without them."""
        days = guardrails.financial.cumulative_days if guardrails else 7
        memory = guardrails.quality.rejection_memory_hours if guardrails else 72
        local = now.astimezone(ZoneInfo(zone))
        week = _week(local.date(), local.fold, zone)
        return cls(
            now,
            week.today,
            week.monday,
            week.day_start,
            week.day_end,
            week.week_end,
            now - timedelta(hours=24),
            week.today - timedelta(days=7),
            now - timedelta(days=days),
            now - timedelta(hours=memory),
            now - RAISE_MEMORY,
            week.past,
        )


class _Week(NamedTuple):
    today: date
    monday: date
    day_start: datetime
    day_end: datetime
    week_end: datetime
    past: tuple[Day, ...]


@lru_cache(maxsize=64)
def _week(today: date, fold: int, zone: str) -> _Week:
    """The bounds of a local day and of its week: the same for every judgement of the day."""
    noon = datetime(today.year, today.month, today.day, 12, tzinfo=ZoneInfo(zone), fold=fold)
    day_start, day_end = day_bounds(noon, zone)
    week_start, week_end = week_bounds(noon, zone)
    monday = week_start.astimezone(ZoneInfo(zone)).date()
    return _Week(today, monday, day_start, day_end, week_end, days_between(monday, today, zone))


@dataclass(frozen=True)
class LedgerRows:
    """What the books hold of one workspace, fetched in one transaction. Minor units of the row's own currency.

    `campaigns`: id platform external_id status delivery currency daily_budget_minor spent_today highest_today, and of the first
    budget change of the day day_from_minor day_to_minor (from None: launched then; both None: no change), ordered by id,
    external_id never None. The judged campaign's row besides: name launched_at spend7 revenue7 impressions7 day_ago_minor
    first_to_minor last_raise_at launch_budget_minor emergency_stop, the first change of the sliding window (window_from_minor
    window_to_minor), and of the newest raise within RAISE_MEMORY, None without one: raise_from_minor raise_to_minor, and of the
    complete days before (seven) and since: raise_spend_before raise_revenue_before raise_spend_since raise_revenue_since
    raise_impressions_since.
    `held`: action_id campaign_id platform exposure_minor currency, ordered by action_id, the judged action's own left out.
    `spent`: one row an object of the ad accounts: platform external_id before today (this week before today, and today).
    `moves`: changes of campaigns decided or done today, oldest first: campaign_id kind done (whether it happened), own left out.
    `rejections`: people's noes to the same campaign, newest first: action_id kind proposed_minor current_minor by reason at; both
    amounts as the platform counts them, in the account's own currency.
    `listed`: blacklist entries that may concern the publication: kind value reason added_by, ordered.
    `week_foreign`: whether a row of the week is in another currency than the policy's.
    """

    campaigns: Sequence[Row]
    held: Sequence[Row]
    week_spent: int
    week_foreign: bool
    adjustments: int
    spent: Sequence[Row] = ()
    moves: Sequence[Row] = ()
    rejections: Sequence[Row] = ()
    listed: Sequence[Row] = ()
    grants: Sequence[Row] = ()
    """Living grants for the action's kind: id action_kind max_amount_minor currency max_change left expires_at rejections_in_row undone."""
    rates: Sequence[Rate] = ()
    """Exchange rates that are recent enough; rows of another currency than the policy's are converted by them."""
    account_zone: str | None = None
    """The time zone that the action's ad account stated when it was last read."""
    unread: Sequence[Row] = ()
    """Campaigns of ours that ran on a day of this week which nobody has read since it ended: campaign_id platform day currency
    highest_then (the highest budget in force that day) spent_then (as far as it was measured), by day and campaign."""


def campaign_facts(
    facts: Facts,
    action: CampaignAction,
    platform: tuple[PlatformCampaign, ...] | None,
    policy: Policy,
    at: Windows,
    rows: LedgerRows,
    read: frozenset[Platform] | None = None,
) -> Facts:
    """`facts` with the campaign, the workspace's budget and what could not be read. `platform` None: no read was made.

    `read`: the platforms whose campaigns are all in `platform`; the action's own when it is not said.
    """
    unreadable, unclear = list[str](), list[str]()
    whole = read if read is not None else frozenset([action.platform] if platform is not None else [])

    def doubted(name: Platform) -> list[str]:
        """Where a doubt about a platform is noted: about the action's own nothing is decided, about another one a person may."""
        return unreadable if name == action.platform else unclear

    native, exchange, currency = rows.campaigns, Converter(policy, at.today, rows.rates), policy.currency
    rows = replace(
        rows, campaigns=exchange.rows(rows.campaigns), held=exchange.rows(rows.held), spent=exchange.rows(rows.spent),
        unread=exchange.rows(rows.unread),
    )  # fmt: skip
    fresh = {(p.platform, p.external_id): p for p in platform or ()}
    if any([p.daily_budget is not None and p.daily_budget.currency != currency for p in fresh.values()]):
        fresh = {where: exchange.campaign(p) for where, p in fresh.items()}
    exposures: list[Exposure] = []
    target: CampaignFacts | None = None
    spent = {(r["platform"], r["external_id"]): r for r in rows.spent}
    moves: dict[str, list[Row]] = {}
    for move in rows.moves:
        moves.setdefault(move["campaign_id"], []).append(move)
    target_id = action.campaign_id
    for as_kept, row in zip(native, rows.campaigns, strict=True):
        ident, name = row["id"], row["platform"]
        where = name, row["external_id"]
        read_of, of_week = fresh.pop(where, None), spent.pop(where, None) if spent else None
        said: _Said | None = None
        if read_of is not None:
            amount = read_of.daily_budget
            said = (read_of.delivery, None, None) if amount is None else (read_of.delivery, amount.minor, amount.currency)
        # What makes its exposure besides its row: the platform's word, and what it spent in this week before today.
        of = said, 0 if of_week is None else int(of_week["before"]), currency
        still = read_of is not None and ident != target_id and ident not in moves
        if still and (before := _SEEN.get(ident)) is not None and before[0] == of and before[1] == row:
            exposures.append(before[2])
            continue
        if row["currency"] != currency or row["daily_budget_minor"] is None:
            unreadable.append(f"{ident}.currency")
            if ident == target_id and row["daily_budget_minor"] is not None:
                # Without a rate nothing may be spent on it, but it can still be stopped: its facts stay in its own currency.
                target = _target(row, read_of, policy.model_copy(update={"currency": row["currency"]}))
            continue
        if read_of is None and name in whole and row["status"] in RUNNING:
            doubted(name).append(f"{name}.{row['external_id']}")
        exposures.append(_exposure(row, *of, moves.get(ident, ())))
        if still:
            if len(_SEEN) >= _MANY:
                _SEEN.clear()
            _SEEN[ident] = of, row, exposures[-1]
        if ident == target_id:
            target = _target(row, read_of, policy)
            if as_kept["currency"] != currency:
                named = next((p.daily_budget for p in platform or () if (p.platform, p.external_id) == where), None)
                kept = Money(minor=as_kept["daily_budget_minor"], currency=as_kept["currency"])
                target = target.model_copy(update={"native_budget": named or kept})
            if platform is not None and read_of is None:
                unreadable.append(f"{row['platform']}.{row['external_id']}")
    # Somebody else's campaigns in the same ad account spend the same money.
    for (name, external_id), campaign in sorted(fresh.items()):
        if campaign.delivery not in LIVE:
            continue
        of_week = spent.pop((name, external_id), None)
        if campaign.daily_budget is None or campaign.daily_budget.currency != policy.currency:
            doubted(campaign.platform).append(f"{name}.{external_id}.daily_budget")
            continue
        exposures.append(
            Exposure(
                campaign_id=f"{name}:{external_id}",
                platform=campaign.platform,
                delivering=True,
                daily_budget=campaign.daily_budget,
                highest_today=campaign.daily_budget,
                spent_today=_money(of_week["today"] if of_week else 0, policy),
                spent_week=_money(of_week["before"] if of_week else 0, policy),
            )
        )
    # What is gone or stopped and not ours has spent all the same.
    for (name, external_id), of_week in sorted(spent.items()):
        if not (of_week["today"] or of_week["before"]):
            continue
        exposures.append(
            Exposure(
                campaign_id=f"{name}:{external_id}",
                platform=of_week["platform"],
                delivering=False,
                daily_budget=_money(0, policy),
                highest_today=_money(0, policy),
                spent_today=_money(of_week["today"], policy),
                spent_week=_money(of_week["before"], policy),
            )
        )
    if any(row.get("foreign") for row in rows.spent) or (rows.week_foreign and not rows.spent):
        unreadable.append("analytics.currency")
    asked = getattr(action, "daily_budget", None)
    if asked is not None:
        exchange.money(asked)  # the rate by which the judge will look at it
    unreadable += exchange.missing
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
        spent_week_before_today=_money(sum(r["before"] for r in rows.spent) if rows.spent else rows.week_spent, policy),
        days_left_after_today=max(0, round((at.week_end - at.day_end).total_seconds() / 86400)),
        adjustments_today=rows.adjustments,
        spent_week_by_platform=_by_platform(rows.spent, policy),
        unread_days=_unread(rows.unread, policy),
    )
    return facts.model_copy(
        update={
            "campaign": target,
            "budget": budget,
            "rejections": tuple(_rejection(row) for row in rows.rejections),
            "grants": tuple(grant_fact(row) for row in rows.grants),
            "rates": tuple(exchange.used[pair] for pair in sorted(exchange.used)),
            "blacklist": tuple(Listed.model_validate(dict(row)) for row in rows.listed),
            "account_zone": _other_days(rows.account_zone, at),
            "unreadable": tuple(sorted(set(unreadable))),
            "unclear": tuple(sorted(set(unclear))),
        }
    )


def grant_fact(row: Row) -> GrantFact:
    """A grant as the rules read it."""
    bound = Money(minor=int(row["max_amount_minor"]), currency=row["currency"])
    return GrantFact.model_validate(
        {k: row[k] for k in ("id", "action_kind", "max_change", "left", "expires_at", "rejections_in_row", "undone")}
        | {"max_amount": bound}
    )


def _money(minor: Any, policy: Policy) -> Money:
    """An amount of the books in the policy's currency: rows of another one were converted before, or are refused."""
    return _amount(int(minor), policy.currency)


@lru_cache(maxsize=4096)
def _amount(minor: int, currency: str) -> Money:
    """Amounts are frozen, and a workspace's campaigns share few of them: each is checked once, not six times a campaign and pass."""
    return Money(minor=minor, currency=currency)


def _by_platform(spent: Sequence[Row], policy: Policy) -> dict[Platform, Money]:
    sums: dict[Platform, Money] = {}
    for row in sorted(spent, key=lambda r: str(r["platform"])):
        name: Platform = row["platform"]
        sums[name] = sums.get(name, _money(0, policy)) + _money(row["before"], policy)
    return sums


def _other_days(zone: str | None, at: Windows) -> str | None:
    """The account's time zone when its day now is another one than the policy's. A zone that nobody knows is another one."""
    if zone is None:
        return None
    try:
        return None if day_bounds(at.now, zone) == (at.day_start, at.day_end) else zone
    except (ZoneInfoNotFoundError, ValueError):
        return zone


def _unread(rows: Sequence[Row], policy: Policy) -> tuple[UnreadDay, ...]:
    """What nobody has measured yet counts at its worst: by its highest budget, overspend included, less what is known already."""
    found: list[UnreadDay] = []
    for row in rows:
        if row["currency"] != policy.currency or row["highest_then"] is None:
            continue  # without a rate, or without any budget, the campaign itself is named as unreadable
        worst = _money(row["highest_then"], policy).times(policy.multiplier(row["platform"]), ROUND_CEILING)
        assumed = worst.minor - int(row["spent_then"])
        if assumed > 0:
            where = {"campaign_id": row["campaign_id"], "platform": row["platform"], "day": row["day"]}
            found.append(UnreadDay(**where, assumed=_money(assumed, policy)))
    return tuple(found)


def _rejection(row: Row) -> Rejection:
    proposed, current = row["proposed_minor"], row["current_minor"]
    direction: Literal["up", "down"] | None = None
    if row["kind"] == "campaign.set_budget" and proposed is not None and current is not None:
        direction = "up" if int(proposed) > int(current) else "down"
    return Rejection(
        action_id=row["action_id"],
        kind=row["kind"],
        direction=direction,
        by=row["by"],
        reason=row["reason"],
        at=row["at"],
    )


def _budget_now(row: Row, read_of: PlatformCampaign | None) -> tuple[Money, Money]:
    """(budget in force, budget by our ledger): the platform's own word wins where there is one."""
    ledger = _amount(row["daily_budget_minor"], row["currency"])
    return (read_of.daily_budget if read_of and read_of.daily_budget else ledger), ledger


def _began_running(moves: Sequence[Row]) -> bool | None:
    """Whether it ran when the local day began, as far as the day's changes tell. Unfinished ones have changed nothing yet."""
    done = [m["kind"] for m in moves if m["done"] and m["kind"] in ("campaign.pause", "campaign.resume")]
    return done[0] == "campaign.pause" if done else None


_Said = tuple[Delivery, int | None, str | None]
"""What a platform says of a campaign: its delivery, and the daily budget where it names one."""
_SEEN: dict[str, tuple[tuple[_Said | None, int, str], Row, Exposure]] = {}
"""Most campaigns are the same from one pass to the next, and there may be hundreds: by id, what each was made of when it was last
looked at, and its exposure. Of those alone that nothing was doubted about."""
_MANY = 8192


def _exposure(row: Row, said: _Said | None, week: int, currency: str, moves: Sequence[Row]) -> Exposure:
    """Of a campaign's row, what its platform says (None: it was not read, or does not know it), what it spent in this week before today,
    and its changes of today."""
    ledger: int = row["daily_budget_minor"]
    running, budget, budget_currency = said or (None, None, None)
    if budget is None or budget_currency is None:
        budget, budget_currency = ledger, row["currency"]
    meant, live, first = row["status"] in RUNNING, row["delivery"] in LIVE, row.get("day_from_minor")
    began = _began_running(moves) if moves else None
    if not (meant and live if began is None else began):
        start = 0  # it did not run then
    elif first is not None:
        start = int(first)
    else:  # a first change without a budget before it is the launch
        start = ledger if row.get("day_to_minor") is None else 0
    return Exposure(
        campaign_id=row["id"],
        platform=row["platform"],
        # Of a platform that was not read: what we mean to run, and what was last seen running although we did not mean it to.
        delivering=meant or live if running is None else running in LIVE,
        daily_budget=_amount(budget, budget_currency),
        highest_today=_amount(max(int(row["highest_today"]), budget, ledger), currency),
        spent_today=_amount(int(row["spent_today"]), currency),
        spent_week=_amount(week, currency),
        start_of_day=_amount(start, currency),
        touched_today=bool(moves),
    )


def _target(row: Row, read_of: PlatformCampaign | None, policy: Policy) -> CampaignFacts:
    budget, ledger = _budget_now(row, read_of)
    baseline = row["day_ago_minor"] if row["day_ago_minor"] is not None else row["first_to_minor"]
    window = row.get("window_from_minor") if row.get("window_from_minor") is not None else row.get("window_to_minor")
    return CampaignFacts(
        campaign_id=row["id"],
        platform=row["platform"],
        name=row["name"],
        external_id=row["external_id"],
        status=row["status"],
        delivery=read_of.delivery if read_of else row["delivery"],
        daily_budget=budget,
        ledger_budget=ledger,
        baseline_budget=_money(baseline, policy) if baseline is not None else ledger,
        launched_at=row["launched_at"],
        last_raise_at=row["last_raise_at"],
        impressions_7d=int(row["impressions7"]),
        spend_7d=_money(row["spend7"], policy),
        revenue_7d=_money(row["revenue7"], policy),
        read_at=read_of.read_at if read_of else None,
        window_budget=_money(window, policy) if window is not None else ledger,
        launch_budget=_money(row["launch_budget_minor"], policy) if row.get("launch_budget_minor") is not None else None,
        last_raise=_last_raise(row, policy),
        emergency_stop=bool(row.get("emergency_stop")),
    )


def _last_raise(row: Row, policy: Policy) -> LastRaise | None:
    if row.get("raise_from_minor") is None or row["last_raise_at"] is None:
        return None
    return LastRaise(
        at=row["last_raise_at"],
        from_budget=_money(row["raise_from_minor"], policy),
        to_budget=_money(row["raise_to_minor"], policy),
        spend_before=_money(row["raise_spend_before"], policy),
        revenue_before=_money(row["raise_revenue_before"], policy),
        spend_since=_money(row["raise_spend_since"], policy),
        revenue_since=_money(row["raise_revenue_since"], policy),
        impressions_since=int(row["raise_impressions_since"]),
    )
