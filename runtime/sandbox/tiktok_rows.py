"""TikTok's view of the ad tree: one dictionary per campaign, ad group and ad, with the status that says what it really does."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from runtime.sandbox.adtree import Account, Ad, Campaign, Group
from runtime.sandbox.money import minor_per_unit


def stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def major(minor: int | None, account: Account) -> float:
    return 0.0 if minor is None else minor / minor_per_unit(account.currency)


def campaign_of(node: Campaign | Group | Ad) -> Campaign:
    return node if isinstance(node, Campaign) else node.campaign if isinstance(node, Group) else node.group.campaign


def campaign_row(campaign: Campaign) -> dict[str, Any]:
    state = "DELETE" if campaign.deleted else "ENABLE" if campaign.enabled else "DISABLE"
    return {
        **campaign.data, "campaign_id": campaign.id, "advertiser_id": campaign.account.id, "campaign_name": campaign.name,
        "operation_status": "DISABLE" if state == "DELETE" else state, "secondary_status": f"CAMPAIGN_STATUS_{state}",
        "budget": major(campaign.daily_budget, campaign.account), "create_time": stamp(campaign.created_at),
        "modify_time": stamp(campaign.updated_at), "campaign_type": "REGULAR_CAMPAIGN", "is_smart_performance_campaign": False,
    }  # fmt: skip


def group_row(group: Group, now: datetime) -> dict[str, Any]:
    campaign = group.campaign
    if group.deleted or campaign.deleted:
        state = "DELETE"
    elif not group.enabled:
        state = "DISABLE"
    elif not campaign.enabled:
        state = "CAMPAIGN_DISABLE"
    elif group.starts_at and now < group.starts_at:
        state = "NOT_START"
    elif group.ends_at and now >= group.ends_at:
        state = "TIME_DONE"
    elif group.ads and all(ad.reviewed(now) and not ad.approved for ad in group.ads.values()):
        state = "AUDIT_DENY"
    elif group.ads and not any(ad.reviewed(now) for ad in group.ads.values()):
        state = "AUDIT"
    else:
        state = "DELIVERY_OK"
    return {
        **group.data, "adgroup_id": group.id, "campaign_id": campaign.id, "advertiser_id": campaign.account.id,
        "adgroup_name": group.name, "campaign_name": campaign.name, "operation_status": "ENABLE" if group.enabled else "DISABLE",
        "secondary_status": f"ADGROUP_STATUS_{state}", "budget": major(group.daily_budget, campaign.account),
        "scheduled_budget": 0.0,
        "schedule_start_time": stamp(group.starts_at or group.created_at),
        "schedule_end_time": stamp(group.ends_at) if group.ends_at else None,
        "create_time": stamp(group.created_at), "modify_time": stamp(group.updated_at),
    }  # fmt: skip


def ad_row(ad: Ad, now: datetime) -> dict[str, Any]:
    group, campaign = ad.group, ad.group.campaign
    if ad.deleted or group.deleted or campaign.deleted:
        state = "DELETE"
    elif not ad.reviewed(now):
        state = "AUDIT"
    elif not ad.approved:
        state = "AUDIT_DENY"
    elif not ad.enabled:
        state = "DISABLE"
    elif not campaign.enabled:
        state = "CAMPAIGN_DISABLE"
    else:
        state = "DELIVERY_OK" if group.enabled else "ADGROUP_DISABLE"
    return {
        **ad.data, "ad_id": ad.id, "adgroup_id": group.id, "campaign_id": campaign.id, "advertiser_id": campaign.account.id,
        "ad_name": ad.name, "ad_text": ad.text, "adgroup_name": group.name, "campaign_name": campaign.name,
        "operation_status": "ENABLE" if ad.enabled else "DISABLE", "secondary_status": f"AD_STATUS_{state}",
        "create_time": stamp(ad.created_at), "modify_time": stamp(ad.updated_at),
    }  # fmt: skip
