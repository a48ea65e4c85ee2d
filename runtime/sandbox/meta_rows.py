"""Meta's view of the ad tree: field names, statuses, and one dictionary per campaign, ad set and ad."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from runtime.sandbox.adtree import Ad, Campaign, Group
from runtime.sandbox.money import minor_to_meta
from runtime.sandbox.words import words

CAMPAIGN_FIELDS = words("""
account_id adlabels advantage_state_info bid_constraints bid_strategy budget_rebalance_flag budget_remaining
buying_type configured_status created_time daily_budget effective_status id is_adset_budget_sharing_enabled
issues_info lifetime_budget name objective pacing_type primary_attribution promoted_object recommendations
smart_promotion_type source_campaign source_campaign_id special_ad_categories special_ad_category
special_ad_category_country spend_cap start_time status stop_time topline_id updated_time
""")

ADSET_FIELDS = words("""
account_id adlabels attribution_spec bid_amount bid_constraints bid_info bid_strategy billing_event budget_remaining
campaign campaign_id configured_status created_time daily_budget daily_min_spend_target daily_spend_cap
destination_type dsa_beneficiary dsa_payor effective_status end_time frequency_control_specs id is_dynamic_creative
issues_info learning_stage_info lifetime_budget lifetime_spend_cap name optimization_goal pacing_type promoted_object
recommendations regional_regulated_categories regional_regulation_identities source_adset source_adset_id start_time
status targeting updated_time
""")

AD_FIELDS = words("""
account_id ad_review_feedback adlabels adset adset_id bid_amount campaign campaign_id configured_status
conversion_domain created_time creative effective_status id issues_info last_updated_by_app_id name
preview_shareable_link recommendations source_ad source_ad_id status tracking_specs updated_time
""")

CREATIVE_FIELDS = words("""
account_id actor_id asset_feed_spec body call_to_action_type degrees_of_freedom_spec effective_object_story_id id
image_hash image_url instagram_user_id link_url name object_story_id object_story_spec object_type status
thumbnail_url title url_tags video_id contextual_multi_ads
""")

CAMPAIGN_STATES = frozenset({"ACTIVE", "PAUSED", "ARCHIVED", "DELETED", "IN_PROCESS", "WITH_ISSUES"})
ADSET_STATES = CAMPAIGN_STATES | {"CAMPAIGN_PAUSED"}
AD_STATES = ADSET_STATES | {"ADSET_PAUSED", "PENDING_REVIEW", "DISAPPROVED", "PREAPPROVED", "PENDING_BILLING_INFO"}


def stamp(moment: datetime, campaign: Campaign) -> str:
    """A moment as Graph writes it: account time with an offset without colon."""
    return moment.astimezone(campaign.account.zone).strftime("%Y-%m-%dT%H:%M:%S%z")


def configured(node: Campaign | Group | Ad) -> str:
    """What the advertiser set."""
    if node.deleted:
        return "DELETED"
    if node.archived:
        return "ARCHIVED"
    return "ACTIVE" if node.enabled else "PAUSED"


def ad_effective(ad: Ad, now: datetime) -> str:
    """What an ad is really doing."""
    campaign, group = ad.group.campaign, ad.group
    if ad.deleted or group.deleted or campaign.deleted:
        return "DELETED"
    if ad.archived or group.archived or campaign.archived:
        return "ARCHIVED"
    if not ad.reviewed(now):
        return "PENDING_REVIEW"
    if not ad.approved:
        return "DISAPPROVED"
    if not ad.enabled:
        return "PAUSED"
    if not campaign.enabled:
        return "CAMPAIGN_PAUSED"
    return "ACTIVE" if group.enabled else "ADSET_PAUSED"


def _all_refused(ads: list[Ad], now: datetime) -> bool:
    alive = [ad for ad in ads if not ad.deleted]
    return bool(alive) and all(ad.reviewed(now) and not ad.approved for ad in alive)


def group_effective(group: Group, now: datetime) -> str:
    """What an ad set is really doing."""
    if group.deleted or group.campaign.deleted:
        return "DELETED"
    if group.archived or group.campaign.archived:
        return "ARCHIVED"
    if not group.enabled:
        return "PAUSED"
    if not group.campaign.enabled:
        return "CAMPAIGN_PAUSED"
    return "WITH_ISSUES" if _all_refused(list(group.ads.values()), now) else "ACTIVE"


def campaign_effective(campaign: Campaign, now: datetime) -> str:
    """What a campaign is really doing."""
    state = configured(campaign)
    if state != "ACTIVE":
        return state
    ads = [ad for group in campaign.groups.values() if not group.deleted for ad in group.ads.values()]
    return "WITH_ISSUES" if _all_refused(ads, now) else "ACTIVE"


def _issues(ads: list[Ad], now: datetime) -> list[dict[str, Any]] | None:
    found = [
        {
            "level": "AD", "error_code": 1815869, "error_summary": "Ad rejected", "error_type": "HARD_ERROR",
            "error_message": f"{ad.review_reason} (ad {ad.id})",
        }
        for ad in ads
        if not ad.deleted and ad.reviewed(now) and not ad.approved
    ]  # fmt: skip
    return found or None


def _budget(minor: int | None, currency: str) -> str | None:
    return None if minor is None else str(minor_to_meta(minor, currency))


def _remaining(node: Campaign | Group, now: datetime, campaign: Campaign) -> str | None:
    if node.daily_budget is None:
        return "0"
    today = now.astimezone(campaign.account.zone).date()
    return _budget(max(0, node.daily_budget - node.spent_by_day.get(today, 0)), campaign.account.currency)


def campaign_row(campaign: Campaign, now: datetime) -> dict[str, Any]:
    """All fields of a campaign."""
    ads = [ad for group in campaign.groups.values() for ad in group.ads.values()]
    state = configured(campaign)
    return {
        **campaign.data, "id": campaign.id, "name": campaign.name, "account_id": campaign.account.id, "status": state,
        "configured_status": state, "effective_status": campaign_effective(campaign, now), "buying_type": "AUCTION",
        "daily_budget": _budget(campaign.daily_budget, campaign.account.currency), "issues_info": _issues(ads, now),
        "budget_remaining": _remaining(campaign, now, campaign), "created_time": stamp(campaign.created_at, campaign),
        "updated_time": stamp(campaign.updated_at, campaign),
        "start_time": campaign.data.get("start_time") or stamp(campaign.created_at, campaign),
    }  # fmt: skip


def group_row(group: Group, now: datetime) -> dict[str, Any]:
    """All fields of an ad set. `learning_stage_info` only while it delivers, as on the real one."""
    campaign, state = group.campaign, configured(group)
    effective = group_effective(group, now)
    learning = {
        "status": group.learning(now), "conversions": group.learning_conversions,
        "last_sig_edit_ts": int(group.learning_since.timestamp()), "attribution_windows": ["7d_click", "1d_view"],
    }  # fmt: skip
    return {
        **group.data, "id": group.id, "name": group.name, "account_id": campaign.account.id, "campaign_id": campaign.id,
        "status": state, "configured_status": state, "effective_status": effective,
        "daily_budget": _budget(group.daily_budget, campaign.account.currency) or ("0" if campaign.daily_budget else None),
        "budget_remaining": _remaining(group, now, campaign), "issues_info": _issues(list(group.ads.values()), now),
        "learning_stage_info": learning if effective == "ACTIVE" else None,
        "created_time": stamp(group.created_at, campaign), "updated_time": stamp(group.updated_at, campaign),
        "start_time": stamp(group.starts_at or group.created_at, campaign),
        "end_time": stamp(group.ends_at, campaign) if group.ends_at else None,
        "attribution_spec": group.data.get("attribution_spec")
        or [{"event_type": "CLICK_THROUGH", "window_days": 7}, {"event_type": "VIEW_THROUGH", "window_days": 1}],
    }  # fmt: skip


def ad_row(ad: Ad, now: datetime) -> dict[str, Any]:
    """All fields of an ad."""
    campaign, state = ad.group.campaign, configured(ad)
    refused = ad.reviewed(now) and not ad.approved
    return {
        **ad.data, "id": ad.id, "name": ad.name, "account_id": campaign.account.id, "campaign_id": campaign.id,
        "adset_id": ad.group.id, "status": state, "configured_status": state, "effective_status": ad_effective(ad, now),
        "issues_info": _issues([ad], now),
        "ad_review_feedback": {"global": {ad.review_reason.split(":")[0]: ad.review_reason}} if refused else None,
        "created_time": stamp(ad.created_at, campaign), "updated_time": stamp(ad.updated_at, campaign),
    }  # fmt: skip
