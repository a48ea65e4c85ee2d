"""Campaigns and what is measured of them, as the platforms and our ledger speak of them."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from knowledge.domain.action import Platform
from knowledge.domain.money import Money

CampaignStatus = Literal["draft", "active", "error", "testing", "scaling", "paused"]
Delivery = Literal["active", "paused", "in_review", "rejected", "with_issues", "archived", "unknown"]


class AdLength(NamedTuple):
    """Most characters of an ad's headline and text that a platform shows or accepts."""

    headline: int
    text: int


AD_LENGTHS: dict[Platform, AdLength] = {
    "meta": AdLength(40, 125),
    "tiktok": AdLength(40, 100),
    "google": AdLength(30, 90),
    "linkedin": AdLength(70, 150),
}
"""As the platforms' ad specifications state them: the rule refuses by these and the copywriter writes to these."""


class Product(BaseModel):
    """A thing to sell. `margin` is contribution as a share of revenue after landed cost (0-1)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    name: str
    description: str
    price: Money
    margin: Decimal
    landing_url: str
    in_stock: bool = True
    image_url: str | None = None
    keywords: tuple[str, ...] = ()


class PlatformCampaign(BaseModel):
    """A fresh read of one campaign from its platform. `daily_budget` is what the platform would spend a day by plan,
    wherever the vendor keeps it (campaign or ad sets)."""

    model_config = ConfigDict(frozen=True)

    platform: Platform
    external_id: str
    name: str
    delivery: Delivery
    daily_budget: Money | None
    issues: tuple[str, ...] = ()
    read_at: datetime


class AdObject(BaseModel):
    """One ad set or ad that exists on the platform."""

    model_config = ConfigDict(frozen=True)

    level: Literal["ad_set", "ad"]
    external_id: str
    parent_external_id: str
    name: str
    delivery: Delivery


class PublishedCampaign(BaseModel):
    """What a publication left on the platform, read back after activation."""

    model_config = ConfigDict(frozen=True)

    campaign: PlatformCampaign
    objects: tuple[AdObject, ...]


class InsightRow(BaseModel):
    """One campaign's figures of one account-local day (or hour of it), as the platform attributes them.

    Counts are exact; spend and revenue are in the account currency. `provisional` marks days that may still be restated.
    """

    model_config = ConfigDict(frozen=True)

    platform: Platform
    level: Literal["campaign", "ad_set", "ad"] = "campaign"
    external_id: str
    day: date
    hour: int | None = None
    impressions: int
    clicks: int
    spend: Money
    conversions: int
    revenue: Money
    provisional: bool


class AccountFacts(BaseModel):
    """The ad account as the platform states it."""

    model_config = ConfigDict(frozen=True)

    platform: Platform
    external_id: str
    currency: str
    time_zone: str
    active: bool
    min_daily_budget: Money | None
