"""The desk over Chatwoot's account API. Source: Chatwoot 4.15.1 (controllers, swagger).

Why not chatwoot-sdk (0.2.0) here: on exactly these calls it fails. Its toggle_status raises after a bot's handoff has succeeded
(`success: null`), its assign and status update go to a PATCH that the server ignores, one CSAT or sticker message breaks
messages.list, attachments are dropped, and its clients would pass by tools.http with its permits, limits and redaction. The
calls of it that work are used by our tests as an independent reading of the same server.

Two tokens: the agent bot's for what we write (so that it is not taken for a human), a user's for reading messages and for
contacts, which a bot may not touch. The inbox must be of the API channel: only there may incoming messages be mirrored.
"""

from __future__ import annotations

from typing import Any, cast

import httpx

from knowledge.domain.brazil import phone_e164, same_phone
from knowledge.domain.conversation import InboundEvent
from knowledge.domain.policy import Operational
from tools.errors import RateLimited, Refused, Unauthorized, UnknownOutcome, VendorError
from tools.http import Answer, VendorHttp
from tools.payload import as_object
from tools.ports import Health
from tools.vendors.chatwoot.messages import KEY_ATTRIBUTE, SOURCE_PREFIX, Contact, Message, to_event
from tools.vendors.chatwoot.webhooks import message_dedupe

_VENDOR = "chatwoot"
_STATUSES = ("pending", "open", "resolved", "snoozed")
_CONTACT_PAGE, _AFTER_PAGE = 15, 100
_LOOK_BACK_PAGES = 3
"""How far (pages of 20) a post looks for an earlier one under its key: a retry follows soon."""


