"""The lines of a conversation, numbered in the order in which we learnt of them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import RowMapping

from knowledge.domain.conversation import Turn
from runtime.db.repository import Repository, as_json, is_id, new_id

Author = Literal["lead", "bot", "human", "system"]


@dataclass(frozen=True)
class MessageRecord:
    """One message. `seq` is 1, 2, 3… within its conversation; `handled_at` is set when a turn took it in."""

    id: str
    conversation_id: str
    seq: int
    direction: Literal["in", "out"]
    author: Author
    body: str | None
    media: dict[str, Any] | None
    external_id: str | None
    desk_message_id: str | None
    status: str
    sent_at: datetime | None
    created_at: datetime
    handled_at: datetime | None
    action_id: str | None
    webhook_event_id: str | None


class Messages(Repository):
    """Table messages."""

    async def append(
        self,
        conversation_id: str,
        *,
        direction: Literal["in", "out"],
        author: Author,
        body: str | None,
        at: datetime,
        status: str,
        external_id: str | None = None,
        media: dict[str, Any] | None = None,
        desk_message_id: str | None = None,
        sent_at: datetime | None = None,
        action_id: str | None = None,
        webhook_event_id: str | None = None,
    ) -> MessageRecord | None:
        """Adds a line under the next number; None when this external id is already in the conversation.

        Holds the conversation's row until the errand ends, so numbers have no gaps. Raises LookupError when there is no such
        conversation.
        """
        held = await self.one("select next_seq from conversations where id = :id for update", id=conversation_id)
        if held is None:
            raise LookupError(f"conversation {conversation_id}: no such row")
        row = await self.one(
            """insert into messages (id, conversation_id, seq, direction, author, body, media, external_id, desk_message_id,
                 status, sent_at, created_at, action_id, webhook_event_id)
               values (:id, :conversation, :seq, :direction, :author, :body, :media, :external, :desk, :status, :sent, :at,
                 :action, :webhook)
               on conflict (conversation_id, external_id) do nothing returning *""",
            id=new_id(), conversation=conversation_id, seq=held["next_seq"], direction=direction, author=author, body=body,
            media=None if media is None else as_json(media), external=external_id, desk=desk_message_id, status=status,
            sent=sent_at, at=at, action=action_id, webhook=webhook_event_id,
        )  # fmt: skip
        if row is None:
            return None
        clock = "last_inbound_at" if direction == "in" else "last_outbound_at"
        await self.run(
            f"update conversations set next_seq = next_seq + 1, {clock} = greatest({clock}, :at) where id = :id",
            id=conversation_id, at=sent_at or at,
        )  # fmt: skip
        return _message(row)

    async def get(self, message_id: str) -> MessageRecord | None:
        if not is_id(message_id):
            return None
        row = await self.one("select * from messages where id = :id", id=message_id)
        return None if row is None else _message(row)

    async def by_external(self, external_id: str) -> MessageRecord | None:
        """Found by the vendor's message id (statuses and echoes name only that)."""
        row = await self.one("select * from messages where external_id = :id order by created_at limit 1", id=external_id)
        return None if row is None else _message(row)

    async def by_desk(self, desk_message_id: str) -> MessageRecord | None:
        """Found by the desk's message id."""
        row = await self.one("select * from messages where desk_message_id = :id order by created_at limit 1", id=desk_message_id)
        return None if row is None else _message(row)

    async def list(self, conversation_id: str, *, after_seq: int = 0, limit: int = 200) -> list[MessageRecord]:
        """The last `limit` lines after a number, in order."""
        rows = await self.all(
            """select * from (select * from messages where conversation_id = :id and seq > :after order by seq desc limit :limit) m
               order by seq""",
            id=conversation_id, after=after_seq, limit=limit,
        )  # fmt: skip
        return [_message(row) for row in rows]

    async def unhandled(self, conversation_id: str) -> list[MessageRecord]:
        """What the lead wrote and no turn has taken in yet, in order."""
        rows = await self.all(
            "select * from messages where conversation_id = :id and direction = 'in' and handled_at is null order by seq",
            id=conversation_id,
        )  # fmt: skip
        return [_message(row) for row in rows]

    async def unmirrored(self, conversation_id: str) -> list[MessageRecord]:
        """Lines of people and of the bot that the desk has no copy of yet, in order."""
        rows = await self.all(
            """select * from messages where conversation_id = :id and desk_message_id is null and author <> 'system'
               order by seq""",
            id=conversation_id,
        )
        return [_message(row) for row in rows]

    async def mark_handled(self, conversation_id: str, *, up_to_seq: int, at: datetime) -> int:
        """Marks the incoming lines up to a number as taken in; how many there were."""
        return await self.run(
            """update messages set handled_at = :at
               where conversation_id = :id and direction = 'in' and handled_at is null and seq <= :seq""",
            id=conversation_id, seq=up_to_seq, at=at,
        )  # fmt: skip

    async def set_status(self, message_id: str, status: str, *, external_id: str | None = None) -> bool:
        """Writes a delivery status; an external id once known is kept."""
        return await self.once(
            "update messages set status = :status, external_id = coalesce(external_id, :external) where id = :id",
            id=message_id, status=status, external=external_id,
        )  # fmt: skip

    async def delivered(self, external_id: str, status: str) -> int:
        """Writes what the channel says of a message of ours; a read message does not become merely delivered again."""
        return await self.run(
            """update messages set status = :status where external_id = :id and direction = 'out'
                 and coalesce(array_position(cast(:order as text[]), status), 0)
                     <= coalesce(array_position(cast(:order as text[]), :status), 99)""",
            id=external_id, status=status, order=["sent", "delivered", "read", "played"],
        )  # fmt: skip

    async def edit(self, message_id: str, body: str) -> bool:
        """The lead edited or deleted a line: the new text."""
        return await self.once("update messages set body = :body where id = :id", id=message_id, body=body)

    async def mirrored(self, message_id: str, desk_message_id: str) -> bool:
        """The desk's id of the copy."""
        return await self.once("update messages set desk_message_id = :desk where id = :id", id=message_id, desk=desk_message_id)

    async def turns(self, conversation_id: str, *, limit: int = 40, without: Collection[str] = ()) -> list[Turn]:
        """The last lines as a model sees them. Lines of the system, lines without text and the ids `without` are left out."""
        return [
            Turn(author=message.author, text=message.body, at=message.sent_at or message.created_at)
            for message in await self.list(conversation_id, limit=limit)
            if message.author != "system" and message.body and message.id not in without
        ]


def _message(row: RowMapping) -> MessageRecord:
    return MessageRecord(
        id=str(row["id"]), conversation_id=str(row["conversation_id"]), seq=row["seq"], direction=row["direction"],
        author=row["author"], body=row["body"], media=row["media"], external_id=row["external_id"],
        desk_message_id=row["desk_message_id"], status=row["status"], sent_at=row["sent_at"], created_at=row["created_at"],
        handled_at=row["handled_at"], action_id=None if row["action_id"] is None else str(row["action_id"]),
        webhook_event_id=None if row["webhook_event_id"] is None else str(row["webhook_event_id"]),
    )  # fmt: skip
