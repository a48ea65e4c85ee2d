"""Attempts that are not the last word any more: slow processes, lost claims, two who look at once, stops beside starts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from knowledge.domain.action import Actor, PostDeskNote, ResumeCampaign
from knowledge.domain.books import OVERDUE
from knowledge.domain.campaign import PlatformCampaign
from knowledge.domain.money import Money
from tests.gate.house import ANA, RUI, Bench, brl, budget, pause, policy_with, publication
from tools.errors import RateLimited, Refused, Unavailable, UnknownOutcome
from tools.gate import Receipt
from tools.gate.care import SETTLE

WATCHDOG = Actor(kind="system", id="watchdog")
RESUME = ResumeCampaign(platform="meta", campaign_id="pia-meta")


class Slowly:
    """Holds the first write before its guard until the test lets it go on."""

    def __init__(self, bench: Bench) -> None:
        self.there, self.on = asyncio.Event(), asyncio.Event()
        self._bench = bench
        bench.ads.before_write = self

    async def __call__(self) -> None:
        self._bench.ads.before_write = None
        self.there.set()
        await self.on.wait()


async def stopped(bench: Bench) -> None:
    await bench.running(amount="100")
    assert (await bench.submit(pause(), "stop-0", ANA)).status == "done"
    bench.clock.advance(timedelta(minutes=1))
    bench.ads.calls.clear()


async def test_who_was_taken_for_dead_writes_nothing_and_ends_nothing(bench: Bench) -> None:
    await stopped(bench)
    slow = Slowly(bench)
    resuming = asyncio.create_task(bench.submit(RESUME, "r1", ANA))
    await slow.there.wait()
    bench.clock.advance(OVERDUE + timedelta(seconds=1))
    other = bench.beside()
    assert [r.status for r in await other.gate.recover()] == ["done"]
    assert (await other.submit(pause(), "stop-1", RUI)).status == "done"
    slow.on.set()
    receipt = await resuming
    assert receipt.status == "done", "what became of it, by who took it over"
    assert [name for name, _ in bench.ads.calls] == ["resume", "pause"]
    assert bench.ads.campaigns["x-pia-meta"].delivery == "paused"
    assert await bench.rows("select status, delivery from campaigns") == [("paused", "paused")]


async def test_a_no_to_a_lost_claim_does_not_end_the_attempt_of_who_has_it(bench: Bench) -> None:
    await bench.running(amount="100")
    write = bench.ads.set_daily_budget
    there, on = asyncio.Event(), asyncio.Event()

    async def stuck(external_id: str, amount: Money, key: str) -> PlatformCampaign:
        there.set()
        await on.wait()
        raise Refused("meta", "set_daily_budget", "too late")

    bench.ads.set_daily_budget = stuck  # type: ignore[method-assign]
    raising = asyncio.create_task(bench.submit(budget("115"), "k1"))
    await there.wait()
    bench.clock.advance(OVERDUE + timedelta(seconds=1))
    bench.ads.set_daily_budget = write  # type: ignore[method-assign]
    slow = Slowly(bench)
    second = asyncio.create_task(bench.beside().gate.recover())
    await slow.there.wait()
    on.set()
    assert (await raising).status == "executing", "it is somebody else's by now"
    slow.on.set()
    assert [r.status for r in await second] == ["done"]
    assert await bench.rows("select daily_budget_minor from campaigns") == [(11500,)]
    assert await bench.rows("select to_minor from budget_changes where action_id is not null") == [(11500,)]


async def test_of_two_who_look_at_once_the_slower_one_decides_nothing(bench: Bench) -> None:
    """A sees nothing of a raise; B sends it again, and that answer is lost too; A must not end it on what it saw before."""
    await bench.running(amount="100")
    bench.ads.fail["set_daily_budget"] = [UnknownOutcome("meta", "set_daily_budget", "lost")]
    bench.ads.dark = True
    action_id = (await bench.submit(budget("115"), "k1")).action_id
    bench.ads.dark = False
    a, b = bench.beside(), bench.beside()
    listed, once = bench.ads.list_campaigns, [True]

    async def meanwhile() -> list[PlatformCampaign]:
        found = await listed()
        if once:
            once.clear()
            bench.ads.fail["set_daily_budget"] = [UnknownOutcome("meta", "set_daily_budget", "lost")]
            bench.ads.lost.add("set_daily_budget")
            assert [r.status for r in await b.gate.recover()] == ["unknown"]
            assert (await b.gate.kill("all", None, ANA, "para")).ok
        return found

    bench.ads.list_campaigns = meanwhile  # type: ignore[method-assign]
    assert [r.status for r in await a.gate.recover()] == ["unknown"]
    assert await bench.held() == {"pia-meta": "held"}, "115 is in force"
    assert [r.status for r in await a.gate.recover()] == ["done"]
    assert (await bench.action(action_id)).status == "done"


async def test_two_who_look_for_a_creation_never_create_it_twice(bench: Bench) -> None:
    bench.policy = policy_with()
    bench.ads.fail["publish"] = [UnknownOutcome("meta", "publish", "lost")]
    assert (await bench.submit(publication(), "k1")).status == "unknown"
    bench.clock.advance(SETTLE)
    a, b = bench.beside(), bench.beside()
    listed, once = bench.ads.list_campaigns, [True]

    async def meanwhile() -> list[PlatformCampaign]:
        found = await listed()
        if once:
            once.clear()
            bench.ads.fail["publish"] = [UnknownOutcome("meta", "publish", "lost")]  # created by b, and its answer lost as well
            bench.ads.lost.add("publish")
            bench.ads.dark = True
            await b.submit(publication(), "k1")
        return found

    bench.ads.list_campaigns = meanwhile  # type: ignore[method-assign]
    bench.ads.calls.clear()
    await a.gate.recover()
    bench.ads.dark = False
    assert bench.ads.count("publish") <= 1
    bench.clock.advance(SETTLE)
    assert {r.status for r in await a.gate.recover()} == {"done"}
    assert len(bench.ads.campaigns) == 1


async def test_a_stop_waits_for_no_start_and_the_start_writes_nothing_more(bench: Bench) -> None:
    await stopped(bench)
    slow = Slowly(bench)
    resuming = asyncio.create_task(bench.submit(RESUME, "r1", ANA))
    await slow.there.wait()
    bench.clock.advance(timedelta(seconds=1))
    urgent = pause().model_copy(update={"emergency": True})
    receipt = await bench.beside().submit(urgent, "w1", WATCHDOG)
    assert bench.ads.calls == [("pause", "w1")], "it left at once"
    assert (receipt.status, receipt.message.id) == ("unknown", "gate.start_on_its_way")
    slow.on.set()
    assert (await resuming).status == "cancelled"
    assert bench.ads.count("resume") == 0
    assert [r.status for r in await bench.beside().gate.recover()] == ["done"]
    assert await bench.rows("select status, delivery from campaigns") == [("paused", "paused")]


async def test_a_start_that_lands_after_the_stop_is_stopped_again(bench: Bench) -> None:
    """The start's byte had left before the stop was decided, and the platform took it last."""
    await stopped(bench)
    resume, there, on = bench.ads.resume, asyncio.Event(), asyncio.Event()

    async def lands_late(external_id: str, key: str) -> PlatformCampaign:
        there.set()
        await on.wait()
        bench.ads.campaigns[external_id] = bench.ads.campaigns[external_id].model_copy(update={"delivery": "active"})
        return bench.ads.campaigns[external_id]

    bench.ads.resume = lands_late  # type: ignore[method-assign]
    resuming = asyncio.create_task(bench.submit(RESUME, "r1", ANA))
    await there.wait()
    bench.clock.advance(timedelta(seconds=1))
    assert (await bench.beside().submit(pause(), "p1", RUI)).status == "unknown"
    on.set()
    assert (await resuming).status == "done"
    bench.ads.resume = resume  # type: ignore[method-assign]
    assert bench.ads.campaigns["x-pia-meta"].delivery == "active"
    assert [r.status for r in await bench.beside().gate.recover()] == ["done"]
    assert bench.ads.campaigns["x-pia-meta"].delivery == "paused"
    assert await bench.rows("select status from campaigns") == [("paused",)]


