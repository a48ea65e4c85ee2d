"""Judging again from the record alone: the same answer to the letter, or under another policy what would have changed.

Pure. What comes in is text as it was kept; what comes out is compared as text, so that nothing is lost in reading it back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from knowledge.domain.action import Action, parse_action
from knowledge.domain.chain import canonical, first_difference, is_judgement_hash, sha256
from knowledge.domain.decision import CampaignFigures, DecisionDocument, build_document
from knowledge.domain.facts import Facts
from knowledge.domain.policy import Policy
from knowledge.domain.verdict import Answer, Finding, Verdict
from tools.guardrails import RULES, judge
from tools.guardrails.rule import Rule

FIGURES: TypeAdapter[list[CampaignFigures]] = TypeAdapter(list[CampaignFigures])
SEVERITY: Mapping[str, int] = {"allow": 0, "ask": 1, "refuse": 2}


@dataclass(frozen=True)
class Judgement:
    """One judgement as it stands in the books: the audit row that tells of it, and beside it facts, verdict and policy.

    Everything of the judgement itself is None when the row's judgement is not in the books any more.
    """

    seq: int
    kind: str
    at: datetime
    actor: str
    action_id: str | None
    payload_text: str
    digest: str | None
    policy_version: str | None
    policy_hash: str | None
    policy_text: str | None
    law: str | None
    facts_text: str | None
    verdict_text: str | None


@dataclass(frozen=True)
class Decision:
    """A decision of the optimizer as it stands in the books, with the audit row's payload that tells of it (None: none does)."""

    id: str
    at: datetime
    history_text: str
    history_hash: str
    figures_text: str | None
    document_text: str
    document_hash: str | None
    policy_version: str
    policy_text: str | None
    told_text: str | None
    seq: int | None = None


Problem = Literal[
    "judgement_missing", "record_changed", "policy_missing", "policy_changed", "action_missing", "unreadable", "inputs_missing"
]


@dataclass(frozen=True)
class Replayed:
    """What came of making a decision again. `problem`: it could not be, since its record is incomplete or was changed."""

    id: str
    at: datetime
    what: str
    identical: bool
    recorded: Any = None
    replayed: Any = None
    path: str | None = None
    problem: Problem | None = None
    other_law: bool = False
    """The rules' own code is another edition than the one that judged."""

    def as_dict(self) -> dict[str, Any]:
        """For machines."""
        found: dict[str, Any] = {"id": self.id, "at": self.at.isoformat(), "what": self.what, "identical": self.identical}
        if self.problem:
            found["problem"] = self.problem
        elif not self.identical:
            found |= {"path": self.path, "recorded": self.recorded, "replayed": self.replayed, "other_law": self.other_law}
        return found


@dataclass(frozen=True)
class Changed:
    """A judgement that another policy would have answered otherwise. `because`: the findings that make the new answer
    or, when it is milder, those that made the old one."""

    action_id: str
    seq: int
    at: datetime
    action: Action
    facts: Facts
    old: Answer
    new: Answer
    because: tuple[Finding, ...]

    @property
    def stricter(self) -> bool:
        return SEVERITY[self.new] > SEVERITY[self.old]


# -- judgements -----------------------------------------------------------------------------------------------------------------


def rejudge(args: dict[str, Any], facts_text: str, policy_text: str, rules: tuple[Rule, ...] = RULES) -> str:
    """The verdict's canonical JSON, from the action's arguments, the facts and the policy as they were kept.

    The version in it is that of the kept text: a dial that today's policy has in addition does not rename the old one.
    Raises pydantic.ValidationError when today's models cannot read the old texts.
    """
    policy = Policy.model_validate_json(policy_text)
    verdict = judge(parse_action(args), Facts.model_validate_json(facts_text), policy, rules)
    return canonical(verdict.model_copy(update={"policy_version": sha256(policy_text)[:12]}))


def rules_of(verdict_text: str) -> tuple[Rule, ...]:
    """The rules that spoke in a verdict, as today's law has them, in the order of that day: those that were added since had no say."""
    by_id = {rule.id: rule for rule in RULES}
    findings = Verdict.model_validate_json(verdict_text).findings
    spoke = [f.numbers.get("failed", f.rule) for f in findings]
    # Spared because the action restored what was: heard neither then nor now, but named among what was spared.
    spoke += [rule for f in findings if f.rule == "restores" for rule in str(f.numbers.get("spared", "")).split(", ")]
    return tuple(by_id[rule] for rule in spoke if rule in by_id)


