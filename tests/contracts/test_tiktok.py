"""The TikTok client against the sandbox's twin over real HTTP: the mistakes that cost money (Business API v1.3)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest

from knowledge.domain.action import Creative, PublishCampaign
from knowledge.domain.money import Money
from runtime.sandbox.tiktok import TikTokTwin
from tools.errors import Killed, NoPermit, RateLimited, Refused, Unauthorized, UnknownOutcome
from tools.permit import Permit, use_permit
from tools.vendors.tiktok import TikTokAds
from tools.vendors.tiktok.wire import marker, request_id

TOKEN = "tt-sandbox-token-1234567890"
ADVERTISER = "7000000000000000001"


async def nothing() -> None:
    return None


@contextmanager
def permitted(guard=nothing) -> Iterator[None]:
    with use_permit(Permit("a1", "key-1", frozenset({("platform", "tiktok")}), guard)):
        yield


def ads_at(url: str, clock, **more) -> TikTokAds:
    return TikTokAds(
        base_url=f"{url}/tiktok", token=TOKEN, advertiser_id=ADVERTISER, pixel_id="PX1", display_name="Loja Exemplo", clock=clock,
        location_ids={"BR": "3469034"}, per_second=200, **{"lookup_waits": (0.01, 0.02), "settle": 0.0, **more},
    )  # fmt: skip


@pytest.fixture
def ads(sandbox, clock) -> TikTokAds:
    return ads_at(sandbox.url, clock)


VIDEOS = tuple(Creative(id=f"cr{n}", headline="Garrafa", text=f"Gelada, versão {n}", video_id=f"v{n}") for n in (1, 2))


def order(budget: str = "60.00", currency: str = "BRL", **more) -> PublishCampaign:
    given = {
        "platform": "tiktok", "campaign_id": "c-1", "product_id": "p-1", "name": "Garrafa térmica",
        "creatives": VIDEOS,
        "daily_budget": Money.of(budget, currency), "landing_url": "https://loja.example/garrafa?cor=azul",
    }  # fmt: skip
    return PublishCampaign(**{**given, **more})


def made(sandbox, operation: str) -> list[dict]:
    return [write for write in sandbox.writes() if write["vendor"] == "tiktok" and write["operation"] == operation]


async def test_a_publication_is_disabled_everywhere_read_back_and_then_enabled(ads, sandbox, clock):
    with permitted():
        published = await ads.publish(order(), "key-1")
    ident = published.campaign.external_id
    assert int(ident) > 2**53
    assert published.campaign.name == f"Garrafa térmica {marker('key-1')}"
    assert published.campaign.daily_budget == Money.of("60.00", "BRL")
    assert published.campaign.delivery == "in_review"
    steps = [(w["operation"], w["detail"].get("status")) for w in sandbox.writes()]
    assert steps == [
        ("campaign.create", "DISABLE"), ("adgroup.create", "DISABLE"), ("ad.create", "DISABLE"), ("ad.create", "DISABLE"),
        ("ad.status", "ENABLE"), ("ad.status", "ENABLE"), ("adgroup.status", "ENABLE"), ("campaign.status", "ENABLE"),
    ]  # fmt: skip
    node = sandbox.app.state.book.node("tiktok", ident)
    group = next(iter(node.groups.values()))
    assert node.daily_budget is None and group.daily_budget == 6000
    assert group.ends_at - clock.now() == timedelta(days=180)
    assert group.data["location_ids"] == ["3469034"] and len(group.data["age_groups"]) == 5
    link = next(iter(group.ads.values())).link
    assert (
        link.startswith("https://loja.example/garrafa?cor=azul&")
        and "utm_campaign=c-1" in link
        and "utm_id=__CAMPAIGN_ID__" in link
    )
    assert sandbox.app.state.world.refusals == []


@pytest.mark.parametrize("kind", ["commit_then_500", "commit_then_html_502", "timeout"])
@pytest.mark.parametrize("level", ["campaign", "adgroup", "ad"])
async def test_a_lost_answer_at_any_level_leaves_exactly_one_of_each(sandbox, clock, kind, level):
    ads = ads_at(sandbox.url, clock, timeout=0.5)
    sandbox.fault(f"POST .*/{level}/create/$", kind, seconds=0.8)
    with permitted():
        published = await ads.publish(order(), "key-1")
        again = await ads.publish(order(), "key-1")
    assert published.campaign.external_id == again.campaign.external_id
    assert [len(made(sandbox, f"{one}.create")) for one in ("campaign", "adgroup", "ad")] == [1, 1, 2]


@pytest.mark.parametrize("kind", ["error_500", "html_502"])
async def test_a_failure_before_commit_is_unknown_then_a_second_call_makes_one(ads, sandbox, kind):
    sandbox.fault("POST .*/campaign/create/$", kind)
    with permitted():
        with pytest.raises(UnknownOutcome):
            await ads.publish(order(), "key-1")
        assert await ads.find_published("key-1") is None
        await ads.publish(order(), "key-1")
    assert len(made(sandbox, "campaign.create")) == 1


async def test_the_token_keeps_a_retry_single_even_while_lists_lag_behind(ads, sandbox):
    sandbox.app.state.book.list_lag = timedelta(minutes=2)
    sandbox.fault("POST .*/campaign/create/$", "commit_then_500")
    with permitted():
        for _ in range(3):
            with pytest.raises(UnknownOutcome):
                await ads.publish(order(), "key-1")
        assert {w["detail"]["status"] for w in sandbox.writes() if w["operation"].endswith((".create", ".status"))} == {"DISABLE"}
        sandbox.advance(timedelta(minutes=3))
        sandbox.app.state.book.list_lag = timedelta(0)
        await ads.publish(order(), "key-1")
    (write,) = made(sandbox, "campaign.create")
    assert write["key"] == request_id("key-1", "campaign")


def test_tokens_are_the_same_for_a_retry_and_new_for_an_intent():
    assert request_id("a", "campaign") == request_id("a", "campaign")
    tokens = {request_id(key, step) for key in ("a", "b") for step in ("campaign", "adgroup")}
    assert len(tokens) == 4 and all(0 < int(token) < 2**63 for token in tokens)


async def test_without_a_permit_nothing_is_written(ads, sandbox):
    with pytest.raises(NoPermit):
        await ads.publish(order(), "key-1")
    assert sandbox.writes() == []


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"daily_budget": Money.of("19.99", "BRL")}, "minimum of 20 BRL for an ad group"),
        ({"daily_budget": Money.of("60.00", "USD")}, "advertiser in BRL"),
        ({"countries": ("BR", "AR")}, "location id for AR"),
        ({"age_min": 20, "age_max": 24}, "age bracket"),
        ({"creatives": (Creative(id="bare", headline="h", text="t"),)}, "neither video_id nor image_url"),
    ],
)
async def test_what_tiktok_cannot_take_is_refused_before_anything_leaves(ads, sandbox, changes, why):
    with permitted(), pytest.raises(Refused, match=why):
        await ads.publish(order(**changes), "key-1")
    assert sandbox.writes() == []


async def test_a_picture_is_uploaded_and_used(ads, sandbox):
    creative = Creative(id="pic", headline="h", text="Gelada por 24 h", image_url="https://cdn.example/1.jpg")
    with permitted():
        published = await ads.publish(order(creatives=(creative,)), "key-1")
        await ads.publish(order(creatives=(creative,)), "key-1")
    group = next(iter(sandbox.app.state.book.node("tiktok", published.campaign.external_id).groups.values()))
    assert next(iter(group.ads.values())).data["ad_format"] == "SINGLE_IMAGE"
    assert len(made(sandbox, "image.create")) == 1


async def test_the_budget_is_major_units_on_the_ad_group_and_proven_by_a_read(ads, sandbox):
    with permitted():
        ident = (await ads.publish(order(), "key-1")).campaign.external_id
        sandbox.fault("POST .*/adgroup/update/$", "commit_then_500")
        after = await ads.set_daily_budget(ident, Money.of("72.50", "BRL"), "key-2")
        assert after.daily_budget == Money.of("72.50", "BRL")
        assert next(iter(sandbox.app.state.book.node("tiktok", ident).groups.values())).daily_budget == 7250
        with pytest.raises(Refused, match="minimum of 20"):
            await ads.set_daily_budget(ident, Money.of("10.00", "BRL"), "key-3")
        sandbox.fault("POST .*/adgroup/update/$", "error_500")
        with pytest.raises(UnknownOutcome):
            await ads.set_daily_budget(ident, Money.of("80.00", "BRL"), "key-4")
    assert (await ads.get_campaign(ident)).daily_budget == Money.of("72.50", "BRL")


async def test_a_campaign_budget_has_its_own_minimum_and_a_total_budget_is_left_alone(ads, sandbox):
    book = sandbox.app.state.book
    account = book.account("tiktok", ADVERTISER)
    daily = book.add_campaign(account, "D", enabled=True, daily_budget=6000, data={"budget_mode": "BUDGET_MODE_DAY"})
    whole = book.add_campaign(account, "T", enabled=True, daily_budget=6000, data={"budget_mode": "BUDGET_MODE_TOTAL"})
    with permitted():
        assert (await ads.set_daily_budget(daily.id, Money.of("75.00", "BRL"), "k1")).daily_budget == Money.of("75.00", "BRL")
        with pytest.raises(Refused, match="minimum of 50 BRL for a campaign"):
            await ads.set_daily_budget(daily.id, Money.of("40.00", "BRL"), "k2")
        with pytest.raises(Refused, match="mode"):
            await ads.set_daily_budget(whole.id, Money.of("75.00", "BRL"), "k3")
    assert (await ads.get_campaign(whole.id)).daily_budget is None
    assert len(sandbox.writes()) == 1


@pytest.mark.parametrize("trouble", ["rate_limit", "expired_token", "stop"])
async def test_what_stops_a_change_of_several_ad_groups_in_the_middle_leaves_it_unknown(sandbox, clock, trouble):
    ads = ads_at(sandbox.url, clock, rest=60.0)
    book = sandbox.app.state.book
    modes = [{"budget_mode": "BUDGET_MODE_INFINITE"}, {"budget_mode": "BUDGET_MODE_DAY"}]
    campaign = book.add_campaign(book.account("tiktok", ADVERTISER), "C", enabled=True, daily_budget=None, data=modes[0])
    for name, minor in (("A", 5000), ("B", 2500)):
        book.add_group(campaign, name, enabled=True, daily_budget=minor, data=dict(modes[1]), audience_key=name)
    first, second = campaign.groups.values()
    asked = []

    async def guard() -> None:
        asked.append(1)
        if len(asked) == 2 and trouble == "stop":  # the first to be written is the one that changes least
            raise Killed("stopped by the manager")
        if len(asked) == 2:
            await asyncio.to_thread(sandbox.fault, "POST .*/adgroup/update/$", trouble)

    with permitted(guard), pytest.raises(UnknownOutcome, match="1 of 2 parts are done"):
        await ads.set_daily_budget(campaign.id, Money.of("90.00", "BRL"), "key-1")
    assert (first.daily_budget, second.daily_budget) == (5000, 3000)
    assert (await ads.get_campaign(campaign.id)).daily_budget == Money.of("80.00", "BRL")  # a look does not find it done
    ads.http._writes_rest_until = 0.0
    with permitted():
        after = await ads.set_daily_budget(campaign.id, Money.of("90.00", "BRL"), "key-1")
    assert after.daily_budget == Money.of("90.00", "BRL")
    assert (first.daily_budget, second.daily_budget) == (6000, 3000)


@pytest.mark.parametrize("step", range(3))
async def test_a_publication_that_is_stopped_at_any_activation_spends_nothing(ads, sandbox, step):
    asked = []

    async def guard() -> None:
        asked.append(1)
        if len(asked) > 4 + step:
            raise Killed("stopped")

    with permitted(guard), pytest.raises(Killed):
        await ads.publish(order(), "key-1")
    assert [len(made(sandbox, f"{level}.create")) for level in ("campaign", "adgroup", "ad")] == [1, 1, 2]
    assert made(sandbox, "campaign.status") == []
    sandbox.advance(timedelta(hours=12))
    left = await ads.find_published("key-1")
    assert left is not None and left.campaign.delivery == "paused"
    groups = sandbox.app.state.book.node("tiktok", left.campaign.external_id).groups.values()
    assert [hour for group in groups for ad in group.ads.values() for hour in ad.hours.values() if hour.spend] == []


async def test_pause_and_resume_are_read_back(ads, sandbox):
    with permitted():
        ident = (await ads.publish(order(), "key-1")).campaign.external_id
        sandbox.fault("POST .*/campaign/status/update/$", "commit_then_html_502")
        assert (await ads.pause(ident, "key-2")).delivery == "paused"
        assert (await ads.resume(ident, "key-3")).delivery == "in_review"


async def test_a_status_change_that_was_made_in_part_is_told_and_finished(ads, sandbox, monkeypatch):
    """T10: TikTok may answer OK and leave some of the ids as they were. A fresh read decides, not the code 0."""
    whole = TikTokTwin._switch

    def in_part(twin, ask, name, kind):
        if name == "ad_ids":
            ask.values = ask.values | {name: ask.values[name][:1]}
        return whole(twin, ask, name, kind)

    monkeypatch.setattr(TikTokTwin, "_switch", in_part)
    with permitted():
        with pytest.raises(UnknownOutcome, match="the fresh read shows something else"):
            await ads.publish(order(), "key-1")
        assert made(sandbox, "campaign.status") == [], "nothing above it was switched on"
        monkeypatch.setattr(TikTokTwin, "_switch", whole)
        done = await ads.publish(order(), "key-1")
    assert {one.delivery for one in done.objects} <= {"active", "in_review"}
    assert [len(made(sandbox, f"{level}.create")) for level in ("campaign", "adgroup", "ad")] == [1, 1, 2]


async def test_what_the_review_says_drives_the_state(ads, sandbox):
    with permitted():
        ident = (await ads.publish(order(), "key-1")).campaign.external_id
    sandbox.advance(timedelta(hours=8))
    assert (await ads.get_campaign(ident)).delivery == "active"
    for ad in next(iter(sandbox.app.state.book.node("tiktok", ident).groups.values())).ads.values():
        ad.approved = False
    seen = await ads.get_campaign(ident)
    assert seen.delivery == "rejected" and "AUDIT_DENY" in seen.issues[0]


async def test_lists_follow_every_page(ads, sandbox):
    book = sandbox.app.state.book
    account = book.account("tiktok", ADVERTISER)
    for number in range(230):
        campaign = book.add_campaign(
            account, f"C{number}", enabled=True, daily_budget=None, data={"budget_mode": "BUDGET_MODE_INFINITE"}
        )
        data = {"budget_mode": "BUDGET_MODE_DAY"}
        book.add_group(campaign, "G", enabled=True, daily_budget=2000 + number, data=data, audience_key="g")
    listed = await ads.list_campaigns()
    assert len({one.external_id for one in listed}) == 230
    assert sum(one.daily_budget.minor for one in listed) == sum(2000 + number for number in range(230))


async def test_a_rate_limit_in_http_200_stops_writes_and_a_bad_token_is_not_retried(ads, sandbox):
    with permitted():
        ident = (await ads.publish(order(), "key-1")).campaign.external_id
        before = len(sandbox.writes())
        sandbox.fault("POST .*/campaign/status/update/$", "rate_limit")
        with pytest.raises(RateLimited, match="40100"):
            await ads.pause(ident, "key-2")
        with pytest.raises(RateLimited, match="rest"):
            await ads.pause(ident, "key-2")
    assert len(sandbox.writes()) == before
    sandbox.fault("GET .*/campaign/get/$", "expired_token")
    with pytest.raises(Unauthorized, match="40105"):
        await ads.get_campaign(ident)
    assert (await ads.get_campaign(ident)).external_id == ident


async def test_a_missing_campaign_is_refused(ads):
    with pytest.raises(Refused, match="does not exist"):
        await ads.get_campaign("1790000000000009999")


async def test_reports_add_up_to_what_the_market_really_did(ads, sandbox, clock):
    with permitted():
        ident = (await ads.publish(order("300.00"), "key-1")).campaign.external_id
    sandbox.advance(timedelta(days=12))
    clock.advance(timedelta(days=12))
    today = clock.now().date()
    rows = await ads.insights(today - timedelta(days=40), today)
    assert {row.external_id for row in rows} == {ident} and len({row.day for row in rows}) == len(rows) > 8
    groups = sandbox.app.state.book.node("tiktok", ident).groups.values()
    hours = [hour for group in groups for ad in group.ads.values() for hour in ad.hours.values()]
    assert sum(row.spend.minor for row in rows) == sum(hour.spend for hour in hours) > 0
    assert sum(row.conversions for row in rows) == sum(hour.conversions for hour in hours) > 0
    assert sum(row.revenue.minor for row in rows) == sum(hour.revenue for hour in hours)
    assert {row.provisional for row in rows} == {True, False}
    hourly = await ads.insights(today - timedelta(days=3), today - timedelta(days=2), hourly=True)
    daily = [row for row in rows if today - timedelta(days=3) <= row.day <= today - timedelta(days=2)]
    assert sum(row.clicks for row in hourly) == sum(row.clicks for row in daily) and len(hourly) > len(daily)


async def test_no_secret_is_said(ads, sandbox, caplog, capsys):
    caplog.set_level(logging.DEBUG)
    sandbox.fault("POST .*/adgroup/create/$", "expired_token")
    with permitted(), pytest.raises(Unauthorized) as caught:
        await ads.publish(order(), "key-1")
    assert (await ads.health()).ok
    assert TOKEN not in caplog.text + repr(caught.value) + str(caught.value) + "".join(capsys.readouterr())
