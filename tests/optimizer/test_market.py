"""The strategies against markets none of them knows: who earns, who pauses good campaigns, who oversteps."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.optimizer.market import KINDS, Kind, Market, Result, oracle_for
from tools.optimizer import decide

TRIED = [replace(KINDS[1], campaigns=12, days=21), replace(KINDS[4], campaigns=12, days=21)]
SEEDS = (101, 102)


def play(kind: Kind, strategy: str | None) -> list[Result]:
    return [Market(kind, seed).run(decide if strategy else None, {"strategy": strategy}, every=12) for seed in SEEDS]


@pytest.fixture(scope="module")
def bayes() -> dict[str, list[Result]]:
    return {kind.name: play(kind, "bayes") for kind in TRIED}


def test_bayes_earns_more_than_standing_still_and_than_thresholds(bayes: dict[str, list[Result]]) -> None:
    earned = sum(r.profit for results in bayes.values() for r in results)
    still = sum(r.profit for kind in TRIED for r in play(kind, None))
    lines = sum(r.profit for kind in TRIED for r in play(kind, "thresholds"))
    assert earned > still
    assert earned > lines


def test_bayes_reaches_most_of_what_a_clairvoyant_earns_in_every_kind(bayes: dict[str, list[Result]]) -> None:
    for kind in TRIED:
        best = 0.0
        for seed in SEEDS:
            market = Market(kind, seed)
            best += market.run(oracle_for(market), every=12).profit
        assert sum(r.profit for r in bayes[kind.name]) > 0.4 * best, kind.name


def test_bayes_rarely_pauses_what_pays_and_never_oversteps(bayes: dict[str, list[Result]]) -> None:
    results = [r for several in bayes.values() for r in several]
    assert [r.breaches for r in results] == [[]] * len(results)
    assert sum(r.false_pauses for r in results) <= 0.08 * sum(r.profitable for r in results)


def test_losers_lose_less_than_under_static_budgets(bayes: dict[str, list[Result]]) -> None:
    lost = sum(r.loser_loss for several in bayes.values() for r in several)
    static = sum(r.loser_loss for kind in TRIED for r in play(kind, None))
    assert lost < 0.35 * static


def test_confidence_is_worth_something(bayes: dict[str, list[Result]]) -> None:
    """Steps called sure come true more often than steps called likely."""
    stated = [pair for several in bayes.values() for r in several for pair in r.stated]
    sure = [came for confidence, came in stated if confidence >= 0.85]
    likely = [came for confidence, came in stated if confidence < 0.85]
    assert len(sure) > 20 and len(likely) > 20
    assert sum(sure) / len(sure) > sum(likely) / len(likely)
    assert sum(sure) / len(sure) > 0.7


@pytest.mark.parametrize("strategy", ["thresholds", "framework"])
def test_the_plain_strategies_keep_the_guardrails_too(strategy: str) -> None:
    assert all(result.breaches == [] for result in play(TRIED[1], strategy))
