"""Conversations: who owns them, when they wake, and their place at the desk."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping

from knowledge.domain.conversation import Owner
from runtime.db.repository import Repository, as_json, is_id, new_id


@dataclass(frozen=True)
class ConversationRecord:
    """A conversation as stored. `epoch` rises with every change of owner; `wake_seq` with every new wake-up."""

    id: str
    lead_id: str
    channel: str
    line: str | None
    owner: Owner
    epoch: int
    owner_changed_at: datetime | None
    owner_reason: str | None
    desk_contact_id: str | None
    desk_conversation_id: str | None
    desk_last_message_id: str | None
    wake_at: datetime | None
    wake_seq: int
    last_inbound_at: datetime | None
    last_outbound_at: datetime | None
    handed_off_at: datetime | None
    state: dict[str, Any]
    created_at: datetime


class Conversations(Repository):
    """Table conversations."""

    async def ensure(self, lead_id: str, channel: str, *, at: datetime, line: str | None = None) -> ConversationRecord:
        """The lead's conversation on a channel, made once. `line` is the number of ours that the lead wrote to (the last one)."""
        row = await self.one(
            """insert into conversations (id, lead_id, channel, line, created_at) values (:id, :lead, :channel, :line, :at)
               on conflict (lead_id, channel) do update set line = coalesce(excluded.line, conversations.line) returning *""",
            id=new_id(), lead=lead_id, channel=channel, line=line, at=at,
        )  # fmt: skip
        if row is None:
            raise LookupError(f"lead {lead_id}: no conversation on {channel} could be made")
        return _conversation(row)

    async def get(self, conversation_id: str, *, lock: bool = False) -> ConversationRecord | None:
        """The conversation, or the one that it was merged into. With `lock`, nobody else changes it until the errand ends."""
        if not is_id(conversation_id):
            return None
        row = await self.one(
            "select * from conversations where id = (select coalesce(merged_into, id) from conversations where id = :id)"
            + (" for update" if lock else ""),
            id=conversation_id,
        )
        return None if row is None else _conversation(row)

    async def by_desk(self, desk_conversation_id: str) -> ConversationRecord | None:
        """Found by the desk's own conversation id; the surviving one when it was merged."""
        row = await self.one(
            """select k.* from conversations c join conversations k on k.id = coalesce(c.merged_into, c.id)
               where c.desk_conversation_id = :desk order by k.created_at, k.id limit 1""",
            desk=desk_conversation_id,
        )
        return None if row is None else _conversation(row)

    async def of_lead(self, lead_id: str) -> list[ConversationRecord]:
        """The lead's conversations, oldest first."""
        rows = await self.all(
            "select * from conversations where lead_id = :lead and merged_into is null order by created_at, id", lead=lead_id
        )
        return [_conversation(row) for row in rows]

    async def list(self, *, owner: Owner | None = None, limit: int = 200) -> list[ConversationRecord]:
        """The most recently written to first."""
        rows = await self.all(
            """select * from conversations where merged_into is null and (cast(:owner as text) is null or owner = :owner)
               order by last_inbound_at desc nulls last, id limit :limit""",
            owner=owner, limit=limit,
        )  # fmt: skip
        return [_conversation(row) for row in rows]

    async def set_owner(
        self, conversation_id: str, owner: Owner, *, reason: str, at: datetime, expected_epoch: int | None = None
    ) -> int | None:
        """Gives the conversation to an owner and returns the new epoch.

        None, and nothing changed, when it has that owner already or when somebody moved it since `expected_epoch`. A
        conversation that leaves the bot does not wake any more.
        """
        row = await self.one(
            """update conversations set owner = :owner, epoch = epoch + 1, owner_changed_at = :at, owner_reason = :reason,
                 handed_off_at = case when :owner = 'human' then cast(:at as timestamptz) else handed_off_at end,
                 wake_at = case when :owner = 'bot' then wake_at end
               where id = :id and owner <> :owner and (cast(:expected as int) is null or epoch = :expected)
               returning epoch""",
            id=conversation_id, owner=owner, at=at, reason=reason, expected=expected_epoch,
        )  # fmt: skip
        return None if row is None else row["epoch"]

    async def set_wake(self, conversation_id: str, wake_at: datetime) -> int | None:
        """Sets when the bot answers and returns the wake number that a job must carry; None unless the bot owns it.

        A later call replaces the moment (the lead went on writing), and a job of an older number finds itself outdated.
        """
        row = await self.one(
            "update conversations set wake_at = :wake, wake_seq = wake_seq + 1 where id = :id and owner = 'bot' returning wake_seq",
            id=conversation_id, wake=wake_at,
        )  # fmt: skip
        return None if row is None else row["wake_seq"]

    async def clear_wake(self, conversation_id: str, wake_seq: int) -> bool:
        """Takes the wake-up off after the turn. False, and it stays, when a newer one was set meanwhile."""
        return await self.once(
            "update conversations set wake_at = null where id = :id and wake_seq = :seq and wake_at is not null",
            id=conversation_id, seq=wake_seq,
        )  # fmt: skip

    async def due(self, now: datetime, *, limit: int = 100) -> list[ConversationRecord]:
        """The bot's conversations whose wake-up has come, the longest overdue first."""
        rows = await self.all(
            "select * from conversations where wake_at <= :now and owner = 'bot' order by wake_at, id limit :limit",
            now=now, limit=limit,
        )  # fmt: skip
        return [_conversation(row) for row in rows]

    async def link_desk(self, conversation_id: str, *, contact: str, conversation: str) -> bool:
        """Stores the desk's ids of this conversation."""
        return await self.once(
            "update conversations set desk_contact_id = :contact, desk_conversation_id = :conversation where id = :id",
            id=conversation_id, contact=contact, conversation=conversation,
        )  # fmt: skip

    async def seen_at_desk(self, conversation_id: str, desk_message_id: str) -> bool:
        """How far the reconciliation poll has read."""
        return await self.once(
            "update conversations set desk_last_message_id = :message where id = :id", id=conversation_id, message=desk_message_id
        )

    async def put_state(self, conversation_id: str, changes: dict[str, Any]) -> bool:
        """Merges keys into the conversation's working state (questions asked, retries of a refused text, …)."""
        return await self.once(
            "update conversations set state = state || cast(:changes as jsonb) where id = :id",
            id=conversation_id, changes=as_json(changes),
        )  # fmt: skip


def _conversation(row: RowMapping) -> ConversationRecord:
    return ConversationRecord(
        id=str(row["id"]), lead_id=str(row["lead_id"]), channel=row["channel"], line=row["line"], owner=row["owner"],
        epoch=row["epoch"], owner_changed_at=row["owner_changed_at"], owner_reason=row["owner_reason"],
        desk_contact_id=row["desk_contact_id"], desk_conversation_id=row["desk_conversation_id"],
        desk_last_message_id=row["desk_last_message_id"], wake_at=row["wake_at"], wake_seq=row["wake_seq"],
        last_inbound_at=row["last_inbound_at"], last_outbound_at=row["last_outbound_at"],
        handed_off_at=row["handed_off_at"], state=row["state"], created_at=row["created_at"],
    )  # fmt: skip
