"""The Meta client against the sandbox's twin over real HTTP: the mistakes that cost money (Marketing API v26)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import httpx
import pytest

from knowledge.domain.action import Creative, PublishCampaign
from knowledge.domain.clock import SettableClock
from knowledge.domain.money import Money
from tools.errors import Killed, NoPermit, RateLimited, Refused, Unauthorized, UnknownOutcome
from tools.permit import Permit, use_permit
from tools.vendors.meta import MetaAds
from tools.vendors.meta.wire import marker

ACCOUNT = "act_1000000000000001"
TOKEN, SECRET = "EAAB-sandbox-token-1234567890", "app-secret-abcdef"


async def nothing() -> None:
    return None


@contextmanager
def permitted(guard=nothing) -> Iterator[None]:
    with use_permit(Permit("a1", "key-1", frozenset({("platform", "meta")}), guard)):
        yield


def ads_at(url: str, clock, **more) -> MetaAds:
    return MetaAds(
        base_url=f"{url}/meta", token=TOKEN, app_secret=SECRET, account_id=ACCOUNT, pixel_id="555", page_id="777", clock=clock,
        per_second=200, **{"lookup_waits": (0.01, 0.02), "settle": 0.0, **more},
    )  # fmt: skip


@pytest.fixture
def ads(sandbox, clock) -> MetaAds:
    return ads_at(sandbox.url, clock)


def order(budget: str = "50.00", currency: str = "BRL", **more) -> PublishCampaign:
    creatives = tuple(Creative(id=f"cr{n}", headline=f"Garrafa {n}", text=f"Mantém gelado por 24 h, versão {n}") for n in (1, 2))
    given = {
        "platform": "meta", "campaign_id": "c-1", "product_id": "p-1", "name": "Garrafa térmica", "creatives": creatives,
        "daily_budget": Money.of(budget, currency), "landing_url": "https://loja.example/garrafa",
    }  # fmt: skip
    return PublishCampaign(**{**given, **more})


def made(sandbox, operation: str) -> list[dict]:
    return [write for write in sandbox.writes() if write["vendor"] == "meta" and write["operation"] == operation]


async def test_a_publication_is_paused_everywhere_read_back_and_then_live(ads, sandbox):
    with permitted():
        published = await ads.publish(order(), "key-1")
    assert published.campaign.delivery == "active"
    assert published.campaign.daily_budget == Money.of("50.00", "BRL")
    assert published.campaign.name == f"Garrafa térmica {marker('key-1')}"
    assert [one.level for one in published.objects] == ["ad_set", "ad", "ad"]
    writes = [(w["operation"], w["detail"].get("status")) for w in sandbox.writes() if w["vendor"] == "meta"]
    assert [w for w in writes if w[0].endswith(".create") and w[1]] == [
        ("campaign.create", "PAUSED"), ("adset.create", "PAUSED"), ("ad.create", "PAUSED"), ("ad.create", "PAUSED"),
    ]  # fmt: skip
    assert writes[-4:] == [
        ("ad.update", "ACTIVE"),
        ("ad.update", "ACTIVE"),
        ("adset.update", "ACTIVE"),
        ("campaign.update", "ACTIVE"),
    ]
    node = sandbox.app.state.book.node("meta", published.campaign.external_id)
    group = next(iter(node.groups.values()))
    assert node.data["objective"] == "OUTCOME_SALES" and node.daily_budget is None and group.daily_budget == 5000
    assert group.data["promoted_object"] == {"pixel_id": "555", "custom_event_type": "PURCHASE"}
    assert group.data["targeting"]["targeting_automation"] == {"advantage_audience": 1}
    assert "publisher_platforms" not in group.data["targeting"]
    link = next(iter(group.ads.values())).link
    assert "utm_source=meta" in link and "utm_campaign=c-1" in link and "utm_content=cr1" in link
    assert sandbox.app.state.world.refusals == []


FAULTS = ["commit_then_500", "commit_then_html_502", "timeout"]


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("edge", ["campaigns", "adsets", "ads"])
async def test_a_lost_answer_at_any_level_leaves_exactly_one_of_each(sandbox, clock, kind, edge):
    ads = ads_at(sandbox.url, clock, timeout=0.5)
    sandbox.fault(f"POST .*/{edge}$", kind, seconds=0.8)
    with permitted():
        published = await ads.publish(order(), "key-1")
        again = await ads.publish(order(), "key-1")
    assert published.campaign.external_id == again.campaign.external_id
    assert [len(made(sandbox, f"{level}.create")) for level in ("campaign", "adset", "ad")] == [1, 1, 2]
    assert published.campaign.delivery == "active"


@pytest.mark.parametrize("kind", ["error_500", "html_502"])
async def test_a_failure_before_commit_is_unknown_then_a_second_call_makes_one(ads, sandbox, kind):
    sandbox.fault("POST .*/campaigns$", kind)
    with permitted():
        with pytest.raises(UnknownOutcome):
            await ads.publish(order(), "key-1")
        assert made(sandbox, "campaign.create") == [] and await ads.find_published("key-1") is None
        await ads.publish(order(), "key-1")
    assert len(made(sandbox, "campaign.create")) == 1


async def test_while_lists_lag_behind_a_lost_create_is_not_repeated(sandbox, clock):
    ads = ads_at(sandbox.url, clock, settle=60.0)
    sandbox.app.state.book.list_lag = timedelta(minutes=2)
    sandbox.fault("POST .*/campaigns$", "commit_then_500")
    with permitted():
        for _ in range(3):
            with pytest.raises(UnknownOutcome):
                await ads.publish(order(), "key-1")
        sandbox.advance(timedelta(minutes=3))
        sandbox.app.state.book.list_lag = timedelta(0)
        await ads.publish(order(), "key-1")
    assert len(made(sandbox, "campaign.create")) == 1


async def test_a_list_that_lags_does_not_double_what_this_process_made(sandbox, clock):
    ads = ads_at(sandbox.url, clock)
    sandbox.app.state.book.list_lag = timedelta(minutes=2)
    with permitted():
        for _ in range(2):
            with pytest.raises(UnknownOutcome, match="do not show"):
                await ads.publish(order(), "key-1")
        assert [w for w in sandbox.writes() if w["detail"].get("status") == "ACTIVE"] == []
        sandbox.app.state.book.list_lag = timedelta(0)
        await ads.publish(order(), "key-1")
    assert [len(made(sandbox, f"{level}.create")) for level in ("campaign", "adset", "ad")] == [1, 1, 2]


@pytest.mark.parametrize("match", ["POST .*/adsets$", "POST .*/ads$"])
async def test_what_an_interrupted_attempt_left_is_paused_and_found(sandbox, ads, match):
    sandbox.fault(match, "rate_limit")
    with permitted(), pytest.raises(RateLimited):
        await ads.publish(order(), "key-1")
    left = await ads.find_published("key-1")
    assert left is not None and left.campaign.delivery == "paused"
    assert all(one.delivery != "active" for one in left.objects)


async def test_a_lost_activation_is_read_back_before_anything_else(ads, sandbox):
    sandbox.fault(r"POST /meta/v26.0/\d+$", "commit_then_500", times=4)
    with permitted():
        published = await ads.publish(order(), "key-1")
    assert published.campaign.delivery == "active"
    assert [len(made(sandbox, f"{level}.update")) for level in ("campaign", "adset", "ad")] == [1, 1, 2]


async def test_two_intents_are_two_campaigns(ads, sandbox):
    with permitted():
        first = await ads.publish(order(), "key-1")
        second = await ads.publish(order(), "key-2")
    assert first.campaign.external_id != second.campaign.external_id


async def test_without_a_permit_nothing_is_written(ads, sandbox):
    with pytest.raises(NoPermit):
        await ads.publish(order(), "key-1")
    assert sandbox.writes() == []


async def test_the_kill_switch_stops_a_publication_between_two_writes(ads, sandbox):
    calls = []

    async def guard() -> None:
        calls.append(1)
        if len(calls) > 2:
            raise Killed("stopped by the manager")

    with permitted(guard), pytest.raises(Killed):
        await ads.publish(order(), "key-1")
    assert [w["operation"] for w in sandbox.writes()] == ["campaign.create", "adset.create"]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"daily_budget": Money.of("50.00", "USD")}, "account in BRL"),
        ({"daily_budget": Money.of("0.00", "BRL")}, "below|above zero"),
        ({"daily_budget": Money.of("-5.00", "BRL")}, "below|above zero"),
        ({"daily_budget": Money.of("1.00", "BRL")}, "minimum"),
        ({"countries": ("BR", "PT")}, "dsa"),
    ],
)
async def test_what_meta_cannot_take_is_refused_before_anything_leaves(ads, sandbox, changes, why):
    with permitted(), pytest.raises(Refused, match=why):
        await ads.publish(order(**changes), "key-1")
    assert sandbox.writes() == []


async def test_a_narrow_age_does_not_ask_for_the_advantage_audience(ads, sandbox):
    with permitted():
        published = await ads.publish(order(age_min=25, age_max=44), "key-1")
    group = next(iter(sandbox.app.state.book.node("meta", published.campaign.external_id).groups.values()))
    assert group.data["targeting"]["targeting_automation"] == {"advantage_audience": 0}


async def test_the_budget_is_written_where_it_lives_and_proven_by_a_read(ads, sandbox):
    with permitted():
        published = await ads.publish(order(), "key-1")
        ident = published.campaign.external_id
        sandbox.fault(r"POST /meta/v26.0/\d+$", "commit_then_500")
        after = await ads.set_daily_budget(ident, Money.of("60.00", "BRL"), "key-2")
        assert after.daily_budget == Money.of("60.00", "BRL")
        with pytest.raises(Refused):
            await ads.set_daily_budget(ident, Money.of("60.00", "USD"), "key-3")
        sandbox.fault(r"POST /meta/v26.0/\d+$", "error_500")
        with pytest.raises(UnknownOutcome):
            await ads.set_daily_budget(ident, Money.of("70.00", "BRL"), "key-4")
    assert (await ads.get_campaign(ident)).daily_budget == Money.of("60.00", "BRL")


async def test_several_ad_sets_share_a_new_budget_in_proportion_and_to_the_cent(ads, sandbox):
    with permitted():
        ident = (await ads.publish(order(), "key-1")).campaign.external_id
        book = sandbox.app.state.book
        campaign = book.node("meta", ident)
        first = next(iter(campaign.groups.values()))
        for name, minor in (("B", 2500), ("C", 2500)):
            book.add_group(campaign, name, enabled=True, daily_budget=minor, data=dict(first.data), audience_key=name)
        after = await ads.set_daily_budget(ident, Money.of("100.01", "BRL"), "key-2")
    assert after.daily_budget == Money.of("100.01", "BRL")
    assert sorted(group.daily_budget for group in campaign.groups.values()) == [2500, 2500, 5001]


async def test_a_campaign_budget_is_changed_on_the_campaign(ads, sandbox):
    book = sandbox.app.state.book
    account = book.account("meta", "1000000000000001")
    campaign = book.add_campaign(account, "CBO", enabled=True, daily_budget=5000, data={})
    book.add_group(campaign, "G", enabled=True, daily_budget=None, data={}, audience_key="g")
    with permitted():
        after = await ads.set_daily_budget(campaign.id, Money.of("75.00", "BRL"), "key-1")
    assert after.daily_budget == Money.of("75.00", "BRL") and campaign.daily_budget == 7500


def two_sets(sandbox, *minor: int, **data):
    """Somebody's campaign with a budget on each of its ad sets."""
    book = sandbox.app.state.book
    campaign = book.add_campaign(book.account("meta", "1000000000000001"), "ABO", enabled=True, daily_budget=None, data=data)
    for number, each in enumerate(minor):
        book.add_group(campaign, f"G{number}", enabled=True, daily_budget=each, data={}, audience_key=f"g{number}")
    return campaign, list(campaign.groups.values())


