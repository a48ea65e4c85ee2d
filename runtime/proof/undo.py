"""Undo, proved over a whole demo: every reversible change goes back, newest first, and a changed object is left alone with the reason.

    python -m runtime.proof.undo --days 30 [--seed 7]

Before the walk somebody changes one running Meta campaign by hand on the platform: no action on it may be undone after that.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from knowledge.domain.action import CAMPAIGN, Actor, PublishCampaign
from knowledge.domain.books import ActionRecord
from knowledge.domain.campaign import PlatformCampaign
from knowledge.domain.policy import Policy
from runtime.demo import ADMIN, MANAGER, START, Driver, Stage, stage
from runtime.observability import configure
from tools.gate import Gate
from tools.gate.undoing import LIVE

MANAGERS = (Actor(kind="user", id=MANAGER[0], role="manager"), Actor(kind="user", id=ADMIN[0], role="admin"))
TRUE_REASONS = {"undo.changed", "undo.changed_outside", "undo.nothing", "undo.already"}


@dataclass
class Tally:
    """What became of the done actions of a demo. `wrong` lists every one that contradicts what undo promises."""

    undone: Counter[str] = field(default_factory=Counter[str])
    held_by_caps: Counter[str] = field(default_factory=Counter[str])
    refused: Counter[str] = field(default_factory=Counter[str])
    irreversible: Counter[str] = field(default_factory=Counter[str])
    by_hand: str | None = None
    wrong: list[str] = field(default_factory=list[str])

    def as_json(self) -> dict[str, Any]:
        return {
            "undone": dict(self.undone),
            "first_held_by_caps": dict(self.held_by_caps),
            "refused": dict(self.refused),
            "irreversible": dict(self.irreversible),
            "changed_by_hand": self.by_hand,
            "wrong": self.wrong,
        }


async def walk(on: Stage, *, meddle: bool = True) -> Tally:
    """Undoes everything that can be, through the house's own gate, and checks each answer against the platforms' fresh word."""
    tally, house = Tally(), on.house
    async with house.books.transaction() as tx:
        done = await tx.done()
    if meddle:
        tally.by_hand = await _by_hand(on, done)
    free = Gate(house.books, house.effects, lambda: _without_caps(house.policy()), on.clock, executor="proof-of-undo")
    for record in done:
        if not isinstance(record.action, CAMPAIGN):
            await _irreversible(house.gate, record, tally)
            continue
        await _one(house, free, record, tally)
    return tally


async def _irreversible(gate: Gate, record: ActionRecord, tally: Tally) -> None:
    plan = await gate.undo_plan(record.id)
    if plan.possible or plan.message.id != "undo.irreversible":
        tally.wrong.append(f"{record.action.kind} {record.id}: {plan.message.id}")
    tally.irreversible[record.action.kind] += 1


async def _one(house: Any, free: Gate, record: ActionRecord, tally: Tally) -> None:
    now = await _fresh(house, record)
    outcome = await house.gate.undo(record.id, MANAGERS[0], "proof")
    if outcome.status == "refused" and outcome.findings:
        # The caps hold an undo like anything else. Whether it would have succeeded otherwise is asked without them.
        rules = sorted({f.rule for f in outcome.findings if f.answer == "refuse"})
        tally.held_by_caps["+".join(rules)] += 1
        if not all("cap" in rule for rule in rules):
            tally.wrong.append(f"{record.action.kind} {record.id}: refused by {rules}")
        outcome = await free.undo(record.id, MANAGERS[0], "proof")
    if outcome.status == "waiting":
        outcome = await free.approve(outcome.action_id or "", MANAGERS[1])
    same = now is not None and _as_left(record, now)
    if outcome.status == "done":
        after = await _fresh(house, record)
        if not same or after is None or not _restored(record, after):
            tally.wrong.append(f"{record.action.kind} {record.id}: undone, but not to what was before")
        tally.undone[record.action.kind] += 1
        return
    tally.refused[outcome.message.id] += 1
    changed = outcome.message.id in ("undo.changed", "undo.changed_outside")
    if outcome.message.id not in TRUE_REASONS or (changed and same):
        tally.wrong.append(f"{record.action.kind} {record.id}: not undone: {outcome.message.id} {outcome.message.params}")


async def _fresh(house: Any, record: ActionRecord) -> PlatformCampaign | None:
    assert isinstance(record.action, CAMPAIGN) and record.result is not None
    found = await house.effects.ports.ads[record.action.platform].list_campaigns()
    external = record.result["campaign"]["external_id"]
    return next((campaign for campaign in found if campaign.external_id == external), None)


def _as_left(record: ActionRecord, now: PlatformCampaign) -> bool:
    assert record.result is not None
    left = PlatformCampaign.model_validate(record.result["campaign"])
    return now.daily_budget == left.daily_budget and (now.delivery in LIVE) == (left.delivery in LIVE)


def _restored(record: ActionRecord, now: PlatformCampaign) -> bool:
    before = record.facts.campaign
    if isinstance(record.action, PublishCampaign):
        return now.delivery not in LIVE
    return before is not None and now.daily_budget == before.daily_budget and (now.delivery in LIVE) == (before.delivery in LIVE)


async def _by_hand(on: Stage, done: list[ActionRecord]) -> str | None:
    """Turns one Meta campaign over in the ads manager: off when it runs, on when it does not."""
    import httpx

    for record in done:
        if isinstance(record.action, CAMPAIGN) and record.action.platform == "meta" and record.result is not None:
            now = await _fresh(on.house, record)
            if now is None:
                continue
            status = "PAUSED" if now.delivery in LIVE else "ACTIVE"
            answer = await asyncio.to_thread(
                httpx.post, f"{on.sandbox_url}/meta/v26.0/{now.external_id}",
                params={"access_token": "sandbox-meta-token"}, data={"status": status},
            )  # fmt: skip
            answer.raise_for_status()
            return record.action.campaign_id
    return None


def _without_caps(policy: Policy) -> Policy:
    money = policy.guardrails.financial
    loose = {name: getattr(money, name).times(Decimal(1000)) for name in ("daily_cap", "weekly_cap")}
    loose |= {"platform_daily_cap": {}, "platform_weekly_cap": {}, "campaign_daily_cap": None, "campaign_weekly_cap": None}
    guardrails = policy.guardrails.model_copy(update={"financial": money.model_copy(update=loose)})
    return policy.model_copy(update={"guardrails": guardrails})


async def proof(days: float, seed: int, config: Path = Path("agentos.yaml")) -> Tally:
    """Runs a demo of so many simulated days in a folder of its own, then the walk."""
    from datetime import timedelta

    from runtime.jobs import marketing

    data = Path(tempfile.mkdtemp(prefix="ceo-undo-"))
    try:
        async with stage(seed=seed, port=0, data=data, config=config) as on:
            await marketing.load_catalogue(on.house)
            await Driver(on, auto_manager=True).advance(START + timedelta(days=days))
            return await walk(on)
    finally:
        shutil.rmtree(data, ignore_errors=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=float, default=30)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    configure("warning")
    tally = asyncio.run(proof(given.days, given.seed))
    print(json.dumps(tally.as_json() | {"days": given.days, "seed": given.seed}, indent=2))
    return 1 if tally.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
