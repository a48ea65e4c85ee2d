"""What was sent and never answered: looked up first, sent again only while nobody decided otherwise and the law still lets it."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from knowledge.domain.action import PublishCampaign, ResumeCampaign
from knowledge.domain.campaign import PublishedCampaign
from tests.gate.house import ANA, RUI, Bench, brl, budget, pause, policy_with, publication
from tools.errors import Refused, Unavailable, UnknownOutcome
from tools.gate.care import SETTLE


def lost(operation: str, times: int = 3) -> list[UnknownOutcome]:
    return [UnknownOutcome("meta", operation, "lost") for _ in range(times)]  # pyright: ignore[reportReturnType]


async def in_doubt(bench: Bench, *, committed: bool, amount: str = "115") -> str:
    """A raise from 100 whose three attempts were never answered."""
    await bench.running(amount="100")
    bench.ads.fail["set_daily_budget"] = lost("set_daily_budget")  # pyright: ignore[reportArgumentType]
    if committed:
        bench.ads.lost.add("set_daily_budget")
    receipt = await bench.submit(budget(amount), "k1")
    assert receipt.status == "unknown"
    bench.ads.lost.clear()
    bench.ads.calls.clear()
    return receipt.action_id


async def test_platform_that_shows_it_ends_the_doubt_without_a_write(bench: Bench) -> None:
    action_id = await in_doubt(bench, committed=True)
    assert [r.status for r in await bench.beside().gate.recover()] == ["done"]
    assert bench.ads.calls == []
    assert await bench.held() == {"pia-meta": "settled"}
    assert await bench.rows("select to_minor from budget_changes where action_id = :id", id=action_id) == [(11500,)]


async def test_under_a_kill_switch_looking_is_still_allowed(bench: Bench) -> None:
    await in_doubt(bench, committed=True)
    await bench.gate.kill("all", None, ANA, "parar")
    assert [r.status for r in await bench.beside().gate.recover()] == ["done"]
    assert bench.ads.calls == []


async def test_under_a_kill_switch_sending_again_is_not(bench: Bench) -> None:
    action_id = await in_doubt(bench, committed=False)
    await bench.gate.kill("all", None, ANA, "parar")
    assert [r.status for r in await bench.beside().gate.recover()] == ["unknown"]
    assert bench.ads.calls == []
    assert (await bench.action(action_id)).attempts == 1


async def test_nothing_of_it_on_the_platform_and_nobody_decided_otherwise_is_sent_again(bench: Bench) -> None:
    await in_doubt(bench, committed=False)
    assert [r.status for r in await bench.beside().gate.recover()] == ["done"]
    assert bench.ads.count("set_daily_budget") == 1


async def test_a_person_who_stopped_it_meanwhile_is_right(bench: Bench) -> None:
    """A start whose answer was lost must not start the campaign after somebody stopped it."""
    await bench.running(amount="100")
    assert (await bench.submit(pause(), "p0", ANA)).status == "done"
    bench.ads.before_write = None
    resume = ResumeCampaign(platform="meta", campaign_id="pia-meta")
    write = bench.ads.resume

    async def swallowed(external_id: str, key: str) -> None:
        await write(external_id, key)
        raise UnknownOutcome("meta", "resume", "lost")

    bench.ads.resume = swallowed  # type: ignore[method-assign, assignment]
    started = await bench.submit(resume, "r1", ANA)
    assert started.status == "unknown"
    bench.ads.resume = write  # type: ignore[method-assign]
    bench.clock.advance(timedelta(minutes=1))
    assert (await bench.submit(pause(), "p2", RUI)).status == "done"
    bench.ads.calls.clear()
    [receipt] = await bench.beside().gate.recover()
    assert (receipt.status, receipt.message.id) == ("failed", "gate.superseded")
    assert bench.ads.campaigns["x-pia-meta"].delivery == "paused"
    assert bench.ads.calls == []


async def test_budget_set_by_somebody_later_is_not_written_over(bench: Bench) -> None:
    first = await in_doubt(bench, committed=False)
    assert (await bench.submit(budget("90"), "k2", ANA)).status == "done"  # the same moment, but decided after it
    [receipt] = await bench.beside().gate.recover()
    assert (receipt.action_id, receipt.status, receipt.message.id) == (first, "failed", "gate.superseded")
    assert bench.ads.campaigns["x-pia-meta"].daily_budget == brl("90")
    assert await bench.held() == {"pia-meta": "released"} or (await bench.held())["pia-meta"] in ("released", "settled")
    assert await bench.rows("select count(*) from reservations where status = 'held'") == [(0,)]


async def test_doubt_is_judged_anew_before_it_is_sent(bench: Bench) -> None:
    await in_doubt(bench, committed=False)
    bench.ads.put("x-pia-meta", brl("90"), "by hand")  # from 90 to 115 would ask
    [receipt] = await bench.beside().gate.recover()
    assert (receipt.status, receipt.message.id) == ("failed", "gate.no_longer")
    assert "approval_above" in receipt.message.params["rules"]
    assert bench.ads.campaigns["x-pia-meta"].daily_budget == brl("90")


async def test_doubt_stays_while_the_platform_cannot_be_read(bench: Bench) -> None:
    action_id = await in_doubt(bench, committed=True)
    get = bench.ads.get_campaign

    async def down(external_id: str) -> None:
        raise Unavailable("meta", "get_campaign", "down")

    bench.ads.get_campaign = down  # type: ignore[method-assign, assignment]
    for _ in range(20):
        assert [r.status for r in await bench.beside().gate.recover()] == ["unknown"]
    assert await bench.held() == {"pia-meta": "held"}
    bench.ads.get_campaign = get  # type: ignore[method-assign]
    assert [r.status for r in await bench.beside().gate.recover()] == ["done"]
    assert (await bench.action(action_id)).attempts == 1


async def test_a_no_to_the_second_try_says_nothing_of_the_first(bench: Bench) -> None:
    await bench.running(amount="100")
    bench.ads.lost.add("set_daily_budget")
    bench.ads.fail["set_daily_budget"] = [
        UnknownOutcome("meta", "set_daily_budget", "lost"),
        Refused("meta", "set_daily_budget", "too many changes"),
    ]
    receipt = await bench.submit(budget("115"), "k1")
    assert receipt.status == "unknown"  # and its room is held: the raise may be in force
    assert await bench.held() == {"pia-meta": "held"}
    assert [r.status for r in await bench.beside().gate.recover()] == ["done"]


async def test_a_no_after_a_look_that_showed_nothing_ends_it(bench: Bench) -> None:
    await in_doubt(bench, committed=False)
    bench.ads.fail["set_daily_budget"] = [Refused("meta", "set_daily_budget", "too many changes")]
    assert [r.status for r in await bench.beside().gate.recover()] == ["failed"]
    assert await bench.held() == {"pia-meta": "released"}


@pytest.mark.parametrize("then", [SETTLE - timedelta(seconds=1), SETTLE])
async def test_a_lost_creation_waits_until_the_lists_can_show_it(bench: Bench, then: timedelta) -> None:
    """A dead process's creation, in lists that lag: sent again too early, it would be two campaigns."""
    bench.policy = policy_with()
    bench.ads.fail["publish"] = lost("publish")  # pyright: ignore[reportArgumentType]
    assert (await bench.submit(publication(), "k1")).status == "unknown"
    bench.ads.calls.clear()
    bench.clock.advance(then)
    early = then < SETTLE
    assert [r.status for r in await bench.beside().gate.recover()] == ["unknown" if early else "done"]
    assert bench.ads.count("publish") == (0 if early else 1)


