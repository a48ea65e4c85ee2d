"""Durable, by the clock: what executed actions really changed is measured, recorded, and revised while figures are still restated.

Idempotent: one row per action and effect; the same figures give the same verdict and write nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from knowledge.domain.books import ActionRecord
from knowledge.domain.grant import grant_of
from knowledge.domain.money import EXPONENTS, Money
from knowledge.domain.outcome import HORIZON_HOURS, Effect, EffectVerdict, Expectation, Interval, Metric, expectation_of
from runtime.db.outcomes import Outcome, Outcomes, Range
from tools.verdicts import PRE_DAYS, Case, Day, Series, at_budget, horizon_days, judge, look_back

if TYPE_CHECKING:
    from runtime.db.campaigns import BudgetChange, CampaignRecord
    from runtime.wiring import House

CONVERSION_DELAY = timedelta(hours=24)
"""After the last day of the horizon, until most of its orders are known."""
ATTRIBUTION = timedelta(days=7)
"""How long the platforms may still restate a day (ads.md 1.4): after it, a verdict is final."""
REVISION_SHARE = Decimal("0.02")
"""A figure that moved less, against the width of its interval, is not worth a new word."""
ACTOR = "system:verdicts"


@dataclass(frozen=True)
class _Act:
    """One executed action on a campaign, as the time line needs it."""

    action_id: str
    campaign_id: str
    kind: str
    at: datetime
    day: date


@dataclass(frozen=True)
class _Ledger:
    """What all verdicts of one run are made from."""

    now: datetime
    zone: ZoneInfo
    campaigns: Mapping[str, CampaignRecord]
    figures: Mapping[str, dict[date, Day]]
    currencies: Mapping[str, str]
    acts: Mapping[str, list[_Act]]
    changes: Mapping[str, list[BudgetChange]]
    margins: Mapping[str, float]
    read_at: Mapping[str, datetime]
    currency: str

    def local(self, moment: datetime) -> date:
        return moment.astimezone(self.zone).date()

    def start_of(self, day: date) -> datetime:
        return datetime(day.year, day.month, day.day, tzinfo=self.zone)


async def verdicts(house: House, slot: datetime) -> dict[str, Any]:
    """Records every verdict that is due and revises those whose figures were restated. Returns the counts."""
    now = house.clock.now()
    async with house.db.transaction() as tx:
        due = await tx.outcomes.due(now, now - CONVERSION_DELAY, workspace=house.policy().workspace)
    if not due:
        return {"recorded": 0, "revised": 0}
    async with house.books.transaction() as books:
        records = [r for r in [await books.action(action_id) for action_id in due] if r is not None]
    ledger = await _ledger(house, records)
    counts = {"recorded": 0, "revised": 0}
    for record in records:
        found = assess(record, ledger)
        if found:
            what = await _keep(house, record, found, now)
            if what is not None:
                counts[what] += 1
    return counts


async def _ledger(house: House, records: Sequence[ActionRecord]) -> _Ledger:
    policy, now = house.policy(), house.clock.now()
    zone = ZoneInfo(policy.time_zone)
    oldest = min((r.closed_at or r.created_at for r in records), default=now)
    since = oldest.astimezone(zone).date() - timedelta(days=PRE_DAYS + 1)
    async with house.db.transaction() as tx:
        campaigns = {c.id: c for c in await tx.campaigns.list()}
        days = await tx.analytics.days(since, now.astimezone(zone).date(), workspace=policy.workspace)
        margins = {p.product.id: float(p.product.margin) for p in await tx.products.list()}
        changes = await tx.campaigns.budget_changes()
        read_at = await tx.outcomes.read_at()
        done = await tx.outcomes.acts(workspace=policy.workspace)
    acts = [_Act(a.action_id, a.campaign_id, a.kind, a.at, a.at.astimezone(zone).date()) for a in done]
    figures: dict[str, dict[date, Day]] = {}
    currencies: dict[str, str] = {}
    for day in days:
        if day.campaign_id is not None:
            row = day.row
            figures.setdefault(day.campaign_id, {})[row.day] = Day(
                float(row.spend.amount), float(row.revenue.amount), float(row.conversions), row.provisional
            )
            currencies[day.campaign_id] = row.spend.currency
    return _Ledger(
        now=now, zone=zone, campaigns=campaigns, figures=figures, currencies=currencies, acts=_by_campaign(acts),
        changes=_by_campaign(changes), read_at=read_at, currency=policy.currency,
        margins={c.id: margins[c.product_id] for c in campaigns.values() if c.product_id in margins},
    )  # fmt: skip


def _by_campaign(items: Iterable[Any]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for item in items:
        found.setdefault(item.campaign_id, []).append(item)
    return found


# -- one action ------------------------------------------------------------------------------------------------------------------


def assess(record: ActionRecord, ledger: _Ledger) -> list[Outcome]:
    """The verdicts of one action as far as they can be given now; empty while its days are not over or not read."""
    action: Any = record.action
    done_at = record.closed_at or record.decided_at
    campaign = ledger.campaigns.get(action.campaign_id)
    expectation = expectation_of(record.expected)
    head = expectation.headline if expectation is not None else None
    hours = head.horizon_hours if head is not None else HORIZON_HOURS
    acted = ledger.local(done_at)
    wanted = horizon_days(acted, hours)
    ends = _ends(record, ledger)
    last = min(wanted[-1], ends) if ends is not None else wanted[-1]
    over = ledger.start_of(max(last, acted) + timedelta(days=1)) + CONVERSION_DELAY
    final_at = over + ATTRIBUTION
    if ledger.now < over:
        return []
    read_at = ledger.read_at.get(action.platform)
    read = read_at is not None and read_at >= over
    final = ledger.now >= final_at
    if not read and not final:
        return []  # the figures of these days are still to come
    metrics = _metrics(expectation, campaign is not None and campaign.id in ledger.margins)
    currency = ledger.currencies.get(action.campaign_id) or (head.mid.currency if head else ledger.currency)
    if not read:
        found = [EffectVerdict(metric=m, horizon_hours=hours, answer="undefined", reason="unread") for m in metrics]
    elif head is not None and head.mid.currency != currency:
        found = [EffectVerdict(metric=m, horizon_hours=hours, answer="undefined", reason="other_currency") for m in metrics]
    else:
        found = judge(_case(record, expectation, acted, hours, ends, ledger), metrics)
    return [_outcome(record, expectation, v, n == 0, currency, final, done_at, ledger.now) for n, v in enumerate(found)]


def _metrics(expectation: Expectation | None, margin_known: bool) -> list[Metric]:
    """What was promised, the headline first; beside it, what the account's owner would ask about, promised or not."""
    gain: Metric = "profit" if margin_known else "revenue"
    if expectation is None or not expectation.effects:
        return [gain, "spend"]
    promised: list[Metric] = [effect.metric for effect in expectation.effects]
    return promised if {"profit", "revenue"} & set(promised) else [*promised, gain]


