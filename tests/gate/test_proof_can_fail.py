"""A proof that cannot fail proves nothing: the gate is broken on purpose, one line at a time, and the machine must see it."""

from __future__ import annotations

import asyncio
from types import ModuleType

import pytest

from runtime.proof.episode import Episode
from tests.gate.mutants import broken
from tools import effects, guardrails
from tools.gate import care, core, deciding, people, performing
from tools.guardrails import daily_cap, exposure

MUTANTS: dict[str, tuple[ModuleType, str, str, str]] = {
    "no lock on the budget": (core, "await tx.lock_budget(action.workspace, soon=soon)", "pass", "cap"),
    "no room reserved": (deciding, "await tx.reserve(record, now)", "pass", "holds no room"),
    "room never given back": (performing, 'await tx.settle(record.id, kept=status == "done", now=now)', "pass", "still holds room"),
    "kill switch not read before a write": (performing, "if kill is not None:", "if False:", "although the kill switch"),
    "takeover not read before a text": (
        performing, 'if owner != ("bot", record.action.epoch):', "if False:", "although the conversation",
    ),
    "a lost text is sent again": (effects, "return not isinstance(action, SendMessage)", "return True", "sent twice"),
    "the proposer may approve": (people, "if who == str(record.proposer):", "if False:", "yeses of"),
    "one yes is always enough": (people, "for vote in votes) < people:", "for vote in votes) < 1:", "yeses of"),
    "the same yes counts twice": (people, "if any(vote.by == who for vote in ticket.votes):", "if False:", "yeses of"),
    "other arguments may be approved": (
        people, "    if fingerprint is not None and fingerprint != record.fingerprint:\n        return no(\"gate.other_arguments\")\n    asked = record", "    asked = record", "yeses of",
    ),
    "an old request may be approved": (people, "if ticket.expires_at <= now:", "if False:", "yeses of"),
    "a yes is not judged again": (people, "    if refusing:\n", "    if False:\n", "cap"),
    "the editor may widen and approve": (people, "if who == ticket.edited_by and not ticket.narrower:", "if False:", "yeses of"),
    "what was overtaken is sent again": (care, "if later is not None:", "if False:", "is left"),
    "an unread platform is no matter": (core, "facts.unreadable + look.unreadable + strange", "facts.unreadable", "could not be read"),
    "other platforms are not read": (effects, "if isinstance(action, SPENDING):", "if False:", "cap"),
    "what was left behind is not judged anew": (care, 'if record.status == "authorised" or looked:', "if False:", "is left"),
    "a rule that raises allows": (guardrails, 'finding("rule_failed", "refuse"', 'finding("rule_failed", "allow"', "raised and the action is"),
    "a day that nobody has read is free": (exposure, "+ assumed[0]", "", "weekly cap"),
    "the daily cap is not kept": (daily_cap, 'else "refuse"', 'else "allow"', "daily cap"),
}  # fmt: skip


def steps_until(sentence: str, episodes: int = 80, steps: int = 200) -> int | None:
    """Steps until a breach says so; None when none does."""
    taken = 0
    for seed in range(episodes):
        made = Episode(seed)
        asyncio.run(made.run(steps))
        taken += made.steps
        if any(sentence in breach for breach in made.judge.breaches):
            return taken
    return None


@pytest.mark.parametrize("name", MUTANTS)
def test_a_gate_that_is_broken_is_found(name: str) -> None:
    module, line, instead, sentence = MUTANTS[name]
    with broken(module, line, instead):
        assert steps_until(sentence) is not None, "nobody saw it"
