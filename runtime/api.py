"""/api/v1: what a manager does in the cockpit, as JSON. The same gate functions, the same accounts, no rules of its own.

Two ways to be somebody: the cockpit's session cookie (unsafe methods need its token in X-CSRF-Token and our own origin), or a bearer
token signed with CEO_SECRET_KEY for the audience of AgentOS. A token names an account of ours (`sub`, the e-mail) and carries a
scope, `gate:read` or `gate:decide`; the role is the account's. Tokens made for AgentOS's own routes carry neither and decide nothing.
Errors are problem documents (RFC 9457) that name the field, what is wrong with it, and the way on.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, FastAPI, Path, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.exceptions import HTTPException

from knowledge.domain.action import Actor
from runtime import api_models as m
from runtime.cockpit import cards, faults
from runtime.cockpit.auth import Forbidden, same_origin
from runtime.cockpit.web import Web
from runtime.typed_text import clean
from tools.gate import Outcome

if TYPE_CHECKING:
    from runtime.cockpit.deps import CockpitDeps
    from runtime.cockpit.speak import Speaker
    from runtime.db.action_reads import ActionRow

PREFIX = "/api/v1"
AUDIENCE = "agente-ceo"
READ, DECIDE = "gate:read", "gate:decide"
MAX_BODY = 64 * 1024
UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})
STATUS = {
    "gate.not_found": 404, "gate.stop_gone": 404, "gate.not_allowed": 403, "gate.role_needed": 403, "gate.own_proposal": 403, "gate.own_edit": 403,
    "gate.edit_field": 422, "gate.edit_invalid": 422, "gate.edit_nothing": 422, "gate.edit_refused": 422, "gate.extend_hours": 422,
    "gate.extend_limit": 422, "gate.kill_target": 422, "gate.kill_unknown": 422, "gate.reason_needed": 422, "gate.unreadable": 503, "undo.unreadable": 503, "gate.unavailable": 503, "gate.failed": 502,
    "gate.vendor_refused": 502,
}  # fmt: skip
"""HTTP status of the gate's answers; every other no is a conflict with the state of things (409)."""
FIELDS = {
    "gate.kill_target": "target", "gate.kill_unknown": "target", "gate.reason_needed": "reason", "gate.extend_limit": "hours",
    "gate.extend_hours": "hours",
}  # fmt: skip
"""The field that a no of the gate is about, where its message does not name one."""


class Problem(Exception):
    """An answer that is a no, as RFC 9457 wants it."""

    def __init__(self, status: int, kind: str, detail: str, **more: Any) -> None:
        super().__init__(detail)
        self.status, self.kind, self.detail, self.more = status, kind, detail, more


@dataclass(frozen=True)
class Person:
    """Who asks. `csrf` is None for a token: no browser sends one by itself."""

    actor: Actor
    csrf: str | None

    @property
    def manager(self) -> bool:
        return self.actor.role in ("manager", "admin")


@dataclass(frozen=True)
class Desk:
    """What every route needs."""

    web: Web
    secret: str | None

    async def person(self, request: Request, scope: str) -> Person:
        """Who asks, with the right to it. Raises Problem."""
        header = request.headers.get("authorization")
        person = await self._bearer(header, scope, request) if header is not None else await self._cookie(request)
        if scope == DECIDE and not person.manager:
            raise problem(self.speaker(request), 403, "not_allowed", role=person.actor.role)
        return person

    async def _cookie(self, request: Request) -> Person:
        session = await self.web.guard.session(request)
        if session is None:
            raise problem(self.speaker(request), 401, "signed_out")
        if request.method in UNSAFE:
            try:
                same_origin(request)
            except Forbidden:
                raise problem(self.speaker(request), 403, "foreign_origin") from None
            given = request.headers.get("x-csrf-token", "")
            if not hmac.compare_digest(given.encode(), session.csrf.encode()):
                raise problem(self.speaker(request), 403, "csrf", field="X-CSRF-Token")
        return Person(session.actor, session.csrf)

    async def _bearer(self, header: str, scope: str, request: Request) -> Person:
        say = self.speaker(request)
        kind, _, token = header.partition(" ")
        claims = read_token(token.strip(), self.secret) if kind.lower() == "bearer" and self.secret else None
        if claims is None:
            raise problem(say, 401, "bad_token", field="Authorization")
        scopes = claims.get("scopes")
        held: set[str] = {str(one) for one in scopes} if isinstance(scopes, list) else set()  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        if scope not in held and not (scope == READ and DECIDE in held):
            raise problem(say, 403, "scope_missing", scope=scope)
        account = await self.web.accounts.user(str(claims["sub"]))
        if account is None or account.disabled:
            raise problem(say, 403, "no_account")
        return Person(Actor(kind="user", id=account.email, role=account.role), None)

    def speaker(self, request: Request) -> Speaker:
        return self.web.speaker(request)


