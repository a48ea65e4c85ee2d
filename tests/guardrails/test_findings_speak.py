"""A manager who reads only the card knows which rule, which number, which limit, and what to do."""

from __future__ import annotations

import ast
import json
import re
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from law_support import (
    AGENT,
    CLOCK,
    NOW,
    USER,
    books,
    brl,
    campaign,
    exposure,
    facts,
    message,
    pause,
    policy,
    publish,
    resume,
    set_budget,
    talk,
)

from knowledge.domain.action import Action
from knowledge.domain.facts import Facts, KillSwitch, LastRaise, Listed, Rejection, Reservation
from knowledge.domain.money import Money
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Finding
from prompts.messages import LOCALES, catalogue, format_value, holes, render
from tools.guardrails import RULES, judge

LAW = Path(__file__).resolve().parents[2] / "tools" / "guardrails"
NEW = facts(AGENT, campaign=None, budget=books())
FALLEN = LastRaise(
    at=NOW - timedelta(days=3), from_budget=brl(40), to_budget=brl(50), spend_before=brl(100), revenue_before=brl(300),
    spend_since=brl(100), revenue_since=brl(150), impressions_since=5000,
)  # fmt: skip
OWN = policy(platform_daily_cap={"meta": brl(60)}, platform_weekly_cap={"meta": brl(200)}, campaign_daily_cap=brl(60),
             campaign_weekly_cap=brl(200), daily_cap=1000, weekly_cap=9000)  # fmt: skip
HELD = Reservation(action_id="a1b2c3", campaign_id="c1", platform="meta", daily_budget=brl(60))
SWITCHED = (KillSwitch(id="k", scope="all", target=None, reason="auditoria", set_by="user:ana", set_at=NOW),)
NO = (Rejection(action_id="a", kind="campaign.set_budget", direction="up", by="user:ana@x.br", reason="é cedo", at=NOW),)
LIST = (Listed(kind="term", value="assa", reason="falhou", added_by="user:ana"),)
WINNER = campaign(spend_7d=brl(10), revenue_7d=brl(90))
HALF = books(exposure(), exposure("a", "50", touched=True), exposure("b", "50", touched=True))
MOVED = books(exposure(), exposure("a", "20", start="100"))