def replay_judgement(kept: Judgement, *, law: str) -> Replayed:
    """Judges again and compares to the letter. `law` is the edition of today's rules.

    A judgement of another edition is made again by the rules that spoke in it; what today's law would say of it is `under`'s matter.
    """
    found = problem_of(kept)
    what = kept.kind
    if found is not None:
        return Replayed(kept.action_id or str(kept.seq), kept.at, what, False, problem=found)
    assert kept.action_id and kept.facts_text and kept.verdict_text and kept.policy_text  # problem_of has looked
    args = _told(kept.payload_text).get("action")
    if args is None:
        return Replayed(kept.action_id, kept.at, what, False, problem="action_missing")
    try:
        rules = RULES if kept.law == law else rules_of(kept.verdict_text)
        replayed = rejudge(args, kept.facts_text, kept.policy_text, rules)
    except ValidationError:
        return Replayed(kept.action_id, kept.at, what, False, problem="unreadable", other_law=kept.law != law)
    if replayed == kept.verdict_text:
        return Replayed(kept.action_id, kept.at, what, True, other_law=kept.law != law)
    return _different(kept.action_id, kept.at, what, kept.verdict_text, replayed, kept.law != law)


def problem_of(kept: Judgement) -> Problem | None:
    """Why a judgement cannot be made again: something is missing, or is not what the chain says it was."""
    if kept.digest is None or kept.facts_text is None or kept.verdict_text is None or kept.action_id is None:
        return "judgement_missing"
    told = _told(kept.payload_text)
    version, policy_hash, law = kept.policy_version or "", kept.policy_hash or "", kept.law or ""
    own = is_judgement_hash(kept.digest, kept.action_id, version, policy_hash, law, kept.facts_text, kept.verdict_text)
    if told.get("judgement") != kept.digest or not own:
        return "record_changed"
    if kept.policy_text is None:
        return "policy_missing"
    digest = sha256(kept.policy_text)
    if digest[:12] != version or (policy_hash and digest != policy_hash):
        return "policy_changed"
    return None


def under(kept: Judgement, policy: Policy) -> Changed | None:
    """What another policy would have answered on the same facts; None when it answers the same.

    Both policies are asked by today's rules, where the old one's text is there: what only the rules' code changed since is no merit
    of the new policy's. Raises ValueError when the record cannot be judged again (see `problem_of`), ValidationError when it cannot be read.
    """
    if (problem := problem_of(kept)) not in (None, "policy_missing", "policy_changed"):
        raise ValueError(problem)
    assert kept.action_id and kept.facts_text and kept.verdict_text
    action = parse_action(json.loads(kept.payload_text)["action"])
    facts = Facts.model_validate_json(kept.facts_text)
    new = judge(action, facts, policy)
    if problem is None and kept.policy_text is not None:
        old = judge(action, facts, _policy(kept.policy_text))
    else:
        old = Verdict.model_validate_json(kept.verdict_text)
    if old.answer == new.answer:
        return None
    worse = new if SEVERITY[new.answer] > SEVERITY[old.answer] else old
    because = tuple(f for f in worse.findings if f.answer == worse.answer)
    return Changed(kept.action_id, kept.seq, kept.at, action, facts, old.answer, new.answer, because)


@lru_cache(maxsize=64)
def _policy(document: str) -> Policy:
    return Policy.model_validate_json(document)


FACT_DIALS = (
    "currency", "time_zone", "workspace", "guardrails.financial.cumulative_days", "guardrails.financial.max_rate_age_days",
    "guardrails.quality.rejection_memory_hours",
)  # fmt: skip
"""Dials by which facts are gathered, not only judged: windows, and the frame that days and amounts are in."""
ROOM_DIALS = (
    "guardrails.financial.daily_cap", "guardrails.financial.weekly_cap", "guardrails.financial.reserve_share",
    "guardrails.financial.max_adjustments_per_day", "guardrails.financial.max_campaign_budget",
    "guardrails.financial.overspend_multiplier",
)  # fmt: skip
"""Dials that the optimizer's history holds the consequences of: how much room there was."""


def dials_apart(old_text: str, new: Policy, dials: tuple[str, ...]) -> list[str]:
    """Those of the dials that differ between a kept policy and another one."""
    old = _policy(old_text)
    return [dial for dial in dials if attrgetter(dial)(old) != attrgetter(dial)(new)]


# -- decisions of the optimizer ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Round:
    """One decision round: the document, what the engine proposed, and the hash of every digit of the proposals."""

    document: DecisionDocument
    proposals: list[dict[str, Any]]
    history: dict[str, Any]

    @property
    def proposals_hash(self) -> str:
        return sha256(json.dumps(self.proposals, sort_keys=True, separators=(",", ":"), default=str))


