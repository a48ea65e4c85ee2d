"""What webhooks told us: the raw bytes once, and every event in them once for ever."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import RowMapping

from knowledge.domain.conversation import InboundEvent
from runtime.db.repository import Repository, as_json, is_id, new_id


@dataclass(frozen=True)
class WebhookRecord:
    """A delivery as it came. `status` received | processed | dead."""

    id: str
    source: str
    dedupe_key: str
    raw: bytes
    headers: dict[str, str]
    received_at: datetime
    processed_at: datetime | None
    attempts: int
    error: str | None
    status: str


class Webhooks(Repository):
    """Tables webhook_events and inbound_events."""

    async def store(self, source: str, dedupe_key: str, raw: bytes, headers: Mapping[str, str], *, at: datetime) -> str | None:
        """Stores a delivery once and returns its id; None when the same one came before. `headers`: only those without secrets."""
        row = await self.one(
            """insert into webhook_events (id, source, dedupe_key, raw, headers, received_at, status)
               values (:id, :source, :dedupe, :raw, :headers, :at, 'received')
               on conflict (source, dedupe_key) do nothing returning id""",
            id=new_id(), source=source, dedupe=dedupe_key, raw=raw, headers=as_json(dict(headers)), at=at,
        )  # fmt: skip
        return None if row is None else str(row["id"])

    async def get(self, event_id: str, *, lock: bool = False) -> WebhookRecord | None:
        """The delivery. With `lock`, None too while another worker holds it."""
        if not is_id(event_id):
            return None
        row = await self.one(
            "select * from webhook_events where id = :id" + (" for update skip locked" if lock else ""), id=event_id
        )
        return None if row is None else _webhook(row)

    async def waiting(self, *, limit: int = 100) -> list[WebhookRecord]:
        """Deliveries not processed yet, oldest first: what a restarted worker picks up."""
        rows = await self.all(
            "select * from webhook_events where status = 'received' order by received_at, id limit :limit", limit=limit
        )
        return [_webhook(row) for row in rows]

    async def dead_letters(self, *, limit: int = 100) -> list[WebhookRecord]:
        """Newest first."""
        rows = await self.all(
            "select * from webhook_events where status = 'dead' order by received_at desc, id limit :limit", limit=limit
        )
        return [_webhook(row) for row in rows]

    async def processed(self, event_id: str, *, at: datetime) -> bool:
        """Closes a delivery after its events were taken."""
        return await self.once(
            """update webhook_events set status = 'processed', processed_at = :at, attempts = attempts + 1, error = null
               where id = :id""",
            id=event_id, at=at,
        )  # fmt: skip

    async def failed(self, event_id: str, error: str) -> bool:
        """Counts a failed attempt; the delivery stays in line."""
        return await self.once(
            "update webhook_events set attempts = attempts + 1, error = :error where id = :id", id=event_id, error=error[:2000]
        )

    async def dead(self, event_id: str, error: str, *, at: datetime) -> bool:
        """Puts a delivery that cannot be processed among the dead letters, with the reason and the moment."""
        return await self.once(
            """update webhook_events set status = 'dead', attempts = attempts + 1, error = :error, processed_at = :at
               where id = :id""",
            id=event_id, error=error[:2000], at=at,
        )  # fmt: skip

    async def revive(self, event_id: str) -> bool:
        """Puts a dead letter back in line. False when it was not dead."""
        return await self.once(
            "update webhook_events set status = 'received', attempts = 0, error = null where id = :id and status = 'dead'",
            id=event_id,
        )

    async def purge(self, before: datetime) -> int:
        """Deletes processed deliveries received before a moment and empties their events of what they said; how many
        deliveries. The events' names stay, so an old duplicate stays known."""
        await self.run("update inbound_events set payload = '{}' where received_at < :before and payload <> '{}'", before=before)
        return await self.run("delete from webhook_events where received_at < :before and status = 'processed'", before=before)


class InboundEvents(Repository):
    """Table inbound_events."""

    async def add(
        self, event: InboundEvent, *, at: datetime, webhook_event_id: str | None = None, conversation_id: str | None = None
    ) -> bool:
        """Whether this event is new. Do its work in the same errand: a rollback gives the event back too."""
        return await self.once(
            """insert into inbound_events (source, dedupe, kind, webhook_event_id, conversation_id, payload, received_at,
                 processed_at)
               values (:source, :dedupe, :kind, :webhook, :conversation, :payload, :at, :at)
               on conflict (source, dedupe) do nothing""",
            source=event.source, dedupe=event.dedupe, kind=event.kind, webhook=webhook_event_id,
            conversation=conversation_id, payload=as_json(event), at=at,
        )  # fmt: skip


def _webhook(row: RowMapping) -> WebhookRecord:
    return WebhookRecord(
        str(row["id"]), row["source"], row["dedupe_key"], bytes(row["raw"]), row["headers"], row["received_at"],
        row["processed_at"], row["attempts"], row["error"], row["status"],
    )  # fmt: skip