@pytest.mark.parametrize("trouble", ["changed too often", "rate limit", "stop", "no right"])
async def test_what_stops_a_change_of_several_ad_sets_in_the_middle_leaves_it_unknown(ads, sandbox, trouble):
    campaign, (first, second) = two_sets(sandbox, 5000, 2500)
    asked = []

    async def guard() -> None:
        asked.append(1)
        if trouble == "stop" and len(asked) > 1:
            raise Killed("stopped by the manager")

    # The first to be written is the one that changes least.
    if trouble == "changed too often":
        first.budget_changes.extend([sandbox.app.state.world.now] * 4)
    elif trouble != "stop":
        kind = {"rate limit": "rate_limit", "no right": "expired_token"}[trouble]
        sandbox.fault(f"POST /meta/v26.0/{first.id}$", kind)
    with permitted(guard):
        with pytest.raises(UnknownOutcome, match="1 of 2 parts are done"):
            await ads.set_daily_budget(campaign.id, Money.of("90.00", "BRL"), "key-1")
        assert (first.daily_budget, second.daily_budget) == (5000, 3000)
        assert (await ads.get_campaign(campaign.id)).daily_budget == Money.of("80.00", "BRL")  # a look does not find it done
    # The second attempt goes on where the first one stood, and divides the rest as it was meant.
    ads.http._writes_rest_until = 0.0
    first.budget_changes.clear()
    with permitted():
        after = await ads.set_daily_budget(campaign.id, Money.of("90.00", "BRL"), "key-1")
    assert after.daily_budget == Money.of("90.00", "BRL")
    assert (first.daily_budget, second.daily_budget) == (6000, 3000)
    assert [w["detail"]["daily_budget_minor"] for w in made(sandbox, "adset.update")] == [3000, 6000]


