"""The market: what it does is the same story each time, keeps to budgets, and punishes and rewards as auctions do."""

from __future__ import annotations

import itertools
import time
from datetime import UTC, datetime, timedelta

import pytest

from runtime.sandbox.adtree import META_ACCOUNT, TIKTOK_ADVERTISER, AdBook, Group, Hour, truth_key
from runtime.sandbox.market import DAILY_OVERSPEND, Market
from runtime.sandbox.world import World
from tests.sandbox.ads_support import ACT, ADSET, CAMPAIGN, sandbox

START = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
"""Monday midnight in São Paulo."""


def build(seed: int = 7) -> tuple[World, AdBook, Market]:
    world = World(seed, START)
    book = AdBook(world)
    market = Market(world, book)
    market.start()
    return world, book, market


def campaign(
    book: AdBook, name: str, *, platform: str = "meta", budget: int = 5000, ads: int = 1, like: str | None = None
) -> Group:
    account = book.account(platform, META_ACCOUNT if platform == "meta" else TIKTOK_ADVERTISER)
    assert account is not None
    source = next((item for item in account.campaigns.values() if item.name == like), None)
    made = book.add_campaign(account, name, enabled=True, daily_budget=None, data={}, like=source)
    group = book.add_group(made, "BR", enabled=True, daily_budget=budget, data={}, audience_key="broad")
    for number in range(ads):
        book.add_ad(group, f"ad {number}", enabled=True, text=f"{name} {number}", link="", data={})
        for ad in group.ads.values():
            ad.approved = True
    return group


def total(group: Group) -> Hour:
    made = Hour()
    for ad in group.ads.values():
        for bucket in ad.hours.values():
            made.add(bucket)
    return made


async def _story(order: list[str]) -> list[object]:
    """A fortnight with changes; `order` is the order of requests within each simulated instant."""
    async with sandbox(seed=11) as box:
        sets: dict[str, str] = {}
        campaigns: dict[str, str] = {}
        for name in order:
            campaigns[name], sets[name], _ = await box.meta_campaign(name)
        for name in order:
            await box.tiktok_campaign(f"T {name}")
        await box.advance(days=3, minutes=17)
        for name in order:
            await box.post(sets[name], daily_budget=6000)
        await box.post(campaigns[sorted(order)[0]], status="PAUSED")
        await box.advance(days=4)
        book = await box.book()
        ids = ("id",)
        figures = sorted(
            ({key: value for key, value in row.items() if key not in ids} for row in book["ads"]["campaigns"]),
            key=lambda row: row["name"],
        )
        orders = sorted((row["order_id"], row["value_minor"], row["ordered_at"]) for row in book["orders"])
        return [figures, orders, book["ads"]["by_day"]]


async def test_same_seed_and_changes_same_books_whatever_the_order_of_requests():
    names = ["Abajur", "Boné", "Caneca"]
    stories = [await _story(list(order)) for order in (names, names[::-1])]
    assert stories[0] == stories[1]
    assert any(row["spend"] for row in stories[0][0])


async def test_another_seed_is_another_story():
    figures = []
    for seed in (1, 2):
        world, book, _ = build(seed)
        group = campaign(book, "Abajur")
        await world.advance(START + timedelta(days=3))
        figures.append((total(group).impressions, total(group).spend))
    assert figures[0] != figures[1]


async def test_in_one_leap_or_hour_by_hour():
    seen = []
    for step in (timedelta(hours=72), timedelta(minutes=25)):
        world, book, market = build()
        group = campaign(book, "Abajur")
        while world.now < START + timedelta(hours=72):
            await world.advance(min(world.now + step, START + timedelta(hours=72)))
        market.settle()
        seen.append(total(group))
    assert seen[0] == seen[1]


