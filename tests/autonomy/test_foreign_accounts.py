"""Ad accounts in other currencies than the policy's: a decision round compares them in one currency and writes each one's own."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from knowledge.domain.campaign import PublishedCampaign
from knowledge.domain.money import Money
from runtime.jobs import expectations, marketing
from runtime.jobs.history import build_history
from tests.autonomy.street import Street
from tests.gate.house import Bench, publication

RATES = {"USD": "5.63", "JPY": "0.0357"}


async def account(street: Street, name: str, budget: Money) -> None:
    """A campaign that has run for days in an account of this currency, with figures of two weeks."""
    seen = street.bench.ads.put(f"x-{name}", budget, name)
    at = street.clock.now() - timedelta(days=20)
    action = publication(name).model_copy(update={"daily_budget": budget})
    async with street.db.transaction() as tx:
        await tx.campaigns.draft(action, at=at)
        await tx.campaigns.published(name, PublishedCampaign(campaign=seen, objects=()), at=at)
    spend = str(budget.amount)
    await street.days(name, -13, -1, spend, str(budget.amount * 2), currency=budget.currency)


@pytest.fixture
async def accounts(bench: Bench) -> Street:
    street = Street(bench)
    async with street.db.transaction() as tx:
        for base, rate in RATES.items():
            await tx.exchange_rates.put(base, "BRL", street.today(), Decimal(rate), source="test", at=street.clock.now())
    for name, amount, currency in (("real", "40", "BRL"), ("usd", "10", "USD"), ("jpy", "1500", "JPY"), ("eur", "9", "EUR")):
        await account(street, name, Money.of(amount, currency))
    await street.read()
    return street


async def test_a_round_is_decided_in_one_currency_and_what_has_no_rate_is_left_out(accounts: Street) -> None:
    for _ in range(2):
        await marketing.decide(accounts, accounts.clock.now())  # type: ignore[arg-type]
    assert {cause for cause, _ in accounts.alerts} == {"rate:EUR/BRL"}
    known, own = await marketing.campaign_figures(accounts)  # type: ignore[arg-type]
    assert {f.campaign_id: str(f.budget) for f in known} == {"jpy": "53.55 BRL", "real": "40.00 BRL", "usd": "56.30 BRL"}
    assert {f.campaign_id: str(f.spend_7d) for f in known} == {"jpy": "321.30 BRL", "real": "240.00 BRL", "usd": "337.80 BRL"}
    assert own == {"real": "BRL", "usd": "USD", "jpy": "JPY", "eur": "EUR"}
    history = await build_history(accounts)  # type: ignore[arg-type]
    assert {c["id"]: c["daily_budget"] for c in history["campaigns"]} == {"jpy": 53.55, "real": 40.0, "usd": 56.3}


@pytest.mark.parametrize(
    ("name", "asked", "written"),
    [
        ("real", 41.5, "41.50 BRL"),
        ("usd", 57.0, "10.12 USD"),  # 10.1243...: never more than what was decided
        ("jpy", 54.0, "1512 JPY"),  # 1512.6 yen: whole ones only
        ("eur", 50.0, None),
    ],
)
async def test_what_was_decided_is_asked_in_the_accounts_own_currency(
    accounts: Street, monkeypatch: pytest.MonkeyPatch, name: str, asked: float, written: str | None
) -> None:
    monkeypatch.setattr(marketing, "sentence", lambda *_: "because")
    proposal: dict[str, Any] = {
        "action": "set_budget", "campaign_id": name, "daily_budget": asked, "why": {"message_id": "x", "params": {}},
        "confidence": 0.95, "expected_effect": [],
    }  # fmt: skip
    _, own = await marketing.campaign_figures(accounts)  # type: ignore[arg-type]
    receipt = await marketing._propose(accounts, proposal, "meta", own[name], "d", accounts.clock.now())  # type: ignore[arg-type] # pyright: ignore[reportPrivateUsage]
    if written is None:
        assert receipt is None
        assert "rate:EUR/BRL" in {cause for cause, _ in accounts.alerts}
        return
    assert receipt is not None
    action = (await accounts.bench.action(receipt.action_id)).action
    assert str(getattr(action, "daily_budget", None)) == written
    stated = await expectations.expected_of(accounts, action, strategy="people")  # type: ignore[arg-type]
    assert stated is not None and stated.get("unknown") is None