class ChatwootDesk:
    """One account and API inbox. Conversation ids are display ids, as strings. `transport` is for tests."""

    def __init__(
        self,
        base_url: str,
        *,
        account_id: str,
        inbox_id: str,
        bot_token: str,
        user_token: str,
        timeout: float = 15.0,
        per_second: int = 10,
        limits: Operational | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._account = account_id
        self._inbox = int(inbox_id)
        root = f"{base_url.rstrip('/')}/api/v1/accounts/{account_id}/"

        def client(token: str, who: str) -> VendorHttp:
            # Hyphens: proxies drop header names with underscores.
            return VendorHttp(
                _VENDOR, root, account=f"{account_id}/{who}", headers={"api-access-token": token}, secrets=(token,),
                translate=_translate, timeout=timeout, per_second=per_second, limits=limits, transport=transport,
            )  # fmt: skip

        self.bot_http, self.user_http = client(bot_token, "bot"), client(user_token, "user")

    # ---- contacts and conversations
    async def ensure_conversation(self, *, lead_key: str, name: str | None, phone: str | None) -> tuple[str, str]:
        """(contact id, conversation id) of the lead: found by identifier, else by phone, before anything is created.

        A contact found by phone that has no identifier gets the lead's. Raises the tools.errors of tools.http.
        """
        normal = (phone_e164(phone) or phone_e164(phone, international=True)) if phone else None
        contact = await self._find_contact(lead_key, normal)
        if contact is None:
            contact = await self._create_contact(lead_key, name, normal)
        elif not contact.get("identifier"):
            path = f"contacts/{contact['id']}"
            await self.user_http.write("PUT", path, operation="contact.update", json={"identifier": lead_key})
        contact_id = str(contact["id"])
        conversation = await self._find_conversation(contact_id)
        if conversation is None:
            body: dict[str, Any] = {"inbox_id": self._inbox, "contact_id": int(contact_id), "status": "pending"}
            source = self._source(contact)
            if source:
                body["source_id"] = source
            answer = await self.bot_http.write("POST", "conversations", operation="conversation.create", json=body)
            conversation = _id_of(answer, "conversation.create")
        return contact_id, conversation

    async def _find_contact(self, lead_key: str, phone: str | None) -> dict[str, Any] | None:
        for row in await self._search(lead_key):
            if row.get("identifier") == lead_key:
                return row
        if phone is None:
            return None
        # The last eight digits find both spellings of a Brazilian mobile; which of the hits is the person, we compare ourselves.
        for row in await self._search(phone[-8:]):
            number = row.get("phone_number")
            if isinstance(number, str) and same_phone(number, phone):
                return row
        return None

    async def _search(self, query: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for page in range(1, 8):
            params = {"q": query, "page": page}
            answer = await self.user_http.read("GET", "contacts/search", operation="contact.search", params=params)
            rows = _rows(as_object(answer.data).get("payload"))
            found += rows
            if len(rows) < _CONTACT_PAGE:
                return found
        return found

    async def _create_contact(self, lead_key: str, name: str | None, phone: str | None) -> dict[str, Any]:
        body: dict[str, Any] = {"inbox_id": self._inbox, "identifier": lead_key, "source_id": lead_key}
        body |= {"name": name or phone or lead_key} | ({"phone_number": phone} if phone else {})
        try:
            answer = await self.user_http.write("POST", "contacts", operation="contact.create", json=body)
        except Refused:
            # Taken: somebody else made it between our search and our write.
            found = await self._find_contact(lead_key, phone)
            if found is None:
                raise
            return found
        payload = as_object(as_object(answer.data).get("payload"))
        contact = as_object(payload.get("contact"))
        if not contact.get("id"):
            raise UnknownOutcome(_VENDOR, "contact.create", "accepted without an id")
        return contact

    def _source(self, contact: dict[str, Any]) -> str | None:
        for link in _rows(contact.get("contact_inboxes")):
            if as_object(link.get("inbox")).get("id") == self._inbox and isinstance(link.get("source_id"), str):
                return cast("str", link["source_id"])
        return None

    async def _find_conversation(self, contact_id: str) -> str | None:
        path = f"contacts/{contact_id}/conversations"
        answer = await self.user_http.read("GET", path, operation="conversation.find")
        rows = [row for row in _rows(as_object(answer.data).get("payload")) if row.get("inbox_id") == self._inbox]
        live = [row for row in rows if row.get("status") != "resolved"]
        ids = [int(row["id"]) for row in live or rows if str(row.get("id")).isdigit()]
        return str(max(ids)) if ids else None

    # ---- messages
    async def post(self, conversation: str, text: str, *, direction: str, private: bool, key: str) -> str:
        """Adds a message (direction incoming | outgoing) or a private note under its key; an earlier one is returned instead.

        The key stands in content_attributes and in source_id: either is enough to find the message and to know its echo.
        """
        if direction not in ("incoming", "outgoing"):
            raise ValueError("direction: incoming or outgoing")
        if private and direction != "outgoing":
            raise ValueError("private: a note is outgoing")
        earlier = await self._find_message(conversation, key)
        if earlier is not None:
            return earlier
        body: dict[str, Any] = {
            "content": text, "message_type": direction, "private": private,
            "content_attributes": {KEY_ATTRIBUTE: key}, "source_id": SOURCE_PREFIX + key, "echo_id": key,
        }  # fmt: skip
        path = f"conversations/{_number(conversation)}/messages"
        return _id_of(await self.bot_http.write("POST", path, operation="message.create", json=body), "message.create")

    async def _find_message(self, conversation: str, key: str) -> str | None:
        params: dict[str, Any] = {}
        for _ in range(_LOOK_BACK_PAGES):
            rows = await self._messages(conversation, params)
            for row in rows:
                if row.key == key:
                    return row.id
            if len(rows) < 20:
                return None
            params = {"before": min(int(row.id) for row in rows)}
        return None

    async def _messages(self, conversation: str, params: dict[str, Any]) -> list[Message]:
        answer = await self._page(conversation, params)
        return [_message(row) for row in _rows(answer.get("payload"))]

    async def _page(self, conversation: str, params: dict[str, Any]) -> dict[str, Any]:
        path = f"conversations/{_number(conversation)}/messages"
        return as_object((await self.user_http.read("GET", path, operation="message.list", params=params)).data)

    async def messages_after(self, conversation: str, message_id: str | None) -> list[InboundEvent]:
        """Every message newer than `message_id` (None: all), oldest first, named as the webhooks name them.

        A webhook and this poll give the same event the same `dedupe`, so that what was heard twice is handled once.
        """
        events: list[InboundEvent] = []
        after = int(message_id) if message_id is not None else 0
        while True:
            page = await self._page(conversation, {"after": after})
            contact = Contact.model_validate(as_object(as_object(page.get("meta")).get("contact")))
            rows = sorted((_message(row) for row in _rows(page.get("payload"))), key=lambda row: int(row.id))
            fresh = [row for row in rows if int(row.id) > after]
            for row in fresh:
                if row.direction != "activity":
                    events.append(to_event(row, conversation, contact, message_dedupe(self._account, row.id), frozenset[str]()))
            if len(rows) < _AFTER_PAGE or not fresh:
                return events
            after = int(fresh[-1].id)

    # ---- state of a conversation
    async def set_status(self, conversation: str, status: str) -> None:
        """Moves the conversation (pending | open | resolved | snoozed); writes nothing when it is there already.

        Our own needless writes come back as webhooks and would flip the owner.
        """
        if status not in _STATUSES:
            raise ValueError(f"status: one of {', '.join(_STATUSES)}")
        if (await self._show(conversation)).get("status") == status:
            return
        path = f"conversations/{_number(conversation)}/toggle_status"
        answer = await self.bot_http.write("POST", path, operation="conversation.status", json={"status": status})
        # `success` is null after a bot's handoff; only the status itself tells.
        now = as_object(as_object(answer.data).get("payload")).get("current_status")
        if now is not None and now != status:
            raise Refused(_VENDOR, "conversation.status", f"asked for {status}, still {now}")

    async def assign(self, conversation: str, *, assignee: str | None = None, team: str | None = None) -> None:
        """Gives the conversation to a user (by id), to an agent bot ("bot:4"), to a team (by id), or to a user and a team."""
        if assignee is None and team is None:
            raise ValueError("assignee, team: give at least one")
        path = f"conversations/{_number(conversation)}/assignments"
        if team is not None:
            await self.bot_http.write("POST", path, operation="conversation.assign", json={"team_id": int(team)})
        if assignee is not None:
            body: dict[str, Any] = {"assignee_id": int(assignee.removeprefix("bot:"))}
            if assignee.startswith("bot:"):
                body["assignee_type"] = "AgentBot"
            await self.bot_http.write("POST", path, operation="conversation.assign", json=body)

    async def add_labels(self, conversation: str, labels: list[str]) -> list[str]:
        """Adds labels and keeps the others' (the API replaces the whole list); returns what stands now."""
        path = f"conversations/{_number(conversation)}/labels"
        answer = await self.bot_http.read("GET", path, operation="labels.list")
        listed = as_object(answer.data).get("payload")
        before = [str(label) for label in cast("list[Any]", listed)] if isinstance(listed, list) else []
        merged = list(dict.fromkeys([*before, *labels]))
        if merged != before:
            await self.bot_http.write("POST", path, operation="labels.set", json={"labels": merged})
        return merged

    async def set_attributes(self, conversation: str, attributes: dict[str, Any]) -> dict[str, Any]:
        """Sets custom attributes and keeps the others' (the API replaces them all); returns what stands now."""
        before = as_object((await self._show(conversation)).get("custom_attributes"))
        merged = {**before, **attributes}
        if merged != before:
            path = f"conversations/{_number(conversation)}/custom_attributes"
            await self.bot_http.write("POST", path, operation="attributes.set", json={"custom_attributes": merged})
        return merged

    async def _show(self, conversation: str) -> dict[str, Any]:
        path = f"conversations/{_number(conversation)}"
        return as_object((await self.bot_http.read("GET", path, operation="conversation.show")).data)

    async def health(self) -> Health:
        """Whether both tokens work and our inbox is one of the API channel."""
        try:
            answer = await self.user_http.read("GET", "inboxes", operation="health.user")
        except VendorError as failed:
            return Health(
                ok=False, detail=f"user token: {failed.detail}", remedy="Check Chatwoot's address, account id and user token."
            )
        inbox = next((row for row in _rows(as_object(answer.data).get("payload")) if row.get("id") == self._inbox), None)
        if inbox is None:
            return Health(ok=False, detail=f"inbox {self._inbox} not found", remedy="Set the inbox id of the API channel inbox.")
        if inbox.get("channel_type") != "Channel::Api":
            kind = inbox.get("channel_type")
            return Health(
                ok=False, detail=f"inbox {self._inbox} is {kind}", remedy="Use an inbox of the API channel to mirror messages."
            )
        try:
            # Conversation 0 never exists: 404 proves that the bot's token is accepted, 401 that it is not.
            await self.bot_http.read("GET", "conversations/0", operation="health.bot")
        except Refused:
            return Health(ok=True, detail=f"account {self._account}, inbox {inbox.get('name')}")
        except VendorError as failed:
            return Health(
                ok=False, detail=f"bot token: {failed.detail}", remedy="Connect the agent bot to the inbox and set its token."
            )
        return Health(ok=True, detail=f"account {self._account}, inbox {inbox.get('name')}")


def _rows(value: Any) -> list[dict[str, Any]]:
    return [as_object(row) for row in cast("list[Any]", value)] if isinstance(value, list) else []


def _message(row: dict[str, Any]) -> Message:
    try:
        message = Message.model_validate(row)
        int(message.id)
    except ValueError:
        raise Refused(_VENDOR, "message.list", "a message without a numeric id or a type; is this a Chatwoot server?") from None
    return message


def _number(conversation: str) -> int:
    if not conversation.isascii() or not conversation.isdigit():
        raise Refused(_VENDOR, "conversation", "not a display id", "conversation")
    return int(conversation)


def _id_of(answer: Answer, operation: str) -> str:
    found = as_object(answer.data).get("id")
    if not isinstance(found, int | str) or not found:
        raise UnknownOutcome(_VENDOR, operation, "accepted without an id")
    return str(found)


def _translate(answer: Answer, operation: str) -> VendorError | None:
    if answer.ok or answer.status >= 500 or answer.status in (408, 429):
        return None
    body = as_object(answer.data)
    given = body.get("error") or body.get("message") or body.get("errors")
    detail = (
        "; ".join(str(part) for part in cast("list[Any]", given))
        if isinstance(given, list)
        else str(given or f"HTTP {answer.status}")
    )
    code = str(answer.status)
    if answer.status in (401, 403):
        return Unauthorized(_VENDOR, operation, detail, code)
    if answer.status == 422 and "Too many messages" in detail:
        return RateLimited(_VENDOR, operation, detail, code, retry_after=60.0)
    return Refused(_VENDOR, operation, detail, code)
