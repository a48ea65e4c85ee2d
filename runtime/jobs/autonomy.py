"""Durable, by the clock: the house asks for autonomy that it has earned, and gives it back by itself when it did not deserve it."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from knowledge.domain.action import Actor, GrantAutonomy
from knowledge.domain.books import Proposal
from knowledge.domain.grant import GRANTABLE
from knowledge.domain.message import Message
from runtime.db.grants import Grant, Grants
from runtime.db.outcomes import worded
from tools.autonomy_record import Promotion, promotion, regression

if TYPE_CHECKING:
    from runtime.db.gate_books import PgGateBooks
    from runtime.wiring import House

HOUSE = Actor(kind="system", id="autonomy")


async def review(house: House, slot: datetime) -> dict[str, Any]:
    """Ends grants on regression, then proposes what was earned. Returns what it did."""
    revoked = await demote(house)
    return {"revoked": revoked, "proposed": await promote(house)}


async def demote(house: House) -> list[str]:
    """Revokes every living grant whose record turned bad; each is audited and told to the managers."""
    policy, now, revoked = house.policy(), house.clock.now(), list[str]()
    async with house.db.transaction() as tx:
        living = [g for g in await tx.grants.list(workspace=policy.workspace) if g.revoked_at is None and now < g.expires_at]
    for grant in living:
        async with house.db.transaction() as tx:
            why = regression(
                policy.autonomy.earned,
                await tx.grants.cases(grant.action_kind, since=grant.granted_at, workspace=policy.workspace),
                await tx.grants.answers(grant.action_kind, grant_id=grant.id, workspace=policy.workspace),
                await tx.grants.incidents(grant.id),
            )
        if why is not None and await revoke(house.books, grant, str(HOUSE), why, now):
            revoked.append(grant.id)
            await house.alert(
                f"autonomy:{grant.id}", "autonomy_revoked", "warning", action=worded(f"kind.{grant.action_kind}"),
                reason=worded(why.id, **why.params),
            )  # fmt: skip
    return revoked


async def revoke(books: PgGateBooks, grant: Grant, by: str, reason: Message, now: datetime) -> bool:
    """Ends a grant at once. Under the budget lock: whoever is judged after this commit no longer finds it. False when it was over."""
    async with books.transaction() as tx:
        await tx.lock_budget(grant.workspace)
        if not await Grants(tx.conn).revoke(grant.id, by, reason, at=now):
            return False
        payload = {"grant_id": grant.id, "kind": grant.action_kind, "reason": reason.model_dump(mode="json"), "used": grant.used}
        await tx.audit("autonomy.revoked", by, now, payload)
        await tx.emit("autonomy.revoked", now, payload | {"actor": by})
    return True


async def promote(house: House) -> list[str]:
    """Asks a manager for what was earned, kind by kind. The same record asks once."""
    policy, now, proposed = house.policy(), house.clock.now(), list[str]()
    dials = policy.autonomy.earned
    if not dials.propose:
        return proposed
    for kind in GRANTABLE:
        async with house.db.transaction() as tx:
            last = await tx.grants.last_no(kind, workspace=policy.workspace)
            living = any(
                g.action_kind == kind and g.state(now) == "living" for g in await tx.grants.list(workspace=policy.workspace)
            )
            if living or await tx.grants.asked(kind, workspace=policy.workspace) or policy.autonomy.level_of(kind) == 3:
                continue
            if last is not None and now - last < timedelta(days=dials.rest_days):
                continue
            # After a no or a lapse, trust is earned anew: only what was decided since counts.
            cases = await tx.grants.cases(kind, since=last, workspace=policy.workspace)
            answers = await tx.grants.answers(kind, workspace=policy.workspace)
        earned = promotion(kind, cases, answers, policy, now)
        if earned is not None:
            receipt = await house.gate.submit(_proposal(earned, policy.workspace, len(cases), now))
            proposed.append(receipt.action_id)
    return proposed


def _proposal(earned: Promotion, workspace: str, cases: int, now: datetime) -> Proposal:
    found = earned.standing
    action = GrantAutonomy(
        workspace=workspace,
        action_kind=earned.kind,  # pyright: ignore[reportArgumentType] - one of GRANTABLE, which the field names too
        max_amount=earned.max_amount,
        max_change=earned.max_change,
        max_count=earned.max_count,
        expires_at=earned.expires_at,
    )
    bound = Decimal(str(round(found.agreement or 0.0, 4)))
    return Proposal(
        action=action,
        key=f"autonomy:{earned.kind}:{now:%Y-%m-%d}:{cases}",
        proposer=HOUSE,
        why=Message(
            id="why.autonomy_earned",
            params={
                "kind": worded(f"kind.{earned.kind}"),
                "agreed": found.agreed,
                "cases": found.cases,
                "bound": bound,
                "fine": found.outcomes - found.below,
                "judged": found.outcomes,
            },
        ),
        evidence=(
            {"table": "agreements", "kind": earned.kind, "agreed": found.agreed, "of": found.cases},
            {"table": "outcomes", "kind": earned.kind, "judged": found.outcomes, "below": found.below},
        ),
        confidence=bound,
        priority="low",
    )
