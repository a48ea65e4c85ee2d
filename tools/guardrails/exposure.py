"""Worst-case spend: what the platforms may cost today and this week if nobody decides anything more.

The bound of one campaign's day is the highest budget it had today times the platform's overspend multiplier, or what it spent when
that is more. Google states exactly this for a day of edits ("your daily spending limit will be based on the highest average daily
budget that you chose for that day", Google Ads help 10487143); for Meta, 1.75 times the highest is an upper bound of every mixture
of the day's budgets. Over a week the platforms even out to plain budgets (ads.md 0.2), so later days count those.

Sums run over whole minor units: with a hundred campaigns a pass through the rules must stay within a millisecond or two.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import get_args

from knowledge.domain.action import Action, Platform, PublishCampaign, ResumeCampaign, SetBudget
from knowledge.domain.facts import BudgetFacts, Exposure, Facts
from knowledge.domain.money import CurrencyMismatch, Money
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Answer


@dataclass(frozen=True)
class Span:
    """Worst case of a day and of a week, in minor units: `week` is certain by tonight, `projected` adds the days left."""

    day: int
    week: int
    projected: int


@dataclass(frozen=True)
class Outlook:
    """What may be spent, without the action (`before`) and with it (`after`); per platform, and for the action's campaign.

    `None` for a scope whose week was not summed. `spent` and `platform_spent` are what was really spent today, minor units. `assumed`:
    the part of the week (of the workspace, the platform, the campaign) that nobody has measured, the worst case of unread days.
    """

    before: Span
    after: Span
    platform_before: Span | None
    platform_after: Span | None
    campaign_before: Span | None
    campaign_after: Span | None
    spent: int
    platform_spent: int
    assumed: tuple[int, int, int] = (0, 0, 0)


@dataclass
class _Sum:
    """Worst of today and plain budgets of some campaigns, minor units."""

    day: int = 0
    later: int = 0

    def span(self, spent: int, days: int) -> Span:
        """The week with what was `spent` before today and `days` to come after it."""
        return Span(self.day, spent + self.day, spent + self.day + self.later * days)


_PLATFORMS: tuple[Platform, ...] = get_args(Platform)


class _Claims:
    """(platform, worst today, plain budget) per campaign, in minor units; the largest claim on a campaign counts. Summed as they come:
    a dozen rules ask for the sums, and there may be hundreds of campaigns."""

    def __init__(self, policy: Policy) -> None:
        self.currency = policy.currency
        self.ratios: dict[Platform, tuple[int, int]] = {name: policy.multiplier(name).as_integer_ratio() for name in _PLATFORMS}
        self.rows: dict[str, tuple[Platform, int, int]] = {}
        self.spent: dict[Platform, int] = {}
        self.sums: dict[Platform, _Sum] = {name: _Sum() for name in self.ratios}

    def minor(self, amount: Money) -> int:
        if amount.currency != self.currency:
            raise CurrencyMismatch(f"{amount} is not in {self.currency}; convert it with a dated rate first")
        return amount.minor

    def add(self, campaign_id: str, platform: Platform, highest: int, running: int, spent: int) -> None:
        over, by = self.ratios[platform]
        today = max(-(-highest * over // by), spent)
        old = self.rows.get(campaign_id)
        if old is not None:
            today, running = max(today, old[1]), max(running, old[2])
            before = self.sums[old[0]]
            before.day, before.later = before.day - old[1], before.later - old[2]
        self.rows[campaign_id] = (platform, today, running)
        total = self.sums[platform]
        total.day, total.later = total.day + today, total.later + running

    def expose(self, exposures: Iterable[Exposure]) -> None:
        rows, sums, totals, ratios, own = self.rows, self.spent, self.sums, self.ratios, self.currency
        for exposure in exposures:
            currency, running, highest, spent, _ = exposure.minor
            if currency != own:
                raise CurrencyMismatch(f"{exposure.campaign_id} is not wholly in {own}; convert it with a dated rate first")
            campaign_id, platform = exposure.campaign_id, exposure.platform
            sums[platform] = sums.get(platform, 0) + spent
            if campaign_id in rows:
                self.add(campaign_id, platform, highest, running, spent)
                continue
            over, by = ratios[platform]
            worst = -(-highest * over // by)
            if spent > worst:
                worst = spent
            rows[campaign_id] = (platform, worst, running)
            total = totals[platform]
            total.day += worst
            total.later += running

    def done(self, action: Action, budget_now: Money | None) -> None:
        """The action as if it were done; `budget_now` is the campaign's budget for a resume (which carries no amount)."""
        amount = action.daily_budget if isinstance(action, PublishCampaign | SetBudget) else budget_now
        if isinstance(action, PublishCampaign | SetBudget | ResumeCampaign) and amount is not None:
            minor = self.minor(amount)
            self.add(action.campaign_id, action.platform, minor, minor, 0)

    def all(self) -> _Sum:
        """Of the whole workspace."""
        totals = self.sums.values()
        return _Sum(sum([t.day for t in totals]), sum([t.later for t in totals]))

    def of(self, campaign_id: str | None) -> _Sum:
        """Of one campaign."""
        row = self.rows.get(campaign_id) if campaign_id is not None else None
        return _Sum() if row is None else _Sum(row[1], row[2])


