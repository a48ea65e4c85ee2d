"""Planned misbehaviour, shared by all twins: turns a `Fault` into what that vendor really sends (or does not send)."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import unquote_plus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runtime.sandbox.words import words
from runtime.sandbox.world import Fault, World

HTML_502 = b"<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center></body></html>"
KINDS = words("""
commit_then_500 error_500 html_502 commit_then_html_502 timeout rate_limit expired_token drop commit_then_drop
upgraded_version
""")
REGAIN_MINUTES = 7
"""Minutes that the throttled Meta account is told to wait."""

Form = tuple[int, dict[str, str], bytes]


def _json(status: int, body: Any, **headers: str) -> Form:
    return status, {"content-type": "application/json", **headers}, json.dumps(body).encode()


def meta_form(fault: Fault) -> Form:
    """Meta's own words for a fault (Graph error envelope)."""
    if fault.kind == "rate_limit":
        usage = [{
            "type": "ads_management", "call_count": 100, "total_cputime": 61, "total_time": 83,
            "estimated_time_to_regain_access": REGAIN_MINUTES, "ads_api_access_tier": "standard_access",
        }]  # fmt: skip
        body = {"error": {
            "message": "There have been too many calls to this ad-account. Wait a bit and try again.", "type": "OAuthException",
            "code": 80004, "error_subcode": 2446079, "is_transient": False, "fbtrace_id": "AsandboxRate",
        }}  # fmt: skip
        return _json(400, body, **{"x-business-use-case-usage": json.dumps({"1000000000000001": usage})})
    if fault.kind == "expired_token":
        message = "Error validating access token: Session has expired on Friday, 20-Nov-26 10:00:00 PST."
        return _json(
            400,
            {
                "error": {
                    "message": message,
                    "type": "OAuthException",
                    "code": 190,
                    "error_subcode": 463,
                    "fbtrace_id": "AsandboxTok",
                }
            },
        )
    body = {"error": {
        "message": "(#2) Service temporarily unavailable", "type": "OAuthException", "is_transient": True, "code": 2,
        "fbtrace_id": "Asandbox500",
    }}  # fmt: skip
    return _json(500, body)


def tiktok_form(fault: Fault) -> Form:
    """TikTok's words: HTTP 200 and a code, except where a gateway in front of it fails."""
    if fault.kind == "rate_limit":
        return _json(
            200,
            {
                "code": 40100,
                "message": "Too many requests. Please retry in some time.",
                "request_id": "2026112000000040100",
                "data": {},
            },
        )
    if fault.kind == "expired_token":
        return _json(
            200,
            {
                "code": 40105,
                "message": "Access token is incorrect or has been revoked.",
                "request_id": "2026112000000040105",
                "data": {},
            },
        )
    return _json(200, {"code": 50000, "message": "System error", "request_id": "2026112000000050000", "data": {}})


def plain_form(fault: Fault) -> Form:
    """For vendors that registered no form of their own: the plain HTTP meaning."""
    if fault.kind == "rate_limit":
        return _json(429, {"error": "Too many requests"}, **{"retry-after": "30"})
    if fault.kind == "expired_token":
        return _json(401, {"error": "Unauthorized"})
    return _json(500, {"error": "Internal server error"})


FORMS = {"meta": meta_form, "tiktok": tiktok_form}


async def _answer(send: Send, form: Form) -> None:
    status, headers, body = form
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    raw.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


async def _hang_up(send: Send) -> None:
    """Closes the connection without an answer, where the server lets us; otherwise fails the request in the caller's face."""
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is None:
        raise ConnectionResetError("the sandbox dropped this request on purpose")
    transport.abort()
    for _ in range(3):
        await asyncio.sleep(0)


async def _swallow(message: Message) -> None:
    """Takes the answer of a committed request that the client will never see."""


def vendor_of(path: str) -> str:
    """First segment of the path: which twin was meant."""
    return path.lstrip("/").split("/", 1)[0]


class FaultDispatcher:
    """ASGI layer before all twins: looks for a planned fault and carries it out."""

    def __init__(self, app: ASGIApp, world: World) -> None:
        self.app = app
        self.world = world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, unless a fault was planned for it."""
        path = scope.get("path", "")
        fault = None
        if scope["type"] == "http" and not path.startswith("/_sandbox"):
            fault = self.world.take_fault(scope["method"], path, unquote_plus(scope.get("query_string", b"").decode()))
        if fault is None:
            await self.app(scope, receive, send)
            return
        vendor = vendor_of(path)
        form = self.world.fault_forms.get(vendor) or FORMS.get(vendor) or plain_form
        if fault.kind in ("commit_then_500", "timeout", "commit_then_drop", "commit_then_html_502"):
            await self.app(scope, receive, _swallow)
        if fault.kind == "upgraded_version":
            await self.app(scope, receive, self._as_newer(send))
        elif fault.kind in ("html_502", "commit_then_html_502"):
            await _answer(send, (502, {"content-type": "text/html"}, HTML_502))
        elif fault.kind in ("drop", "commit_then_drop"):
            await _hang_up(send)
        elif fault.kind == "timeout":
            await asyncio.sleep(fault.seconds)
            await _hang_up(send)
        else:
            await _answer(send, form(fault))

    @staticmethod
    def _as_newer(send: Send) -> Send:
        async def changed(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept = [pair for pair in message["headers"] if pair[0].lower() != b"facebook-api-version"]
                message = {**message, "headers": [*kept, (b"facebook-api-version", b"v27.0")]}
            await send(message)

        return changed
