"""The spend watchdog over real HTTP: a platform that overspends is stopped within one round, and normal days are left alone."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from knowledge.domain.action import Actor, PauseCampaign, ResumeCampaign, SetBudget
from knowledge.domain.books import Proposal
from knowledge.domain.message import Message
from knowledge.domain.money import Money
from runtime.jobs import care, marketing, watch
from runtime.settings import Schedules
from tests.gate.house import publication
from tests.journeys.town import NEVER, RUI, Town, living
from tools.gate import Receipt
from tools.watchdog import counted

ROUND = timedelta(minutes=15)


async def two_campaigns(town: Town) -> dict[str, str]:
    """A running campaign on each platform, published and approved; platform -> our id."""
    await marketing.load_catalogue(town.house)
    now = town.stage.clock.now()
    await marketing.launch(town.house, now)
    await marketing.publish(town.house, now)
    await town.pass_time(minutes=30)
    for (action_id,) in await town.rows("select id from actions where status = 'waiting' order by campaign_id"):
        assert (await town.house.gate.approve(str(action_id), RUI)).ok
    return dict(await town.rows("select platform, id from campaigns where status = 'testing'"))


async def overspend(town: Town, match: str, *, hours: float, factor: float) -> None:
    answer = await town.http.post(
        f"{town.stage.sandbox_url}/_sandbox/overspend", json={"match": match, "hours": hours, "factor": factor}
    )
    assert answer.status_code == 200, answer.text


async def look(town: Town) -> dict[str, Any]:
    return await watch.watch(town.house, town.stage.clock.now())


async def alerts(town: Town, *kinds: str) -> list[str]:
    rows = await town.rows("select kind from alerts where resolved_at is null order by opened_at, kind")
    return [kind for (kind,) in rows if not kinds or kind in kinds]


def at_platform(town: Town, platform: str) -> dict[str, Any]:
    (found,) = [c for c in town.book("ads")["campaigns"] if c["platform"] == platform]
    return found


async def test_a_platform_that_overspends_is_stopped_in_the_next_round(town: Town) -> None:
    ours = await two_campaigns(town)
    await town.pass_time(hours=6)  # reviews are over, both deliver
    assert (await look(town))["pauses"] == {}
    spent = at_platform(town, "meta")["spend"]
    assert spent > 0
    await overspend(town, "^meta", hours=5, factor=40.0)
    await town.pass_time(hours=1)
    assert at_platform(town, "meta")["spend"] > spent + 4000  # a whole day's budget in an hour
    done = await look(town)
    assert done["pauses"] == {ours["meta"]: "done"}
    assert at_platform(town, "meta")["status"] == "PAUSED"
    assert at_platform(town, "tiktok")["status"] == "ACTIVE"

    ((proposer, verdict, key),) = await town.rows(
        "select proposer_kind || ':' || proposer_id, verdict ->> 'answer', idempotency_key from actions where kind = 'campaign.pause'"
    )
    assert (proposer, verdict) == ("system:watchdog", "allow")  # younger than its minimum runtime all the same
    assert key.startswith("watchdog:spend_velocity:")
    ((severity, message),) = await town.rows("select severity, message from alerts where kind = 'spend_velocity'")
    assert severity == "critical"
    numbers = {name: message["params"][name]["minor"] for name in ("spent", "allowed", "budget")}
    assert numbers["budget"] == 4000 and numbers["spent"] > numbers["allowed"] > 0
    for locale in ("pt-BR", "en"):
        words = town.house.render(Message.model_validate(message), locale)
        assert "40" in words and "1" in words

    # Once per cause: the next rounds neither pause nor alert again, and the alert waits for somebody to have seen it.
    await town.pass_time(hours=2)
    assert (await look(town))["pauses"] == {}
    assert await town.one("select count(*) from actions where kind = 'campaign.pause'") == 1
    assert await alerts(town, "spend_velocity") == ["spend_velocity"]
    await town.clean()


async def test_what_a_person_lets_run_again_is_measured_from_there(town: Town) -> None:
    ours = await two_campaigns(town)
    await town.pass_time(hours=6)
    await look(town)
    await overspend(town, "^meta", hours=1, factor=40.0)
    await town.pass_time(hours=1)
    assert (await look(town))["pauses"] == {ours["meta"]: "done"}
    await town.pass_time(minutes=15)
    assert (await resume(town, ours["meta"], marketing.MEDIA_BUYER)).status == "waiting"  # no machine starts it again
    assert (await resume(town, ours["meta"], RUI)).done
    await town.pass_time(hours=2)
    assert (await look(town))["pauses"] == {}  # the platform behaves again
    await overspend(town, "^meta", hours=1, factor=60.0)
    await town.pass_time(hours=1)
    assert (await look(town))["pauses"] == {ours["meta"]: "done"}
    assert await town.one("select count(*) from actions where kind = 'campaign.pause' and status = 'done'") == 2


async def resume(town: Town, campaign_id: str, who: Actor) -> Receipt:
    return await town.house.gate.submit(
        Proposal(
            action=ResumeCampaign(platform="meta", campaign_id=campaign_id),
            key=f"resume:{who}:{town.stage.clock.now().isoformat()}",
            proposer=who,
            why=Message(id="why.new_campaign", params={"product": "x"}),
        )
    )


async def test_a_campaign_switched_on_at_the_platform_is_switched_off(town: Town) -> None:
    ours = await two_campaigns(town)
    await town.pass_time(hours=2)
    await look(town)
    await pause(town, ours["meta"])
    await town.pass_time(minutes=15)
    assert (await look(town))["pauses"] == {}
    node = next(c for c in town.stage.sandbox.state.book.account("meta", "1000000000000001").campaigns.values())
    town.stage.sandbox.state.book.change(node)
    node.enabled = True  # by hand
    await town.pass_time(minutes=15)
    assert (await look(town))["pauses"] == {ours["meta"]: "done"}
    assert at_platform(town, "meta")["status"] == "PAUSED"
    assert await alerts(town, "outside_plan") == ["outside_plan"]
    town.stage.sandbox.state.book.change(node)
    node.enabled = True  # and again on the same day
    await town.pass_time(minutes=15)
    assert (await look(town))["pauses"] == {ours["meta"]: "done"}
    assert at_platform(town, "meta")["status"] == "PAUSED"


async def pause(town: Town, campaign_id: str) -> None:

    why = Message(id="why.new_campaign", params={"product": "x"})
    action = PauseCampaign(platform="meta", campaign_id=campaign_id)
    assert (await town.house.gate.submit(Proposal(action=action, key="pause-by-hand", proposer=RUI, why=why))).done


@pytest.mark.parametrize("cause", ["pace", "cap"])
async def test_the_workspace_over_its_cap_stops_everything(town: Town, cause: str) -> None:
    ours = await two_campaigns(town)
    await town.pass_time(hours=6)
    await overspend(town, "^(meta|tiktok)", hours=9, factor=60.0 if cause == "cap" else 40.0)
    await town.pass_time(hours=2 if cause == "cap" else 1)
    done = await look(town)
    assert done["pauses"] == dict.fromkeys(ours.values(), "done")
    assert {c["status"] for c in town.book("ads")["campaigns"]} == {"PAUSED"}
    assert ("over_cap" in await alerts(town)) == (cause == "cap")


async def test_of_many_pauses_those_that_failed_are_told_and_made_again(town: Town) -> None:
    """TikTok T10: the rest stops at once; who reads the alert knows which one still spends; the next round stops it too."""
    ours = await two_campaigns(town)
    await town.pass_time(hours=6)
    await overspend(town, "^(meta|tiktok)", hours=9, factor=40.0)
    await town.pass_time(hours=1)
    town.fault("POST .*/campaign/status/update/$", "expired_token", times=1000)
    assert (await look(town))["pauses"] == {ours["meta"]: "done", ours["tiktok"]: "unknown"}
    assert (at_platform(town, "meta")["status"], at_platform(town, "tiktok")["status"]) == ("PAUSED", "ACTIVE")
    ((severity, message),) = await town.rows(
        "select severity, message from alerts where kind = 'pause_failed' and resolved_at is null"
    )
    name = await town.one("select name from campaigns where id = :id", id=ours["tiktok"])
    assert severity == "critical" and name in town.house.render(Message.model_validate(message), "en")
    town.world.faults.clear()
    await town.pass_time(minutes=15)
    assert (await look(town))["pauses"] == {ours["tiktok"]: "done"}
    assert at_platform(town, "tiktok")["status"] == "PAUSED"
    assert await alerts(town, "pause_failed") == []
    done = await town.rows("select campaign_id, status from actions where kind = 'campaign.pause' ")
    assert sorted(done) == sorted([(ours["meta"], "done"), (ours["tiktok"], "done")]), "the same stop, not a second one"


async def test_a_refused_token_alarms_once_and_is_not_hammered(town: Town) -> None:
    """TikTok T6: 40105 is mended by a person. Every round asks once more, nobody is told again, and it closes by itself."""
    await two_campaigns(town)
    await town.pass_time(hours=6)
    assert (await look(town))["unread"] == []
    fault = town.fault("GET /tiktok/", "expired_token", times=1000)
    for _ in range(3):
        assert (await look(town))["unread"] == ["tiktok"]
        await marketing.insights(town.house, town.stage.clock.now())
        await town.pass_time(minutes=15)
    assert 1000 - fault.times == 6, "one call a reading: a token that is refused is not tried again"
    told = await town.rows(
        "select kind, severity, message, resolved_at from alerts where cause_key in ('token:tiktok', 'api:tiktok')"
    )
    ((kind, severity, message, resolved),) = told
    assert (kind, severity, resolved) == ("token_refused", "critical", None)
    for locale, remedy in (("pt-BR", "renovar o token"), ("en", "renews the token")):
        words = town.house.render(Message.model_validate(message), locale)
        assert "TikTok" in words and remedy in words
    assert [a.platform for a in (await watch.standing(town.house)).accounts if not a.read] == ["tiktok"]
    town.world.faults.clear()  # somebody renewed it
    assert (await look(town))["unread"] == []
    assert await alerts(town, "token_refused", "api_failing") == []


async def test_a_budget_changed_by_hand_is_told_until_it_agrees_again(town: Town) -> None:
    ours = await two_campaigns(town)
    await town.pass_time(hours=2)
    await look(town)
    book = town.stage.sandbox.state.book
    node = next(iter(book.account("meta", "1000000000000001").campaigns.values()))
    (group,) = node.groups.values()
    book.set_budget(group, 9900)
    await town.pass_time(minutes=15)
    await look(town)
    ((cause, message),) = await town.rows(
        "select cause_key, message from alerts where kind = 'books_disagree' and resolved_at is null"
    )
    assert cause == f"books:budget:{ours['meta']}"
    assert (message["params"]["ours"]["minor"], message["params"]["theirs"]["minor"]) == (4000, 9900)
    await marketing.insights(town.house, town.stage.clock.now())  # reading it into the ledger does not make it our plan
    await look(town)
    assert await alerts(town, "books_disagree") == ["books_disagree"]
    book.set_budget(group, 4000)
    await town.pass_time(minutes=15)
    await look(town)
    assert await alerts(town, "books_disagree") == []
    assert await town.one("select count(*) from alerts where kind = 'books_disagree'") == 1


async def test_a_campaign_deleted_by_hand_does_not_hold_the_platform_back_for_ever(town: Town) -> None:
    ours = await two_campaigns(town)
    await town.pass_time(hours=2)
    await look(town)
    node = next(iter(town.stage.sandbox.state.book.account("meta", "1000000000000001").campaigns.values()))
    town.stage.sandbox.state.book.change(node)
    node.deleted, node.enabled = True, False
    await town.pass_time(minutes=15)
    first = await look(town)
    assert first["books"]["gone"] == []
    assert await alerts(town, "books_disagree", "campaign_gone") == ["books_disagree"]
    await town.pass_time(minutes=15)
    assert (await look(town))["books"]["gone"] == [ours["meta"]]
    assert await alerts(town, "books_disagree", "campaign_gone") == ["campaign_gone"]
    row = await town.rows("select status, delivery, gone_at is not null from campaigns where id = :id", id=ours["meta"])
    assert row == [("error", "archived", True)]
    assert await town.one("select count(*) from audit_log where kind = 'campaign.gone'") == 1
    # The platform's other actions go on: a new campaign may be asked for again.
    facts = await gate_facts(town)
    assert facts.unreadable == ()
    await town.pass_time(minutes=15)
    assert (await look(town))["books"]["gone"] == []


async def gate_facts(town: Town) -> Any:

    seen = tuple(await town.house.effects.ports.ads["meta"].list_campaigns())
    async with town.house.books.transaction() as tx:
        return await tx.ledger_facts(
            publication("new"), Actor(kind="system", id="test"), None, seen, town.house.policy(), town.stage.clock.now(),
            excluding=None,
        )  # fmt: skip


async def test_an_unread_platform_counts_at_its_worst(town: Town) -> None:
    await two_campaigns(town)
    await town.pass_time(hours=3)
    await look(town)
    fault = town.fault("GET /meta/", "error_500", times=500)
    done = await look(town)
    assert done["unread"] == ["meta"] and done["pauses"] == {}
    count = counted(await watch.standing(town.house), town.house.policy())
    assert count.unread == ("meta",)
    spent = {c["platform"]: c["spend"] for c in town.book("ads")["campaigns"]}
    assert count.spent.minor == 7000 + spent["tiktok"]  # 40.00 x 1.75, not what was last read
    assert count.assumed.minor == 7000 - spent["meta"]
    await care.alerts(town.house, town.stage.clock.now())
    fault.times = 0
    assert (await look(town))["unread"] == []
    assert counted(await watch.standing(town.house), town.house.policy()).assumed.minor == 0


async def test_a_week_of_normal_days_stops_nothing(database_url: str, tmp_path: Path) -> None:
    pace = NEVER.model_copy(update={"watch": "20 * * * *", "insights": "5 * * * *"})
    async with living(database_url, tmp_path, schedules=Schedules(**pace.model_dump())) as town:
        await two_campaigns(town)
        await town.pass_time(days=3)
        assert await town.one("select count(*) from actions where kind = 'campaign.pause'") == 0
        assert await alerts(town) == []
        assert await town.one("select count(*) from schedule_ticks where schedule = 'watch' and finished_at is not null") >= 70
        await town.clean()


async def test_a_stop_of_everything_does_not_hold_the_brake(town: Town) -> None:
    """Under the kill switch nothing is published, raised or resumed, and what runs away is paused all the same."""
    ours = await two_campaigns(town)
    await town.pass_time(hours=6)
    await look(town)
    assert (await town.house.gate.kill("all", None, RUI, "something is wrong")).ok
    await overspend(town, "^meta", hours=1, factor=40.0)
    await town.pass_time(hours=1)
    assert (await look(town))["pauses"] == {ours["meta"]: "done"}
    assert at_platform(town, "meta")["status"] == "PAUSED"


async def test_room_is_freed_only_when_the_outcome_is_known(town: Town) -> None:
    """An expired reservation of a finished action is freed; one whose action may have happened is not, and a person is told."""
    ours = await two_campaigns(town)
    await town.pass_time(minutes=5)
    async with town.house.db.transaction() as tx:
        await tx.conn.exec_driver_sql(
            "update reservations set status = 'held', closed_at = null, expires_at = expires_at - interval '2 days'"
        )
        await tx.conn.exec_driver_sql(
            "update actions set status = 'unknown', closed_at = null, executor = 'gone'"
            f" where kind = 'campaign.publish' and campaign_id = '{ours['tiktok']}'"
        )
    done = await look(town)
    assert (len(done["room"]["freed"]), len(done["room"]["stuck"])) == (1, 1)
    held = dict(await town.rows("select campaign_id, status from reservations"))
    assert held == {ours["meta"]: "settled", ours["tiktok"]: "held"}
    assert await alerts(town, "room_stuck") == ["room_stuck"]
    assert await town.one("select count(*) from audit_log where kind = 'reservation.expired'") == 1
    await town.house.gate.recover()  # the look-up finds it on the platform
    await town.pass_time(minutes=15)
    assert (await look(town))["room"] == {"freed": [], "stuck": []}
    assert await alerts(town, "room_stuck") == []
    assert dict(await town.rows("select campaign_id, status from reservations"))[ours["tiktok"]] == "settled"


async def test_a_raise_after_which_the_roas_fell_is_taken_back(town: Town) -> None:
    ours = await two_campaigns(town)
    await town.pass_time(hours=2)
    await look(town)
    now = town.stage.clock.now()
    campaign, raise_id = ours["meta"], await raised(town, ours["meta"], "44.00")
    await town.pass_time(minutes=30)
    # The days around the raise, as the platform might have told them: 4.0 before, 1.0 since.
    async with town.house.db.transaction() as tx:
        await tx.conn.exec_driver_sql(
            f"update budget_changes set at = at - interval '4 days' where campaign_id = '{campaign}'"
        )  # fmt: skip
        await tx.conn.exec_driver_sql(f"update campaigns set launched_at = launched_at - interval '9 days' where id = '{campaign}'")
        for back in range(1, 8):
            revenue = 4000 if back <= 3 else 16000
            day = (now - timedelta(days=back)).date()
            await tx.conn.exec_driver_sql(
                "insert into analytics (workspace, platform, level, external_id, campaign_id, day, impressions, clicks, spend_minor,"
                " conversions, revenue_minor, currency, provisional, first_seen_at, updated_at) select 'default', 'meta', 'campaign',"
                f" external_id, id, '{day}', 900, 40, 4000, 2, {revenue}, 'BRL', false, now(), now() from campaigns"
                f" where id = '{campaign}'"
            )
    done = await look(town)
    assert done["rollback"] == {campaign: "done"}, await town.rows("select status, verdict from actions where undo_of is not null")
    assert at_platform(town, "meta")["daily_budget"] == 4000
    ((undo_of, proposer, why),) = await town.rows("select undo_of::text, proposer_id, why from actions where undo_of is not null")
    assert (undo_of, proposer, why["id"]) == (raise_id, "watchdog", "why.rollback")
    assert (why["params"]["before"], why["params"]["since"]) == ("4", "1")
    await town.pass_time(minutes=15)
    assert (await look(town))["rollback"] == {}


async def raised(town: Town, campaign_id: str, amount: str) -> str:

    action = SetBudget(platform="meta", campaign_id=campaign_id, daily_budget=Money.of(amount, "BRL"))
    why = Message(id="why.new_campaign", params={"product": "x"})
    receipt = await town.house.gate.submit(Proposal(action=action, key="raise", proposer=RUI, why=why))
    assert receipt.done, receipt
    return receipt.action_id


async def test_the_week_is_read_to_its_beginning_and_every_cap_says_when_it_is_nearly_used(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = await two_campaigns(town)
    await town.pass_time(hours=50)  # Wednesday, and nobody has read anything
    policy = town.house.policy()
    unread = (await watch.standing(town.house)).week
    assert {(b.platform, b.campaign_id) for b in unread if b.assumed.minor} == set(ours.items())
    await look(town)
    read = await town.rows("select platform, extract(isodow from day)::int from days_read order by 1, 2")
    assert [(p, d) for p, d in read if d in (1, 2)] == [("meta", 1), ("meta", 2), ("tiktok", 1), ("tiktok", 2)]
    assert all(b.assumed.minor == 0 for b in (await watch.standing(town.house)).week)
    zone = await town.rows("select platform, time_zone from ad_accounts order by 1")
    assert zone == [("meta", policy.time_zone), ("tiktok", policy.time_zone)]

    # Nine tenths of a cap of its own: told once, whatever the workspace's week has left, and over when the cap is raised.
    standing = await watch.standing(town.house)
    spent = sum(c.spent.minor for a in standing.accounts for c in a.campaigns if a.platform == "meta")
    spent += sum(b.measured.minor for b in standing.week if b.platform == "meta")

    async def with_cap(minor: int) -> list[str]:
        cap = Money(minor=minor, currency=policy.currency)
        money = policy.guardrails.financial.model_copy(update={"platform_weekly_cap": {"meta": cap}})
        law = policy.model_copy(update={"guardrails": policy.guardrails.model_copy(update={"financial": money})})
        monkeypatch.setattr(town.house, "policy", lambda: law)
        await care.alerts(town.house, town.stage.clock.now())
        return await alerts(town, "cap_used")

    assert await with_cap(spent * 10 // 9) == await with_cap(spent * 10 // 9) == ["cap_used"]
    assert await with_cap(spent * 5 // 4) == ["cap_used"], "exactly eight tenths"
    assert await with_cap(spent * 5 // 4 + 2) == [], "a cent less than that"
    ((message,),) = await town.rows("select message from alerts where kind = 'cap_used'")
    assert "weekly cap" in town.house.render(Message.model_validate(message), "en")
    assert await with_cap(spent * 2) == []
