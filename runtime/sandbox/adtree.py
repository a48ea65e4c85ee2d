"""Ad accounts as the market sees them, whatever the vendor: account -> campaign -> group (ad set, ad group) -> ad."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from runtime.sandbox.money import minor_per_unit

if TYPE_CHECKING:
    from runtime.sandbox.world import World

META_ACCOUNT = "1000000000000001"
TIKTOK_ADVERTISER = "7000000000000000001"

BANNED_TERMS = (
    "cura garantida", "milagroso", "milagrosa", "emagreça 10kg", "dinheiro fácil", "ganhe dinheiro rápido", "réplica",
    "arma de fogo", "cigarro", "cassino", "antes e depois", "miracle cure", "guaranteed income", "replica", "casino",
)  # fmt: skip
"""Phrases that always fail the review of both platforms here. Ours, not the platforms' lists."""

BASE_DISAPPROVAL = 0.02
"""Share of innocent texts that a review refuses all the same."""


@dataclass
class Hour:
    """One ad in one click-hour. Money in ISO minor units. c/r = attributed purchases and their value: click within a day,
    click within seven days (including the first), view within a day. `realtime` counts purchases by their report hour."""

    impressions: int = 0
    clicks: int = 0
    spend: int = 0
    c1: int = 0
    c7: int = 0
    cv: int = 0
    r1: int = 0
    r7: int = 0
    rv: int = 0
    realtime: int = 0

    @property
    def conversions(self) -> int:
        """Purchases the platform claims (7-day click or 1-day view)."""
        return self.c7 + self.cv

    @property
    def revenue(self) -> int:
        """Value the platform claims for them, minor units."""
        return self.r7 + self.rv

    def add(self, other: Hour) -> None:
        """Adds another hour's figures to this one."""
        self.impressions += other.impressions
        self.clicks += other.clicks
        self.spend += other.spend
        self.c1 += other.c1
        self.c7 += other.c7
        self.cv += other.cv
        self.r1 += other.r1
        self.r7 += other.r7
        self.rv += other.rv
        self.realtime += other.realtime


@dataclass(frozen=True)
class Order:
    """A true purchase in the shop that an ad caused. `value_minor` in minor units of `currency`; `utm` as in the ad's link."""

    order_id: str
    platform: str
    campaign_id: str
    ad_id: str
    product: str
    utm: dict[str, str]
    value_minor: int
    currency: str
    clicked_at: datetime
    ordered_at: datetime


@dataclass
class Budgeted:
    """What can hold a daily budget (minor units), and how much of it went on which local day."""

    id: str
    name: str
    key: str
    created_at: datetime
    enabled: bool = True
    deleted: bool = False
    archived: bool = False
    daily_budget: int | None = None
    spent_by_day: dict[date, int] = field(default_factory=dict)
    budget_by_day: dict[date, int] = field(default_factory=dict)
    budget_changes: list[datetime] = field(default_factory=list)
    updated_at: datetime = datetime(2000, 1, 1, tzinfo=UTC)
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def on(self) -> bool:
        """Switched on by the advertiser and not gone."""
        return self.enabled and not self.deleted and not self.archived


@dataclass
class Campaign(Budgeted):
    """A campaign. `truth_key` names the product and audience behind it: copies share it, so copying does not create demand."""

    account: Account = field(kw_only=True)
    truth_key: str = ""
    groups: dict[str, Group] = field(default_factory=dict)
    marked_at: datetime = datetime(2000, 1, 1, tzinfo=UTC)

    def accrue(self, now: datetime) -> None:
        """Adds the time since the last mark to the ads that were live in it. Call before any change below this campaign."""
        since = self.marked_at
        if now <= since:
            return
        self.marked_at = now
        if not self.on:
            return
        for group in self.groups.values():
            if not group.on:
                continue
            start = max(since, group.starts_at) if group.starts_at else since
            end = min(now, group.ends_at) if group.ends_at else now
            if start >= end:
                continue
            for ad in group.ads.values():
                if ad.on and ad.approved and ad.review_at < end:
                    ad.live_seconds += (end - max(start, ad.review_at)).total_seconds()


