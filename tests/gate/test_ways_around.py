"""Ways around the gate that were found once, each one closed. What is found anew comes here first."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

import pytest
from sqlalchemy import text

from knowledge.domain.action import Actor, ResumeCampaign
from knowledge.domain.campaign import AccountFacts, PlatformCampaign
from knowledge.domain.money import Money
from tests.gate.ads import FakeAds
from tests.gate.house import ANA, RUI, Bench, asks, brl, budget, pause, policy_with, publication
from tests.money.test_watch_plan import account, before_today, kinds, seen, watch
from tools.effects import Effects, Ports
from tools.errors import Killed, Refused
from tools.gate import Gate
from tools.http import VendorHttp
from tools.permit import Permit, use_permit
from tools.vendors.meta import MetaAds

CLOCK = Actor(kind="schedule", id="decide")


def amount(minor: int) -> dict[str, object]:
    return {"daily_budget": {"minor": minor, "currency": "BRL"}}


# -- people ---------------------------------------------------------------------------------------------------------------


async def test_two_edits_by_one_person_are_no_second_person(bench: Bench) -> None:
    await bench.running(amount="100")
    asked = await bench.submit(budget("121"), "k1")
    wide = await bench.gate.edit(asked.action_id, ANA, amount(15000), "mais")
    assert (await bench.gate.approve(wide.action_id or "", ANA)).message.id == "gate.own_edit"
    narrow = await bench.gate.edit(wide.action_id or "", ANA, amount(14999), "um centavo menos")
    assert (await bench.gate.approve(narrow.action_id or "", ANA)).message.id == "gate.own_edit"


async def test_edits_do_not_lengthen_a_request_beyond_its_longest_life(bench: Bench) -> None:
    await bench.running(amount="100")
    asked = await bench.submit(budget("140"), "k1")
    ident, begun = asked.action_id, bench.clock.now()
    for minor in (13900, 13800):
        await bench.gate.extend(ident, ANA, 44)
        bench.clock.advance(timedelta(hours=44))
        ident = (await bench.gate.edit(ident, ANA, amount(minor), "menos")).action_id or ident
    assert (await bench.ticket(ident)).expires_at - begun <= timedelta(hours=48)


async def test_an_undo_that_was_asked_for_is_still_an_undo_when_it_is_approved(bench: Bench) -> None:
    await bench.running(amount="100")
    cut = await bench.submit(budget("55"), "cut")
    assert (await bench.gate.approve(cut.action_id, ANA)).ok
    bench.clock.advance(timedelta(days=3))
    bench.policy = policy_with(autonomy={"level": 2})
    undo = await bench.gate.undo(cut.action_id, ANA)
    assert undo.status == "waiting"
    assert (await bench.gate.approve(undo.action_id or "", RUI)).ok


async def test_arguments_that_were_changed_in_the_table_are_not_executed(bench: Bench) -> None:
    await bench.running(amount="100")
    asked = await bench.submit(budget("125"), "k1")
    async with bench.engine.begin() as conn:
        await conn.execute(
            text("update actions set args = jsonb_set(args, '{daily_budget,minor}', '14900') where id = :id"),
            {"id": asked.action_id},
        )
    await bench.gate.approve(asked.action_id, ANA, budget("125").fingerprint())
    assert bench.ads.campaigns["x-pia-meta"].daily_budget == brl("100")


# -- stops ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("scope", "target"), [("platform", "Meta"), ("platform", "facebook"), ("campaign", "x-pia-meta")])
async def test_a_stop_that_would_stop_nothing_is_no_success(bench: Bench, scope: str, target: str) -> None:
    await bench.running(amount="100")
    outcome = await bench.gate.kill(scope, target, ANA, "parar")  # pyright: ignore[reportArgumentType]
    assert not outcome.ok or (await bench.submit(budget("101"), "k1")).status == "refused"


async def test_a_write_that_waited_for_a_connection_does_not_pass_a_stop() -> None:
    writes: list[float] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (await reader.readline()).startswith(b"POST"):
            writes.append(time.monotonic())
        await asyncio.sleep(1.6)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    http = VendorHttp("slow", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", per_second=1000)
    stopped: list[float] = []

    async def guard() -> None:
        if stopped:
            raise Killed("stop")

    async def write() -> None:
        with use_permit(Permit("a1", "k1", frozenset(), guard)):
            await http.write("POST", "/budget", operation="budget.set")

    reads = [asyncio.create_task(http.read("GET", "/list", operation="list")) for _ in range(20)]
    await asyncio.sleep(0.2)
    late = asyncio.create_task(write())
    await asyncio.sleep(0.2)
    stopped.append(time.monotonic())
    await asyncio.gather(late, *reads, return_exceptions=True)
    server.close()
    assert [one for one in writes if one > stopped[0] + 1] == []


# -- what is known when it is judged --------------------------------------------------------------------------------------


async def test_a_raise_is_no_cut_because_the_platform_was_read_a_moment_too_early(bench: Bench) -> None:
    bench.policy = policy_with(daily_cap=brl("200"))
    await bench.running(amount="140")
    listed, others = bench.ads.list_campaigns, list[str]()

    async def meanwhile() -> list[PlatformCampaign]:
        found = await listed()
        if not others:
            others.append("cut")
            assert (await bench.beside().submit(budget("115"), "cut", CLOCK)).status == "done"
        return found

    bench.ads.list_campaigns = meanwhile
    await bench.submit(budget("130"), "k2", CLOCK)  # "140 -> 130" is 115 -> 130, above a cap that is broken already
    assert bench.ads.campaigns["x-pia-meta"].daily_budget == brl("115")


async def test_a_change_between_the_plan_of_an_undo_and_its_judgement_stops_it(bench: Bench) -> None:
    await bench.running(amount="100")
    cut = await bench.submit(budget("55"), "cut")
    assert (await bench.gate.approve(cut.action_id, ANA)).ok
    bench.clock.advance(timedelta(days=3))
    listed, looks = bench.ads.list_campaigns, list[int]()

    async def meanwhile() -> list[PlatformCampaign]:
        looks.append(1)
        if len(looks) == 2:
            bench.ads.put("x-pia-meta", brl("60"), "by hand")
        return await listed()

    bench.ads.list_campaigns = meanwhile
    assert not (await bench.gate.undo(cut.action_id, ANA)).ok
    assert bench.ads.campaigns["x-pia-meta"].daily_budget == brl("60")


async def test_an_empty_list_is_no_read(bench: Bench) -> None:
    await bench.running(amount="100")
    bench.ads.campaigns.clear()
    assert (await bench.submit(publication("new", "20"), "k1")).status == "refused"


async def test_money_of_strangers_on_another_platform_counts(bench: Bench) -> None:
    other = FakeAds()
    other.campaigns["s"] = other.put("s", brl("140")).model_copy(update={"platform": "tiktok"})
    ports = Ports(ads={"meta": bench.ads, "tiktok": other})
    gate = Gate(bench.books, Effects(ports), lambda: bench.policy, bench.clock, executor=bench.executor)
    assert (await gate.submit(asks(publication(budget="150"), "k1"))).status == "refused"  # 140 * 1.2 + 150 * 1.75 = 430.50


async def test_a_day_without_figures_is_not_free(bench: Bench) -> None:
    bench.policy = policy_with(weekly_cap=brl("400"))
    await bench.running(amount="100", launched_hours_ago=200)
    bench.clock.advance(timedelta(days=4))  # Friday: four days, and the insights job has never read
    assert (await bench.submit(budget("101"), "k1")).status == "refused"


async def test_a_days_room_is_not_given_twice_within_one_day_of_the_account(bench: Bench) -> None:
    async def elsewhere() -> AccountFacts:
        facts = await FakeAds().account()
        return facts.model_copy(update={"time_zone": "America/Los_Angeles"})

    async with bench.db.transaction() as tx:  # as the first look at the account keeps it
        await tx.analytics.account_read(await elsewhere(), at=bench.clock.now())
    bench.clock.advance(timedelta(hours=15, minutes=30))  # 23:30 in São Paulo, 18:30 in Los Angeles
    await bench.running(amount="150")
    assert (await bench.submit(pause(), "stop", ANA)).status == "done"
    bench.clock.advance(timedelta(minutes=45))  # another day in São Paulo, the same one there
    assert (await bench.submit(publication("two", "150"), "k2")).status == "refused"


async def test_another_workspace_is_no_way_around_the_caps(bench: Bench) -> None:
    assert (await bench.submit(publication("one", "100"), "k1")).status == "done"
    assert (await bench.submit(pause("one"), "stop", ANA)).status == "done"
    elsewhere = publication("two", "100").model_copy(update={"workspace": "elsewhere"})
    assert (await bench.submit(elsewhere, "k2")).status == "refused"


# -- limits ---------------------------------------------------------------------------------------------------------------


async def test_a_raise_by_hand_is_part_of_the_step(bench: Bench) -> None:
    await bench.running(amount="50")
    bench.ads.put("x-pia-meta", brl("100"), "by hand")
    assert (await bench.submit(budget("119"), "k1")).status == "refused"  # 50 -> 119


async def test_a_campaign_above_the_largest_budget_is_not_switched_on(bench: Bench) -> None:
    await bench.running(amount="100")
    assert (await bench.submit(pause(), "stop", ANA)).status == "done"
    bench.ads.put("x-pia-meta", brl("170"), "by hand", delivery="paused")
    bench.clock.advance(timedelta(days=1))
    resume = ResumeCampaign(platform="meta", campaign_id="pia-meta")
    assert (await bench.submit(resume, "k1")).status == "refused"  # 170 of 150


def test_over_a_weekly_cap_of_its_own_a_platform_is_stopped() -> None:
    law = policy_with(platform_weekly_cap={"meta": brl("100")})
    assert kinds(watch(account(seen("30")), week=(before_today("400"),)), law) != []


async def test_a_change_that_half_happened_is_not_called_a_failure(bench: Bench) -> None:
    ads = MetaAds(base_url="http://127.0.0.1:1", token="t", account_id="1", pixel_id="1", page_id="1", clock=bench.clock)
    sets, full = {"1": 5000, "2": 5000}, True

    async def node(ident: str, *_: object, **__: object) -> dict[str, object]:
        return {"id": ident, "status": "ACTIVE", "effective_status": "ACTIVE"}

    async def listed(campaign: str) -> list[dict[str, object]]:
        return [{"id": i, "campaign_id": campaign, "status": "ACTIVE", "daily_budget": str(units)} for i, units in sets.items()]

    async def written(ident: str, units: int, fields: str) -> None:
        if ident == "2" and full:
            raise Refused("meta", "budget.set", "too many changes of this ad set within an hour")
        sets[ident] = units
        bench.ads.put("x-pia-meta", Money(minor=sum(sets.values()), currency="BRL"), "pia-meta")

    patched = {"account": bench.ads.account, "_sets": listed, "_set_units": written}
    for name, stand_in in patched.items():
        setattr(ads, name, stand_in)
    ads._graph.get = node  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue]
    await bench.running(amount="100")
    bench.ads.set_daily_budget = ads.set_daily_budget
    receipt = await bench.submit(budget("119"), "k1", CLOCK)
    assert sets == {"1": 5950, "2": 5000}
    assert receipt.status == "unknown"
    assert await bench.held() == {"pia-meta": "held"}
    full = False  # an hour later the other half is taken too
    assert [r.status for r in await bench.gate.recover()] == ["done"]
    assert sets == {"1": 5950, "2": 5950}
