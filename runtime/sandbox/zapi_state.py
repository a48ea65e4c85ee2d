"""The state behind Z-API's twin: an instance with a phone, its queue and its webhooks.

Wire facts: sends are answered when QUEUED (`zaapId, messageId, id`); what became of them comes later by DeliveryCallback and
MessageStatusCallback (`ids` is a list). `momment` (sic) is epoch milliseconds. Webhooks carry no signature. Differences from
the real service, on purpose: unknown body fields are refused (there they are ignored), and `http://` targets are accepted
(there only https).
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from runtime.sandbox.phone import canonical, plausible
from runtime.sandbox.twin_state import state_of
from runtime.sandbox.world import Fault, WebhookTarget, World

INSTANCE_ID = "SANDBOX0INSTANCE"
INSTANCE_TOKEN = "SANDBOX0TOKEN"
CLIENT_TOKEN = "sandbox-client-token"
CONNECTED_PHONE = "551140028922"
QUEUE_LIMIT = 1000


@dataclass
class Chat:
    """One WhatsApp chat. `phone` is WhatsApp's own spelling; `lid_only(n)` says whether the n-th message shows the LID instead."""

    key: str
    phone: str
    lid: str
    name: str
    lid_only: Callable[[int], bool] = lambda _: False
    exists: bool = True
    received: int = 0


@dataclass
class Message:
    """One message of a chat. `phone` is the chat's key: the canonical number, or a LID of unknown number.

    direction: in (lead) | out (API) | phone (a human on the connected phone).
    """

    id: str
    zaap_id: str
    phone: str
    direction: str
    kind: str
    text: str
    at: datetime
    status: str
    content: dict[str, Any] = field(default_factory=dict)
    reply_to: str | None = None
    edits: str | None = None


Listener = Callable[[Message], Awaitable[None]]


