"""An ad platform of three dictionaries that counts what it is asked to do and fails when told to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime

from knowledge.domain.action import PublishCampaign
from knowledge.domain.campaign import AccountFacts, AdObject, InsightRow, PlatformCampaign, PublishedCampaign
from knowledge.domain.money import Money
from tools.errors import Refused, Unavailable, VendorError
from tools.permit import current_permit
from tools.ports import Health

READ_AT = datetime(2026, 11, 23, 11, 0, tzinfo=UTC)


class FakeAds:
    """The AdPlatform port. `fail[operation]` lists the errors of the next calls; `lost` commits before it fails; while `dark`, nothing can be looked up.

    Every write awaits the permit's guard first, as tools.http does.
    """

    platform = "meta"

    def __init__(self) -> None:
        self.campaigns: dict[str, PlatformCampaign] = {}
        self.keys: dict[str, str] = {}
        self.calls: list[tuple[str, str]] = []
        self.fail: dict[str, list[VendorError]] = {}
        self.lost: set[str] = set()
        self.dark = False
        self.before_write: Callable[[], Awaitable[None]] | None = None

    def count(self, operation: str) -> int:
        return sum(1 for name, _ in self.calls if name == operation)

    def _trouble(self, operation: str) -> VendorError | None:
        waiting = self.fail.get(operation)
        return waiting.pop(0) if waiting else None

    async def _write(self, operation: str, key: str) -> VendorError | None:
        if self.before_write is not None:
            await self.before_write()
        permit = current_permit()
        assert permit is not None, "a write outside the gate"
        await permit.guard()
        self.calls.append((operation, key))
        await asyncio.sleep(0)
        trouble = self._trouble(operation)
        if trouble is not None and operation not in self.lost:
            raise trouble
        return trouble

    def put(self, external_id: str, budget: Money | None, name: str = "Somebody's", delivery: str = "active") -> PlatformCampaign:
        made = PlatformCampaign(
            platform="meta", external_id=external_id, name=name, delivery=delivery,  # pyright: ignore[reportArgumentType]
            daily_budget=budget, read_at=READ_AT,
        )  # fmt: skip
        self.campaigns[external_id] = made
        return made

    async def list_campaigns(self) -> list[PlatformCampaign]:
        trouble = self._trouble("list_campaigns")
        if trouble is not None:
            raise trouble
        return list(self.campaigns.values())

    def _light(self, operation: str) -> None:
        if self.dark:
            raise Unavailable("meta", operation, "down")

    async def get_campaign(self, external_id: str) -> PlatformCampaign:
        self._light("get_campaign")
        if external_id not in self.campaigns:
            raise Refused("meta", "get_campaign", "no such campaign")
        return self.campaigns[external_id]

    async def find_published(self, key: str) -> PublishedCampaign | None:
        self._light("find_published")
        return self._made(key)

    def _made(self, key: str) -> PublishedCampaign | None:
        return _published(self.campaigns[self.keys[key]]) if key in self.keys else None

    async def publish(self, action: PublishCampaign, key: str) -> PublishedCampaign:
        found = self._made(key)
        if found is not None:
            return found
        trouble = await self._write("publish", key)
        self.keys[key] = f"c{len(self.keys) + 1}"
        made = self.put(self.keys[key], action.daily_budget, action.name)
        if trouble is not None:
            raise trouble
        return _published(made)

    async def set_daily_budget(self, external_id: str, budget: Money, key: str) -> PlatformCampaign:
        trouble = await self._write("set_daily_budget", key)
        self.campaigns[external_id] = self.campaigns[external_id].model_copy(update={"daily_budget": budget})
        if trouble is not None:
            raise trouble
        return self.campaigns[external_id]

    async def pause(self, external_id: str, key: str) -> PlatformCampaign:
        await self._write("pause", key)
        self.campaigns[external_id] = self.campaigns[external_id].model_copy(update={"delivery": "paused"})
        return self.campaigns[external_id]

    async def resume(self, external_id: str, key: str) -> PlatformCampaign:
        await self._write("resume", key)
        self.campaigns[external_id] = self.campaigns[external_id].model_copy(update={"delivery": "active"})
        return self.campaigns[external_id]

    async def account(self) -> AccountFacts:
        return AccountFacts(
            platform="meta", external_id="1", currency="BRL", time_zone="America/Sao_Paulo", active=True, min_daily_budget=None
        )

    async def insights(self, since: date, until: date, *, hourly: bool = False) -> list[InsightRow]:
        return []

    async def health(self) -> Health:
        return Health(ok=True, detail="up")


def _published(campaign: PlatformCampaign) -> PublishedCampaign:
    number = campaign.external_id
    return PublishedCampaign(
        campaign=campaign,
        objects=(
            AdObject(level="ad_set", external_id=f"s{number}", parent_external_id=number, name="set", delivery="active"),
            AdObject(level="ad", external_id=f"a{number}", parent_external_id=f"s{number}", name="ad", delivery="active"),
        ),
    )