async def test_a_lost_start_is_not_sent_again_over_a_stop_that_is_about_to_leave(bench: Bench) -> None:
    await stopped(bench)
    bench.ads.dark = True
    lost = bench.ads.resume

    async def swallowed(external_id: str, key: str) -> PlatformCampaign:
        raise UnknownOutcome("meta", "resume", "lost")

    bench.ads.resume = swallowed  # type: ignore[method-assign]
    assert (await bench.submit(RESUME, "r1", ANA)).status == "unknown"
    bench.ads.resume, bench.ads.dark = lost, False  # type: ignore[method-assign]
    stopping = bench.beside()

    async def dies(*_: object) -> Receipt:
        raise RuntimeError("power cut")

    stopping.gate.execute = dies  # type: ignore[method-assign, assignment]
    with pytest.raises(RuntimeError):
        await stopping.submit(pause(), "p1", RUI)
    found = {r.message.id: r.status for r in await bench.beside().gate.recover()}
    assert found == {"gate.superseded": "failed"}
    assert bench.ads.calls == []


@pytest.mark.parametrize("trouble", [RateLimited("meta", "pause", "rest", retry_after=8.0), Unavailable("meta", "pause", "down")])
async def test_a_stop_that_meets_bad_weather_is_brought_by_the_next_round(bench: Bench, trouble: Exception) -> None:
    await bench.running(amount="100")
    write, tries = bench.ads.pause, [0]

    async def weather(external_id: str, key: str) -> PlatformCampaign:
        tries[0] += 1
        raise trouble

    bench.ads.pause = weather  # type: ignore[method-assign]
    urgent = pause().model_copy(update={"emergency": True})
    assert (await bench.submit(urgent, "w1", WATCHDOG)).status == "unknown"
    bench.ads.pause = write  # type: ignore[method-assign]
    assert [r.status for r in await bench.beside().gate.recover()] == ["done"]
    assert bench.ads.campaigns["x-pia-meta"].delivery == "paused"


