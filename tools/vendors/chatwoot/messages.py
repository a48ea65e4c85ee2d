"""Who wrote a Chatwoot message, and what it means for us: shared by webhooks and the reconciliation poll."""

from __future__ import annotations

import re
from collections.abc import Container
from datetime import UTC, datetime
from typing import Any

from pydantic import Field

from knowledge.domain.brazil import phone_e164
from knowledge.domain.conversation import EventKind, InboundEvent
from knowledge.domain.lead import Identity
from tools.payload import Payload, as_object, epoch

KEY_ATTRIBUTE = "ceo_key"
"""In `content_attributes` of every message we write: how a later look finds it, and how its echo is known."""
SOURCE_PREFIX = "ceo:"
"""Begins the `source_id` of what we write, for servers that drop unknown content attributes."""

_DIRECTION = {"0": "incoming", "1": "outgoing", "2": "activity", "3": "template"}
_MEDIA = {"audio": "audio", "image": "image", "video": "video", "file": "document"}


class Message(Payload):
    """One message, from a webhook (type as word, time as ISO) or from the API (type as number, time as epoch)."""

    id: str
    content: str | None = None
    message_type: str
    private: bool | None = None
    source_id: str | None = None
    created_at: str | float | None = None
    sender: dict[str, Any] | None = None
    sender_type: str | None = None
    status: str | None = None
    content_attributes: Any = None
    additional_attributes: Any = None
    attachments: list[Any] | None = None
    echo_id: str | None = None

    @property
    def direction(self) -> str:
        """incoming | outgoing | activity | template, or the vendor's own word when it is none of them."""
        return _DIRECTION.get(self.message_type, self.message_type)

    @property
    def key(self) -> str | None:
        """The action key under which we wrote it, or None."""
        marked = as_object(self.content_attributes).get(KEY_ATTRIBUTE)
        if isinstance(marked, str) and marked:
            return marked
        if self.source_id and self.source_id.startswith(SOURCE_PREFIX):
            return self.source_id.removeprefix(SOURCE_PREFIX)
        return None

    @property
    def author(self) -> str | None:
        """user | agent_bot | contact | None. The API says it in `sender_type` too ("AgentBot"); a lead's sender has no type."""
        kind = as_object(self.sender).get("type") or self.sender_type
        return {"User": "user", "AgentBot": "agent_bot", "Contact": "contact"}.get(str(kind), str(kind)) if kind else None


class Contact(Payload):
    """The lead as Chatwoot knows it."""

    id: str | None = None
    name: str | None = None
    phone_number: str | None = None
    identifier: str | None = None


class ConversationRef(Payload):
    """A conversation's display id and what surrounds it."""

    id: str = Field(min_length=1)
    status: str | None = None
    meta: Any = None

    @property
    def contact(self) -> Contact:
        """The lead, from `meta.sender`."""
        return Contact.model_validate(as_object(as_object(self.meta).get("sender")))


COMMAND = re.compile(r"\s*/(?:bot\s+(?:on|off)|resumo)\s*", re.IGNORECASE)
"""What a salesperson types to us and nobody writes to a lead."""


def classify(message: Message, own_ids: Container[str]) -> tuple[EventKind, str | None]:
    """Kind of event, and for ignored ones why. The rule for a human is Chatwoot's own `human_response?`, minus what we wrote."""
    if message.key is not None or message.id in own_ids:
        return "echo", None
    if message.direction == "incoming":
        return "message", None
    if message.direction != "outgoing":
        return "ignored", message.direction
    if message.author == "agent_bot":
        return "echo", None
    if message.author == "user" and COMMAND.fullmatch(message.content or ""):
        return "command", None  # also where somebody forgot to make it a private note: the lead must not read it
    if message.private:
        command = message.author == "user" and (message.content or "").lstrip().startswith("/")
        return ("command", None) if command else ("ignored", "private_note")
    if as_object(message.content_attributes).get("automation_rule_id"):
        return "ignored", "automation"
    if as_object(message.additional_attributes).get("campaign_id"):
        return "ignored", "campaign"
    if message.author == "user" or as_object(message.content_attributes).get("external_echo"):
        return "human_message", None
    return "ignored", "no_author"


def to_event(
    message: Message, conversation: str, contact: Contact, dedupe: str, own_ids: Container[str], **more: Any
) -> InboundEvent:
    """The message as an event. Commands carry data["command"] ("bot") and data["args"] (["on"])."""
    kind, reason = classify(message, own_ids)
    data: dict[str, Any] = {"direction": message.direction, "private": bool(message.private), **more}
    if reason:
        data["reason"] = reason
    if message.key:
        data["key"] = message.key
    if message.status:
        data["status"] = message.status
    if contact.identifier:
        data["contact_identifier"] = contact.identifier
    if kind == "command":
        head, *args = (message.content or "").strip().lstrip("/").split() or [""]
        data |= {"command": head.casefold(), "args": [arg.casefold() for arg in args], "by": as_object(message.sender).get("name")}
    elif kind == "human_message":
        data["by"] = as_object(message.sender).get("name")
    media = [item for item in map(_attachment, message.attachments or []) if item]
    if len(media) > 1:
        data["attachments"] = media
    # The text of a private note or a command stays out of `text`: nothing that relays `text` to the lead may ever find it there.
    text = None if message.private or kind == "command" else (message.content or None)
    return InboundEvent(
        source="chatwoot", kind=kind, dedupe=dedupe, identities=identities(contact), channel_conversation=conversation,
        external_id=message.id, text=text, display_name=contact.name or None, sent_at=moment(message.created_at),
        media=media[0] if media else None, data=data,
    )  # fmt: skip


def identities(contact: Contact) -> tuple[Identity, ...]:
    """The contact's id and its phone, if they are known."""
    found: list[Identity] = []
    if contact.id:
        found.append(Identity(kind="chatwoot_contact", value=contact.id))
    if contact.phone_number and (phone := phone_e164(contact.phone_number, international=True)):
        found.append(Identity(kind="phone_e164", value=phone))
    return tuple(found)


def moment(value: Any) -> datetime | None:
    """A moment from ISO text or epoch seconds; None when it is neither."""
    if isinstance(value, str) and not value.replace(".", "", 1).isdigit():
        try:
            found = datetime.fromisoformat(value)
            return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            return None
    return epoch(value)


def _attachment(raw: Any) -> dict[str, Any] | None:
    part = as_object(raw)
    kind = _MEDIA.get(str(part.get("file_type")))
    if kind is None:
        return None
    media = {"kind": kind, "url": part.get("data_url"), "mime": part.get("content_type"), "size": part.get("file_size")}
    return {name: value for name, value in media.items() if value is not None}