CASES: dict[str, tuple[Action, Facts, Policy]] = {
    "kill_switch.refuse": (set_budget("55"), facts(kills=SWITCHED), policy()),
    "facts_readable.refuse": (set_budget("55"), facts(unreadable=("meta.list",)), policy()),
    "other_platforms.ask": (set_budget("55"), facts(unclear=("tiktok.list_campaigns",)), policy()),
    "undo_object.refuse": (set_budget("55"), facts(undo_of="a1"), policy()),
    "account_zone.refuse": (set_budget("55"), facts(account_zone="America/New_York"), policy()),
    "autonomy.ask": (set_budget("55"), facts(), policy(autonomy={"level": 2})),
    "autonomy.refuse": (set_budget("55"), facts(), policy(autonomy={"level": 3})),
    "over_cap.refuse": (set_budget("55"), facts(budget=books(exposure(spent="301"))), policy()),
    "over_weekly_cap.refuse": (set_budget("55"), facts(budget=books(exposure(), spent_week="1501")), policy()),
    "emergency_stop.ask": (resume(), facts(AGENT, campaign=campaign(emergency_stop=True)), policy()),
    "emergency_stop.refuse": (resume(), facts(AGENT, campaign=campaign(emergency_stop=True)), policy(emergency_resume="refuse")),
    "already_published.refuse": (publish(campaign_id="c1"), facts(), policy()),
    "unsettled.refuse": (set_budget("55"), facts(budget=books(exposure(), held=[HELD])), policy()),
    "campaign_budget.refuse": (set_budget("201"), facts(), policy()),
    "daily_cap.refuse": (publish("172"), NEW, policy(max_campaign_budget=300)),
    "weekly_cap.ask": (publish("100"), facts(campaign=None, budget=books(spent_week="926")), policy()),
    "weekly_cap.refuse": (publish("100"), facts(campaign=None, budget=books(spent_week="1400")), policy()),
    "platform_daily_cap.refuse": (publish("40"), NEW, OWN),
    "platform_weekly_cap.ask": (publish("40"), NEW, OWN),
    "platform_weekly_cap.refuse": (publish("40"), facts(campaign=None, budget=books(meta="150")), OWN),
    "campaign_daily_cap.refuse": (publish("40"), NEW, OWN),
    "campaign_weekly_cap.ask": (publish("40"), NEW, OWN),
    "campaign_weekly_cap.refuse": (set_budget("55"), facts(budget=books(exposure(spent_week="150"))), OWN),
    "reserve_share.ask": (publish("160"), NEW, policy()),
    "weekly_reserve.ask": (publish("100"), facts(AGENT, campaign=None, budget=books(spent_week="800")), policy()),
    "max_increase.refuse": (set_budget("76"), facts(), policy()),
    "approval_above.ask": (set_budget("61"), facts(), policy()),
    "cumulative_change.ask": (set_budget("55"), facts(campaign=campaign(window_budget=brl(25))), policy()),
    "cumulative_change.refuse": (set_budget("55"), facts(campaign=campaign(window_budget=brl(10))), policy()),
    "max_scale.ask": (set_budget("55"), facts(campaign=campaign(launch_budget=brl(10))), policy()),
    "reallocation.ask": (set_budget("99"), facts(USER, budget=MOVED), policy()),
    "reallocation.refuse": (set_budget("99"), facts(AGENT, budget=MOVED), policy()),
    "strategy_change.ask": (set_budget("55"), facts(AGENT, budget=HALF), policy()),
    "new_campaign.ask": (publish(), NEW, policy()),
    "test_period.ask": (set_budget("55"), facts(campaign=campaign(launched_at=None)), policy()),
    "test_period.refuse": (set_budget("55"), facts(campaign=campaign(launched_at=NOW)), policy()),
    "min_data.refuse": (pause(), facts(campaign=campaign(impressions_7d=12)), policy()),
    "min_runtime.ask": (pause(), facts(campaign=campaign(launched_at=None)), policy()),
    "min_runtime.refuse": (pause(), facts(campaign=campaign(launched_at=NOW)), policy()),
    "no_touch.ask": (pause(), facts(USER, campaign=WINNER), policy()),
    "no_touch.refuse": (pause(), facts(AGENT, campaign=WINNER), policy()),
    "adjustments.refuse": (resume(), facts(budget=books(exposure(), adjustments=51)), policy()),
    "raise_spacing.ask": (set_budget("55"), facts(USER, campaign=campaign(last_raise_at=NOW)), policy()),
    "raise_spacing.refuse": (set_budget("55"), facts(campaign=campaign(last_raise_at=NOW)), policy()),
    "rollback.ask": (set_budget("55"), facts(USER, campaign=campaign(last_raise=FALLEN)), policy()),
    "rollback.refuse": (set_budget("55"), facts(campaign=campaign(last_raise=FALLEN)), policy()),
    "confidence.ask": (set_budget("55"), facts(AGENT, confidence=Decimal("0.4")), policy()),
    "recent_no.refuse": (set_budget("55"), facts(AGENT, rejections=NO), policy()),
    "pause_size.ask": (pause(), facts(CLOCK, campaign=campaign("5001")), policy()),
    "ad_policy.refuse": (publish(text="Você está acima do peso?"), NEW, policy()),
    "ad_policy.ask": (publish(text="O melhor do Brasil"), NEW, policy(compliance={"claims_asked": ("superlative",)})),
    "ad_length.refuse": (publish(text="t" * 126), NEW, policy()),
    "banned_product.refuse": (publish(text="Cigarro eletrônico"), NEW, policy()),
    "trademark.ask": (publish(text="Capa para iPhone"), NEW, policy()),
    "trademark.refuse": (publish(text="Relógio tipo Rolex"), NEW, policy()),
    "special_category.ask": (publish(text="Casa para alugar"), NEW, policy()),
    "special_category.refuse": (publish(special_ad_categories=("HOUSING",), age_min=30), NEW, policy()),
    "learned_blacklist.ask": (
        publish(), facts(AGENT, campaign=None, blacklist=LIST), policy(compliance={"blacklist_asked": ("product", "term", "brand", "creative")}),
    ),
    "learned_blacklist.refuse": (publish(), facts(AGENT, campaign=None, blacklist=LIST), policy()),
    "takeover.refuse": (message(), talk("human", 2), policy()),
    "opt_out.refuse": (message(), talk(opted_out=True), policy()),
    "service_window.refuse": (message(), talk(hours_ago=30), policy()),
    "promises.refuse": (message("Sai por R$ 100"), talk(), policy()),
    "questions.refuse": (message("a? b? c?"), talk(), policy()),
}  # fmt: skip


def told(case: str) -> Finding:
    rule, _, answer = case.partition(".")
    action, known, law = CASES[case]
    found = next(f for f in judge(action, known, law).findings if f.rule == rule)
    assert found.answer == answer
    return found


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("case", CASES)
def test_the_card_names_rule_number_limit_and_remedy(case: str, locale: str) -> None:
    found = told(case)
    said = render(found.message, locale)
    assert re.match(r"[^:]{4,70}: ", said), f"begins with the rule's name: {said}"
    assert len(re.findall(r"[.!?](?:\s|$)|;\s", said)) >= 2, f"says what happened and what to do: {said}"
    for name, value in found.message.params.items():
        measured = isinstance(value, Money | Decimal | int) and not isinstance(value, bool)
        if measured and name in holes(catalogue(locale)[found.message.id]):
            spellings = {format_value(value, locale), format_value(value, locale, "percent"), format_value(value, locale, "number")}
            assert any(s in said for s in spellings), f"{name} = {value} is not in: {said}"
    assert ("desconhecido" not in said and "unknown" not in said) or case in ("min_runtime.ask", "test_period.ask"), said
    assert "{" not in said


