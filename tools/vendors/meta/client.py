"""One Meta ad account as an AdPlatform. Source: Marketing API v26.0.

Sales campaigns with the budget on the ad set: OUTCOME_SALES, OFFSITE_CONVERSIONS for pixel purchases, Advantage+ placements.
Everything is created PAUSED, read back, and only then activated: ads first, the campaign last.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date
from decimal import ROUND_CEILING, Decimal
from functools import partial
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import httpx

from knowledge.domain.action import Creative, Platform, PublishCampaign
from knowledge.domain.campaign import AccountFacts, AdObject, InsightRow, PlatformCampaign, PublishedCampaign
from knowledge.domain.clock import Clock
from knowledge.domain.money import Money, total
from knowledge.domain.policy import Operational
from tools.errors import Refused, Unavailable, UnknownOutcome, VendorError
from tools.http import VendorHttp
from tools.payload import as_object
from tools.ports import Health
from tools.reconcile import Reconciler
from tools.vendors.meta.graph import Graph, Row
from tools.vendors.meta.insights import FIELDS, HOURLY, insight_row
from tools.vendors.meta.wire import EU, VENDOR, delivery, from_units, issues, marker, offset, proof, rest_after, to_units, translate

CAMPAIGN_FIELDS = (
    "id,name,status,effective_status,objective,daily_budget,lifetime_budget,issues_info,is_adset_budget_sharing_enabled"
)
SET_FIELDS = (
    "id,name,campaign_id,status,effective_status,daily_budget,lifetime_budget,optimization_goal,billing_event,promoted_object,"
    "issues_info"
)
AD_FIELDS = "id,name,adset_id,status,effective_status,issues_info"
OBJECTIVE, GOAL, BILLING, EVENT = "OUTCOME_SALES", "OFFSITE_CONVERSIONS", "IMPRESSIONS", "PURCHASE"
SHARED = Decimal("1.2")
"""Where ad sets share their budgets, each may spend a fifth more than its own: counted as if every one did."""


class MetaAds:
    """AdPlatform over one ad account.

    `account_id` with or without "act_". `dsa_beneficiary` and `dsa_payor` are needed to advertise in the EU. `lookup_waits`
    and `settle` are those of Reconciler. Secrets never appear in logs or exceptions: the token travels in a header.
    """

    platform: Platform = "meta"

    def __init__(
        self,
        *,
        base_url: str,
        token: str,
        account_id: str,
        pixel_id: str,
        page_id: str,
        clock: Clock,
        app_secret: str | None = None,
        dsa_beneficiary: str | None = None,
        dsa_payor: str | None = None,
        timeout: float = 20.0,
        per_second: int = 10,
        limits: Operational | None = None,
        lookup_waits: tuple[float, ...] = (0.3, 1.0, 3.0),
        settle: float = 20.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._act = account_id if account_id.startswith("act_") else f"act_{account_id}"
        self._pixel, self._page, self._clock = pixel_id, page_id, clock
        self._dsa = {"dsa_beneficiary": dsa_beneficiary, "dsa_payor": dsa_payor}
        proofs = {"appsecret_proof": proof(token, app_secret)} if app_secret else {}
        self.http = VendorHttp(
            VENDOR, base_url, account=self._act, headers={"Authorization": f"Bearer {token}"}, params=proofs,
            secrets=(token, *([app_secret] if app_secret else [])), translate=translate, observe=rest_after,
            timeout=timeout, per_second=per_second, limits=limits, clock=clock, transport=transport,
        )  # fmt: skip
        self._graph = Graph(self.http)
        self._reconcile = Reconciler(VENDOR, waits=lookup_waits, settle=settle, sleep=sleep)
        self._known: AccountFacts | None = None

    # reading

    async def account(self) -> AccountFacts:
        """The account's currency, time zone, state and least daily budget, fresh."""
        row = await self._graph.get(self._act, "account", fields="currency,timezone_name,account_status,min_daily_budget")
        currency = str(row["currency"])
        try:
            offset(currency)
            least = row.get("min_daily_budget")
            self._known = AccountFacts(
                platform="meta",
                external_id=self._act,
                currency=currency,
                time_zone=str(row["timezone_name"]),
                active=row.get("account_status") == 1,
                min_daily_budget=from_units(least, currency) if least else None,
            )
        except ValueError as error:
            raise Refused(VENDOR, "account", str(error)) from None
        return self._known

    async def get_campaign(self, external_id: str) -> PlatformCampaign:
        """Fresh read of a campaign and, when the budget lies there, of its ad sets. Raises Refused when it does not exist."""
        facts = self._known or await self.account()
        row = await self._graph.get(external_id, "campaign.get", fields=CAMPAIGN_FIELDS)
        sets = [] if row.get("daily_budget") else await self._sets(external_id)
        return self._campaign(row, sets, facts.currency)

    async def list_campaigns(self) -> list[PlatformCampaign]:
        """All campaigns that are not deleted or archived, with the budgets of their ad sets."""
        facts = self._known or await self.account()
        rows = await self._graph.pages(f"{self._act}/campaigns", "campaign.list", fields=CAMPAIGN_FIELDS)
        sets: dict[str, list[Row]] = {}
        for row in await self._graph.pages(f"{self._act}/adsets", "adset.list", fields=SET_FIELDS):
            sets.setdefault(str(row["campaign_id"]), []).append(row)
        return [self._campaign(row, sets.get(str(row["id"]), []), facts.currency) for row in rows]

    async def insights(self, since: date, until: date, *, hourly: bool = False) -> list[InsightRow]:
        """Campaign rows per account-local day (or hour). Days within the attribution window, and today, are provisional."""
        facts = self._known or await self.account()
        today = self._clock.now().astimezone(ZoneInfo(facts.time_zone)).date()
        rows = await self._graph.pages(
            f"{self._act}/insights", "insights", level="campaign", fields=FIELDS, time_increment=1,
            time_range={"since": since.isoformat(), "until": until.isoformat()}, breakdowns=[HOURLY] if hourly else None,
        )  # fmt: skip
        return [insight_row(row, facts.currency, today) for row in rows]

    async def health(self) -> Health:
        """Whether the token reads the account and the account may advertise."""
        try:
            facts = await self.account()
        except VendorError as error:
            return Health(ok=False, detail=str(error), remedy="check the access token's rights (ads_management) and the account id")
        if not facts.active:
            return Health(ok=False, detail=f"ad account {self._act} is not active", remedy="settle it in Meta's billing settings")
        return Health(ok=True, detail=f"{self._act}, {facts.currency}, {facts.time_zone}")

    # publishing

    async def find_published(self, key: str) -> PublishedCampaign | None:
        """The campaign that carries the key's mark, with its ad sets and ads."""
        ident = await self._find_campaign(marker(key))
        return None if ident is None else await self._published(ident)

    async def publish(self, action: PublishCampaign, key: str) -> PublishedCampaign:
        """Campaign, one ad set with the daily budget, one ad a creative; resumed by name after any interruption.

        Raises Refused before the first write for a budget that Meta cannot take, another currency than the account's, an
        inactive account or missing EU facts, and Refused when what was created does not read back as ordered (it stays paused).
        A no, a limit or a stop in the middle is told as what it is: the campaign is switched on by the last write of all, so that
        until then nothing of it spends; and that write is followed by reads only, whose failure is an UnknownOutcome.
        """
        facts = await self.account()
        units = self._check(action, facts)
        mark = marker(key)
        campaign = await self._ensure(
            f"campaign {mark}", "campaign", lambda: self._find_campaign(mark), self._campaign_params(action, mark)
        )
        name = f"{'+'.join(action.countries)} {action.age_min}-{action.age_max} {mark}"
        group = await self._ensure(
            name, "adset", self._finder(campaign, "adsets", name), self._set_params(action, campaign, name, units)
        )
        ads: list[str] = []
        for creative in action.creatives:
            name = f"{creative.id} {mark}"
            ads.append(
                await self._ensure(name, "ad", self._finder(group, "ads", name), self._ad_params(action, creative, group, name))
            )
        await self._verify(campaign, group, ads, units)
        steps = [(ad, "ad.activate", AD_FIELDS) for ad in ads]
        steps += [(group, "adset.activate", SET_FIELDS), (campaign, "campaign.activate", CAMPAIGN_FIELDS)]
        for ident, operation, fields in steps:
            await self._switch(ident, operation, fields, "ACTIVE")
        made = {group, *ads}
        return await self._reconcile.proven(
            "publish",
            partial(self._published, campaign),
            lambda seen: made <= {one.external_id for one in seen.objects},
            "activated, but the lists do not show all of it yet",
        )

    def _check(self, action: PublishCampaign, facts: AccountFacts) -> int:
        budget = action.daily_budget
        if not facts.active:
            raise Refused(VENDOR, "publish", f"ad account {self._act} is not active")
        if budget.currency != facts.currency:
            raise Refused(VENDOR, "publish", f"budget is in {budget.currency}, the account in {facts.currency}")
        if facts.min_daily_budget is not None and budget < facts.min_daily_budget:
            raise Refused(VENDOR, "publish", f"daily budget {budget} is below Meta's minimum of {facts.min_daily_budget}")
        if EU & set(action.countries) and not all(self._dsa.values()):
            raise Refused(VENDOR, "publish", "the EU asks who benefits and who pays: configure dsa_beneficiary and dsa_payor")
        try:
            return to_units(budget)
        except ValueError as error:
            raise Refused(VENDOR, "publish", str(error)) from None

    def _campaign_params(self, action: PublishCampaign, mark: str) -> dict[str, Any]:
        special = [category for category in action.special_ad_categories if category != "NONE"]
        return {
            "name": f"{action.name} {mark}", "objective": OBJECTIVE, "status": "PAUSED", "special_ad_categories": special,
            "special_ad_category_country": list(action.countries) if special else None,
            "is_adset_budget_sharing_enabled": False,
        }  # fmt: skip

    def _set_params(self, action: PublishCampaign, campaign: str, name: str, units: int) -> dict[str, Any]:
        # Advantage+ audience may not be narrowed: with it, age_max below 65 and age_min above 25 are refused.
        broad = action.age_max == 65 and action.age_min <= 25 and not action.special_ad_categories
        in_eu = bool(EU & set(action.countries))
        return {
            "name": name, "campaign_id": campaign, "status": "PAUSED", "daily_budget": units,
            "optimization_goal": GOAL, "billing_event": BILLING, "bid_strategy": "LOWEST_COST_WITHOUT_CAP",
            "promoted_object": {"pixel_id": self._pixel, "custom_event_type": EVENT},
            "targeting": {
                "geo_locations": {"countries": list(action.countries)}, "age_min": action.age_min, "age_max": action.age_max,
                "targeting_automation": {"advantage_audience": 1 if broad else 0},
            },
            **(self._dsa if in_eu else {}),
        }  # fmt: skip

    def _ad_params(self, action: PublishCampaign, creative: Creative, group: str, name: str) -> dict[str, Any]:
        call = {"type": creative.cta, "value": {"link": action.landing_url}}
        if creative.video_id is not None:
            video = {"video_id": creative.video_id, "title": creative.headline, "message": creative.text, "call_to_action": call}
            story: dict[str, Any] = {"video_data": video | ({"image_url": creative.image_url} if creative.image_url else {})}
        else:
            link = {"link": action.landing_url, "message": creative.text, "name": creative.headline, "call_to_action": call}
            story = {"link_data": link | ({"picture": creative.image_url} if creative.image_url else {})}
        tags = urlencode(
            {"utm_source": "meta", "utm_medium": "paid", "utm_campaign": action.campaign_id, "utm_content": creative.id}
        )
        # Meta fills the macro in; encoded braces would be passed on as they are.
        tags += "&utm_id={{campaign.id}}"
        spec = {"name": name, "object_story_spec": {"page_id": self._page, **story}, "url_tags": tags}
        return {"name": name, "adset_id": group, "status": "PAUSED", "creative": spec}

    async def _find_campaign(self, mark: str) -> str | None:
        rows = await self._graph.pages(
            f"{self._act}/campaigns", "campaign.find", fields="id,name",
            filtering=[{"field": "name", "operator": "CONTAIN", "value": mark}],
        )  # fmt: skip
        # Copies keep the source's name and add to it, so only a name that ends with the mark is ours.
        found = [str(row["id"]) for row in rows if str(row.get("name", "")).endswith(mark)]
        if len(found) > 1:
            raise Refused(VENDOR, "campaign.find", f"campaigns {', '.join(sorted(found))} carry the same mark {mark}; keep one")
        return found[0] if found else None

    async def _ensure(self, name: str, kind: str, find: Callable[[], Awaitable[str | None]], params: dict[str, Any]) -> str:
        operation = f"{kind}.create"
        create = partial(self._graph.create, f"{self._act}/{kind}s", operation, params)
        return await self._reconcile.ensure(name, operation, find, create)

    def _finder(self, parent: str, edge: str, name: str) -> Callable[[], Awaitable[str | None]]:
        async def find() -> str | None:
            rows = await self._graph.pages(f"{parent}/{edge}", f"{edge}.find", fields="id,name")
            return next((str(row["id"]) for row in rows if row.get("name") == name), None)

        return find

    async def _verify(self, campaign: str, group: str, ads: list[str], units: int) -> None:
        """Reads every level back before anything is switched on. Raises Refused naming each difference."""

        async def read() -> tuple[Row, Row, list[Row]]:
            head = await self._graph.get(campaign, "campaign.verify", fields=CAMPAIGN_FIELDS)
            body = await self._graph.get(group, "adset.verify", fields=SET_FIELDS)
            return head, body, await self._graph.pages(f"{group}/ads", "ad.verify", fields=AD_FIELDS)

        def complete(seen: tuple[Row, Row, list[Row]]) -> bool:
            return set(ads) <= {str(row["id"]) for row in seen[2]}

        head, body, tail = await self._reconcile.proven(
            "publish", read, complete, "created, but the lists do not show all of it yet"
        )
        ordered = {"daily_budget": str(units), "optimization_goal": GOAL, "billing_event": BILLING, "campaign_id": campaign}
        wrong = [
            f"{level} {name} is {row.get(name)!r}, ordered {wanted!r}"
            for level, row, order in (
                ("campaign", head, {"objective": OBJECTIVE, "daily_budget": None}),
                ("ad set", body, ordered),
            )
            for name, wanted in order.items()
            if (str(row[name]) if row.get(name) is not None else None) != wanted
        ]
        promoted = as_object(body.get("promoted_object"))
        if _sharing(head):
            wrong.append("the campaign lets its ad sets share their budgets")
        if promoted.get("pixel_id") != self._pixel or promoted.get("custom_event_type") != EVENT:
            wrong.append(f"ad set promoted_object is {promoted!r}")
        states = {str(row["id"]): str(row.get("status")) for row in (head, body, *tail)}
        # An earlier attempt may have got as far as switching something on, but always from the ads upward.
        if states[campaign] == "ACTIVE" and {states.get(ident) for ident in (group, *ads)} != {"ACTIVE"}:
            wrong.append("the campaign is already ACTIVE while what hangs below it is not ready")
        wrong += [f"{ident} is {state}" for ident, state in states.items() if state not in ("PAUSED", "ACTIVE")]
        if wrong:
            raise Refused(VENDOR, "publish", "what was created does not read back as ordered: " + "; ".join(wrong))

    async def _switch(self, ident: str, operation: str, fields: str, status: str) -> Row:
        async def read() -> Row:
            return await self._graph.get(ident, f"{operation}.verify", fields=fields)

        row = await read()
        if row.get("status") == status:
            return row
        write = partial(self._graph.post, ident, operation, {"status": status})
        return await self._reconcile.change(operation, write, read, lambda row: row.get("status") == status)

    async def _published(self, campaign: str) -> PublishedCampaign:
        facts = self._known or await self.account()
        row = await self._graph.get(campaign, "campaign.get", fields=CAMPAIGN_FIELDS)
        sets = await self._sets(campaign)
        ads = await self._graph.pages(f"{campaign}/ads", "ad.list", fields=AD_FIELDS)
        return PublishedCampaign(
            campaign=self._campaign(row, sets, facts.currency),
            objects=(
                *(_object("ad_set", one, campaign) for one in reversed(sets)),
                *(_object("ad", one, str(one["adset_id"])) for one in reversed(ads)),
            ),
        )

    # running campaigns

    async def pause(self, external_id: str, key: str) -> PlatformCampaign:
        """Stops the campaign; its ad sets keep their own state, so that resume brings back exactly what ran."""
        await self._switch(external_id, "campaign.pause", CAMPAIGN_FIELDS, "PAUSED")
        return await self._after(external_id, "campaign.pause")

    async def resume(self, external_id: str, key: str) -> PlatformCampaign:
        """Starts the campaign again at the budget it has."""
        await self._switch(external_id, "campaign.resume", CAMPAIGN_FIELDS, "ACTIVE")
        return await self._after(external_id, "campaign.resume")

    async def set_daily_budget(self, external_id: str, budget: Money, key: str) -> PlatformCampaign:
        """Sets the total daily budget where the campaign keeps it; several ad sets are scaled in proportion, decreases first.

        Raises Refused before any write for a lifetime budget, ad sets that share their budgets, another currency, or an amount
        Meta cannot take; UnknownOutcome for whatever happens once the first of several ad sets has its new budget.
        """
        facts = await self.account()
        if budget.currency != facts.currency:
            raise Refused(VENDOR, "set_budget", f"budget is in {budget.currency}, the account in {facts.currency}")
        row = await self._graph.get(external_id, "campaign.get", fields=CAMPAIGN_FIELDS)
        try:
            units = to_units(budget)
            if row.get("daily_budget"):
                plan = {external_id: (int(row["daily_budget"]), units)}
                fields = CAMPAIGN_FIELDS
            elif _sharing(row):
                raise ValueError(
                    "its ad sets share their budgets: what they may spend is no budget to be set; end the sharing at Meta"
                )
            else:
                sets = _spending(await self._sets(external_id))
                if not sets or any(not int(one.get("daily_budget") or 0) for one in sets):
                    raise ValueError("the campaign has no daily budget (lifetime budgets are not changed here)")
                now = {str(one["id"]): int(one["daily_budget"]) for one in sets}
                split = self._reconcile.split(key, now, units)
                plan, fields = {ident: (now[ident], new) for ident, new in split.items()}, SET_FIELDS
        except ValueError as error:
            raise Refused(VENDOR, "set_budget", str(error)) from None
        order = sorted(plan.items(), key=lambda item: item[1][1] - item[1][0])
        steps = [partial(self._set_units, ident, new, fields) for ident, (before, new) in order if before != new]
        await self._reconcile.in_turn("budget.set", steps)
        after = await self._after(external_id, "set_budget")
        if after.daily_budget != budget:
            raise UnknownOutcome(VENDOR, "set_budget", f"asked for {budget}, the platform shows {after.daily_budget}")
        return after

    async def _set_units(self, ident: str, units: int, fields: str) -> None:
        async def read() -> Row:
            return await self._graph.get(ident, "budget.verify", fields=fields)

        def agrees(row: Row) -> bool:
            return str(row.get("daily_budget")) == str(units)

        write = partial(self._graph.post, ident, "budget.set", {"daily_budget": units})
        await self._reconcile.change("budget.set", write, read, agrees)

    async def _after(self, external_id: str, operation: str) -> PlatformCampaign:
        try:
            return await self.get_campaign(external_id)
        except VendorError as error:
            raise UnknownOutcome(VENDOR, operation, f"done, but it could not be read back: {error.detail}") from None

    # pieces

    async def _sets(self, campaign: str) -> list[Row]:
        return await self._graph.pages(f"{campaign}/adsets", "adset.list", fields=SET_FIELDS)

    def _campaign(self, row: Row, sets: list[Row], currency: str) -> PlatformCampaign:
        try:
            budget = _daily(row, sets, currency)
        except ValueError as error:
            raise Unavailable(VENDOR, "campaign.read", f"a budget could not be read: {error}") from None
        return PlatformCampaign(
            platform="meta",
            external_id=str(row["id"]),
            name=str(row.get("name", "")),
            delivery=delivery(row),
            daily_budget=budget,
            issues=issues(row),
            read_at=self._clock.now(),
        )


