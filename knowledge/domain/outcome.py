"""What an action promises, and what became of it: expected effect with an interval, and the later verdict on it.

An effect is a change against leaving things as they were, over a number of hours after the action: +12.00 BRL of profit means twelve
more than without it. What cannot be said stays unsaid: no number, and the reason in its place.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from knowledge.domain.money import Money

HORIZON_HOURS = 72
"""Over which expectations are stated and judged: long enough for a few orders, short enough that the next change rarely cuts it."""
COVERAGE = Decimal("0.8")
"""Share of true effects that an interval claims to hold."""
Z80 = 1.2815515655446004
"""Standard normal quantile of that interval's upper end."""

Metric = Literal["profit", "revenue", "spend"]
Answer = Literal["as_expected", "above", "below", "undefined"]
Method = Literal["difference_in_differences", "own_trend", "own_level", "nothing_before", "none"]
"""Where the counterfactual comes from: untouched campaigns beside it, its own days before, or that it did not deliver before."""
Undefined = Literal[
    "no_expectation",  # nothing was promised, or it could not be computed
    "too_little_before",  # fewer than two full days before the action
    "overtaken",  # another action on the same campaign came before one full day had passed
    "unread",  # the platform's figures of the days were never read
    "no_margin",  # profit without a margin is not a number
    "other_currency",  # the platform reports in another currency than the expectation
]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Effect(_Part):
    """One expected change over `horizon_hours`, with the ends of its 80 % interval."""

    metric: Metric
    horizon_hours: int = Field(default=HORIZON_HOURS, gt=0)
    low: Money
    mid: Money
    high: Money

    @model_validator(mode="after")
    def _ordered(self) -> Effect:
        if not self.low <= self.mid <= self.high:
            raise ValueError(f"{self.metric}: {self.low}, {self.mid}, {self.high} are not low, mid, high")
        return self


class Expectation(_Part):
    """Everything an action promises. The first effect is its headline; none at all means unknown, and `unknown` says why."""

    effects: tuple[Effect, ...] = ()
    method: str
    strategy: str
    coverage: Decimal = COVERAGE
    unknown: Literal["no_data", "no_campaign"] | None = None

    @model_validator(mode="after")
    def _said(self) -> Expectation:
        if bool(self.effects) == (self.unknown is not None):
            raise ValueError("an expectation has effects, or says why it has none")
        return self

    @property
    def headline(self) -> Effect | None:
        return self.effects[0] if self.effects else None

    def plain(self) -> dict[str, Any]:
        """As it is stored beside the action: the headline's fields on top, so that a reader of one number finds it."""
        head = self.headline
        top: dict[str, Any] = {} if head is None else head.model_dump(mode="json")
        return top | self.model_dump(mode="json", exclude={"unknown"} if head else {"effects"})


def expectation_of(stored: dict[str, Any] | None) -> Expectation | None:
    """The expectation of an action as it was stored; None when there is none in this form."""
    if stored is None or "method" not in stored:
        return None
    try:
        return Expectation.model_validate({k: v for k, v in stored.items() if k in Expectation.model_fields})
    except ValidationError:
        return None  # written by an older version in another form: the verdict says "no expectation", nothing is guessed


class Interval(_Part):
    """A measured or counterfactual amount with the ends of its 80 % interval, in major units of the campaign's currency."""

    low: float
    mid: float
    high: float

    @property
    def deviation(self) -> float:
        """Standard deviation under a normal reading of the interval."""
        return max(self.high - self.low, 0.0) / (2 * Z80)


class EffectVerdict(_Part):
    """What became of one effect. Amounts in major units; None where undefined, and `reason` says why."""

    metric: Metric
    horizon_hours: int
    answer: Answer
    reason: Undefined | None = None
    expected: Interval | None = None
    """Pro rata for the days that could be judged."""
    measured: Interval | None = None
    observed: float | None = None
    counterfactual: float | None = None
    z: float | None = None
    """(measured - expected) in standard deviations of both together."""
    method: Method = "none"
    controls: tuple[str, ...] = ()
    since: date | None = None
    until: date | None = None
    days: int = 0
    provisional: bool = False


class Tally(_Part):
    """How a group of expectations turned out. `bias` is (measured - expected) / |expected|, sums over the group; None when undefined."""

    strategy: str
    kind: str
    judged: int
    inside: int
    above: int
    below: int
    undefined: int
    bias: float | None
    mean_z: float | None
    mean_square_z: float | None

    @property
    def coverage(self) -> float | None:
        return self.inside / self.judged if self.judged else None