def decision_round(
    history: dict[str, Any], dials: dict[str, Any], figures: list[CampaignFigures], at: datetime, policy: Policy
) -> Round:
    """What the loop decides from what it saw. History and dials are taken as their kept texts say them, so that a replay sees the
    very same.

    Raises what `tools.optimizer.decide` and `build_document` raise.
    """
    from tools.optimizer import decide

    seen: dict[str, Any] = json.loads(canonical(history))
    proposals = decide(seen, json.loads(canonical(dials)))
    document = build_document(at, proposals, figures, currency=policy.currency, decided_by=policy.targets.strategy)
    return Round(document, proposals, seen)


def redecide(kept: Decision, policy: Policy, dials: dict[str, Any]) -> Round:
    """The round made again from what was seen. Raises ValidationError, ValueError, KeyError."""
    figures = FIGURES.validate_json(kept.figures_text or "[]")
    return decision_round(json.loads(kept.history_text), dials, figures, kept.at.astimezone(UTC), policy)


def replay_decision(kept: Decision) -> Replayed:
    """Decides again from the stored history and dials, and compares the document, and every digit proposed, to the letter."""
    what = "decision"
    found = decision_problem(kept)
    if found is not None:
        return Replayed(kept.id, kept.at, what, False, problem=found)
    assert kept.policy_text is not None  # decision_problem has looked
    try:
        told = _told(kept.told_text or "{}")
        again = redecide(kept, Policy.model_validate_json(kept.policy_text), told["dials"])
    except (ValidationError, ValueError, KeyError):
        return Replayed(kept.id, kept.at, what, False, problem="unreadable")
    replayed = canonical(again.document)
    if replayed != kept.document_text:
        return _different(kept.id, kept.at, what, kept.document_text, replayed, other_law=False)
    recorded = told["proposals_hash"]
    if recorded != again.proposals_hash:
        return Replayed(kept.id, kept.at, what, False, recorded, again.proposals_hash, "proposals")
    return Replayed(kept.id, kept.at, what, True)


def decision_problem(kept: Decision) -> Problem | None:
    """Why a decision cannot be made again."""
    if kept.figures_text is None or kept.document_hash is None:
        return "inputs_missing"
    told = _told(kept.told_text or "{}")
    hashes = (sha256(kept.history_text), sha256(kept.document_text), sha256(kept.figures_text))
    if hashes != (told.get("history_hash"), told.get("document_hash"), told.get("figures_hash")):
        return "record_changed"
    if kept.policy_text is None:
        return "policy_missing"
    return "policy_changed" if sha256(kept.policy_text)[:12] != kept.policy_version else None


Move = tuple[str, int | None]
"""What a document does with a campaign: the kind of action, and the daily budget after it in minor units."""


def moves(document: dict[str, Any]) -> dict[str, Move]:
    """campaign -> move."""
    return {a["campaign_id"]: (a["action_type"], a["proposed_change"]["budget_to"]["minor"]) for a in document["immediate_actions"]}


def moves_changed(kept: Decision, new: Policy, dials: dict[str, Any]) -> list[dict[str, Any]]:
    """Campaigns that the optimizer would have moved otherwise under another policy's dials, from the same history.

    Raises ValueError when the record cannot be decided again, KeyError or ValidationError when it cannot be read.
    """
    if (problem := decision_problem(kept)) not in (None, "policy_missing", "policy_changed"):
        raise ValueError(problem)
    after = moves(redecide(kept, new, dials).document.model_dump(mode="json"))
    before = moves(json.loads(kept.document_text))
    if problem is None and kept.policy_text is not None:  # by today's optimizer, under the dials of that day
        told = _told(kept.told_text or "{}")
        before = moves(redecide(kept, _policy(kept.policy_text), told["dials"]).document.model_dump(mode="json"))
    return [
        {"campaign_id": name, "old": before.get(name), "new": after.get(name)}
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]


def _different(id: str, at: datetime, what: str, recorded: str, replayed: str, other_law: bool) -> Replayed:
    where = first_difference(json.loads(recorded), json.loads(replayed))
    # Equal values in another spelling are a difference too: the record was not written by us.
    path, before, after = where or ("(spelling)", recorded[:200], replayed[:200])
    return Replayed(id, at, what, False, before, after, path, other_law=other_law)


def _told(payload_text: str) -> dict[str, Any]:
    return json.loads(payload_text)