@dataclass
class Group(Budgeted):
    """An ad set (Meta) or ad group (TikTok)."""

    campaign: Campaign = field(kw_only=True)
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    ads: dict[str, Ad] = field(default_factory=dict)
    learning_since: datetime = datetime(2000, 1, 1, tzinfo=UTC)
    learning_conversions: int = 0
    audience_key: str = ""
    audience: tuple[str, float] | None = None

    def learning(self, now: datetime) -> str:
        """LEARNING, SUCCESS (50 conversions within a week of the last significant edit) or FAIL (learning limited)."""
        if self.learning_conversions >= 50:
            return "SUCCESS"
        return "LEARNING" if now - self.learning_since < timedelta(days=7) else "FAIL"

    def significant_edit(self, now: datetime) -> None:
        """Starts the learning phase again."""
        self.learning_since = now
        self.learning_conversions = 0


@dataclass
class Ad(Budgeted):
    """An ad with its review verdict, known from the start but in force only from `review_at`."""

    group: Group = field(kw_only=True)
    text: str = ""
    link: str = ""
    review_at: datetime = datetime(2000, 1, 1, tzinfo=UTC)
    approved: bool = True
    review_reason: str = ""
    live_seconds: float = 0.0
    total_impressions: int = 0
    appeal: tuple[str, float] | None = None
    hours: dict[int, Hour] = field(default_factory=dict)

    def hour(self, index: int) -> Hour:
        """The bucket of one hour (hours since 1970 UTC), created when new."""
        bucket = self.hours.get(index)
        if bucket is None:
            bucket = self.hours[index] = Hour()
        return bucket

    def reviewed(self, now: datetime) -> bool:
        """Whether the review has spoken."""
        return now >= self.review_at


@dataclass
class Account:
    """One advertiser. `spend_cap` in minor units (None = no cap): once `spent` reaches it nothing delivers."""

    platform: str
    id: str
    currency: str
    timezone: str
    name: str
    campaigns: dict[str, Campaign] = field(default_factory=dict)
    spend_cap: int | None = None
    spent: int = 0
    active: bool = True

    @property
    def zone(self) -> ZoneInfo:
        """The account's time zone, in which days begin."""
        return ZoneInfo(self.timezone)


def truth_key(name: str) -> str:
    """The product a campaign name speaks of: lower case, without idempotency marks like "[k:9f3a]" and copy suffixes."""
    bare = re.sub(r"\[[^\]]*\]", " ", name.lower())
    bare = re.sub(r"[-–—|:_ ]*\b(copy|cópia|copia|duplicate|duplicado)\b.*$", "", bare)
    return " ".join(bare.split()) or name.lower()


