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
from datetime import date, datetime, timedelta
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
    "unplanned_spend", "rate_missing", "over_platform_cap", "over_campaign_cap", "over_platform_week_cap",
    "over_campaign_week_cap", "over_own_cap_unread",
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
class Before:
    """What a campaign has cost in the account-local week before today: as measured, and what days that nobody has read may have cost
    beyond that. `campaign_id` is None for what is not ours."""

    platform: Platform
    campaign_id: str | None
    measured: Money
    assumed: Money


@dataclass(frozen=True)
class Watch:
    """Everything one cycle looks at. `week`: what was spent in the week before today, by campaign."""

    now: datetime
    accounts: tuple[Account, ...]
    week: tuple[Before, ...] = ()
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
    lines, missing = _today(watch, policy)
    assumed = total((line.assumed for line in lines), policy.currency)
    spent = total((line.measured for line in lines), policy.currency)
    return Counted(spent + assumed, assumed, tuple(sorted({r.platform for r in lines if r.unread})), tuple(sorted(missing)))


@dataclass(frozen=True)
class _Line:
    """One campaign's day, or its week before today, in the policy's currency. `unread`: a part of it nobody has read."""

    platform: Platform
    campaign_id: str | None
    measured: Money
    assumed: Money
    unread: bool


def _today(watch: Watch, policy: Policy) -> tuple[list[_Line], set[str]]:
    """Every campaign's day, and the pairs of currencies without a rate, whose amounts are missing."""
    lines: list[_Line] = []
    missing: set[str] = set()
    for account in watch.accounts:
        for one in account.campaigns:
            try:
                real, assumed = _in(one.spent, policy, watch), Money.zero(policy.currency)
                unread = not account.read and (one.meant_to_run or one.delivery in DELIVERING)
                if unread and one.plan is not None:
                    worst = _in(one.plan.times(policy.multiplier(account.platform), ROUND_CEILING), policy, watch)
                    assumed = max(worst - real, assumed)
                lines.append(_Line(account.platform, one.campaign_id, real, assumed, unread))
            except NoRate as none:
                missing.add(f"{none.base}/{none.quote}")
    return lines, missing


def _before(watch: Watch, policy: Policy) -> tuple[list[_Line], set[str]]:
    """The week before today, as `_today`."""
    lines: list[_Line] = []
    missing: set[str] = set()
    for one in watch.week:
        try:
            measured, assumed = _in(one.measured, policy, watch), _in(one.assumed, policy, watch)
            lines.append(_Line(one.platform, one.campaign_id, measured, assumed, assumed.minor > 0))
        except NoRate as none:
            missing.add(f"{none.base}/{none.quote}")
    return lines, missing


@dataclass(frozen=True)
class Use:
    """How much of one cap counts as spent: `assumed` is the part of `spent` that nobody measured, on the platforms in `unread`. Of the
    workspace's cap `platform` is None, of a platform's `campaign_id`. `since`: the day or the Monday it counts from; `pause`: what
    stops when it is passed."""

    span: Literal["day", "week"]
    since: date
    cap: Money
    spent: Money
    assumed: Money
    unread: tuple[Platform, ...]
    platform: Platform | None = None
    campaign_id: str | None = None
    name: str | None = None
    pause: tuple[Target, ...] = ()

    @property
    def over(self) -> bool:
        return self.spent > self.cap

    @property
    def scope(self) -> Literal["workspace", "platform", "campaign"]:
        return "campaign" if self.campaign_id else "platform" if self.platform else "workspace"

    @property
    def key(self) -> str:
        """The cause, as alerts name it."""
        place = {"workspace": "", "platform": f"_platform:{self.platform}", "campaign": f"_campaign:{self.campaign_id}"}[self.scope]
        head, _, rest = place.partition(":")
        return f"over{head}{'_week' if self.span == 'week' else ''}:{rest + ':' if rest else ''}{self.since}"

    @property
    def params(self) -> dict[str, Any]:
        """What its sentences may need."""
        given: dict[str, Any] = {"spent": self.spent, "cap": self.cap, "assumed": self.assumed, "platforms": list(self.unread)}
        if self.platform is not None:
            given |= {"platform": self.platform, "which": f"{self.scope}_{self.span}", "who": self.name or self.platform}
        return given | ({"campaign": self.name} if self.campaign_id else {})


