"""One TikTok advertiser as an AdPlatform. Source: Business API v1.3.

Website conversions with the daily budget on the ad group (campaign BUDGET_MODE_INFINITE). Everything is created DISABLE, since
the API goes live at all three levels when nothing is said; it is read back and only then enabled: ads first, the campaign last.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, date, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, Literal
from zoneinfo import ZoneInfo

import httpx

from knowledge.domain.action import Creative, Platform, PublishCampaign
from knowledge.domain.campaign import AccountFacts, AdObject, InsightRow, PlatformCampaign, PublishedCampaign
from knowledge.domain.clock import Clock
from knowledge.domain.money import EXPONENTS, Money, total
from knowledge.domain.policy import Operational
from tools.errors import Refused, Unavailable, UnknownOutcome, VendorError
from tools.http import VendorHttp
from tools.ports import Health
from tools.reconcile import Reconciler
from tools.vendors.tiktok.business import Business, Level, Row
from tools.vendors.tiktok.report import DAYS_A_CALL, DAYS_A_CALL_HOURLY, METRICS, insight_row, spans
from tools.vendors.tiktok.wire import VENDOR, age_groups, delivery, marker, money_of, overall, request_id, to_major, translator
from tools.vendors.tiktok.wire import with_params as url_with

OBJECTIVE, GOAL, EVENT = "WEB_CONVERSIONS", "CONVERT", "SHOPPING"
SPECIAL = {"HOUSING": "HOUSING", "EMPLOYMENT": "EMPLOYMENT", "CREDIT": "CREDIT"}
MIN_ADGROUP, MIN_CAMPAIGN = Decimal(20), Decimal(50)
"""Least daily budgets in major units. TikTok states them for USD; in other currencies it may refuse more than these do."""


class TikTokAds:
    """AdPlatform over one advertiser.

    `location_ids` maps ISO country codes to TikTok's location ids. `run_days` ends every ad group, because a schedule without
    an end runs for ten years. `rest` is how long writes rest after a rate limit (TikTok names no time).
    """

    platform: Platform = "tiktok"

    def __init__(
        self,
        *,
        base_url: str,
        token: str,
        advertiser_id: str,
        clock: Clock,
        pixel_id: str | None = None,
        identity_id: str | None = None,
        display_name: str | None = None,
        location_ids: Mapping[str, str] | None = None,
        run_days: int = 180,
        rest: float = 5.0,
        timeout: float = 20.0,
        per_second: int = 10,
        limits: Operational | None = None,
        lookup_waits: tuple[float, ...] = (0.3, 1.0, 3.0),
        settle: float = 20.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._advertiser, self._pixel, self._clock = advertiser_id, pixel_id, clock
        self._identity, self._display = identity_id, display_name
        self._locations = dict(location_ids or {})
        self._run_days = run_days
        self.http = VendorHttp(
            VENDOR, base_url, account=advertiser_id, headers={"Access-Token": token}, secrets=(token,),
            translate=translator(rest), timeout=timeout, per_second=per_second, limits=limits, clock=clock, transport=transport,
        )  # fmt: skip
        self._api = Business(self.http, advertiser_id)
        self._reconcile = Reconciler(VENDOR, waits=lookup_waits, settle=settle, sleep=sleep)
        self._known: AccountFacts | None = None

    # reading

    async def account(self) -> AccountFacts:
        """The advertiser's currency, time zone and state, fresh; the least daily budget is that of an ad group."""
        data = await self._api.get(
            "advertiser/info", "account", advertiser_ids=[self._advertiser],
            fields=["advertiser_id", "currency", "timezone", "display_timezone", "status"],
        )  # fmt: skip
        rows: list[Row] = data.get("list") or []
        if not rows:
            raise Refused(VENDOR, "account", f"advertiser {self._advertiser} is not visible to this token")
        row = rows[0]
        currency = str(row.get("currency"))
        if currency not in EXPONENTS:
            raise Refused(VENDOR, "account", f"currency {currency!r} of the advertiser is not known here")
        self._known = AccountFacts(
            platform="tiktok",
            external_id=self._advertiser,
            currency=currency,
            time_zone=str(row.get("display_timezone") or row.get("timezone")),
            active=row.get("status") == "STATUS_ENABLE",
            min_daily_budget=Money.of(MIN_ADGROUP, currency),
        )
        return self._known

    async def get_campaign(self, external_id: str) -> PlatformCampaign:
        """Fresh read of a campaign and its ad groups. Raises Refused when it does not exist."""
        facts = self._known or await self.account()
        row = await self._api.one("campaign", external_id)
        return self._campaign(row, await self._api.listed("adgroup", campaign_ids=[external_id]), facts.currency)

    async def list_campaigns(self) -> list[PlatformCampaign]:
        """All campaigns that are not deleted, with the budgets of their ad groups."""
        facts = self._known or await self.account()
        rows = await self._api.listed("campaign")
        groups: dict[str, list[Row]] = {}
        for row in await self._api.listed("adgroup"):
            groups.setdefault(row["campaign_id"], []).append(row)
        return [self._campaign(row, groups.get(row["campaign_id"], []), facts.currency) for row in rows]

    async def insights(self, since: date, until: date, *, hourly: bool = False) -> list[InsightRow]:
        """Campaign rows per day (or hour) in the advertiser's time zone; recent days are provisional."""
        facts = self._known or await self.account()
        today = self._clock.now().astimezone(ZoneInfo(facts.time_zone)).date()
        found: list[InsightRow] = []
        for first, last in spans(since, until, DAYS_A_CALL_HOURLY if hourly else DAYS_A_CALL):
            rows = await self._api.pages(
                "report/integrated/get", "report", page_size=1000, report_type="BASIC", data_level="AUCTION_CAMPAIGN",
                dimensions=["campaign_id", "stat_time_hour" if hourly else "stat_time_day"], metrics=list(METRICS),
                start_date=first.isoformat(), end_date=last.isoformat(),
            )  # fmt: skip
            found += [made for row in rows if (made := insight_row(row, facts.currency, today, hourly=hourly)) is not None]
        return found

    async def health(self) -> Health:
        """Whether the token reads the advertiser and the advertiser may advertise."""
        try:
            facts = await self.account()
        except VendorError as error:
            return Health(ok=False, detail=str(error), remedy="check the access token and the advertiser id in TikTok for Business")
        if not facts.active:
            return Health(
                ok=False, detail=f"advertiser {self._advertiser} is not enabled", remedy="settle it in TikTok Ads Manager"
            )
        return Health(ok=True, detail=f"{self._advertiser}, {facts.currency}, {facts.time_zone}")

    # publishing

    async def find_published(self, key: str) -> PublishedCampaign | None:
        """The campaign that carries the key's mark, with its ad groups and ads."""
        ident = await self._find("campaign", marker(key), {})
        return None if ident is None else await self._published(ident)

    async def publish(self, action: PublishCampaign, key: str) -> PublishedCampaign:
        """Campaign, one ad group with the daily budget, one ad a creative; resumed by name and token after any interruption.

        Raises Refused before the first write for a budget below TikTok's minimum, another currency than the advertiser's, an
        unknown country, an age range without bracket, or a creative without video or picture. A no, a limit or a stop in the
        middle is told as what it is: the campaign is enabled by the last write of all, so that until then nothing of it spends;
        and that write is followed by reads only, whose failure is an UnknownOutcome.
        """
        facts = await self.account()
        self._check(action, facts)
        mark = marker(key)
        campaign = await self._ensure("campaign", mark, {}, self._campaign_body(action, key, mark), token=True)
        within = {"campaign_ids": [campaign]}
        group = await self._ensure("adgroup", mark, within, self._group_body(action, key, mark, campaign), token=True)
        ads: list[str] = []
        for creative in action.creatives:
            name = f"{creative.id} {mark}"
            within = {"adgroup_ids": [group]}
            ident = await self._find("ad", name, within)
            if ident is None:
                body = {"adgroup_id": group, "creatives": [await self._creative(action, creative, name)]}
                ident = await self._ensure("ad", name, within, body, token=False)
            ads.append(ident)
        await self._verify(campaign, group, ads, action.daily_budget)
        steps: tuple[tuple[Level, list[str]], ...] = (("ad", ads), ("adgroup", [group]), ("campaign", [campaign]))
        for level, ids in steps:
            await self._switch(level, ids, "ENABLE", f"{level}.enable")
        made = {group, *ads}
        return await self._reconcile.proven(
            "publish",
            partial(self._published, campaign),
            lambda seen: made <= {one.external_id for one in seen.objects},
            "enabled, but the lists do not show all of it yet",
        )

    def _check(self, action: PublishCampaign, facts: AccountFacts) -> None:
        budget = action.daily_budget
        if not facts.active:
            raise Refused(VENDOR, "publish", f"advertiser {self._advertiser} is not enabled")
        if budget.currency != facts.currency:
            raise Refused(VENDOR, "publish", f"budget is in {budget.currency}, the advertiser in {facts.currency}")
        _enough(budget, MIN_ADGROUP, "an ad group", "publish")
        if self._pixel is None:
            raise Refused(VENDOR, "publish", "conversions need a pixel: configure vendors.tiktok.pixel_id")
        unknown = [country for country in action.countries if country not in self._locations]
        if unknown:
            raise Refused(
                VENDOR, "publish", f"no TikTok location id for {', '.join(unknown)}: add it to vendors.tiktok.location_ids"
            )
        bare = [creative.id for creative in action.creatives if not creative.video_id and not creative.image_url]
        if bare:
            raise Refused(
                VENDOR, "publish", f"creative {', '.join(bare)} has neither video_id nor image_url; TikTok shows no bare text"
            )
        try:
            age_groups(action.age_min, action.age_max)
        except ValueError as error:
            raise Refused(VENDOR, "publish", str(error)) from None

    def _campaign_body(self, action: PublishCampaign, key: str, mark: str) -> dict[str, Any]:
        special = [SPECIAL[category] for category in action.special_ad_categories if category in SPECIAL]
        return {
            "campaign_name": f"{action.name} {mark}", "objective_type": OBJECTIVE, "budget_mode": "BUDGET_MODE_INFINITE",
            "budget_optimize_on": False, "operation_status": "DISABLE", "special_industries": special or None,
            "request_id": request_id(key, "campaign"),
        }  # fmt: skip

    def _group_body(self, action: PublishCampaign, key: str, mark: str, campaign: str) -> dict[str, Any]:
        start = self._clock.now().astimezone(UTC)
        return {
            "campaign_id": campaign, "adgroup_name": f"{'+'.join(action.countries)} {action.age_min}-{action.age_max} {mark}",
            "operation_status": "DISABLE", "request_id": request_id(key, "adgroup"),
            "budget_mode": "BUDGET_MODE_DAY", "budget": to_major(action.daily_budget),
            "promotion_type": "WEBSITE", "pixel_id": self._pixel, "optimization_goal": GOAL, "optimization_event": EVENT,
            "billing_event": "OCPM", "bid_type": "BID_TYPE_NO_BID", "pacing": "PACING_MODE_SMOOTH",
            "placement_type": "PLACEMENT_TYPE_NORMAL", "placements": ["PLACEMENT_TIKTOK"],
            "location_ids": [self._locations[country] for country in action.countries],
            "age_groups": age_groups(action.age_min, action.age_max),
            "schedule_type": "SCHEDULE_START_END", "schedule_start_time": f"{start:%Y-%m-%d %H:%M:%S}",
            "schedule_end_time": f"{start + timedelta(days=self._run_days):%Y-%m-%d %H:%M:%S}",
        }  # fmt: skip

    async def _creative(self, action: PublishCampaign, creative: Creative, name: str) -> dict[str, Any]:
        tags = {
            "utm_source": "tiktok", "utm_medium": "paid", "utm_campaign": action.campaign_id, "utm_content": creative.id,
            "utm_id": "__CAMPAIGN_ID__",
        }  # fmt: skip
        body: dict[str, Any] = {
            "ad_name": name, "ad_text": creative.text, "call_to_action": creative.cta, "operation_status": "DISABLE",
            "landing_page_url": url_with(action.landing_url, tags), "display_name": self._display,
            "identity_id": self._identity, "identity_type": "CUSTOMIZED_USER" if self._identity else None,
        }  # fmt: skip
        if creative.video_id:
            media: dict[str, Any] = {"ad_format": "SINGLE_VIDEO", "video_id": creative.video_id}
        else:
            # A second upload after a lost answer leaves a spare picture in the library: it costs nothing and shows nowhere.
            upload = {"upload_type": "UPLOAD_BY_URL", "image_url": creative.image_url}
            data = await self._api.post("file/image/ad/upload", "image.upload", upload)
            media = {"ad_format": "SINGLE_IMAGE", "image_ids": [str(data["image_id"])]}
        return {field: value for field, value in (body | media).items() if value is not None}

    async def _ensure(self, level: Level, mark: str, within: dict[str, Any], body: dict[str, Any], *, token: bool) -> str:
        find, create = partial(self._find, level, mark, within), partial(self._api.create, level, body)
        return await self._reconcile.ensure(f"{level} {mark}", f"{level}.create", find, create, deduplicated=token)

    async def _find(self, level: Level, mark: str, within: dict[str, Any]) -> str | None:
        rows = await self._api.listed(level, **within, **{f"{level}_name": mark})
        found = [row[f"{level}_id"] for row in rows if str(row.get(f"{level}_name", "")).endswith(mark)]
        if len(found) > 1:
            raise Refused(VENDOR, f"{level}.find", f"{', '.join(sorted(found))} carry the same mark {mark}; keep one")
        return found[0] if found else None

    async def _verify(self, campaign: str, group: str, ads: list[str], budget: Money) -> None:
        """Reads every level back before anything is switched on. Raises Refused naming each difference."""

        async def read() -> tuple[Row, Row, list[Row]]:
            head, body = await self._api.one("campaign", campaign), await self._api.one("adgroup", group)
            return head, body, await self._api.listed("ad", adgroup_ids=[group])

        def complete(seen: tuple[Row, Row, list[Row]]) -> bool:
            return set(ads) <= {row["ad_id"] for row in seen[2]}

        head, body, tail = await self._reconcile.proven(
            "publish", read, complete, "created, but the lists do not show all of it yet"
        )
        group_order = {
            "campaign_id": campaign,
            "budget_mode": "BUDGET_MODE_DAY",
            "optimization_goal": GOAL,
            "pixel_id": self._pixel,
        }
        ordered = (
            ("campaign", head, {"objective_type": OBJECTIVE, "budget_mode": "BUDGET_MODE_INFINITE"}),
            ("ad group", body, group_order),
        )
        wrong = [
            f"{level} {name} is {row.get(name)!r}, ordered {value!r}"
            for level, row, wanted in ordered
            for name, value in wanted.items()
            if str(row.get(name)) != str(value)
        ]
        shown = self._money(body.get("budget"), budget.currency)
        if shown != budget:
            wrong.append(f"ad group budget is {shown}, ordered {budget}")
        states = {row["ad_id"]: row.get("operation_status") for row in tail}
        below = {body.get("operation_status"), *(states.get(ad) for ad in ads)}
        if head.get("operation_status") != "DISABLE" and below != {"ENABLE"}:
            wrong.append("the campaign is already enabled while what hangs below it is not ready")
        if wrong:
            raise Refused(VENDOR, "publish", "what was created does not read back as ordered: " + "; ".join(wrong))

    async def _switch(self, level: Level, ids: list[str], status: Literal["ENABLE", "DISABLE"], operation: str) -> None:
        async def read() -> set[str]:
            rows = await self._api.listed(level, **{f"{level}_ids": ids, "primary_status": "STATUS_ALL"})
            seen = {row[f"{level}_id"]: str(row.get("operation_status")) for row in rows}
            gone = [ident for ident in ids if ident not in seen]
            if gone:
                raise Refused(VENDOR, operation, f"{level} {', '.join(gone)} does not exist", "40007")
            return set(seen.values())

        if await read() == {status}:
            return
        write = partial(self._api.switch, level, ids, status, operation)
        await self._reconcile.change(operation, write, read, lambda seen: seen == {status})

    async def _published(self, campaign: str) -> PublishedCampaign:
        facts = self._known or await self.account()
        row = await self._api.one("campaign", campaign)
        groups = await self._api.listed("adgroup", campaign_ids=[campaign])
        ads = await self._api.listed("ad", campaign_ids=[campaign])
        return PublishedCampaign(
            campaign=self._campaign(row, groups, facts.currency),
            objects=(
                *(_object("ad_set", one, "adgroup", campaign) for one in groups),
                *(_object("ad", one, "ad", one["adgroup_id"]) for one in ads),
            ),
        )

    # running campaigns

    async def pause(self, external_id: str, key: str) -> PlatformCampaign:
        """Stops the campaign; its ad groups keep their own state."""
        await self._switch("campaign", [external_id], "DISABLE", "campaign.pause")
        return await self._after(external_id, "campaign.pause")

    async def resume(self, external_id: str, key: str) -> PlatformCampaign:
        """Starts the campaign again at the budget it has."""
        await self._switch("campaign", [external_id], "ENABLE", "campaign.resume")
        return await self._after(external_id, "campaign.resume")

    async def set_daily_budget(self, external_id: str, budget: Money, key: str) -> PlatformCampaign:
        """Sets the total daily budget where the campaign keeps it; several ad groups are scaled in proportion, decreases first.

        Raises Refused before any write below TikTok's minimum, for a total (lifetime) budget, and for another currency;
        UnknownOutcome for whatever happens once the first of several ad groups has its new budget.
        """
        facts = await self.account()
        if budget.currency != facts.currency:
            raise Refused(VENDOR, "set_budget", f"budget is in {budget.currency}, the advertiser in {facts.currency}")
        row = await self._api.one("campaign", external_id)
        if row.get("budget_mode") != "BUDGET_MODE_INFINITE":
            if not _is_daily(row):
                raise Refused(VENDOR, "set_budget", "the campaign has a total budget; TikTok does not let its mode be changed")
            _enough(budget, MIN_CAMPAIGN, "a campaign", "set_budget")
            plan: list[tuple[Level, str, Money]] = [("campaign", external_id, budget)]
        else:
            groups = _spending(await self._api.listed("adgroup", campaign_ids=[external_id]))
            if not groups or not all(_is_daily(one) for one in groups):
                raise Refused(
                    VENDOR, "set_budget", "the campaign's ad groups have no daily budgets; TikTok does not change the mode"
                )
            now = {one["adgroup_id"]: self._money(one.get("budget"), facts.currency).minor for one in groups}
            split = self._reconcile.split(key, now, budget.minor)
            new = {ident: Money(minor=part, currency=budget.currency) for ident, part in split.items()}
            for part in new.values():
                _enough(part, MIN_ADGROUP, "an ad group", "set_budget")
            order = sorted(new, key=lambda ident: new[ident].minor - now[ident])
            plan = [("adgroup", ident, new[ident]) for ident in order if new[ident].minor != now[ident]]
        await self._reconcile.in_turn("budget.set", [partial(self._set_budget, *part) for part in plan])
        after = await self._after(external_id, "set_budget")
        if after.daily_budget != budget:
            raise UnknownOutcome(VENDOR, "set_budget", f"asked for {budget}, the platform shows {after.daily_budget}")
        return after

    async def _set_budget(self, level: Level, ident: str, budget: Money) -> None:
        async def read() -> Row:
            return await self._api.one(level, ident)

        def agrees(row: Row) -> bool:
            return self._money(row.get("budget"), budget.currency) == budget

        body = {f"{level}_id": ident, "budget": to_major(budget)}
        write = partial(self._api.post, f"{level}/update", "budget.set", body)
        await self._reconcile.change("budget.set", write, read, agrees)

    async def _after(self, external_id: str, operation: str) -> PlatformCampaign:
        try:
            return await self.get_campaign(external_id)
        except VendorError as error:
            raise UnknownOutcome(VENDOR, operation, f"done, but it could not be read back: {error.detail}") from None

    # pieces

    def _money(self, value: Any, currency: str) -> Money:
        try:
            return money_of(value, currency)
        except ValueError as error:
            raise Unavailable(VENDOR, "budget.read", f"a budget could not be read: {error}") from None

    def _campaign(self, row: Row, groups: list[Row], currency: str) -> PlatformCampaign:
        spending = _spending(groups)
        budget = None
        if _is_daily(row):
            budget = self._money(row.get("budget"), currency)
        elif row.get("budget_mode") == "BUDGET_MODE_INFINITE" and spending and all(_is_daily(one) for one in spending):
            budget = total((self._money(one.get("budget"), currency) for one in spending), currency)
        state = delivery(row)
        troubled = [one for one in spending if delivery(one) in ("rejected", "with_issues", "unknown")]
        own = [row["secondary_status"]] if state in ("rejected", "with_issues", "unknown") and row.get("secondary_status") else []
        return PlatformCampaign(
            platform="tiktok",
            external_id=row["campaign_id"],
            name=str(row.get("campaign_name", "")),
            delivery=overall(state, (delivery(one) for one in spending)),
            daily_budget=budget,
            issues=(*own, *(f"{one['adgroup_id']}: {one.get('secondary_status')}" for one in troubled)),
            read_at=self._clock.now(),
        )


def _enough(budget: Money, least: Decimal, what: str, operation: str) -> None:
    if budget.amount < least:
        raise Refused(VENDOR, operation, f"daily budget {budget} is below TikTok's minimum of {least} {budget.currency} for {what}")


def _is_daily(row: Row) -> bool:
    return row.get("budget_mode") in ("BUDGET_MODE_DAY", "BUDGET_MODE_DYNAMIC_DAILY_BUDGET")


def _spending(groups: list[Row]) -> list[Row]:
    """The ad groups that would spend: those switched on, or all while none is."""
    return [row for row in groups if row.get("operation_status") == "ENABLE"] or groups


def _object(level: str, row: Row, own: str, parent: str) -> AdObject:
    name = str(row.get(f"{own}_name", ""))
    return AdObject.model_validate(
        {"level": level, "external_id": row[f"{own}_id"], "parent_external_id": parent, "name": name, "delivery": delivery(row)}
    )
