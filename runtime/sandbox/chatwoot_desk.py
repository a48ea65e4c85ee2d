"""Chatwoot's endpoints: what each call of the account API does to the state and answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import Request, Response

from runtime.sandbox import chatwoot_state as state
from runtime.sandbox.world import WebhookTarget, World

_STATUSES = ("open", "resolved", "pending", "snoozed")
_CONTACT = {
    "inbox_id",
    "name",
    "email",
    "phone_number",
    "identifier",
    "source_id",
    "blocked",
    "avatar_url",
    "additional_attributes",
    "custom_attributes",
}
_MESSAGE = {
    "content",
    "message_type",
    "private",
    "content_type",
    "content_attributes",
    "additional_attributes",
    "source_id",
    "echo_id",
    "attachments[]",
    "is_voice_message",
    "sender_type",
    "sender_id",
    "campaign_id",
    "template_params",
}


class Stop(Exception):
    """Ends a request with this answer."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(str(body))
        self.status, self.body = status, body


class Call:
    """One authenticated request: who calls, its body, its query."""

    def __init__(
        self, world: World, request: Request, who: dict[str, Any], body: dict[str, Any], files: list[tuple[str, str, bytes]]
    ) -> None:
        self._world = world
        self.request, self.who, self.body, self.files = request, who, body, files
        self.query = request.query_params

    @property
    def bot(self) -> bool:
        return self.who["type"] == "agent_bot"

    def only(self, *allowed: str) -> None:
        """Refuses body parameters outside the list."""
        extra = sorted(set(self.body) - set(allowed))
        if extra:
            self._refuse(extra[0])

    def only_query(self, *allowed: str) -> None:
        """Refuses query parameters outside the list."""
        extra = sorted(set(self.query) - set(allowed))
        if extra:
            self._refuse(extra[0])

    def note(self, reason: str) -> None:
        """Notes a request that a real server swallows but that cannot be meant."""
        self._world.refuse("chatwoot", self.request.method, self.request.url.path, reason)

    def _refuse(self, name: str) -> None:
        self.note(f"unknown parameter {name}")
        raise Stop(422, {"error": f"sandbox: unknown parameter {name}"})


Handler = Callable[[Call, dict[str, int]], Awaitable[Any]]


