"""POST: what a manager decides about requests and actions. The gate decides whether it counts; here are only its forms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response

from runtime.cockpit import cards, edits
from runtime.cockpit.auth import Session
from runtime.cockpit.pages import draw, visible
from runtime.cockpit.regions import Regions
from runtime.cockpit.web import Flash, Web, back, field, is_partial, valid_id
from runtime.cockpit.words import Words
from runtime.db.action_reads import ActionRow
from runtime.typed_text import clean
from tools.gate import Outcome

MAX_REASON, MAX_BATCH, MAX_HOURS = 500, 50, 720
LIVE = ("", "/approvals")
"""Pages that hold the regions: there an answer is a notice and what changed; elsewhere the page is loaded again."""
QUEUE = ("approvals", "scheduled", "refusals", "feed", "kpis")


def told(web: Web, request: Request, outcome: Outcome, extra: str | None = None) -> Flash:
    """The gate's answer as a notice, with its reasons when it is a no."""
    say = web.speaker(request)
    details = tuple(say.message(f.message) or f.rule for f in cards.telling(outcome.findings))
    text = say.message(outcome.message) or outcome.status
    return Flash("good" if outcome.ok else "bad", f"{text} {extra}" if extra else text, () if outcome.ok else details)


def home(web: Web, request: Request, action_id: str) -> str:
    """Where a decision leads: to the page it was made on, or to the action's own."""
    place = back(request, web.deps.prefix)
    return place if place.rstrip("/") in LIVE else f"/actions/{action_id}"


async def answer(
    web: Web, request: Request, session: Session, flash: Flash, to: str, regions: Sequence[str], status: int = 200
) -> Response:
    """A notice and the changed regions for htmx; a redirect with the notice for everyone else."""
    if not is_partial(request):
        return web.redirect(request, to, flash=flash, session=session)
    if urlsplit(request.headers.get("hx-current-url", "")).path.removeprefix(web.deps.prefix).rstrip("/") not in LIVE:
        # A page without these regions (a single card): go where the answer can be seen.
        response = web.redirect(request, to, flash=flash, session=session)
        response.headers["HX-Redirect"] = response.headers["location"]
        del response.headers["location"]
        response.status_code = 200
        return response
    notice = web.template("notice.html", web.base(request, session) | {"flash": flash})
    return web.html(notice + await draw(web, request, session, list(regions)), status)


def ticked(values: Sequence[Any]) -> list[tuple[str, str]]:
    """(action id, fingerprint) of each box that was ticked, in order, once."""
    pairs = [tuple(value.partition(":")[::2]) for value in values if isinstance(value, str)]
    return list(dict.fromkeys((ident, shown) for ident, shown in pairs if valid_id(ident)))


@dataclass(frozen=True)
class Decided:
    """What became of several requests at once."""

    good: int
    lines: tuple[str, ...]


def summed(web: Web, request: Request, rows: dict[str, ActionRow], ids: Sequence[str], outcomes: Sequence[Outcome]) -> Decided:
    """How many went well, and one line for each that did not."""
    say = web.speaker(request)
    lines: list[str] = []
    for action_id, outcome in zip(ids, outcomes, strict=True):
        if not outcome.ok:
            row = rows.get(action_id)
            reasons = [say.message(f.message) or f.rule for f in outcome.findings if f.answer == "refuse"]
            what = say.message(outcome.message) or outcome.status
            lines.append(f"{say.title(row) if row else action_id}: {' '.join([what, *reasons])}")
    return Decided(sum(outcome.ok for outcome in outcomes), tuple(lines))


