"""A round of the engine is made again from its kept texts, whatever the strategy; one digit of its record changed is told."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from knowledge.domain.chain import canonical, sha256
from knowledge.domain.decision import CampaignFigures
from knowledge.domain.money import Money
from runtime.jobs.history import optimizer_policy
from tests.gate.house import policy_with
from tests.optimizer.test_strategies import account
from tools.optimizer import STRATEGIES
from tools.replay import Decision, decision_round, moves_changed, replay_decision

AT = datetime(2026, 11, 23, 11, 20, 3, 141592, tzinfo=UTC)
LEVELS = {"star": 6.1, "good": 4.45, "even": 2.8, "poor": 1.3, "bad": 0.2}


def made(strategy: str) -> Decision:
    policy = policy_with(max_campaign_budget=Money.of("150", "BRL"))
    policy = policy.model_copy(update={"targets": policy.targets.model_copy(update={"strategy": strategy})})
    history, dials = account(LEVELS, budget=33.33, value=47.11), optimizer_policy(policy)
    budget = Money.of("33.33", "BRL")
    figures = [
        CampaignFigures(
            campaign_id=name, campaign_name=name.title(), platform="meta", active=True, budget=budget, spend_7d=budget.times(7),
            revenue_7d=Money.of("100.01", "BRL"),
        )
        for name in sorted(LEVELS)
    ]  # fmt: skip
    made = decision_round(history, dials, figures, AT, policy)
    texts = {"document": canonical(made.document), "history": canonical(history), "figures": canonical(figures)}
    told = {f"{n}_hash": sha256(t) for n, t in texts.items()} | {"dials": dials, "proposals_hash": made.proposals_hash}
    assert made.proposals, "a round that proposes nothing shows nothing"
    return Decision(
        id="d", at=AT, history_text=texts["history"], history_hash=told["history_hash"], figures_text=texts["figures"],
        document_text=texts["document"], document_hash=told["document_hash"], policy_version=policy.version,
        policy_text=policy.document(), told_text=canonical(told),
    )  # fmt: skip


@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
def test_every_strategy_says_the_same_to_the_last_digit(strategy: str) -> None:
    kept = made(strategy)
    assert replay_decision(kept).as_dict() == {"id": "d", "at": AT.isoformat(), "what": "decision", "identical": True}


def resigned(kept: Decision, **changed: str) -> Decision:
    """As somebody would who recomputes the hashes of what he changed."""
    told = json.loads(kept.told_text or "")
    told |= {name.replace("_text", "_hash"): sha256(words) for name, words in changed.items()}
    return replace(kept, told_text=canonical(told), **changed)


def test_a_changed_document_is_told_with_its_place() -> None:
    kept = made("bayes")
    document: dict[str, Any] = json.loads(kept.document_text)
    document["immediate_actions"][0]["confidence"] += 1e-16 * 8
    assert replay_decision(replace(kept, document_text=canonical(document))).problem == "record_changed"
    found = replay_decision(resigned(kept, document_text=canonical(document)))
    assert (found.identical, found.path) == (False, "immediate_actions[0].confidence")


def test_a_changed_history_makes_another_decision() -> None:
    kept = made("bayes")
    history = json.loads(kept.history_text)
    history["metrics"]["revenue"] = [value * 0.3 for value in history["metrics"]["revenue"]]
    assert not replay_decision(resigned(kept, history_text=canonical(history))).identical


@pytest.mark.parametrize(
    ("missing", "problem"),
    [
        ({"policy_text": None}, "policy_missing"),
        ({"figures_text": None}, "inputs_missing"),
        ({"told_text": None}, "record_changed"),
    ],
)
def test_a_record_with_a_hole_is_told(missing: dict[str, Any], problem: str) -> None:
    assert replay_decision(replace(made("bayes"), **missing)).problem == problem


def test_other_dials_name_the_campaigns_that_would_have_moved_otherwise() -> None:
    kept = made("bayes")
    policy = policy_with(max_campaign_budget=Money.of("150", "BRL"))
    same = policy.model_copy(update={"targets": policy.targets.model_copy(update={"strategy": "bayes"})})
    assert moves_changed(kept, same, optimizer_policy(same)) == []
    tight = same.model_copy(
        update={
            "guardrails": same.guardrails.model_copy(
                update={"quality": same.guardrails.quality.model_copy(update={"min_runtime_hours": 720})}
            )
        }
    )
    differing = moves_changed(kept, tight, optimizer_policy(tight))
    assert "bad" in {d["campaign_id"] for d in differing}