async def test_an_intent_whose_first_caller_died_is_judged_anew_when_it_is_asked_again(bench: Bench) -> None:
    await bench.running(amount="100")
    dying = bench.beside()

    async def dies(*_: object) -> None:
        raise RuntimeError("power cut")

    dying.gate.execute = dies  # type: ignore[method-assign, assignment]
    with pytest.raises(RuntimeError):
        await dying.submit(budget("110"), "k1")
    bench.ads.put("x-pia-meta", brl("50"), "by hand")  # from 50 to 110 is no small step any more
    again = await bench.submit(budget("110"), "k1")
    assert (again.status, again.message.id) == ("cancelled", "gate.no_longer")
    assert bench.ads.campaigns["x-pia-meta"].daily_budget == brl("50")


async def test_two_that_recover_at_once_leave_what_is_done_alone(bench: Bench) -> None:
    action_id = await in_doubt(bench, committed=True)
    one, other = bench.beside(), bench.beside()
    found = await asyncio.gather(one.gate.recover(), other.gate.recover(), one.gate.recover())
    assert {r.status for receipts in found for r in receipts} == {"done"}
    assert (await bench.action(action_id)).status == "done"
    from tools.gate import care

    bench.ads.put("x-pia-meta", brl("400"), "by hand")  # nothing that would pass today
    assert (await care.recover_one(one.gate._core, action_id)).status == "done"
    assert (await bench.action(action_id)).status == "done"


async def test_what_was_half_made_and_changed_by_hand_is_not_switched_on(bench: Bench) -> None:
    bench.policy = policy_with()
    bench.ads.fail["publish"] = lost("publish")  # pyright: ignore[reportArgumentType]
    assert (await bench.submit(publication(), "k1")).status == "unknown"
    made = bench.ads.put("x1", brl("90"), "Pia pia-meta", delivery="paused")  # it was made of 40 a day, and somebody said 90

    async def half(key: str) -> PublishedCampaign:
        return PublishedCampaign(campaign=made, objects=())

    bench.ads.find_published = half  # type: ignore[method-assign, assignment]
    bench.ads.calls.clear()
    bench.clock.advance(SETTLE)
    [receipt] = await bench.beside().gate.recover()
    assert (receipt.status, receipt.message.id) == ("failed", "gate.half_changed")
    assert bench.ads.calls == [] and bench.ads.campaigns["x1"].delivery == "paused"
    assert await bench.held() == {"pia-meta": "released"}


async def test_a_launch_that_was_found_again_counts_as_it_was_ordered_though_somebody_lowered_it(bench: Bench) -> None:
    """10 were in force this morning; that they are 9 now does not take back what the platform may have spent by them."""
    bench.policy = policy_with()
    publish = bench.ads.publish

    async def swallowed(action: PublishCampaign, key: str) -> PublishedCampaign:
        await publish(action, key)
        raise UnknownOutcome("meta", "publish", "lost")

    bench.ads.publish = swallowed  # type: ignore[method-assign, assignment]
    assert (await bench.submit(publication("new", "60"), "k1")).status == "unknown"
    bench.ads.publish = publish  # type: ignore[method-assign]
    [(external, made)] = bench.ads.campaigns.items()
    bench.ads.put(external, brl("50"), made.name)
    bench.clock.advance(SETTLE)
    assert [r.status for r in await bench.beside().gate.recover()] == ["done"]
    assert await bench.rows("select from_minor, to_minor from budget_changes order by seq") == [(None, 6000), (6000, 5000)]
    assert await bench.rows("select daily_budget_minor, launch_budget_minor from campaigns") == [(5000, 6000)]
    receipt = await bench.submit(publication("two", "10"), "k2")
    exposure = next(e for e in (await bench.action(receipt.action_id)).facts.budget.exposures if e.campaign_id == "new")
    assert exposure.highest_today == brl("60")