@pytest.mark.parametrize("trouble", [Refused, RateLimited, Killed])
async def test_what_stops_the_first_of_several_ad_sets_is_told_as_it_is(ads, sandbox, trouble):
    campaign, (first, second) = two_sets(sandbox, 5000, 2500)

    async def guard() -> None:
        if trouble is Killed:
            raise Killed("stopped")

    if trouble is Refused:
        second.budget_changes.extend([sandbox.app.state.world.now] * 4)
    elif trouble is RateLimited:
        sandbox.fault(r"POST /meta/v26.0/\d+$", "rate_limit")
    with permitted(guard), pytest.raises(trouble):
        await ads.set_daily_budget(campaign.id, Money.of("90.00", "BRL"), "key-1")
    assert (first.daily_budget, second.daily_budget) == (5000, 2500)


@pytest.mark.parametrize("step", range(4))
async def test_a_publication_that_is_stopped_at_any_activation_spends_nothing(ads, sandbox, step):
    """So that its no may be told as a no: the campaign itself is switched on by the last write of all."""
    asked = []

    async def guard() -> None:
        asked.append(1)
        if len(asked) > 4 + step:
            raise Killed("stopped")

    with permitted(guard), pytest.raises(Killed):
        await ads.publish(order(), "key-1")
    assert [len(made(sandbox, f"{level}.create")) for level in ("campaign", "adset", "ad")] == [1, 1, 2]
    assert made(sandbox, "campaign.update") == []
    left = await ads.find_published("key-1")
    assert left is not None and left.campaign.delivery == "paused"
    sandbox.advance(timedelta(hours=12))
    node = sandbox.app.state.book.node("meta", left.campaign.external_id)
    assert [hour for group in node.groups.values() for ad in group.ads.values() for hour in ad.hours.values() if hour.spend] == []


