"""The way of a budget decision: product, campaign, a manager's yes, money spent, a decision, the platform changed, the record."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal

import httpx
import pytest
from sqlalchemy import text

from knowledge.domain.action import Creative, PauseCampaign, PublishCampaign, ResumeCampaign, SetBudget
from knowledge.domain.books import Proposal
from knowledge.domain.message import Message
from knowledge.domain.money import Money
from runtime.db import audit_reads
from runtime.db.judgements import law
from runtime.jobs import care, learning, marketing
from runtime.settings import Schedules
from tests.journeys.town import ANA, NEVER, PASSWORD, RUI, Town, living
from tools.replay import replay_decision, replay_judgement

LAUNCHES = NEVER.model_copy(update={"launch": "0 9 * * *", "publish": "*/30 * * * *"})


class Cockpit:
    """A manager's browser, without the browser."""

    def __init__(self, town: Town) -> None:
        self.url = f"{town.stage.url}/cockpit"
        self.http = httpx.AsyncClient(verify=False, timeout=20, headers={"Accept-Language": "pt-BR"})

    async def page(self, path: str = "/") -> str:
        answer = await self.http.get(self.url + path)
        assert answer.status_code == 200, answer.text
        return answer.text

    async def post(self, path: str, at: str = "/", **fields: str) -> httpx.Response:
        token = re.findall(r'name="csrf" value="([^"]+)"', await self.page(at))[0]
        return await self.http.post(self.url + path, data={"csrf": token, **fields})

    async def login(self) -> None:
        answer = await self.post("/login", at="/login", email=ANA.id, password=PASSWORD)
        assert answer.status_code == 303