NUMBERLESS = {"account_zone", "kill_switch", "facts_readable", "opt_out", "promises", "ad_policy", "banned_product", "trademark", "learned_blacklist",
              "rule_failed", "takeover", "special_category", "recent_no", "restores", "unsettled", "emergency_stop", "already_published",
              "other_platforms", "undo_object"}  # fmt: skip
"""Rules about words or states: they name the words or the state instead of a number."""
LIMITS = {"limit", "cap", "level", "quorum", "least", "days", "left", "budget", "max_count", "until", "pairs", "below", "bound"}


@pytest.mark.parametrize("locale", LOCALES)
def test_every_sentence_of_a_no_or_a_question_holds_its_number_and_its_limit(locale: str) -> None:
    """Also of answers that need rare facts: what the finding measures and what it is measured by stand in the sentence."""
    ours = {rule.id for rule in RULES}
    for key, text in catalogue(locale).items():
        _, _, rest = key.partition("guard.")
        rule, _, answer = rest.rpartition(".")
        if rule not in ours or answer not in ("ask", "refuse") or rule in NUMBERLESS:
            continue
        named = holes(text)
        assert named & LIMITS, f"{key} names no limit: {text}"
        assert len(named) >= 2, f"{key} names no number beside the limit: {text}"


def test_every_answer_of_the_campaign_rules_has_a_case() -> None:
    """A new sentence comes with a case above, or with the reason why its facts are rare."""
    rare = {
        "approval_above.refuse",
        "reserve_share.refuse",
        "weekly_reserve.refuse",
        "strategy_change.refuse",
        "rule_failed.refuse",
        "special_category.undeclared",  # the refusal of an operator's own wish: among the cards
    }
    elsewhere = {"autonomy", "exchange_rate", "grant", "restores"}
    answers = {key.removeprefix("guard.") for key in catalogue("en") if key.startswith("guard.") and not key.endswith(".allow")}
    ours = {a for a in answers if a.rpartition(".")[0] in {r.id for r in RULES} - elsewhere}
    assert ours - CASES.keys() - rare == set()


@pytest.mark.parametrize("case", CASES)
def test_facts_go_through_json_and_give_the_same_verdict(case: str) -> None:
    """What a replay does: the stored facts, read again, judged again, to the last byte."""
    action, known, law = CASES[case]
    stored = json.dumps(known.model_dump(mode="json"), sort_keys=True)
    again = Facts.model_validate(json.loads(stored))
    assert json.dumps(again.model_dump(mode="json"), sort_keys=True) == stored
    same: list[Any] = [judge(action, f, law).model_dump_json() for f in (known, again)]
    assert same[0] == same[1]


def test_facts_of_older_records_still_parse() -> None:
    """Fields that came later have defaults."""
    old = facts().model_dump(mode="json")
    for name in ("rejections", "blacklist"):
        del old[name]
    for name in ("window_budget", "launch_budget", "last_raise"):
        del old["campaign"][name]
    del old["budget"]["spent_week_by_platform"], old["budget"]["unread_days"]
    for row in old["budget"]["exposures"]:
        del row["spent_week"], row["start_of_day"], row["touched_today"]
    assert judge(set_budget("55"), Facts.model_validate(old), policy()).answer in ("ask", "refuse")


def finding_calls() -> list[tuple[str, str, str, frozenset[str]]]:
    """(file, rule, answer, parameter names) of every finding that the rules' source can make."""
    found: list[tuple[str, str, str, frozenset[str]]] = []
    for path in sorted(LAW.glob("*.py")):
        for function in (n for n in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(n, ast.FunctionDef)):
            for call in (n for n in ast.walk(function) if isinstance(n, ast.Call)):
                if not (isinstance(call.func, ast.Name) and call.func.id == "finding" and isinstance(call.args[0], ast.Constant)):
                    continue
                where: ast.AST = call.args[1] if not isinstance(call.args[1], ast.Name) else function
                words = {n.value for n in ast.walk(where) if isinstance(n, ast.Constant) and n.value in ("allow", "ask", "refuse")}
                if any(keyword.arg is None for keyword in call.keywords):
                    continue  # **parameters: the cases above render them
                given = frozenset(keyword.arg for keyword in call.keywords if keyword.arg)
                found += [(path.name, str(call.args[0].value), str(word), given) for word in sorted(words)]
    return found


@pytest.mark.parametrize("locale", LOCALES)
def test_every_finding_brings_what_its_sentence_needs(locale: str) -> None:
    """A card is never empty because a parameter was forgotten on a rare path."""
    calls = finding_calls()
    assert len(calls) > 90
    for file, rule, answer, given in calls:
        text = catalogue(locale).get(f"guard.{rule}.{answer}")
        if text is not None:  # a word of another call in the same function; tests/house knows which ones must exist
            assert holes(text) <= given, f"{file}: guard.{rule}.{answer} needs {sorted(holes(text) - given)}"
