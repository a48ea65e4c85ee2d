"""Meta's encodings without a network: budgets per currency, purchase aliases, error codes, usage headers, paging."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import httpx
import pytest

from knowledge.domain.action import Creative, PublishCampaign
from knowledge.domain.money import Money
from tools.errors import RateLimited, Refused, Unauthorized, Unavailable
from tools.http import Answer
from tools.permit import Permit, use_permit
from tools.vendors.meta import MetaAds
from tools.vendors.meta.insights import insight_row
from tools.vendors.meta.wire import OFFSET_1, OFFSET_100, from_units, offset, to_units, translate

CONTRACT = Path(__file__).parents[2].parent / "shared" / "contracts" / "ads" / "meta_v26"


@pytest.mark.parametrize(
    ("amount", "currency", "units"),
    [
        ("50.00", "USD", 5000),
        ("50.00", "BRL", 5000),
        ("5000", "JPY", 5000),
        ("200000.00", "COP", 200000),
        ("12000.00", "HUF", 12000),
    ],
)
def test_budgets_use_metas_own_offsets(amount, currency, units):
    assert to_units(Money.of(amount, currency)) == units
    assert from_units(str(units), currency) == Money.of(amount, currency)


@pytest.mark.parametrize("amount", ["0.00", "-0.01"])
def test_a_budget_must_be_above_zero(amount):
    with pytest.raises(ValueError, match="above zero"):
        to_units(Money.of(amount, "BRL"))


def test_a_fraction_meta_cannot_express_is_refused():
    with pytest.raises(ValueError, match="whole units"):
        to_units(Money.of("1000.50", "COP"))


def test_an_unknown_currency_is_an_error_and_no_currency_is_in_both_rows():
    with pytest.raises(ValueError, match="BHD"):
        offset("BHD")
    assert not OFFSET_1 & OFFSET_100


async def test_five_thousand_yen_are_sent_as_5000(clock):
    from runtime.sandbox.app import create_sandbox

    app = create_sandbox(seed=7, start=clock.now(), personas=False, currency="JPY", timezone="Asia/Tokyo")

    async def nothing() -> None:
        return None

    ads = MetaAds(
        base_url="http://sandbox/meta", token="t-123456", account_id="1000000000000001", pixel_id="5", page_id="7", clock=clock,
        lookup_waits=(), transport=httpx.ASGITransport(app=app),
    )  # fmt: skip
    action = PublishCampaign(
        platform="meta", campaign_id="c", product_id="p", name="Bottle", daily_budget=Money.of("5000", "JPY"), countries=("JP",),
        creatives=(Creative(id="a", headline="h", text="t"),), landing_url="https://shop.example/b",
    )  # fmt: skip
    with use_permit(Permit("a", "k", frozenset(), nothing)):
        published = await ads.publish(action, "k")
    assert published.campaign.daily_budget == Money.of("5000", "JPY")
    (group,) = app.state.book.node("meta", published.campaign.external_id).groups.values()
    assert group.daily_budget == 5000


def row(**more) -> dict:
    names = ("landing_page_view", "omni_purchase", "purchase", "onsite_web_purchase", "offsite_conversion.fb_pixel_purchase")
    return {
        "campaign_id": "120210000000000001", "account_currency": "BRL", "date_start": "2026-11-01", "spend": "918.75",
        "impressions": "189097", "clicks": "223",
        "actions": [{"action_type": name, "value": "51" if name == "landing_page_view" else "2"} for name in names],
        "action_values": [{"action_type": name, "value": "31.02"} for name in names[1:]], **more,
    }  # fmt: skip


def test_one_sale_under_five_names_is_one_sale():
    made = insight_row(row(), "BRL", date(2026, 11, 20))
    assert (made.conversions, made.revenue, made.spend) == (2, Money.of("31.02", "BRL"), Money.of("918.75", "BRL"))
    assert not made.provisional


def test_without_the_omni_name_the_next_one_is_taken_alone():
    actions = [{"action_type": name, "value": "3"} for name in ("purchase", "offsite_conversion.fb_pixel_purchase")]
    values = [{"action_type": name, "value": "99.905"} for name in ("purchase", "offsite_conversion.fb_pixel_purchase")]
    made = insight_row(row(actions=actions, action_values=values), "BRL", date(2026, 11, 20))
    assert (made.conversions, made.revenue) == (3, Money.of("99.90", "BRL"))


def test_recent_days_are_provisional_and_another_currency_is_not_added_up():
    assert insight_row(row(), "BRL", date(2026, 11, 8)).provisional
    assert not insight_row(row(), "BRL", date(2026, 11, 9)).provisional
    with pytest.raises(Unavailable, match="USD"):
        insight_row(row(account_currency="USD"), "BRL", date(2026, 11, 9))


def test_a_row_without_sales_counts_none_and_one_without_campaign_is_refused():
    bare = {"campaign_id": "1", "date_start": "2026-11-01", "impressions": "10"}
    made = insight_row(bare, "BRL", date(2026, 11, 20))
    assert (made.impressions, made.conversions, made.spend.minor) == (10, 0, 0)
    with pytest.raises(Unavailable):
        insight_row({"date_start": "2026-11-01"}, "BRL", date(2026, 11, 20))


def answer(status: int, error: dict, headers: dict | None = None) -> Answer:
    return Answer(status, headers or {}, b"", {"error": error})


@pytest.mark.parametrize(
    ("status", "error", "meaning"),
    [
        (400, {"code": 80004, "error_subcode": 2446079}, RateLimited),
        (400, {"code": 17}, RateLimited),
        (400, {"code": 613, "error_subcode": 1487742}, RateLimited),
        (400, {"code": 4, "is_transient": True}, RateLimited),
        (400, {"code": 613, "error_subcode": 1487632}, Refused),
        (400, {"code": 190, "error_subcode": 463}, Unauthorized),
        (400, {"code": 190, "error_subcode": 459}, Refused),
        (400, {"code": 368}, Refused),
        (403, {"code": 200}, Unauthorized),
        (400, {"code": 100, "error_subcode": 33}, Refused),
        (400, {"code": 100, "error_subcode": 1885621}, Refused),
        (500, {"code": 2, "is_transient": True}, Unavailable),
        (500, {"code": 1, "message": "Please reduce the amount of data you're asking for"}, Refused),
        (500, {"code": 100}, Unavailable),
    ],
)
def test_each_error_means_what_it_means(status, error, meaning):
    assert type(translate(answer(status, {"message": "m", **error}), "op")) is meaning


def test_how_long_to_rest_is_read_from_the_usage_header_in_minutes():
    usage = {"x-business-use-case-usage": json.dumps({"1": [{"type": "ads_management", "estimated_time_to_regain_access": 7}]})}
    error = translate(answer(400, {"code": 80004, "message": "m"}, usage), "op")
    assert isinstance(error, RateLimited) and error.retry_after == 420


@pytest.mark.skipif(not CONTRACT.exists(), reason="the contract data beside the repository is not here")
def test_the_vendors_own_examples_are_read():
    raw = json.loads((CONTRACT / "example_insights_row_raw.json").read_text())
    made = insight_row(raw["data"][0], "BRL", date(2026, 11, 20))
    assert (made.conversions, made.revenue) == (2, Money.of("31.02", "BRL"))
    for name, example in json.loads((CONTRACT / "example_errors.json").read_text()).items():
        if isinstance(example, dict) and "error" in example:
            assert translate(answer(example["http"], example["error"]), name) is not None


def scripted(clock, *pages: dict) -> tuple[MetaAds, list[httpx.URL]]:
    asked: list[httpx.URL] = []
    left = list(pages)
    account = {"currency": "BRL", "timezone_name": "America/Sao_Paulo", "account_status": 1, "min_daily_budget": 605}

    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/act_1"):
            return httpx.Response(200, json=account)
        asked.append(request.url)
        page = left.pop(0)
        return httpx.Response(page.pop("_status", 200), json=page)

    ads = MetaAds(
        base_url="https://graph.example", token="t-123456", account_id="1", pixel_id="5", page_id="7", clock=clock,
        transport=httpx.MockTransport(handle),
    )  # fmt: skip
    return ads, asked


async def test_the_cursor_of_the_last_page_is_not_followed_and_a_next_without_cursors_is(clock):
    day = clock.now().date()
    ads, asked = scripted(
        clock,
        {"data": [row()], "paging": {"next": "https://graph.example/v26.0/act_1/insights?after=AAA&access_token=x"}},
        {"data": [row(campaign_id="2")], "paging": {"cursors": {"before": "x", "after": "BBB"}}},
    )
    assert [one.external_id for one in await ads.insights(day, day)] == ["120210000000000001", "2"]
    assert [url.params.get("after") for url in asked] == [None, "AAA"]
    assert all(url.host == "graph.example" and "access_token" not in url.params for url in asked)


async def test_too_much_data_halves_the_page(clock):
    day = clock.now().date()
    too_much = {"_status": 500, "error": {"code": 1, "message": "Please reduce the amount of data you're asking for, then retry"}}
    ads, asked = scripted(clock, too_much, {"data": []})
    assert await ads.insights(day, day) == []
    assert [url.params["limit"] for url in asked] == ["200", "100"]


@pytest.mark.parametrize(
    "pages",
    [
        [{"nothing": 1}] * 3,
        [{"data": [], "paging": {"next": "https://graph.example/x"}}],
        [{"data": [], "paging": {"next": "https://graph.example/x", "cursors": {"after": "A"}}}] * 2,
    ],
)
async def test_a_list_that_cannot_be_completed_is_an_error(clock, pages):
    ads, _ = scripted(clock, *[dict(page) for page in pages])
    with pytest.raises(Unavailable):
        await ads.insights(clock.now().date(), clock.now().date())
