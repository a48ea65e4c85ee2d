"""What the pages beside the dashboard show: one action from end to end, the stops, the record, the rules in force."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, get_args

from fastapi import Request

from knowledge.domain.action import Platform
from runtime.cockpit import cards, edits
from runtime.cockpit.auth import Session
from runtime.cockpit.deps import KILL_SCOPES
from runtime.cockpit.speak import Difference, Speaker, money_of
from runtime.cockpit.web import Web
from runtime.db.action_reads import ActionRow, Agreed, Step
from runtime.db.grants import Grant

AGENTS = ("ceo", "scout", "copywriter", "media_buyer", "analyst", "sdr")
RECORD_ROWS, PAST_STOPS, STEPS = 60, 20, 100
SINCE = timedelta(days=90)


@dataclass(frozen=True)
class StepView:
    """One row of the record in words."""

    seq: int
    at: datetime
    what: str
    who: str
    more: str
    action_id: str | None
    hash: str


def step(say: Speaker, row: Step, *, named: bool = False) -> StepView:
    """A row of the record as a person reads it; `named` says what the action is too."""
    payload = row.payload
    more: list[str] = [_named(say, payload["action"])] if named and isinstance(payload.get("action"), dict) else []
    if payload.get("votes") and payload.get("quorum"):
        count = len(payload["votes"]) if isinstance(payload["votes"], list) else payload["votes"]
        more.append(say.words("approvals.quorum", votes=count, quorum=payload["quorum"]))
    if payload.get("until"):
        more.append(say.words("step_until", when=say.numbers.moment(datetime.fromisoformat(str(payload["until"])))))
    if payload.get("scope"):
        scope, target = say.words.find(f"kill.scopes.{payload['scope']}") or str(payload["scope"]), payload.get("target")
        more.append(f"{scope}: {say.platform(str(target))}" if target else scope)
    if isinstance(payload.get("reason"), Mapping):
        more.append(say.message(payload["reason"]) or "")
    elif payload.get("reason"):
        more.append(f"“{payload['reason']}”")
    if payload.get("value"):
        more.append(str(payload["value"]))
    error = payload.get("error")
    if isinstance(error, Mapping):
        more.append(say.message(dict(error)) or "")  # pyright: ignore[reportUnknownArgumentType]
    what = say.words.find(f"step.{row.kind}") or row.kind
    return StepView(row.seq, row.at, what, say.actor(row.actor), " · ".join(more), row.action_id, row.hash)


def _named(say: Speaker, args: Mapping[str, Any]) -> str:
    kind = str(args.get("kind") or "")
    platform, name = args.get("platform"), args.get("name") or args.get("campaign_id")
    parts = [say.words.find(f"act.{kind}") or kind, say.platform(platform), say.campaign(str(name), platform) if name else None]
    return " · ".join(str(part) for part in parts if part)


def compared(say: Speaker, asked: ActionRow, now: ActionRow) -> list[Difference]:
    """What a manager's edit changed in a request."""
    before, after = ({f.name: f for f in edits.fields(say, row)} for row in (asked, now))
    return [
        Difference(field.label, before[name].value if name in before else "", field.value)
        for name, field in after.items()
        if name not in before or before[name].value != field.value
    ]


async def action(web: Web, say: Speaker, session: Session, row: ActionRow) -> dict[str, Any]:
    """One action: its card and forms, the record about it, what came of it, and how it is taken back."""
    from runtime.cockpit.regions import Regions

    steps = await web.reads.record(STEPS, action_id=row.id)
    original = await web.reads.action(row.edited_from) if row.edited_from else None
    group = await web.reads.together(row.correlation_id, people=session.may("manager")) if row.correlation_id else []
    manager = session.may("manager")
    plan = await web.deps.gate.undo_plan(row.id) if manager and row.status == "done" else None
    async with web.deps.database.transaction() as tx:
        verdicts = (await tx.outcomes.of([row.id])).get(row.id, [])
    undone = [one for one in group if one.status == "done" and one.undo_of is None and not one.undone]
    return Regions(web, say, session).view(row) | {
        "steps": [step(say, one) for one in reversed(steps)],
        "edited": compared(say, original, row) if original else [],
        "group": [(one, say.line(one, may_undo=False)) for one in group] if len(group) > 1 else [],
        "group_undo": len(undone) if manager and len(undone) > 1 else 0,
        "plan": None if plan is None else {"possible": plan.possible, "text": cards.undo_words(say, row, plan.message)},
        "undo_change": [] if plan is None or plan.action is None else _undo_change(say, row, plan.action.args()),
        "verdicts": [(one, say.message(one.message)) for one in verdicts],
        "result": _result(say, row),
        "facts": json.dumps(row.facts or {}, indent=2, ensure_ascii=False),
        "most_hours": web.policy.autonomy.max_approval_hours,
    }


def _undo_change(say: Speaker, row: ActionRow, back: Mapping[str, Any]) -> list[Difference]:
    """What the undo would change: from how the action left the campaign to how it was before."""
    if back["kind"] == "campaign.set_budget":
        left, restored = money_of(row.args.get("daily_budget")), money_of(back.get("daily_budget"))
        ratio = restored.ratio_to(left) if left is not None and restored is not None else None
        delta = None if ratio is None else say.numbers.percent(ratio - 1, signed=True)
        return [Difference(say.words("diff.budget"), say.numbers.money(left), say.numbers.money(restored), delta)]
    states = (say.words("diff.active"), say.words("diff.paused"))
    before, after = states if back["kind"] == "campaign.pause" else reversed(states)
    return [Difference(say.words("diff.status"), before, after)]


