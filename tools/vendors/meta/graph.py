"""Reading and writing Graph nodes: version check, paging to the end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

from tools.errors import Refused, Unavailable, UnknownOutcome
from tools.http import Answer, VendorHttp
from tools.vendors.meta.wire import API_VERSION, TOO_MUCH_DATA, VENDOR, encode

Row = dict[str, Any]
MAX_PAGES = 2000


class Graph:
    """One ad account's door to the Graph API."""

    def __init__(self, http: VendorHttp) -> None:
        self.http = http

    async def get(self, path: str, operation: str, **params: Any) -> Row:
        """One node or one page. Raises Refused when Meta answers in another version than we asked for."""
        answer = await self.http.read(
            "GET", f"/{API_VERSION}/{path}", operation=operation, params=encode(params),
            limit_rests_writes=operation != "insights",
        )  # fmt: skip
        wrong = _wrong_version(answer)
        if wrong:
            raise Refused(VENDOR, operation, wrong, "version")
        data: Any = answer.data
        if not isinstance(data, dict):
            raise Unavailable(VENDOR, operation, "the answer is not an object")
        return cast("Row", data)

    async def pages(self, path: str, operation: str, *, limit: int = 200, **params: Any) -> list[Row]:
        """Every row of every page, or an error: never a part. Halves the page when Meta finds it too large."""
        rows: list[Row] = []
        after: str | None = None
        seen: set[str] = set()
        for _ in range(MAX_PAGES):
            try:
                page = await self.get(path, operation, limit=limit, after=after, **params)
            except Refused as refusal:
                if refusal.code != TOO_MUCH_DATA or limit <= 10:
                    raise
                limit //= 2
                continue
            data = page.get("data")
            if not isinstance(data, list):
                raise Unavailable(VENDOR, operation, "a page without data; the list is not complete")
            rows += [cast("Row", row) for row in cast("list[Any]", data)]
            after = _next_cursor(page, operation)
            if after is None:
                return rows
            if after in seen:
                raise Unavailable(VENDOR, operation, "the cursor runs in a circle; the list is not complete")
            seen.add(after)
        raise Unavailable(VENDOR, operation, f"more than {MAX_PAGES} pages")

    async def post(self, path: str, operation: str, params: Mapping[str, Any]) -> Row:
        """One write. An answer in another API version may mean other semantics: it counts as unknown."""
        answer = await self.http.write("POST", f"/{API_VERSION}/{path}", operation=operation, data=encode(params))
        wrong = _wrong_version(answer)
        if wrong:
            raise UnknownOutcome(VENDOR, operation, wrong, "version")
        data: Any = answer.data
        if not isinstance(data, dict):
            raise UnknownOutcome(VENDOR, operation, "the answer is not an object")
        return cast("Row", data)

    async def create(self, path: str, operation: str, params: Mapping[str, Any]) -> str:
        """Creates one object and returns its id."""
        ident = (await self.post(path, operation, params)).get("id")
        if not isinstance(ident, str) or not ident:
            raise UnknownOutcome(VENDOR, operation, "created, but the answer holds no id")
        return ident


def _wrong_version(answer: Answer) -> str | None:
    version = answer.headers.get("facebook-api-version")
    if version is None or version == API_VERSION:
        return None
    return f"asked for API {API_VERSION} but Meta answered as {version}; update the client before it writes again"


def _next_cursor(page: Row, operation: str) -> str | None:
    paging = cast("Row", page.get("paging") or {})
    following = paging.get("next")
    if not following:
        return None
    cursors = cast("Row", paging.get("cursors") or {})
    after = cursors.get("after") or (parse_qs(urlsplit(str(following)).query).get("after") or [None])[0]
    if not after:
        raise Unavailable(VENDOR, operation, "there is a next page but no cursor to it; the list is not complete")
    return str(after)