def _claims(facts: BudgetFacts, policy: Policy) -> _Claims:
    claims = _Claims(policy)
    claims.expose(facts.exposures)
    for held in facts.reservations:
        minor = claims.minor(held.daily_budget)
        claims.add(held.campaign_id, held.platform, minor, minor, 0)
    return claims


_memo: tuple[Action, Facts, Policy, Outlook | None] | None = None
"""The newest outlook: a dozen rules ask for the same one within one judgement. Found again by identity, never by equality."""


def outlook(action: Action, facts: Facts, policy: Policy) -> Outlook | None:
    """Worst cases around the action; None when the books could not be read. Raises CurrencyMismatch."""
    global _memo
    kept = _memo
    if kept is not None and kept[0] is action and kept[1] is facts and kept[2] is policy:
        return kept[3]
    found = _outlook(action, facts, policy)
    _memo = (action, facts, policy, found)
    return found


def _outlook(action: Action, facts: Facts, policy: Policy) -> Outlook | None:
    books = facts.budget
    if books is None:
        return None
    claims = _claims(books, policy)
    days, platform = books.days_left_after_today, getattr(action, "platform", None)
    weeks = books.spent_week_by_platform
    own_id = getattr(action, "campaign_id", None)
    # Days of this week that nobody has read yet count at their worst, beside what was measured.
    unread = [(d.platform, d.campaign_id, claims.minor(d.assumed)) for d in books.unread_days]
    assumed = (
        sum(minor for _, _, minor in unread),
        sum(minor for there, _, minor in unread if there == platform),
        sum(minor for _, ident, minor in unread if ident == own_id),
    )
    spent_all = claims.minor(books.spent_week_before_today) + assumed[0]
    spent_platform = None if weeks is None else (claims.minor(weeks[platform]) if platform in weeks else 0) + assumed[1]
    own = next((e for e in books.exposures if e.campaign_id == own_id), None)
    measured = 0 if own is None else None if own.spent_week is None else claims.minor(own.spent_week)
    spent_own = None if measured is None else measured + assumed[2]

    def spans() -> tuple[Span, Span | None, Span | None]:
        there = claims.sums.get(platform) if platform is not None else None
        return (
            claims.all().span(spent_all, days),
            None if spent_platform is None else (there or _Sum()).span(spent_platform, days),
            None if spent_own is None else claims.of(own_id).span(spent_own, days),
        )

    before = spans()
    claims.done(action, facts.campaign.daily_budget if facts.campaign else None)
    after = spans()
    today, there = sum(claims.spent.values()), claims.spent.get(platform, 0) if platform else 0
    return Outlook(before[0], after[0], before[1], after[1], before[2], after[2], today, there, assumed)


def week_answer(after: Span, cap: int, *, lowers: bool) -> Answer:
    """Refuse when what is certain by tonight passes the cap, ask when only the days left would; never what only takes money away."""
    if lowers:
        return "allow"
    return "refuse" if after.week > cap else "ask" if after.projected > cap else "allow"


def worst_today(action: Action | None, facts: Facts, policy: Policy) -> Money | None:
    """Worst-case spend of the workspace's day with the action done; None when the books could not be read."""
    if facts.budget is None:
        return None
    if action is not None:
        found = outlook(action, facts, policy)
        return None if found is None else Money(minor=found.after.day, currency=policy.currency)
    return Money(minor=_claims(facts.budget, policy).all().day, currency=policy.currency)
