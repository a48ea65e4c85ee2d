"""The TikTok twin on the wire: one envelope over HTTP 200, live unless told otherwise, and its official SDK as witness."""

from __future__ import annotations

import asyncio
import hashlib

import pytest

from runtime.sandbox.adtree import TIKTOK_ADVERTISER
from tests.sandbox.ads_support import adgroup, sandbox


async def test_everything_is_live_unless_said_otherwise():
    async with sandbox() as box:
        campaign, group, ad = await box.tiktok_campaign("Garrafa")
        for path, name, ident in (("campaign", "campaign_ids", campaign), ("adgroup", "adgroup_ids", group), ("ad", "ad_ids", ad)):
            row = (await box.tiktok("GET", f"{path}/get", filtering={name: [ident]}))["data"]["list"][0]
            assert row["operation_status"] == "ENABLE"
            assert isinstance(row[f"{path}_id"], str) and len(row[f"{path}_id"]) == 19
        assert row["secondary_status"] == "AD_STATUS_AUDIT"
        await box.advance(hours=7)
        row = (await box.tiktok("GET", "ad/get", filtering={"ad_ids": [ad]}))["data"]["list"][0]
        assert row["secondary_status"] == "AD_STATUS_DELIVERY_OK"


async def test_a_request_id_makes_one_campaign_however_often_it_is_sent():
    async with sandbox() as box:
        values = {
            "campaign_name": "Uma",
            "objective_type": "WEB_CONVERSIONS",
            "operation_status": "DISABLE",
            "request_id": "1234567890123456789",
        }
        await box.control("POST", "faults", match="campaign/create", kind="commit_then_500")
        assert (await box.tiktok("POST", "campaign/create", **values))["code"] == 50000
        first = await box.tiktok("POST", "campaign/create", **values)
        again = await box.tiktok("POST", "campaign/create", **values)
        assert first["code"] == again["code"] == 0 and first["data"] == again["data"]
        other = await box.tiktok("POST", "campaign/create", **{**values, "request_id": "42"})
        assert other["data"] != first["data"]
        assert len((await box.book())["writes"]) == 2


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"budget": 19.99}, "budget"),
        ({"budget": "20"}, "budget"),
        ({"budget": 20.005}, "budget"),
        ({"schedule_type": "SCHEDULE_START_END"}, "schedule_end_time"),
        ({"budget_mode": "BUDGET_MODE_TOTAL"}, "budget_mode"),
        ({"dayly_budget": 20}, "dayly_budget"),
        ({"campaign_id": "1790000000000099999"}, "does not exist"),
    ],
)
async def test_adgroup_refusals_are_http_200_with_a_code(change, word):
    async with sandbox() as box:
        campaign = (await box.tiktok("POST", "campaign/create", campaign_name="x", objective_type="WEB_CONVERSIONS"))["data"][
            "campaign_id"
        ]
        answer = await box.tiktok("POST", "adgroup/create", **{**adgroup(campaign, 20.0), **change})
        assert answer["code"] in (40002, 40007) and word in answer["message"]
        assert len(box.world.writes) == 1


async def test_campaign_minimum_and_fixed_budget_mode():
    async with sandbox() as box:
        base = {"campaign_name": "x", "objective_type": "WEB_CONVERSIONS"}
        low = await box.tiktok("POST", "campaign/create", **base, budget=20.0, budget_mode="BUDGET_MODE_DAY")
        assert low["code"] == 40002
        endless = (await box.tiktok("POST", "campaign/create", **base))["data"]["campaign_id"]
        assert "cannot be changed" in (await box.tiktok("POST", "campaign/update", campaign_id=endless, budget=60.0))["message"]
        mode = await box.tiktok("POST", "campaign/update", campaign_id=endless, budget_mode="BUDGET_MODE_DAY")
        assert mode["code"] == 40002 and box.world.refusals[-1].vendor == "tiktok"