@pytest.mark.parametrize("to_sets", [True, False])
async def test_a_budget_that_moved_by_hand_is_seen_and_written_where_it_lies_now(ads, sandbox, to_sets):
    """CBO to ABO and back, between what was read for a decision and the write (M4)."""
    campaign, (first, second) = two_sets(sandbox, 3000, 2000)
    if to_sets:
        campaign.daily_budget, first.daily_budget, second.daily_budget = 5000, None, None
    assert (await ads.get_campaign(campaign.id)).daily_budget == Money.of("50.00", "BRL")
    if to_sets:
        campaign.daily_budget, first.daily_budget, second.daily_budget = None, 3000, 2000
    else:
        campaign.daily_budget, first.daily_budget, second.daily_budget = 5000, None, None
    with permitted():
        after = await ads.set_daily_budget(campaign.id, Money.of("60.00", "BRL"), "key-1")
    assert after.daily_budget == Money.of("60.00", "BRL")
    budgets = (campaign.daily_budget, first.daily_budget, second.daily_budget)
    assert budgets == ((None, 3600, 2400) if to_sets else (6000, None, None))


@pytest.mark.parametrize("to_sets", [True, False])
async def test_a_budget_that_moves_by_hand_just_before_the_write_is_not_set_twice(ads, sandbox, to_sets):
    campaign, (first, second) = two_sets(sandbox, 3000, 2000)
    if to_sets:
        campaign.daily_budget, first.daily_budget, second.daily_budget = 5000, None, None

    async def by_hand() -> None:
        if to_sets:
            campaign.daily_budget, first.daily_budget, second.daily_budget = None, 3000, 2000
        else:
            campaign.daily_budget, first.daily_budget, second.daily_budget = 5000, None, None

    with permitted(by_hand), pytest.raises(Refused, match="1885621"):
        await ads.set_daily_budget(campaign.id, Money.of("60.00", "BRL"), "key-1")
    assert (await ads.get_campaign(campaign.id)).daily_budget == Money.of("50.00", "BRL")


