"""The TikTok Business API twin, v1.3: one envelope over HTTP 200, JSON bodies, JSON text in query lists, ids as strings."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from starlette.datastructures import UploadFile

from runtime.sandbox.adtree import Account, Ad, AdBook, Campaign, Group
from runtime.sandbox.market import Market
from runtime.sandbox.money import minor_per_unit
from runtime.sandbox.tiktok_assets import TikTokAssets
from runtime.sandbox.tiktok_report import PARAMS as REPORT_PARAMS
from runtime.sandbox.tiktok_report import report
from runtime.sandbox.tiktok_rows import ad_row, campaign_of, campaign_row, group_row
from runtime.sandbox.tiktok_wire import Ask, Refused, filter_rules, page, unknown_route
from runtime.sandbox.words import words
from runtime.sandbox.world import World

MIN_CAMPAIGN, MIN_ADGROUP = 50, 20
"""Least daily budgets in major units. TikTok states them in USD; this twin asks the same number in any currency."""

OBJECTIVES = words("""
REACH TRAFFIC VIDEO_VIEWS LEAD_GENERATION ENGAGEMENT APP_PROMOTION WEB_CONVERSIONS PRODUCT_SALES
""")
CAMPAIGN_MODES = words("BUDGET_MODE_INFINITE BUDGET_MODE_DAY BUDGET_MODE_DYNAMIC_DAILY_BUDGET")
GROUP_MODES = words("BUDGET_MODE_DAY BUDGET_MODE_DYNAMIC_DAILY_BUDGET")

CAMPAIGN_BODY = words("""
advertiser_id campaign_name objective_type budget budget_mode budget_optimize_on operation_status request_id
campaign_type special_industries po_number sales_destination virtual_objective_type app_promotion_type
optimization_goal bid_type rta_bid_enabled is_search_campaign campaign_product_source
""")
GROUP_BODY = words("""
advertiser_id campaign_id adgroup_name billing_event budget budget_mode optimization_goal pacing schedule_type
schedule_start_time schedule_end_time operation_status request_id placement_type placements promotion_type
promotion_target_type pixel_id optimization_event location_ids languages gender age_groups audience_ids
excluded_audience_ids interest_category_ids interest_keyword_ids operating_systems bid_type bid_price
conversion_bid_price deep_bid_type roas_bid identity_id identity_type click_attribution_window view_attribution_window
attribution_event_count brand_safety_type creative_material_mode comment_disabled video_download_disabled
share_disabled smart_audience_enabled smart_interest_behavior_enabled spending_power skip_learning_phase
promotion_website_type search_result_enabled ios14_targeting is_hfss is_lhf_compliance automated_keywords_enabled
vbo_window product_source dayparting tiktok_subplacements network_types device_model_ids phone_number
phone_region_code phone_region_calling_code messaging_app_type messaging_app_account_id
""")
CREATIVE_BODY = words("""
ad_name ad_text ad_texts ad_format app_name call_to_action call_to_action_id card_id catalog_id image_ids video_id page_id
landing_page_url landing_page_urls display_name identity_id identity_type identity_authorized_bc_id operation_status creative_type
avatar_icon_web_uri tiktok_item_id utm_params tracking_pixel_id tracking_app_id deeplink deeplink_type deeplink_utm_params
click_tracking_url impression_tracking_url creative_authorized dark_post_status promotional_music_disabled music_id item_duet_status
item_stitch_status aigc_disclosure_type vast_moat_enabled playable_url ad_id shopping_ads_deeplink_type shopping_ads_fallback_type
fallback_type product_set_id product_specific_type disclaimer_text disclaimer_type
""")


LIST_QUERY = "advertiser_id filtering page page_size fields exclude_field_types_in_response"

_AUDIENCE = words("""
location_ids languages gender age_groups audience_ids excluded_audience_ids interest_category_ids spending_power
""")


class TikTokTwin:
    """All endpoints of the twin."""

    def __init__(self, world: World, book: AdBook, market: Market) -> None:
        self.world = world
        self.book = book
        self.market = market
        self.answered: dict[tuple[str, str, str], dict[str, Any]] = {}
        self.assets = TikTokAssets(world, book)
        self.routes: dict[tuple[str, str], Any] = {
            ("GET", "advertiser/info"): self.assets.advertiser_info, ("POST", "campaign/create"): self.campaign_create,
            ("GET", "campaign/get"): self.campaign_get, ("POST", "campaign/update"): self.campaign_update,
            ("POST", "adgroup/create"): self.adgroup_create, ("GET", "adgroup/get"): self.adgroup_get,
            ("POST", "adgroup/update"): self.adgroup_update, ("POST", "ad/create"): self.ad_create, ("GET", "ad/get"): self.ad_get,
            ("POST", "ad/update"): self.ad_update, ("POST", "file/image/ad/upload"): self.assets.image_upload,
            ("POST", "file/video/ad/upload"): self.assets.video_upload, ("GET", "file/video/ad/info"): self.assets.video_info,
            ("POST", "campaign/status/update"): self.campaign_status, ("POST", "adgroup/status/update"): self.adgroup_status,
            ("POST", "ad/status/update"): self.ad_status, ("GET", "report/integrated/get"): self.report,
            ("GET", "adgroup/quota"): self.assets.quota, ("POST", "dmp/custom_audience/lookalike/create"): self.assets.lookalike,
            ("GET", "dmp/custom_audience/list"): self.assets.audience_list,
        }  # fmt: skip

    async def answer(self, request: Request, path: str) -> Response:
        """One HTTP request; errors are HTTP 200 with a code."""
        known = self.routes.get((request.method, path.strip("/")))
        if known is None:
            self.world.refuse("tiktok", request.method, request.url.path, "unknown route")
            return unknown_route(request)
        log = {"request_id": f"{self.world.now:%Y%m%d%H%M%S}{self.world.next_id('tiktok.log', 10000):08d}"}
        try:
            if not request.headers.get("access-token"):
                raise Refused("Access token is incorrect or has been revoked.", 40105)
            data = known(await self._read(request, path.strip("/")))
        except Refused as error:
            if error.unknown:
                self.world.refuse("tiktok", request.method, request.url.path, str(error))
            return JSONResponse({"code": error.code, "message": str(error), **log, "data": {}})
        return JSONResponse({"code": 0, "message": "OK", **log, "data": data})

    async def _read(self, request: Request, path: str) -> Ask:
        values: dict[str, Any] = {}
        files: dict[str, bytes] = {}
        kind = request.headers.get("content-type", "").split(";")[0].strip()
        if request.method == "GET":
            for name, text in request.query_params.multi_items():
                try:
                    values[name] = json.loads(text) if text[:1] in "[{" and text else text
                except ValueError:
                    raise Refused(f"{name}: Not valid JSON.") from None
        elif kind == "multipart/form-data":
            for name, value in (await request.form()).multi_items():
                if isinstance(value, UploadFile):
                    files[name] = await value.read()
                else:
                    values[name] = value
        elif kind == "application/json":
            try:
                values = json.loads(await request.body())
            except ValueError:
                raise Refused("Body is not valid JSON.") from None
        else:
            raise Refused(f"Content-Type must be application/json, not {kind or 'absent'}.", unknown=True)
        if request.method == "POST" and request.query_params:
            raise Refused("Parameters of a POST belong in its body.", unknown=True)
        return Ask(request.method, path, {name: value for name, value in values.items() if value is not None}, files)

    # pieces

    def _minor(self, ask: Ask, account: Account, least: int) -> int:
        value = ask.need("budget")
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Refused("budget: Not a valid number.")
        if not least <= value < 10_000_000:
            raise Refused(f"budget: The daily budget must be at least {least} {account.currency}.")
        minor = value * minor_per_unit(account.currency)
        if abs(minor - round(minor)) > 1e-6:
            raise Refused(f"budget: Too many decimals for {account.currency}.")
        return round(minor)

    def _node(self, ident: Any, kind: type, account: Account) -> Any:
        node: Any = self.book.node("tiktok", str(ident))
        if not isinstance(node, kind) or campaign_of(node).account is not account or node.deleted:
            raise Refused(f"Object {ident} does not exist or does not belong to the advertiser.", 40007)
        return node

    def _once(self, ask: Ask, account: Account, make: Any) -> dict[str, Any]:
        """Runs a creation once per request_id: the same token again gives the same answer and nothing new."""
        token = ask.values.get("request_id")
        if token is not None and not (isinstance(token, str) and token.isdigit() and len(token) <= 19):
            raise Refused("request_id: Must be a string of digits (int64).")
        key = (account.id, ask.path, token or "")
        if token and key in self.answered:
            return self.answered[key]
        made = make()
        if token:
            self.answered[key] = made
        return made

    def _enabled(self, values: dict[str, Any]) -> bool:
        # TikTok goes live when nothing is said, at all three levels.
        status = values.get("operation_status", "ENABLE")
        if status not in ("ENABLE", "DISABLE"):
            raise Refused("operation_status: Must be one of: DISABLE, ENABLE.")
        return status == "ENABLE"

    def _moment(self, ask: Ask, name: str) -> datetime | None:
        value = ask.values.get(name)
        if value is None:
            return None
        try:
            return datetime.strptime(value, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
        except (TypeError, ValueError):
            raise Refused(f"{name}: Not a valid datetime (UTC, YYYY-MM-DD HH:MM:SS).") from None

    # campaigns

    def campaign_create(self, ask: Ask) -> dict[str, Any]:
        """POST campaign/create/."""
        ask.only(CAMPAIGN_BODY)
        account = self.assets.account(ask)

        def make() -> dict[str, Any]:
            name = ask.need("campaign_name")
            if not isinstance(name, str) or len(name) > 512:
                raise Refused("campaign_name: Length must be between 1 and 512.")
            ask.need("objective_type")
            objective = ask.choice("objective_type", OBJECTIVES)
            mode = ask.choice("budget_mode", CAMPAIGN_MODES, "BUDGET_MODE_INFINITE")
            optimize = bool(ask.values.get("budget_optimize_on", False))
            if optimize and mode == "BUDGET_MODE_INFINITE":
                raise Refused("budget_mode: Campaign budget optimisation needs a campaign budget.")
            if mode == "BUDGET_MODE_INFINITE" and ask.values.get("budget"):
                raise Refused("budget: Not allowed with BUDGET_MODE_INFINITE.")
            daily = None if mode == "BUDGET_MODE_INFINITE" else self._minor(ask, account, MIN_CAMPAIGN)
            enabled = self._enabled(ask.values)
            kept = {
                key: value
                for key, value in ask.values.items()
                if key not in ("budget", "operation_status", "advertiser_id", "request_id")
            }
            data = {**kept, "objective_type": objective, "budget_mode": mode, "budget_optimize_on": optimize}
            made = self.book.add_campaign(account, name, enabled=enabled, daily_budget=daily, data=data)
            self._record(
                "campaign.create", made.id, ask, name=name, status="ENABLE" if enabled else "DISABLE", daily_budget_minor=daily
            )
            return {"campaign_id": made.id}

        return self._once(ask, account, make)

    def _record(self, operation: str, ident: str, ask: Ask, **detail: Any) -> None:
        self.world.record("tiktok", operation, ident, ask.values.get("request_id"), **detail)

    def campaign_update(self, ask: Ask) -> dict[str, Any]:
        """POST campaign/update/. The budget mode cannot change."""
        ask.only("advertiser_id campaign_id campaign_name budget po_number special_industries")
        account = self.assets.account(ask)
        campaign: Campaign = self._node(ask.need("campaign_id"), Campaign, account)
        daily = None
        if "budget" in ask.values:
            if campaign.daily_budget is None:
                raise Refused("budget: The budget mode of a campaign cannot be changed (BUDGET_MODE_INFINITE).")
            daily = self._minor(ask, account, MIN_CAMPAIGN)
        self.book.change(campaign)
        campaign.name = ask.values.get("campaign_name", campaign.name)
        if daily is not None:
            self.book.set_budget(campaign, daily)
        self._record("campaign.update", campaign.id, ask, name=campaign.name, daily_budget_minor=daily)
        return {"campaign_id": campaign.id}

    def campaign_get(self, ask: Ask) -> dict[str, Any]:
        """GET campaign/get/."""
        account = self.assets.account(ask)
        ask.only(LIST_QUERY)
        rules = filter_rules(ask, "campaign_ids campaign_name objective_type primary_status secondary_status")
        found: list[dict[str, Any]] = []
        for campaign in account.campaigns.values():
            row = campaign_row(campaign)
            if self._passes(campaign, row, rules, {"campaign_ids": campaign.id}, campaign.name, rules.get("campaign_name")):
                found.append(row)
        return page(ask, found)

    def _passes(
        self,
        node: Campaign | Group | Ad,
        row: dict[str, Any],
        rules: dict[str, Any],
        ids: dict[str, str],
        name: str,
        part: str | None,
    ) -> bool:
        gone = str(row["secondary_status"]).endswith("_DELETE")
        if not self.book.visible(node) or (gone and rules.get("primary_status") not in ("STATUS_ALL", "STATUS_DELETE")):
            return False
        if part is not None and part.lower() not in name.lower():
            return False
        for key, ident in ids.items():
            if key in rules and ident not in [str(item) for item in rules[key]]:
                return False
        if "secondary_status" in rules and rules["secondary_status"] != row["secondary_status"]:
            return False
        return "objective_type" not in rules or rules["objective_type"] == campaign_of(node).data.get("objective_type")

    # ad groups

    def adgroup_create(self, ask: Ask) -> dict[str, Any]:
        """POST adgroup/create/."""
        ask.only(GROUP_BODY)
        account = self.assets.account(ask)

        def make() -> dict[str, Any]:
            campaign: Campaign = self._node(ask.need("campaign_id"), Campaign, account)
            for name in ("adgroup_name", "billing_event", "optimization_goal", "pacing", "schedule_type", "schedule_start_time"):
                ask.need(name)
            if not ask.values.get("location_ids"):
                raise Refused("location_ids: Missing data for required field.")
            by_campaign = bool(campaign.data.get("budget_optimize_on"))
            mode = ask.choice("budget_mode", GROUP_MODES) if not by_campaign else None
            if not by_campaign and mode is None:
                raise Refused("budget_mode: Missing data for required field.")
            if by_campaign and ask.values.get("budget"):
                raise Refused("budget: The campaign's budget is optimised; an ad group cannot have one.")
            daily = None if by_campaign else self._minor(ask, account, MIN_ADGROUP)
            starts, ends = self._moment(ask, "schedule_start_time"), self._moment(ask, "schedule_end_time")
            kind = ask.choice("schedule_type", frozenset({"SCHEDULE_FROM_NOW", "SCHEDULE_START_END"}))
            if kind == "SCHEDULE_START_END" and ends is None:
                raise Refused("schedule_end_time: Missing data for required field.")
            ends = ends or (starts or self.world.now) + timedelta(days=3650)
            if ends <= (starts or self.world.now):
                raise Refused("schedule_end_time: Must be after schedule_start_time.")
            enabled = self._enabled(ask.values)
            kept = {
                key: value
                for key, value in ask.values.items()
                if key not in ("budget", "operation_status", "advertiser_id", "request_id")
            }
            audience = json.dumps({key: kept.get(key) for key in sorted(kept) if key in _AUDIENCE}, sort_keys=True)
            data = {
                **kept,
                "budget_mode": mode or "BUDGET_MODE_INFINITE",
                "placement_type": kept.get("placement_type", "PLACEMENT_TYPE_NORMAL"),
            }
            made = self.book.add_group(
                campaign, str(ask.need("adgroup_name")), enabled=enabled, daily_budget=daily, data=data, audience_key=audience,
                starts_at=starts, ends_at=ends,
            )  # fmt: skip
            self._record(
                "adgroup.create", made.id, ask, name=made.name, status="ENABLE" if enabled else "DISABLE", daily_budget_minor=daily
            )
            return {"adgroup_id": made.id}

        return self._once(ask, account, make)

    def adgroup_update(self, ask: Ask) -> dict[str, Any]:
        """POST adgroup/update/."""
        fixed = (
            "budget_mode campaign_id operation_status billing_event optimization_goal request_id placement_type placements pixel_id"
        )
        ask.only((GROUP_BODY | {"adgroup_id"}) - frozenset(fixed.split()))
        account = self.assets.account(ask)
        group: Group = self._node(ask.need("adgroup_id"), Group, account)
        daily = None
        if "budget" in ask.values:
            if group.daily_budget is None:
                raise Refused("budget: The campaign's budget is optimised; an ad group cannot have one.")
            daily = self._minor(ask, account, MIN_ADGROUP)
        ends = self._moment(ask, "schedule_end_time")
        self.book.change(group)
        group.name, group.ends_at = ask.values.get("adgroup_name", group.name), ends or group.ends_at
        changed = {key: value for key, value in ask.values.items() if key not in ("advertiser_id", "adgroup_id", "budget")}
        group.data.update(changed)
        if _AUDIENCE & set(changed):
            group.audience_key = json.dumps(
                {key: group.data.get(key) for key in sorted(group.data) if key in _AUDIENCE}, sort_keys=True
            )
            group.significant_edit(self.world.now)
        if daily is not None:
            self.book.set_budget(group, daily)
        self._record("adgroup.update", group.id, ask, name=group.name, daily_budget_minor=daily)
        return {"adgroup_id": group.id}

    def adgroup_get(self, ask: Ask) -> dict[str, Any]:
        """GET adgroup/get/."""
        account = self.assets.account(ask)
        ask.only(LIST_QUERY)
        rules = filter_rules(ask, "campaign_ids adgroup_ids adgroup_name objective_type primary_status secondary_status")
        found: list[dict[str, Any]] = []
        for campaign in account.campaigns.values():
            for group in campaign.groups.values():
                row = group_row(group, self.world.now)
                if self._passes(
                    group, row, rules, {"campaign_ids": campaign.id, "adgroup_ids": group.id}, group.name, rules.get("adgroup_name")
                ):
                    found.append(row)
        return page(ask, found)

    # ads

    def ad_create(self, ask: Ask) -> dict[str, Any]:
        """POST ad/create/: several creatives, several ads."""
        ask.only("advertiser_id adgroup_id creatives")
        account = self.assets.account(ask)
        group: Group = self._node(ask.need("adgroup_id"), Group, account)
        creatives: Any = ask.need("creatives")
        if not isinstance(creatives, list) or not 1 <= len(creatives) <= 20:  # pyright: ignore[reportUnknownArgumentType]
            raise Refused("creatives: Between 1 and 20 creatives.")
        ready: list[tuple[dict[str, Any], bool]] = []
        for position, raw in enumerate(creatives):  # pyright: ignore[reportUnknownArgumentType,reportUnknownVariableType]
            creative = self._creative(raw, position)
            for name in ("ad_text", "ad_format"):
                if not creative.get(name):
                    raise Refused(f"creatives.{position}.{name}: Missing data for required field.")
            ready.append((creative, self._enabled(creative)))
        made: list[str] = []
        for creative, enabled in ready:
            name = str(creative.get("ad_name") or creative["ad_text"][:40])
            ad = self.book.add_ad(
                group, name, enabled=enabled, text=str(creative["ad_text"]), link=str(creative.get("landing_page_url") or ""),
                data={key: value for key, value in creative.items() if key != "operation_status"},
            )  # fmt: skip
            self._record("ad.create", ad.id, ask, name=name, status="ENABLE" if enabled else "DISABLE")
            made.append(ad.id)
        return {"ad_ids": made, "creatives": [ad_row(group.ads[ident], self.world.now) for ident in made], "need_audit": True}

    def _creative(self, raw: Any, position: int) -> dict[str, Any]:
        if not isinstance(raw, dict):
            raise Refused(f"creatives.{position}: Invalid type.")
        creative: dict[str, Any] = {str(name): value for name, value in raw.items() if value is not None}  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
        for name in creative:
            if name not in CREATIVE_BODY:
                raise Refused(f"creatives.{position}.{name}: Unknown field.", unknown=True)
        for image in creative.get("image_ids") or []:
            if image not in self.assets.images:
                raise Refused(f"creatives.{position}.image_ids: image {image} does not exist.")
        return creative

    def ad_update(self, ask: Ask) -> dict[str, Any]:
        """POST ad/update/: changed texts go to review again."""
        ask.only("advertiser_id adgroup_id creatives patch_update")
        account = self.assets.account(ask)
        self._node(ask.need("adgroup_id"), Group, account)
        done: list[str] = []
        for position, raw in enumerate(ask.need("creatives")):
            creative = self._creative(raw, position)
            ad: Ad = self._node(creative.get("ad_id"), Ad, account)
            self.book.change(ad)
            ad.data.update(creative)
            ad.name, ad.link = str(creative.get("ad_name") or ad.name), str(creative.get("landing_page_url") or ad.link)
            if creative.get("ad_text") and creative["ad_text"] != ad.text:
                ad.text = str(creative["ad_text"])
                self.book.review(ad)
            self._record("ad.update", ad.id, ask, name=ad.name)
            done.append(ad.id)
        return {"ad_ids": done}

    def ad_get(self, ask: Ask) -> dict[str, Any]:
        """GET ad/get/."""
        account = self.assets.account(ask)
        ask.only(LIST_QUERY)
        rules = filter_rules(ask, "campaign_ids adgroup_ids ad_ids ad_name objective_type primary_status secondary_status")
        found: list[dict[str, Any]] = []
        for campaign in account.campaigns.values():
            for group in campaign.groups.values():
                for ad in group.ads.values():
                    row = ad_row(ad, self.world.now)
                    ids = {"campaign_ids": campaign.id, "adgroup_ids": group.id, "ad_ids": ad.id}
                    if self._passes(ad, row, rules, ids, ad.name, rules.get("ad_name")):
                        found.append(row)
        return page(ask, found)

    # status, for all levels

    def campaign_status(self, ask: Ask) -> dict[str, Any]:
        """POST campaign/status/update/."""
        return self._switch(ask, "campaign_ids", Campaign)

    def adgroup_status(self, ask: Ask) -> dict[str, Any]:
        """POST adgroup/status/update/; allow_partial_success reports the failures instead of refusing all."""
        return self._switch(ask, "adgroup_ids", Group)

    def ad_status(self, ask: Ask) -> dict[str, Any]:
        """POST ad/status/update/."""
        return self._switch(ask, "ad_ids", Ad)

    def _switch(self, ask: Ask, name: str, kind: type) -> dict[str, Any]:
        ask.only("advertiser_id operation_status", name, "allow_partial_success" if kind is Group else "")
        account = self.assets.account(ask)
        ask.need("operation_status")
        status = ask.choice("operation_status", frozenset({"ENABLE", "DISABLE", "DELETE"}))
        partial, good, bad = bool(ask.values.get("allow_partial_success")), [], []
        for ident in ask.ids(name):
            try:
                good.append(self._node(ident, kind, account))
            except Refused as error:
                if not partial:
                    raise
                bad.append({name[:-1]: ident, "error_code": error.code, "error_message": str(error)})
        for node in good:
            self.book.change(node)
            node.enabled, node.deleted = status == "ENABLE", status == "DELETE"
            self._record(f"{name.removesuffix('_ids')}.status", node.id, ask, name=node.name, status=status)
        answer: dict[str, Any] = {name: [node.id for node in good], "status": status}
        return answer | ({"fail_list": bad} if partial else {})

    # reports

    def report(self, ask: Ask) -> dict[str, Any]:
        """GET report/integrated/get/."""
        ask.only(REPORT_PARAMS)
        account = self.assets.account(ask)
        rows = report(self.world, self.book, self.market, account, ask.values, lambda text: Refused(text))
        return page(ask, rows, most=1000)


def router(world: World, book: AdBook, market: Market) -> APIRouter:
    """Routes of the TikTok twin, to be mounted under /tiktok."""
    api, twin = APIRouter(), TikTokTwin(world, book, market)

    @api.api_route("/open_api/v1.3/{path:path}", methods=["GET", "POST"])
    async def anything(request: Request, path: str) -> Response:
        return await twin.answer(request, path)

    return api
