"""The policy: every dial of the law, with its unit. `agentos.yaml` is parsed into this; rules, prompts and pages read it."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from knowledge.domain.action import Platform
from knowledge.domain.money import Money

Share = Annotated[Decimal, Field(ge=0, le=1)]
Multiplier = Annotated[Decimal, Field(ge=1, le=10)]
Level = Literal[1, 2, 3]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Financial(_Part):
    """Limits on money. Amounts are in the workspace's currency; shares are 0-1."""

    daily_cap: Money = Field(description="Worst-case spend of one account-local day, all campaigns, multipliers counted")
    weekly_cap: Money = Field(description="Worst-case spend of one account-local week (Monday to Sunday)")
    overspend_multiplier: dict[Platform, Multiplier] = Field(
        default={"meta": Decimal("1.75"), "google": Decimal("2"), "tiktok": Decimal("1.2"), "linkedin": Decimal("1.5")},
        description="How much of a daily budget the platform may spend in one day",
    )
    max_campaign_budget: Money = Field(description="Highest daily budget of one campaign")
    max_single_increase: Share | Annotated[Decimal, Field(ge=0, le=10)] = Field(
        default=Decimal("0.50"), description="Largest raise in one step, against the budget 24 hours ago"
    )
    approval_above: Share = Field(default=Decimal("0.20"), description="Changes beyond this, up or down, ask a manager")
    max_adjustments_per_day: int = Field(default=50, ge=0, description="Budget and status changes in one account-local day")
    new_campaign_asks: bool = Field(default=True, description="Every new campaign asks a manager")
    no_touch_roas_above: Decimal = Field(default=Decimal("5"), gt=0, description="Campaigns earning more are never cut or paused")
    pause_asks_above: Money = Field(description="Pausing a campaign whose daily budget is above this asks a manager")
    alert_at: Share = Field(default=Decimal("0.80"), description="Share of a cap at which an alert opens")


class Quality(_Part):
    """How much must be known before something is touched."""

    min_impressions: int = Field(default=1000, ge=0, description="Impressions in seven days before a pause for performance")
    min_runtime_hours: int = Field(default=72, ge=0, description="Hours since launch before a pause")
    min_hours_between_raises: int = Field(default=48, ge=0, description="Hours between two raises of one campaign")
    min_confidence: Share = Field(default=Decimal("0.85"), description="Computed confidence below which a machine's change asks")


class ConversationLimits(_Part):
    """What the bot may say, and when."""

    service_window_hours: int = Field(
        default=24, ge=1, description="Hours after the lead's last message in which free text may be sent"
    )
    max_questions: int = Field(default=2, ge=1, description="Questions in one message")
    price_sources: tuple[str, ...] = Field(default=(), description="Catalogue sources from which a price may be quoted")


class Guardrails(_Part):
    """All limits by subject."""

    financial: Financial
    quality: Quality = Quality()
    conversation: ConversationLimits = ConversationLimits()


class Autonomy(_Part):
    """Who decides: 1 the machine within the rules, 2 every change asks, 3 nothing is executed, only suggested."""

    level: Level = 1
    by_action: dict[str, Level] = Field(default_factory=dict, description="A level of its own for an action kind")
    publication: Literal["dry_run", "approval", "auto"] = Field(default="approval", description="How new campaigns leave")
    approval_hours: int = Field(default=4, ge=1, le=720, description="Hours until an unanswered request is rejected")

    def level_of(self, kind: str) -> int:
        return self.by_action.get(kind, self.level)


class Targets(_Part):
    """What the loop aims at. ROAS on revenue; shares 0-1."""

    roas: Decimal = Field(default=Decimal("1.5"), gt=0)
    ctr: Share = Decimal("0.015")
    cvr: Share = Decimal("0.02")
    cpa_of_aov: Share = Decimal("0.4")
    strategy: Literal["thresholds", "framework", "bayes"] = "thresholds"


class Policy(_Part):
    """The whole law of one workspace."""

    workspace: str = "default"
    currency: str = "BRL"
    time_zone: str = "America/Sao_Paulo"
    guardrails: Guardrails
    autonomy: Autonomy = Autonomy()
    targets: Targets = Targets()

    @model_validator(mode="after")
    def _one_currency(self) -> Policy:
        money = self.guardrails.financial
        for name in ("daily_cap", "weekly_cap", "max_campaign_budget", "pause_asks_above"):
            value: Money = getattr(money, name)
            if value.currency != self.currency:
                raise ValueError(f"guardrails.financial.{name}: {value} is not in the workspace's currency {self.currency}")
            if value.minor <= 0:
                raise ValueError(f"guardrails.financial.{name}: {value} must be above zero")
        if money.weekly_cap < money.daily_cap:
            raise ValueError("guardrails.financial.weekly_cap: is below daily_cap; raise it or lower the daily cap")
        return self

    @property
    def version(self) -> str:
        """Twelve characters that name exactly this policy: the same dials give the same version on every machine."""
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]

    @property
    def approval_time(self) -> timedelta:
        return timedelta(hours=self.autonomy.approval_hours)

    def multiplier(self, platform: Platform) -> Decimal:
        """The platform's overspend multiplier; a platform without one counts as the worst that is configured."""
        table = self.guardrails.financial.overspend_multiplier
        return table.get(platform, max(table.values(), default=Decimal("2")))