class AdBook:
    """All ad accounts and what hangs below them, with every change that the market must know of."""

    def __init__(self, world: World, currency: str = "BRL", timezone: str = "America/Sao_Paulo") -> None:
        minor_per_unit(currency)
        self.world = world
        self.list_lag = timedelta(0)
        self.accounts: dict[tuple[str, str], Account] = {}
        for platform, ident in (("meta", META_ACCOUNT), ("tiktok", TIKTOK_ADVERTISER)):
            self.accounts[platform, ident] = Account(platform, ident, currency, timezone, "Loja Exemplo")
        self._nodes: dict[tuple[str, str], Campaign | Group | Ad] = {}

    def account(self, platform: str, ident: str) -> Account | None:
        """An account by the vendor's id."""
        return self.accounts.get((platform, ident))

    def node(self, platform: str, ident: str) -> Campaign | Group | Ad | None:
        """Any campaign, group or ad by id."""
        return self._nodes.get((platform, ident))

    def _key(self, name: str, siblings: dict[str, Any]) -> str:
        """The name, with a number when a sibling already goes by it: chance hangs on keys, never on ids or on arrival order."""
        taken = {other.key for other in siblings.values()}
        key, number = name, 1
        while key in taken:
            number += 1
            key = f"{name}#{number}"
        return key

    def _new_id(self, platform: str) -> str:
        return str(self.world.next_id(platform, 120210000000000000 if platform == "meta" else 1790000000000000000))

    def add_campaign(self, account: Account, name: str, *, enabled: bool, daily_budget: int | None, data: dict[str, Any],
                     like: Campaign | None = None) -> Campaign:  # fmt: skip
        """Creates a campaign; `like` is the source of a copy, whose demand it shares."""
        now = self.world.now
        campaign = Campaign(
            self._new_id(account.platform), name, self._key(name, account.campaigns), now, enabled=enabled,
            daily_budget=daily_budget, data=data, account=account, updated_at=now, marked_at=now,
            truth_key=like.truth_key if like else truth_key(name),
        )  # fmt: skip
        account.campaigns[campaign.id] = campaign
        self._nodes[account.platform, campaign.id] = campaign
        return campaign

    def add_group(self, campaign: Campaign, name: str, *, enabled: bool, daily_budget: int | None, data: dict[str, Any],
                  audience_key: str, starts_at: datetime | None = None, ends_at: datetime | None = None) -> Group:  # fmt: skip
        """Creates an ad set or ad group."""
        now = self.world.now
        campaign.accrue(now)
        group = Group(
            self._new_id(campaign.account.platform), name, self._key(name, campaign.groups), now, enabled=enabled,
            daily_budget=daily_budget, data=data, campaign=campaign, updated_at=now, starts_at=starts_at,
            ends_at=ends_at, learning_since=now, audience_key=audience_key,
        )  # fmt: skip
        campaign.groups[group.id] = group
        self._nodes[campaign.account.platform, group.id] = group
        return group

    def add_ad(self, group: Group, name: str, *, enabled: bool, text: str, link: str, data: dict[str, Any]) -> Ad:
        """Creates an ad and sends it to review."""
        now = self.world.now
        group.campaign.accrue(now)
        platform = group.campaign.account.platform
        ad = Ad(
            self._new_id(platform), name, self._key(name, group.ads), now, enabled=enabled, data=data, group=group,
            updated_at=now, text=text, link=link,
        )  # fmt: skip
        self.review(ad)
        group.ads[ad.id] = ad
        self._nodes[platform, ad.id] = ad
        return ad

    def review(self, ad: Ad) -> None:
        """Starts a review: 20 minutes to 6 hours; banned words fail, a few innocent texts too."""
        platform = ad.group.campaign.account.platform
        chance = self.world.rng("review", platform, ad.group.campaign.key, ad.group.key, ad.key, ad.text)
        ad.review_at = self.world.now + timedelta(seconds=int(1200 + 20400 * chance.random() ** 2))
        banned = [term for term in BANNED_TERMS if term in ad.text.lower()]
        unlucky = self.world.rng("review-text", platform, ad.text).random() < BASE_DISAPPROVAL
        ad.approved = not banned and not unlucky
        ad.review_reason = f"Prohibited claim: {banned[0]}" if banned else ("Unacceptable business practices" if unlucky else "")

    def change(self, node: Campaign | Group | Ad) -> None:
        """Call before changing anything on a node: settles what it delivered until now."""
        campaign = node if isinstance(node, Campaign) else node.campaign if isinstance(node, Group) else node.group.campaign
        campaign.accrue(self.world.now)
        node.updated_at = self.world.now

    def set_budget(self, node: Campaign | Group, minor: int) -> None:
        """Changes a daily budget (minor units). A change of more than 20 % restarts learning."""
        self.change(node)
        before = node.daily_budget
        node.daily_budget = minor
        node.budget_changes.append(self.world.now)
        if before and abs(minor - before) * 5 > before:
            for group in [node] if isinstance(node, Group) else node.groups.values():
                group.significant_edit(self.world.now)

    def visible(self, node: Budgeted) -> bool:
        """Whether lists show it yet (`list_lag` models lists that are only eventually consistent)."""
        return node.created_at + self.list_lag <= self.world.now