@pytest.mark.parametrize("platform", ["meta", "tiktok"])
async def test_no_day_beyond_the_overspend_and_no_week_beyond_seven_budgets(platform):
    world, book, _ = build()
    groups = [campaign(book, f"P{number}", platform=platform) for number in range(25)]
    await world.advance(START + timedelta(days=35))
    days = [spent for group in groups for spent in group.spent_by_day.values()]
    assert max(days) <= 5000 * DAILY_OVERSPEND[platform]
    assert max(days) > 5000
    for group in groups:
        for _, week in itertools.groupby(sorted(group.spent_by_day), key=lambda day: (day + timedelta(days=1)).isocalendar()[:2]):
            assert sum(group.spent_by_day[day] for day in week) <= 7 * 5000
    mean = sum(days) / len(days)
    assert 4200 < mean < 5400


async def test_fifty_reais_a_day_buy_thousands_of_impressions_and_qualities_mix():
    world, book, market = build()
    groups = [campaign(book, f"Produto {number}") for number in range(40)]
    await world.advance(START + timedelta(days=10))
    shown = [total(group).impressions / 10 for group in groups]
    assert 1200 < sum(shown) / len(shown) < 6000
    truths = [market.truth("meta", group.campaign.truth_key, "BRL") for group in groups]
    kinds = [truth.quality for truth in truths]
    assert min(kinds.count(kind) for kind in ("winner", "middling", "loser")) >= 4
    assert all(truth.roas < 1 for truth in truths if truth.quality == "loser")
    spend = {kind: sum(total(g).spend for g, t in zip(groups, truths, strict=True) if t.quality == kind) for kind in set(kinds)}
    earned = dict.fromkeys(spend, 0)
    for order in world.orders:
        earned[market.truth("meta", order.product, "BRL").quality] += order.value_minor
    assert earned["winner"] / spend["winner"] > 2 > 0.95 > earned["loser"] / spend["loser"]


async def test_platforms_claim_more_than_the_shop_sold_and_restate_past_days():
    world, book, market = build()
    market.override("", {"roas": 4.0})
    groups = [campaign(book, f"Produto {number}", budget=20000) for number in range(15)]
    await world.advance(START + timedelta(hours=26))
    market.settle()

    def first_day() -> tuple[int, int]:
        index = int(START.timestamp()) // 3600
        buckets = [
            ad.hours[hour] for group in groups for ad in group.ads.values() for hour in ad.hours if index <= hour < index + 24
        ]
        return sum(bucket.revenue for bucket in buckets), sum(bucket.spend for bucket in buckets)

    early = first_day()
    await world.advance(START + timedelta(days=12))
    market.settle()
    late = first_day()
    assert late[0] > 1.05 * early[0] > 0 and late[1] == early[1]
    claimed = sum(total(group).revenue for group in groups)
    true = sum(order.value_minor for order in world.orders)
    assert 1.02 < claimed / true < 1.35
    assert all(order.clicked_at <= order.ordered_at <= world.now for order in world.orders)


async def test_more_budget_buys_less_per_unit_and_a_copy_brings_no_new_demand():
    def cpm(hour: Hour) -> float:
        return hour.spend * 1000 / hour.impressions

    results = []
    for budgets in ((5000,), (200000,), (100000, 100000)):
        world, book, _ = build()
        groups = [campaign(book, f"Abajur{' - Copy' if n else ''}", budget=budget) for n, budget in enumerate(budgets)]
        await world.advance(START + timedelta(days=7))
        whole = Hour()
        for group in groups:
            whole.add(total(group))
        results.append(cpm(whole))
    small, large, split = results
    assert large > 1.15 * small and split == pytest.approx(large, rel=0.12)


async def test_a_shock_hits_what_it_names_for_as_long_as_it_lasts():
    async with sandbox() as box:
        await box.meta_campaign("Abajur", budget=50000)
        await box.tiktok_campaign("Abajur", budget=500.0)
        await box.control("POST", "shock", match="^meta", starts_in_hours=72, hours=72, ctr=0.2)
        await box.advance(days=6)
        days = (await box.book())["ads"]["by_day"]

        def ctr(platform: str, day: str) -> float:
            return days[day][platform]["clicks"] / days[day][platform]["impressions"]

        assert ctr("meta", "2026-11-27") < 0.4 * ctr("meta", "2026-11-25")
        assert ctr("tiktok", "2026-11-27") > 0.6 * ctr("tiktok", "2026-11-25")


