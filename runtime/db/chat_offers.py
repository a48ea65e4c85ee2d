"""What the chat asked a person to confirm. Whether a yes counts is decided here, by the row, never by what a model remembers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from runtime.db.repository import Repository, as_json, new_id


@dataclass(frozen=True)
class Where:
    """Who is being asked, in which conversation, and by the answer to which message."""

    person: str
    conversation: str
    message: str


class ChatOffers(Repository):
    """Table chat_offers. At most one is open for a person in a conversation."""

    async def make(self, where: Where, plan: dict[str, Any], shown: str, *, at: datetime, expires_at: datetime) -> bool:
        """False, and nothing kept, when the person is being asked something else already."""
        return await self.once(
            """insert into chat_offers (id, person, conversation, message, plan, shown, made_at, expires_at)
               values (:id, :person, :conversation, :message, :plan, :shown, :at, :expires) on conflict do nothing""",
            id=new_id(), person=where.person, conversation=where.conversation, message=where.message, plan=as_json(plan),
            shown=shown, at=at, expires=expires_at,
        )  # fmt: skip

    async def take(self, where: Where, *, at: datetime) -> dict[str, Any] | None:
        """The plan that this message's yes is about, used up by this call; None when there is none or its time is over."""
        row = await self.one(
            """update chat_offers set closed_at = :at, ending = 'confirmed'
               where person = :person and conversation = :conversation and message <> :message and closed_at is null
                 and made_at <= :at and expires_at > :at returning plan""",
            person=where.person, conversation=where.conversation, message=where.message, at=at,
        )  # fmt: skip
        return None if row is None else dict(row["plan"])

    async def drop(self, where: Where, *, at: datetime) -> bool:
        """The person said something else, or no: what was asked is asked no more. False when nothing was."""
        return await self.once(
            """update chat_offers set closed_at = :at, ending = 'dropped'
               where person = :person and conversation = :conversation and message <> :message and closed_at is null""",
            person=where.person, conversation=where.conversation, message=where.message, at=at,
        )  # fmt: skip