async def test_status_update_reports_partial_success():
    async with sandbox() as box:
        _, group, _ = await box.tiktok_campaign("Parcial")
        ids = [group, "1790000000000077777"]
        whole = await box.tiktok("POST", "adgroup/status/update", adgroup_ids=ids, operation_status="DISABLE")
        assert whole["code"] == 40007
        part = await box.tiktok(
            "POST", "adgroup/status/update", adgroup_ids=ids, operation_status="DISABLE", allow_partial_success=True
        )
        assert part["data"]["adgroup_ids"] == [group] and len(part["data"]["fail_list"]) == 1
        row = (await box.tiktok("GET", "adgroup/get", filtering={"adgroup_ids": [group]}))["data"]["list"][0]
        assert row["secondary_status"] == "ADGROUP_STATUS_DISABLE"


async def test_report_rows_by_day_and_hour():
    async with sandbox() as box:
        await box.control("POST", "truth", match="tiktok", values={"roas": 4.0})
        campaign, _, _ = await box.tiktok_campaign("Óculos", budget=400.0)
        await box.tiktok_campaign("Chá milagroso")
        await box.advance(days=8)
        metrics = [
            "spend",
            "impressions",
            "clicks",
            "conversion",
            "complete_payment_roas",
            "total_complete_payment_rate",
            "secondary_goal_result",
        ]
        query = {
            "report_type": "BASIC",
            "data_level": "AUCTION_CAMPAIGN",
            "metrics": metrics,
            "start_date": "2026-11-24",
            "end_date": "2026-11-30",
        }
        answer = await box.tiktok(
            "GET", "report/integrated/get", dimensions=["campaign_id", "stat_time_day"], page_size=100, **query
        )
        rows = answer["data"]["list"]
        assert len(rows) == 7 and {row["dimensions"]["campaign_id"] for row in rows} == {campaign}
        assert all(isinstance(value, str) for row in rows for value in row["metrics"].values())
        assert (
            rows[0]["metrics"]["secondary_goal_result"] == "-" and rows[0]["dimensions"]["stat_time_day"] == "2026-11-24 00:00:00"
        )
        whole = (await box.tiktok("GET", "report/integrated/get", dimensions=["campaign_id"], **query))["data"]["list"][0][
            "metrics"
        ]
        assert sum(float(row["metrics"]["spend"]) for row in rows) == pytest.approx(float(whole["spend"]), abs=0.02)
        assert float(whole["complete_payment_roas"]) == pytest.approx(
            float(whole["total_complete_payment_rate"]) / float(whole["spend"]), abs=0.01
        )
        wide = await box.tiktok("GET", "report/integrated/get", dimensions=["campaign_id", "stat_time_hour"], **query)
        assert wide["code"] == 40002
        query |= {"start_date": "2026-11-24", "end_date": "2026-11-24"}
        hours = await box.tiktok(
            "GET", "report/integrated/get", dimensions=["campaign_id", "stat_time_hour"], page_size=50, **query
        )
        assert 15 <= len(hours["data"]["list"]) <= 24


async def test_pages_and_wrong_paths():
    async with sandbox() as box:
        for number in range(5):
            await box.tiktok("POST", "campaign/create", campaign_name=f"P{number}", objective_type="WEB_CONVERSIONS")
        page = (await box.tiktok("GET", "campaign/get", page=2, page_size=2, fields=["campaign_id"]))["data"]
        assert len(page["list"]) == 2 and set(page["list"][0]) == {"campaign_id"}
        assert page["page_info"] == {"page": 2, "page_size": 2, "total_number": 5, "total_page": 3}
        wrong = await box.http.get("/tiktok/open_api/v1.3/reports/integrated/get/", headers={"Access-Token": "t"})
        assert wrong.status_code == 404 and box.world.refusals[-1].reason == "unknown route"
        nobody = await box.http.get("/tiktok/open_api/v1.3/campaign/get/", params={"advertiser_id": TIKTOK_ADVERTISER})
        assert nobody.status_code == 200 and nobody.json()["code"] == 40105


async def test_faults_speak_as_tiktok_does():
    async with sandbox() as box:
        for kind, code in (("rate_limit", 40100), ("expired_token", 40105), ("error_500", 50000)):
            await box.control("POST", "faults", match="tiktok", kind=kind)
            assert (await box.tiktok("GET", "campaign/get"))["code"] == code
        assert (await box.tiktok("GET", "campaign/get"))["code"] == 0