def read_token(token: str, secret: str | None) -> dict[str, Any] | None:
    """The claims of a token of ours that is still good, or None."""
    import jwt

    if not secret:
        return None
    try:
        claims = jwt.decode(token, secret, algorithms=["HS256"], audience=AUDIENCE, options={"require": ["exp", "sub", "aud"]})
    except jwt.PyJWTError:
        return None
    return claims if isinstance(claims.get("sub"), str) else None


def make_token(email: str, secret: str, *, now: datetime, expires: datetime, decide: bool) -> str:
    """A token for this account until a moment; `decide` lets it decide as its account's role allows, else it only reads."""
    import jwt

    scopes = [READ, DECIDE] if decide else [READ]
    claims = {"sub": email, "aud": AUDIENCE, "iat": now, "exp": expires, "scopes": scopes}
    return jwt.encode(claims, secret, algorithm="HS256")


def problem(say: Speaker, status: int, kind: str, **params: Any) -> Problem:
    """A no of the API itself, in words."""
    more = {key: value for key, value in params.items() if key == "field"}
    words = say.words
    return Problem(status, kind, words(f"api.{kind}", **params), remedy=words(f"api.{kind}_remedy", **params), **more)


def desk_of(request: Request) -> Desk:
    """The desk of the application that got the request."""
    desk: Desk = request.app.state.desk
    return desk


async def reader(request: Request) -> Person:
    """Somebody who may read."""
    return await desk_of(request).person(request, READ)


async def manager(request: Request) -> Person:
    """Somebody who may decide."""
    return await desk_of(request).person(request, DECIDE)


Reader = Annotated[Person, Depends(reader)]
Manager = Annotated[Person, Depends(manager)]
ActionId = Annotated[str, Path(min_length=36, max_length=36, pattern=r"^[0-9a-fA-F-]{36}$", description="Id of the action")]


def build_api(deps: CockpitDeps, secret: str | None) -> FastAPI:
    """The application to mount at PREFIX. Without a secret, only sessions of the cockpit are accepted."""
    problems: dict[int | str, dict[str, Any]] = {
        status: {"model": m.ProblemOut, "description": text}
        for status, text in (
            (401, "Not signed in"),
            (403, "Your role, token or origin does not allow it"),
            (404, "No such record"),
            (409, "Things are otherwise by now"),
            (422, "A field is wrong, or the rules refuse the edit"),
            (503, "A fact could not be read; try again"),
        )
    }
    app = FastAPI(
        title="Agente-CEO", version="1", summary="Decide about what the crew asks for.", description=__doc__ or "",
        docs_url=None, redoc_url=None, openapi_url="/openapi.json", responses=problems,
        servers=[{"url": PREFIX}], root_path_in_servers=False,
    )  # fmt: skip
    app.state.desk = Desk(Web(deps), secret)
    add_reading(app)
    add_deciding(app)
    add_answers(app)
    return app


def shown(desk: Desk, request: Request, row: ActionRow) -> m.ActionOut:
    """A row as the cockpit's card says it."""
    return m.action_out(cards.card(desk.speaker(request), row, desk.web.policy))


async def found(desk: Desk, request: Request, person: Person, action_id: str) -> ActionRow:
    """The action, when it is there and this person may see it. Raises Problem."""
    row = await desk.web.reads.action(action_id)
    if row is None or not (person.manager or row.kind.startswith("campaign.")):
        raise problem(desk.speaker(request), 404, "not_found", field="action_id")
    return row


def told(desk: Desk, request: Request, outcome: Outcome, response: Response) -> m.OutcomeOut:
    """The gate's answer. Raises Problem when it is a no."""
    say = desk.speaker(request)
    out = m.outcome_out(say, outcome)
    if outcome.ok:
        return out
    if outcome.status in ("unknown", "executing"):  # neither yes nor no: it is being looked up
        response.status_code = 202
        return out
    ident = outcome.message.id
    tail = ident.removeprefix("gate.")
    remedy = say.words.find(f"api.remedy_{tail}") or say.words("api.remedy_any")
    field = outcome.message.params.get("field") or FIELDS.get(ident)
    more: dict[str, Any] = {"field": str(field)} if field else {}
    if reasons := [one.model_dump(mode="json") for one in out.findings]:
        more["findings"] = reasons
    status = 502 if outcome.status == "failed" else STATUS.get(ident, 409)
    raise Problem(status, tail, out.message.text, remedy=remedy, outcome=outcome.status, **more)