class Zapi:
    """The instance's state. Other parts of the sandbox (personas) listen to what reaches a chat and speak through `inbound`."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.connected = True
        self.notify_sent_by_me = True
        self.base_url: str | None = None
        self.chats: dict[str, Chat] = {}
        self.messages: list[Message] = []
        self.listeners: list[Listener] = []
        self.read: list[dict[str, str]] = []
        self.media: dict[str, tuple[bytes, str]] = {}
        self.duplicate = 0.0
        self.reorder = 0.0
        self._waiting: list[Message] = []
        self._free_at = world.now

    # ---- chats
    def chat(self, phone: str, name: str | None = None) -> Chat:
        """The chat of a phone (any spelling) or LID, made on first sight."""
        if phone.endswith("@lid"):
            known = next((chat for chat in self.chats.values() if chat.lid == phone), None)
            if known is not None:
                return known
            chat = Chat(phone, phone, phone, name or phone)
            self.chats[phone] = chat
            return chat
        key = canonical(phone)
        if key not in self.chats:
            lid = f"{self.world.rng('lid', key).randrange(10**13, 10**15)}@lid"
            self.chats[key] = Chat(key, phone, lid, name or phone)
        return self.chats[key]

    def register(self, phone: str, name: str, spelling: str | None = None, lid_only: Callable[[int], bool] | None = None) -> Chat:
        """Makes a persona's chat known: its spelling at WhatsApp and when it shows the LID only."""
        chat = self.chat(phone, name)
        chat.name, chat.phone = name, spelling or phone
        if lid_only is not None:
            chat.lid_only = lid_only
        return chat

    # ---- webhooks
    async def webhook(self, payload: dict[str, Any]) -> int | None:
        """Posts one payload to the target "zapi" (no signature: Z-API has none). Returns its status; None if it is late.

        `duplicate` and `reorder` are the shares of webhooks that come a second time, or only after later ones.
        """
        body = json.dumps(payload, ensure_ascii=False).encode()
        rng = self.world.rng("zapi", "webhook", self.world.next_id("zapi_webhook", 0))

        async def post() -> None:
            await self.world.deliver("zapi", body, {"Content-Type": "application/json"})

        if rng.random() < self.duplicate:
            self.world.at(self.world.now + timedelta(seconds=rng.uniform(1, 90)), post)
        if rng.random() < self.reorder:
            self.world.at(self.world.now + timedelta(seconds=rng.uniform(5, 60)), post)
            return None
        return await self.world.deliver("zapi", body, {"Content-Type": "application/json"})

    def _callback(self, kind: str, **rest: Any) -> dict[str, Any]:
        return {"type": kind, "instanceId": INSTANCE_ID, "momment": _millis(self.world.now), **rest}

    def _received(self, chat: Chat, message: Message, **more: Any) -> dict[str, Any]:
        show_lid = message.direction == "in" and chat.lid_only(chat.received)
        ours = message.direction != "in"
        payload: dict[str, Any] = {
            "isStatusReply": False,
            "chatLid": chat.lid,
            "connectedPhone": CONNECTED_PHONE,
            "waitingMessage": False,
            "isEdit": message.edits is not None,
            "isGroup": False,
            "isNewsletter": False,
            "instanceId": INSTANCE_ID,
            "messageId": message.edits or message.id,
            "phone": chat.lid if show_lid else chat.phone,
            "fromMe": ours,
            "momment": _millis(message.at),
            "status": "SENT" if ours else "RECEIVED",
            "chatName": chat.name,
            "senderPhoto": None,
            "senderName": "Vendas" if ours else chat.name,
            "photo": None,
            "broadcast": False,
            "participantLid": None,
            "forwarded": False,
            "type": "ReceivedCallback",
            "fromApi": message.direction == "out",
        }
        if message.reply_to:
            payload["referenceMessageId"] = message.reply_to
        payload.update(message.content)
        payload.update(more)
        return payload

    async def inbound(
        self,
        phone: str,
        text: str = "",
        *,
        kind: str = "text",
        at: datetime | None = None,
        message_id: str | None = None,
        direction: str = "in",
        content: dict[str, Any] | None = None,
        name: str | None = None,
        **more: Any,
    ) -> int | None:
        """Something is said in a chat by the lead ("in") or by a human on the connected phone ("phone"). Returns the status.

        `at` only stamps the message (out-of-order tests); delivery is at once. The same `message_id` twice is a redelivery.
        A human's own message is announced only under notifySentByMe, as the real service does.
        """
        chat = self.chat(phone, name)
        if direction == "in":
            chat.received += 1
        message = Message(
            message_id or self._message_id(),
            "",
            chat.key,
            direction,
            kind,
            text,
            at or self.world.now,
            "RECEIVED",
            content if content is not None else _content(kind, text, self.base_url),
        )
        if not any(known.id == message.id for known in self.messages) or more.get("isEdit"):
            self.messages.append(message)
        if direction == "phone":
            await self._tell(message)
            if not self.notify_sent_by_me:
                return None
        return await self.webhook(self._received(chat, message, **more))

    # ---- sends
    def queue(self, operation: str, phone: str, kind: str, text: str, content: dict[str, Any], body: dict[str, Any]) -> Message:
        """Accepts a send into the queue; it leaves 1-3 s later (plus the asked delays), one after another."""
        chat = self.chat(phone)
        message = Message(
            self._message_id(),
            self._message_id(),
            chat.key,
            "out",
            kind,
            text,
            self.world.now,
            "QUEUED",
            content,
            reply_to=body.get("messageId"),
            edits=body.get("editMessageId"),
        )
        self.messages.append(message)
        self.world.record("zapi", operation, message.id, phone=chat.phone, text=text, reply_to=message.reply_to)
        rng = self.world.rng("zapi", "queue", message.id)
        pause = rng.uniform(1, 3) + float(body.get("delayMessage") or 0) + float(body.get("delayTyping") or 0)
        self._free_at = max(self._free_at, self.world.now) + timedelta(seconds=pause)
        self.world.at(self._free_at, lambda: self._leave(message))
        return message

    @property
    def queued(self) -> int:
        """How many sends wait for the phone to be connected again."""
        return len(self._waiting)

    async def _leave(self, message: Message) -> None:
        if not self.connected:
            self._waiting.append(message)
            return
        chat = self.chat(message.phone)
        message.at = self.world.now
        identity = {"phone": chat.phone, "zaapId": message.zaap_id, "messageId": message.id}
        if not chat.exists:
            message.status = "FAILED"
            await self.webhook(self._callback("DeliveryCallback", **identity, error="Phone number does not exist"))
            return
        message.status = "SENT"
        await self.webhook(self._callback("DeliveryCallback", **identity))
        if self.notify_sent_by_me:
            await self.webhook(self._received(chat, message))
        await self.status("SENT", [message])
        rng = self.world.rng("zapi", "arrive", message.id)
        self.world.at(self.world.now + timedelta(seconds=rng.uniform(0.5, 4)), lambda: self._arrive(message))

    async def _arrive(self, message: Message) -> None:
        await self.status("RECEIVED", [message])
        await self._tell(message)

    async def _tell(self, message: Message) -> None:
        for listener in self.listeners:
            await listener(message)

    async def status(self, status: str, messages: list[Message]) -> None:
        """One MessageStatusCallback for one or several messages of a chat."""
        if not messages:
            return
        for message in messages:
            message.status = status
        chat = self.chat(messages[0].phone)
        await self.webhook(
            self._callback(
                "MessageStatusCallback", status=status, ids=[m.id for m in messages], phone=chat.phone, phoneDevice=0, isGroup=False
            )
        )

    async def connect(self, connected: bool) -> None:
        """Loses or finds the phone. On reconnection the whole queue leaves at once, stale or not, as the real service does."""
        if connected == self.connected:
            return
        self.connected = connected
        if not connected:
            await self.webhook(
                self._callback("DisconnectedCallback", connected=False, disconnected=True, error="Device has been disconnected")
            )
            return
        await self.webhook(self._callback("ConnectedCallback", connected=True, phone=CONNECTED_PHONE))
        waiting, self._waiting = self._waiting, []
        for message in waiting:
            await self._leave(message)

    def exists(self, phone: str) -> Chat | None:
        """The chat behind a number, if WhatsApp has one."""
        known = self.chats.get(canonical(phone))
        if known is not None:
            return known if known.exists else None
        return self.chat(phone) if plausible(phone) else None

    def target(self, url: str) -> None:
        """Points every webhook of the instance to one URL."""
        self.world.targets["zapi"] = WebhookTarget(url)

    def _message_id(self) -> str:
        number = self.world.next_id("zapi_message", 0)
        return f"3EB0{self.world.rng('zapi', 'id', number).randrange(16**16):016X}"

    def book(self) -> dict[str, Any]:
        """What the phone saw: counts, and each chat's texts in order."""
        chats: dict[str, list[dict[str, str]]] = {}
        for message in self.messages:
            line = {"direction": message.direction, "text": message.text, "status": message.status, "at": message.at.isoformat()}
            chats.setdefault(message.phone, []).append(line)
        counts = {way: sum(m.direction == way for m in self.messages) for way in ("in", "out", "phone")}
        return {"connected": self.connected, "queued": self.queued, "messages": counts, "chats": chats}