async def test_a_success_that_set_nothing_is_no_success(ads, sandbox):
    """Meta has answered success to a budget and kept the old one: only the read afterwards counts (M4)."""
    campaign, (first,) = two_sets(sandbox, 5000)

    async def deaf(*_: object) -> dict[str, bool]:
        return {"success": True}

    ads._graph.post = deaf
    with permitted(), pytest.raises(UnknownOutcome, match="shows something else"):
        await ads.set_daily_budget(campaign.id, Money.of("60.00", "BRL"), "key-1")
    assert first.daily_budget == 5000


async def test_ad_sets_that_share_their_budgets_count_at_their_worst(ads, sandbox):
    campaign, sets = two_sets(sandbox, 5001, 2500, is_adset_budget_sharing_enabled=True)
    worst = Money.of("90.02", "BRL")  # 75.01 * 1.2 = 90.012, rounded up
    assert (await ads.get_campaign(campaign.id)).daily_budget == worst
    assert [one.daily_budget for one in await ads.list_campaigns()] == [worst]
    with permitted(), pytest.raises(Refused, match="share their budgets"):
        await ads.set_daily_budget(campaign.id, Money.of("60.00", "BRL"), "key-1")
    with permitted():
        assert (await ads.pause(campaign.id, "key-2")).delivery == "paused"
    campaign.data["is_adset_budget_sharing_enabled"] = False
    assert (await ads.get_campaign(campaign.id)).daily_budget == Money.of("75.01", "BRL")
    assert [one.daily_budget for one in sets] == [5001, 2500]


async def test_a_publication_whose_sets_were_made_to_share_is_not_switched_on(ads, sandbox):
    book = sandbox.app.state.book

    async def by_hand() -> None:
        for campaign in book.account("meta", "1000000000000001").campaigns.values():
            campaign.data["is_adset_budget_sharing_enabled"] = True

    with permitted(by_hand), pytest.raises(Refused, match="share their budgets"):
        await ads.publish(order(), "key-1")
    assert [w for w in sandbox.writes() if w["detail"].get("status") == "ACTIVE"] == []


async def test_pause_and_resume_are_read_back(ads, sandbox):
    with permitted():
        ident = (await ads.publish(order(), "key-1")).campaign.external_id
        sandbox.fault(r"POST /meta/v26.0/\d+$", "commit_then_html_502")
        assert (await ads.pause(ident, "key-2")).delivery == "paused"
        assert (await ads.resume(ident, "key-3")).delivery == "active"


async def test_refused_ads_show_as_issues_not_as_active(ads, sandbox):
    with permitted():
        bad = tuple(Creative(id=f"x{n}", headline="Milagre", text="cura milagrosa garantida, emagreça já") for n in (1, 2))
        ident = (await ads.publish(order(creatives=bad), "key-1")).campaign.external_id
    for ad in next(iter(sandbox.app.state.book.node("meta", ident).groups.values())).ads.values():
        ad.approved, ad.review_reason = False, "Prohibited claim: cura"
    sandbox.advance(timedelta(hours=8))
    seen = await ads.get_campaign(ident)
    assert seen.delivery == "with_issues" and "Prohibited claim" in seen.issues[0]


async def test_lists_follow_every_page(ads, sandbox):
    book = sandbox.app.state.book
    account = book.account("meta", "1000000000000001")
    for number in range(430):
        campaign = book.add_campaign(
            account, f"C{number}", enabled=number % 2 == 0, daily_budget=None, data={"objective": "OUTCOME_SALES"}
        )
        book.add_group(campaign, "G", enabled=True, daily_budget=1000 + number, data={}, audience_key="g")
    listed = await ads.list_campaigns()
    assert len({one.external_id for one in listed}) == 430
    assert sum(one.daily_budget.minor for one in listed) == sum(1000 + number for number in range(430))
    assert sum(one.delivery == "paused" for one in listed) == 215