async def test_one_that_raises_keeps_no_stop_waiting(bench: Bench) -> None:
    """An adapter's own fault: nobody knows how far it came, so that it is in doubt; and what comes after it is taken further."""
    await bench.running("a", "50")
    await bench.running("b", "50")

    async def fault(*_: object) -> PlatformCampaign:
        raise KeyError("effective_status")

    write, bench.ads.set_daily_budget = bench.ads.set_daily_budget, fault  # type: ignore[method-assign, assignment]
    get, bench.ads.get_campaign = bench.ads.get_campaign, fault  # type: ignore[method-assign, assignment]
    first = await bench.submit(budget("55", "a"), "k1")
    assert (first.status, first.message.id) == ("unknown", "gate.unexpected")
    stop, bench.ads.pause = bench.ads.pause, fault  # type: ignore[method-assign, assignment]
    assert (await bench.submit(pause("b"), "k2", ANA)).status == "unknown"
    bench.ads.pause = stop  # type: ignore[method-assign]

    async def of_b(external_id: str) -> PlatformCampaign:
        return await get(external_id) if external_id == "x-b" else await fault()

    bench.ads.get_campaign = of_b  # type: ignore[method-assign]
    with pytest.raises(ExceptionGroup):
        await bench.beside().gate.recover()
    assert bench.ads.campaigns["x-b"].delivery == "paused"
    assert (await bench.action(first.action_id)).status == "unknown" and write is not None


@pytest.mark.parametrize("how", ["deleted", "archived"])
async def test_what_is_about_a_campaign_that_is_gone_ends_and_frees_its_room(bench: Bench, how: str) -> None:
    await bench.running(amount="100")
    await bench.running("other", "20")
    bench.ads.fail["set_daily_budget"] = [UnknownOutcome("meta", "set_daily_budget", "lost")]
    bench.ads.dark = True
    action_id = (await bench.submit(budget("110"), "k1")).action_id
    bench.ads.dark = False
    if how == "deleted":
        del bench.ads.campaigns["x-pia-meta"]
    else:  # which the platforms' lists leave out
        bench.ads.put("x-pia-meta", brl("100"), "pia-meta", delivery="archived")
        bench.ads.list_campaigns = _without_archived(bench)  # type: ignore[method-assign]
    assert [r.status for r in await bench.beside().gate.recover()] == ["failed"]
    assert (await bench.action(action_id)).error.id == "gate.campaign_gone"  # type: ignore[union-attr]
    assert await bench.held() == {"pia-meta": "released"}