def add_reading(app: FastAPI) -> None:
    """Adds what is read."""

    @app.get("/me", tags=["account"], summary="Who you are, and the token that unsafe requests of a session need")
    async def me(person: Reader) -> m.MeOut:  # pyright: ignore[reportUnusedFunction]
        return m.MeOut(actor=str(person.actor), role=person.actor.role or "viewer", csrf=person.csrf)

    @app.get("/approvals", tags=["approvals"], summary="What waits, most pressing first, and what runs when its grace ends")
    async def approvals(request: Request, person: Reader) -> m.QueueOut:  # pyright: ignore[reportUnusedFunction]
        desk = desk_of(request)
        pending = await desk.web.reads.pending(200, people=person.manager)
        scheduled = await desk.web.reads.scheduled(200, people=person.manager)
        return m.QueueOut(
            pending=[shown(desk, request, row) for row in pending], scheduled=[shown(desk, request, row) for row in scheduled]
        )

    @app.get("/actions/{action_id}", tags=["actions"], summary="One action: what, why, the rules' word, its record")
    async def action(request: Request, person: Reader, action_id: ActionId) -> m.ActionPageOut:  # pyright: ignore[reportUnusedFunction]
        desk = desk_of(request)
        row = await found(desk, request, person, action_id)
        steps = await desk.web.reads.record(200, action_id=row.id)
        timeline = [m.StepOut(seq=s.seq, at=s.at, kind=s.kind, actor=s.actor, hash=s.hash) for s in reversed(steps)]
        async with desk.web.deps.database.transaction() as tx:
            judged = (await tx.outcomes.of([row.id])).get(row.id, [])
        verdicts = [m.verdict_out(desk.speaker(request), one) for one in judged]
        out = shown(desk, request, row).model_dump()
        return m.ActionPageOut(**out, timeline=timeline, facts=row.facts, verdicts=verdicts)

    @app.get("/actions/{action_id}/undo-plan", tags=["actions"], summary="Whether it can be undone now, and by what")
    async def undo_plan(request: Request, person: Manager, action_id: ActionId) -> m.UndoPlanOut:  # pyright: ignore[reportUnusedFunction]
        desk = desk_of(request)
        row = await found(desk, request, person, action_id)
        plan = await desk.web.deps.gate.undo_plan(action_id)
        message = m.message_out(desk.speaker(request), plan.message)
        message.text = cards.undo_words(desk.speaker(request), row, plan.message)
        return m.UndoPlanOut(possible=plan.possible, message=message, action=plan.action.args() if plan.action else None)

    @app.get("/kill", tags=["stops"], summary="Stops in force")
    async def kills(request: Request, person: Reader) -> list[m.KillOut]:  # pyright: ignore[reportUnusedFunction]
        return [m.KillOut(**k.model_dump()) for k in await desk_of(request).web.reads.kills()]

    @app.get("/audit/head", tags=["record"], summary="The newest row of the record; its hash depends on all rows before it")
    async def audit_head(request: Request, person: Reader) -> m.HeadOut:  # pyright: ignore[reportUnusedFunction]
        rows = await desk_of(request).web.reads.record(1)
        return m.HeadOut(seq=rows[0].seq, hash=rows[0].hash, at=rows[0].at) if rows else m.HeadOut(seq=0, hash="", at=None)


