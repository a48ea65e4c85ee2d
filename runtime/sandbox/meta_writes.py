"""Creating, changing and copying Meta campaigns, ad sets, ads and creatives, with the refusals that cost people money."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from runtime.sandbox.adtree import Account, Ad, AdBook, Campaign, Group
from runtime.sandbox.graph import Call, GraphError, invalid, missing, not_found
from runtime.sandbox.meta_media import MetaMedia, copy_values, link_of, text_of, validate_only
from runtime.sandbox.money import meta_offset, meta_to_minor, minor_to_meta
from runtime.sandbox.words import words
from runtime.sandbox.world import World

OBJECTIVES = frozenset(f"OUTCOME_{name}" for name in ("AWARENESS", "TRAFFIC", "ENGAGEMENT", "LEADS", "APP_PROMOTION", "SALES"))
LEGACY_OBJECTIVES = words("""
APP_INSTALLS BRAND_AWARENESS CONVERSIONS EVENT_RESPONSES LEAD_GENERATION LINK_CLICKS LOCAL_AWARENESS MESSAGES
OFFER_CLAIMS PAGE_LIKES POST_ENGAGEMENT PRODUCT_CATALOG_SALES REACH STORE_VISITS VIDEO_VIEWS
""")
CATEGORIES = words("""
CREDIT EMPLOYMENT FINANCIAL_PRODUCTS_SERVICES HOUSING ISSUES_ELECTIONS_POLITICS NONE ONLINE_GAMBLING_AND_GAMING
""")
BIDS = words("""
COST_CAP LOWEST_COST_WITHOUT_CAP LOWEST_COST_WITH_BID_CAP LOWEST_COST_WITH_MIN_ROAS
""")
STATUSES = words("ACTIVE ARCHIVED DELETED PAUSED")
GOALS = words("""
OFFSITE_CONVERSIONS VALUE LINK_CLICKS LANDING_PAGE_VIEWS IMPRESSIONS REACH CONVERSATIONS LEAD_GENERATION QUALITY_LEAD
POST_ENGAGEMENT THRUPLAY MESSAGING_PURCHASE_CONVERSION
""")
BILLING = words("IMPRESSIONS LINK_CLICKS THRUPLAY")
EU = words("""
AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK
""")

CAMPAIGN_PARAMS = words("""
adlabels bid_strategy buying_type daily_budget execution_options is_adset_budget_sharing_enabled name objective
pacing_type promoted_object special_ad_categories special_ad_category_country spend_cap start_time status stop_time
""")
ADSET_PARAMS = words("""
adlabels attribution_spec bid_amount bid_constraints bid_strategy billing_event campaign_id daily_budget
destination_type dsa_beneficiary dsa_payor end_time execution_options frequency_control_specs name optimization_goal
pacing_type promoted_object regional_regulated_categories regional_regulation_identities start_time status targeting
""")
AD_PARAMS = words("""
adlabels adset_id conversion_domain creative execution_options name status tracking_specs
""")

BUDGET_CHANGES_PER_HOUR = 4
MINIMUM_BRL_MINOR = 605
"""Least daily budget that Meta takes for a BRL account here (impressions billing), in centavos."""


def minimum_budget(currency: str) -> int:
    """Least daily budget in ISO minor units: about USD 1.15 in any currency."""
    from runtime.sandbox.money import UNITS_PER_BRL, minor_per_unit

    return max(1, round(MINIMUM_BRL_MINOR / 100 * float(UNITS_PER_BRL[currency]) * minor_per_unit(currency)))


class MetaWrites:
    """All changes a client can ask of the Meta twin. Each validates everything before it commits anything."""

    def __init__(self, world: World, book: AdBook) -> None:
        self.world = world
        self.book = book
        self.media = MetaMedia(world)

    # shared pieces

    def _record(self, operation: str, ident: str, **detail: Any) -> None:
        self.world.record("meta", operation, ident, None, **detail)

    def _daily(self, call: Call, account: Account) -> int | None:
        value = call.whole("daily_budget")
        if value is None:
            return None
        minor = meta_to_minor(value, account.currency)
        least = minimum_budget(account.currency)
        if minor < least:
            raise GraphError(
                f"Your budget is too low: it must be at least {minor_to_meta(least, account.currency)} in {account.currency} units "
                f"(1 {account.currency} = {meta_offset(account.currency)} units)", 100, 1885272,
                title="Budget too low", blame="daily_budget",
            )  # fmt: skip
        return minor

    def _moment(self, call: Call, name: str) -> datetime | None:
        value = call.text(name)
        if value is None or value in ("", "0"):
            return None
        try:
            made = datetime.fromtimestamp(int(value), UTC) if value.isdigit() else datetime.fromisoformat(value)
        except (ValueError, OverflowError):
            raise GraphError(f"(#100) Param {name} must be a valid date/time", 100, blame=name) from None
        return made.astimezone(UTC) if made.tzinfo else made.replace(tzinfo=UTC)

    def _status(self, call: Call) -> bool:
        # Meta goes live when nothing is said: the trap that our clients must never step into.
        return call.choice("status", STATUSES, "ACTIVE") == "ACTIVE"

    def _bid(self, call: Call) -> dict[str, Any]:
        strategy = call.choice("bid_strategy", BIDS)
        amount, limits = call.whole("bid_amount"), call.json("bid_constraints", dict)
        if strategy in ("COST_CAP", "LOWEST_COST_WITH_BID_CAP") and amount is None and "targeting" in call.params:
            raise GraphError(f"Bid amount required: you must provide a bid amount for {strategy}", 100, 1815857, blame="bid_amount")
        if strategy == "LOWEST_COST_WITHOUT_CAP" and amount is not None:
            raise GraphError("Bid amount not allowed with LOWEST_COST_WITHOUT_CAP", 100, 1885737, blame="bid_amount")
        if strategy == "LOWEST_COST_WITH_MIN_ROAS" and not (limits or {}).get("roas_average_floor") and "targeting" in call.params:
            raise GraphError("bid_constraints.roas_average_floor is required", 100, 1815857, blame="bid_constraints")
        found = {"bid_strategy": strategy, "bid_amount": amount, "bid_constraints": limits}
        return {name: value for name, value in found.items() if value is not None}

    # creation

    def create_campaign(self, call: Call, account: Account) -> dict[str, Any]:
        """POST act_X/campaigns."""
        call.only(CAMPAIGN_PARAMS)
        name = call.need("name")
        objective = call.need("objective")
        if objective in LEGACY_OBJECTIVES:
            raise GraphError(
                f"The objective {objective} is no longer available; use an outcome-driven one (OUTCOME_SALES, OUTCOME_LEADS, ...)",
                100, 1815433, title="Objective not available", blame="objective",
            )  # fmt: skip
        call.choice("objective", OBJECTIVES)
        if call.text("special_ad_categories") is None:
            raise missing("special_ad_categories")
        categories = call.json("special_ad_categories", list)
        if wrong := [item for item in categories if item not in CATEGORIES]:
            raise invalid("special_ad_categories", f"unexpected value {wrong[0]}")
        if [item for item in categories if item != "NONE"] and not call.json("special_ad_category_country", list):
            raise missing("special_ad_category_country")
        daily = self._daily(call, account)
        sharing = call.flag("is_adset_budget_sharing_enabled")
        if daily is None and sharing is None:
            raise GraphError(
                "Must specify True or False in is_adset_budget_sharing_enabled when the campaign has no budget of its own",
                100, 4834011, blame="is_adset_budget_sharing_enabled",
            )  # fmt: skip
        data: dict[str, Any] = {"objective": objective, "special_ad_categories": categories, **self._bid(call)}
        if sharing is not None:
            data["is_adset_budget_sharing_enabled"] = sharing
        if daily is not None:
            data.setdefault("bid_strategy", "LOWEST_COST_WITHOUT_CAP")
        data |= copy_values(call, "adlabels pacing_type special_ad_category_country", "promoted_object", "start_time stop_time")
        enabled = self._status(call)
        if call.text("spend_cap") is not None:
            raise GraphError("(#100) campaign spend_cap is not modelled here; use the account's", unknown=True)
        if validate_only(call):
            return {"success": True}
        made = self.book.add_campaign(account, name, enabled=enabled, daily_budget=daily, data=data)
        self._record("campaign.create", made.id, name=name, status="ACTIVE" if enabled else "PAUSED", daily_budget_minor=daily)
        return {"id": made.id}

    def _targeting(self, call: Call) -> dict[str, Any] | None:
        targeting = call.json("targeting", dict)
        if targeting is None:
            return None
        automation = targeting.get("targeting_automation")
        flag = automation.get("advantage_audience") if isinstance(automation, dict) else None  # pyright: ignore[reportUnknownMemberType]
        if flag not in (0, 1):
            raise GraphError(
                "Advantage Audience Flag Required: set advantage_audience to 1 or 0 within targeting_automation",
                100,
                1870227,
                blame="targeting",
            )
        if flag == 1 and int(targeting.get("age_max", 65)) < 65:
            raise GraphError("With Advantage+ audience the age maximum cannot be lower than 65", 100, 1870189, blame="targeting")
        if not 13 <= int(targeting.get("age_min", 18)) <= int(targeting.get("age_max", 65)) <= 65:
            raise invalid("targeting", "age_min and age_max must lie in 13..65, in this order")
        places = targeting.get("geo_locations")
        if not places and not targeting.get("custom_audiences"):
            raise GraphError("Your audience needs a location: specify geo_locations", 100, 1885364, blame="targeting")
        return targeting

    def create_adset(self, call: Call, account: Account) -> dict[str, Any]:
        """POST act_X/adsets."""
        call.only(ADSET_PARAMS)
        name, parent = call.need("name"), call.need("campaign_id")
        campaign = self.book.node("meta", parent)
        if not isinstance(campaign, Campaign) or campaign.account is not account or campaign.deleted:
            raise not_found("POST", parent)
        call.need("optimization_goal")
        call.need("billing_event")
        goal = call.choice("optimization_goal", GOALS) or ""
        billing = call.choice("billing_event", BILLING)
        targeting = self._targeting(call)
        if targeting is None:
            raise missing("targeting")
        daily = self._daily(call, account)
        if daily is not None and campaign.daily_budget is not None:
            raise GraphError(
                "You can only set an ad set budget or a campaign budget: this campaign uses Advantage+ campaign budget",
                100, 1885621, title="Cannot set both budgets",
            )  # fmt: skip
        if daily is None and campaign.daily_budget is None:
            raise GraphError("Ad set budget required: the campaign has none", 100, 1885272, blame="daily_budget")
        promoted = call.json("promoted_object", dict)
        if goal in ("OFFSITE_CONVERSIONS", "VALUE") and not (
            promoted and promoted.get("pixel_id") and promoted.get("custom_event_type")
        ):
            raise GraphError(
                "promoted_object with pixel_id and custom_event_type is required for this goal",
                100,
                1815430,
                blame="promoted_object",
            )
        countries = set((targeting.get("geo_locations") or {}).get("countries") or [])
        if countries & EU and not (call.text("dsa_beneficiary") and call.text("dsa_payor")):
            raise GraphError(
                "Who benefits from and who pays for these ads must be named in the EU", 100, 3858081, blame="dsa_beneficiary"
            )
        starts, ends = self._moment(call, "start_time"), self._moment(call, "end_time")
        if ends and ends <= (starts or self.world.now):
            raise invalid("end_time", "must be after the start", 1487094)
        data = {
            "optimization_goal": goal, "billing_event": billing, "targeting": targeting, **self._bid(call),
            **copy_values(
                call, "adlabels attribution_spec frequency_control_specs pacing_type regional_regulated_categories",
                "promoted_object regional_regulation_identities", "destination_type dsa_beneficiary dsa_payor",
            ),
        }  # fmt: skip
        enabled = self._status(call)
        if validate_only(call):
            return {"success": True}
        made = self.book.add_group(
            campaign, name, enabled=enabled, daily_budget=daily, data=data, audience_key=_audience_key(targeting),
            starts_at=starts, ends_at=ends,
        )  # fmt: skip
        self._record("adset.create", made.id, name=name, status="ACTIVE" if enabled else "PAUSED", daily_budget_minor=daily)
        return {"id": made.id}

    def create_ad(self, call: Call, account: Account) -> dict[str, Any]:
        """POST act_X/ads."""
        call.only(AD_PARAMS)
        name, parent = call.need("name"), call.need("adset_id")
        group = self.book.node("meta", parent)
        if not isinstance(group, Group) or group.campaign.account is not account or group.deleted:
            raise not_found("POST", parent)
        creative = self.media.creative_of(call, account)
        enabled = self._status(call)
        data = copy_values(call, "adlabels tracking_specs", "", "conversion_domain")
        if validate_only(call):
            return {"success": True}
        ident = creative.get("id") or self.media.keep_creative(account, creative)
        made = self.book.add_ad(
            group, name, enabled=enabled, text=text_of(creative), link=link_of(creative), data={**data, "creative": {"id": ident}}
        )
        self._record("ad.create", made.id, name=name, status="ACTIVE" if enabled else "PAUSED")
        return {"id": made.id}

    # changes

    def update(self, call: Call, node: Campaign | Group | Ad) -> dict[str, Any]:
        """POST /{id}: the parameters that are given, all or none."""
        account = (
            node.account
            if isinstance(node, Campaign)
            else (node.campaign if isinstance(node, Group) else node.group.campaign).account
        )
        call.only(CAMPAIGN_PARAMS if isinstance(node, Campaign) else ADSET_PARAMS if isinstance(node, Group) else AD_PARAMS)
        for fixed in ("objective", "campaign_id", "adset_id", "buying_type"):
            if fixed in call.params:
                raise GraphError(f"(#100) {fixed} cannot be changed after creation", 100, 1885183, blame=fixed)
        if node.deleted:
            raise not_found("POST", node.id)
        status = call.choice("status", STATUSES)
        daily = self._budget_change(call, node, account)
        lists = "adlabels pacing_type attribution_spec frequency_control_specs special_ad_categories tracking_specs"
        data = copy_values(call, lists, "promoted_object", "destination_type dsa_beneficiary dsa_payor conversion_domain")
        if not isinstance(node, Ad):
            data |= self._bid(call)
        targeting = self._targeting(call) if isinstance(node, Group) else None
        creative = self.media.creative_of(call, account) if isinstance(node, Ad) and "creative" in call.params else None
        ends = self._moment(call, "end_time") if isinstance(node, Group) else None
        sharing = call.flag("is_adset_budget_sharing_enabled") if isinstance(node, Campaign) else None
        if validate_only(call):
            return {"success": True}
        self.book.change(node)
        if call.text("name"):
            node.name = call.need("name")
        node.data.update(data)
        if sharing is not None:
            node.data["is_adset_budget_sharing_enabled"] = sharing
        if isinstance(node, Group):
            node.ends_at = ends or node.ends_at
            if targeting is not None:
                node.data["targeting"], node.audience_key = targeting, _audience_key(targeting)
                node.significant_edit(self.world.now)
        if isinstance(node, Ad) and creative is not None:
            node.data["creative"] = {"id": creative.get("id") or self.media.keep_creative(account, creative)}
            node.text, node.link = text_of(creative), link_of(creative)
            self.book.review(node)
        if daily is not None and not isinstance(node, Ad):
            self.book.set_budget(node, daily)
        if status is not None:
            node.enabled = status == "ACTIVE"
            node.archived, node.deleted = status == "ARCHIVED", status == "DELETED"
        kind = {"Campaign": "campaign", "Group": "adset", "Ad": "ad"}[type(node).__name__]
        self._record(f"{kind}.update", node.id, name=node.name, status=status, daily_budget_minor=daily)
        return {"success": True}

    def _budget_change(self, call: Call, node: Campaign | Group | Ad, account: Account) -> int | None:
        if isinstance(node, Ad):
            return None
        daily = self._daily(call, account)
        if daily is None:
            return None
        if isinstance(node, Group) and node.campaign.daily_budget is not None:
            raise GraphError(
                "You can only set an ad set budget or a campaign budget", 100, 1885621, title="Cannot set both budgets"
            )
        if isinstance(node, Campaign) and any(
            group.daily_budget is not None and not group.deleted for group in node.groups.values()
        ):
            raise GraphError("This campaign's ad sets have budgets of their own", 100, 1885621, title="Cannot set both budgets")
        recent = [moment for moment in node.budget_changes if self.world.now - moment < timedelta(hours=1)]
        if isinstance(node, Group) and len(recent) >= BUDGET_CHANGES_PER_HOUR:
            raise GraphError(
                "Ad set budget changed too often: you can change it at most 4 times per hour. Wait an hour and try again",
                613, 1487632, title="Too many budget changes",
            )  # fmt: skip
        return daily

    def delete(self, node: Campaign | Group | Ad) -> dict[str, Any]:
        """DELETE /{id}."""
        self.book.change(node)
        node.deleted, node.enabled = True, False
        self._record("delete", node.id, name=node.name)
        return {"success": True}

    def update_account(self, call: Call, account: Account) -> dict[str, Any]:
        """POST act_X: spend_cap in major units (as Meta has it), 0 removes it; spend_cap_action=reset starts the count again."""
        call.only("spend_cap spend_cap_action name")
        cap, action = call.text("spend_cap"), call.choice("spend_cap_action", ("reset", "delete"))
        if cap is not None:
            try:
                value = float(cap)
            except ValueError:
                raise GraphError("(#100) Param spend_cap must be a number", 100, blame="spend_cap") from None
            if not 0 <= value < 1e12:
                raise GraphError("(#100) Param spend_cap must not be negative", 100, blame="spend_cap")
            for campaign in account.campaigns.values():
                campaign.accrue(self.world.now)
            units = round(value * meta_offset(account.currency))
            account.spend_cap = meta_to_minor(units, account.currency) if value > 0 else None
        if action == "delete":
            account.spend_cap = None
        if action == "reset":
            account.spent = 0
        account.name = call.text("name") or account.name
        self._record("account.update", f"act_{account.id}", spend_cap=cap, spend_cap_action=action)
        return {"success": True}

    # copies

    def _renamed(self, call: Call, name: str) -> str:
        options = call.json("rename_options", dict) or {}
        if set(options) - {"rename_strategy", "rename_prefix", "rename_suffix"}:
            raise invalid("rename_options", "unknown key")
        if options.get("rename_strategy") == "NO_RENAME":
            return name
        prefix, suffix = options.get("rename_prefix", ""), options.get("rename_suffix", "")
        return f"{prefix}{name}{suffix}" if prefix or suffix else f"{name} - Copy"

    def copy(self, call: Call, node: Campaign | Group | Ad) -> dict[str, Any]:
        """POST /{id}/copies. An ad set copy keeps the budget of its source: there is no override."""
        extra = (
            "campaign_id start_time end_time"
            if isinstance(node, Group)
            else "adset_id"
            if isinstance(node, Ad)
            else "start_time end_time"
        )
        call.only("deep_copy rename_options status_option", extra)
        option = call.choice("status_option", ("ACTIVE", "PAUSED", "INHERITED_FROM_SOURCE"), "PAUSED")
        deep = call.flag("deep_copy") or False
        name = self._renamed(call, node.name)

        def on(source: Campaign | Group | Ad) -> bool:
            return option == "ACTIVE" or (option == "INHERITED_FROM_SOURCE" and source.enabled)

        def ad_copy(source: Ad, group: Group, title: str) -> str:
            data = {**_plain(source.data), "source_ad_id": source.id}
            made = self.book.add_ad(group, title, enabled=on(source), text=source.text, link=source.link, data=data)
            self._record("ad.copy", made.id, name=title, source=source.id)
            return made.id

        def group_copy(source: Group, campaign: Campaign, title: str) -> str:
            daily = source.daily_budget if campaign.daily_budget is None else None
            if daily is None and campaign.daily_budget is None:
                raise GraphError("Ad set budget required: the target campaign has none", 100, 1885272, blame="campaign_id")
            made = self.book.add_group(
                campaign, title, enabled=on(source), daily_budget=daily, audience_key=source.audience_key,
                data={**_plain(source.data), "source_adset_id": source.id},
            )  # fmt: skip
            self._record("adset.copy", made.id, name=title, source=source.id)
            if deep:
                for ad in [each for each in source.ads.values() if not each.deleted]:
                    ad_copy(ad, made, ad.name)
            return made.id

        if isinstance(node, Ad):
            target = self.book.node("meta", call.text("adset_id") or node.group.id)
            if not isinstance(target, Group):
                raise not_found("POST", call.text("adset_id") or "")
            return {"copied_ad_id": ad_copy(node, target, name)}
        if isinstance(node, Group):
            parent = self.book.node("meta", call.text("campaign_id") or node.campaign.id)
            if not isinstance(parent, Campaign):
                raise not_found("POST", call.text("campaign_id") or "")
            ident = group_copy(node, parent, name)
            return {
                "copied_adset_id": ident,
                "ad_object_ids": [{"ad_object_type": "ad_set", "source_id": node.id, "copied_id": ident}],
            }
        made = self.book.add_campaign(
            node.account, name, enabled=on(node), daily_budget=node.daily_budget, like=node,
            data={**_plain(node.data), "source_campaign_id": node.id},
        )  # fmt: skip
        self._record("campaign.copy", made.id, name=name, source=node.id)
        if deep:
            for group in [each for each in node.groups.values() if not each.deleted]:
                group_copy(group, made, group.name)
        return {
            "copied_campaign_id": made.id,
            "ad_object_ids": [{"ad_object_type": "campaign", "source_id": node.id, "copied_id": made.id}],
        }


def _plain(data: dict[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(data))


def _audience_key(targeting: dict[str, Any]) -> str:
    return json.dumps(targeting, sort_keys=True, separators=(",", ":"))
