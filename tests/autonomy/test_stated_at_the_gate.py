"""Whoever brings no expectation has one stated before the action is recorded: once per intent, and anew for an edit."""

from __future__ import annotations

from typing import Any

import pytest

from knowledge.domain.action import Action, Actor
from tests.autonomy.conftest import asking
from tests.gate.house import ANA, BUYER, Bench, at_once, brl, budget
from tools.gate import Gate


class Oracle:
    """States a number of its own for every question, and counts them."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    async def __call__(self, action: Action, proposer: Actor) -> dict[str, Any] | None:
        self.asked.append((action.kind, str(proposer)))
        return {"said": len(self.asked)}


@pytest.fixture
def oracle(bench: Bench) -> Oracle:
    made = Oracle()
    bench.gate = Gate(
        bench.books, bench.gate._core.effects, lambda: bench.policy, bench.clock, executor=bench.executor, sleep=at_once, expect=made
    )  # fmt: skip
    return made


async def test_asked_once_for_an_intent_and_never_for_what_was_stated(bench: Bench, oracle: Oracle) -> None:
    await bench.running(amount="100")
    first = await bench.submit(budget("105"), "k1")
    assert (await bench.action(first.action_id)).expected == {"said": 1}
    await bench.submit(budget("105"), "k1")
    assert oracle.asked == [("campaign.set_budget", str(BUYER))]
    own = await bench.submit(budget("104"), "k2", expected={"mine": 1})
    assert (await bench.action(own.action_id)).expected == {"mine": 1} and len(oracle.asked) == 1


async def test_texts_promise_no_money(bench: Bench, oracle: Oracle) -> None:
    await bench.submit(await bench.conversation(), "text")
    assert oracle.asked == []


async def test_an_edited_request_states_its_own(bench: Bench, oracle: Oracle) -> None:
    await bench.running(amount="100")
    first = await bench.submit(budget("110"), "k1", expected={"of": "110"})
    changed = await bench.gate.edit(first.action_id, ANA, {"daily_budget": brl("104").model_dump()}, "menos")
    assert changed.action_id is not None and changed.action_id != first.action_id
    assert (await bench.action(changed.action_id)).expected == {"said": 1}
    assert (await bench.action(first.action_id)).expected == {"of": "110"}


async def test_an_undo_carries_one(bench: Bench, oracle: Oracle) -> None:
    bench.policy = asking(by_action={})
    await bench.running(amount="100")
    done = await bench.submit(budget("104"), "k1", expected={"of": "104"})
    assert done.status == "done"
    undone = await bench.gate.undo(done.action_id, ANA)
    assert undone.action_id is not None
    assert (await bench.action(undone.action_id)).expected == {"said": 1}
