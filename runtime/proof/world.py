"""The world outside the gate: two ad accounts and a line to leads, in memory, that fail in every way they can.

Like the real clients, every write asks the permit's guard immediately before it leaves. What was accepted goes into the judge's book.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

from knowledge.domain.action import Platform, PublishCampaign
from knowledge.domain.campaign import AccountFacts, AdObject, InsightRow, PlatformCampaign, PublishedCampaign
from knowledge.domain.clock import Clock
from knowledge.domain.money import Money
from runtime.proof.judge import Judge, Unit
from tools.errors import RateLimited, Refused, Unauthorized, Unavailable, UnknownOutcome, VendorError
from tools.permit import Permit, current_permit
from tools.ports import Health

CURRENCY = "BRL"
FaultKind = Literal[
    "refused", "unavailable", "unauthorized", "rate_short", "rate_long", "lost_before", "lost_after", "die_before", "die_after"
]
WRITE_FAULTS: tuple[FaultKind, ...] = (
    "refused", "unavailable", "unauthorized", "rate_short", "rate_long", "lost_before", "lost_after", "die_before", "die_after",
)  # fmt: skip
READ_FAULTS: tuple[FaultKind, ...] = ("unavailable", "unauthorized", "rate_long", "refused")


class Died(BaseException):
    """The process was killed here: nothing after this line happens in it."""


def _error(kind: FaultKind, vendor: str, operation: str) -> VendorError:
    match kind:
        case "refused":
            return Refused(vendor, operation, "the platform says no", "100")
        case "unavailable":
            return Unavailable(vendor, operation, "the platform is down")
        case "unauthorized":
            return Unauthorized(vendor, operation, "the token has expired")
        case "rate_short":
            return RateLimited(vendor, operation, "too fast", retry_after=1.0)
        case "rate_long":
            return RateLimited(vendor, operation, "far too fast", retry_after=300.0)
        case _:
            return UnknownOutcome(vendor, operation, "the answer was lost")


@dataclass
class Trouble:
    """What the next calls run into, first in, first out; and how a call lets others run meanwhile."""

    writes: list[FaultKind] = field(default_factory=list[FaultKind])
    reads: list[FaultKind] = field(default_factory=list[FaultKind])
    pause: Callable[[], Awaitable[None]] | None = None
    injected: dict[str, int] = field(default_factory=dict[str, int])

    def next_write(self) -> FaultKind | None:
        return self._take(self.writes, "write")

    def next_read(self) -> FaultKind | None:
        return self._take(self.reads, "read")

    def _take(self, waiting: list[FaultKind], what: str) -> FaultKind | None:
        if not waiting:
            return None
        name = f"{what}_{waiting[0]}"
        self.injected[name] = self.injected.get(name, 0) + 1
        return waiting.pop(0)

    async def others(self) -> None:
        if self.pause is not None:
            await self.pause()


async def _leave(judge: Judge, trouble: Trouble, vendor: str, operation: str) -> tuple[Permit | None, FaultKind | None]:
    """The write leaves: guard, network, and what befalls it before it arrives."""
    permit = current_permit()
    if permit is None:
        judge.breach(f"{vendor} {operation} left without a permit")
        return None, None
    forbidden = judge.forbids(permit.action_id)
    await permit.guard()
    if forbidden:
        judge.breach(f"{vendor} {operation} of action {permit.action_id} left although {forbidden}")
    await trouble.others()
    kind = trouble.next_write()
    if kind == "die_before":
        raise Died
    if kind is not None and kind not in ("lost_after", "die_after"):
        raise _error(kind, vendor, operation)
    return permit, kind


def _arrived(kind: FaultKind | None, vendor: str, operation: str) -> None:
    """The write is committed; its answer may be lost, or its sender may be gone."""
    if kind == "die_after":
        raise Died
    if kind is not None:
        raise _error(kind, vendor, operation)


class MemoryAds:
    """The AdPlatform port of one platform. Campaigns live in the judge's book."""

    def __init__(self, platform: Platform, clock: Clock, judge: Judge, trouble: Trouble) -> None:
        self.platform: Platform = platform
        self._clock, self._judge, self._trouble = clock, judge, trouble

    def _seen(self, unit: Unit) -> PlatformCampaign:
        return PlatformCampaign(
            platform=self.platform,
            external_id=unit.external_id,
            name=unit.name,
            delivery="active" if unit.on else "paused",
            daily_budget=Money(minor=unit.budget, currency=CURRENCY),
            read_at=self._clock.now(),
        )

    def _unit(self, external_id: str, operation: str) -> Unit:
        unit = self._judge.units.get((self.platform, external_id))
        if unit is None:
            raise Refused(self.platform, operation, "no such campaign")
        return unit

    async def list_campaigns(self) -> list[PlatformCampaign]:
        await self._trouble.others()
        kind = self._trouble.next_read()
        if kind is not None:
            raise _error(kind, self.platform, "list_campaigns")
        return [self._seen(unit) for (platform, _), unit in self._judge.units.items() if platform == self.platform]

    async def get_campaign(self, external_id: str) -> PlatformCampaign:
        return self._seen(self._unit(external_id, "get_campaign"))

    async def find_published(self, key: str) -> PublishedCampaign | None:
        unit = self._judge.by_key.get((self.platform, key))
        return None if unit is None else _published(self._seen(unit))

    async def publish(self, action: PublishCampaign, key: str) -> PublishedCampaign:
        unit = self._judge.by_key.get((self.platform, key))
        if unit is None:
            permit, kind = await _leave(self._judge, self._trouble, self.platform, "create")
            unit = self._judge.created(permit, self.platform, action, key)
            _arrived(kind, self.platform, "create")
        if not unit.on:
            if unit.budget != action.daily_budget.minor:  # the real clients too read back what they made before they switch it on
                raise Refused(self.platform, "publish", "what was created does not read back as ordered")
            permit, kind = await _leave(self._judge, self._trouble, self.platform, "activate")
            self._judge.switched(permit, unit, on=True, operation="activate")
            _arrived(kind, self.platform, "activate")
        return _published(self._seen(unit))

    async def set_daily_budget(self, external_id: str, budget: Money, key: str) -> PlatformCampaign:
        unit = self._unit(external_id, "set_daily_budget")
        permit, kind = await _leave(self._judge, self._trouble, self.platform, "set_daily_budget")
        self._judge.budgeted(permit, unit, budget)
        _arrived(kind, self.platform, "set_daily_budget")
        await self._trouble.others()
        if unit.budget != budget.minor:  # as the real clients read back what they wrote
            raise UnknownOutcome(self.platform, "set_daily_budget", "reads back as another amount")
        return self._seen(unit)

    async def pause(self, external_id: str, key: str) -> PlatformCampaign:
        return await self._switch(external_id, "pause", on=False)

    async def resume(self, external_id: str, key: str) -> PlatformCampaign:
        return await self._switch(external_id, "resume", on=True)

    async def _switch(self, external_id: str, operation: str, *, on: bool) -> PlatformCampaign:
        unit = self._unit(external_id, operation)
        permit, kind = await _leave(self._judge, self._trouble, self.platform, operation)
        self._judge.switched(permit, unit, on=on, operation=operation)
        _arrived(kind, self.platform, operation)
        return self._seen(unit)

    async def account(self) -> AccountFacts:
        return AccountFacts(
            platform=self.platform,
            external_id="1",
            currency=CURRENCY,
            time_zone=self._judge.policy.time_zone,
            active=True,
            min_daily_budget=None,
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
            AdObject(level="ad_set", external_id=f"s{number}", parent_external_id=number, name="set", delivery=campaign.delivery),
            AdObject(level="ad", external_id=f"a{number}", parent_external_id=f"s{number}", name="ad", delivery=campaign.delivery),
        ),
    )


class MemoryLine:
    """The Messenger port: a WhatsApp line that cannot say what it sent."""

    def __init__(self, judge: Judge, trouble: Trouble) -> None:
        self._judge, self._trouble = judge, trouble

    async def send_text(self, to: str, text: str, key: str) -> str:
        permit, kind = await _leave(self._judge, self._trouble, "line", "send_text")
        external = self._judge.sent(permit, to, text)
        _arrived(kind, "line", "send_text")
        return external

    async def mark_read(self, to: str, external_id: str) -> None:
        raise Refused("line", "mark_read", "this line has no ticks")

    async def health(self) -> Any:
        return Health(ok=True, detail="up")
