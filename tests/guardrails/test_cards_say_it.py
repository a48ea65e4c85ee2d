"""Every no and every question that the rules can give, judged for real and read as a tired manager reads a card on a phone.

It must name the rule, the number that was seen, the limit and what to do; in words of the reader's language, with no id, code name or
value as a program writes it; and it must stay true when a fact could not be read.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import pytest
from law_support import (
    AGENT,
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
from test_findings_speak import CASES, OWN, finding_calls

from knowledge.domain.action import Action, GrantAutonomy, Platform, parse_action
from knowledge.domain.campaign import Delivery
from knowledge.domain.facts import ConversationFacts, Facts
from knowledge.domain.money import Money
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Finding
from prompts.messages import FORMATS, LOCALES, WITHOUT, catalogue, holes, render
from runtime.cockpit.cards import Reason, reason
from runtime.cockpit.measures import MEASURES
from runtime.cockpit.numbers import Numbers
from runtime.cockpit.speak import Speaker
from runtime.cockpit.words import Words
from runtime.config_check import dials
from runtime.settings import load_operator
from tools.gate.requests import EDITABLE
from tools.gate.switch import Scope
from tools.guardrails import RULES, judge
from tools.guardrails.promises import PATTERNS
from tools.guardrails.rule import Rule
from tools.guardrails.special_category import KNOWN

ROOT = Path(__file__).resolve().parents[2]


def grant(**more: Any) -> GrantAutonomy:
    values: dict[str, Any] = {
        "action_kind": "campaign.set_budget", "max_amount": brl(80), "max_change": "0.3", "max_count": 20,
        "expires_at": NOW + timedelta(days=20),
    }  # fmt: skip
    return GrantAutonomy.model_validate(values | more)


def broken(*_: Any) -> Finding:
    raise KeyError("daily_budget")


UNREAD = facts(budget=None)
NO_CAMPAIGN = facts(campaign=None)
STRANGE = facts(budget=books(exposure("other")))  # the campaign itself is not in the books
SHADOW = policy(autonomy={"level": 2, "shadow": True})

RARE: dict[str, tuple[Action, Facts, Policy]] = {
    **{f"{rule}.refuse": (set_budget("55"), UNREAD, OWN) for rule in (
        "daily_cap", "weekly_cap", "platform_daily_cap", "platform_weekly_cap", "campaign_daily_cap", "campaign_weekly_cap",
        "reserve_share", "weekly_reserve", "over_cap", "over_weekly_cap", "strategy_change", "adjustments", "unsettled")},
    "campaign_budget.refuse": (resume(), NO_CAMPAIGN, policy()),
    "undo_object.refuse": (set_budget("55"), facts(campaign=None, undo_of="a1"), policy()),
    "max_increase.refuse": (set_budget("55"), NO_CAMPAIGN, policy()),
    "approval_above.refuse": (set_budget("55"), NO_CAMPAIGN, policy()),
    "cumulative_change.ask": (set_budget("55"), facts(campaign=campaign(window_budget=None)), policy()),
    "max_scale.ask": (set_budget("55"), facts(campaign=campaign(launch_budget=None)), policy()),
    "reallocation.ask": (set_budget("55"), STRANGE, policy()),
    "min_data.refuse": (pause(), NO_CAMPAIGN, policy()),
    "confidence.ask": (set_budget("55"), facts(AGENT, confidence=None), policy()),
    "pause_size.ask": (pause(), NO_CAMPAIGN, policy()),
    "service_window.refuse": (message(), talk(hours_ago=None), policy()),
    "takeover.refuse": (message(), Facts(now=NOW, proposer="agent:sdr"), policy()),
    "exchange_rate.refuse": (set_budget("55", "USD"), facts(), policy()),
    "facts_readable.refuse": (set_budget("55"), facts(budget=None, unreadable=("rate.USD/BRL", "meta.get_campaign")), policy()),
}  # fmt: skip
NAMED: dict[str, tuple[Action, Facts, Policy]] = {
    "autonomy.shadow": (set_budget("55"), facts(AGENT), SHADOW),
    "autonomy.grant_ask": (grant(), facts(USER), policy()),
    "autonomy.grant_ask_small": (grant(max_change=None), facts(USER), policy()),
    "autonomy.grant_agent": (grant(), facts(AGENT), policy()),
    "autonomy.grant_advisory": (grant(), facts(USER), policy(autonomy={"level": 3})),
    "autonomy.grant_amount": (grant(max_amount=brl(201)), facts(USER), policy()),
    "autonomy.grant_change": (grant(max_change="0.8"), facts(USER), policy()),
    "special_category.undeclared": (
        publish(text="Casa para alugar"),
        NO_CAMPAIGN,
        policy(compliance={"undeclared_category": "refuse"}),
    ),
    "autonomy.grant_expiry": (grant(expires_at=NOW + timedelta(days=200)), facts(USER), policy()),
}


def every() -> dict[str, tuple[Finding, Facts]]:
    """Case -> what the rule really answered, and on which facts."""
    found: dict[str, tuple[Finding, Facts]] = {}
    for group, cases in (("", CASES), ("unread ", RARE)):
        for name, (action, known, law) in cases.items():
            rule, _, answer = name.partition(".")
            told = next(f for f in judge(action, known, law).findings if f.rule == rule)
            assert told.answer == answer, name
            found[group + name] = (told, known)
    for name, (action, known, law) in NAMED.items():
        told = next(f for f in judge(action, known, law).findings if f.rule == name.partition(".")[0])
        assert told.message.id == f"guard.{name}"
        found[name] = (told, known)
    fallen = judge(set_budget("55"), facts(), policy(), (Rule("daily_cap", (object,), broken, lambda law: None),))  # type: ignore
    found["rule_failed.refuse"] = (fallen.findings[0], facts())
    return found


ANSWERS = every()


def card(case: str, locale: str) -> Reason:
    told, known = ANSWERS[case]
    zone = "America/Sao_Paulo"
    say = Speaker(Words(locale), Numbers(locale, zone), lambda m, to: render(m, to, zone), NOW)
    return reason(say, told.model_dump(mode="json"), known.model_dump(mode="json"))


REMEDIES = {
    "pt-BR": r"\b(peça|aprove|rejeite|edite|espere|tente de novo|confira|reescreva|encurte|retire|tire|abra|use|responda|devolva|mude|"
    r"faça|pause|volte|apertar retomar|informa|passe esta frase|só uma pessoa pode escrever|quem pede é|veja|volta a ser possível)\b",
    "en": r"\b(ask|approve|reject|edit|wait|try again|check|rewrite|shorten|withdraw|take|open|use|answer|hand|change|do it|pause|go back|"
    r"presses resume|enters it|pass this sentence|only a person may write|the house asks|look|possible again)\b",
}
CODES = re.compile(r"\b[a-z]+(?:_[a-z0-9]+)+\b|\b(?:user|agent|schedule|system):|\d{4}-\d\d-\d\dT|\bNone\b|\bTrue\b|\bFalse\b|Decimal|minor|"
    r"\b[A-Z]{2,}_[A-Z_]+\b|\b(?:campaign|message|meta|google|tiktok)\.[a-z]")  # fmt: skip
ALLOWED = ("autonomy.publication", "dry_run", "autonomy.by_action", "guardrails.compliance.licensed_brands", "KeyError")
"""What an operator types or searches for, said on purpose."""


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("case", ANSWERS)
def test_a_tired_manager_finds_rule_number_limit_and_remedy(case: str, locale: str) -> None:
    told, _ = ANSWERS[case]
    shown = card(case, locale)
    assert shown.title and shown.said and shown.text == render(told.message, locale), "a title, a colon, and the rest"
    assert re.search(REMEDIES[locale], shown.said.casefold()), f"what to do is missing: {shown.text}"
    bare = shown.text
    for word in ALLOWED:
        bare = bare.replace(word, "")
    bare = re.sub(r"`[^`]+`|“[^”]+”", "", bare)
    assert not CODES.search(bare), f"{CODES.search(bare)}: {shown.text}"
    assert "desconhecid" not in shown.text and "unknown" not in shown.text, shown.text
    met = MEASURES.get(told.rule)
    if met is None or case.startswith("autonomy.grant"):
        return
    if met.limit is not None:
        assert shown.limit, f"{case}: the limit is not on the card"
        assert shown.limit[1].split()[0].strip("%+") in shown.text.replace("\xa0", " "), f"{shown.limit} is not in: {shown.text}"
    if met.seen is not None and not case.startswith("unread") and told.numbers.get(met.seen) is not None:
        assert shown.measured, f"{case}: the number that met the limit is not on the card"
        figure = shown.measured[1].replace("\xa0", " ").strip("+").removesuffix(" h").split(" vez")[0].split(" tim")[0]
        assert figure in shown.text.replace("\xa0", " "), f"{shown.measured} is not in: {shown.text}"


@pytest.mark.parametrize("case", ANSWERS)
def test_portuguese_has_no_english_and_english_no_portuguese(case: str) -> None:
    told, _ = ANSWERS[case]
    ours, theirs = render(told.message, "pt-BR"), render(told.message, "en")
    given = " ".join(str(value) for value in told.message.params.values())
    for text, foreign in ((ours, r"\b(the|is|of|above|approve|budget|headline|human|price|housing|pause d)\b"),
                          (theirs, r"\b(de|acima|aprove|orçamento|título|preço|moradia|não)\b")):  # fmt: skip
        rest = text
        for part in re.findall(r"“[^”]*”|`[^`]+`", text):  # quotations of what somebody wrote, and commands
            rest = rest.replace(part, "")
        hit = re.search(foreign, rest.casefold())
        assert hit is None or hit[0] in given.casefold(), f"{hit}: {text}"


def test_the_number_on_the_card_is_the_one_that_met_the_limit() -> None:
    """A week is refused by what is certain tonight, not by where it heads; a sum of raises by the most, not by where it asks."""
    week = card("weekly_cap.refuse", "pt-BR")
    numbers = ANSWERS["weekly_cap.refuse"][0].numbers
    certain: Money = numbers["so_far"]
    assert (
        week.measured and week.measured[1] == Numbers("pt-BR", "UTC").money(certain) and numbers["so_far"] != numbers["projected"]
    )
    raises = card("cumulative_change.refuse", "pt-BR")
    assert raises.limit == ("máximo", "200%") and raises.dial == "guardrails.financial.max_scale"
    assert card("cumulative_change.ask", "pt-BR").dial == "guardrails.financial.max_cumulative_increase"
    assert card("max_increase.refuse", "en").measured == ("increase", "+52%")
    slightly = judge(set_budget("60.20"), facts(), policy()).findings
    over = next(f for f in slightly if f.rule == "approval_above")
    zone = "America/Sao_Paulo"
    say = Speaker(Words("pt-BR"), Numbers("pt-BR", zone), lambda m, to: render(m, to, zone), NOW)
    assert reason(say, over.model_dump(mode="json")).measured == ("mudança", "+20,4%"), "20 % over a limit of 20 % explains nothing"


def test_the_card_says_when_a_rule_lets_go_in_the_accounts_time() -> None:
    midnight, monday = (
        datetime(2026, 11, 26, 3, tzinfo=UTC),
        datetime(2026, 11, 30, 3, tzinfo=UTC),
    )  # São Paulo is three hours behind
    assert NOW.date().isoformat() == "2026-11-25"
    for case in ("adjustments.refuse", "over_cap.refuse", "reallocation.refuse"):
        assert card(case, "en").ends == midnight, case
    for case in ("over_weekly_cap.refuse", "weekly_cap.refuse"):
        assert card(case, "en").ends == monday, case
    assert card("raise_spacing.refuse", "en").ends == NOW + timedelta(hours=48)
    assert card("test_period.refuse", "en").ends == NOW + timedelta(hours=policy().guardrails.quality.test_hours)
    assert card("recent_no.refuse", "en").ends == NOW + timedelta(hours=policy().guardrails.quality.rejection_memory_hours)
    assert card("daily_cap.refuse", "en").ends is None, "a new day frees nothing by itself: budgets in force count again"


def test_every_dial_on_a_card_is_in_the_operators_file() -> None:
    paths = {path for path, _ in dials(load_operator(ROOT / "agentos.yaml"))}
    named = {m.dial for m in MEASURES.values() if m.dial} | {card(case, "en").dial for case in ANSWERS} - {None}
    assert named - paths == set()
    assert MEASURES.keys() <= {rule.id for rule in RULES}


def test_every_answer_of_every_rule_is_among_the_judged() -> None:
    """From the rules' source: whatever they can answer stands above as a case that really happened."""
    could = {f"{rule}.{answer}" for _, rule, answer, _ in finding_calls() if answer != "allow"}
    could = {name for name in could if f"guard.{name}" in catalogue("en")}
    judged = {f"{told.rule}.{told.answer}" for told, _ in ANSWERS.values()}
    assert len(could) > 50
    assert could - judged == set()
    without = {key.removesuffix(WITHOUT) for key in catalogue("en") if key.startswith("guard.") and key.endswith(WITHOUT)}
    reached = {
        told.message.id for told, _ in ANSWERS.values()
        if any(told.message.params.get(name, 0) in (None, "") for name in holes(catalogue("en")[told.message.id]))
    }  # fmt: skip
    assert without == reached | (without & {"guard.kill_switch.refuse"}), "each second wording is reached, and each gap has one"


