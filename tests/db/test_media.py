"""Campaigns, figures and orders: written twice, counted once."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from knowledge.domain.action import Creative, PublishCampaign
from knowledge.domain.campaign import AdObject, InsightRow, PlatformCampaign, Product, PublishedCampaign
from knowledge.domain.clock import SettableClock
from knowledge.domain.money import Money
from runtime.db.analytics import OrderRecord
from runtime.db.campaigns import BudgetChange
from runtime.db.products import ProductRecord
from runtime.db.uow import Database

DAY = date(2026, 11, 22)
BRL = "BRL"


def brl(minor: int) -> Money:
    return Money(minor=minor, currency=BRL)


def figures(external: str = "x1", day: date = DAY, hour: int | None = None, **changes: object) -> InsightRow:
    values = {"impressions": 1000, "clicks": 20, "spend": brl(5000), "conversions": 2, "revenue": brl(20000), "provisional": True}
    return InsightRow(platform="meta", external_id=external, day=day, hour=hour, **(values | changes))  # pyright: ignore[reportArgumentType]


PLAN = PublishCampaign(
    platform="meta",
    campaign_id="c1",
    product_id="p1",
    name="One",
    daily_budget=brl(5000),
    creatives=(Creative(id="k1", headline="h", text="t"),),
    landing_url="https://shop.example/p1",
)


@pytest.fixture
async def published(database: Database, clock: SettableClock) -> Database:
    """Product p1 with campaign c1 live on Meta as x1."""
    product = Product(
        id="p1", name="Lamp", description="A lamp", price=brl(9990), margin=Decimal("0.42"), landing_url="https://shop.example/p1"
    )
    seen = PlatformCampaign(
        platform="meta", external_id="x1", name="One", delivery="active", daily_budget=brl(5000), read_at=clock.now()
    )
    objects = (
        AdObject(level="ad", external_id="a1", parent_external_id="s1", name="ad", delivery="in_review"),
        AdObject(level="ad_set", external_id="s1", parent_external_id="x1", name="set", delivery="active"),
    )
    async with database.transaction() as tx:
        assert await tx.products.add(ProductRecord(product, "approved", clock.now(), clock.now()))
        assert not await tx.products.add(ProductRecord(product, "candidate", clock.now(), clock.now()))
        first = await tx.campaigns.draft(PLAN, at=clock.now())
        assert await tx.campaigns.draft(PLAN, at=clock.now() + timedelta(days=1)) == first
        await tx.campaigns.published("c1", PublishedCampaign(campaign=seen, objects=objects), at=clock.now())
        record = await tx.campaigns.published("c1", PublishedCampaign(campaign=seen, objects=objects), at=clock.now())
        assert (record.status, record.external_id, record.launch_budget) == ("testing", "x1", brl(5000))
        assert [(o.level, o.external_id, o.parent_external_id) for o in await tx.campaigns.objects("c1")] == [
            ("ad_set", "s1", "x1"),
            ("ad", "a1", "s1"),
        ]
        stored = await tx.products.get("p1")
        assert stored is not None and stored.product == product
    return database


async def test_the_same_figures_change_nothing_and_restated_ones_replace(published: Database, clock: SettableClock) -> None:
    rows = [figures(), figures(hour=3), figures(external="foreign")]
    async with published.transaction() as tx:
        assert await tx.analytics.upsert(rows, at=clock.now()) == 3
        assert await tx.analytics.upsert([*rows, *rows], at=clock.advance(timedelta(hours=1))) == 0
        restated = figures(conversions=3, revenue=brl(30000), provisional=False)
        assert await tx.analytics.upsert([restated, *rows[1:]], at=clock.now()) == 1
        days = await tx.analytics.days(DAY, DAY)
        assert [(d.campaign_id, d.row.external_id) for d in days] == [(None, "foreign"), ("c1", "x1")]
        assert days[1].row == restated
        assert await tx.analytics.hours("c1", DAY) == [figures(hour=3)]
        # Hourly rows repeat the day's money; a stranger's campaign of the same account spends it too.
        assert await tx.analytics.spent(DAY, DAY) == [brl(10000)]
        assert await tx.analytics.spent(DAY, DAY, campaign_id="c1") == [brl(5000)]
        assert await tx.analytics.spent(DAY - timedelta(days=9), DAY - timedelta(days=1)) == []


async def test_a_stranger_that_is_adopted_gets_its_earlier_figures(published: Database, clock: SettableClock) -> None:
    seen = PlatformCampaign(
        platform="meta", external_id="foreign", name="By hand", delivery="active", daily_budget=None, read_at=clock.now()
    )
    async with published.transaction() as tx:
        await tx.analytics.upsert([figures(external="foreign")], at=clock.now())
        assert not await tx.campaigns.synced(seen)
        adopted = await tx.campaigns.adopt(seen)
        assert await tx.campaigns.adopt(seen) == adopted
        assert adopted.daily_budget is None
        assert await tx.analytics.upsert([figures(external="foreign")], at=clock.now()) == 1
        assert [d.campaign_id for d in await tx.analytics.days(DAY, DAY)] == [adopted.id]


async def test_the_views_count_daily_rows_once_and_leave_undefined_ratios_empty(published: Database, clock: SettableClock) -> None:
    idle = figures(day=DAY - timedelta(days=1), impressions=0, clicks=0, spend=brl(0), conversions=0, revenue=brl(0))
    async with published.transaction() as tx:
        await tx.analytics.upsert([figures(), figures(hour=3), idle], at=clock.now())
        paid = OrderRecord("o1", "shopify", "1", brl(15000), "paid", clock.now(), campaign_id="c1")
        gone = OrderRecord("o2", "shopify", "2", brl(15000), "cancelled", clock.now(), campaign_id="c1")
        assert [await tx.orders.upsert(o, at=clock.now()) for o in (paid, paid, gone)] == ["new", "same", "new"]
        await tx.analytics.refresh_views()
        (row,) = await tx.analytics.performance()
        assert (row.spend, row.impressions, row.roas, row.roas_orders) == (brl(5000), 1000, Decimal(4), Decimal(3))
        daily = await tx.analytics.all("select day, roas, ctr, cpa_minor from mv_daily_metrics order by day")
        assert daily[0]["roas"] is None and daily[0]["ctr"] is None and daily[0]["cpa_minor"] is None
        assert daily[1]["roas"] == 4


async def test_an_order_keeps_its_attribution_when_its_status_changes(published: Database, clock: SettableClock) -> None:
    async with published.transaction() as tx:
        await tx.orders.upsert(OrderRecord("o1", "shopify", "1", brl(900), "paid", clock.now(), campaign_id="c1"), at=clock.now())
        refunded = OrderRecord("o1", "shopify", "1", brl(900), "refunded", clock.now())
        assert await tx.orders.upsert(refunded, at=clock.now()) == "changed"
        order = await tx.orders.get("o1")
    assert order is not None and (order.status, order.campaign_id) == ("refunded", "c1")


async def test_a_budget_change_is_kept_with_its_before_and_an_older_read_does_not_undo_it(
    published: Database, clock: SettableClock
) -> None:
    old = PlatformCampaign(
        platform="meta",
        external_id="x1",
        name="One",
        delivery="paused",
        daily_budget=brl(1),
        read_at=clock.now() - timedelta(hours=1),
    )
    async with published.transaction() as tx:
        await tx.campaigns.budget_changed(BudgetChange("c1", None, brl(5000), brl(6000), clock.now(), "scale"))
        assert not await tx.campaigns.synced(old)
        campaign = await tx.campaigns.get("c1")
        assert campaign is not None and (campaign.daily_budget, campaign.delivery) == (brl(6000), "active")
        (change,) = await tx.campaigns.budget_changes(campaign_id="c1", since=clock.now())
        assert (change.before, change.after) == (brl(5000), brl(6000))
        with pytest.raises(LookupError):
            await tx.campaigns.budget_changed(BudgetChange("none", None, None, brl(1), clock.now(), "x"))


async def test_a_creative_is_stored_once_and_its_verdict_is_found_by_platform(published: Database, clock: SettableClock) -> None:
    async with published.transaction() as tx:
        for expected in (True, False):
            assert await tx.creatives.put(PLAN.creatives[0], product_id="p1", platform="meta", at=clock.now()) is expected
        assert await tx.creatives.set_status("k1", "rejected", clock.now(), findings=[{"rule": "promises_health"}])
        (found,) = await tx.creatives.list(product_id="p1", platform="meta", status="rejected")
        assert (found.creative, found.policy_findings) == (PLAN.creatives[0], [{"rule": "promises_health"}])
        assert await tx.creatives.list(platform="tiktok") == []