def add_decisions(router: APIRouter, web: Web) -> None:
    """Adds everything a manager decides about an action."""
    gate, guard = web.deps.gate, web.guard

    async def entered(request: Request, action_id: str) -> Session | Response:
        """The manager behind a form about one of our ids, or the answer to who is not."""
        session = await guard.require_post(request, "manager")
        return session if valid_id(action_id) else web.problem(request, session, "error.not_found", 404)

    async def reasoned(request: Request, session: Session, action_id: str) -> str | Response:
        reason = (await field(request, "reason"))[:MAX_REASON]
        if reason:
            return reason
        missing = Flash("bad", Words(web.locale(request))("error.reason_missing"))
        return await answer(web, request, session, missing, home(web, request, action_id), (), 422)

    @router.post("/approvals/{action_id}/approve")
    async def approve(request: Request, action_id: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        session = await entered(request, action_id)
        if isinstance(session, Response):
            return session
        outcome = await gate.approve(action_id, session.actor, await field(request, "fingerprint"))
        return await answer(web, request, session, told(web, request, outcome), home(web, request, action_id), QUEUE)

    @router.post("/approvals/{action_id}/reject")
    async def reject(request: Request, action_id: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        session = await entered(request, action_id)
        if isinstance(session, Response):
            return session
        reason = await reasoned(request, session, action_id)
        if isinstance(reason, Response):
            return reason
        outcome = await gate.reject(action_id, session.actor, reason)
        return await answer(web, request, session, told(web, request, outcome), home(web, request, action_id), QUEUE)

    @router.post("/approvals/{action_id}/withdraw")
    async def withdraw(request: Request, action_id: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        session = await entered(request, action_id)
        if isinstance(session, Response):
            return session
        reason = await reasoned(request, session, action_id)
        if isinstance(reason, Response):
            return reason
        outcome = await gate.withdraw(action_id, session.actor, reason)
        return await answer(web, request, session, told(web, request, outcome), home(web, request, action_id), QUEUE)

    @router.post("/approvals/{action_id}/extend")
    async def extend(request: Request, action_id: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        session = await entered(request, action_id)
        if isinstance(session, Response):
            return session
        typed = await field(request, "hours")
        if not typed.isdecimal() or len(typed) > 4 or int(typed) > MAX_HOURS:
            wrong = Flash("bad", Words(web.locale(request))("edit.wrong_number"))
            return await answer(web, request, session, wrong, home(web, request, action_id), (), 422)
        outcome = await gate.extend(action_id, session.actor, int(typed))
        return await answer(web, request, session, told(web, request, outcome), home(web, request, action_id), QUEUE)

    @router.post("/actions/{action_id}/act-early")
    async def act_early(request: Request, action_id: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        session = await entered(request, action_id)
        if isinstance(session, Response):
            return session
        outcome = await gate.act_early(action_id, session.actor)
        return await answer(
            web, request, session, told(web, request, outcome), home(web, request, action_id), (*QUEUE, "campaigns")
        )

    @router.post("/actions/{action_id}/undo")
    async def undo(request: Request, action_id: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        session = await entered(request, action_id)
        if isinstance(session, Response):
            return session
        reason = (await field(request, "reason"))[:MAX_REASON]
        outcome = await gate.undo(action_id, session.actor, reason)
        return await answer(
            web, request, session, told(web, request, outcome), home(web, request, action_id), (*QUEUE, "campaigns")
        )

    @router.post("/undo")
    async def undo_batch(request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
        session = await guard.require_post(request, "manager")
        cause = await field(request, "correlation")
        rows = {row.id: row for row in await web.reads.together(cause)} if cause else {}
        if not rows:
            return web.problem(request, session, "error.not_found", 404)
        outcomes = await gate.undo_batch(cause, session.actor, (await field(request, "reason"))[:MAX_REASON])
        names = [outcome.action_id or "" for outcome in outcomes]
        rows |= await web.reads.many(name for name in names if name)
        done = summed(web, request, rows, names, outcomes)
        return report(request, session, done, len(outcomes), "undone", back(request, web.deps.prefix))

    # -- several at once -----------------------------------------------------------------------------------------------------

    @router.post("/approvals/batch")
    async def batch(request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
        session = await guard.require_post(request, "manager")
        words, form = Words(web.locale(request)), await request.form()
        chosen, what = ticked(form.getlist("pick")), await field(request, "do")
        place = back(request, web.deps.prefix)
        place = place if place.rstrip("/") in LIVE else "/approvals"
        if what not in ("preview", "approve", "reject"):
            return web.problem(request, session, "error.not_found", 404)
        if not chosen or len(chosen) > MAX_BATCH:
            problem = words("batch.none") if not chosen else words("batch.many", most=MAX_BATCH)
            return await answer(web, request, session, Flash("bad", problem), place, (), 422)
        reason = (await field(request, "reason"))[:MAX_REASON]
        if what == "reject" and not reason:
            return await answer(web, request, session, Flash("bad", words("error.reason_missing")), place, (), 422)
        ids = [ident for ident, _ in chosen]
        rows = await web.reads.many(ids)
        if what == "preview":
            return await batch_page(request, session, [rows[one] for one in ids if one in rows])
        if what == "approve":
            outcomes = await gate.approve_many(chosen, session.actor)
        else:
            outcomes = await gate.reject_many(ids, session.actor, reason)
        done = summed(web, request, rows, ids, outcomes)
        if is_partial(request):
            return await answer(web, request, session, counted(words, done, len(ids), what), place, QUEUE)
        return report(request, session, done, len(ids), what, place)

    async def batch_page(request: Request, session: Session, rows: list[ActionRow]) -> Response:
        """What was ticked, once more and together, before it is decided: the sum is what one card cannot show."""
        waiting = [row for row in rows if row.ticket_status == "pending"]
        say = web.speaker(request)
        if not waiting:
            return await answer(web, request, session, Flash("bad", say.words("batch.nobody")), "/approvals", (), 422)
        regions, n = Regions(web, say, session), say.numbers
        views = [regions.view(row) for row in waiting]
        counting = [view["card"].row for view in views if not view["blocked"]]  # a yes of theirs to the others would not count
        total, worst = cards.together(counting, web.policy, say.spends), await regions.worst_today()
        cap = web.policy.guardrails.financial.daily_cap
        context = await regions.context("status") | {
            "chosen": views,
            "count": len(counting),
            "gone": len(rows) - len(waiting),
            "total": n.money(total.worst) if total.worst.minor else say.words("approvals.no_spend"),
            "unknown": total.unknown,
            "day": None if worst is None else say.words("batch.day", worst=n.money(worst), cap=n.money(cap)),
            "last_event": await web.reads.last_event(),
            "page": "approvals",
        }
        return web.page(request, "batch.html", session, context)

    def counted(words: Words, done: Decided, count: int, what: str) -> Flash:
        return Flash("good" if done.good == count else "bad", words(f"batch.{what}", good=done.good, n=count), done.lines)

    def report(request: Request, session: Session, done: Decided, count: int, what: str, place: str) -> Response:
        flash = counted(Words(web.locale(request)), done, count, what)
        return web.redirect(request, place, flash=flash, session=session)

    # -- otherwise -----------------------------------------------------------------------------------------------------------

    async def edit_page(
        request: Request, session: Session, row: ActionRow, form: list[edits.EditField], status: int = 200, **more: Any
    ) -> Response:
        say = web.speaker(request)
        context = await Regions(web, say, session).context("status")
        context |= {
            "card": cards.card(say, row, web.policy),
            "fields": form,
            "result": None,
            "reasons": (),
            "tone": "plain",
            "reason": "",
        } | more
        context |= {"last_event": await web.reads.last_event(), "page": "approvals"}
        return web.page(request, "edit.html", session, context, status)

    @router.get("/approvals/{action_id}/edit")
    async def edit_form(request: Request, action_id: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        session = await guard.require(request, "manager")
        row = await web.reads.action(action_id)
        if row is None or not visible(row, session):
            return web.problem(request, session, "error.not_found", 404)
        return await edit_page(request, session, row, edits.fields(web.speaker(request), row))

    @router.post("/approvals/{action_id}/edit")
    async def edit(request: Request, action_id: str) -> Response:  # pyright: ignore[reportUnusedFunction]
        session = await guard.require_post(request, "manager")
        row = await web.reads.action(action_id)
        if row is None:
            return web.problem(request, session, "error.not_found", 404)
        say, typed = web.speaker(request), {k: clean(v) for k, v in (await request.form()).items() if isinstance(v, str)}
        reason = typed.get("reason", "").strip()[:MAX_REASON]
        changes, form = edits.read(say, row, typed)
        if any(one.error for one in form):
            return await edit_page(request, session, row, form, 422, reason=reason)
        if typed.get("do") == "preview":
            outcome = await gate.preview(action_id, session.actor, changes)
            tone = {"allow": "good", "ask": "plain"}.get(outcome.status, "bad")
            return await edit_page(
                request, session, row, edits.marked(say, form, outcome.message), reason=reason, **spoken(say, outcome, tone)
            )
        if not reason:
            return await edit_page(request, session, row, form, 422, result=say.words("error.reason_missing"), tone="bad")
        outcome = await gate.edit(action_id, session.actor, changes, reason, typed.get("fingerprint", ""))
        if not outcome.ok and outcome.message.id.startswith("gate.edit_"):
            form = edits.marked(say, form, outcome.message)
            return await edit_page(request, session, row, form, 422, reason=reason, **spoken(say, outcome, "bad"))
        flash = told(web, request, outcome)
        return web.redirect(request, f"/actions/{outcome.action_id or action_id}", flash=flash, session=session)

    def spoken(say: Any, outcome: Outcome, tone: str) -> dict[str, Any]:
        reasons = [cards.reason(say, f.model_dump(mode="json")) for f in cards.telling(outcome.findings)]
        return {"result": say.message(outcome.message) or outcome.status, "reasons": reasons, "tone": tone}
