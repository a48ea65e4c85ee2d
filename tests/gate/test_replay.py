"""A decision can be made again from its record alone, to the letter, whatever the operator's file says by now."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from knowledge.domain.policy import Policy
from runtime.db import audit_reads
from runtime.db.judgements import law
from tests.gate.house import ANA, BUYER, WHY, Bench, brl, budget, pause, policy_with, publication
from tools.replay import FACT_DIALS, ROOM_DIALS, Judgement, Replayed, dials_apart, replay_judgement, under


async def kept(bench: Bench, action_id: str | None = None) -> list[Judgement]:
    async with bench.engine.connect() as conn:
        return [j async for j in audit_reads.judgements(conn, action_id=action_id)]


async def replays(bench: Bench, action_id: str | None = None) -> list[Replayed]:
    return [replay_judgement(j, law=law()) for j in await kept(bench, action_id)]


async def busy_day(bench: Bench) -> None:
    """Allowed, asked and approved, refused, rejected, drifted, expired, stopped, and one that speaks to a lead."""
    await bench.running(amount="50")
    await bench.submit(publication("new", "20"), "k1")
    waiting = await bench.submit(budget("65"), "k2", confidence=None)
    bench.clock.advance(timedelta(minutes=20))
    await bench.gate.approve(waiting.action_id, ANA)
    await bench.submit(budget("900"), "k3")
    await bench.running("other", amount="40")
    unwanted = await bench.submit(budget("50", "other"), "k4")
    await bench.gate.reject(unwanted.action_id, ANA, "não agora")
    moved = await bench.submit(budget("51", "other"), "k5")
    bench.ads.put("x-other", brl("45"), "other")
    await bench.gate.approve(moved.action_id, ANA)
    await bench.gate.approve(moved.action_id, ANA)
    late = await bench.submit(budget("30", "other"), "k6")
    bench.clock.advance(timedelta(hours=5))
    await bench.gate.expire_due()
    assert late.status == "waiting"
    await bench.submit(pause("new"), "k7")
    await bench.submit(await bench.conversation(), "k8")
    await bench.gate.kill("all", None, ANA, "chega")
    await bench.submit(publication("newer", "5"), "k9")


async def test_every_judgement_of_a_day_is_made_again_to_the_letter(bench: Bench) -> None:
    await busy_day(bench)
    found = await replays(bench)
    assert len(found) >= 12
    assert [r for r in found if not r.identical] == []
    ((judged, told),) = await bench.rows(
        "select (select count(*) from judgements), (select count(distinct action_id) from judgements)"
    )
    assert judged == len(found) and told == (await bench.rows("select count(*) from actions"))[0][0]
    async with bench.engine.connect() as conn:
        assert not (await audit_reads.gaps(conn)).any


async def test_each_time_an_action_was_judged_is_kept_with_its_own_facts(bench: Bench) -> None:
    await bench.running(amount="50")
    waiting = await bench.submit(budget("65"), "k")
    bench.ads.put("x-pia-meta", brl("60"), "pia-meta")
    assert (await bench.gate.approve(waiting.action_id, ANA)).message.id == "gate.drifted"
    bench.clock.advance(timedelta(minutes=7))
    assert (await bench.gate.approve(waiting.action_id, ANA)).ok
    found = await kept(bench, waiting.action_id)
    assert [j.kind for j in found] == ["action.waiting", "approval.drifted", "approval.approved"]
    budgets = [__import__("json").loads(j.facts_text or "")["campaign"]["daily_budget"]["minor"] for j in found]
    assert budgets == [5000, 6000, 6000]
    assert len({j.facts_text for j in found}) == 3
    assert all(r.identical for r in await replays(bench))


async def test_a_decision_is_replayed_by_the_policy_of_its_day(bench: Bench) -> None:
    """agentos.yaml changed since: the old policy is read from the books, not from the file."""
    await bench.running(amount="50")
    first = await bench.submit(budget("58"), "k1")
    assert first.done
    before = bench.policy.version
    bench.policy = policy_with(quality={"min_hours_between_raises": 0}, approval_above="0.05", max_campaign_budget=brl("60"))
    second = await bench.submit(budget("59"), "k2")
    assert bench.policy.version != before
    found = await kept(bench)
    assert {j.policy_version for j in found} == {before, bench.policy.version}
    assert all(r.identical for r in await replays(bench))
    rows = await bench.rows("select version, document from policies order by first_seen_at")
    assert [Policy.model_validate_json(d).version for _, d in rows] == [v for v, _ in rows]
    (changed,) = [c for j in await kept(bench, first.action_id) if (c := under(j, bench.policy))]
    assert (changed.old, changed.new, [f.rule for f in changed.because]) == ("allow", "ask", ["approval_above"])
    assert second.status == "waiting"


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        ("update judgements set facts = replace(facts::text, '5000', '5001')::json where seq = 1", "record_changed"),
        ("update judgements set verdict = replace(verdict::text, 'ask', 'allow')::json where seq = 1", "record_changed"),
        ("update judgements set policy_version = 'abcdefabcdef' where seq = 1", "record_changed"),
        ("delete from judgements where seq = 1", "judgement_missing"),
        ("delete from policies", "policy_missing"),
        ("update policies set document = replace(document, '0.20', '0.25')", "policy_changed"),
    ],
)
async def test_a_record_that_was_touched_is_not_replayed_as_if_it_were_whole(bench: Bench, damage: str, problem: str) -> None:
    await bench.running(amount="50")
    await bench.submit(budget("65"), "k")
    async with bench.engine.begin() as conn:
        await conn.execute(text("set local session_replication_role = replica"))
        assert (await conn.execute(text(damage))).rowcount == 1
    (only,) = await replays(bench)
    assert not only.identical and only.problem == problem


async def test_a_verdict_that_the_law_does_not_give_is_named_with_its_place(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a rule had judged otherwise on that day: the first differing value is told, and that the rules are another edition."""
    await bench.running(amount="50")
    await bench.submit(budget("65"), "k")
    import tools.guardrails as guardrails
    import tools.replay as replay
    from tools.guardrails import judge

    def without(action: Any, facts: Any, policy: Any, rules: Any) -> Any:
        return judge(action, facts, policy, tuple(r for r in rules if r.id != "approval_above"))

    assert guardrails.judge is judge
    monkeypatch.setattr(replay, "judge", without)
    (only,) = [replay_judgement(j, law="another") for j in await kept(bench)]
    assert (only.identical, only.problem, only.other_law) == (False, None, True)
    assert only.path == "answer" and (only.recorded, only.replayed) == ("ask", "allow")