VOCABULARIES: dict[str, set[str]] = {
    "scope": set(get_args(Scope)),
    "delivery": set(get_args(Delivery)),
    "platform": set(get_args(Platform)),
    "owner": set(get_args(ConversationFacts.model_fields["owner"].annotation)),
    "promise": set(PATTERNS),
    "category": set(KNOWN) - {"NONE"},
    "field": {name for names in EDITABLE.values() for name in names},
    "cap": {"workspace_week", "platform_day", "platform_week", "campaign_day", "campaign_week"},
    "title": {rule.id for rule in RULES},
    "role": {"viewer", "manager", "admin"},
    "kind": {cls.model_fields["kind"].default for cls in get_args(get_args(Action)[0])} if get_args(get_args(Action)[0]) else set(),
    "person": {"user", "agent", "schedule", "webhook", "system"},
    "fact": {"budget_ledger", "campaign", "campaign.platform", "conversation", "vendor", "rate"},
    "place": {"headline", "text"},
    "listed": {"-"},
    "status": {"proposed", "refused", "suggested", "waiting", "authorised", "executing", "unknown", "done", "failed", "rejected",
               "expired", "cancelled", "scheduled", "replaced", "withdrawn", "pending", "approved"},
}  # fmt: skip


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_every_name_a_sentence_may_be_given_has_words(vocabulary: str, locale: str) -> None:
    assert VOCABULARIES[vocabulary], "nothing to compare"
    assert {f"{vocabulary}.{name}" for name in VOCABULARIES[vocabulary]} - catalogue(locale).keys() == set()