def _drive_with_the_official_sdk(url: str) -> dict[str, object]:
    from business_api_client import (
        AdApi,
        AdCreateBody,
        AdcreateCreatives,
        AdgroupApi,
        AdgroupCreateBody,
        ApiClient,
        CampaignCreateBody,
        CampaignCreationApi,
        CampaignStatusUpdateBody,
        Configuration,
        ReportingApi,
    )
    from business_api_client.tiktok_business.tiktok_exceptions import TiktokSDKError

    options = Configuration()
    options.host = f"{url}/tiktok"
    client = ApiClient(options)
    campaigns = CampaignCreationApi(client)
    body = CampaignCreateBody(
        advertiser_id=TIKTOK_ADVERTISER, campaign_name="SDK", objective_type="WEB_CONVERSIONS", request_id="77"
    )
    made = campaigns.campaign_create("token", body=body)
    campaign = _data(made)["campaign_id"]
    group = AdgroupApi(client).adgroup_create("token", body=AdgroupCreateBody(advertiser_id=TIKTOK_ADVERTISER, **adgroup(campaign)))
    ident = _data(group)["adgroup_id"]
    creative = AdcreateCreatives(ad_name="a", ad_text="Veja", ad_format="SINGLE_VIDEO", landing_page_url="https://loja.example/")
    AdApi(client).ad_create("token", body=AdCreateBody(advertiser_id=TIKTOK_ADVERTISER, adgroup_id=ident, creatives=[creative]))
    seen: dict[str, object] = {
        "listed": len(_data(campaigns.campaign_get(TIKTOK_ADVERTISER, "token", page=1, page_size=10))["list"])
    }
    off = CampaignStatusUpdateBody(advertiser_id=TIKTOK_ADVERTISER, campaign_ids=[campaign], operation_status="DISABLE")
    campaigns.campaign_status_update("token", body=off)
    report = ReportingApi(client).report_integrated_get(
        "BASIC",
        "token",
        advertiser_id=TIKTOK_ADVERTISER,
        data_level="AUCTION_CAMPAIGN",
        dimensions=["campaign_id"],
        metrics=["spend"],
        start_date="2026-11-23",
        end_date="2026-11-23",
    )
    seen["report"] = _data(report)["list"]
    try:
        campaigns.campaign_create("token", body=CampaignCreateBody(advertiser_id="1", campaign_name="x", objective_type="REACH"))
    except TiktokSDKError as error:
        seen["refused"] = str(error)
    return seen


def _data(answer: object) -> dict:
    found = answer if isinstance(answer, dict) else answer.to_dict()
    return found.get("data", found)


async def test_the_official_sdk_drives_it():
    async with sandbox() as box:
        seen = await asyncio.to_thread(_drive_with_the_official_sdk, box.url)
        assert seen["listed"] == 1 and seen["report"] == [] and "No permission" in str(seen["refused"])
        book = await box.book()
        row = book["ads"]["campaigns"][0]
        assert (row["platform"], row["status"], row["daily_budget"], row["ads"]) == ("tiktok", "PAUSED", 4000, 1)
        assert not book["refusals"]


async def test_image_upload_checks_its_signature():
    async with sandbox() as box:
        blob = b"not really a jpeg"
        form = {"advertiser_id": TIKTOK_ADVERTISER, "image_signature": hashlib.md5(blob).hexdigest(), "file_name": "a.jpg"}
        good = await box.http.post(
            "/tiktok/open_api/v1.3/file/image/ad/upload/", data=form, files={"image_file": blob}, headers={"Access-Token": "t"}
        )
        assert good.json()["code"] == 0
        video = {"advertiser_id": TIKTOK_ADVERTISER, "upload_type": "UPLOAD_BY_URL", "video_url": "https://loja.example/v.mp4"}
        url = "/tiktok/open_api/v1.3/file/video/ad/upload/"
        filed = await box.http.post(
            url, files={name: (None, value) for name, value in video.items()}, headers={"Access-Token": "t"}
        )
        ident = filed.json()["data"][0]["video_id"]
        assert (await box.tiktok("GET", "file/video/ad/info", video_ids=[ident]))["data"]["list"][0]["displayable"] is True
        form["image_signature"] = "0" * 32
        bad = await box.http.post(
            "/tiktok/open_api/v1.3/file/image/ad/upload/", data=form, files={"image_file": blob}, headers={"Access-Token": "t"}
        )
        assert bad.json()["code"] == 40002