async def test_rules_added_since_had_no_say_and_are_not_heard(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an upgrade the old decisions are still made again, by the rules of their day, and are told apart."""
    await bench.running(amount="50")
    await bench.submit(budget("65"), "k")
    import tools.replay as replay
    from tools.guardrails import RULES
    from tools.guardrails.rule import Rule, finding

    added = Rule("added", (object,), lambda *_: finding("added", "refuse"), lambda _: WHY)
    monkeypatch.setattr(replay, "RULES", (added, *RULES))
    (kept_one,) = await kept(bench)
    old = replay_judgement(kept_one, law="an older edition" if kept_one.law == law() else law())
    assert (old.identical, old.other_law) == (True, True)
    assert not replay_judgement(kept_one, law=kept_one.law or "").identical


async def test_the_last_row_cut_off_leaves_a_judgement_that_nobody_tells_of(bench: Bench) -> None:
    await bench.running(amount="50")
    await bench.submit(budget("65"), "k", BUYER)
    async with bench.engine.begin() as conn:
        await conn.execute(text("set local session_replication_role = replica"))
        await conn.execute(text("delete from audit_log where seq = (select max(seq) from audit_log)"))
    async with bench.engine.connect() as conn:
        assert (await audit_reads.gaps(conn)).judgements_untold == 1


async def test_an_undo_is_made_again_by_the_law_of_its_day_too(bench: Bench) -> None:
    """The rules of pace that it was spared left no finding, only their names."""
    await bench.running(amount="50")
    change = await bench.submit(budget("60"), "k", ANA)
    assert change.status == "done", change.findings
    back = await bench.gate.undo(change.action_id, ANA, "engano")
    assert back.ok, back.message
    (undone,) = await kept(bench, back.action_id)
    assert "restores" in (undone.verdict_text or "")
    replayed = replay_judgement(undone, law="an older edition")
    assert (replayed.identical, replayed.other_law) == (True, True), replayed


async def test_what_only_the_code_changed_is_no_change_of_policy(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Judged before a rule was written, and compared under the very same policy: nothing would have changed by it."""
    await bench.running(amount="50")
    import tools.guardrails as guardrails
    import tools.replay as replay
    from tools.guardrails import RULES
    from tools.guardrails.rule import Rule, finding

    await bench.submit(budget("65"), "k")
    (one,) = await kept(bench)
    added = Rule("added", (object,), lambda *_: finding("added", "refuse"), lambda _: WHY)
    monkeypatch.setattr(replay, "judge", lambda a, f, p: guardrails.judge(a, f, p, (added, *RULES)))
    assert under(one, bench.policy) is None


def test_dials_that_shaped_the_facts_are_named() -> None:
    old, new = policy_with(quality={"rejection_memory_hours": 24}), policy_with(daily_cap=brl("400"), cumulative_days=14)
    apart = dials_apart(old.document(), new, FACT_DIALS)
    assert apart == ["guardrails.financial.cumulative_days", "guardrails.quality.rejection_memory_hours"]
    assert dials_apart(old.document(), new, ROOM_DIALS) == ["guardrails.financial.daily_cap"]
    assert dials_apart(old.document(), old, (*FACT_DIALS, *ROOM_DIALS)) == []


async def test_a_decision_can_neither_be_removed_nor_be_missed(bench: Bench) -> None:
    async with bench.db.transaction() as tx:
        await tx.decisions.add(
            strategy="bayes", document={"a": 1}, history={"h": 1}, policy=bench.policy, figures=[], dials={}, proposals_hash="0",
            at=bench.clock.now(),
        )  # fmt: skip
    for attempt in ("delete from decisions", "update decisions set strategy = 'none'", "truncate decisions cascade"):
        with pytest.raises(DBAPIError, match="append-only"):
            async with bench.engine.begin() as conn:
                await conn.execute(text(attempt))
    async with bench.engine.begin() as conn:
        assert not (await audit_reads.gaps(conn)).any
        await conn.execute(text("set local session_replication_role = replica"))
        await conn.execute(text("delete from decisions"))
    async with bench.engine.connect() as conn:
        found = await audit_reads.gaps(conn)
    assert (found.decisions_missing, found.any) == (1, True)
