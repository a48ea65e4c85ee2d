"""What the house asks of the outside world. Vendors implement these; nobody else knows their wire formats.

Every write method may raise tools.errors.{Refused, Unauthorized, RateLimited, Unavailable, UnknownOutcome} and runs only under a
permit of the gate (tools.http enforces it). `key` is the action's idempotency key: the adapter passes it on where the vendor has
such a thing and embeds it in the object where it has not, so that `find_*` can recognise what an earlier attempt left behind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from knowledge.domain.action import Platform, PublishCampaign
from knowledge.domain.campaign import AccountFacts, InsightRow, PlatformCampaign, PublishedCampaign
from knowledge.domain.conversation import InboundEvent
from knowledge.domain.money import Money


class Health(BaseModel):
    """Result of a connection check: `remedy` says how to mend it."""

    model_config = ConfigDict(frozen=True)

    ok: bool
    detail: str
    remedy: str | None = None


class AdPlatform(Protocol):
    """One ad account on one platform."""

    platform: Platform

    async def account(self) -> AccountFacts: ...
    async def get_campaign(self, external_id: str) -> PlatformCampaign:
        """Fresh read. Raises Refused when it does not exist."""
        ...

    async def list_campaigns(self) -> list[PlatformCampaign]:
        """All campaigns that are not deleted; follows every page or raises, never a part."""
        ...

    async def find_published(self, key: str) -> PublishedCampaign | None:
        """What an earlier attempt under this key left (complete or partial), or None when nothing exists."""
        ...

    async def publish(self, action: PublishCampaign, key: str) -> PublishedCampaign:
        """Create paused, read back, activate, at every level; continues where an earlier attempt under the key stopped."""
        ...

    async def set_daily_budget(self, external_id: str, budget: Money, key: str) -> PlatformCampaign:
        """Writes, then returns the fresh read that proves it; raises UnknownOutcome when the read disagrees."""
        ...

    async def pause(self, external_id: str, key: str) -> PlatformCampaign: ...
    async def resume(self, external_id: str, key: str) -> PlatformCampaign: ...
    async def insights(self, since: date, until: date, *, hourly: bool = False) -> list[InsightRow]:
        """Campaign-level rows for account-local days since..until inclusive, all pages. A campaign without delivery has no row."""
        ...

    async def health(self) -> Health: ...


class Messenger(Protocol):
    """A WhatsApp line."""

    async def send_text(self, to: str, text: str, key: str) -> str:
        """Queues a text; returns the vendor's message id. Raises UnknownOutcome when the answer was lost."""
        ...

    async def mark_read(self, to: str, external_id: str) -> None: ...
    async def health(self) -> Health: ...


class Desk(Protocol):
    """Where salespeople read and take over (Chatwoot). Conversation ids are the desk's own, as strings."""

    async def ensure_conversation(self, *, lead_key: str, name: str | None, phone: str | None) -> tuple[str, str]:
        """(contact id, conversation id) of the lead, found by `lead_key` before anything is created."""
        ...

    async def post(self, conversation: str, text: str, *, direction: str, private: bool, key: str) -> str:
        """Adds a message (direction incoming | outgoing) or a private note; returns its id. Finds an earlier one by key first."""
        ...

    async def set_status(self, conversation: str, status: str) -> None: ...
    async def assign(self, conversation: str, *, assignee: str | None = None, team: str | None = None) -> None: ...
    async def messages_after(self, conversation: str, message_id: str | None) -> list[InboundEvent]:
        """For the reconciliation poll: what was written since, in order."""
        ...

    async def health(self) -> Health: ...


class Crm(Protocol):
    """The sales system. Ids are the vendor's, as strings, and never leave the mapping tables."""

    async def find_city(self, name: str, state: str) -> str | None: ...
    async def upsert_company(
        self, *, name: str, cnpj: str | None, city_id: str | None, key: str, known_id: str | None = None
    ) -> str:
        """Company id; found by CNPJ (digits and letters compared by us) before it is created. `known_id` is the one we have for
        this lead: it gets the CNPJ if it had none."""
        ...

    async def upsert_person(
        self, *, known_id: str | None, name: str, phone: str | None, email: str | None, company_id: str | None, key: str
    ) -> str: ...
    async def open_deal(self, *, title: str, person_id: str, company_id: str | None, temperature: str | None, key: str) -> str:
        """Id of the person's open deal in the configured pipeline, created if there is none."""
        ...

    async def add_note(self, *, deal_id: str, text: str, key: str) -> str:
        """Id of the note marked with the key; an existing one is returned instead of a second."""
        ...

    async def health(self) -> Health: ...


class WebhookSource(Protocol):
    """Turns one vendor's webhooks into events. Pure: no I/O."""

    def verify(self, raw: bytes, headers: Mapping[str, str], path_token: str | None) -> bool:
        """Whether the raw bytes come from the vendor. False when no secret is configured: an empty key verifies anything."""
        ...

    def parse(self, raw: bytes) -> Sequence[InboundEvent]:
        """Every event in the payload (batches too). Raises ValueError naming the field for a payload that is not the vendor's."""
        ...


class MediaStore(Protocol):
    """Where pictures and documents live (Supabase Storage bucket `media`, local disk in the embedded default)."""

    async def put(self, path: str, data: bytes, content_type: str) -> str:
        """Stores the bytes and returns a URL."""
        ...