def _millis(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def _content(kind: str, text: str, base_url: str | None) -> dict[str, Any]:
    """The part of a ReceivedCallback that differs by kind of message."""
    media = f"{base_url or 'https://media.invalid'}/zapi/_media/"
    shapes: dict[str, dict[str, Any]] = {
        "text": {"text": {"message": text}},
        "audio": {
            "audio": {
                "ptt": True,
                "seconds": 7,
                "audioUrl": media + "voice.ogg",
                "mimeType": "audio/ogg; codecs=opus",
                "viewOnce": False,
            }
        },
        "image": {
            "image": {
                "mimeType": "image/jpeg",
                "imageUrl": media + "photo.jpg",
                "thumbnailUrl": media + "photo.jpg",
                "downloadError": None,
                "caption": text,
                "width": 600,
                "height": 315,
                "viewOnce": False,
            }
        },
        "document": {
            "document": {
                "documentUrl": media + "file.pdf",
                "mimeType": "application/pdf",
                "title": text,
                "pageCount": 1,
                "fileName": "file.pdf",
            }
        },
        "sticker": {"sticker": {"stickerUrl": media + "sticker.webp", "mimeType": "image/webp"}},
        "reaction": {"reaction": {"value": text or "👍", "time": 0, "referencedMessage": {}}},
        "location": {"location": {"latitude": -23.55, "longitude": -46.63, "name": text, "address": "", "url": ""}},
        "call": {"notification": "CALL_VOICE", "notificationParameters": [], "callId": "SANDBOXCALL"},
    }
    if kind not in shapes:
        raise ValueError(f"kind {kind!r}: one of {', '.join(shapes)}")
    return shapes[kind]


def fault_form(fault: Fault) -> tuple[int, dict[str, str], bytes]:
    """A planned fault in Z-API's words: status, headers, body."""
    status, error = {"rate_limit": (429, "Too many requests"), "expired_token": (403, "Client-Token not allowed")}.get(
        fault.kind, (500, "Internal server error")
    )
    return status, {"content-type": "application/json"}, json.dumps({"error": error}).encode()


def of(world: World) -> Zapi:
    """The Z-API state of a world, made on first use."""
    twin, fresh = state_of(world, Zapi)
    if fresh:
        world.book_sections["whatsapp"] = twin.book
        world.fault_forms["zapi"] = fault_form
    return twin