async def test_creatives_wear_out_and_learning_ends():
    world, book, market = build()
    market.override("", {"fatigue": 20000, "roas": 5.0})
    group = campaign(book, "Abajur", budget=60000)
    await world.advance(START + timedelta(days=1))
    assert group.learning(world.now) == "LEARNING"
    await world.advance(START + timedelta(days=21))
    ad = next(iter(group.ads.values()))
    assert market.freshness(market.truth("meta", "abajur", "BRL"), ad) < 0.5
    assert group.learning(world.now) in ("SUCCESS", "FAIL")
    book.set_budget(group, 120000)
    assert group.learning(world.now) == "LEARNING"


async def test_a_pause_in_the_middle_of_an_hour_stops_spend_there():
    async with sandbox() as box:
        campaign_id, _, _ = await box.meta_campaign("Abajur", budget=100000)
        await box.advance(hours=9)
        before = (await box.book())["ads"]["spend"]
        await box.advance(minutes=30)
        await box.post(campaign_id, status="PAUSED")
        await box.advance(hours=10)
        spent = (await box.book())["ads"]["spend"] - before
        assert 0 < spent < 0.06 * 100000


async def test_campaign_budget_is_shared_among_its_ad_sets():
    async with sandbox() as box:
        made = (await box.post(f"{ACT}/campaigns", **{**CAMPAIGN, "name": "CBO", "daily_budget": 20000, "status": "ACTIVE"}))["id"]
        for name in ("A", "B"):
            values = {key: value for key, value in ADSET.items() if key != "daily_budget"}
            adset = (await box.post(f"{ACT}/adsets", **{**values, "name": name, "campaign_id": made, "status": "ACTIVE"}))["id"]
            story = {"page_id": "1", "link_data": {"link": "https://loja.example", "message": f"Oi {name}"}}
            await box.post(f"{ACT}/ads", name="ad", adset_id=adset, status="ACTIVE", creative={"object_story_spec": story})
        await box.advance(days=4)
        rows = (await box.get(f"{made}/insights", level="adset", fields="adset_name,spend", date_preset="maximum"))["data"]
        assert len(rows) == 2 and 400 < sum(float(row["spend"]) for row in rows) < 4.2 * 200 * 1.75


async def test_orders_carry_the_utm_of_the_link():
    async with sandbox() as box:
        await box.control("POST", "truth", match="", values={"roas": 5.0})
        await box.meta_campaign("Abajur", budget=100000)
        await box.tiktok_campaign("Boné", budget=900.0)
        await box.advance(days=3)
        orders = (await box.control("GET", "orders"))["orders"]
        by_platform = {row["platform"]: row["utm"] for row in orders}
        assert by_platform == {
            "meta": {"utm_source": "meta", "utm_campaign": "Abajur"},
            "tiktok": {"utm_source": "tiktok", "utm_campaign": "Boné"},
        }


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Abajur LED [k:9f3a1c]", "abajur led"),
        ("Abajur LED - Copy", "abajur led"),
        ("Abajur LED – cópia 2", "abajur led"),
        ("[k:1]", "[k:1]"),
    ],
)
def test_the_product_behind_a_name(name, key):
    assert truth_key(name) == key


@pytest.mark.parametrize(("count", "limit"), [(20, 0.005), (1000, 0.300)])
async def test_an_hour_is_quick(count, limit):
    world, book, _ = build()
    for number in range(count):
        campaign(book, f"Produto {number}")
    await world.advance(START + timedelta(hours=15))
    times = []
    for _ in range(7):
        begin = time.perf_counter()
        await world.advance(world.now + timedelta(hours=1))
        times.append(time.perf_counter() - begin)
    # The best of seven: the machine is shared, the promise is about the code.
    assert min(times) < limit


def test_a_name_given_up_by_a_rename_does_not_share_its_luck():
    _, book, _ = build()
    first = campaign(book, "Abajur").campaign
    first.name = "Luminária"
    second = campaign(book, "Abajur").campaign
    assert (first.key, second.key) == ("Abajur", "Abajur#2")
    assert first.truth_key == second.truth_key == "abajur"