@pytest.mark.parametrize("locale", LOCALES)
def test_every_form_in_a_sentence_is_known(locale: str) -> None:
    """A misspelt `{x:percnt}` would show the bare value."""
    used = {spec for text in catalogue(locale).values() for spec in re.findall(r"\{[a-z_0-9]+:([a-z]+)\}", text)}
    assert used - FORMATS - VOCABULARIES.keys() == set()
    for key, text in catalogue(locale).items():
        if key.endswith(WITHOUT):
            assert holes(text) < holes(catalogue(locale)[key.removesuffix(WITHOUT)]), f"{key} needs a value, or needs all of them"


NAMES = {"platform", "kind", "scope", "status", "role", "delivery", "left_delivery", "owner", "by", "set_by", "place", "facts",
         "declared", "licensed", "vendor", "field", "allowed", "rules"}  # fmt: skip


@pytest.mark.parametrize("locale", LOCALES)
def test_no_answer_of_the_gate_shows_a_bare_name_or_moment(locale: str) -> None:
    """Holes that are given ids, states or moments say which words to use for them."""
    for key, text in catalogue(locale).items():
        if not key.startswith(("gate.", "undo.", "guard.")):
            continue
        bare = set(re.findall(r"\{([a-z_]+)\}", text))
        assert not bare & NAMES, f"{key}: {bare & NAMES} has no vocabulary"
        assert not bare & {"at", "until", "expires_at"}, f"{key}: a moment without its form"


def test_the_judged_actions_are_real() -> None:
    for action, _, _ in (*CASES.values(), *RARE.values(), *NAMED.values()):
        assert parse_action(action.args()) == action
    assert Decimal("0.4") == CASES["confidence.ask"][1].confidence
