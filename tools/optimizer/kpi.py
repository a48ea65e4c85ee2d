"""The five ratios of paid media. A ratio without a denominator is undefined (None), never zero."""

from __future__ import annotations

from dataclasses import dataclass


def ratio(numerator: float | None, denominator: float | None) -> float | None:
    """numerator / denominator, or None when either is unknown or the denominator is not positive."""
    if numerator is None or denominator is None or not denominator > 0:
        return None
    return numerator / denominator


def roas(revenue: float | None, spend: float | None) -> float | None:
    """Return on ad spend: revenue per unit of spend, both in one currency."""
    return ratio(revenue, spend)


def ctr(clicks: float | None, impressions: float | None) -> float | None:
    """Click-through rate, 0-1."""
    return ratio(clicks, impressions)


def cvr(conversions: float | None, clicks: float | None) -> float | None:
    """Conversions per click, 0-1 (view-through conversions may lift it above 1)."""
    return ratio(conversions, clicks)


def cpa(spend: float | None, conversions: float | None) -> float | None:
    """Cost per acquisition, in the currency of spend. Undefined while nobody bought."""
    return ratio(spend, conversions)


def aov(revenue: float | None, conversions: float | None) -> float | None:
    """Average order value, in the currency of revenue. Undefined while nobody bought."""
    return ratio(revenue, conversions)


@dataclass(frozen=True)
class Totals:
    """Summed counts of one object over one window; money in one currency's major units. None = not reported."""

    impressions: float | None
    clicks: float | None
    spend: float | None
    conversions: float | None
    revenue: float | None

    @property
    def roas(self) -> float | None:
        return roas(self.revenue, self.spend)

    @property
    def ctr(self) -> float | None:
        return ctr(self.clicks, self.impressions)

    @property
    def cvr(self) -> float | None:
        return cvr(self.conversions, self.clicks)

    @property
    def cpa(self) -> float | None:
        return cpa(self.spend, self.conversions)

    @property
    def aov(self) -> float | None:
        return aov(self.revenue, self.conversions)

    def as_dict(self) -> dict[str, float | None]:
        """The counts and the five ratios under their usual names."""
        return {
            "impressions": self.impressions,
            "clicks": self.clicks,
            "spend": self.spend,
            "conversions": self.conversions,
            "revenue": self.revenue,
            "roas": self.roas,
            "ctr": self.ctr,
            "cvr": self.cvr,
            "cpa": self.cpa,
            "aov": self.aov,
        }