def add_deciding(app: FastAPI) -> None:
    """Adds what managers decide."""

    @app.post("/approvals/batch", tags=["approvals"], summary="Several at once; each is judged again, in the given order")
    async def batch(request: Request, person: Manager, body: m.BatchIn) -> m.BatchOut:  # pyright: ignore[reportUnusedFunction]
        desk, gate = desk_of(request), desk_of(request).web.deps.gate
        if body.decision == "approve":
            outcomes = await gate.approve_many([(one.action_id, one.fingerprint) for one in body.items], person.actor)
        else:
            if not body.reason:
                raise problem(desk.speaker(request), 422, "reason_missing", field="reason")
            outcomes = await gate.reject_many([one.action_id for one in body.items], person.actor, body.reason)
        say = desk.speaker(request)
        results = [
            m.BatchResult(action_id=one.action_id, outcome=m.outcome_out(say, outcome))
            for one, outcome in zip(body.items, outcomes, strict=True)
        ]
        return m.BatchOut(ok=all(outcome.ok for outcome in outcomes), results=results)

    @app.post("/approvals/{action_id}/approve", tags=["approvals"], summary="Yes, to exactly the arguments of this fingerprint")
    async def approve(  # pyright: ignore[reportUnusedFunction]
        request: Request, response: Response, person: Manager, action_id: ActionId, body: m.ApproveIn
    ) -> m.OutcomeOut:
        desk = desk_of(request)
        return told(desk, request, await desk.web.deps.gate.approve(action_id, person.actor, body.fingerprint), response)

    @app.post("/approvals/{action_id}/reject", tags=["approvals"], summary="No; the reason is read by the next decisions")
    async def reject(  # pyright: ignore[reportUnusedFunction]
        request: Request, response: Response, person: Manager, action_id: ActionId, body: m.ReasonIn
    ) -> m.OutcomeOut:
        desk = desk_of(request)
        return told(desk, request, await desk.web.deps.gate.reject(action_id, person.actor, body.reason), response)

    @app.post("/approvals/{action_id}/preview", tags=["approvals"], summary="What the rules would say to an edit; changes nothing")
    async def preview(  # pyright: ignore[reportUnusedFunction]
        request: Request, response: Response, person: Manager, action_id: ActionId, body: m.PreviewIn
    ) -> m.OutcomeOut:
        desk = desk_of(request)
        outcome = await desk.web.deps.gate.preview(action_id, person.actor, body.changes)
        if outcome.message.id == "gate.preview_refuse":  # an answer, not an error
            return m.outcome_out(desk.speaker(request), outcome)
        return told(desk, request, outcome, response)

    @app.post("/approvals/{action_id}/edit", tags=["approvals"], summary="Do this instead; the answer names the new action")
    async def edit(  # pyright: ignore[reportUnusedFunction]
        request: Request, response: Response, person: Manager, action_id: ActionId, body: m.EditIn
    ) -> m.OutcomeOut:
        desk = desk_of(request)
        outcome = await desk.web.deps.gate.edit(action_id, person.actor, body.changes, body.reason, body.fingerprint)
        return told(desk, request, outcome, response)

    @app.post("/approvals/{action_id}/extend", tags=["approvals"], summary="More time for a request or a scheduled action")
    async def extend(  # pyright: ignore[reportUnusedFunction]
        request: Request, response: Response, person: Manager, action_id: ActionId, body: m.ExtendIn
    ) -> m.OutcomeOut:
        desk = desk_of(request)
        return told(desk, request, await desk.web.deps.gate.extend(action_id, person.actor, body.hours), response)

    @app.post("/approvals/{action_id}/withdraw", tags=["approvals"], summary="Takes a waiting or scheduled action back")
    async def withdraw(  # pyright: ignore[reportUnusedFunction]
        request: Request, response: Response, person: Manager, action_id: ActionId, body: m.ReasonIn
    ) -> m.OutcomeOut:
        desk = desk_of(request)
        return told(desk, request, await desk.web.deps.gate.withdraw(action_id, person.actor, body.reason), response)

    @app.post("/actions/{action_id}/act-early", tags=["actions"], summary="A scheduled action is done now")
    async def act_early(  # pyright: ignore[reportUnusedFunction]
        request: Request, response: Response, person: Manager, action_id: ActionId
    ) -> m.OutcomeOut:
        desk = desk_of(request)
        return told(desk, request, await desk.web.deps.gate.act_early(action_id, person.actor), response)

    @app.post("/actions/{action_id}/undo", tags=["actions"], summary="Restores what was before, through the same rules")
    async def undo(  # pyright: ignore[reportUnusedFunction]
        request: Request, response: Response, person: Manager, action_id: ActionId, body: m.UndoIn | None = None
    ) -> m.OutcomeOut:
        desk = desk_of(request)
        outcome = await desk.web.deps.gate.undo(action_id, person.actor, body.reason if body else "")
        return told(desk, request, outcome, response)

    @app.post("/batches/undo", tags=["actions"], summary="Undoes every done action of one cause, the newest first")
    async def undo_batch(request: Request, person: Manager, body: m.UndoBatchIn) -> m.BatchOut:  # pyright: ignore[reportUnusedFunction]
        desk = desk_of(request)
        outcomes = await desk.web.deps.gate.undo_batch(body.correlation_id, person.actor, body.reason)
        say = desk.speaker(request)
        if not outcomes:
            raise problem(say, 404, "not_found", field="correlation_id")
        results = [m.BatchResult(action_id=one.action_id or "", outcome=m.outcome_out(say, one)) for one in outcomes]
        return m.BatchOut(ok=all(one.ok for one in outcomes), results=results)

    @app.post("/kill", tags=["stops"], summary="Stops every write in a scope from now on")
    async def kill(request: Request, response: Response, person: Manager, body: m.KillIn) -> m.OutcomeOut:  # pyright: ignore[reportUnusedFunction]
        desk = desk_of(request)
        reason = body.reason or desk.speaker(request).words("kill.button")
        outcome = await desk.web.deps.gate.kill(body.scope, body.target or None, person.actor, reason)
        return told(desk, request, outcome, response)

    @app.delete("/kill/{kill_id}", tags=["stops"], summary="Lifts a stop; what it cancelled stays cancelled")
    async def resume(request: Request, response: Response, person: Manager, kill_id: ActionId) -> m.OutcomeOut:  # pyright: ignore[reportUnusedFunction]
        desk = desk_of(request)
        return told(desk, request, await desk.web.deps.gate.resume(kill_id, person.actor), response)