async def test_from_product_to_decision(database_url: str, tmp_path) -> None:  # type: ignore[no-untyped-def]
    async with living(database_url, tmp_path, schedules=Schedules(**LAUNCHES.model_dump())) as town:
        await marketing.load_catalogue(town.house)
        await town.pass_time(hours=1, minutes=40)  # 9:00 drafts, 9:30 asks
        waiting = await town.rows(
            "select a.id, a.campaign_id, a.platform, a.fingerprint from actions a join approvals p on p.action_id = a.id where p.status = 'pending' order by 2"
        )
        assert len(waiting) == 2
        assert town.book("ads")["campaigns"] == []

        manager = Cockpit(town)
        stranger = await manager.http.post(f"{manager.url}/approvals/{waiting[0][0]}/approve", data={"fingerprint": waiting[0][3]})
        assert stranger.status_code == 303 and "/login" in stranger.headers["location"]
        await manager.login()
        forged = await manager.http.post(f"{manager.url}/approvals/{waiting[0][0]}/approve", data={"fingerprint": waiting[0][3]})
        assert forged.status_code == 403  # signed in, but the form is not ours
        assert town.book("ads")["campaigns"] == []
        for action_id, _, _, fingerprint in waiting:
            assert fingerprint in await manager.page()
            answer = await manager.post(f"/approvals/{action_id}/approve", fingerprint=fingerprint)
            assert answer.status_code == 303
        await manager.http.aclose()
        assert sorted((c["status"], c["daily_budget"]) for c in town.book("ads")["campaigns"]) == [("ACTIVE", 4000)] * 2
        assert await town.rows("select decided_by, count(*) from approvals group by 1") == [(str(ANA), 2)]

        # One product sells, the other does not.
        (_, loser, loser_on, _), (_, winner, winner_on, _) = waiting
        names = dict(await town.rows("select id, external_id from campaigns where external_id is not null"))
        market = town.stage.sandbox.state.market
        keys = {c["id"]: c["name"] for c in town.book("ads")["campaigns"]}
        for campaign, platform, roas in ((loser, loser_on, 0.2), (winner, winner_on, 3.5)):
            facts = town.stage.sandbox.state.book.accounts
            truth = next(
                c.truth_key for (p, _), a in facts.items() if p == platform for c in a.campaigns.values() if c.id == names[campaign]
            )
            assert keys[names[campaign]]
            market.override(
                f"^{platform} {re.escape(truth)}$", {"roas": roas, "inflation": 0.0, "tracked": 1.0, "delay_hours": 1.0}
            )
        await town.pass_time(hours=80)

        now = town.stage.clock.now()
        first = await marketing.insights(town.house, now)
        assert first["rows"] > 0 and first["failed"] == {}
        before = await town.rows("select * from analytics order by 1")
        second = await marketing.insights(town.house, now)
        assert (second["rows"], second["changed"]) == (first["rows"], 0)
        assert await town.rows("select * from analytics order by 1") == before
        spend = await town.one("select sum(spend_minor)::bigint from analytics where level = 'campaign' and hour is null")
        assert spend == sum(c["spend"] for c in town.book("ads")["campaigns"])

        decided = await marketing.decide(town.house, now)
        again = await marketing.decide(town.house, now)  # the same slot twice is one decision's worth of actions
        assert set(again["actions"].items()) <= set(decided["actions"].items())
        pauses = "select id, status from actions where campaign_id = :id and kind = 'campaign.pause'"
        ((pause, status),) = await town.rows(pauses, id=loser)
        if status == "waiting":  # the law may want a person's word; a refusal would fail here
            assert (await town.house.gate.approve(str(pause), RUI)).ok
        assert [r[1] for r in await town.rows(pauses, id=loser)] == ["done"]
        platform = {c["id"]: c for c in town.book("ads")["campaigns"]}
        assert platform[names[loser]]["status"] == "PAUSED"
        assert platform[names[winner]]["status"] == "ACTIVE"
        assert await town.rows("select status from campaigns where id = :id", id=loser) == [("paused",)]

        # A small raise of the winner needs nobody; the platform shows it to the cent.
        raised = SetBudget(platform=winner_on, campaign_id=winner, daily_budget=Money.of("46.37", "BRL"))
        receipt = await town.house.gate.submit(
            Proposal(
                action=raised,
                key="raise",
                proposer=marketing.MEDIA_BUYER,
                why=Message(id="why.new_campaign"),
                confidence=Decimal("0.9"),
            )
        )
        assert receipt.done, receipt.findings
        platform = {c["id"]: c for c in town.book("ads")["campaigns"]}
        assert platform[names[winner]]["daily_budget"] == 4637
        assert await town.rows("select daily_budget_minor from campaigns where id = :id", id=winner) == [(4637,)]

        ((action_id, evidence),) = await town.rows(
            "select id, evidence from actions where campaign_id = :id and kind = 'campaign.pause'", id=loser
        )
        decision = next(e["id"] for e in evidence if e["table"] == "decisions")
        ((document, history_hash),) = await town.rows("select document, history_hash from decisions where id = :id", id=decision)
        (entry,) = [a for a in document["immediate_actions"] if a["campaign_id"] == loser]
        assert entry["action_type"] == "PAUSE" and len(history_hash) == 64
        kinds = [r[0] for r in await town.rows("select kind from audit_log where action_id = :id order by seq", id=action_id)]
        assert kinds[-1] == "action.done" and kinds[0] in ("action.authorised", "action.waiting")
        # Every decision of this story, the engine's and the gate's, is made again from its record alone, to the letter.
        async with town.house.db.engine.connect() as conn:
            judged = [replay_judgement(j, law=law()) async for j in audit_reads.judgements(conn)]
            rounds = [replay_decision(d) async for d in audit_reads.decisions(conn)]
            assert [r.as_dict() for r in (*judged, *rounds) if not r.identical] == []
            assert len(judged) >= len(kinds) and len(rounds) == 2
            assert not (await audit_reads.gaps(conn)).any
        await learns_from_it(town, loser, str(action_id))
        await care.alerts(town.house, now)
        await town.clean()


async def learns_from_it(town: Town, loser: str, pause: str) -> None:
    """What lost is not advertised again under another name; once, and a person may take it off for good."""
    ((product, platform),) = await town.rows("select product_id, platform from campaigns where id = :id", id=loser)
    creatives = [
        r[0] for r in await town.rows("select id from creatives where product_id = :p and platform = :f", p=product, f=platform)
    ]
    learned = await learning.learn(town.house)
    assert sorted(learned) == sorted(f"creative:{one}" for one in creatives) and creatives, "the product still earns elsewhere"
    assert await town.rows("select distinct status from creatives where id = any(:ids)", ids=creatives) == [("failed",)]
    assert await learning.learn(town.house) == []
    facts = (await town.rows("select reason, added_by from blacklist where value = :v", v=creatives[0]))[0]
    assert facts[1] == "agent:media_buyer" and len(facts[0]) > 20
    told = await town.rows("select payload ->> 'value' from audit_log where kind = 'blacklist.added' and action_id = :id", id=pause)
    assert sorted(r[0] for r in told) == sorted(creatives)
    again = PublishCampaign(
        platform=platform, campaign_id="new-name", product_id=product, name="De novo", daily_budget=Money.of("20", "BRL"),
        creatives=(Creative(id=creatives[0], headline="Assa bem", text="Um forno para a sua cozinha"),), landing_url="https://x.br/f",
    )  # fmt: skip
    why = Message(id="why.new_campaign", params={"product": "x"})
    receipt = await town.house.gate.submit(Proposal(action=again, key="again-1", proposer=marketing.MEDIA_BUYER, why=why))
    assert receipt.status == "refused" and "learned_blacklist" in {f.rule for f in receipt.findings if f.answer == "refuse"}
    async with town.house.db.transaction() as tx:
        assert await tx.blacklist.remove("creative", creatives[0])
    assert await learning.learn(town.house) == [], "what a person took off stays off"


