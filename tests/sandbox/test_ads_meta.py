"""The Meta twin on the wire: what it takes, what it refuses, and what its official SDK makes of it."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import timedelta

import pytest

from tests.sandbox.ads_support import ACT, ADSET, CAMPAIGN, sandbox


async def test_account_facts_and_minimum_budgets():
    async with sandbox() as box:
        facts = await box.get(ACT, fields="currency,timezone_name,account_status,min_daily_budget,spend_cap,amount_spent")
        assert facts["currency"] == "BRL" and facts["timezone_name"] == "America/Sao_Paulo" and facts["amount_spent"] == "0"
        minimums = (await box.get(f"{ACT}/minimum_budgets"))["data"]
        assert {row["currency"] for row in minimums} >= {"BRL", "JPY"}


async def test_create_without_status_goes_live_and_paused_stays_paused():
    async with sandbox() as box:
        values = {name: value for name, value in CAMPAIGN.items() if name != "status"}
        trap = (await box.post(f"{ACT}/campaigns", name="trap", **values))["id"]
        safe = (await box.post(f"{ACT}/campaigns", name="safe", **CAMPAIGN))["id"]
        assert (await box.get(trap, fields="status"))["status"] == "ACTIVE"
        assert (await box.get(safe, fields="status,effective_status"))["effective_status"] == "PAUSED"


@pytest.mark.parametrize(
    ("change", "code", "subcode"),
    [
        ({"special_ad_categories": None}, 100, None),
        ({"objective": "CONVERSIONS"}, 100, 1815433),
        ({"is_adset_budget_sharing_enabled": None}, 100, 4834011),
        ({"daily_budget": "50.00"}, 100, None),
        ({"daily_budget": "-5"}, 100, None),
        ({"daily_budget": "50"}, 100, 1885272),
        ({"bid_strategy": "LOWEST_COST"}, 100, None),
        ({"dialy_budget": "5000"}, 100, None),
    ],
)
async def test_campaign_refusals(change, code, subcode):
    async with sandbox() as box:
        values = {name: value for name, value in {**CAMPAIGN, "name": "x", **change}.items() if value is not None}
        error = await box.error(f"{ACT}/campaigns", **values)
        assert (error["code"], error.get("error_subcode")) == (code, subcode)
        assert not (await box.book())["writes"]


async def test_both_budgets_is_1885621_and_unknown_names_are_noted_as_refusals():
    async with sandbox() as box:
        campaign = (await box.post(f"{ACT}/campaigns", name="cbo", daily_budget=10000, **CAMPAIGN))["id"]
        error = await box.error(f"{ACT}/adsets", name="a", campaign_id=campaign, **ADSET)
        assert error["error_subcode"] == 1885621
        plain = (await box.post(f"{ACT}/campaigns", name="abo", **CAMPAIGN))["id"]
        loose = {**ADSET, "targeting": {"geo_locations": {"countries": ["BR"]}}}
        assert (await box.error(f"{ACT}/adsets", name="a", campaign_id=plain, **loose))["error_subcode"] == 1870227
        assert (await box.graph("GET", plain, fields="name,budgett")).status_code == 400
        assert (await box.graph("GET", f"{plain}/keywords")).status_code == 400
        assert (await box.http.get("/meta/v18.0/me?access_token=x")).json()["error"]["code"] == 2635
        reasons = [refusal["reason"] for refusal in (await box.book())["refusals"]]
        assert len(reasons) == 3 and any("budgett" in reason for reason in reasons)


async def test_validate_only_commits_nothing_and_gives_no_id():
    async with sandbox() as box:
        answer = await box.post(f"{ACT}/campaigns", name="x", execution_options=["validate_only"], **CAMPAIGN)
        assert answer == {"success": True}
        assert (await box.get(f"{ACT}/campaigns"))["data"] == [] and not (await box.book())["writes"]


async def test_find_by_key_and_paging_to_the_end():
    async with sandbox() as box:
        for number in range(5):
            await box.post(f"{ACT}/campaigns", name=f"Caneca {number} [k:{number:04x}]", **CAMPAIGN)
        found = await box.get(
            f"{ACT}/campaigns", fields="name", filtering=[{"field": "name", "operator": "CONTAIN", "value": "k:0003"}]
        )
        assert [row["name"] for row in found["data"]] == ["Caneca 3 [k:0003]"]
        names, after = [], None
        while True:
            page = await box.get(f"{ACT}/campaigns", fields="name", limit=2, **({"after": after} if after else {}))
            names += [row["name"] for row in page["data"]]
            if "next" not in page["paging"]:
                break
            after = page["paging"]["cursors"]["after"]
        assert len(set(names)) == 5


async def test_several_nodes_at_once_and_token_check():
    async with sandbox() as box:
        ids = [(await box.post(f"{ACT}/campaigns", name=name, **CAMPAIGN))["id"] for name in ("a", "b")]
        many = await box.get("/meta/v26.0/", ids=",".join(ids), fields="name")
        assert [many[ident]["name"] for ident in ids] == ["a", "b"]
        assert (await box.get("debug_token", input_token="token"))["data"]["is_valid"] is True
        assert (await box.http.get("/meta/v26.0/me")).json()["error"]["code"] == 104


async def test_a_video_is_ready_a_minute_later():
    async with sandbox() as box:
        video = (await box.post(f"{ACT}/advideos", file_url="https://loja.example/v.mp4", name="v"))["id"]
        assert (await box.get(video, fields="status"))["status"]["video_status"] == "processing"
        await box.advance(minutes=2)
        assert (await box.get(video, fields="status"))["status"]["video_status"] == "ready"


async def test_one_page_of_many_can_fail():
    async with sandbox() as box:
        for name in "abc":
            await box.post(f"{ACT}/campaigns", name=name, **CAMPAIGN)
        await box.control("POST", "faults", match="GET .*/campaigns.*after=", kind="error_500")
        first = await box.get(f"{ACT}/campaigns", limit=2)
        after = first["paging"]["cursors"]["after"]
        assert (await box.graph("GET", f"{ACT}/campaigns", limit=2, after=after)).status_code == 500
        assert len((await box.get(f"{ACT}/campaigns", limit=2, after=after))["data"]) == 1


async def test_lists_may_lag_behind_creation():
    async with sandbox() as box:
        await box.control("POST", "dials", list_lag_seconds=90)
        made = (await box.post(f"{ACT}/campaigns", name="late", **CAMPAIGN))["id"]
        assert (await box.get(f"{ACT}/campaigns"))["data"] == []
        assert (await box.get(made, fields="name"))["name"] == "late"
        await box.advance(minutes=2)
        assert len((await box.get(f"{ACT}/campaigns"))["data"]) == 1


async def test_review_then_delivery_and_banned_words_are_disapproved():
    async with sandbox() as box:
        _, _, good = await box.meta_campaign("Garrafa térmica")
        _, bad_set, bad = await box.meta_campaign("Chá", text="Chá milagroso: cura garantida")
        assert (await box.get(good, fields="effective_status"))["effective_status"] == "PENDING_REVIEW"
        await box.advance(hours=7)
        assert (await box.get(good, fields="effective_status"))["effective_status"] == "ACTIVE"
        refused = await box.get(bad, fields="status,effective_status,issues_info,ad_review_feedback")
        assert refused["status"] == "ACTIVE" and refused["effective_status"] == "DISAPPROVED" and refused["issues_info"]
        assert (await box.get(bad_set, fields="effective_status"))["effective_status"] == "WITH_ISSUES"
        await box.advance(days=1)
        book = {row["name"]: row for row in (await box.book())["ads"]["campaigns"]}
        assert book["Garrafa térmica"]["spend"] > 0 and book["Chá"]["spend"] == 0


async def test_paused_anywhere_spends_nothing_and_adset_budget_changes_are_limited():
    async with sandbox() as box:
        campaign, adset, _ = await box.meta_campaign("Luminária", live=False)
        await box.post(campaign, status="ACTIVE")
        await box.advance(days=2)
        assert (await box.book())["ads"]["spend"] == 0
        for budget in (5100, 5200, 5300, 5400):
            await box.post(adset, daily_budget=budget)
        assert (await box.error(adset, daily_budget=5500))["code"] == 613
        await box.advance(hours=1)
        assert await box.post(adset, daily_budget=5500) == {"success": True}
        assert (await box.get(adset, fields="daily_budget"))["daily_budget"] == "5500"


async def test_insights_are_strings_with_repeated_purchases_and_no_row_without_delivery():
    async with sandbox() as box:
        await box.control("POST", "truth", match="fone", values={"roas": 4.0})
        campaign, _, _ = await box.meta_campaign("Fone", budget=20000)
        idle, _, _ = await box.meta_campaign("Parada", live=False)
        await box.advance(days=8)
        fields = "campaign_id,spend,impressions,clicks,actions,action_values,purchase_roas"
        rows = (
            await box.get(f"{ACT}/insights", level="campaign", fields=fields, time_increment=1, date_preset="last_7d", limit=100)
        )["data"]
        assert {row["campaign_id"] for row in rows} == {campaign} and idle not in str(rows)
        assert len(rows) == 7 and all(isinstance(row["spend"], str) for row in rows)
        whole = (await box.get(f"{campaign}/insights", fields=fields, date_preset="last_7d"))["data"][0]
        values = {row["action_type"]: row["value"] for row in whole["actions"]}
        assert values["purchase"] == values["omni_purchase"] == values["offsite_conversion.fb_pixel_purchase"] != "0"
        value = next(float(row["value"]) for row in whole["action_values"] if row["action_type"] == "purchase")
        assert float(whole["purchase_roas"][0]["value"]) == pytest.approx(value / float(whole["spend"]), abs=1e-5)
        assert sum(float(row["spend"]) for row in rows) == pytest.approx(float(whole["spend"]))
        hours = await box.get(
            f"{campaign}/insights",
            fields="spend",
            date_preset="yesterday",
            breakdowns="hourly_stats_aggregated_by_advertiser_time_zone",
            limit=30,
        )
        assert 12 < len(hours["data"]) <= 24


async def test_async_report_must_be_polled_to_the_end():
    async with sandbox() as box:
        await box.meta_campaign("Mochila")
        await box.advance(days=2)
        run = (await box.post(f"{ACT}/insights", level="campaign", date_preset="maximum"))["report_run_id"]
        assert (await box.get(run))["async_status"] == "Job Running"
        assert (await box.get(run))["async_percent_completion"] == 100
        assert len((await box.get(f"{run}/insights"))["data"]) == 1


async def test_copies_keep_the_budget_and_come_paused():
    async with sandbox() as box:
        _, adset, _ = await box.meta_campaign("Tapete", budget=8000)
        made = (await box.post(f"{adset}/copies", deep_copy=True, rename_options={"rename_suffix": " LAL"}))["copied_adset_id"]
        copy = await box.get(made, fields="name,status,daily_budget,source_adset_id")
        assert copy == {"name": "Broad BR LAL", "status": "PAUSED", "daily_budget": "8000", "source_adset_id": adset, "id": made}
        assert len((await box.get(f"{made}/ads"))["data"]) == 1
        assert (await box.graph("POST", f"{adset}/copies", daily_budget="4000")).status_code == 400


async def test_account_spend_cap_stops_delivery():
    async with sandbox() as box:
        await box.meta_campaign("Cadeira", budget=50000)
        await box.post(ACT, spend_cap="100")
        await box.advance(days=3)
        account = (await box.book())["ads"]["accounts"][0]
        assert account["spend_cap"] == 10000 and 9900 <= account["spent"] <= 10000


async def test_yen_budgets_are_whole_units():
    async with sandbox(currency="JPY") as box:
        _, adset, _ = await box.meta_campaign("Bento", budget=5000)
        row = (await box.book())["ads"]["campaigns"][0]
        assert row["daily_budget"] == 5000 and row["currency"] == "JPY"
        assert (await box.get(adset, fields="daily_budget"))["daily_budget"] == "5000"
        await box.advance(days=2)
        rows = (await box.get(f"{ACT}/insights", level="account", date_preset="maximum"))["data"]
        assert float(rows[0]["spend"]) == int(rows[0]["spend"]) < 2 * 5000 * 1.75


def _drive_with_the_official_sdk(url: str) -> dict[str, object]:
    from facebook_business.adobjects.ad import Ad
    from facebook_business.adobjects.adaccount import AdAccount
    from facebook_business.adobjects.adset import AdSet
    from facebook_business.adobjects.campaign import Campaign
    from facebook_business.api import FacebookAdsApi
    from facebook_business.exceptions import FacebookRequestError
    from facebook_business.session import FacebookSession

    kept = FacebookSession.GRAPH
    FacebookSession.GRAPH = f"{url}/meta"
    try:
        FacebookAdsApi.init("1", "secret", "token", crash_log=False, timeout=5)
        account = AdAccount(ACT.rsplit("/", 1)[1])
        seen: dict[str, object] = {"currency": account.api_get(fields=["currency"])["currency"]}
        campaign = account.create_campaign(params={**CAMPAIGN, "name": "SDK"})
        seen["validate"] = account.create_campaign(params={**CAMPAIGN, "name": "SDK", "execution_options": ["validate_only"]}).get(
            "id"
        )
        adset = account.create_ad_set(params={**ADSET, "name": "SDK set", "campaign_id": campaign["id"]})
        image = account.create_ad_image(params={"bytes": "aGVsbG8="})
        story = {"page_id": "10", "link_data": {"link": "https://loja.example/", "message": "Oi", "image_hash": image["hash"]}}
        creative = account.create_ad_creative(params={"name": "c", "object_story_spec": story})
        ad = account.create_ad(
            params={"name": "ad", "adset_id": adset["id"], "creative": {"creative_id": creative["id"]}, "status": "PAUSED"}
        )
        for node in (Ad(ad["id"]), AdSet(adset["id"]), Campaign(campaign["id"])):
            node.api_update(params={"status": "ACTIVE"})
        AdSet(adset["id"]).api_update(params={"daily_budget": 9000})
        read = Campaign(campaign["id"]).api_get(fields=["status", "effective_status", "special_ad_categories"])
        seen["status"] = read["status"]
        seen["image"] = image["hash"] == hashlib.md5(b"hello").hexdigest()
        for number in range(4):
            account.create_campaign(params={**CAMPAIGN, "name": f"Extra {number}"})
        seen["listed"] = len(list(account.get_campaigns(fields=["name"], params={"limit": 2})))
        try:
            account.create_campaign(params={**CAMPAIGN, "name": "bad", "objective": "CONVERSIONS"})
        except FacebookRequestError as error:
            seen["refused"] = error.api_error_subcode()
        seen["ids"] = (campaign["id"], adset["id"])
        return seen
    finally:
        FacebookSession.GRAPH = kept


async def test_the_official_sdk_drives_it():
    async with sandbox() as box:
        seen = await asyncio.to_thread(_drive_with_the_official_sdk, box.url)
        assert seen["currency"] == "BRL" and seen["validate"] is None and seen["image"] is True
        assert seen["status"] == "ACTIVE" and seen["listed"] == 5 and seen["refused"] == 1815433
        await box.advance(days=2)
        book = await box.book()
        campaign = next(row for row in book["ads"]["campaigns"] if row["name"] == "SDK")
        assert campaign["spend"] > 0 and campaign["daily_budget"] == 9000 and not book["refusals"]


async def test_faults_speak_as_meta_does():
    async with sandbox() as box:
        await box.control("POST", "faults", match="POST .*/campaigns", kind="commit_then_500")
        lost = await box.graph("POST", f"{ACT}/campaigns", name="lost", **CAMPAIGN)
        assert lost.status_code == 500 and lost.json()["error"]["is_transient"] is True
        assert [row["name"] for row in (await box.get(f"{ACT}/campaigns", fields="name"))["data"]] == ["lost"]
        await box.control("POST", "faults", match="GET .*/insights", kind="rate_limit")
        slow = await box.graph("GET", f"{ACT}/insights")
        assert slow.json()["error"]["code"] == 80004
        assert "estimated_time_to_regain_access" in slow.headers["x-business-use-case-usage"]
        await box.control("POST", "faults", match="GET", kind="html_502")
        assert (await box.graph("GET", ACT)).headers["content-type"].startswith("text/html")
        await box.control("POST", "faults", match="GET", kind="expired_token")
        assert (await box.graph("GET", ACT)).json()["error"]["error_subcode"] == 463
        await box.control("POST", "faults", match="GET", kind="upgraded_version")
        assert (await box.graph("GET", ACT)).headers["facebook-api-version"] == "v27.0"
        assert (await box.graph("GET", ACT)).headers["facebook-api-version"] == "v26.0"


async def test_dropped_and_hanging_requests_break_the_connection():
    import httpx

    async with sandbox() as box:
        await box.control("POST", "faults", match="POST", kind="drop")
        with pytest.raises(httpx.TransportError):
            await box.graph("POST", f"{ACT}/campaigns", name="never", **CAMPAIGN)
        assert not box.world.writes
        await box.control("POST", "faults", match="POST", kind="timeout", seconds=0.2)
        with pytest.raises(httpx.TransportError):
            await box.graph("POST", f"{ACT}/campaigns", name="committed", **CAMPAIGN)
        assert [write.detail["name"] for write in box.world.writes] == ["committed"]


async def test_batch_answers_item_by_item():
    async with sandbox() as box:
        campaign, _, _ = await box.meta_campaign("Lote")
        items = [
            {"method": "POST", "relative_url": campaign, "body": "status=PAUSED"},
            {"method": "GET", "relative_url": "999?fields=name"},
        ]
        answers = (await box.graph("POST", "/meta/v26.0/", batch=items)).json()
        assert [item["code"] for item in answers] == [200, 400]
        assert (await box.get(campaign, fields="status"))["status"] == "PAUSED"


async def test_disapproved_text_can_be_replaced():
    async with sandbox() as box:
        _, _, ad = await box.meta_campaign("Pomada", text="Resultado milagroso")
        await box.advance(hours=7)
        story = {"page_id": "10", "link_data": {"link": "https://loja.example/", "message": "Alívio no dia a dia"}}
        await box.post(ad, creative={"object_story_spec": story})
        assert (await box.get(ad, fields="effective_status"))["effective_status"] == "PENDING_REVIEW"
        box.world.at(box.world.now + timedelta(hours=7), _nothing)
        await box.advance(hours=7)
        assert (await box.get(ad, fields="effective_status"))["effective_status"] == "ACTIVE"


async def _nothing() -> None:
    return None
