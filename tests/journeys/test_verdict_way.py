"""A week in the town: what was published and changed is measured by itself, and a manager can ask whether it worked."""

from __future__ import annotations

import json
from pathlib import Path

from knowledge.domain.action import SetBudget
from knowledge.domain.books import Proposal
from knowledge.domain.message import Message
from knowledge.domain.money import Money
from knowledge.domain.outcome import expectation_of
from runtime.jobs import marketing
from runtime.jobs.history import build_history
from tests.journeys.town import ANA, NEVER, RUI, living

SLOW = NEVER.model_copy(
    update={"launch": "0 9 23 11 *", "publish": "*/30 9-10 * * *", "insights": "5 */6 * * *", "verdicts": "25 */6 * * *"}
)


async def test_a_week_brings_verdicts_by_itself(database_url: str, tmp_path: Path) -> None:
    async with living(database_url, tmp_path, schedules=SLOW) as town:
        await marketing.load_catalogue(town.house)
        town.driver.auto_manager = True
        await town.pass_time(days=1)
        town.driver.auto_manager = False
        published = await town.rows(
            "select id, platform, campaign_id, expected from actions where kind = 'campaign.publish' and status = 'done'"
        )
        assert len(published) == 2
        for *_, expected in published:
            stated = expectation_of(expected)
            assert stated is not None and stated.headline is not None, (
                "the first spend is promised even where nothing was ever sold"
            )
        _, platform, campaign_id, _ = published[0]
        # A manager's own command carries what the engine expects of it, too.
        wanted = SetBudget(platform=platform, campaign_id=campaign_id, daily_budget=Money.of("42.00", "BRL"))
        receipt = await town.house.gate.submit(
            Proposal(action=wanted, key="hand", proposer=ANA, why=Message(id="why.new_campaign"))
        )
        if receipt.status == "waiting":
            assert (await town.house.gate.approve(receipt.action_id, RUI)).ok
        ((by_hand,),) = await town.rows("select expected from actions where id = :id", id=receipt.action_id)
        stated = expectation_of(by_hand)
        assert stated is not None and stated.strategy == "people" and stated.effects[-1].metric == "spend"

        await town.pass_time(days=6)
        found = await town.rows("select action_id::text, metric, verdict, method, days from outcomes order by 1, 2")
        assert {row[0] for row in found} >= {str(row[0]) for row in published}
        spends = {row[0]: row for row in found if row[1] == "spend"}
        other = str(published[1][0])
        assert spends[other][3:] == ("nothing_before", 3)
        told = await town.rows("select action_id::text, payload_text from audit_log where kind = 'action.verdict' order by seq")
        assert {row[0] for row in told} == {row[0] for row in found}
        assert all(json.loads(row[1])["effects"] for row in told)
        assert "calibration" in await build_history(town.house)

        answer = await town.house.ask(ANA, "o que fizemos deu certo?", "pt-BR")
        assert "intervalo" in answer.text or "veredito" in answer.text.lower(), answer.text
        assert f"outcomes:{other}" in answer.text
        await town.clean()
