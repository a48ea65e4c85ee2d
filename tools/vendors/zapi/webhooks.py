"""Z-API webhooks to events. Source: developer.z-api.io, docs of 2026-04."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field

from knowledge.domain.brazil import phone_e164, same_phone
from knowledge.domain.conversation import EventKind, InboundEvent
from knowledge.domain.lead import Identity
from tools.payload import Payload, as_object, digest, epoch, load_object

_STATUSES = {"SENT": "sent", "RECEIVED": "delivered", "READ": "read", "PLAYED": "played"}
_MEDIA = {"audio": "audioUrl", "image": "imageUrl", "video": "videoUrl", "document": "documentUrl"}
_QUIET = ("reaction", "sticker", "pinMessage", "pollVote", "eventResponse")
"""Content that asks for no answer; answering a thumbs-up with an error text is a classic."""


class _Callback(Payload):
    """What all callbacks share."""

    type: str = Field(min_length=1)
    instance: str = Field(alias="instanceId", min_length=1)
    phone: str | None = None
    momment: float | None = None  # sic: the vendor's spelling


class _Received(_Callback):
    message_id: str | None = Field(default=None, alias="messageId")
    from_me: bool | None = Field(default=None, alias="fromMe")
    from_api: bool | None = Field(default=None, alias="fromApi")
    is_group: bool | None = Field(default=None, alias="isGroup")
    is_newsletter: bool | None = Field(default=None, alias="isNewsletter")
    is_status_reply: bool | None = Field(default=None, alias="isStatusReply")
    broadcast: bool | None = None
    is_edit: bool | None = Field(default=None, alias="isEdit")
    waiting: bool | None = Field(default=None, alias="waitingMessage")
    chat_lid: str | None = Field(default=None, alias="chatLid")
    connected_phone: str | None = Field(default=None, alias="connectedPhone")
    sender_lid: str | None = Field(default=None, alias="senderLid")
    chat_name: str | None = Field(default=None, alias="chatName")
    sender_name: str | None = Field(default=None, alias="senderName")
    notification: str | None = None
    reference: str | None = Field(default=None, alias="referenceMessageId")
    forwarded: bool | None = None


class _Delivery(_Callback):
    message_id: str | None = Field(default=None, alias="messageId")
    zaap_id: str | None = Field(default=None, alias="zaapId")
    error: str | None = None


class _Status(_Callback):
    status: str = Field(min_length=1)
    ids: list[str] = Field(min_length=1)
    is_group: bool | None = Field(default=None, alias="isGroup")


class ZApiWebhooks:
    """One instance's webhooks. Z-API signs nothing: an unguessable token in our path and the instance id are all there is.

    `media` of an event: kind audio|image|video|document with url (lives 30 days), mime, and where given voice, seconds, filename,
    view_once, error; or kind location, contact, order with its facts. `data`: edit, reply_to, choice, ad {sourceId, ctwaClid, ...},
    wa_id. Where WhatsApp spells a phone otherwise than E.164 (no ninth digit), a wa_id identity keeps that spelling.
    """

    def __init__(self, path_token: str | None, instance_id: str) -> None:
        if not instance_id:
            raise ValueError("instance_id: empty; take it from the Z-API panel")
        self._token = path_token
        self._instance = instance_id

    def verify(self, raw: bytes, headers: Mapping[str, str], path_token: str | None) -> bool:
        """Whether our path token was used and the body names our instance. False when no token is configured."""
        if not self._token or not path_token or not hmac.compare_digest(self._token.encode(), path_token.encode()):
            return False
        try:
            instance = load_object(raw).get("instanceId")
        except ValueError:
            return False
        return isinstance(instance, str) and hmac.compare_digest(instance.encode(), self._instance.encode())

    def parse(self, raw: bytes) -> Sequence[InboundEvent]:
        """The payload's events: one, or one per id of a status list. A type we do not know is an ignored event, never an error.

        Raises ValueError naming the field (and never its value) when the payload is not this instance's.
        """
        body = load_object(raw)
        callback = _Callback.model_validate(body)
        if callback.instance != self._instance:
            raise ValueError("instanceId: another instance's webhook")
        match callback.type:
            case "ReceivedCallback":
                return [self._received(_Received.model_validate(body), body, raw)]
            case "DeliveryCallback":
                return [self._delivery(_Delivery.model_validate(body), raw)]
            case "MessageStatusCallback":
                return self._statuses(_Status.model_validate(body))
            case "ConnectedCallback" | "DisconnectedCallback":
                connected = callback.type == "ConnectedCallback"
                data = {"type": callback.type, "connected": connected, "error": body.get("error")}
                return [self._other("system", callback, raw, data)]
            case _:
                return [self._other("ignored", callback, raw, {"type": callback.type})]

    def _other(self, kind: EventKind, callback: _Callback, raw: bytes, data: dict[str, Any]) -> InboundEvent:
        return InboundEvent(
            source="zapi", kind=kind, dedupe=self._key(callback.type, digest(raw)), sent_at=epoch(callback.momment), data=data
        )

    def _key(self, *parts: str) -> str:
        return ":".join(("zapi", self._instance, *parts))

    # ---- statuses
    def _delivery(self, delivery: _Delivery, raw: bytes) -> InboundEvent:
        if not delivery.message_id:
            return self._other("ignored", delivery, raw, {"type": delivery.type, "error": delivery.error})
        status = "failed" if delivery.error else "sent"
        return InboundEvent(
            source="zapi", kind="status", dedupe=self._key("delivery", delivery.message_id, status),
            identities=_identities(delivery.phone), external_id=delivery.message_id, sent_at=epoch(delivery.momment),
            data={"status": status, "error": delivery.error, "zaap_id": delivery.zaap_id},
        )  # fmt: skip

    def _statuses(self, callback: _Status) -> list[InboundEvent]:
        # READ_BY_ME is our own phone reading the lead; taking it for the lead's reading is a known mistake.
        status = None if callback.is_group else _STATUSES.get(callback.status)
        return [
            InboundEvent(
                source="zapi", kind="status" if status else "ignored", dedupe=self._key("status", message_id, callback.status),
                identities=_identities(callback.phone), external_id=message_id, sent_at=epoch(callback.momment),
                data={"status": status} if status else {"type": callback.type, "reason": callback.status},
            )
            for message_id in dict.fromkeys(callback.ids) if message_id
        ]  # fmt: skip

    # ---- messages
    def _received(self, message: _Received, body: dict[str, Any], raw: bytes) -> InboundEvent:
        content = _content(body)
        mine, by_api = bool(message.from_me), bool(message.from_api)
        reason = _why_ignored(message, body, content)
        kind: EventKind
        if reason is not None:
            kind = "ignored"
        elif message.notification:
            kind = "system"
        elif mine:
            kind = "echo" if by_api else "human_message"
        else:
            kind = "message"
        data = dict(content.data) if kind not in ("ignored", "system") else {}
        if reason is not None:
            data["reason"] = reason
        if message.notification:
            data["notification"] = message.notification
        for name, value in (("edit", message.is_edit), ("forwarded", message.forwarded), ("reply_to", message.reference)):
            if value:
                data[name] = value
        ad = as_object(body.get("externalAdReply"))
        if ad:
            data["ad"] = {key: value for key, value in ad.items() if isinstance(value, str | int) and value != ""}
        # A notification about ourselves (profile, labels) names our own phone: no lead is to be made of it.
        personal = kind in ("message", "echo", "human_message") or (kind == "system" and not mine)
        if personal and message.phone and not message.phone.endswith("@lid"):
            data["wa_id"] = message.phone
        return InboundEvent(
            source="zapi", kind=kind, dedupe=self._message_key(message, content, raw),
            identities=_identities(message.phone, message.chat_lid, None if mine else message.sender_lid) if personal else (),
            external_id=message.message_id, text=content.text if personal else None, display_name=_name(message, mine),
            sent_at=epoch(message.momment), media=content.media if personal else None, data=data,
        )  # fmt: skip

    def _message_key(self, message: _Received, content: _Content, raw: bytes) -> str:
        if not message.message_id:
            return self._key("received", digest(raw))
        # The same id returns with isEdit and after waitingMessage; several edits of one message differ by their text only.
        edit = f"edit-{digest(content.text or '')}" if message.is_edit else "new"
        return self._key("received", message.message_id, edit, "waiting" if message.waiting else "whole")


class _Content:
    """What was said, whatever its wrapper."""

    def __init__(self, text: str | None = None, media: dict[str, Any] | None = None, **data: Any) -> None:
        self.text = text if text and text.strip() else None
        self.media = media
        self.data: dict[str, Any] = {name: value for name, value in data.items() if value is not None}

    def __bool__(self) -> bool:
        return bool(self.text or self.media or self.data)


def _content(body: dict[str, Any]) -> _Content:
    for kind, url in _MEDIA.items():
        part = as_object(body.get(kind))
        if part:
            return _Content(_text(part, "caption"), _media(kind, part, url))
    for wrapper, choice in (("buttonsResponseMessage", "buttonId"), ("listResponseMessage", "selectedRowId")):
        part = as_object(body.get(wrapper))
        if part:
            return _Content(_text(part, "message") or _text(part, "title"), choice=_text(part, choice))
    text = as_object(body.get("text"))
    if text:
        return _Content(_text(text, "message"))
    location = as_object(body.get("location"))
    if location:
        return _Content(
            None, {"kind": "location"} | {key: location.get(key) for key in ("latitude", "longitude", "name", "address")}
        )
    contact = as_object(body.get("contact"))
    if contact:
        return _Content(None, {"kind": "contact", "name": contact.get("displayName"), "phones": contact.get("phones")})
    order = as_object(body.get("order"))
    if order:
        kept = {key: order.get(key) for key in ("orderId", "itemCount", "currency", "products")}
        return _Content(_text(order, "message"), {"kind": "order", **kept})
    for wrapper, key in (("hydratedTemplate", "message"), ("buttonsMessage", "message"), ("carouselMessage", "text")):
        part = as_object(body.get(wrapper))
        if part:
            return _Content(_text(part, key))
    return _Content()


def _text(part: dict[str, Any], key: str) -> str | None:
    value = part.get(key)
    return value if isinstance(value, str) and value else None


def _media(kind: str, part: dict[str, Any], url: str) -> dict[str, Any]:
    media: dict[str, Any] = {"kind": kind, "url": _text(part, url), "mime": _text(part, "mimeType")}
    known = {"voice": part.get("ptt"), "seconds": part.get("seconds"), "filename": part.get("fileName")}
    known |= {"view_once": part.get("viewOnce"), "error": part.get("downloadError")}
    return media | {name: value for name, value in known.items() if value is not None}


Ignored = Literal["group", "newsletter", "broadcast", "status", "waiting_message", "unsupported_content"] | str


def _why_ignored(message: _Received, body: dict[str, Any], content: _Content) -> Ignored | None:
    phone = message.phone or ""
    if message.is_group or phone.endswith("-group") or phone.endswith("@g.us"):
        return "group"
    if message.is_newsletter or phone.endswith("@newsletter"):
        return "newsletter"
    if message.is_status_reply or phone.startswith("status@"):
        return "status"
    if message.broadcast or phone.endswith(("-broadcast", "@broadcast")):
        return "broadcast"
    if message.notification:
        return None
    if message.from_me and not message.from_api and same_phone(phone, message.connected_phone or ""):
        return "own_number"  # notes that a colleague writes to the line itself
    if message.waiting:
        return "waiting_message"  # the decrypted text follows under the same id
    quiet = next((name for name in _QUIET if body.get(name)), None)
    if quiet:
        return quiet
    if not content:
        return "unsupported_content"
    return None if _identities(message.phone, message.chat_lid) else "no_identity"


def _identities(phone: str | None, *lids: str | None) -> tuple[Identity, ...]:
    found: dict[Identity, None] = {}
    for value in (phone, *lids):
        if value and value.endswith("@lid"):
            found[Identity(kind="lid", value=value)] = None
        elif value and value is phone and (normal := phone_e164(value, international=True)):
            found[Identity(kind="phone_e164", value=normal)] = None
            if value != normal.removeprefix("+"):
                found[Identity(kind="wa_id", value=value)] = None
    return tuple(found)


def _name(message: _Received, mine: bool) -> str | None:
    name = message.chat_name if mine else message.sender_name or message.chat_name
    if not name or not any(char.isalpha() for char in name):
        return None  # Z-API repeats the number where it knows no name
    return name.strip()
