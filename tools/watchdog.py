"""Spend watchdog, the pure half: what the platforms really spent against what our books planned, and what follows from it.

A day's plan for a campaign is the highest budget that our own books had in force that day, times what its platform may overspend.
A budget somebody typed in at the platform is no plan: it is counted by the gate and reported as a disagreement of the books, and spend above
our own plan stops the campaign. Per campaign, spend and plan are compared in the account's currency, so that no exchange rate can
hide a runaway; only the caps, which are the workspace's, need a rate.

Cumulative spend is compared, not the last quarter of an hour: platforms report in lumps and catch up after a reporting delay, and
what a slow morning left over may be spent in the evening. Nothing is lost by it, since the whole day's plan is the worst case that
the gate already gave room to.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from typing import Any, Literal, TypeAlias
from zoneinfo import ZoneInfo

from knowledge.domain.action import Platform
from knowledge.domain.campaign import CampaignStatus, Delivery
from knowledge.domain.clock import day_bounds
from knowledge.domain.money import Money, total
from knowledge.domain.policy import Policy
from knowledge.domain.rates import NoRate, Rate, convert

HEAD_START = timedelta(hours=2)
"""By how much a platform may run ahead of an even day before its lead counts: its figures come in hourly lumps."""
REPORT_LAG = timedelta(hours=3)
"""How long after a pause spend of before it may still be reported."""
RUNNING: frozenset[CampaignStatus | None] = frozenset({"active", "testing", "scaling"})
DELIVERING: frozenset[Delivery | None] = frozenset({"active", "in_review", "with_issues"})

Target: TypeAlias = tuple[Platform, str]
"""A campaign of ours on its platform."""
Kind = Literal[
    "spend_velocity", "workspace_velocity", "over_cap", "over_cap_unread", "over_week_cap", "over_week_cap_unread", "outside_plan",
    "unplanned_spend", "rate_missing", "over_platform_cap", "over_campaign_cap",
]  # fmt: skip


@dataclass(frozen=True)
class Watched:
    """One campaign of an ad account as books and platform see it. Amounts in the account's currency.

    `campaign_id` is None for a campaign that is not ours. `delivery` is None where the platform did not show it. `plan` is the
    highest budget our books had in force today (the platform's own for a campaign that is not ours; None when nobody knows one).
    `grown`: the spend that came on top since the last look. `since`: (moment, spend then) from which a person let it run again.
    `busy`: an action on it is under way, or was done after the platform was read.
    """

    campaign_id: str | None
    external_id: str
    name: str
    status: CampaignStatus | None
    delivery: Delivery | None
    plan: Money | None
    spent: Money
    grown: Money
    paused_at: datetime | None = None
    since: tuple[datetime, Money] | None = None
    busy: bool = False

    @property
    def meant_to_run(self) -> bool:
        return self.status in RUNNING


@dataclass(frozen=True)
class Account:
    """One platform's ad account in this cycle. `read`: whether the platform answered; if not, `spent` is as far as it was read."""

    platform: Platform
    time_zone: str
    read: bool
    campaigns: tuple[Watched, ...]
    busy: bool = False


@dataclass(frozen=True)
class Watch:
    """Everything one cycle looks at. `spent_week_before_today` per currency, as measured."""

    now: datetime
    accounts: tuple[Account, ...]
    spent_week_before_today: tuple[Money, ...] = ()
    rates: tuple[Rate, ...] = ()


@dataclass(frozen=True)
class Alarm:
    """What is wrong, in numbers. `key` names the cause (one alert a cause); `pause` the campaigns of ours to stop at once."""

    key: str
    kind: Kind
    severity: Literal["warning", "critical"]
    params: dict[str, Any] = field(default_factory=dict[str, Any])
    pause: tuple[Target, ...] = ()


@dataclass(frozen=True)
class Counted:
    """Today's spend of the workspace. `assumed` is the part of `spent` that nobody measured: the worst case of the platforms in
    `unread`. `no_rate` names pairs without a recent rate, whose amounts are missing from `spent`."""

    spent: Money
    assumed: Money
    unread: tuple[Platform, ...]
    no_rate: tuple[str, ...]


def share_of_day(now: datetime, zone: str, since: datetime | None = None) -> Decimal:
    """How much of the account's local day has gone by (since midnight, or since a later moment), with the head start: 0-1."""
    start, end = day_bounds(now, zone)
    gone = now - max(start, since or start) + HEAD_START
    return min(Decimal(1), Decimal(int(gone.total_seconds())) / Decimal(int((end - start).total_seconds())))


def allowed(watched: Watched, platform: Platform, now: datetime, zone: str, policy: Policy) -> Money | None:
    """The most that the campaign may have spent by now; None when it has no plan to compare with."""
    if watched.plan is None:
        return None
    ceiling = watched.plan.times(policy.multiplier(platform), ROUND_CEILING)
    since, before = watched.since or (None, Money.zero(ceiling.currency))
    pace = min(Decimal(1), policy.guardrails.financial.velocity_envelope * share_of_day(now, zone, since))
    return before + ceiling.times(pace, ROUND_CEILING)


def counted(watch: Watch, policy: Policy) -> Counted:
    """What must count as spent today: as measured, and the whole worst case of what cannot be read."""
    spent = assumed = Money.zero(policy.currency)
    unread: set[Platform] = set()
    missing: set[str] = set()
    for account in watch.accounts:
        for one in account.campaigns:
            try:
                real = _in(one.spent, policy, watch)
                spent = spent + real
                if account.read or not (one.meant_to_run or one.delivery in DELIVERING):
                    continue
                unread.add(account.platform)
                if one.plan is not None:
                    worst = _in(one.plan.times(policy.multiplier(account.platform), ROUND_CEILING), policy, watch)
                    assumed = assumed + max(worst - real, Money.zero(policy.currency))
            except NoRate as none:
                missing.add(f"{none.base}/{none.quote}")
    return Counted(spent + assumed, assumed, tuple(sorted(unread)), tuple(sorted(missing)))


def alarms(watch: Watch, policy: Policy) -> list[Alarm]:
    """Everything that is out of its plan now, worst first. Empty on a normal day."""
    now, money = watch.now, policy.guardrails.financial
    today = now.astimezone(ZoneInfo(policy.time_zone)).date()
    ours: tuple[Target, ...] = tuple(
        (a.platform, c.campaign_id) for a in watch.accounts for c in a.campaigns if c.campaign_id and _may_spend(a, c)
    )
    found: list[Alarm] = []
    count = counted(watch, policy)
    words = {"spent": count.spent, "assumed": count.assumed, "platforms": list(count.unread)}
    if count.spent > money.daily_cap:
        kind = "over_cap_unread" if count.assumed.minor else "over_cap"
        found.append(Alarm(f"over:{today}", kind, "critical", words | {"cap": money.daily_cap}, ours))
    week, week_missing = _week(watch, policy)
    so_far = week + count.spent
    if so_far > money.weekly_cap:
        monday = today - timedelta(days=today.weekday())
        params = words | {"spent": so_far, "cap": money.weekly_cap}
        kind = "over_week_cap_unread" if count.assumed.minor else "over_week_cap"
        found.append(Alarm(f"over_week:{monday}", kind, "critical", params, ours))
    measured = count.spent - count.assumed
    pace = min(Decimal(1), money.velocity_envelope * share_of_day(now, policy.time_zone))
    room = money.daily_cap.times(pace, ROUND_CEILING)
    if room < measured <= money.daily_cap:
        params = {"spent": measured, "allowed": room, "cap": money.daily_cap}
        found.append(Alarm(f"pace:{today}", "workspace_velocity", "critical", params, ours))
    for account in watch.accounts:
        found += _over_own_caps(account, watch, policy)
        found += _of_account(account, now, policy)
    for pair in sorted({*count.no_rate, *week_missing}):
        base, _, quote = pair.partition("/")
        found.append(Alarm(f"rate:{pair}", "rate_missing", "critical", {"base": base, "quote": quote, "day": today}))
    return found


def _over_own_caps(account: Account, watch: Watch, policy: Policy) -> list[Alarm]:
    """What a platform or a campaign with a cap of its own really spent above it today."""
    today = watch.now.astimezone(ZoneInfo(account.time_zone)).date()
    found: list[Alarm] = []
    spent = Money.zero(policy.currency)
    whole, cap = policy.guardrails.financial.daily_cap, policy.campaign_cap("day")  # the workspace's is looked at above
    for one in account.campaigns:
        try:
            own = _in(one.spent, policy, watch)
        except NoRate:
            continue  # told by `counted`
        spent = spent + own
        if one.campaign_id is not None and cap < whole and own > cap and _may_spend(account, one):
            params = {"campaign": one.name, "platform": account.platform, "spent": own, "cap": cap}
            pause: tuple[Target, ...] = ((account.platform, one.campaign_id),)
            found.append(Alarm(f"over_campaign:{one.campaign_id}:{today}", "over_campaign_cap", "critical", params, pause))
    cap = policy.platform_cap(account.platform, "day")
    if cap < whole and spent > cap:
        ours: tuple[Target, ...] = tuple(
            (account.platform, c.campaign_id) for c in account.campaigns if c.campaign_id and _may_spend(account, c)
        )
        params = {"platform": account.platform, "spent": spent, "cap": cap}
        found.append(Alarm(f"over_platform:{account.platform}:{today}", "over_platform_cap", "critical", params, ours))
    return found


def _of_account(account: Account, now: datetime, policy: Policy) -> list[Alarm]:
    if not account.read:
        return []
    day = now.astimezone(ZoneInfo(account.time_zone)).date()
    found: list[Alarm] = []
    for one in account.campaigns:
        params: dict[str, Any] = {"campaign": one.name, "platform": account.platform, "spent": one.spent}
        if one.campaign_id is None:
            if (one.delivery in DELIVERING or one.grown.minor > 0) and not account.busy:
                key = f"unplanned:{account.platform}:{one.external_id}"
                found.append(Alarm(key, "unplanned_spend", "warning", params | {"budget": one.plan}))
            continue
        itself: Target = (account.platform, one.campaign_id)
        stop: tuple[Target, ...] = (itself,) if _may_spend(account, one) else ()
        most = allowed(one, account.platform, now, account.time_zone, policy)
        # Without growth nothing is left to stop: what is over stays over till midnight, and was reported when it happened.
        if most is not None and one.spent > most and (stop or one.grown.minor > 0):
            more = {"allowed": most, "budget": one.plan, "multiplier": policy.multiplier(account.platform)}
            found.append(Alarm(f"velocity:{one.campaign_id}:{day}", "spend_velocity", "critical", params | more, stop))
        elif not one.meant_to_run and not one.busy and (one.delivery in DELIVERING or _leaks(one, now)):
            more = {"status": one.status, "delivery": one.delivery, "grown": one.grown}
            found.append(Alarm(f"outside:{one.campaign_id}:{day}", "outside_plan", "critical", params | more, (itself,)))
    return found


def _may_spend(account: Account, one: Watched) -> bool:
    """Whether a pause would stop something: it delivers, or nobody can see that it does not."""
    if account.read and one.delivery is not None:
        return one.delivery in DELIVERING or one.delivery == "unknown"
    return one.meant_to_run


def _leaks(one: Watched, now: datetime) -> bool:
    """Whether a paused campaign went on spending, beyond what late reports explain."""
    return one.grown.minor > 0 and one.paused_at is not None and now - one.paused_at > REPORT_LAG


def _in(amount: Money, policy: Policy, watch: Watch) -> Money:
    day = watch.now.astimezone(ZoneInfo(policy.time_zone)).date()
    return convert(amount, policy.currency, day, watch.rates, policy.guardrails.financial.max_rate_age_days)


def _week(watch: Watch, policy: Policy) -> tuple[Money, set[str]]:
    missing: set[str] = set()
    amounts: list[Money] = []
    for amount in watch.spent_week_before_today:
        try:
            amounts.append(_in(amount, policy, watch))
        except NoRate as none:
            missing.add(f"{none.base}/{none.quote}")
    return total(amounts, policy.currency), missing
