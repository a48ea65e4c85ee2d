"""Chatwoot webhooks to events. Source: Chatwoot 4.15.1 (message.rb, listeners, webhook signing of PR #13573)."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Container, Mapping, Sequence
from typing import Any

from pydantic import Field

from knowledge.domain.clock import Clock
from knowledge.domain.conversation import EventKind, InboundEvent, Owner
from tools.payload import Payload, as_object, digest, load_object
from tools.vendors.chatwoot.messages import ConversationRef, Message, identities, moment, to_event

REPLAY_WINDOW_SECONDS = 300
_OWNERS: dict[str, Owner] = {"pending": "bot", "open": "human", "snoozed": "human", "resolved": "closed"}


class _Account(Payload):
    id: str


class _Envelope(Payload):
    event: str = Field(min_length=1)
    account: _Account | None = None


class _MessageEnvelope(_Envelope):
    conversation: ConversationRef


class ChatwootWebhooks:
    """One account's webhooks: account webhook, API inbox and agent bot send the same payloads, each with its own secret.

    A message can therefore arrive three times; `dedupe` is (account, event, message id), never the delivery id. Servers before
    4.12 sign nothing: with `require_signature=False` an unguessable `path_token` takes the signature's place.
    """

    def __init__(
        self,
        secrets: Sequence[str],
        *,
        clock: Clock,
        account_id: str | None = None,
        require_signature: bool = True,
        path_token: str | None = None,
        own_message_ids: Container[str] = frozenset(),
    ) -> None:
        self._secrets = [secret.encode() for secret in secrets if secret]
        self._clock = clock
        self._account = account_id
        self._require = require_signature
        self._path_token = path_token
        self._own = own_message_ids

    def verify(self, raw: bytes, headers: Mapping[str, str], path_token: str | None) -> bool:
        """Whether one of our secrets signed "{timestamp}.{raw body}" less than five minutes ago. False without any secret."""
        named = {name.lower(): value for name, value in headers.items()}
        signature, stamp = named.get("x-chatwoot-signature"), named.get("x-chatwoot-timestamp")
        if signature is None and not self._require:
            expected = self._path_token
            return bool(expected and path_token and hmac.compare_digest(expected.encode(), path_token.encode()))
        if not signature or not stamp or not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
            return False
        if abs(self._clock.now().timestamp() - int(stamp)) > REPLAY_WINDOW_SECONDS:
            return False
        given = signature.encode("utf-8", "replace")
        matches = [hmac.compare_digest(given, _sign(secret, stamp, raw)) for secret in self._secrets]
        return any(matches)

    def parse(self, raw: bytes) -> Sequence[InboundEvent]:
        """The payload's one event. Events we do not use are ignored ones. Raises ValueError naming the field for a broken one."""
        body = load_object(raw)
        envelope = _Envelope.model_validate(body)
        account = envelope.account.id if envelope.account else None
        if self._account is not None and account is not None and account != self._account:
            raise ValueError("account.id: another account's webhook")
        account = account or self._account or "-"
        match envelope.event:
            case "message_created" | "message_updated":
                return [self._message(body, raw, account)]
            case "conversation_status_changed" | "conversation_opened" | "conversation_resolved" | "conversation_updated":
                return [_conversation(envelope.event, body, raw, account)]
            case event:
                return [_ignored(account, event, raw, event)]

    def _message(self, body: dict[str, Any], raw: bytes, account: str) -> InboundEvent:
        conversation = _MessageEnvelope.model_validate(body).conversation
        message = Message.model_validate(body)
        event = str(body["event"])
        if event == "message_updated":
            # Deliveries, deletions and transcriptions of messages that were told before: nobody is to answer those again.
            changed = ",".join(sorted(_changed(body))) or digest(raw)
            found = to_event(message, conversation.id, conversation.contact, "-", self._own, event=event)
            data = found.data | {"reason": "message_updated", "changed": sorted(_changed(body))}
            dedupe = ":".join(("chatwoot", account, event, message.id, changed, digest(raw)))
            return found.model_copy(update={"kind": "ignored", "dedupe": dedupe, "data": data})
        dedupe = message_dedupe(account, message.id)
        return to_event(message, conversation.id, conversation.contact, dedupe, self._own, conversation_status=conversation.status)


def message_dedupe(account: str, message_id: str) -> str:
    """The one name of a message, whichever sender or poll told us of it."""
    return f"chatwoot:{account}:message_created:{message_id}"


def _sign(secret: bytes, stamp: str, raw: bytes) -> bytes:
    return b"sha256=" + hmac.new(secret, stamp.encode() + b"." + raw, hashlib.sha256).hexdigest().encode()


def _changed(body: dict[str, Any]) -> dict[str, Any]:
    """changed_attributes as {name: current value}; the vendor sends a list of one-key objects, or nothing."""
    listed = body.get("changed_attributes")
    parts: list[Any] = listed if isinstance(listed, list) else [listed]  # pyright: ignore[reportUnknownVariableType]
    found: dict[str, Any] = {}
    for part in parts:
        for name, change in as_object(part).items():
            found[name] = as_object(change).get("current_value")
    return found


def _conversation(event: str, body: dict[str, Any], raw: bytes, account: str) -> InboundEvent:
    conversation = ConversationRef.model_validate(body)
    changed = _changed(body)
    kind: EventKind = "ignored"
    data: dict[str, Any] = {"event": event, "status": conversation.status, "changed": sorted(changed)}
    owner: Owner | None = None
    if event == "conversation_updated":
        # Fires for labels, attributes and waiting times too; only a new assignee says who owns the conversation.
        if any(name.startswith("assignee") for name in changed):
            meta = as_object(conversation.meta)
            assignee = as_object(meta.get("assignee"))
            if assignee:
                owner = "bot" if meta.get("assignee_type") == "AgentBot" else "human"
                data["assignee"] = str(assignee.get("id"))
    else:
        owner = _OWNERS.get(conversation.status or "")
    if owner is not None:
        kind, data["owner"] = "owner", owner
    else:
        data["reason"] = "no_owner_change"
    # The change's own time is the same in every copy of the event; the payload's is the moment of rendering.
    when = changed.get("updated_at") or digest(raw)
    contact = conversation.contact
    dedupe = ("chatwoot", account, event, conversation.id, ",".join(sorted(changed)), str(conversation.status), str(when))
    return InboundEvent(
        source="chatwoot", kind=kind, identities=identities(contact), channel_conversation=conversation.id, dedupe=":".join(dedupe),
        external_id=None, display_name=contact.name or None, sent_at=moment(body.get("updated_at")), data=data,
    )  # fmt: skip


def _ignored(account: str, event: str, raw: bytes, reason: str) -> InboundEvent:
    dedupe = f"chatwoot:{account}:{event}:{digest(raw)}"
    return InboundEvent(source="chatwoot", kind="ignored", dedupe=dedupe, data={"event": event, "reason": reason})
