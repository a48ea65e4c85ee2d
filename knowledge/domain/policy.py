"""The policy: every dial of the law, with its unit. `agentos.yaml` is parsed into this; rules, prompts and pages read it."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from knowledge.domain.action import Platform
from knowledge.domain.campaign import AD_LENGTHS, AdLength
from knowledge.domain.facts import ListedKind
from knowledge.domain.frozen import Frozen
from knowledge.domain.money import Money

Share = Annotated[Decimal, Field(ge=0, le=1)]
Multiplier = Annotated[Decimal, Field(ge=1, le=10)]
Level = Literal[1, 2, 3]
ProvableClaim = Literal["before_after", "guarantee", "superlative", "capitals", "punctuation"]
"""Claims that may be true and shown to be, and matters of form. Health, money and the reader's person are in nobody's hand."""


class Financial(Frozen):
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
    velocity_envelope: Annotated[Decimal, Field(ge=1, le=10)] = Field(
        default=Decimal("1.25"), description="How far ahead of an even day real spend may run before the watchdog pauses"
    )
    max_rate_age_days: int = Field(default=5, ge=0, le=31, description="Days for which an exchange rate may be used")
    platform_daily_cap: dict[Platform, Money] = Field(
        default_factory=dict[Platform, Money],
        description="Worst-case spend of one day on one platform; absent = the workspace's cap",
    )
    platform_weekly_cap: dict[Platform, Money] = Field(
        default_factory=dict[Platform, Money],
        description="Worst-case spend of one week on one platform; absent = the workspace's cap",
    )
    campaign_daily_cap: Money | None = Field(
        default=None, description="Worst-case spend of one day by one campaign; absent = the workspace's cap"
    )
    campaign_weekly_cap: Money | None = Field(
        default=None, description="Worst-case spend of one week by one campaign; absent = the workspace's cap"
    )
    reserve_share: Share = Field(
        default=Decimal("0.10"), description="Share of the daily and weekly cap that a machine uses only with a manager's yes"
    )
    max_reallocation: Share = Field(
        default=Decimal("0.30"), description="Share of the day's starting budgets that may move from some campaigns to others"
    )
    cumulative_days: int = Field(default=7, ge=1, le=90, description="Days of the sliding window over which raises add up")
    max_cumulative_increase: Decimal = Field(
        default=Decimal("1.0"),
        ge=0,
        le=100,
        description="Total raise within the window above which a manager is asked (1 = double)",
    )
    max_scale: Decimal = Field(
        default=Decimal("3"),
        gt=1,
        le=100,
        description="Most times its budget at the window's start, or (by a machine) at its launch",
    )
    strategy_touch_share: Share = Field(
        default=Decimal("0.50"), description="Share of the running campaigns changed in one day above which a manager is asked"
    )
    strategy_pause_share: Share = Field(
        default=Decimal("0.50"), description="Share of the day's starting budgets paused in one day above which a manager is asked"
    )
    strategy_min_campaigns: int = Field(
        default=3, ge=1, description="Fewer campaigns than this changed in one day are never a change of strategy"
    )
    emergency_resume: Literal["ask", "refuse"] = Field(
        default="ask", description="What a machine gets that wants to switch on what was stopped in an emergency"
    )


class Quality(Frozen):
    """How much must be known before something is touched."""

    min_impressions: int = Field(default=1000, ge=0, description="Impressions in seven days before a machine changes or pauses")
    test_hours: int = Field(default=24, ge=0, le=720, description="Hours since launch before a machine changes a budget")
    min_runtime_hours: int = Field(default=72, ge=0, description="Hours since launch before a pause")
    min_hours_between_raises: int = Field(default=48, ge=0, description="Hours between two raises of one campaign")
    min_confidence: Share = Field(default=Decimal("0.85"), description="Computed confidence below which a machine's change asks")
    rejection_memory_hours: int = Field(
        default=72, ge=0, le=8760, description="Hours in which a machine does not ask again for what a manager rejected"
    )
    rollback_drop: Share = Field(
        default=Decimal("0.20"), description="Fall of ROAS since the last raise above which the raise is taken back"
    )


class Compliance(Frozen):
    """What an ad may show. The built-in lists of claims, banned goods and brands stand beside these dials."""

    licensed_brands: tuple[str, ...] = Field(default=(), description="Brands that our ads may name")
    banned_terms: tuple[str, ...] = Field(default=(), description="Words that no ad may contain, beside the built-in ones")
    claims_asked: tuple[ProvableClaim, ...] = Field(
        default=(), description="Claims about which a manager is asked, who may hold a proof; absent = refused like the others"
    )
    max_headline: dict[Platform, Annotated[int, Field(ge=10, le=500)]] = Field(
        default_factory=dict[Platform, int], description="Characters of a headline; absent or longer = what the platform accepts"
    )
    max_text: dict[Platform, Annotated[int, Field(ge=20, le=2000)]] = Field(
        default_factory=dict[Platform, int], description="Characters of a text; absent or longer = what the platform accepts"
    )
    undeclared_category: Literal["ask", "refuse"] = Field(
        default="ask", description="What an ad gets whose words suggest a special category that is not declared"
    )
    blacklist_asked: tuple[ListedKind, ...] = Field(
        default=(), description="Kinds of entries of the blacklist about which a manager is asked; absent = refused"
    )


class ConversationLimits(Frozen):
    """What the bot may say, and when."""

    service_window_hours: int = Field(
        default=24, ge=1, description="Hours after the lead's last message in which free text may be sent"
    )
    max_questions: int = Field(default=2, ge=1, description="Questions in one message")
    price_sources: tuple[str, ...] = Field(
        default=(), description="Catalogue sources from which a price may be quoted; none can be yet, so it stays empty"
    )

    @field_validator("price_sources")
    @classmethod
    def _none_yet(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """A dial that nothing obeys must not look as if it did."""
        if value:
            raise ValueError("the bot quotes no price from any source yet; leave it empty")
        return value


class Operational(Frozen):
    """How calls to vendors behave when something fails. The pace of each account is its own dial, `vendors.<name>.per_second`."""

    attempts: int = Field(default=3, ge=1, le=10, description="Times one call is made when it fails for sure or may be repeated")
    first_wait_seconds: Decimal = Field(
        default=Decimal("0.2"), gt=0, le=60, description="Seconds before the second try; doubled each time, half of it by chance"
    )
    longest_wait_seconds: Decimal = Field(
        default=Decimal("5"), gt=0, le=60, description="Longest wait between two tries; a longer one is left to the next round"
    )
    breaker_failures: int = Field(default=5, ge=1, le=100, description="Failures in a row after which an account is left alone")
    breaker_seconds: int = Field(default=30, ge=1, le=3600, description="Seconds for which it is left alone before one trial")


class Guardrails(Frozen):
    """All limits by subject."""

    financial: Financial
    quality: Quality = Quality()
    compliance: Compliance = Compliance()
    conversation: ConversationLimits = ConversationLimits()
    operational: Operational = Operational()


class QuorumStep(Frozen):
    """From which amount on how many people of which role must say yes."""

    above: Money = Field(description="Daily budget at stake above which this step applies")
    approvals: int = Field(default=2, ge=1, le=9, description="How many different people must approve")
    role: Literal["manager", "admin"] = Field(default="manager", description="The least role of each of them")


class EarnedAutonomy(Frozen):
    """When the house asks a manager for more autonomy in one kind of action, what it then asks for, and when it loses it."""

    propose: bool = Field(default=True, description="The house proposes a promotion by itself when it has earned one")
    min_cases: int = Field(default=20, ge=5, le=10000, description="Requests decided by managers before a promotion is proposed")
    min_agreement: Share = Field(
        default=Decimal("0.80"), description="Lower bound (95 %) of the share that managers approved unchanged, to be promoted"
    )
    min_outcomes: int = Field(default=5, ge=1, le=10000, description="Judged outcomes of that kind before a promotion")
    max_rejections_in_row: int = Field(default=2, ge=1, le=100, description="Rejections one after the other that end a grant")
    grant_count: int = Field(default=20, ge=1, le=500, description="Actions that one grant covers")
    grant_days: int = Field(default=14, ge=1, le=90, description="Days that one grant lasts")
    rest_days: int = Field(default=7, ge=1, le=365, description="Days of rest after a rejected or withdrawn promotion")


class Autonomy(Frozen):
    """Who decides: 1 the machine within the rules, 2 every change asks, 3 nothing is executed, only suggested."""

    level: Level = 1
    by_action: dict[str, Level] = Field(default_factory=dict, description="A level of its own for an action kind")
    publication: Literal["dry_run", "approval", "auto"] = Field(default="approval", description="How new campaigns leave")
    approval_hours: int = Field(default=4, ge=1, le=720, description="Hours until an unanswered request is rejected")
    max_approval_hours: int = Field(default=48, ge=1, le=720, description="Hours to which a manager may extend a request")
    grace_minutes: int = Field(
        default=0, ge=0, le=1440, description="Minutes a machine's allowed campaign change waits, so that a manager may stop it"
    )
    shadow: bool = Field(default=False, description="Machines only propose; every change asks, and agreement is recorded")
    shadow_actions: tuple[str, ...] = Field(default=(), description="The same for some kinds of action only")
    earned: EarnedAutonomy = EarnedAutonomy()
    quorum: tuple[QuorumStep, ...] = Field(default=(), description="Larger amounts need more people, or a higher role")

    def level_of(self, kind: str) -> int:
        return self.by_action.get(kind, self.level)

    def shadowed(self, kind: str) -> bool:
        """Whether machines only propose this kind of action, to be compared with what managers decide."""
        return self.shadow or kind in self.shadow_actions


class Targets(Frozen):
    """What the loop aims at. ROAS on revenue; shares 0-1."""

    roas: Decimal = Field(default=Decimal("1.5"), gt=0)
    ctr: Share = Decimal("0.015")
    cvr: Share = Decimal("0.02")
    cpa_of_aov: Share = Decimal("0.4")
    strategy: Literal["thresholds", "framework", "bayes"] = "thresholds"


class Policy(Frozen):
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
        own = {"campaign_daily_cap": money.campaign_daily_cap, "campaign_weekly_cap": money.campaign_weekly_cap}
        own |= {f"platform_daily_cap.{name}": cap for name, cap in money.platform_daily_cap.items()}
        own |= {f"platform_weekly_cap.{name}": cap for name, cap in money.platform_weekly_cap.items()}
        for name, cap in own.items():
            if cap is not None and cap.currency != self.currency:
                raise ValueError(f"guardrails.financial.{name}: {cap} is not in the workspace's currency {self.currency}")
            if cap is not None and cap.minor <= 0:
                raise ValueError(f"guardrails.financial.{name}: {cap} must be above zero")
        for index, step in enumerate(self.autonomy.quorum):
            if step.above.currency != self.currency:
                raise ValueError(f"autonomy.quorum.{index}.above: {step.above} is not in the workspace's currency {self.currency}")
        if self.autonomy.max_approval_hours < self.autonomy.approval_hours:
            raise ValueError("autonomy.max_approval_hours: is below approval_hours; raise it")
        if money.weekly_cap < money.daily_cap:
            raise ValueError("guardrails.financial.weekly_cap: is below daily_cap; raise it or lower the daily cap")
        return self

    @cached_property
    def version(self) -> str:
        """Twelve characters that name exactly this policy: the same dials give the same version on every machine."""
        return hashlib.sha256(self.document().encode()).hexdigest()[:12]

    def document(self) -> str:
        """The whole policy as the text that `version` names; `Policy.model_validate_json` reads it back."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))

    def platform_cap(self, platform: Platform, span: Literal["day", "week"]) -> Money:
        """The most that one platform may cost: its own cap, or the workspace's where that is lower or no own one is set."""
        money = self.guardrails.financial
        own = (money.platform_daily_cap if span == "day" else money.platform_weekly_cap).get(platform)
        return self._least(own, span)

    def campaign_cap(self, span: Literal["day", "week"]) -> Money:
        """The most that one campaign may cost: its own cap, or the workspace's where that is lower or no own one is set."""
        money = self.guardrails.financial
        return self._least(money.campaign_daily_cap if span == "day" else money.campaign_weekly_cap, span)

    def ad_length(self, platform: Platform) -> AdLength:
        """Most characters of an ad's headline and text: what the platform accepts, or the operator's own where that is shorter."""
        most, own = AD_LENGTHS[platform], self.guardrails.compliance
        return AdLength(
            min(most.headline, own.max_headline.get(platform, most.headline)), min(most.text, own.max_text.get(platform, most.text))
        )

    def _least(self, own: Money | None, span: Literal["day", "week"]) -> Money:
        whole = self.guardrails.financial.daily_cap if span == "day" else self.guardrails.financial.weekly_cap
        return whole if own is None else min(own, whole)

    @property
    def approval_time(self) -> timedelta:
        return timedelta(hours=self.autonomy.approval_hours)

    def quorum(self, stake: Money | None) -> tuple[int, Literal["manager", "admin"]]:
        """(people, least role of each) that a request with this daily budget at stake needs; the highest step passed counts."""
        passed = [step for step in self.autonomy.quorum if stake is not None and stake > step.above]
        role: Literal["manager", "admin"] = "admin" if any(step.role == "admin" for step in passed) else "manager"
        return max((step.approvals for step in passed), default=1), role

    def multiplier(self, platform: Platform) -> Decimal:
        """The platform's overspend multiplier; a platform without one counts as the worst that is configured."""
        table = self.guardrails.financial.overspend_multiplier
        return table.get(platform, max(table.values(), default=Decimal("2")))