@pytest.mark.parametrize("which", [0, 1], ids=["the first", "the last"])
async def test_a_product_that_lost_wherever_it_ran_is_not_drafted_again(town: Town, which: int) -> None:
    await marketing.load_catalogue(town.house)
    now = town.stage.clock.now()
    await marketing.launch(town.house, now)
    await marketing.publish(town.house, now)
    for (action_id,) in await town.rows("select id from actions where status = 'waiting'"):
        assert (await town.house.gate.approve(str(action_id), RUI)).ok
    ours = await town.rows("select id, platform, product_id from campaigns order by id")
    (product,) = {row[2] for row in ours}
    await town.pass_time(hours=90)
    await marketing.insights(town.house, town.stage.clock.now())
    for number, (campaign, platform, _) in enumerate(ours, start=1):
        lost = Message(
            id="why.optimizer", params={"reason": "optimizer.thresholds.loser", "words": {"pt-BR": "ROAS 0,4", "en": "ROAS 0.4"}}
        )
        stop = Proposal(
            action=PauseCampaign(platform=platform, campaign_id=campaign), key=f"stop-{number}", proposer=marketing.MEDIA_BUYER, why=lost,
            confidence=Decimal("0.95"), correlation_id="decision:d1",
        )  # fmt: skip
        receipt = await town.house.gate.submit(stop)
        if receipt.status == "waiting":
            assert (await town.house.gate.approve(receipt.action_id, RUI)).ok
        learned = await learning.learn(town.house)
        assert (f"product:{product}" in learned) is (number == len(ours)), receipt
    assert await learning.forget(town.house) == []
    async with town.house.db.transaction() as tx:
        record = await tx.products.get(product)
    assert record is not None
    rename = text("update campaigns set platform = :to where id = :id")
    async with town.house.db.engine.begin() as conn:  # as if it had never been drafted for one of the platforms
        await conn.execute(rename, {"id": ours[0][0], "to": "google"})
    drafted = (await marketing.launch(town.house, town.stage.clock.now()))["drafted"]
    assert [one for one in drafted if one.startswith(f"{product}-")] == []

    async with town.house.db.engine.begin() as conn:
        await conn.execute(rename, {"id": ours[0][0], "to": ours[0][1]})
    # A person lets one of them run again: what it taught is taken back, the rest stays, and nothing is learned from it anew.
    resumed, stopped = ours[which], ours[1 - which]
    again = ResumeCampaign(platform=resumed[1], campaign_id=resumed[0])
    assert (
        await town.house.gate.submit(Proposal(action=again, key="again", proposer=RUI, why=Message(id="why.new_campaign")))
    ).done
    forgotten = await learning.forget(town.house)
    assert f"product:{product}" in forgotten and any(one.startswith(f"creative:{resumed[0]}") for one in forgotten)
    assert not any(stopped[0] in one for one in forgotten)
    assert await learning.forget(town.house) == [] == await learning.learn(town.house)


async def test_second_day_of_the_schedule_asks_nothing_twice(town: Town) -> None:
    """Publishing again and again submits each draft once."""
    await marketing.load_catalogue(town.house)
    now = town.stage.clock.now()
    await marketing.launch(town.house, now)
    for _ in range(3):
        await marketing.publish(town.house, now)
    assert await town.rows("select status, count(*) from actions group by 1") == [("waiting", 2)]
    town.stage.clock.advance(timedelta(hours=5))
    await care.approvals(town.house, now)
    await marketing.publish(town.house, now)
    assert await town.rows("select status, count(*) from actions group by 1") == [("expired", 2)]
    assert await town.rows("select status, count(*) from campaigns group by 1") == [("error", 2)]
    assert town.book("ads")["campaigns"] == []
