"""Chatwoot's HTTP side: /api/v1/accounts/{id}/..., attachment blobs, and /_control/... for tests (not part of the real service).

Wire facts kept on purpose: `success: null` when a bot hands off; PATCH /conversations/{id} obeys `priority` only; labels and
custom attributes are replaced, contact attributes merged; a bot token cannot list messages or touch contacts. Different on purpose:
unknown parameters are refused with 422 (Rails drops them silently).
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse

from runtime.sandbox import chatwoot_state as state
from runtime.sandbox.chatwoot_desk import Call, Desk, Handler, Stop
from runtime.sandbox.world import World

_BOT_MAY = {
    ("GET", "conversation"),
    ("POST", "conversations"),
    ("PATCH", "conversation"),
    ("POST", "toggle_status"),
    ("POST", "toggle_typing_status"),
    ("POST", "toggle_priority"),
    ("POST", "custom_attributes"),
    ("POST", "messages"),
    ("POST", "assignments"),
    ("GET", "labels"),
    ("POST", "labels"),
}


def router(world: World) -> APIRouter:
    """The twin's routes over the world's Chatwoot state."""
    twin = state.of(world)
    routes = APIRouter()
    desk = Desk(twin)

    def add(method: str, path: str, kind: str, handler: Handler) -> None:
        async def endpoint(request: Request) -> Response:
            try:
                call = await _enter(twin, request, method, kind)
                # conversation ids etc. come from the path; anything but digits is unknown
                ids = {name: int(value) for name, value in request.path_params.items() if value.isdigit()}
                answer = await handler(call, ids)
            except Stop as stop:
                return JSONResponse(stop.body, stop.status)
            except state.Invalid as invalid:
                return JSONResponse({"message": invalid.message, "attributes": invalid.attributes}, 422)
            return answer if isinstance(answer, Response) else JSONResponse(answer)

        routes.add_api_route("/api/v1/accounts/{account}" + path, endpoint, methods=[method], name=f"{method} {path}")

    add("GET", "/contacts", "contacts", desk.list_contacts)
    add("POST", "/contacts", "contacts", desk.create_contact)
    add("GET", "/contacts/search", "contacts", desk.search_contacts)
    for method in ("PUT", "PATCH"):
        add(method, "/contacts/{contact}", "contacts", desk.update_contact)
    add("GET", "/contacts/{contact}", "contacts", desk.show_contact)
    add("DELETE", "/contacts/{contact}", "contacts", desk.delete_contact)
    add("GET", "/contacts/{contact}/conversations", "contacts", desk.contact_conversations)
    add("POST", "/contacts/{contact}/contact_inboxes", "contacts", desk.add_contact_inbox)
    add("POST", "/contacts/{contact}/labels", "contacts", desk.contact_labels)
    add("GET", "/conversations", "conversations", desk.list_conversations)
    add("GET", "/conversations/meta", "conversations", desk.meta)
    add("POST", "/conversations", "conversations", desk.create_conversation)
    add("GET", "/conversations/{conversation}", "conversation", desk.show_conversation)
    add("PATCH", "/conversations/{conversation}", "conversation", desk.update_conversation)
    add("POST", "/conversations/{conversation}/messages", "messages", desk.create_message)
    add("GET", "/conversations/{conversation}/messages", "messages", desk.list_messages)
    add("PATCH", "/conversations/{conversation}/messages/{message}", "message", desk.update_message)
    add("POST", "/conversations/{conversation}/toggle_status", "toggle_status", desk.toggle_status)
    add("POST", "/conversations/{conversation}/toggle_typing_status", "toggle_typing_status", desk.toggle_typing)
    add("POST", "/conversations/{conversation}/toggle_priority", "toggle_priority", desk.toggle_priority)
    add("POST", "/conversations/{conversation}/assignments", "assignments", desk.assign)
    add("GET", "/conversations/{conversation}/labels", "labels", desk.show_labels)
    add("POST", "/conversations/{conversation}/labels", "labels", desk.set_labels)
    add("POST", "/conversations/{conversation}/custom_attributes", "custom_attributes", desk.set_attributes)
    add("GET", "/inboxes", "inboxes", desk.inboxes)
    add("GET", "/agents", "agents", desk.agents)
    add("GET", "/teams", "teams", desk.teams)
    add("GET", "/labels", "account_labels", desk.account_labels)
    add("GET", "/webhooks", "webhooks", desk.webhooks)
    add("POST", "/webhooks", "webhooks", desk.add_webhook)
    _blobs(routes, twin)
    _control(routes, twin)
    return routes


async def _enter(twin: state.Chatwoot, request: Request, method: str, kind: str) -> Call:
    twin.base_url = str(request.base_url).rstrip("/")
    token = request.headers.get("api-access-token") or request.headers.get("api_access_token")
    who = {state.USER_TOKEN: state.USERS[7], state.BOT_TOKEN: state.BOT}.get(token or "")
    if token is None:
        raise Stop(401, {"errors": ["You need to sign in or sign up before continuing."]})
    if who is None:
        raise Stop(401, {"error": "Invalid Access Token"})
    if request.path_params["account"] != str(state.ACCOUNT_ID):
        raise Stop(404, {"error": "Resource could not be found"})
    if who is state.BOT and (method, kind) not in _BOT_MAY:
        raise Stop(401, {"error": "Access to this endpoint is not authorized for bots"})
    body: dict[str, Any] = {}
    files: list[tuple[str, str, bytes]] = []
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        async with request.form() as form:
            for name, value in form.multi_items():
                if isinstance(value, str):
                    body[name] = value
                else:
                    files.append((value.filename or "file", value.content_type or "application/octet-stream", await value.read()))
    elif await request.body():
        try:
            given = await request.json()
        except ValueError as error:
            raise Stop(400, {"error": "There was a problem in the JSON you submitted"}) from error
        if not isinstance(given, dict):
            raise Stop(400, {"error": "There was a problem in the JSON you submitted"})
        body = given
    return Call(twin.world, request, who, body, files)


def _blobs(routes: APIRouter, twin: state.Chatwoot) -> None:
    @routes.get("/rails/active_storage/blobs/redirect/{number}/{filename}")
    async def redirect(number: int, filename: str) -> Response:
        return RedirectResponse(f"{twin.base_url}/chatwoot/rails/active_storage/disk/{number}/{filename}", 302)

    @routes.get("/rails/active_storage/disk/{number}/{filename}")
    async def disk(number: int, filename: str) -> Response:
        if number not in twin.blobs:
            return Response(status_code=404)
        _, mime, content = twin.blobs[number]
        return Response(content, media_type=mime)


def _control(routes: APIRouter, twin: state.Chatwoot) -> None:
    @routes.post("/_control/human")
    async def human(request: Request) -> Response:
        """An agent writes in the panel: {conversation_id, content, private?, agent?, status?, assign?, external_echo?}."""
        twin.base_url = str(request.base_url).rstrip("/")
        data: dict[str, Any] = await request.json()
        conversation = twin.conversations.get(data["conversation_id"])
        agent = state.USERS.get(data.get("agent", 7))
        if conversation is None or agent is None:
            return JSONResponse({"error": "no such conversation or agent"}, 404)
        before = len(twin.world.delivery_errors)
        if data.get("assign"):
            old, conversation.assignee = conversation.assignee, agent
            await twin.changed(
                "conversation_updated", conversation, {"assignee_id": ((old or {}).get("id"), agent["id"])}, at_once=True
            )
        message_id = None
        if data.get("content"):
            echo = bool(data.get("external_echo"))
            message = await twin.add_message(
                conversation,
                data["content"],
                "outgoing",
                None if echo else agent,
                at_once=True,
                private=bool(data.get("private")),
                content_attributes={"external_echo": True} if echo else {},
            )
            message_id = message.id
        if data.get("status"):
            await twin.set_status(conversation, data["status"], at_once=True)
        return JSONResponse({"message_id": message_id, "delivery_errors": twin.world.delivery_errors[before:]})

    @routes.get("/_control/conversations")
    async def conversations() -> dict[str, Any]:
        return twin.book()