def add_answers(app: FastAPI) -> None:
    """Adds how errors are told, the documentation, and what every answer carries."""

    def document(request: Request, status: int, kind: str, detail: str, **more: Any) -> JSONResponse:
        title = desk_of(request).speaker(request).words.find(f"api.title_{status}") or kind
        body = {"type": f"urn:agente-ceo:{kind}", "title": title, "status": status, "detail": detail, "instance": request.url.path}
        headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
        return JSONResponse(body | more, status_code=status, headers=headers, media_type="application/problem+json")

    @app.exception_handler(Problem)
    async def refused(request: Request, error: Problem) -> JSONResponse:  # pyright: ignore[reportUnusedFunction]
        return document(request, error.status, error.kind, error.detail, **error.more)

    @app.exception_handler(RequestValidationError)
    async def wrong(request: Request, error: RequestValidationError) -> JSONResponse:  # pyright: ignore[reportUnusedFunction]
        words = desk_of(request).speaker(request).words
        errors = [
            {"field": clean(".".join(str(part) for part in one["loc"][1:])) or str(one["loc"][0]), "problem": one["msg"]}
            for one in error.errors()
        ]
        first = errors[0]
        detail = words("api.wrong_field", field=first["field"], problem=first["problem"])
        return document(
            request, 422, "wrong_field", detail, field=first["field"], errors=errors, remedy=words("api.wrong_field_remedy")
        )

    @app.exception_handler(HTTPException)
    async def other(request: Request, error: HTTPException) -> JSONResponse:  # pyright: ignore[reportUnusedFunction]
        remedy = desk_of(request).speaker(request).words("api.route_remedy")
        return document(request, error.status_code, "route", str(error.detail), remedy=remedy)

    @app.middleware("http")
    async def careful(  # pyright: ignore[reportUnusedFunction]
        request: Request, go_on: Callable[[Request], Coroutine[Any, Any, Response]]
    ) -> Response:
        length = request.headers.get("content-length", "0")
        if request.method in UNSAFE and (
            not length.isdecimal() or int(length) > MAX_BODY or "transfer-encoding" in request.headers
        ):
            words = desk_of(request).speaker(request).words
            response: Response = document(
                request, 413, "too_long", words("api.too_long"), remedy=words("api.too_long_remedy", most=MAX_BODY)
            )
        else:
            try:
                response = await go_on(request)
            except Exception as fault:  # the edge of the program: a document in words, and nothing of the inside
                faults.note(fault, request.url.path)
                words = desk_of(request).speaker(request).words
                remedy = words("api.unexpected_remedy")
                response = document(request, 500, "unexpected", words("api.unexpected"), remedy=remedy)
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        return response

    @app.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> Response:  # pyright: ignore[reportUnusedFunction]
        desk = desk_of(request)
        schema: dict[str, Any] = app.openapi()
        context = desk.web.base(request, None) | {"paths": m.routes_of(schema), "info": schema["info"], "prefix": PREFIX}
        headers = {"Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; font-src 'self'"}
        return HTMLResponse(desk.web.template("api.html", context), headers=headers)
