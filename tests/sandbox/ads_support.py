"""What the tests of the ad twins share: a sandbox on a real port, and the shortest way to a live campaign on it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import httpx

from runtime.sandbox.adtree import META_ACCOUNT, TIKTOK_ADVERTISER
from runtime.sandbox.app import create_sandbox
from runtime.sandbox.serve import serve_in_loop
from runtime.sandbox.world import World

ACT = f"/meta/v26.0/act_{META_ACCOUNT}"
TIKTOK = "/tiktok/open_api/v1.3"
BROAD = {"geo_locations": {"countries": ["BR"]}, "age_min": 18, "age_max": 65, "targeting_automation": {"advantage_audience": 1}}
CAMPAIGN = {
    "objective": "OUTCOME_SALES",
    "special_ad_categories": [],
    "is_adset_budget_sharing_enabled": False,
    "status": "PAUSED",
}
ADSET = {
    "daily_budget": 5000,
    "optimization_goal": "OFFSITE_CONVERSIONS",
    "billing_event": "IMPRESSIONS",
    "bid_strategy": "LOWEST_COST_WITHOUT_CAP",
    "promoted_object": {"pixel_id": "1", "custom_event_type": "PURCHASE"},
    "targeting": BROAD,
    "status": "PAUSED",
}


class Client:
    """A bare client of one sandbox: nothing of ours between the test and the wire."""

    def __init__(self, http: httpx.AsyncClient, url: str, app: Any) -> None:
        self.http, self.url, self.app = http, url, app
        self.world: World = app.state.world

    async def graph(self, method: str, path: str, **params: Any) -> httpx.Response:
        """One Graph call; lists and objects go as JSON text, POST as a form."""
        values = {name: value if isinstance(value, str) else json.dumps(value) for name, value in params.items()}
        path = path if path.startswith("/") else f"/meta/v26.0/{path}"
        where = {"data": values} if method == "POST" else {"params": values}
        return await self.http.request(method, path, headers={"Authorization": "Bearer token"}, **where)

    async def post(self, path: str, **params: Any) -> dict[str, Any]:
        """A Graph POST that must succeed."""
        answer = await self.graph("POST", path, **params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def get(self, path: str, **params: Any) -> dict[str, Any]:
        """A Graph GET that must succeed."""
        answer = await self.graph("GET", path, **params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def error(self, path: str, **params: Any) -> dict[str, Any]:
        """The error object of a Graph POST that must be refused."""
        answer = await self.graph("POST", path, **params)
        assert answer.status_code >= 400, answer.text
        return answer.json()["error"]

    async def tiktok(self, method: str, path: str, **values: Any) -> dict[str, Any]:
        """One TikTok call: the whole envelope."""
        headers = {"Access-Token": "token"}
        if method == "GET":
            query = {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}
            answer = await self.http.get(f"{TIKTOK}/{path}/", params={"advertiser_id": TIKTOK_ADVERTISER, **query}, headers=headers)
        else:
            body = {"advertiser_id": TIKTOK_ADVERTISER, **values}
            answer = await self.http.post(f"{TIKTOK}/{path}/", json=body, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def control(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        """One button of the sandbox itself."""
        answer = await self.http.request(method, f"/_sandbox/{path}", json=body or None)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def advance(self, **delta: float) -> datetime:
        """Moves the simulated clock."""
        to = self.world.now + timedelta(**delta)
        await self.control("POST", "advance", to=to.isoformat())
        return to

    async def book(self) -> dict[str, Any]:
        """The sandbox's true state."""
        return await self.control("GET", "book")

    async def meta_campaign(
        self, name: str, *, budget: int = 5000, live: bool = True, text: str | None = None
    ) -> tuple[str, str, str]:
        """campaign, ad set and ad ids of a sales campaign with one ad."""
        status = "ACTIVE" if live else "PAUSED"
        campaign = (await self.post(f"{ACT}/campaigns", **{**CAMPAIGN, "name": name, "status": status}))["id"]
        adset = await self.post(
            f"{ACT}/adsets", **{**ADSET, "name": "Broad BR", "campaign_id": campaign, "daily_budget": budget, "status": status}
        )
        link = "https://loja.example/p?utm_source=meta&utm_campaign={{campaign.name}}"
        story = {"page_id": "10", "link_data": {"link": link, "message": text or f"Conheça: {name}"}}
        ad = await self.post(
            f"{ACT}/ads", name="Anúncio 1", adset_id=adset["id"], status=status, creative={"object_story_spec": story}
        )
        return campaign, adset["id"], ad["id"]

    async def tiktok_campaign(self, name: str, *, budget: float = 40.0) -> tuple[str, str, str]:
        """campaign, ad group and ad ids of a live TikTok campaign with one ad."""
        made = await self.tiktok("POST", "campaign/create", campaign_name=name, objective_type="WEB_CONVERSIONS")
        campaign = made["data"]["campaign_id"]
        group = await self.tiktok("POST", "adgroup/create", **adgroup(campaign, budget))
        assert group["code"] == 0, group
        creative = {"ad_name": "Vídeo 1", "ad_text": f"Olha isso: {name}", "ad_format": "SINGLE_VIDEO", "video_id": "v1"}
        creative["landing_page_url"] = "https://loja.example/t?utm_source=tiktok&utm_campaign=__CAMPAIGN_NAME__"
        ad = await self.tiktok("POST", "ad/create", adgroup_id=group["data"]["adgroup_id"], creatives=[creative])
        assert ad["code"] == 0, ad
        return campaign, group["data"]["adgroup_id"], ad["data"]["ad_ids"][0]


def adgroup(campaign: str, budget: float = 40.0) -> dict[str, Any]:
    """The body of a plain ad group."""
    return {
        "campaign_id": campaign,
        "adgroup_name": "Brasil",
        "billing_event": "OCPM",
        "budget": budget,
        "budget_mode": "BUDGET_MODE_DAY",
        "optimization_goal": "CONVERT",
        "pacing": "PACING_MODE_SMOOTH",
        "schedule_type": "SCHEDULE_FROM_NOW",
        "schedule_start_time": "2026-11-20 00:00:00",
        "location_ids": ["3469034"],
    }


@asynccontextmanager
async def sandbox(seed: int = 7, **options: Any) -> AsyncIterator[Client]:
    """A sandbox on a free port with a client of it."""
    app = create_sandbox(seed, personas=False, **options)
    handle = await serve_in_loop(app)
    try:
        async with httpx.AsyncClient(base_url=handle.url, timeout=20) as http:
            yield Client(http, handle.url, app)
    finally:
        await handle.stop()