def _result(say: Speaker, row: ActionRow) -> list[tuple[str, str]]:
    """What the platform said after it was done."""
    campaign: Mapping[str, Any] = (row.result or {}).get("campaign") or {}
    rows: list[tuple[str, str]] = []
    if campaign.get("daily_budget"):
        rows.append((say.words("diff.budget"), say.numbers.money(money_of(campaign["daily_budget"]))))
    if campaign.get("delivery"):
        delivery = str(campaign["delivery"])
        rows.append((say.words("diff.status"), say.words.find(f"delivery.{delivery}") or delivery))
    if campaign.get("external_id"):
        rows.append((say.words("result.external_id"), str(campaign["external_id"])))
    return rows


async def stops(web: Web, say: Speaker, session: Session, request: Request) -> dict[str, Any]:
    """Every scope with what may be chosen in it, and the stops of the past."""
    campaigns = await web.reads.campaigns(say.numbers.local_day(say.now), 50)
    choices: dict[str, list[tuple[str, str]]] = {
        "platform": [(name, say.platform(name) or name) for name in get_args(Platform)],
        "campaign": [(c.id, f"{say.platform(c.platform)} · {say.campaign(c.name, c.platform)}") for c in campaigns],
        "agent": [(name, say.who("agent", name)) for name in AGENTS],
    }
    past = await web.reads.lifted(PAST_STOPS)
    return {
        "scopes": KILL_SCOPES,
        "choices": choices,
        "past": [(one, say.kill(one.stop), say.numbers.duration(one.lifted_at - one.stop.set_at)) for one in past],
    }


async def audit(web: Web, say: Speaker, session: Session, request: Request) -> dict[str, Any]:
    """The newest rows of the record, and, when asked, whether its chain holds from end to end."""
    kind = request.query_params.get("kind", "")
    kinds = ("action.", "approval.", "kill.", "decision.", "autonomy.")
    rows = await web.reads.record(RECORD_ROWS, kind=kind if kind in kinds else None, people=session.may("manager"))
    checked = None
    if request.query_params.get("verify") and session.may("manager"):
        count, broken = await web.reads.verified()
        checked = {"rows": count, "broken": broken}
    head = rows[0] if rows and kind not in kinds else (await web.reads.record(1) or [None])[0]
    return {"rows": [step(say, row, named=True) for row in rows], "head": head, "kinds": kinds, "kind": kind, "checked": checked}


async def settings(web: Web, say: Speaker, session: Session, request: Request) -> dict[str, Any]:
    """The law in sentences, who decides what, and how well proposals and people agreed."""
    from tools.guardrails import RULES
    from tools.guardrails.operational import CONDUCT

    policy, words, n = web.policy, say.words, say.numbers
    own = policy.autonomy
    kinds = sorted({"campaign.publish", "campaign.set_budget", "campaign.pause", "campaign.resume", *own.by_action})
    agreed = {one.kind: one for one in await web.reads.agreements()}
    async with web.deps.database.transaction() as tx:
        grants = await tx.grants.list()
        summary = await tx.outcomes.summary(since=say.now - SINCE)
    quorum = [
        words("settings.quorum_step", above=n.money(s.above), n=s.approvals, role=words(f"role.{s.role}")) for s in own.quorum
    ]
    return {
        "rules": [(rule.id, say.message(rule.sentence(policy)), rule.dials) for rule in RULES]
        + [(conduct.id, say.message(conduct.sentence(policy)), ()) for conduct in CONDUCT],
        "levels": [
            (
                words.find(f"act.{kind}") or kind,
                words(f"settings.level_{own.level_of(kind)}"),
                _agreement(say, agreed.get(kind)),
            )
            for kind in kinds
        ],
        "deciding": [
            (words("settings.publication"), words(f"settings.publication_{own.publication}")),
            (words("settings.answer_time"), words("settings.hours", n=own.approval_hours)),
            (words("settings.answer_most"), words("settings.hours", n=own.max_approval_hours)),
            (
                words("settings.grace"),
                words("settings.minutes", n=own.grace_minutes) if own.grace_minutes else words("settings.no_grace"),
            ),
            (words("settings.quorum"), " · ".join(quorum) if quorum else words("settings.no_quorum")),
        ],
        "grants": [_grant(say, grant) for grant in grants],
        "verdicts": say.message(summary.message),
        "version": policy.version,
    }


def _agreement(say: Speaker, found: Agreed | None) -> str:
    if found is None:
        return say.words("settings.no_agreement")
    share = say.numbers.percent(Decimal(found.agreed) / Decimal(found.decided))
    return say.words("settings.agreement", agreed=found.agreed, decided=found.decided, share=share)


def _grant(say: Speaker, grant: Grant) -> dict[str, Any]:
    return {
        "id": grant.id,
        "title": say.words.find(f"act.{grant.action_kind}") or grant.action_kind,
        "status": say.words(f"grant_state.{grant.state(say.now)}"),
        "living": grant.state(say.now) == "living",
        "reason": say.message(grant.revoke_reason),
        "bound": say.numbers.money(grant.max_amount),
        "change": None if grant.max_change is None else say.numbers.percent(grant.max_change),
        "used": say.words("settings.grant_used", used=grant.used, n=grant.max_count),
        "until": say.numbers.moment(grant.expires_at),
        "by": say.actor(grant.granted_by),
    }
