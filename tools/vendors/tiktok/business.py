"""Reading and writing through the Business API: the envelope's data, pages to the end, objects by name and by id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

from tools.errors import Refused, Unavailable, UnknownOutcome
from tools.http import VendorHttp
from tools.payload import as_object
from tools.vendors.tiktok.wire import ROOT, VENDOR, query

Row = dict[str, Any]
Level = Literal["campaign", "adgroup", "ad"]
MAX_PAGES = 2000


class Business:
    """One advertiser's door to the API."""

    def __init__(self, http: VendorHttp, advertiser: str) -> None:
        self.http = http
        self.advertiser = advertiser

    async def get(self, path: str, operation: str, **params: Any) -> Row:
        """The `data` of one GET."""
        answer = await self.http.read("GET", f"{ROOT}/{path}/", operation=operation, params=query(params))
        return as_object(as_object(answer.data).get("data"))

    async def pages(self, path: str, operation: str, *, page_size: int = 100, **params: Any) -> list[Row]:
        """Every row of every page, or an error: never a part."""
        rows: list[Row] = []
        for page in range(1, MAX_PAGES):
            data = await self.get(path, operation, advertiser_id=self.advertiser, page=page, page_size=page_size, **params)
            info, part = as_object(data.get("page_info")), data.get("list")
            if not isinstance(part, list) or not isinstance(info.get("total_page"), int):
                raise Unavailable(VENDOR, operation, f"page {page} has no list or no page count; the list is not complete")
            rows += [cast("Row", row) for row in cast("list[Any]", part)]
            if page >= info["total_page"]:
                total = info.get("total_number")
                if isinstance(total, int) and len(rows) < total:
                    raise Unavailable(VENDOR, operation, f"{len(rows)} of {total} rows came; the list is not complete")
                return rows
        raise Unavailable(VENDOR, operation, f"more than {MAX_PAGES} pages")

    async def post(self, path: str, operation: str, body: Mapping[str, Any]) -> Row:
        """The `data` of one write."""
        sent = {"advertiser_id": self.advertiser, **{name: value for name, value in body.items() if value is not None}}
        answer = await self.http.write("POST", f"{ROOT}/{path}/", operation=operation, json=sent)
        return as_object(as_object(answer.data).get("data"))

    async def create(self, level: Level, body: Mapping[str, Any]) -> str:
        """Creates one object and returns its id as a string (ids exceed 2^53)."""
        operation = f"{level}.create"
        data = await self.post(f"{level}/create", operation, body)
        ident: Any = data.get(f"{level}_id")
        if level == "ad":
            several: Any = data.get("ad_ids")
            ident = cast("list[Any]", several)[0] if isinstance(several, list) and several else None
        if not ident:
            raise UnknownOutcome(VENDOR, operation, "created, but the answer holds no id")
        return str(ident)

    async def listed(self, level: Level, **filtering: Any) -> list[Row]:
        """Objects of a level that are not deleted; ids are always strings."""
        rows = await self.pages(f"{level}/get", f"{level}.list", filtering=filtering or None)
        for row in rows:
            for name in ("campaign_id", "adgroup_id", "ad_id"):
                if name in row:
                    row[name] = str(row[name])
        return rows

    async def one(self, level: Level, ident: str) -> Row:
        """One object by id. Raises Refused when it does not exist."""
        rows = await self.listed(level, **{f"{level}_ids": [ident], "primary_status": "STATUS_ALL"})
        if not rows:
            raise Refused(VENDOR, f"{level}.get", f"{level} {ident} does not exist or belongs to another advertiser", "40007")
        return rows[0]

    async def switch(self, level: Level, ids: list[str], status: Literal["ENABLE", "DISABLE"], operation: str) -> None:
        """Switches objects of one level. All or nothing: partial success is never asked for."""
        await self.post(f"{level}/status/update", operation, {f"{level}_ids": ids, "operation_status": status})
