"""What an action is expected to change, computed before it is asked for: by the engine's own response model, whoever asks."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from knowledge.domain.action import CAMPAIGN, Action, Actor, PauseCampaign, PublishCampaign, ResumeCampaign, SetBudget
from knowledge.domain.money import EXPONENTS, Money
from knowledge.domain.outcome import Effect, Expectation
from runtime.jobs.figures import in_policy
from runtime.jobs.history import build_history, optimizer_policy

if TYPE_CHECKING:
    from runtime.wiring import House

log = logging.getLogger("ceo.expectations")


def stated(effects: Sequence[dict[str, Any]], currency: str, *, method: str, strategy: str) -> Expectation:
    """The typed form of the engine's effects (major units of `currency`)."""

    def amount(value: float) -> Money:
        return Money(minor=round(Decimal(str(value)).scaleb(EXPONENTS[currency])), currency=currency)

    typed = tuple(
        Effect(
            metric=e["metric"],
            horizon_hours=e["horizon_hours"],
            low=amount(e["low"]),
            mid=amount(e["mid"]),
            high=amount(e["high"]),
        )
        for e in effects
    )
    return Expectation(effects=typed, method=method, strategy=strategy, unknown=None if typed else "no_data")


async def expected_of(house: House, action: Action, *, strategy: str) -> dict[str, Any] | None:
    """The expectation of a campaign action as it is stored beside it; None for actions that are not about campaigns.

    `strategy` names who chose it ("people", "launch"), so that people's commands and the engine's are calibrated apart. Never
    raises for figures that cannot be read as an expectation: it is then unknown, and says so.
    """
    if not isinstance(action, CAMPAIGN):
        return None
    from tools.optimizer import expected_effects

    policy = house.policy()
    # The history is in the policy's currency, and so is what is compared with it.
    if isinstance(action, PublishCampaign | SetBudget):
        budget = await in_policy(house, action.daily_budget)
        if budget is None:
            return Expectation(method="response", strategy=strategy, unknown="no_data").plain()
        action = action.model_copy(update={"daily_budget": budget})
    history = await build_history(house)
    listed = {c["id"]: c for c in history["campaigns"]}
    known = listed.get(action.campaign_id)
    if isinstance(action, PublishCampaign):
        known = await _newcomer(house, action, history)
    if known is None:
        return Expectation(method="response", strategy=strategy, unknown="no_campaign").plain()
    running = known["daily_budget"] if known["status"] == "active" else 0.0
    match action:
        case PublishCampaign():
            before, after = 0.0, float(action.daily_budget.amount)
        case SetBudget():
            # The budget of a paused campaign changes nothing until it runs again.
            before, after = running, float(action.daily_budget.amount) if running else 0.0
        case PauseCampaign():
            before, after = running, 0.0
        case ResumeCampaign():
            before, after = running, known["daily_budget"]
    try:
        effects = expected_effects(history, optimizer_policy(policy), action.campaign_id, before, after)
    except (LookupError, ValueError) as error:
        log.warning("no expectation for %s of %s: %s", action.kind, action.campaign_id, error)
        return Expectation(method="response", strategy=strategy, unknown="no_data").plain()
    return stated(effects, policy.currency, method="response", strategy=strategy).plain()


async def expected_at_gate(house: House, action: Action, proposer: Actor) -> dict[str, Any] | None:
    """What the gate records for a proposal that brings no expectation: undo, chat, cockpit, watchdog, publication queue.

    A model that fails must never keep a pause from leaving: the expectation is then unknown, and the fault is logged.
    """
    strategy = "people" if proposer.kind == "user" else "launch" if isinstance(action, PublishCampaign) else "house"
    try:
        return await expected_of(house, action, strategy=strategy)
    except Exception:
        log.exception("no expectation for %s", action.kind)
        return Expectation(method="response", strategy=strategy, unknown="no_data").plain()


async def _newcomer(house: House, action: PublishCampaign, history: dict[str, Any]) -> dict[str, Any]:
    """A campaign that does not exist yet, as the engine reads one: no figures of its own, its neighbours' behind it."""
    async with house.db.transaction() as tx:
        record = await tx.products.get(action.product_id)
    budget = float(action.daily_budget.amount)
    entry: dict[str, Any] = {
        "id": action.campaign_id,
        "platform": action.platform,
        "product_id": action.product_id,
        "status": "paused",
        "daily_budget": budget,
        "launch_budget": budget,
        "started_at": None,
        "margin": float(record.product.margin) if record is not None else None,
        "in_stock": record.product.in_stock if record is not None else True,
        "last_change_at": None,
    }
    history["campaigns"] = [c for c in history["campaigns"] if c["id"] != action.campaign_id] + [entry]
    return entry