def _ends(record: ActionRecord, ledger: _Ledger) -> date | None:
    """The last full day before something else was done to the campaign."""
    action: Any = record.action
    done = record.closed_at or record.decided_at
    later = [a.day for a in ledger.acts.get(action.campaign_id, ()) if (a.at, a.action_id) > (done, record.id)]
    return min(later) - timedelta(days=1) if later else None


def _case(
    record: ActionRecord, expectation: Expectation | None, acted: date, hours: int, ends: date | None, ledger: _Ledger
) -> Case:
    action: Any = record.action
    own = ledger.figures.get(action.campaign_id, {})
    before = _quiet_days(action.campaign_id, acted, ledger)
    budgets = {day: b for day in before if (b := _budget_on(action.campaign_id, day, ledger)) is not None}
    facts = record.facts.campaign
    reference = facts.budget_at_platform if facts is not None else None  # as the account's figures and budgets are
    adjusted: Series = own
    if reference is not None:
        adjusted = own | at_budget({d: own[d] for d in before if d in own}, budgets, float(reference.amount))
    expected: dict[Metric, Interval] = {}
    if expectation is not None:
        expected = {e.metric: _interval(e) for e in expectation.effects}
    return Case(
        acted=acted,
        horizon_hours=hours,
        own=adjusted,
        before=tuple(before),
        delivered_before=action.kind in ("campaign.set_budget", "campaign.pause"),
        ends=ends,
        margin=ledger.margins.get(action.campaign_id),
        controls=_controls(action, before, acted, hours, ends, ledger),
        expected=expected,
    )


