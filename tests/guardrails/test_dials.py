"""The dials of the rules as an operator writes them: plain amounts in the file, Money in the law, a named line for a mistake."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path

import pytest
from law_support import brl

from knowledge.domain.policy import Policy
from runtime.cockpit.measures import MEASURES
from runtime.config_check import dials
from runtime.settings import ConfigError, load_operator
from tools.guardrails import RULES
from tools.guardrails.rule import Rule

OPERATOR = Path(__file__).resolve().parents[2] / "agentos.yaml"


def written(tmp_path: Path, before: str, after: str) -> Path:
    text = OPERATOR.read_text(encoding="utf-8")
    assert before in text
    path = tmp_path / "agentos.yaml"
    path.write_text(text.replace(before, after), encoding="utf-8")
    return path


def test_caps_of_platforms_and_campaigns_are_plain_amounts(tmp_path: Path) -> None:
    own = "platform_daily_cap: {meta: 200.00, tiktok: 90}\n    campaign_weekly_cap: 400.50"
    law = load_operator(written(tmp_path, "platform_daily_cap: {}", own)).policy()
    assert law.guardrails.financial.platform_daily_cap == {"meta": brl(200), "tiktok": brl(90)}
    assert law.campaign_cap("week") == brl("400.50")
    assert law.platform_cap("meta", "day") == brl(200)
    assert law.platform_cap("google", "day") == brl(300), "without one of its own: the workspace's"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("{meta: 200.005}", "guardrails.financial.platform_daily_cap.meta"),
        ("{meta: -1}", "guardrails.financial.platform_daily_cap.meta: -1.00 BRL must be above zero"),
        ("{orkut: 10}", "orkut"),
    ],
)
def test_a_wrong_cap_is_named(tmp_path: Path, wrong: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_operator(written(tmp_path, "platform_daily_cap: {}", f"platform_daily_cap: {wrong}"))
    assert told in str(caught.value)


def test_the_shipped_file_has_the_specifications_limits() -> None:
    law: Policy = load_operator(OPERATOR).policy()
    money, quality = law.guardrails.financial, law.guardrails.quality
    assert (money.daily_cap, money.weekly_cap) == (brl(300), brl(1500))
    shares = (money.max_single_increase, money.approval_above, money.max_reallocation, money.alert_at)
    assert tuple(str(share.normalize()) for share in shares) == ("0.5", "0.2", "0.3", "0.8")
    assert (money.max_adjustments_per_day, money.no_touch_roas_above, money.max_scale) == (50, 5, 3)
    assert (quality.min_impressions, quality.test_hours, quality.min_runtime_hours) == (1000, 24, 72)
    assert (quality.min_hours_between_raises, str(quality.min_confidence), str(quality.rollback_drop.normalize())) == (
        48,
        "0.85",
        "0.2",
    )


def test_every_dial_changes_the_policys_version(tmp_path: Path) -> None:
    """A replay names the policy by it: no dial may be left out of the digest."""
    plain = load_operator(OPERATOR).policy().version
    for before, after in (
        ("reserve_share: 0.10", "reserve_share: 0.11"),
        ("max_reallocation: 0.30", "max_reallocation: 0.31"),
        ("test_hours: 24", "test_hours: 25"),
        ("licensed_brands: []", "licensed_brands: [Braseiro]"),
        ("platform_daily_cap: {}", "platform_daily_cap: {meta: 1}"),
        ("claims_asked: []", "claims_asked: [superlative]"),
        ("max_headline: {}", "max_headline: {meta: 30}"),
        ("max_text: {}", "max_text: {tiktok: 90}"),
        ("undeclared_category: ask", "undeclared_category: refuse"),
        ("blacklist_asked: []", "blacklist_asked: [term]"),
        ("emergency_resume: ask", "emergency_resume: refuse"),
    ):
        assert load_operator(written(tmp_path, before, after)).policy().version != plain


@pytest.mark.parametrize(
    ("before", "wrong", "told"),
    [
        ("claims_asked: []", "claims_asked: [health]", "guardrails.compliance.claims_asked.0"),
        ("max_headline: {}", "max_headline: {meta: 5}", "guardrails.compliance.max_headline.meta"),
        ("max_text: {}", "max_text: {orkut: 50}", "guardrails.compliance.max_text.orkut"),
        ("undeclared_category: ask", "undeclared_category: allow", "guardrails.compliance.undeclared_category"),
        ("blacklist_asked: []", "blacklist_asked: [person]", "guardrails.compliance.blacklist_asked.0"),
        ("emergency_resume: ask", "emergency_resume: allow", "guardrails.financial.emergency_resume"),
        ("max_questions: 2", "max_questions: 2\n    price_sources: [catalogue]", "guardrails.conversation.price_sources"),
    ],
)
def test_a_dial_that_would_open_a_door_is_named(tmp_path: Path, before: str, wrong: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_operator(written(tmp_path, before, wrong))
    assert told in str(caught.value)


INVARIANTS = {
    "kill_switch", "facts_readable", "other_platforms", "undo_object", "already_published", "unsettled", "takeover", "opt_out", "promises",
}  # fmt: skip
"""What keeps the books right or people's word: a stop stops, doubt refuses, nothing is published twice or over somebody's change, an
unsettled change is waited for, and who took over, asked to leave or was told no price is left so. No operator may move these."""

ELSEWHERE = {
    "guardrails.financial.alert_at": "the alert of a cap (runtime/jobs)",
    "guardrails.financial.velocity_envelope": "the spend watchdog",
    "guardrails.conversation.price_sources": "must be empty",
    "autonomy.approval_hours": "the expiry of a request",
    "autonomy.max_approval_hours": "how far a manager may extend it",
    "autonomy.grace_minutes": "the wait before an allowed change",
    "autonomy.quorum": "who must say yes",
}


def test_every_rule_has_its_dial_and_every_limit_its_rule() -> None:
    paths = {path for path, _ in dials(load_operator(OPERATOR))}
    assert {rule.id for rule in RULES if not rule.dials} == INVARIANTS
    named = {dial for rule in RULES for dial in rule.dials}
    assert named - paths == set(), "a rule names a setting that does not exist"
    limits = {p for p in paths if p.startswith(("guardrails.", "autonomy."))}
    sending = {p for p in limits if p.startswith(("guardrails.operational.", "autonomy.earned."))}
    assert limits - named - sending == ELSEWHERE.keys(), "a limit that no rule obeys"


def test_what_a_card_says_may_be_moved_is_a_dial_of_its_rule() -> None:
    known = {rule.id: rule.dials for rule in RULES}
    assert {rule: m.dial for rule, m in MEASURES.items() if m.dial and m.dial not in known[rule]} == {}


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.dials], ids=lambda rule: rule.id)
def test_a_rules_file_reads_the_dials_that_it_names(rule: Rule) -> None:
    source = inspect.getsource(sys.modules[rule.sentence.__module__])
    for dial in rule.dials:
        name = dial.rpartition(".")[2]
        assert re.search(INDIRECT.get(name, rf"\.{name}\b"), source), f"{rule.id} does not read {dial}"


INDIRECT = {
    "overspend_multiplier": r"\boutlook\(", "by_action": r"\.level_of\(", "shadow": r"\.shadowed\(", "shadow_actions": r"\.shadowed\(",
    "max_headline": r"\.ad_length\(", "max_text": r"\.ad_length\(", "platform_daily_cap": r"\.platform_cap\(",
    "platform_weekly_cap": r"\.platform_cap\(",
}  # fmt: skip
"""Dials that are read by a method of the policy, or by the sum of what all campaigns may spend."""
