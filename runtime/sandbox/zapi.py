"""Z-API's HTTP side: /instances/{id}/token/{token}/..., and /_control/... for tests (not part of the real service)."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from runtime.sandbox import personas, zapi_state
from runtime.sandbox.phone import plausible
from runtime.sandbox.world import World

_COMMON = {"phone": str, "delayMessage": int, "delayTyping": int, "messageId": str}
_FIELDS: dict[str, dict[str, type]] = {
    "send-text": {**_COMMON, "message": str, "editMessageId": str},
    "send-audio": {**_COMMON, "audio": str, "waveform": bool, "async": bool, "viewOnce": bool},
    "send-image": {**_COMMON, "image": str, "caption": str, "viewOnce": bool},
    "send-document": {**_COMMON, "document": str, "fileName": str, "caption": str},
    "read-message": {"phone": str, "messageId": str},
    "update-every-webhooks": {"value": str, "notifySentByMe": bool},
}
_REQUIRED = {
    "send-text": ("phone", "message"),
    "send-audio": ("phone", "audio"),
    "send-image": ("phone", "image"),
    "send-document": ("phone", "document"),
    "read-message": ("phone", "messageId"),
    "update-every-webhooks": ("value",),
}


class Refusal(Exception):
    """A request the service turns down: HTTP status and its `error` text."""

    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status, self.error = status, error


def router(world: World) -> APIRouter:
    """The twin's routes over the world's Z-API state."""
    twin = zapi_state.of(world)
    routes = APIRouter()

    def enter(request: Request, instance: str, token: str) -> None:
        twin.base_url = str(request.base_url).rstrip("/")
        if (instance, token) != (zapi_state.INSTANCE_ID, zapi_state.INSTANCE_TOKEN):
            raise Refusal(400, "Instance not found")
        given = request.headers.get("client-token")
        if given is None:
            raise Refusal(403, "null not allowed")
        if given != zapi_state.CLIENT_TOKEN:
            raise Refusal(403, "Client-Token not allowed")

    async def body(request: Request, operation: str) -> dict[str, Any]:
        if request.headers.get("content-type", "").split(";")[0].strip() != "application/json":
            raise Refusal(415, "Unsupported Media Type")
        try:
            data = json.loads(await request.body())
        except ValueError as error:
            raise Refusal(400, "Malformed JSON") from error
        if not isinstance(data, dict):
            raise Refusal(400, "Body must be an object")
        unknown = sorted(set(data) - set(_FIELDS[operation]))
        if unknown:
            world.refuse("zapi", request.method, request.url.path, f"unknown field {unknown[0]}")
            raise Refusal(400, f"Unknown field: {unknown[0]}")
        _check(operation, data)
        return data

    async def send(request: Request, instance: str, token: str, operation: str, extension: str | None = None) -> Response:
        try:
            enter(request, instance, token)
            data = await body(request, operation)
        except Refusal as refusal:
            return JSONResponse({"error": refusal.error}, refusal.status)
        kind = operation.removeprefix("send-")
        text = str(data.get("message") or data.get("caption") or data.get("fileName") or "")
        url = str(data.get(kind, ""))
        if url.startswith("data:") and not _decodes(url):
            return JSONResponse({"error": f"{kind} is not valid base64"}, 400)
        content: dict[str, Any] = {"text": {"message": text}}
        if kind != "text":
            content = {kind: {f"{kind}Url": "" if url.startswith("data:") else url, "mimeType": extension or kind, "caption": text}}
        if twin.queued >= zapi_state.QUEUE_LIMIT:
            return JSONResponse({"error": "Queue is full"}, 400)
        message = twin.queue(operation, data["phone"], kind, text, content, data)
        return JSONResponse({"zaapId": message.zaap_id, "messageId": message.id, "id": message.id})

    @routes.post("/instances/{instance}/token/{token}/send-text")
    async def send_text(request: Request, instance: str, token: str) -> Response:
        return await send(request, instance, token, "send-text")

    @routes.post("/instances/{instance}/token/{token}/send-audio")
    async def send_audio(request: Request, instance: str, token: str) -> Response:
        return await send(request, instance, token, "send-audio")

    @routes.post("/instances/{instance}/token/{token}/send-image")
    async def send_image(request: Request, instance: str, token: str) -> Response:
        return await send(request, instance, token, "send-image")

    @routes.post("/instances/{instance}/token/{token}/send-document/{extension}")
    async def send_document(request: Request, instance: str, token: str, extension: str) -> Response:
        return await send(request, instance, token, "send-document", extension)

    @routes.post("/instances/{instance}/token/{token}/read-message")
    async def read_message(request: Request, instance: str, token: str) -> Response:
        try:
            enter(request, instance, token)
            data = await body(request, "read-message")
        except Refusal as refusal:
            return JSONResponse({"error": refusal.error}, refusal.status)
        twin.read.append({"phone": data["phone"], "messageId": data["messageId"]})
        return Response(status_code=204)

    @routes.get("/instances/{instance}/token/{token}/status")
    async def status(request: Request, instance: str, token: str) -> Response:
        try:
            enter(request, instance, token)
        except Refusal as refusal:
            return JSONResponse({"error": refusal.error}, refusal.status)
        error = "" if twin.connected else "You are not connected."
        return JSONResponse({"connected": twin.connected, "error": error, "smartphoneConnected": twin.connected})

    @routes.get("/instances/{instance}/token/{token}/phone-exists/{phone}")
    async def phone_exists(request: Request, instance: str, token: str, phone: str) -> Response:
        try:
            enter(request, instance, token)
        except Refusal as refusal:
            return JSONResponse({"error": refusal.error}, refusal.status)
        chat = twin.exists(phone)
        if chat is None:
            return JSONResponse({"exists": False, "phone": None, "lid": None})
        return JSONResponse({"exists": True, "phone": chat.phone, "lid": chat.lid})

    @routes.put("/instances/{instance}/token/{token}/update-every-webhooks")
    async def update_every_webhooks(request: Request, instance: str, token: str) -> Response:
        try:
            enter(request, instance, token)
            data = await body(request, "update-every-webhooks")
        except Refusal as refusal:
            return JSONResponse({"error": refusal.error}, refusal.status)
        twin.target(data["value"])
        twin.notify_sent_by_me = bool(data.get("notifySentByMe", twin.notify_sent_by_me))
        world.record("zapi", "update-every-webhooks", zapi_state.INSTANCE_ID)
        return JSONResponse({"value": True})

    _control(routes, twin)
    return routes


def _control(routes: APIRouter, twin: zapi_state.Zapi) -> None:
    @routes.get("/_media/{name}")
    async def media(name: str) -> Response:
        if name not in twin.media:
            return JSONResponse({"error": "Not found"}, 404)
        content, mime = twin.media[name]
        return Response(content, media_type=mime)

    @routes.post("/_control/inbound")
    async def inbound(request: Request) -> Response:
        twin.base_url = str(request.base_url).rstrip("/")
        data: dict[str, Any] = await request.json()
        phone, text = str(data.pop("phone")), str(data.pop("text", ""))
        at = data.pop("at", None)
        from_me, from_api = data.pop("fromMe", False), data.pop("fromApi", False)
        try:
            status = await twin.inbound(
                phone,
                text,
                kind=data.pop("kind", "text"),
                at=datetime.fromisoformat(at) if at else None,
                message_id=data.pop("messageId", None),
                direction="out" if from_api else "phone" if from_me else "in",
                name=data.pop("name", None),
                content=data.pop("content", None),
                **data,
            )
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 400)
        return JSONResponse({"status": status})

    @routes.get("/_control/messages")
    async def messages(phone: str | None = None) -> list[dict[str, Any]]:
        chosen = [m for m in twin.messages if phone is None or m.phone == twin.chat(phone).key]
        return [
            {
                "id": m.id,
                "phone": m.phone,
                "direction": m.direction,
                "kind": m.kind,
                "text": m.text,
                "status": m.status,
                "at": m.at.isoformat(),
                "reply_to": m.reply_to,
                "edits": m.edits,
            }
            for m in chosen
        ]

    @routes.post("/_control/connection")
    async def connection(request: Request) -> dict[str, bool]:
        await twin.connect(bool((await request.json())["connected"]))
        return {"connected": twin.connected}

    @routes.post("/_control/lead")
    async def lead(request: Request) -> Response:
        """A persona of a kind (hot, warm, cold) writes now: {kind}. Answers its truth."""
        twin.base_url = str(request.base_url).rstrip("/")
        try:
            made = personas.of(twin.world).add((await request.json())["kind"], twin.world.now)
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 400)
        return JSONResponse(made.book())

    @routes.post("/_control/chaos")
    async def chaos(request: Request) -> dict[str, float]:
        """Shares (0-1) of webhooks that come twice, or out of order: {duplicate?, reorder?}."""
        data: dict[str, Any] = await request.json()
        twin.duplicate = float(data.get("duplicate", twin.duplicate))
        twin.reorder = float(data.get("reorder", twin.reorder))
        return {"duplicate": twin.duplicate, "reorder": twin.reorder}

    @routes.post("/_control/number")
    async def number(request: Request) -> dict[str, Any]:
        data: dict[str, Any] = await request.json()
        chat = twin.register(data["phone"], data.get("name", data["phone"]), data.get("spelling"))
        chat.exists = bool(data.get("exists", True))
        return {"phone": chat.phone, "lid": chat.lid, "exists": chat.exists}


def _check(operation: str, data: dict[str, Any]) -> None:
    fields = _FIELDS[operation]
    for name, value in data.items():
        if not isinstance(value, fields[name]) or (fields[name] is int and isinstance(value, bool)):
            raise Refusal(400, f"{name} must be {fields[name].__name__}")
        if name.startswith("delay") and not 1 <= value <= 15:
            raise Refusal(400, f"{name} must be between 1 and 15")
    for name in _REQUIRED[operation]:
        if not data.get(name):
            raise Refusal(400, f"{name} is required")
    phone = data.get("phone")
    if phone is not None and not (plausible(phone) or phone.endswith(("@lid", "-group"))):
        raise Refusal(400, "Phone number is invalid")


def _decodes(url: str) -> bool:
    try:
        return bool(base64.b64decode(url.partition("base64,")[2], validate=True))
    except (binascii.Error, ValueError):
        return False
