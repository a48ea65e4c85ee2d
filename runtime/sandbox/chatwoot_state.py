"""The state behind Chatwoot's twin (server 4.15): contacts, conversations, messages, and the webhooks that tell of them.

One account, one API-channel inbox with an active agent bot. Conversation ids are display ids. Webhooks caused by API calls leave
at the next step of simulated time (as the real ones leave from a background job); those by people in the panel leave at once.
`X-Chatwoot-Timestamp` is SIMULATED time: a receiver with a replay window must judge it by the same clock.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from runtime.sandbox.twin_state import state_of
from runtime.sandbox.world import Fault, World

ACCOUNT_ID = 1
ACCOUNT_NAME = "Cozinha Forte Equipamentos"
INBOX_ID = 3
INBOX_NAME = "WhatsApp (API)"
USER_TOKEN = "sandbox-user-token"
BOT_TOKEN = "sandbox-bot-token"
SENDERS = ("chatwoot", "chatwoot_inbox", "chatwoot_bot")
"""Webhook targets: account webhook, API-inbox webhook_url, agent-bot outgoing_url. One event reaches each that is registered."""

USERS: dict[int, dict[str, Any]] = {
    7: {"id": 7, "name": "Helena Prado", "email": "helena@cozinhaforte.example", "type": "user"},
    8: {"id": 8, "name": "Caio Menezes", "email": "caio@cozinhaforte.example", "type": "user"},
}
TEAMS: dict[int, dict[str, Any]] = {2: {"id": 2, "name": "vendas", "description": "Vendas consultivas"}}
BOT: dict[str, Any] = {"id": 4, "name": "Assistente", "type": "agent_bot"}
MESSAGE_TYPES = {"incoming": 0, "outgoing": 1, "activity": 2, "template": 3}


@dataclass
class Contact:
    id: int
    name: str
    created_at: datetime
    email: str | None = None
    phone_number: str | None = None
    identifier: str | None = None
    blocked: bool = False
    additional_attributes: dict[str, Any] = field(default_factory=dict)
    custom_attributes: dict[str, Any] = field(default_factory=dict)
    labels: list[str] = field(default_factory=list)
    sources: dict[int, str] = field(default_factory=dict)


@dataclass
class Message:
    id: int
    conversation_id: int
    content: str | None
    message_type: str
    created_at: datetime
    private: bool = False
    sender: dict[str, Any] | None = None
    source_id: str | None = None
    status: str = "sent"
    content_type: str = "text"
    content_attributes: dict[str, Any] = field(default_factory=dict)
    additional_attributes: dict[str, Any] = field(default_factory=dict)
    attachments: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Conversation:
    id: int
    contact_id: int
    inbox_id: int
    created_at: datetime
    updated_at: datetime
    status: str = "pending"
    assignee: dict[str, Any] | None = None
    team: dict[str, Any] | None = None
    priority: str | None = None
    labels: list[str] = field(default_factory=list)
    custom_attributes: dict[str, Any] = field(default_factory=dict)
    additional_attributes: dict[str, Any] = field(default_factory=dict)
    waiting_since: datetime | None = None
    first_reply_at: datetime | None = None
    unread: int = 0
    snoozed_until: int | None = None


Listener = Callable[[str, Conversation, Message | None], Awaitable[None]]


class Invalid(Exception):
    """A model validation failed: answered as 422 {"message", "attributes"}."""

    def __init__(self, message: str, attributes: list[str]) -> None:
        super().__init__(message)
        self.message, self.attributes = message, attributes


class Chatwoot:
    """The account's state. Listeners (the salesperson persona) hear every event as (event, conversation, message)."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.base_url = "http://chatwoot.invalid"
        self.bot_active = True
        self.contacts: dict[int, Contact] = {}
        self.conversations: dict[int, Conversation] = {}
        self.messages: dict[int, Message] = {}
        self.labels: set[str] = set()
        self.blobs: dict[int, tuple[str, str, bytes]] = {}
        self.listeners: list[Listener] = []

    # ---- writing
    def add_contact(self, inbox_id: int | None, source_id: str | None, **fields: Any) -> Contact:
        """Makes a contact, with its key in the inbox if one is given. Raises Invalid on a bad or taken phone, e-mail or id."""
        self.validate_contact(fields, None)
        name = fields.pop("name", None) or fields.get("phone_number") or "Visitante"
        contact = Contact(self.world.next_id("chatwoot_contact", 50), name, self.world.now, **fields)
        self.contacts[contact.id] = contact
        if inbox_id is not None:
            contact.sources[inbox_id] = source_id or self.key("source", contact.id)
        self.world.record("chatwoot", "contact.create", str(contact.id), key=contact.identifier, phone=contact.phone_number)
        return contact

    def validate_contact(self, fields: dict[str, Any], me: int | None) -> None:
        """The model's rules: phone in E.164 with a plus; phone, e-mail and identifier unique in the account."""
        phone = fields.get("phone_number")
        if phone and not (phone.startswith("+") and phone[1:].isdigit() and 2 <= len(phone) - 1 <= 15 and phone[1] != "0"):
            raise Invalid("Phone number should be in e164 format", ["phone_number"])
        for name, label in (("phone_number", "Phone number"), ("email", "Email"), ("identifier", "Identifier")):
            value = fields.get(name)
            if value and any(getattr(other, name) == value and other.id != me for other in self.contacts.values()):
                raise Invalid(f"{label} has already been taken", [name])

    def add_conversation(self, contact: Contact, inbox_id: int, status: str | None, **fields: Any) -> Conversation:
        """Opens a conversation: pending while a bot serves the inbox, unless a status is asked for."""
        now = self.world.now
        conversation = Conversation(self.world.next_id("chatwoot_conversation", 16), contact.id, inbox_id, now, now, **fields)
        conversation.status = status or ("pending" if self.bot_active else "open")
        self.conversations[conversation.id] = conversation
        self.world.record("chatwoot", "conversation.create", str(conversation.id), contact_id=contact.id)
        self.announce("conversation_created", conversation)
        return conversation

    async def add_message(
        self,
        conversation: Conversation,
        content: str | None,
        message_type: str,
        sender: dict[str, Any] | None,
        *,
        at_once: bool = False,
        **fields: Any,
    ) -> Message:
        """Adds a message and tells of it. Raises Invalid beyond 200 messages a minute (the server's loop brake)."""
        now = self.world.now
        recent = [m for m in self.of_conversation(conversation.id) if m.created_at > now - timedelta(minutes=1)]
        if len(recent) >= 200:
            raise Invalid("Too many messages", ["base"])
        if content is not None and len(content) > 150_000:
            raise Invalid("Content is too long (maximum is 150000 characters)", ["content"])
        message = Message(
            self.world.next_id("chatwoot_message", 100), conversation.id, content, message_type, now, sender=sender, **fields
        )
        self.messages[message.id] = message
        conversation.updated_at = now
        if message_type == "incoming":
            conversation.unread += 1
            conversation.waiting_since = conversation.waiting_since or now
        elif not message.private:
            conversation.waiting_since, conversation.unread = None, 0
            conversation.first_reply_at = conversation.first_reply_at or now
        self.world.record(
            "chatwoot",
            "message.create",
            str(message.id),
            key=message.source_id,
            conversation_id=conversation.id,
            message_type=message_type,
            private=message.private,
            sender=(sender or {}).get("type", "contact"),
            content=content,
        )
        await self.emit("message_created", conversation, message, at_once=at_once)
        if message_type == "incoming" and conversation.status in ("resolved", "snoozed"):
            await self.set_status(
                conversation, "pending" if self.bot_active and conversation.status == "resolved" else "open", at_once=at_once
            )
        return message

    async def set_status(self, conversation: Conversation, status: str, *, at_once: bool = False) -> None:
        """Changes the status and tells of it, if it is a change."""
        if status == conversation.status:
            return
        before, conversation.status = conversation.status, status
        await self.changed("conversation_status_changed", conversation, {"status": (before, status)}, at_once=at_once)

    async def changed(
        self, event: str, conversation: Conversation, changes: dict[str, tuple[Any, Any]], *, at_once: bool = False
    ) -> None:
        """Tells of changed attributes (old, new)."""
        before, conversation.updated_at = conversation.updated_at, self.world.now
        changed = [{name: {"previous_value": old, "current_value": new}} for name, (old, new) in changes.items()]
        if event == "conversation_status_changed":
            changed.append({"updated_at": {"previous_value": iso(before), "current_value": iso(self.world.now)}})
        await self.emit(event, conversation, None, at_once=at_once, changed_attributes=changed)

    # ---- telling
    def announce(self, event: str, conversation: Conversation, message: Message | None = None, **more: Any) -> None:
        """Sends the event's webhooks at the next step of simulated time, with the payload as it is then."""

        async def leave() -> None:
            await self._deliver(event, conversation, message, more)

        self.world.at(self.world.now + timedelta(milliseconds=300), leave)

    async def emit(
        self, event: str, conversation: Conversation, message: Message | None, *, at_once: bool = False, **more: Any
    ) -> list[int]:
        """Tells listeners now, and webhooks now (`at_once`) or at the next step of simulated time."""
        for listener in self.listeners:
            await listener(event, conversation, message)
        if at_once:
            return await self._deliver(event, conversation, message, more)
        self.announce(event, conversation, message, **more)
        return []

    async def _deliver(self, event: str, conversation: Conversation, message: Message | None, more: dict[str, Any]) -> list[int]:
        if message is not None and message.message_type == "activity":
            return []
        payload = self.webhook_message(message) if message is not None else self.webhook_conversation(conversation)
        body = json.dumps({**payload, "event": event, **more}, ensure_ascii=False).encode()
        answers: list[int] = []
        for sender in SENDERS:
            if sender not in self.world.targets:
                continue
            status = await self._post(sender, body, self.key("delivery", self.world.next_id("chatwoot_delivery", 0)))
            answers.append(status)
            # the server marks a message of an API inbox as failed when the inbox's own webhook cannot be delivered
            if sender == "chatwoot_inbox" and status >= 300 and message is not None:
                message.status = "failed"
        return answers

    async def _post(self, sender: str, body: bytes, delivery: str, attempt: int = 1) -> int:
        """One signed delivery. Only the agent bot's is retried: on 429 and 500, three tries, 3 s apart; then the chat is opened."""
        target = self.world.targets[sender]
        headers = {"Content-Type": "application/json", "X-Chatwoot-Delivery": delivery}
        if target.secret:
            timestamp = str(int(self.world.now.timestamp()))
            headers["X-Chatwoot-Timestamp"] = timestamp
            headers["X-Chatwoot-Signature"] = signature(target.secret, timestamp, body)
        status = await self.world.deliver(sender, body, headers) or 599
        if sender == "chatwoot_bot" and status in (429, 500):

            async def again() -> None:
                await self._post(sender, body, delivery, attempt + 1)

            if attempt < 3:
                self.world.at(self.world.now + timedelta(seconds=3), again)
            else:
                payload = json.loads(body)
                conversation = self.conversations.get(payload.get("conversation", payload).get("id"))
                if conversation is not None and conversation.status == "pending":
                    await self.set_status(conversation, "open", at_once=True)
        return status

    # ---- reading
    def of_conversation(self, conversation_id: int) -> list[Message]:
        """A conversation's messages, oldest first."""
        return [m for m in self.messages.values() if m.conversation_id == conversation_id]

    def key(self, *parts: object) -> str:
        """A uuid that depends on the seed and the parts only."""
        return str(uuid.UUID(int=self.world.rng("chatwoot", *parts).getrandbits(128), version=4))

    # ---- webhook shapes
    def webhook_contact(self, contact: Contact) -> dict[str, Any]:
        """The sender of an incoming message: it has no `type`."""
        return {
            "account": {"id": ACCOUNT_ID, "name": ACCOUNT_NAME},
            "additional_attributes": contact.additional_attributes,
            "avatar": "",
            "custom_attributes": contact.custom_attributes,
            "email": contact.email,
            "id": contact.id,
            "identifier": contact.identifier,
            "name": contact.name,
            "phone_number": contact.phone_number,
            "thumbnail": "",
            "blocked": contact.blocked,
        }

    def webhook_message(self, message: Message) -> dict[str, Any]:
        """The payload of message_created and message_updated: `message_type` is a string, `created_at` ISO."""
        conversation = self.conversations[message.conversation_id]
        contact = self.contacts[conversation.contact_id]
        payload: dict[str, Any] = {
            "account": {"id": ACCOUNT_ID, "name": ACCOUNT_NAME},
            "additional_attributes": message.additional_attributes,
            "content_attributes": message.content_attributes,
            "content_type": message.content_type,
            "content": message.content,
            "conversation": self.webhook_conversation(conversation),
            "created_at": iso(message.created_at),
            "id": message.id,
            "inbox": {"id": conversation.inbox_id, "name": INBOX_NAME},
            "message_type": message.message_type,
            "private": message.private,
            "sender": self.webhook_contact(contact) if message.message_type == "incoming" else message.sender,
            "source_id": message.source_id,
        }
        if message.attachments:
            payload["attachments"] = message.attachments
        return payload

    def webhook_conversation(self, conversation: Conversation) -> dict[str, Any]:
        """As webhooks show it; `messages` holds the last chat message AT DELIVERY, its type an int, its time an epoch."""
        contact = self.contacts[conversation.contact_id]
        chat = [m for m in self.of_conversation(conversation.id) if m.message_type != "activity"]
        assignee = conversation.assignee
        return {
            "additional_attributes": conversation.additional_attributes,
            "can_reply": True,
            "channel": "Channel::Api",
            "contact_inbox": {
                "id": contact.id + 9,
                "contact_id": contact.id,
                "inbox_id": conversation.inbox_id,
                "source_id": contact.sources.get(conversation.inbox_id),
                "created_at": iso(contact.created_at),
                "updated_at": iso(contact.created_at),
                "hmac_verified": False,
                "pubsub_token": self.key("pubsub", contact.id),
            },
            "id": conversation.id,
            "inbox_id": conversation.inbox_id,
            "messages": [self.rest_message(m) for m in chat[-1:]],
            "labels": list(conversation.labels),
            "meta": {
                "sender": {**self._person(contact), "type": "contact"},
                "assignee": assignee,
                "assignee_type": None if assignee is None else "AgentBot" if assignee["type"] == "agent_bot" else "User",
                "team": conversation.team,
                "hmac_verified": False,
            },
            "status": conversation.status,
            "custom_attributes": conversation.custom_attributes,
            "snoozed_until": conversation.snoozed_until,
            "unread_count": conversation.unread,
            "first_reply_created_at": iso(conversation.first_reply_at) if conversation.first_reply_at else None,
            "priority": conversation.priority,
            "waiting_since": epoch(conversation.waiting_since),
            "agent_last_seen_at": 0,
            "contact_last_seen_at": 0,
            "last_activity_at": epoch(conversation.updated_at),
            "timestamp": epoch(conversation.updated_at),
            "created_at": epoch(conversation.created_at),
            "updated_at": conversation.updated_at.timestamp(),
            "account": {"id": ACCOUNT_ID, "name": ACCOUNT_NAME},
        }

    # ---- REST shapes
    def _person(self, contact: Contact) -> dict[str, Any]:
        return {
            "additional_attributes": contact.additional_attributes,
            "custom_attributes": contact.custom_attributes,
            "email": contact.email,
            "id": contact.id,
            "identifier": contact.identifier,
            "name": contact.name,
            "phone_number": contact.phone_number,
            "thumbnail": "",
            "blocked": contact.blocked,
        }

    def rest_contact(self, contact: Contact) -> dict[str, Any]:
        """A contact as the REST API shows it."""
        inboxes = [{"source_id": source, "inbox": inbox()} for source in contact.sources.values()]
        return {
            **self._person(contact),
            "availability_status": "offline",
            "created_at": epoch(contact.created_at),
            "last_activity_at": None,
            "contact_inboxes": inboxes,
        }

    def rest_message(self, message: Message) -> dict[str, Any]:
        """A message as the REST API shows it: `message_type` is an int, `created_at` an epoch."""
        conversation = self.conversations[message.conversation_id]
        contact = self.contacts[conversation.contact_id]
        sender = {**self._person(contact), "type": "contact"} if message.message_type == "incoming" else message.sender
        row: dict[str, Any] = {
            "id": message.id,
            "content": message.content,
            "inbox_id": conversation.inbox_id,
            "conversation_id": conversation.id,
            "account_id": ACCOUNT_ID,
            "message_type": MESSAGE_TYPES[message.message_type],
            "content_type": message.content_type,
            "status": message.status,
            "content_attributes": message.content_attributes,
            "created_at": epoch(message.created_at),
            "private": message.private,
            "source_id": message.source_id,
        }
        if sender is not None:
            row["sender"] = sender
        if message.attachments:
            row["attachments"] = message.attachments
        return row

    def rest_conversation(self, conversation: Conversation) -> dict[str, Any]:
        """A conversation as the REST API shows it."""
        shape = self.webhook_conversation(conversation)
        chat = [m for m in self.of_conversation(conversation.id) if m.message_type != "activity"]
        for name in ("channel", "contact_inbox", "account"):
            del shape[name]
        shape["meta"]["channel"] = "Channel::Api"
        shape["first_reply_created_at"] = epoch(conversation.first_reply_at)
        return {
            **shape,
            "account_id": ACCOUNT_ID,
            "uuid": self.key("conversation", conversation.id),
            "muted": False,
            "last_non_activity_message": self.rest_message(chat[-1]) if chat else None,
        }

    def book(self) -> dict[str, Any]:
        """Conversations with their status, owner and texts in order."""
        rows = []
        for conversation in self.conversations.values():
            lines = [
                {
                    "type": m.message_type,
                    "private": m.private,
                    "by": "lead" if m.message_type == "incoming" else (m.sender or {}).get("type", "none"),
                    "content": m.content,
                    "status": m.status,
                }
                for m in self.of_conversation(conversation.id)
            ]
            rows.append(
                {
                    "id": conversation.id,
                    "phone": self.contacts[conversation.contact_id].phone_number,
                    "status": conversation.status,
                    "assignee": (conversation.assignee or {}).get("name"),
                    "labels": conversation.labels,
                    "messages": lines,
                }
            )
        return {"contacts": len(self.contacts), "conversations": rows}


