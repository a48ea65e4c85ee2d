"""PipeRun's wire: header token, envelope, cursor paging, Portuguese refusals. Source: PipeRun's OpenAPI of 2026-04-30."""

from __future__ import annotations

from typing import Any, cast

import httpx

from knowledge.domain.policy import Operational
from tools.errors import Refused, Unavailable, UnknownOutcome, VendorError
from tools.http import Answer, VendorHttp
from tools.payload import as_object

VENDOR = "piperun"
_SHOW = 200  # the most that a page may hold
_MOST_PAGES = 500


class PipeRunApi:
    """Reads all pages or raises; writes once."""

    def __init__(
        self, base_url: str, token: str, *, timeout: float, per_second: int, limits: Operational | None,
        transport: httpx.AsyncBaseTransport | None,
    ) -> None:  # fmt: skip
        root = base_url.rstrip("/").removesuffix("/v1") + "/v1/"
        self.http = VendorHttp(
            VENDOR, root, headers={"token": token}, secrets=(token,), translate=_translate,
            timeout=timeout, per_second=per_second, limits=limits, transport=transport,
        )  # fmt: skip

    async def every(self, resource: str, **filters: Any) -> list[dict[str, Any]]:
        """All rows of a list, by cursor: `page=` is ignored by the service, and its count is always null."""
        rows: list[dict[str, Any]] = []
        cursor: str | None = None
        seen: set[str] = set()
        for _ in range(_MOST_PAGES):
            params = {"show": _SHOW, **filters} | ({"cursor": cursor} if cursor else {})
            body = as_object((await self.http.read("GET", resource, operation=f"{resource}.list", params=params)).data)
            page = objects(body.get("data"))
            if any(not row.get("id") for row in page):
                raise Unavailable(VENDOR, f"{resource}.list", "a row without an id")
            rows += page
            following = as_object(as_object(body.get("meta")).get("cursor")).get("next")
            if not isinstance(following, str) or not following:
                return rows
            if following in seen:
                raise Unavailable(VENDOR, f"{resource}.list", "the cursor repeats itself; the list cannot be read to its end")
            seen.add(following)
            cursor = following
        raise Unavailable(VENDOR, f"{resource}.list", f"more than {_MOST_PAGES} pages")

    async def one(self, resource: str, number: str) -> dict[str, Any] | None:
        """One row, or None when there is none under that id."""
        try:
            answer = await self.http.read("GET", f"{resource}/{_id(number)}", operation=f"{resource}.show")
        except Refused as refused:
            if refused.code == "404":
                return None
            raise
        return next(iter(objects(as_object(answer.data).get("data"))), None)

    async def create(self, resource: str, body: dict[str, Any]) -> str:
        """The new row's id. POST /companies answers a list where the others answer an object: both are read."""
        operation = f"{resource}.create"
        answer = await self.http.write("POST", resource, operation=operation, json=body)
        row = next(iter(objects(as_object(answer.data).get("data"))), None)
        if row is None or not row.get("id"):
            raise UnknownOutcome(VENDOR, operation, "accepted without an id")
        return str(row["id"])

    async def update(self, resource: str, number: str, body: dict[str, Any]) -> None:
        """Changes fields of a row."""
        await self.http.write("PUT", f"{resource}/{_id(number)}", operation=f"{resource}.update", json=body)


def objects(data: Any) -> list[dict[str, Any]]:
    """`data` as rows, whether it came as a list or as one object."""
    if isinstance(data, list):
        return [as_object(row) for row in cast("list[Any]", data)]
    return [as_object(data)] if data else []


def _id(number: str) -> int:
    if not number.isascii() or not number.isdigit():
        raise Refused(VENDOR, "id", "not a PipeRun id", "404")
    return int(number)


def _translate(answer: Answer, operation: str) -> VendorError | None:
    body = as_object(answer.data)
    if answer.ok and body.get("success") is not False:
        return None
    message = str(body.get("message") or f"HTTP {answer.status}")
    if answer.status == 422 or (answer.ok and body.get("success") is False):
        # {"title": "O campo title é obrigatório."}; a list of texts per field occurs too.
        fields = as_object(body.get("data"))
        told = "; ".join(f"{name}: {_text(text)}" for name, text in fields.items())
        return Refused(VENDOR, operation, told or message, ",".join(fields) or str(answer.status))
    if answer.status == 404:
        return Refused(VENDOR, operation, message, "404")
    return None


def _text(value: Any) -> str:
    return " ".join(str(part) for part in cast("list[Any]", value)) if isinstance(value, list) else str(value)