async def test_a_list_that_breaks_in_the_middle_is_not_a_list(ads, sandbox):
    book = sandbox.app.state.book
    account = book.account("meta", "1000000000000001")
    for number in range(250):
        book.add_campaign(account, f"C{number}", enabled=True, daily_budget=1000, data={})
    await ads.account()
    sandbox.fault("GET .*/adsets$", "expired_token", times=5)
    with pytest.raises(Unauthorized):
        await ads.list_campaigns()


async def test_a_throttled_account_rests_from_writing_as_long_as_meta_says(ads, sandbox):
    with permitted():
        ident = (await ads.publish(order(), "key-1")).campaign.external_id
        before = len(sandbox.writes())
        sandbox.fault(r"POST /meta/v26.0/\d+$", "rate_limit")
        with pytest.raises(RateLimited) as caught:
            await ads.pause(ident, "key-2")
        assert caught.value.retry_after == 420
        with pytest.raises(RateLimited, match="rest"):
            await ads.set_daily_budget(ident, Money.of("60.00", "BRL"), "key-3")
    assert len(sandbox.writes()) == before
    assert (await ads.get_campaign(ident)).delivery == "active"


async def test_an_answer_in_another_version_is_not_trusted(ads, sandbox):
    sandbox.fault("GET .*/act_1000000000000001$", "upgraded_version")
    with pytest.raises(Refused, match=r"v27\.0"):
        await ads.account()
    with permitted():
        await ads.account()
        sandbox.fault("POST .*/campaigns$", "upgraded_version")
        await ads.publish(order(), "key-1")
    assert len(made(sandbox, "campaign.create")) == 1


async def test_insights_add_up_to_what_the_market_really_did(ads, sandbox, clock: SettableClock):
    with permitted():
        ident = (await ads.publish(order("300.00"), "key-1")).campaign.external_id
    sandbox.advance(timedelta(days=12))
    clock.advance(timedelta(days=12))
    today = clock.now().date()
    rows = await ads.insights(today - timedelta(days=12), today)
    assert {row.external_id for row in rows} == {ident}
    assert len({row.day for row in rows}) == len(rows) > 8
    book = sandbox.app.state.book
    truth = [ad.hours.values() for group in book.node("meta", ident).groups.values() for ad in group.ads.values()]
    hours = [hour for each in truth for hour in each]
    assert sum(row.spend.minor for row in rows) == sum(hour.spend for hour in hours) > 0
    assert sum(row.conversions for row in rows) == sum(hour.conversions for hour in hours) > 0
    assert sum(row.revenue.minor for row in rows) == sum(hour.revenue for hour in hours) > 0
    assert [row.provisional for row in sorted(rows, key=lambda row: row.day)][:3] == [False, False, False]
    assert all(row.provisional for row in rows if (today - row.day).days <= 7)
    hourly = await ads.insights(today - timedelta(days=3), today - timedelta(days=2), hourly=True)
    daily = [row for row in rows if today - timedelta(days=3) <= row.day <= today - timedelta(days=2)]
    assert {row.hour for row in hourly} <= set(range(24)) and len(hourly) > len(daily)
    assert sum(row.spend.minor for row in hourly) == sum(row.spend.minor for row in daily)


async def test_a_campaign_without_delivery_has_no_row(ads, clock):
    assert await ads.insights(clock.now().date(), clock.now().date()) == []


async def test_health_tells_what_to_mend(sandbox, ads):
    assert (await ads.health()).ok
    sandbox.fault("GET .*/act_1000000000000001$", "expired_token")
    sick = await ads.health()
    assert not sick.ok and sick.remedy and "190" in sick.detail


async def test_no_secret_is_said_or_put_into_a_url(sandbox, clock, caplog):
    caplog.set_level(logging.DEBUG)
    urls: list[str] = []

    class Watch(httpx.AsyncHTTPTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            urls.append(str(request.url))
            return await super().handle_async_request(request)

    ads = ads_at(sandbox.url, clock, transport=Watch())
    sandbox.fault("POST .*/adsets$", "expired_token")
    with permitted(), pytest.raises(Unauthorized) as caught:
        await ads.publish(order(), "key-1")
    said = caplog.text + repr(caught.value) + str(caught.value)
    assert urls and TOKEN not in "".join(urls)
    assert TOKEN not in said and SECRET not in said and "appsecret_proof" not in said