def _object(level: str, row: Row, parent: str) -> AdObject:
    return AdObject.model_validate(
        {
            "level": level,
            "external_id": str(row["id"]),
            "parent_external_id": parent,
            "name": row.get("name", ""),
            "delivery": delivery(row),
        }
    )


def _spending(sets: list[Row]) -> list[Row]:
    """The ad sets that would spend: those switched on, or all that are not archived while none is."""
    alive = [row for row in sets if row.get("status") in ("ACTIVE", "PAUSED")]
    return [row for row in alive if row.get("status") == "ACTIVE"] or alive


def _sharing(row: Row) -> bool:
    """Whether the campaign lets its ad sets spend of each other's daily budgets. Said only of budgets on ad sets."""
    return str(row.get("is_adset_budget_sharing_enabled", False)).lower() == "true"


def _daily(row: Row, sets: list[Row], currency: str) -> Money | None:
    """What the campaign would spend a day by plan, at worst; None where any part of it has a lifetime budget or none."""
    if row.get("daily_budget") and int(row["daily_budget"]):
        return from_units(row["daily_budget"], currency)
    spending = _spending(sets)
    if not spending or any(not int(one.get("daily_budget") or 0) for one in spending):
        return None
    whole = total((from_units(one["daily_budget"], currency) for one in spending), currency)
    return whole.times(SHARED, ROUND_CEILING) if _sharing(row) else whole