class Desk:
    """The account's endpoints. Each takes the call and the path's ids and returns JSON."""

    def __init__(self, twin: state.Chatwoot) -> None:
        self.twin = twin
        self.world = twin.world

    def _conversation(self, ids: dict[str, int]) -> state.Conversation:
        found = self.twin.conversations.get(ids.get("conversation", -1))
        if found is None:
            raise Stop(404, {"error": "Resource could not be found"})
        return found

    def _contact(self, ids: dict[str, int]) -> state.Contact:
        found = self.twin.contacts.get(ids.get("contact", -1))
        if found is None:
            raise Stop(404, {"error": "Resource could not be found"})
        return found

    # ---- contacts
    def _contact_page(self, rows: list[state.Contact], call: Call) -> dict[str, Any]:
        page = int(call.query.get("page") or 1)
        return {
            "meta": {"count": len(rows), "current_page": page},
            "payload": [self.twin.rest_contact(c) for c in rows[(page - 1) * 15 : page * 15]],
        }

    async def list_contacts(self, call: Call, ids: dict[str, int]) -> Any:
        call.only_query("page", "sort", "labels", "include_contact_inboxes")
        return self._contact_page(list(self.twin.contacts.values()), call)

    async def search_contacts(self, call: Call, ids: dict[str, int]) -> Any:
        call.only_query("q", "page", "sort", "include_contact_inboxes")
        query = (call.query.get("q") or "").strip().lower()
        if not query:
            raise Stop(422, {"error": "Specify search string with parameter q"})
        rows = [
            c
            for c in self.twin.contacts.values()
            if any(query in (value or "").lower() for value in (c.name, c.email, c.phone_number, c.identifier))
        ]
        return self._contact_page(rows, call)

    async def create_contact(self, call: Call, ids: dict[str, int]) -> Any:
        call.only(*_CONTACT)
        inbox_id = call.body.get("inbox_id")
        if inbox_id is not None and inbox_id != state.INBOX_ID:
            raise Stop(404, {"error": "Resource could not be found"})
        fields = {k: v for k, v in call.body.items() if k not in ("inbox_id", "source_id", "avatar_url")}
        contact = self.twin.add_contact(inbox_id, call.body.get("source_id"), **fields)
        source = contact.sources.get(state.INBOX_ID)
        link = {"inbox": state.inbox() if source else None, "source_id": source}
        return {"payload": {"contact": self.twin.rest_contact(contact), "contact_inbox": link}}

    async def show_contact(self, call: Call, ids: dict[str, int]) -> Any:
        return {"payload": self.twin.rest_contact(self._contact(ids))}

    async def update_contact(self, call: Call, ids: dict[str, int]) -> Any:
        call.only(*(_CONTACT - {"inbox_id", "source_id"}))
        contact = self._contact(ids)
        self.twin.validate_contact(call.body, contact.id)
        for name, value in call.body.items():
            if name in ("additional_attributes", "custom_attributes"):
                value = {**getattr(contact, name), **value}
            if name != "avatar_url":
                setattr(contact, name, value)
        self.world.record("chatwoot", "contact.update", str(contact.id), **{k: v for k, v in call.body.items() if k != "key"})
        return {"payload": self.twin.rest_contact(contact)}

    async def delete_contact(self, call: Call, ids: dict[str, int]) -> Any:
        contact = self._contact(ids)
        gone = [c.id for c in self.twin.conversations.values() if c.contact_id == contact.id]
        self.twin.messages = {k: m for k, m in self.twin.messages.items() if m.conversation_id not in gone}
        for conversation_id in gone:
            del self.twin.conversations[conversation_id]
        del self.twin.contacts[contact.id]
        self.world.record("chatwoot", "contact.delete", str(contact.id))
        return Response(status_code=200)

    async def contact_conversations(self, call: Call, ids: dict[str, int]) -> Any:
        contact = self._contact(ids)
        return {"payload": [self.twin.rest_conversation(c) for c in self.twin.conversations.values() if c.contact_id == contact.id]}

    async def add_contact_inbox(self, call: Call, ids: dict[str, int]) -> Any:
        call.only("inbox_id", "source_id")
        contact = self._contact(ids)
        if call.body.get("inbox_id") != state.INBOX_ID:
            raise Stop(404, {"error": "Resource could not be found"})
        contact.sources[state.INBOX_ID] = call.body.get("source_id") or self.twin.key("source", contact.id)
        return {"source_id": contact.sources[state.INBOX_ID], "inbox": state.inbox()}

    async def contact_labels(self, call: Call, ids: dict[str, int]) -> Any:
        call.only("labels")
        contact = self._contact(ids)
        contact.labels = [str(label) for label in call.body.get("labels") or []]
        return {"payload": contact.labels}

    # ---- conversations
    def _chosen(self, call: Call) -> list[state.Conversation]:
        call.only_query(
            "status", "assignee_type", "page", "inbox_id", "team_id", "labels[]", "labels", "q", "sort_by", "updated_within"
        )
        status = call.query.get("status") or "open"
        labels = call.query.getlist("labels[]") + call.query.getlist("labels")
        rows = sorted(self.twin.conversations.values(), key=lambda c: c.updated_at, reverse=True)
        rows = [c for c in rows if status == "all" or c.status == status]
        rows = [c for c in rows if not labels or set(labels) & set(c.labels)]
        if call.query.get("inbox_id"):
            rows = [c for c in rows if str(c.inbox_id) == call.query["inbox_id"]]
        if call.query.get("q"):
            rows = [
                c
                for c in rows
                if any(call.query["q"].lower() in (m.content or "").lower() for m in self.twin.of_conversation(c.id))
            ]
        return rows

    @staticmethod
    def _counts(rows: list[state.Conversation], me: int) -> dict[str, int]:
        assigned = [c for c in rows if c.assignee is not None]
        mine = sum(c.assignee is not None and c.assignee["id"] == me for c in rows)
        return {
            "mine_count": mine,
            "assigned_count": len(assigned),
            "unassigned_count": len(rows) - len(assigned),
            "all_count": len(rows),
        }

    async def list_conversations(self, call: Call, ids: dict[str, int]) -> Any:
        rows = self._chosen(call)
        counts = self._counts(rows, call.who["id"])
        wanted = call.query.get("assignee_type") or "all"
        if wanted == "unassigned":
            rows = [c for c in rows if c.assignee is None]
        elif wanted in ("assigned", "me"):
            rows = [c for c in rows if c.assignee is not None and (wanted == "assigned" or c.assignee["id"] == call.who["id"])]
        page = int(call.query.get("page") or 1)
        return {"data": {"meta": counts, "payload": [self.twin.rest_conversation(c) for c in rows[(page - 1) * 25 : page * 25]]}}

    async def meta(self, call: Call, ids: dict[str, int]) -> Any:
        return {"meta": self._counts(self._chosen(call), call.who["id"])}

    async def create_conversation(self, call: Call, ids: dict[str, int]) -> Any:
        call.only(
            "source_id",
            "inbox_id",
            "contact_id",
            "additional_attributes",
            "custom_attributes",
            "status",
            "assignee_id",
            "team_id",
            "snoozed_until",
            "message",
        )
        source, contact_id = call.body.get("source_id"), call.body.get("contact_id")
        contact = (
            next((c for c in self.twin.contacts.values() if c.sources.get(state.INBOX_ID) == source), None) if source else None
        )
        if contact is None and contact_id in self.twin.contacts:
            contact = self.twin.contacts[int(contact_id or 0)]
            contact.sources.setdefault(state.INBOX_ID, source or self.twin.key("source", contact.id))
        if contact is None:
            raise Stop(404, {"error": "Resource could not be found"})
        status = call.body.get("status")
        if status is not None and status not in _STATUSES:
            raise Stop(422, {"error": f"'{status}' is not a valid status"})
        extra = {k: call.body[k] for k in ("additional_attributes", "custom_attributes") if k in call.body}
        conversation = self.twin.add_conversation(contact, state.INBOX_ID, status, **extra)
        if call.body.get("assignee_id"):
            conversation.assignee = self._user(call.body["assignee_id"])
        if call.body.get("message"):
            await self.twin.add_message(conversation, call.body["message"].get("content"), "outgoing", call.who)
        return self.twin.rest_conversation(conversation)

    async def show_conversation(self, call: Call, ids: dict[str, int]) -> Any:
        return self.twin.rest_conversation(self._conversation(ids))

    async def update_conversation(self, call: Call, ids: dict[str, int]) -> Any:
        # status and assignee_id are accepted and do nothing: the real server permits only `priority` here
        call.only("priority", "status", "assignee_id", "team_id")
        ignored = sorted(set(call.body) - {"priority"})
        if ignored:
            call.note(f"{ignored[0]} does nothing on PATCH /conversations")
        conversation = self._conversation(ids)
        if "priority" in call.body:
            await self._prioritise(conversation, call.body["priority"])
        return self.twin.rest_conversation(conversation)

    async def _prioritise(self, conversation: state.Conversation, priority: str | None) -> None:
        if priority not in (None, "low", "medium", "high", "urgent"):
            raise Stop(422, {"error": f"'{priority}' is not a valid priority"})
        before, conversation.priority = conversation.priority, priority
        if before != priority:
            await self.twin.changed("conversation_updated", conversation, {"priority": (before, priority)})

    async def toggle_priority(self, call: Call, ids: dict[str, int]) -> Any:
        call.only("priority")
        await self._prioritise(self._conversation(ids), call.body.get("priority"))
        return Response(status_code=200)

    async def toggle_typing(self, call: Call, ids: dict[str, int]) -> Any:
        call.only("typing_status", "is_private")
        self._conversation(ids)
        return Response(status_code=200)

    async def toggle_status(self, call: Call, ids: dict[str, int]) -> Any:
        call.only("status", "snoozed_until")
        conversation = self._conversation(ids)
        status = call.body.get("status")
        if status is None:
            status = "open" if conversation.status == "resolved" else "resolved"
        if status not in _STATUSES:
            raise Stop(422, {"error": f"'{status}' is not a valid status"})
        handoff = call.bot and conversation.status == "pending" and status == "open"
        conversation.snoozed_until = call.body.get("snoozed_until") if status == "snoozed" else None
        self.world.record("chatwoot", "conversation.toggle_status", str(conversation.id), status=status, by=call.who["type"])
        await self.twin.set_status(conversation, status)
        payload = {
            "success": None if handoff else True,
            "conversation_id": conversation.id,
            "current_status": conversation.status,
            "snoozed_until": conversation.snoozed_until,
        }
        return {"meta": {}, "payload": payload}

    def _user(self, user_id: Any) -> dict[str, Any]:
        user = state.USERS.get(user_id)
        if user is None:
            raise Stop(404, {"error": "Resource could not be found"})
        return user

    async def assign(self, call: Call, ids: dict[str, int]) -> Any:
        call.only("assignee_id", "assignee_type", "team_id")
        conversation = self._conversation(ids)
        self.world.record("chatwoot", "conversation.assign", str(conversation.id), **call.body)
        if "team_id" in call.body:
            before, conversation.team = conversation.team, state.TEAMS.get(call.body["team_id"])
            await self.twin.changed(
                "conversation_updated", conversation, {"team_id": ((before or {}).get("id"), (conversation.team or {}).get("id"))}
            )
            return conversation.team or {}
        chosen = call.body.get("assignee_id")
        before = conversation.assignee
        if chosen is None:
            conversation.assignee = None
        else:
            conversation.assignee = (
                state.BOT if call.body.get("assignee_type") == "AgentBot" and chosen == state.BOT["id"] else self._user(chosen)
            )
        await self.twin.changed(
            "conversation_updated",
            conversation,
            {"assignee_id": ((before or {}).get("id"), (conversation.assignee or {}).get("id"))},
        )
        return conversation.assignee or {}

    async def show_labels(self, call: Call, ids: dict[str, int]) -> Any:
        return {"payload": self._conversation(ids).labels}

    async def set_labels(self, call: Call, ids: dict[str, int]) -> Any:
        call.only("labels")
        conversation = self._conversation(ids)
        labels = [str(label) for label in call.body.get("labels") or []]
        before, conversation.labels = conversation.labels, list(dict.fromkeys(labels))
        self.twin.labels.update(labels)
        self.world.record("chatwoot", "conversation.labels", str(conversation.id), labels=labels)
        if before != conversation.labels:
            await self.twin.changed("conversation_updated", conversation, {"label_list": (before, conversation.labels)})
        return {"payload": conversation.labels}

    async def set_attributes(self, call: Call, ids: dict[str, int]) -> Any:
        call.only("custom_attributes")
        conversation = self._conversation(ids)
        before, conversation.custom_attributes = (conversation.custom_attributes, dict(call.body.get("custom_attributes") or {}))
        self.world.record(
            "chatwoot", "conversation.custom_attributes", str(conversation.id), attributes=conversation.custom_attributes
        )
        await self.twin.changed(
            "conversation_updated", conversation, {"custom_attributes": (before, conversation.custom_attributes)}
        )
        return {"custom_attributes": conversation.custom_attributes}

    # ---- messages
    async def create_message(self, call: Call, ids: dict[str, int]) -> Any:
        call.only(*_MESSAGE)
        conversation = self._conversation(ids)
        body = call.body
        kind = body.get("message_type") or "outgoing"
        if kind not in ("incoming", "outgoing"):
            raise Stop(422, {"error": f"'{kind}' is not a valid message_type"})
        if not body.get("content") and not call.files:
            raise state.Invalid("Content can't be blank", ["content"])
        if len(call.files) > 15:
            raise state.Invalid("Attachments exceeded maximum allowed", ["attachments"])
        sender: dict[str, Any] | None = call.who
        if body.get("sender_type") == "AgentBot" and body.get("sender_id") in (state.BOT["id"], str(state.BOT["id"])):
            sender = state.BOT
        if kind == "incoming":
            sender = None
        message = await self.twin.add_message(
            conversation,
            body.get("content"),
            kind,
            sender,
            private=body.get("private") in (True, "true"),
            source_id=body.get("source_id"),
            content_attributes=dict(body.get("content_attributes") or {}),
            attachments=[],
            additional_attributes={"campaign_id": body["campaign_id"]} if body.get("campaign_id") else {},
        )
        for filename, mime, content in call.files:
            message.attachments.append(self._attach(message, filename, mime, content))
        row = self.twin.rest_message(message)
        if body.get("echo_id"):
            row["echo_id"] = body["echo_id"]
        return row

    def _attach(self, message: state.Message, filename: str, mime: str, content: bytes) -> dict[str, Any]:
        number = self.world.next_id("chatwoot_attachment", 300)
        self.twin.blobs[number] = (filename, mime, content)
        url = f"{self.twin.base_url}/chatwoot/rails/active_storage/blobs/redirect/{number}/{filename}"
        main = mime.split("/")[0]
        return {
            "id": number,
            "message_id": message.id,
            "file_type": main if main in ("audio", "image", "video") else "file",
            "account_id": state.ACCOUNT_ID,
            "extension": None,
            "content_type": mime,
            "data_url": url,
            "thumb_url": "",
            "file_size": len(content),
            "transcribed_text": "",
        }

    async def list_messages(self, call: Call, ids: dict[str, int]) -> Any:
        call.only_query("after", "before", "filter_internal_messages")
        conversation = self._conversation(ids)
        rows = self.twin.of_conversation(conversation.id)
        if call.query.get("after"):
            rows = [m for m in rows if m.id > int(call.query["after"])][:100]
        elif call.query.get("before"):
            rows = [m for m in rows if m.id < int(call.query["before"])][-20:]
        else:
            rows = rows[-20:]
        contact = self.twin.contacts[conversation.contact_id]
        meta = {
            "labels": conversation.labels,
            "additional_attributes": conversation.additional_attributes,
            "contact": self.twin.rest_contact(contact),
            "assignee": conversation.assignee,
            "agent_last_seen_at": None,
            "assignee_last_seen_at": None,
        }
        return {"meta": meta, "payload": [self.twin.rest_message(m) for m in rows]}

    async def update_message(self, call: Call, ids: dict[str, int]) -> Any:
        call.only("status", "external_error")
        conversation = self._conversation(ids)
        message = self.twin.messages.get(ids.get("message", -1))
        if message is None or message.conversation_id != conversation.id:
            raise Stop(404, {"error": "Resource could not be found"})
        status = call.body.get("status")
        if status not in ("sent", "delivered", "read", "failed"):
            raise Stop(422, {"error": f"'{status}' is not a valid status"})
        message.status = status
        if call.body.get("external_error"):
            message.content_attributes = {**message.content_attributes, "external_error": call.body["external_error"]}
        self.world.record("chatwoot", "message.status", str(message.id), status=status)
        await self.twin.emit("message_updated", conversation, message)
        return self.twin.rest_message(message)

    # ---- settings
    async def inboxes(self, call: Call, ids: dict[str, int]) -> Any:
        return {"payload": [{**state.inbox(), "webhook_url": None, "greeting_enabled": False}]}

    async def agents(self, call: Call, ids: dict[str, int]) -> Any:
        return [
            {
                "id": u["id"],
                "account_id": state.ACCOUNT_ID,
                "availability_status": "online",
                "auto_offline": True,
                "confirmed": True,
                "email": u["email"],
                "available_name": u["name"],
                "name": u["name"],
                "role": "agent",
                "thumbnail": "",
            }
            for u in state.USERS.values()
        ]

    async def teams(self, call: Call, ids: dict[str, int]) -> Any:
        return [
            {**team, "allow_auto_assign": True, "account_id": state.ACCOUNT_ID, "is_member": True} for team in state.TEAMS.values()
        ]

    async def account_labels(self, call: Call, ids: dict[str, int]) -> Any:
        return {
            "payload": [
                {"id": n, "title": t, "description": None, "color": "#1f93ff", "show_on_sidebar": True}
                for n, t in enumerate(sorted(self.twin.labels), 1)
            ]
        }

    async def webhooks(self, call: Call, ids: dict[str, int]) -> Any:
        target = self.world.targets.get("chatwoot")
        rows = [] if target is None else [{"id": 1, "url": target.url, "account_id": state.ACCOUNT_ID, "secret": target.secret}]
        return {"payload": {"webhooks": rows}}

    async def add_webhook(self, call: Call, ids: dict[str, int]) -> Any:
        hook = call.body.get("webhook") or call.body
        secret = self.twin.key("webhook secret").replace("-", "")[:24]
        self.world.targets["chatwoot"] = WebhookTarget(hook["url"], secret)
        row = {
            "id": 1,
            "url": hook["url"],
            "account_id": state.ACCOUNT_ID,
            "subscriptions": hook.get("subscriptions") or [],
            "secret": secret,
        }
        return {"payload": {"webhook": row}}
