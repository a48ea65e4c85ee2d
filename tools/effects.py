"""What each typed action does to the outside world, in terms of the ports. Reached only from the gate.

Every `perform` may be repeated with the same key after a lost answer, because the adapters look before they create and budgets and
states are absolute. The one exception is text to a lead: WhatsApp has no look-up, so a lost answer is never followed by a second send.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from knowledge.domain.action import (
    CAMPAIGN,
    SPENDING,
    Action,
    AddDealNote,
    GrantAutonomy,
    MarkRead,
    MirrorToDesk,
    OpenDeal,
    PauseCampaign,
    Platform,
    PostDeskNote,
    PublishCampaign,
    ResumeCampaign,
    SendMessage,
    SetBudget,
    SetDeskStatus,
    UpsertCompany,
    UpsertPerson,
)
from knowledge.domain.books import Refs
from knowledge.domain.campaign import PlatformCampaign, PublishedCampaign
from knowledge.domain.money import Money
from tools.errors import Refused, VendorError
from tools.ports import AdPlatform, Crm, Desk, Messenger

_T = TypeVar("_T")
CampaignChange = PublishCampaign | SetBudget | PauseCampaign | ResumeCampaign


@dataclass(frozen=True)
class Ports:
    """The outside world as this installation has it. A missing port refuses its actions with a sentence, never silently."""

    ads: Mapping[Platform, AdPlatform] = field(default_factory=dict[Platform, AdPlatform])
    messenger: Messenger | None = None
    desk: Desk | None = None
    crm: Crm | None = None


@dataclass(frozen=True)
class Reading:
    """What the platforms say of their campaigns: those that were `read` whole, and the error of each that could not be."""

    campaigns: tuple[PlatformCampaign, ...] = ()
    read: frozenset[Platform] = frozenset()
    failed: Mapping[Platform, VendorError] = field(default_factory=dict[Platform, VendorError])


@dataclass(frozen=True)
class Trace:
    """What a platform shows of an attempt: `result` is what `perform` would return, had it been answered; None when it is not
    (wholly) there. `begun` says that something of it is; `changed` is the budget that somebody gave what was begun since."""

    result: dict[str, Any] | None = None
    begun: bool = False
    changed: Money | None = None


def repeatable(action: Action) -> bool:
    """Whether a second attempt under the same key is safe after a lost answer."""
    return not isinstance(action, SendMessage)


class Effects:
    """Performs actions through the ports. Writes raise NoPermit unless the gate opened a permit around the call."""

    def __init__(self, ports: Ports) -> None:
        self.ports = ports

    def _ads(self, platform: Platform) -> AdPlatform:
        port = self.ports.ads.get(platform)
        if port is None:
            raise Refused(platform, "connect", f"no {platform} account is configured; add one under vendors in agentos.yaml")
        return port

    @staticmethod
    def _need(port: _T | None, name: str) -> _T:
        if port is None:
            raise Refused(name, "connect", f"no {name} is configured; add one under vendors in agentos.yaml")
        return port

    @staticmethod
    def _id(value: str | None, what: str) -> str:
        if value is None:
            raise Refused("ledger", "refs", f"{what} is not known in the ledger yet")
        return value

    async def read(self, action: Action) -> Reading:
        """The platforms' own word on their campaigns, fresh, for judging. Empty for actions that are not about campaigns.

        What spends shares the workspace's caps with every platform, so that all of them are asked; what stops, only its own.
        """
        if not isinstance(action, CAMPAIGN):
            return Reading()
        own: Platform = action.platform
        others: list[Platform] = []
        if isinstance(action, SPENDING):
            others = [name for name in self.ports.ads if name != own]
        if not others:
            return _reading({own: await self._listed(own)})
        names: tuple[Platform, ...] = (own, *others)
        return _reading(dict(zip(names, await asyncio.gather(*map(self._listed, names)), strict=True)))

    async def _listed(self, platform: Platform) -> Sequence[PlatformCampaign] | VendorError:
        try:
            return await self._ads(platform).list_campaigns()
        except VendorError as error:
            return error

    async def found(self, action: CampaignChange, key: str, refs: Refs, before: Money | None = None) -> Trace:
        """What the platform shows of an action whose answer was lost; reads only. Asked before anything is sent again.

        `before` is the budget in our ledger: one on the way from there to what was ordered is half of ours, any other is somebody's.
        """
        ads = self._ads(action.platform)
        if isinstance(action, PublishCampaign):
            published = await ads.find_published(key)
            if published is None:
                return Trace()
            complete = published.objects and published.campaign.delivery not in ("paused", "archived")
            budget = published.campaign.daily_budget
            other = budget if budget is not None and budget != action.daily_budget else None
            return Trace(result=_published(published), begun=True) if complete else Trace(begun=True, changed=other)
        if refs.external_id is None:
            return Trace()
        campaign = await ads.get_campaign(refs.external_id)
        begun = False
        match action:
            case SetBudget():
                same = campaign.daily_budget == action.daily_budget
                begun = _between(before, campaign.daily_budget, action.daily_budget)
            case PauseCampaign():
                same = campaign.delivery in ("paused", "archived")  # what was turned down runs again when somebody appeals
            case ResumeCampaign():
                same = campaign.delivery in ("active", "in_review", "with_issues")
        return Trace(result=_campaign(campaign), begun=True) if same else Trace(begun=begun)

    async def gone(self, action: CampaignChange, refs: Refs) -> bool:
        """Whether the platform says that the campaign is no more: not in its list, and unknown or archived by its own id. No answer
        is no proof."""
        if refs.external_id is None:
            return False
        try:
            ads = self._ads(action.platform)
            if any(c.external_id == refs.external_id and c.delivery != "archived" for c in await ads.list_campaigns()):
                return False
            return (await ads.get_campaign(refs.external_id)).delivery == "archived"
        except Refused as no:
            return no.operation != "connect"
        except VendorError:
            return False

    async def perform(self, action: Action, key: str, refs: Refs) -> dict[str, Any]:
        """Does it, reads it back, and returns what the ledger records. Raises the errors of tools.errors."""
        match action:
            case PublishCampaign():
                return _published(await self._ads(action.platform).publish(action, key))
            case SetBudget():
                ads, external = self._ads(action.platform), self._id(refs.external_id, "the campaign's platform id")
                return _campaign(await ads.set_daily_budget(external, action.daily_budget, key))
            case PauseCampaign():
                ads, external = self._ads(action.platform), self._id(refs.external_id, "the campaign's platform id")
                return _campaign(await ads.pause(external, key))
            case ResumeCampaign():
                ads, external = self._ads(action.platform), self._id(refs.external_id, "the campaign's platform id")
                return _campaign(await ads.resume(external, key))
            case SendMessage():
                messenger = self._need(self.ports.messenger, "messenger")
                return {"external_id": await messenger.send_text(self._id(refs.to, "the lead's number"), action.text, key)}
            case MarkRead():
                messenger = self._need(self.ports.messenger, "messenger")
                await messenger.mark_read(self._id(refs.to, "the lead's number"), action.external_id)
                return {}
            case MirrorToDesk() | PostDeskNote() | SetDeskStatus():
                return await self._desk(action, key, refs)
            case UpsertCompany() | UpsertPerson() | OpenDeal() | AddDealNote():
                return await self._crm(action, key, refs)
            case GrantAutonomy():
                return {}  # a change of our own law: the ledger's tables are its only effect

    async def _desk(self, action: MirrorToDesk | PostDeskNote | SetDeskStatus, key: str, refs: Refs) -> dict[str, Any]:
        desk = self._need(self.ports.desk, "desk")
        result: dict[str, Any] = {}
        conversation = refs.desk_conversation
        if conversation is None:
            lead_key = self._id(refs.lead_key, "the lead")
            contact, conversation = await desk.ensure_conversation(lead_key=lead_key, name=refs.lead_name, phone=refs.lead_phone)
            result |= {"desk_contact_id": contact, "desk_conversation_id": conversation}
        match action:
            case MirrorToDesk():
                direction = action.direction
                result["desk_message_id"] = await desk.post(conversation, action.text, direction=direction, private=False, key=key)
            case PostDeskNote():
                result["desk_message_id"] = await desk.post(conversation, action.text, direction="outgoing", private=True, key=key)
            case SetDeskStatus():
                await desk.set_status(conversation, action.status)
        return result

    async def _crm(self, action: UpsertCompany | UpsertPerson | OpenDeal | AddDealNote, key: str, refs: Refs) -> dict[str, Any]:
        crm = self._need(self.ports.crm, "crm")
        match action:
            case UpsertCompany():
                city = await crm.find_city(action.city, action.state) if action.city and action.state else None
                external = await crm.upsert_company(
                    name=action.name, cnpj=action.cnpj, city_id=city, key=key, known_id=refs.company_id
                )
            case UpsertPerson():
                external = await crm.upsert_person(
                    known_id=refs.person_id,
                    name=action.name,
                    phone=action.phone,
                    email=action.email,
                    company_id=refs.company_id,
                    key=key,
                )
            case OpenDeal():
                external = await crm.open_deal(
                    title=action.title,
                    person_id=self._id(refs.person_id, "the lead's person in the CRM"),
                    company_id=refs.company_id,
                    temperature=action.temperature,
                    key=key,
                )
            case AddDealNote():
                deal = self._id(refs.deal_id, "the lead's deal in the CRM")
                external = await crm.add_note(deal_id=deal, text=action.text, key=action.ref)
        return {"external_id": external}


def _between(before: Money | None, seen: Money | None, ordered: Money) -> bool:
    if before is None or seen is None or len({before.currency, seen.currency, ordered.currency}) > 1:
        return False
    return min(before, ordered) < seen < max(before, ordered)


def _campaign(campaign: PlatformCampaign) -> dict[str, Any]:
    return {"campaign": campaign.model_dump(mode="json")}


def _published(published: PublishedCampaign) -> dict[str, Any]:
    return published.model_dump(mode="json")


def _reading(answers: Mapping[Platform, Sequence[PlatformCampaign] | VendorError]) -> Reading:
    failed: dict[Platform, VendorError] = {n: found for n, found in answers.items() if isinstance(found, VendorError)}
    campaigns = [c for found in answers.values() if not isinstance(found, VendorError) for c in found]
    return Reading(tuple(campaigns), frozenset(answers) - frozenset(failed), failed)