def _without_archived(bench: Bench) -> Callable[[], Awaitable[list[PlatformCampaign]]]:
    async def listed() -> list[PlatformCampaign]:
        return [c for c in bench.ads.campaigns.values() if c.delivery != "archived"]

    return listed


async def test_a_platform_that_cannot_be_read_is_no_proof_that_it_is_gone(bench: Bench) -> None:
    await bench.running(amount="100")
    bench.ads.fail["set_daily_budget"] = [UnknownOutcome("meta", "set_daily_budget", "lost")]
    bench.ads.dark = True
    await bench.submit(budget("110"), "k1")
    bench.ads.fail["list_campaigns"] = [Unavailable("meta", "list_campaigns", "down") for _ in range(9)]  # pyright: ignore[reportArgumentType]
    assert [r.status for r in await bench.beside().gate.recover()] == ["unknown"]
    assert await bench.held() == {"pia-meta": "held"}


async def test_an_old_yes_is_no_yes_to_another_figure(bench: Bench) -> None:
    """One yes was enough to start a campaign of 50. Its answer was lost; since then somebody made it 90."""
    from knowledge.domain.policy import QuorumStep

    steps = (QuorumStep(above=brl("60"), approvals=2),)
    bench.policy = policy_with(autonomy={"by_action": {"campaign.resume": 2}, "quorum": steps})
    await bench.running(amount="50")
    assert (await bench.submit(pause(), "p0", ANA)).status == "done"
    bench.clock.advance(timedelta(minutes=1))
    asked = await bench.submit(RESUME, "r1")
    assert asked.status == "waiting"
    lost = bench.ads.resume

    async def swallowed(external_id: str, key: str) -> PlatformCampaign:
        raise UnknownOutcome("meta", "resume", "lost")

    bench.ads.resume, bench.ads.dark = swallowed, True  # type: ignore[method-assign]
    assert (await bench.gate.approve(asked.action_id, ANA)).status == "unknown"
    bench.ads.resume, bench.ads.dark = lost, False  # type: ignore[method-assign]
    bench.ads.put("x-pia-meta", brl("90"), "pia-meta", delivery="paused")
    [receipt] = await bench.beside().gate.recover()
    assert (receipt.status, receipt.message.id) == ("failed", "gate.no_longer")
    assert bench.ads.campaigns["x-pia-meta"].delivery == "paused"


async def test_a_hand_on_the_other_side_is_no_half_of_what_was_approved(bench: Bench) -> None:
    await bench.running(amount="100")
    asked = await bench.submit(budget("130"), "k1")
    bench.ads.fail["set_daily_budget"] = [UnknownOutcome("meta", "set_daily_budget", "lost")]
    bench.ads.dark = True
    assert (await bench.gate.approve(asked.action_id, ANA)).status == "unknown"
    bench.ads.dark = False
    bench.ads.put("x-pia-meta", brl("95"), "pia-meta")
    assert [r.status for r in await bench.beside().gate.recover()] == ["failed"]
    assert bench.ads.campaigns["x-pia-meta"].daily_budget == brl("95")


async def test_what_was_allowed_and_had_to_wait_is_asked_for_when_it_is_to_be_asked_by_then(bench: Bench) -> None:
    """A cut of 20 % is nobody's to ask; behind a raise it has become one of 27 %."""
    await bench.running(amount="50")
    slow = Slowly(bench)
    raising = asyncio.create_task(bench.submit(budget("55"), "raise"))
    await slow.there.wait()
    cut = await bench.beside().submit(budget("40"), "cut", ANA)
    assert (cut.status, cut.message.id) == ("authorised", "gate.behind")
    slow.on.set()
    assert (await raising).status == "done"
    bench.clock.advance(timedelta(minutes=2))
    assert [r.status for r in await bench.beside().gate.recover()] == ["waiting"]
    assert (await bench.gate.approve(cut.action_id, RUI)).status == "done"
    assert bench.ads.campaigns["x-pia-meta"].daily_budget == brl("40")