def _interval(effect: Effect) -> Interval:
    return Interval(low=float(effect.low.amount), mid=float(effect.mid.amount), high=float(effect.high.amount))


def _quiet_days(campaign_id: str, acted: date, ledger: _Ledger) -> list[date]:
    """Full days before the action on which the campaign was on air and nothing was done to it."""
    campaign = ledger.campaigns.get(campaign_id)
    if campaign is None or campaign.launched_at is None:
        return []
    launched = ledger.local(campaign.launched_at)
    acts = ledger.acts.get(campaign_id, [])
    touched = {a.day for a in acts}

    def on_air(day: date) -> bool:
        states = [a.kind for a in acts if a.day < day and a.kind != "campaign.set_budget"]
        return not states or states[-1] != "campaign.pause"

    return [day for day in look_back(acted) if day > launched and day not in touched and on_air(day)]


def _budget_on(campaign_id: str, day: date, ledger: _Ledger) -> float | None:
    """The daily budget of a full day on which it did not change."""
    changes = ledger.changes.get(campaign_id, [])
    earlier = [c for c in changes if ledger.local(c.at) < day]
    if earlier:
        return float(earlier[-1].after.amount)
    later = [c for c in changes if ledger.local(c.at) > day]
    if later:
        return None if later[0].before is None else float(later[0].before.amount)
    campaign = ledger.campaigns.get(campaign_id)
    return float(campaign.daily_budget.amount) if campaign is not None and campaign.daily_budget is not None else None


def _controls(action: Any, before: list[date], acted: date, hours: int, ends: date | None, ledger: _Ledger) -> dict[str, Series]:
    """Campaigns to which nothing was done from the first day before to the last day after; the same platform's when they suffice."""
    if not before:
        return {}
    last = horizon_days(acted, hours)[-1]
    last = min(last, ends) if ends is not None else last
    currency = ledger.currencies.get(action.campaign_id)
    near: dict[str, Series] = {}
    far: dict[str, Series] = {}
    for campaign in ledger.campaigns.values():
        if campaign.id == action.campaign_id or campaign.launched_at is None or ledger.currencies.get(campaign.id) != currency:
            continue
        touched = any(before[0] <= a.day <= last for a in ledger.acts.get(campaign.id, ()))
        if touched or ledger.local(campaign.launched_at) >= before[0]:
            continue
        read_at = ledger.read_at.get(campaign.platform)
        if read_at is None or read_at < ledger.start_of(last + timedelta(days=1)):
            continue  # its last days may simply not have been read
        far[campaign.id] = ledger.figures.get(campaign.id, {})
        if campaign.platform == action.platform:
            near[campaign.id] = far[campaign.id]
    return near if len(near) >= 2 else far


def _outcome(
    record: ActionRecord,
    expectation: Expectation | None,
    verdict: EffectVerdict,
    headline: bool,
    currency: str,
    final: bool,
    done_at: datetime,
    now: datetime,
) -> Outcome:
    action: Any = record.action
    unsaid = "people" if record.proposer.kind == "user" else "none"
    strategy = expectation.strategy if expectation is not None else unsaid
    return Outcome(
        action_id=record.id,
        metric=verdict.metric,
        horizon_hours=verdict.horizon_hours,
        kind=action.kind,
        platform=action.platform,
        campaign_id=action.campaign_id,
        strategy=strategy,
        grant_id=grant_of(record.verdict),
        headline=headline,
        verdict=verdict.answer,
        reason=verdict.reason,
        currency=currency,
        expected=_range(verdict.expected, currency),
        measured=_range(verdict.measured, currency),
        observed=_money(verdict.observed, currency),
        counterfactual=_money(verdict.counterfactual, currency),
        z=None if verdict.z is None else Decimal(str(round(verdict.z, 4))),
        method=verdict.method,
        controls=verdict.controls,
        window_from=verdict.since,
        window_until=verdict.until,
        days=verdict.days,
        provisional=verdict.provisional,
        final=final,
        revision=0,
        done_at=done_at,
        recorded_at=now,
    )


