"""The dials of the rules as an operator writes them: plain amounts in the file, Money in the law, a named line for a mistake."""

from __future__ import annotations

from pathlib import Path

import pytest
from law_support import brl

from knowledge.domain.policy import Policy
from runtime.settings import ConfigError, load_operator

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
    ):
        assert load_operator(written(tmp_path, before, after)).policy().version != plain