async def test_stops_come_first_however_much_else_is_left(bench: Bench) -> None:
    send = await bench.conversation()
    await bench.running(amount="100")
    for number in range(5):
        note = PostDeskNote(conversation_id=send.conversation_id, text=f"nota {number}")
        assert (await bench.submit(note, f"n{number}", WATCHDOG)).status == "failed"  # no desk here
    await bench.rows_changed("update actions set status = 'unknown', attempts = 1 where kind = 'desk.note'")
    bench.ads.dark = True
    stop = bench.ads.pause

    async def lost(external_id: str, key: str) -> PlatformCampaign:
        raise UnknownOutcome("meta", "pause", "lost")

    bench.ads.pause = lost  # type: ignore[method-assign]
    assert (await bench.submit(pause(), "p1", ANA)).status == "unknown"
    bench.ads.pause, bench.ads.dark = stop, False  # type: ignore[method-assign]
    async with bench.books.transaction() as tx:
        left = await tx.stranded("me", bench.clock.now())
    assert (await bench.action(left[0])).action.kind == "campaign.pause"


@pytest.mark.parametrize("state", ["authorised", "unknown"])
async def test_a_person_may_take_back_what_waits_and_give_up_what_is_in_doubt(bench: Bench, state: str) -> None:
    await bench.running(amount="100")
    if state == "authorised":
        bench.gate.execute = _left_as_it_is  # type: ignore[method-assign, assignment]
        with pytest.raises(RuntimeError):
            await bench.submit(budget("110"), "k1")
    else:
        bench.ads.dark = True
        bench.ads.fail["set_daily_budget"] = [UnknownOutcome("meta", "set_daily_budget", "lost")]
        await bench.submit(budget("110"), "k1")
    async with bench.books.transaction() as tx:
        found = await tx.action_by_key("k1")
    assert found is not None and found.status == state
    assert (await bench.gate.withdraw(found.id, ANA, "  ")).message.id == "gate.reason_needed"
    done = await bench.gate.withdraw(found.id, ANA, "olhei na plataforma")
    assert (done.ok, done.status, done.message.id) == (
        (True, "cancelled", "gate.withdrawn") if state == "authorised" else (True, "failed", "gate.given_up")
    )
    assert await bench.held() == {"pia-meta": "released"}
    bench.ads.dark = False
    bench.clock.advance(timedelta(hours=2))
    assert await bench.beside().gate.recover() == []
    assert bench.ads.campaigns["x-pia-meta"].daily_budget == brl("100")


async def _left_as_it_is(*_: object) -> Receipt:
    raise RuntimeError("power cut")


async def test_what_a_stop_read_back_beside_a_cut_is_not_taken_for_somebodys_change(bench: Bench) -> None:
    await bench.running(amount="100")
    there, on = asyncio.Event(), asyncio.Event()
    stop = bench.ads.pause

    async def read_before_the_cut(external_id: str, key: str) -> PlatformCampaign:
        seen = await stop(external_id, key)
        there.set()
        await on.wait()
        return seen

    bench.ads.pause = read_before_the_cut  # type: ignore[method-assign]
    pausing = asyncio.create_task(bench.submit(pause(), "p1", ANA))
    await there.wait()
    assert (await bench.beside().submit(budget("90"), "cut", RUI)).status == "done"
    on.set()
    assert (await pausing).status == "done"
    assert await bench.rows("select daily_budget_minor, status, delivery from campaigns") == [(9000, "paused", "paused")]
    assert await bench.rows("select from_minor, to_minor from budget_changes where reason = 'budget.seen'") == []


def test_the_crew_that_can_be_stopped_is_the_crew() -> None:
    from agents import CREW
    from tools.gate.switch import AGENTS

    assert set(AGENTS) == set(CREW)
