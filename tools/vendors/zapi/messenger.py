"""Sending through Z-API. Source: developer.z-api.io, docs of 2026-04.

Z-API has no idempotency key and no list of what was sent: when the answer to a send is lost, nothing can be looked up, so
`send_text` raises UnknownOutcome and must not be repeated. What became of it is told by the webhooks only: an echo
(`fromMe` + `fromApi`, with the text) and DeliveryCallback / MessageStatusCallback. An accepted send is QUEUED, not sent.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import httpx

from knowledge.domain.brazil import phone_e164
from knowledge.domain.policy import Operational
from tools.errors import RateLimited, Refused, Unauthorized, Unavailable, UnknownOutcome, VendorError
from tools.http import Answer, VendorHttp
from tools.payload import as_object
from tools.ports import Health

_VENDOR = "zapi"
_CONNECTION_TRUSTED_SECONDS = 10.0


class ZApiMessenger:
    """One Z-API instance. The token is part of every URL: it is registered as a secret, and URLs are never logged.

    `typing_seconds` (1-15) shows "typing…" before each text. `monotonic` and `transport` are for tests.
    """

    def __init__(
        self,
        base_url: str,
        instance: str,
        token: str,
        client_token: str,
        *,
        typing_seconds: int | None = None,
        timeout: float = 20.0,
        per_second: int = 5,
        limits: Operational | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        if typing_seconds is not None and not 1 <= typing_seconds <= 15:
            raise ValueError("typing_seconds: 1 to 15")
        self._typing = typing_seconds
        self._monotonic = monotonic
        self._connected_until = 0.0
        self.http = VendorHttp(
            _VENDOR, f"{base_url.rstrip('/')}/instances/{instance}/token/{token}/", account=instance,
            headers={"Client-Token": client_token}, secrets=(token, client_token), translate=_translate,
            timeout=timeout, per_second=per_second, limits=limits, monotonic=monotonic, transport=transport,
        )  # fmt: skip

    async def send_text(self, to: str, text: str, key: str) -> str:
        """Queues a text for an E.164 phone, a WhatsApp id or a LID; returns the message id. `key` cannot be passed on.

        Raises Unavailable, with nothing sent, while the phone is offline: Z-API would keep up to 1000 stale messages and fire
        them all on reconnection. Raises UnknownOutcome when the answer was lost (see the module's text).
        """
        await self._require_connection("send_text")
        body: dict[str, object] = {"phone": _address(to, "send_text"), "message": text}
        if self._typing is not None:
            body["delayTyping"] = self._typing
        answer = await self.http.write("POST", "send-text", operation="send_text", json=body)
        message_id = as_object(answer.data).get("messageId")
        if not isinstance(message_id, str) or not message_id:
            raise UnknownOutcome(_VENDOR, "send_text", "accepted without a message id")
        return message_id

    async def mark_read(self, to: str, external_id: str) -> None:
        """Blue ticks for one message of a chat. Harmless to repeat."""
        body = {"phone": _address(to, "mark_read"), "messageId": external_id}
        await self.http.write("POST", "read-message", operation="mark_read", json=body)

    async def lookup(self, phone: str) -> tuple[str, str | None] | None:
        """(WhatsApp's own spelling, LID) of a phone, or None when it has no WhatsApp. Tells which ninth-digit spelling is right."""
        path = f"phone-exists/{_address(phone, 'lookup')}"
        found = as_object((await self.http.read("GET", path, operation="lookup")).data)
        spelling, lid = found.get("phone"), found.get("lid")
        if found.get("exists") is not True or not isinstance(spelling, str):
            return None
        return spelling, lid if isinstance(lid, str) else None

    async def health(self) -> Health:
        """Whether the instance answers and its phone is connected."""
        try:
            connected, error = await self._status()
        except Unauthorized as refused:
            return Health(
                ok=False, detail=refused.detail, remedy="Check the Z-API token and the account security token (Client-Token)."
            )
        except VendorError as failed:
            return Health(ok=False, detail=failed.detail, remedy="Check the Z-API instance id, its address and its subscription.")
        if connected:
            return Health(ok=True, detail="connected")
        return Health(ok=False, detail=error or "phone not connected", remedy="Read the QR code again in the Z-API panel.")

    async def _status(self) -> tuple[bool, str]:
        found = as_object((await self.http.read("GET", "status", operation="status")).data)
        # smartphoneConnected is missing where the phone is not needed (multi-device); only an explicit false counts.
        connected = found.get("connected") is True and found.get("smartphoneConnected") is not False
        error = found.get("error")
        self._connected_until = self._monotonic() + _CONNECTION_TRUSTED_SECONDS if connected else 0.0
        return connected, error if isinstance(error, str) else ""

    async def _require_connection(self, operation: str) -> None:
        if self._monotonic() < self._connected_until:
            return
        connected, _ = await self._status()
        if not connected:
            raise Unavailable(_VENDOR, operation, "the phone is not connected; nothing was queued")


def _address(to: str, operation: str) -> str:
    """How Z-API wants an addressee: digits with country code, or a LID. Groups and anything else are refused before sending."""
    if re.fullmatch(r"\d+@lid", to):
        return to
    digits = to.removeprefix("+")
    if re.fullmatch(r"\d{10,15}", digits) and phone_e164("+" + digits):
        return digits
    raise Refused(_VENDOR, operation, "not a phone with country code, nor a LID", "address")


def _translate(answer: Answer, operation: str) -> VendorError | None:
    error = as_object(answer.data).get("error")
    if not isinstance(error, str) or not error or operation == "status":
        return None
    code = str(answer.status)
    if answer.status in (401, 403) or "not allowed" in error or "Instance not found" in error:
        return Unauthorized(_VENDOR, operation, error, code)
    if answer.status == 429:
        return RateLimited(_VENDOR, operation, error, code)
    if answer.status >= 500 or answer.status == 408:
        return Unavailable(_VENDOR, operation, error, code)
    return Refused(_VENDOR, operation, error, code)
