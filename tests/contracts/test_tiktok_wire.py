"""TikTok's encodings without a network: envelope codes, "-" and strings, states, ids, brackets, URLs."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import httpx
import pytest

from knowledge.domain.money import Money
from tools.errors import RateLimited, Refused, Unauthorized, Unavailable
from tools.http import Answer
from tools.vendors.tiktok import TikTokAds
from tools.vendors.tiktok.report import insight_row, spans
from tools.vendors.tiktok.wire import age_groups, delivery, money_of, overall, to_major, translator, with_params

CONTRACT = Path(__file__).parents[2].parent / "shared" / "contracts" / "ads" / "tiktok_example_report_integrated_get.json"
TODAY = date(2026, 11, 20)


def read(body: object, status: int = 200):
    return translator(5.0)(Answer(status, {}, b"", body), "op")


@pytest.mark.parametrize(
    ("code", "meaning"),
    [(40100, RateLimited), (40001, Unauthorized), (40105, Unauthorized), (40002, Refused), (40007, Refused), (50000, Unavailable),
     (40700, Unavailable), (40201, Unavailable)],
)  # fmt: skip
def test_http_200_with_a_code_is_a_failure(code, meaning):
    assert type(read({"code": code, "message": "m", "data": {}})) is meaning


def test_code_zero_is_a_success_and_no_code_is_not():
    assert read({"code": 0, "data": {}}) is None
    assert isinstance(read({"data": {}}), Unavailable)


def row(**metrics) -> dict:
    given = {
        "spend": "20.000",
        "impressions": "3765",
        "clicks": "53",
        "complete_payment": "2",
        "total_complete_payment_rate": "31.02",
    }
    return {
        "dimensions": {"campaign_id": 1790000000000000001, "stat_time_day": "2026-11-20 00:00:00"},
        "metrics": {**given, **metrics},
    }


def test_numeric_strings_become_figures_and_ids_keep_every_digit():
    made = insight_row(row(), "BRL", TODAY, hourly=False)
    assert made is not None and made.external_id == "1790000000000000001"
    assert (made.spend, made.revenue, made.conversions) == (Money.of("20.00", "BRL"), Money.of("31.02", "BRL"), 2)
    assert made.provisional and made.day == TODAY


def test_a_dash_is_never_zero():
    assert insight_row(row(**dict.fromkeys(row()["metrics"], "-")), "BRL", TODAY, hourly=False) is None
    with pytest.raises(Unavailable, match="complete_payment"):
        insight_row(row(complete_payment="-"), "BRL", TODAY, hourly=False)
    with pytest.raises(Unavailable, match="many"):
        insight_row(row(spend="many"), "BRL", TODAY, hourly=False)


def test_hours_are_read():
    hourly = row() | {"dimensions": {"campaign_id": "1", "stat_time_hour": "2026-11-20 23:00:00"}}
    made = insight_row(hourly, "BRL", TODAY, hourly=True)
    assert made is not None and made.hour == 23


def test_long_ranges_are_cut_without_gap_or_overlap():
    parts = list(spans(date(2026, 1, 1), date(2026, 3, 5), 30))
    assert parts == [
        (date(2026, 1, 1), date(2026, 1, 30)),
        (date(2026, 1, 31), date(2026, 3, 1)),
        (date(2026, 3, 2), date(2026, 3, 5)),
    ]


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("ADGROUP_STATUS_CAMPAIGN_DISABLE", "paused"),
        ("ADVERTISER_ACCOUNT_PUNISH", "with_issues"),
        ("AD_STATUS_AUDIT_DENY", "rejected"),
        ("ADGROUP_STATUS_AUDIT", "in_review"),
        ("ADGROUP_STATUS_DELIVERY_OK", "active"),
        ("CAMPAIGN_STATUS_ENABLE", "active"),
        ("CAMPAIGN_STATUS_DELETE", "archived"),
        ("ADGROUP_STATUS_BALANCE_EXCEED", "with_issues"),
        ("ADGROUP_STATUS_NOVEL", "unknown"),
    ],
)
def test_secondary_status_drives_the_state(status, state):
    assert delivery({"secondary_status": status, "operation_status": "ENABLE"}) == state


def test_an_enabled_campaign_whose_groups_are_refused_is_not_active():
    assert overall("active", ["rejected", "rejected"]) == "rejected"
    assert overall("active", ["rejected", "active"]) == "active"
    assert overall("paused", ["active"]) == "paused"


def test_budgets_are_major_units():
    assert to_major(Money.of("50.00", "USD")) == 50.0
    assert to_major(Money.of("5000", "JPY")) == 5000.0
    assert money_of(72.5, "BRL") == Money.of("72.50", "BRL")
    for bad in ("0.00", "-1.00"):
        with pytest.raises(ValueError, match="above zero"):
            to_major(Money.of(bad, "BRL"))


def test_brackets_lie_within_the_ages_asked_for():
    assert age_groups(18, 65) == ["AGE_18_24", "AGE_25_34", "AGE_35_44", "AGE_45_54", "AGE_55_100"]
    assert age_groups(25, 44) == ["AGE_25_34", "AGE_35_44"]
    with pytest.raises(ValueError, match="bracket"):
        age_groups(26, 33)


def test_parameters_join_those_of_the_link():
    assert (
        with_params("https://a.example/p?x=1&utm_source=old#top", {"utm_source": "tiktok"})
        == "https://a.example/p?x=1&utm_source=tiktok#top"
    )


async def test_a_list_that_lost_rows_on_the_way_is_an_error(clock):
    page = {"code": 0, "data": {"list": [], "page_info": {"page": 1, "page_size": 100, "total_number": 3, "total_page": 1}}}
    info = {"code": 0, "data": {"list": [{"currency": "BRL", "display_timezone": "America/Sao_Paulo", "status": "STATUS_ENABLE"}]}}

    def handle(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=info if "advertiser/info" in request.url.path else page)

    ads = TikTokAds(
        base_url="https://tt.example", token="t-123456", advertiser_id="7", clock=clock, transport=httpx.MockTransport(handle)
    )
    with pytest.raises(Unavailable, match="0 of 3"):
        await ads.list_campaigns()


@pytest.mark.skipif(not CONTRACT.exists(), reason="the contract data beside the repository is not here")
def test_the_vendors_own_examples_are_read():
    examples = json.loads(CONTRACT.read_text())
    assert read(examples["ok"]) is None
    for name in ("rate_limited", "bad_param", "no_permission", "bad_token", "server"):
        assert read(examples[name]) is not None
    assert delivery(examples["adgroup_row"]) == "paused"
