"""Campaigns with their ad sets and ads, as far as we know them, and the history of their budgets."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping

from knowledge.domain.action import Platform, PublishCampaign
from knowledge.domain.campaign import AdObject, CampaignStatus, Delivery, PlatformCampaign, PublishedCampaign
from knowledge.domain.ids import derived
from knowledge.domain.money import Money
from runtime.db.repository import DEFAULT_WORKSPACE, Repository, as_json, money, new_id


@dataclass(frozen=True)
class CampaignRecord:
    """Our row of a campaign. `daily_budget` is what was last read from or confirmed by the platform (None: never).

    `launch_budget` is the baseline for "up to 3x": what the campaign was published with.
    """

    id: str
    workspace: str
    platform: Platform
    product_id: str | None
    name: str
    key: str | None
    external_id: str | None
    status: CampaignStatus
    delivery: Delivery
    daily_budget: Money | None
    launch_budget: Money | None
    created_at: datetime
    launched_at: datetime | None
    last_change_at: datetime | None
    paused_at: datetime | None
    synced_at: datetime | None
    error: dict[str, Any] | None


@dataclass(frozen=True)
class BudgetChange:
    """One confirmed change of a daily budget. `before` is None for the first one."""

    campaign_id: str
    action_id: str | None
    before: Money | None
    after: Money
    at: datetime
    reason: str


class Campaigns(Repository):
    """Tables campaigns, ad_sets, ads, budget_changes."""

    async def draft(self, action: PublishCampaign, *, at: datetime, key: str | None = None) -> CampaignRecord:
        """The draft row of a publication, made once; asking again returns the row as it is."""
        await self.run(
            """insert into campaigns (id, workspace, platform, product_id, name, key, status, currency, created_at)
               values (:id, :workspace, :platform, (select id from products where id = :product), :name, :key, 'draft',
                 :currency, :at)
               on conflict (id) do nothing""",
            id=action.campaign_id, workspace=action.workspace, platform=action.platform, product=action.product_id,
            name=action.name, key=key, currency=action.daily_budget.currency, at=at,
        )  # fmt: skip
        record = await self.get(action.campaign_id)
        if record is None:
            raise LookupError(f"campaign {action.campaign_id}: not stored; its key {key!r} belongs to another campaign")
        return record

    async def get(self, campaign_id: str) -> CampaignRecord | None:
        row = await self.one("select * from campaigns where id = :id", id=campaign_id)
        return None if row is None else _campaign(row)

    async def by_external(self, platform: Platform, external_id: str) -> CampaignRecord | None:
        row = await self.one(
            "select * from campaigns where platform = :platform and external_id = :external",
            platform=platform,
            external=external_id,
        )
        return None if row is None else _campaign(row)

    async def list(
        self,
        *,
        workspace: str = DEFAULT_WORKSPACE,
        statuses: Collection[CampaignStatus] | None = None,
        platform: Platform | None = None,
        limit: int = 500,
    ) -> list[CampaignRecord]:
        """Newest first."""
        rows = await self.all(
            """select * from campaigns where workspace = :workspace
                 and (cast(:statuses as text[]) is null or status = any(cast(:statuses as text[])))
                 and (cast(:platform as text) is null or platform = :platform)
               order by created_at desc, id limit :limit""",
            workspace=workspace, statuses=None if statuses is None else list(statuses), platform=platform, limit=limit,
        )  # fmt: skip
        return [_campaign(row) for row in rows]

    async def published(
        self, campaign_id: str, published: PublishedCampaign, *, at: datetime, status: CampaignStatus = "testing"
    ) -> CampaignRecord:
        """Writes what a publication left on the platform: external ids of every level, budget, launch. Safe to repeat.

        Raises LookupError when there is no such campaign.
        """
        seen = published.campaign
        budget = seen.daily_budget
        row = await self.one(
            """update campaigns set external_id = :external, status = :status, delivery = :delivery, error = null,
                 currency = coalesce(:currency, currency), daily_budget_minor = :budget,
                 launch_budget_minor = coalesce(launch_budget_minor, :budget),
                 launched_at = coalesce(launched_at, :at), synced_at = :read
               where id = :id returning *""",
            id=campaign_id, external=seen.external_id, status=status, delivery=seen.delivery,
            currency=None if budget is None else budget.currency, budget=None if budget is None else budget.minor,
            at=at, read=seen.read_at,
        )  # fmt: skip
        if row is None:
            raise LookupError(f"campaign {campaign_id}: no such row")
        await self.put_objects(campaign_id, seen.platform, published.objects, at=at, status=status)
        return _campaign(row)

    async def put_objects(
        self, campaign_id: str, platform: Platform, objects: Collection[AdObject], *, at: datetime, status: CampaignStatus
    ) -> None:
        """Stores ad sets first, then ads under them; a known one gets its new name and delivery."""
        for item in sorted(objects, key=lambda one: one.level != "ad_set"):
            table, column, parent = "ad_sets", "", ""
            if item.level == "ad":
                table, column = "ads", "ad_set_id, "
                parent = "(select id from ad_sets where platform = :platform and external_id = :parent), "
            await self.run(
                f"""insert into {table} (id, campaign_id, {column}platform, external_id, name, status, delivery,
                      created_at, synced_at)
                    values (:id, :campaign, {parent}:platform, :external, :name, :status, :delivery, :at, :at)
                    on conflict (platform, external_id) do update
                      set name = excluded.name, delivery = excluded.delivery, synced_at = excluded.synced_at""",
                id=new_id(), campaign=campaign_id, platform=platform, external=item.external_id, name=item.name,
                parent=item.parent_external_id, status=status, delivery=item.delivery, at=at,
            )  # fmt: skip

    async def objects(self, campaign_id: str) -> list[AdObject]:
        """The campaign's ad sets, then its ads."""
        rows = await self.all(
            """select 'ad_set' as level, s.external_id, c.external_id as parent, s.name, s.delivery
                 from ad_sets s join campaigns c on c.id = s.campaign_id where s.campaign_id = :id
               union all
               select 'ad', a.external_id, s.external_id, a.name, a.delivery
                 from ads a join ad_sets s on s.id = a.ad_set_id where a.campaign_id = :id
               order by 1 desc, 2""",
            id=campaign_id,
        )
        return [
            AdObject(
                level=r["level"],
                external_id=r["external_id"],
                parent_external_id=r["parent"],
                name=r["name"],
                delivery=r["delivery"],
            )
            for r in rows
        ]

    async def synced(self, seen: PlatformCampaign) -> bool:
        """Writes a fresh read over what we knew. False when the platform's campaign is not one of ours.

        The mark by which a publication is recognised on the platform is no part of the name that people read.
        """
        budget = seen.daily_budget
        if budget is not None:
            # What somebody set by hand was in force today, also when it is changed again before anybody judges.
            await self.run(
                """insert into budget_changes (id, campaign_id, from_minor, to_minor, currency, at, reason)
                   select cast(:mark as uuid), id, daily_budget_minor, cast(:budget as bigint), currency, cast(:read as timestamptz),
                     'budget.seen' from campaigns
                   where platform = :platform and external_id = :external and (synced_at is null or synced_at <= :read)
                     and currency = :currency and daily_budget_minor <> cast(:budget as bigint)
                   on conflict (id) do nothing""",
                mark=derived(f"budget-seen:{seen.platform}:{seen.external_id}:{seen.read_at.isoformat()}"),
                budget=budget.minor, currency=budget.currency, read=seen.read_at, platform=seen.platform, external=seen.external_id,
            )  # fmt: skip
        return await self.once(
            """update campaigns set delivery = :delivery, synced_at = :read, name = regexp_replace(:name, ' \\[k:[0-9a-z]+\\]$', ''),
                 daily_budget_minor = coalesce(:budget, daily_budget_minor), currency = coalesce(:currency, currency)
               where platform = :platform and external_id = :external and (synced_at is null or synced_at <= :read)""",
            delivery=seen.delivery, read=seen.read_at, name=seen.name, platform=seen.platform, external=seen.external_id,
            budget=None if budget is None else budget.minor, currency=None if budget is None else budget.currency,
        )  # fmt: skip

    async def adopt(self, seen: PlatformCampaign, *, workspace: str = DEFAULT_WORKSPACE) -> CampaignRecord:
        """A row for a campaign that was made outside the house, so that caps count it and managers see it."""
        budget = seen.daily_budget
        await self.run(
            """insert into campaigns (id, workspace, platform, name, external_id, status, delivery, currency,
                 daily_budget_minor, launch_budget_minor, created_at, synced_at)
               values (:id, :workspace, :platform, :name, :external, :status, :delivery, :currency, :budget, :budget, :at, :at)
               on conflict (platform, external_id) do nothing""",
            id=derived(f"{seen.platform}:{seen.external_id}"), workspace=workspace,
            platform=seen.platform, name=seen.name, external=seen.external_id, delivery=seen.delivery,
            status="active" if seen.delivery in ("active", "in_review", "with_issues") else "paused", at=seen.read_at,
            currency=None if budget is None else budget.currency, budget=None if budget is None else budget.minor,
        )  # fmt: skip
        record = await self.by_external(seen.platform, seen.external_id)
        if record is None:
            raise LookupError(f"{seen.platform} campaign {seen.external_id}: could not be stored")
        return record

    async def set_status(self, campaign_id: str, status: CampaignStatus, *, at: datetime, delivery: Delivery | None = None) -> bool:
        """Moves a campaign; `paused_at` follows. False when there is no such campaign."""
        return await self.once(
            """update campaigns set status = :status, delivery = coalesce(:delivery, delivery), last_change_at = :at,
                 paused_at = case when :status = 'paused' then cast(:at as timestamptz) end, error = null where id = :id""",
            id=campaign_id, status=status, delivery=delivery, at=at,
        )  # fmt: skip

    async def failed(self, campaign_id: str, error: dict[str, Any], *, at: datetime) -> bool:
        """Status error with what the vendor said; shown to managers as it is."""
        return await self.once(
            "update campaigns set status = 'error', error = :error, last_change_at = :at where id = :id",
            id=campaign_id, error=as_json(error), at=at,
        )  # fmt: skip

    async def put_raw(self, campaign_id: str, changes: dict[str, Any]) -> bool:
        """Merges keys into the campaign's working notes (the publication plan of a draft, …)."""
        return await self.once(
            "update campaigns set raw = raw || cast(:changes as jsonb) where id = :id", id=campaign_id, changes=as_json(changes)
        )

    async def raw(self, campaign_id: str) -> dict[str, Any]:
        """The campaign's working notes. Raises LookupError when there is no such campaign."""
        row = await self.one("select raw from campaigns where id = :id", id=campaign_id)
        if row is None:
            raise LookupError(f"campaign {campaign_id}: no such row")
        return dict(row["raw"])

    async def budget_changed(self, change: BudgetChange) -> None:
        """Records a confirmed change and makes it the campaign's budget. Raises LookupError when there is no such campaign."""
        touched = await self.run(
            "update campaigns set daily_budget_minor = :minor, currency = :currency, last_change_at = :at where id = :id",
            id=change.campaign_id, minor=change.after.minor, currency=change.after.currency, at=change.at,
        )  # fmt: skip
        if touched != 1:
            raise LookupError(f"campaign {change.campaign_id}: no such row")
        await self.run(
            """insert into budget_changes (id, campaign_id, action_id, from_minor, to_minor, currency, at, reason)
               values (:id, :campaign, :action, :before, :after, :currency, :at, :reason)""",
            id=new_id(), campaign=change.campaign_id, action=change.action_id, after=change.after.minor,
            before=None if change.before is None else change.before.minor, currency=change.after.currency,
            at=change.at, reason=change.reason,
        )  # fmt: skip

    async def budget_changes(self, *, campaign_id: str | None = None, since: datetime | None = None) -> list[BudgetChange]:
        """Oldest first, of one campaign or of all."""
        rows = await self.all(
            """select * from budget_changes where (cast(:campaign as text) is null or campaign_id = :campaign)
                 and (cast(:since as timestamptz) is null or at >= :since) order by at, seq""",
            campaign=campaign_id, since=since,
        )  # fmt: skip
        return [
            BudgetChange(
                r["campaign_id"], None if r["action_id"] is None else str(r["action_id"]), money(r["from_minor"], r["currency"]),
                Money(minor=r["to_minor"], currency=r["currency"]), r["at"], r["reason"],
            )
            for r in rows
        ]  # fmt: skip


def _campaign(row: RowMapping) -> CampaignRecord:
    return CampaignRecord(
        id=row["id"], workspace=row["workspace"], platform=row["platform"], product_id=row["product_id"], name=row["name"],
        key=row["key"], external_id=row["external_id"], status=row["status"], delivery=row["delivery"],
        daily_budget=money(row["daily_budget_minor"], row["currency"]),
        launch_budget=money(row["launch_budget_minor"], row["currency"]), created_at=row["created_at"],
        launched_at=row["launched_at"], last_change_at=row["last_change_at"], paused_at=row["paused_at"],
        synced_at=row["synced_at"], error=row["error"],
    )  # fmt: skip
