"""The frame around the twins: the clock, the control routes, refusals, and the sandbox as a process of its own."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from runtime.sandbox.app import create_sandbox
from runtime.sandbox.serve import serve_in_loop
from runtime.sandbox.world import World
from tests.sandbox.ads_support import ACT, CAMPAIGN, sandbox

ROOT = Path(__file__).parents[2]


async def test_the_clock_moves_only_forwards_and_names_the_next_event():
    async with sandbox(start=datetime(2026, 11, 23, 11, 20, tzinfo=UTC)) as box:
        clock = await box.control("GET", "clock")
        assert clock == {"now": "2026-11-23T11:20:00+00:00", "next_event_at": "2026-11-23T12:00:00+00:00"}
        moved = await box.control("POST", "advance", to="2026-11-23T14:30:00+00:00")
        assert moved["ran"] == 3 and moved["now"] == "2026-11-23T14:30:00+00:00"
        back = await box.http.post("/_sandbox/advance", json={"to": "2026-11-23T14:00:00+00:00"})
        assert back.status_code == 409
        naive = await box.http.post("/_sandbox/advance", json={"to": "2026-11-24T14:00:00"})
        assert naive.status_code == 422


async def test_advance_answers_after_its_webhooks_were_delivered():
    got: list[dict] = []
    receiver = FastAPI()

    @receiver.post("/hook")
    async def hook(body: dict) -> dict:
        await asyncio.sleep(0.05)
        got.append(body)
        return {}

    target = await serve_in_loop(receiver)
    try:
        async with sandbox() as box:
            await box.control("POST", "webhooks", zapi={"url": f"{target.url}/hook", "secret": None})
            world: World = box.world

            async def send() -> None:
                await world.deliver("zapi", b'{"hello": 1}', {"content-type": "application/json"})

            world.at(world.now + timedelta(minutes=5), send)
            await box.advance(minutes=6)
            assert got == [{"hello": 1}] and not world.delivery_errors
            await box.control("POST", "webhooks", zapi={"url": f"{target.url}/nowhere"})
            world.at(world.now + timedelta(minutes=5), send)
            await box.advance(minutes=6)
            assert (await box.book())["delivery_errors"][0]["status"] == 404
    finally:
        await target.stop()


async def test_unknown_routes_are_refused_and_noted_for_every_twin():
    async with sandbox() as box:
        for vendor in ("meta/nothing", "tiktok/open_api/v1.2/campaign/get/", "zapi/none/of/this/exists", "somewhere/else"):
            assert (await box.http.get(f"/{vendor}")).status_code in (400, 404)
        assert len((await box.book())["refusals"]) == 4


async def test_the_book_has_a_section_per_twin_and_writes_can_be_followed():
    async with sandbox() as box:
        book = await box.book()
        assert {"ads", "whatsapp", "chatwoot", "crm", "writes", "refusals", "orders", "now", "seed"} <= set(book)
        await box.post(f"{ACT}/campaigns", name="a", **CAMPAIGN)
        first = await box.control("GET", "writes?since=0")
        await box.post(f"{ACT}/campaigns", name="b", **CAMPAIGN)
        later = await box.control("GET", f"writes?since={first['next']}")
        assert [row["detail"]["name"] for row in later["writes"]] == ["b"]
        assert (await box.http.get("/_sandbox/writes?since=soon")).status_code == 422


async def test_faults_are_checked_counted_and_cleared():
    async with sandbox() as box:
        wrong = await box.http.post("/_sandbox/faults", json={"match": "x", "kind": "gremlin"})
        assert wrong.status_code == 422 and "gremlin" in wrong.text
        await box.control("POST", "faults", match="meta", kind="error_500", times=2)
        codes = [(await box.graph("GET", ACT)).status_code for _ in range(3)]
        assert codes == [500, 500, 200]
        await box.control("POST", "faults", match="meta", kind="error_500", times=9)
        await box.control("DELETE", "faults")
        assert (await box.graph("GET", ACT)).status_code == 200


async def test_hidden_facts_cannot_be_misspelt():
    async with sandbox() as box:
        answer = await box.http.post("/_sandbox/truth", json={"match": "x", "values": {"roass": 2.0}})
        assert answer.status_code == 422 and "roass" in answer.text


def test_the_world_wants_an_aware_start_and_a_currency_it_knows():
    with pytest.raises(ValueError, match="naive"):
        create_sandbox(start=datetime(2026, 1, 1))  # noqa: DTZ001
    with pytest.raises(KeyError):
        create_sandbox(currency="XXX")


async def test_it_runs_as_a_process_and_survives_nothing_when_killed():
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *(
            "-m",
            "runtime.sandbox",
            "--port",
            "0",
            "--seed",
            "3",
            "--start",
            "2026-11-23T11:00:00+00:00",
            "--announce",
            "--no-personas",
        ),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), 60)
        url = json.loads(line)["url"]
        async with httpx.AsyncClient(base_url=url) as http:
            assert (await http.get("/_sandbox/clock")).json()["now"] == "2026-11-23T11:00:00+00:00"
            process.kill()
            await process.wait()
            with pytest.raises(httpx.TransportError):
                await http.get("/_sandbox/clock")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
