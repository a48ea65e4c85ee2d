"""Rows in another currency than the policy's, brought into it by dated rates before anything is made of them.

What cannot be converted stays as it is and is named: "rate.USD/BRL" among the unreadable facts refuses every action that it concerns.
All amounts are converted by the newest rate, those of past days too; what is or may be spent is rounded up, revenue down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_CEILING, ROUND_FLOOR
from typing import Any

from knowledge.domain.campaign import PlatformCampaign
from knowledge.domain.money import Money
from knowledge.domain.policy import Policy
from knowledge.domain.rates import NoRate, Rate, convert, newest

Row = Mapping[str, Any]

SPENT = (
    "daily_budget_minor", "launch_budget_minor", "spent_today", "spend7", "highest_today", "day_from_minor", "day_to_minor",
    "window_from_minor", "window_to_minor", "day_ago_minor", "first_to_minor", "raise_from_minor", "raise_to_minor",
    "raise_spend_before", "raise_spend_since", "before", "today", "exposure_minor", "highest_then",
    "spent_then",
)  # fmt: skip
EARNED = ("revenue7", "raise_revenue_before", "raise_revenue_since")


@dataclass
class Converter:
    """Converts into one policy's currency on one day. Collects the rates that were used and names those that were missing."""

    policy: Policy
    day: date
    rates: Sequence[Rate]

    def __post_init__(self) -> None:
        self.used: dict[tuple[str, str], Rate] = {}
        self.missing: set[str] = set()

    def money(self, amount: Money, rounding: str = ROUND_CEILING) -> Money | None:
        """The amount in the policy's currency; None, and the pair noted, when no rate is recent enough."""
        to = self.policy.currency
        if amount.currency == to:
            return amount
        try:
            made = convert(amount, to, self.day, self.rates, self.policy.guardrails.financial.max_rate_age_days, rounding)
        except NoRate:
            self.missing.add(f"rate.{amount.currency}/{to}")
            return None
        found = newest(amount.currency, to, self.day, self.rates)
        if found is not None:
            self.used[found[0].base, found[0].quote] = found[0]
        return made

    def row(self, row: Row) -> Row:
        """The row with every amount in the policy's currency, or the row as it is when there is no rate."""
        currency = row.get("currency")
        if currency is None or currency == self.policy.currency:
            return row
        out = dict(row) | {"currency": self.policy.currency, "foreign": False}
        for names, rounding in ((SPENT, ROUND_CEILING), (EARNED, ROUND_FLOOR)):
            for name in names:
                if row.get(name) is None:
                    continue
                made = self.money(Money(minor=int(row[name]), currency=currency), rounding)
                if made is None:
                    return row
                out[name] = made.minor
        return out

    def rows(self, rows: Sequence[Row]) -> Sequence[Row]:
        """Every row so; the very same sequence when none is in another currency, as in most workspaces."""
        own = (self.policy.currency, None)
        return rows if all([row.get("currency") in own for row in rows]) else [self.row(row) for row in rows]

    def campaign(self, seen: PlatformCampaign) -> PlatformCampaign:
        """A platform's read with its budget in the policy's currency, or as it is when there is no rate."""
        if seen.daily_budget is None or seen.daily_budget.currency == self.policy.currency:
            return seen
        made = self.money(seen.daily_budget)
        return seen if made is None else seen.model_copy(update={"daily_budget": made})