def _range(interval: Interval | None, currency: str) -> Range | None:
    if interval is None:
        return None
    low, mid, high = (_money(v, currency) for v in (interval.low, interval.mid, interval.high))
    return None if low is None or mid is None or high is None else Range(low, mid, high)


def _money(value: float | None, currency: str) -> Money | None:
    return None if value is None else Money(minor=round(value * 10 ** EXPONENTS[currency]), currency=currency)


# -- keeping ---------------------------------------------------------------------------------------------------------------------


async def _keep(house: House, record: ActionRecord, found: list[Outcome], now: datetime) -> str | None:
    """Writes what is new or changed, with one audit row and one live event an action. None when there is nothing new."""
    async with house.books.transaction() as books:
        repository = Outcomes(books.conn)
        await repository.lock(f"verdict:{record.id}")  # two workers on one slot: the second finds what the first wrote
        known = {(o.metric, o.horizon_hours): o for o in (await repository.of([record.id])).get(record.id, [])}
        written: list[Outcome] = []
        for outcome in found:
            old = known.get((outcome.metric, outcome.horizon_hours))
            if old is None:
                written.append(outcome)
            elif not old.final and (changed(old, outcome) or outcome.final):
                said = changed(old, outcome)
                written.append(
                    replace(
                        outcome if said else old,
                        final=outcome.final,
                        provisional=outcome.provisional,
                        recorded_at=old.recorded_at,
                        revision=old.revision + 1 if said else old.revision,
                        revised_at=now if said else old.revised_at,
                    )
                )
        for outcome in written:
            await repository.put(outcome)
        told = [o for o in written if (o.metric, o.horizon_hours) not in known or o.revised_at == now]
        if not told:
            return None
        head = next((o for o in told if o.headline), told[0])
        payload = {
            "kind": head.kind,
            "campaign_id": head.campaign_id,
            "strategy": head.strategy,
            "revision": head.revision,
            "final": head.final,
            "verdict": head.verdict,
            "effects": [said_of(o) for o in told],
            "before": [said_of(known[key]) for o in told if (key := (o.metric, o.horizon_hours)) in known],
        }
        await books.audit("action.verdict", ACTOR, now, payload, record.id)
        await books.emit(
            "action.verdict",
            now,
            {
                "action_id": record.id,
                "kind": head.kind,
                "platform": head.platform,
                "campaign_id": head.campaign_id,
                "verdict": head.verdict,
                "revision": head.revision,
                "message": head.message.model_dump(mode="json"),
            },
        )
    return "revised" if known else "recorded"


def changed(old: Outcome, new: Outcome) -> bool:
    """Whether restated figures say something else: another answer, or a measured change moved by more than a trace of its width."""
    if (old.verdict, old.reason, old.method, old.days) != (new.verdict, new.reason, new.method, new.days):
        return True
    if old.measured is None or new.measured is None:
        return (old.measured is None) != (new.measured is None)
    width = Decimal(max(old.measured.high.minor - old.measured.low.minor, 1))
    return abs(new.measured.mid.minor - old.measured.mid.minor) / width > REVISION_SHARE


def said_of(outcome: Outcome) -> dict[str, Any]:
    """One effect's verdict as the audit keeps it."""

    def span(value: Range | None) -> dict[str, Any] | None:
        return None if value is None else {"low": value.low, "mid": value.mid, "high": value.high}

    return {
        "metric": outcome.metric,
        "horizon_hours": outcome.horizon_hours,
        "headline": outcome.headline,
        "verdict": outcome.verdict,
        "reason": outcome.reason,
        "expected": span(outcome.expected),
        "measured": span(outcome.measured),
        "observed": outcome.observed,
        "counterfactual": outcome.counterfactual,
        "z": outcome.z,
        "method": outcome.method,
        "controls": list(outcome.controls),
        "from": outcome.window_from,
        "until": outcome.window_until,
        "days": outcome.days,
        "provisional": outcome.provisional,
    }