def inbox() -> dict[str, Any]:
    """The inbox as the REST API shows it."""
    return {"id": INBOX_ID, "avatar_url": "", "channel_id": 3, "name": INBOX_NAME, "channel_type": "Channel::Api", "provider": None}


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Chatwoot's webhook signature: HMAC-SHA256 over "{timestamp}.{raw body}"."""
    return "sha256=" + hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def iso(at: datetime) -> str:
    """Rails' ISO time with milliseconds and Z."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def epoch(at: datetime | None) -> int | None:
    """Whole seconds since 1970, or None."""
    return None if at is None else int(at.timestamp())


def fault_form(fault: Fault) -> tuple[int, dict[str, str], bytes]:
    """A planned fault in Chatwoot's words: status, headers, body (rack-attack answers in plain text)."""
    if fault.kind == "rate_limit":
        return 429, {"content-type": "text/plain", "retry-after": "60"}, b"Retry later\n"
    if fault.kind == "expired_token":
        return 401, {"content-type": "application/json"}, b'{"error": "Invalid Access Token"}'
    return 500, {"content-type": "application/json"}, b'{"status": 500, "error": "Internal Server Error"}'


def of(world: World) -> Chatwoot:
    """The Chatwoot state of a world, made on first use."""
    twin, fresh = state_of(world, Chatwoot)
    if fresh:
        world.book_sections["chatwoot"] = twin.book
        world.fault_forms["chatwoot"] = fault_form
    return twin