def uses(watch: Watch, policy: Policy) -> list[Use]:
    """Every cap that is in force with what counts against it: the workspace's, and of platforms and campaigns those that have one of
    their own. The workspace's first."""
    today = watch.now.astimezone(ZoneInfo(policy.time_zone)).date()
    lines, before = _today(watch, policy)[0], _before(watch, policy)[0]
    ours = [(a, c) for a in watch.accounts for c in a.campaigns if c.campaign_id]
    found: list[Use] = []

    def use(span: Literal["day", "week"], cap: Money, platform: Platform | None = None, one: Watched | None = None) -> None:
        mine = one.campaign_id if one else None
        rows = [
            line
            for line in (lines if span == "day" else [*before, *lines])
            if platform in (None, line.platform) and mine in (None, line.campaign_id)
        ]
        spent, assumed = total((r.measured for r in rows), policy.currency), total((r.assumed for r in rows), policy.currency)
        stops: tuple[Target, ...] = tuple(
            (a.platform, c.campaign_id)
            for a, c in ours
            if c.campaign_id and platform in (None, a.platform) and mine in (None, c.campaign_id) and _may_spend(a, c)
        )
        since = today if span == "day" else today - timedelta(days=today.weekday())
        unread: tuple[Platform, ...] = tuple(sorted({r.platform for r in rows if r.unread}))
        name = one.name if one else None
        found.append(Use(span, since, cap, spent + assumed, assumed, unread, platform, mine, name, stops))

    money = policy.guardrails.financial
    whole: dict[Literal["day", "week"], Money] = {"day": money.daily_cap, "week": money.weekly_cap}
    for span, cap in whole.items():
        use(span, cap)
    for span, cap in whole.items():  # an own cap that is not below the workspace's says nothing of its own
        for account in watch.accounts:
            if policy.platform_cap(account.platform, span) < cap:
                use(span, policy.platform_cap(account.platform, span), account.platform)
        for account, one in ours:
            if policy.campaign_cap(span) < cap:
                use(span, policy.campaign_cap(span), account.platform, one)
    return found


_OVER: dict[tuple[str, str], Kind] = {
    ("workspace", "day"): "over_cap", ("workspace", "week"): "over_week_cap", ("platform", "day"): "over_platform_cap",
    ("platform", "week"): "over_platform_week_cap", ("campaign", "day"): "over_campaign_cap",
    ("campaign", "week"): "over_campaign_week_cap",
}  # fmt: skip
_UNREAD: dict[Kind, Kind] = {"over_cap": "over_cap_unread", "over_week_cap": "over_week_cap_unread"}


def alarms(watch: Watch, policy: Policy) -> list[Alarm]:
    """Everything that is out of its plan now, worst first. Empty on a normal day."""
    now, money = watch.now, policy.guardrails.financial
    today = now.astimezone(ZoneInfo(policy.time_zone)).date()
    found: list[Alarm] = []
    count = counted(watch, policy)
    whole, *own = uses(watch, policy)
    for use in (whole, *own):
        if use.over and (use.pause or use.scope != "campaign"):
            kind = _OVER[use.scope, use.span]
            if use.assumed.minor:
                kind = _UNREAD.get(kind, "over_own_cap_unread")
            found.append(Alarm(use.key, kind, "critical", use.params, use.pause))
    measured = count.spent - count.assumed
    pace = min(Decimal(1), money.velocity_envelope * share_of_day(now, policy.time_zone))
    room = money.daily_cap.times(pace, ROUND_CEILING)
    # A pace is that of one day: where an account's day began at another moment, its spend says nothing of how far ours has gone.
    same_day = all(day_bounds(now, a.time_zone) == day_bounds(now, policy.time_zone) for a in watch.accounts)
    if same_day and room < measured <= money.daily_cap:
        params = {"spent": measured, "allowed": room, "cap": money.daily_cap}
        found.append(Alarm(f"pace:{today}", "workspace_velocity", "critical", params, whole.pause))
    for account in watch.accounts:
        found += _of_account(account, now, policy)
    for pair in sorted({*count.no_rate, *_before(watch, policy)[1]}):
        base, _, quote = pair.partition("/")
        found.append(Alarm(f"rate:{pair}", "rate_missing", "critical", {"base": base, "quote": quote, "day": today}))
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
