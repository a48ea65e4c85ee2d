"""How autonomy is earned and lost: agreement with managers and outcomes against expectation, per kind of action. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, Decimal

from knowledge.domain.message import Message
from knowledge.domain.money import Money
from knowledge.domain.policy import EarnedAutonomy, Policy

Z95 = 1.6448536269514722
"""One-sided 95 %."""
BELOW_EXPECTED = 0.1
"""Share of verdicts that fall below an honest 80 % interval."""
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Case:
    """A machine's request that a manager decided. `agreed`: approved exactly as proposed. Amounts None where there were none."""

    agreed: bool
    at: datetime
    wanted: Money | None = None
    current: Money | None = None

    @property
    def amount(self) -> Money | None:
        """The daily budget at stake: the larger of before and after."""
        known = [m for m in (self.wanted, self.current) if m is not None]
        return max(known) if known and len({m.currency for m in known}) == 1 else None

    @property
    def change(self) -> Decimal | None:
        """Share by which the budget would have moved: above zero for a raise, below it for a cut."""
        if self.wanted is None or self.current is None or self.wanted.currency != self.current.currency:
            return None
        ratio = self.wanted.ratio_to(self.current)
        return None if ratio is None else ratio - 1


@dataclass(frozen=True)
class Standing:
    """Where one kind of action stands. `agreement` is the lower bound (95 %) of the share of agreement; None without cases."""

    kind: str
    cases: int
    agreed: int
    agreement: float | None
    outcomes: int
    below: int
    worse: bool


@dataclass(frozen=True)
class Promotion:
    """What the house may ask a manager for: bounds within which managers agreed before, a count and an end."""

    kind: str
    max_amount: Money
    max_change: Decimal | None
    max_count: int
    expires_at: datetime
    standing: Standing


def lower_bound(agreed: int, cases: int, z: float = Z95) -> float | None:
    """Wilson's lower bound of a share (E. B. Wilson, JASA 1927); None without cases. 20 of 20 are 0.88, 18 of 20 are 0.74."""
    if cases <= 0:
        return None
    share = agreed / cases
    spread = z * math.sqrt(share * (1 - share) / cases + z * z / (4 * cases * cases))
    return max((share + z * z / (2 * cases) - spread) / (1 + z * z / cases), 0.0)


def worse_than_expected(below: int, judged: int) -> bool:
    """Whether so many outcomes below their interval are no chance any more: exact binomial tail under 5 %."""
    if below <= 0 or judged <= 0:
        return False
    p = BELOW_EXPECTED
    tail = sum(math.comb(judged, k) * p**k * (1 - p) ** (judged - k) for k in range(below, judged + 1))
    return tail < SIGNIFICANT


def standing(kind: str, cases: Sequence[Case], answers: Sequence[str]) -> Standing:
    """`answers` are headline verdicts (as_expected, above, below, undefined); undefined ones count for nothing."""
    agreed = sum(1 for case in cases if case.agreed)
    judged = [a for a in answers if a != "undefined"]
    below = sum(1 for a in judged if a == "below")
    return Standing(
        kind, len(cases), agreed, lower_bound(agreed, len(cases)), len(judged), below, worse_than_expected(below, len(judged))
    )


def rejections_in_row(cases: Sequence[Case]) -> int:
    """How many of the newest cases managers said no to, one after the other. `cases` newest first."""
    count = 0
    for case in cases:
        if case.agreed:
            break
        count += 1
    return count


def earning(kind: str, cases: Sequence[Case]) -> list[Case]:
    """The cases that count towards a promotion.

    The right to change budgets is the right to raise them, so of what was approved only raises earn it: who agreed to cuts has said
    nothing of raises, neither how often nor how large. Every no counts.
    """
    if kind != "campaign.set_budget":
        return list(cases)
    return [c for c in cases if not c.agreed or (c.change is not None and c.change > 0)]


def promotion(kind: str, cases: Sequence[Case], answers: Sequence[str], policy: Policy, now: datetime) -> Promotion | None:
    """The promotion that a record has earned, or None. Bounds are the largest amount and change that managers approved unchanged;
    what counts is `earning`'s."""
    dials, cases = policy.autonomy.earned, earning(kind, cases)
    found = standing(kind, cases, answers)
    if found.agreement is None or found.cases < dials.min_cases or found.agreement < float(dials.min_agreement):
        return None
    if found.outcomes < dials.min_outcomes or found.worse or rejections_in_row(cases) > 0:
        return None
    money = policy.guardrails.financial
    amounts = [c.amount for c in cases if c.agreed and c.amount is not None and c.amount.currency == policy.currency]
    amounts = [a for a in amounts if a.minor > 0]
    if not amounts:
        return None
    changes = [c.change for c in cases if c.agreed and c.change is not None]
    largest = max(changes, default=None)
    change = None
    if largest is not None and largest > 0:
        # A hundredth up, so that what was approved yesterday still fits; never beyond what the dials let anybody do in one step.
        change = min(largest.quantize(Decimal("0.01"), rounding=ROUND_CEILING), Decimal(money.max_single_increase))
    return Promotion(
        kind=kind,
        max_amount=min(max(amounts), money.max_campaign_budget),
        max_change=change if change else None,
        max_count=dials.grant_count,
        expires_at=now + timedelta(days=dials.grant_days),
        standing=found,
    )


def regression(dials: EarnedAutonomy, since: Sequence[Case], answers: Sequence[str], incidents: Sequence[str]) -> Message | None:
    """Why a grant must end now, or None.

    `since`: cases decided after it was given, newest first; `answers`: verdicts of the actions that used it; `incidents`: actions that
    used it and were taken back.
    """
    if incidents:
        return Message(id="autonomy.lost.incident", params={"actions": len(incidents)})
    rejected = rejections_in_row(since)
    if rejected >= dials.max_rejections_in_row:
        return Message(id="autonomy.lost.rejections", params={"count": rejected})
    judged = [a for a in answers if a != "undefined"]
    below = sum(1 for a in judged if a == "below")
    if worse_than_expected(below, len(judged)):
        return Message(id="autonomy.lost.outcomes", params={"below": below, "judged": len(judged)})
    return None
