"""`ceo autonomy …`: what machines have earned, what managers granted, and taking it back. The same books as in the cockpit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from runtime.cli_talk import NO, OK, File, Json, cleaned, load_settings, plainly, print_json

if TYPE_CHECKING:
    from runtime.cli_gate import Counter
    from runtime.settings import Settings

autonomy_app = typer.Typer(no_args_is_help=True, help="Autonomy that was earned, granted, used and lost.")
T = TypeVar("T")


@autonomy_app.command("list")
def list_(as_json: Json = False, config: File = None) -> None:
    """Agreement and outcomes per kind of action, every grant with what is left of it, and how expectations turned out."""
    with plainly(as_json):
        found = overview(load_settings(config))
        print_json(found) if as_json else _show(found)


@autonomy_app.command("revoke")
def revoke_(
    grant_id: Annotated[str, typer.Argument(help="A grant (see `ceo autonomy list`).")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it stays in the record.", callback=cleaned)] = "",
    as_json: Json = False,
    config: File = None,
) -> None:
    """Takes a grant back at once; the next action of its kind asks again."""
    with plainly(as_json):
        found = revoke(load_settings(config), grant_id, reason)
        print_json(found) if as_json else typer.echo(found["message"], err=not found["ok"])
        raise typer.Exit(OK if found["ok"] else NO)


def overview(settings: Settings) -> dict[str, Any]:
    """Everything about autonomy as plain values."""

    async def errand(here: Counter) -> dict[str, Any]:
        from knowledge.domain.grant import GRANTABLE
        from prompts.messages import render
        from tools.autonomy_record import earning, standing

        policy, now, locale = settings.operator.policy(), here.clock.now(), settings.operator.locale
        kinds: list[dict[str, Any]] = []
        async with here.db.transaction() as tx:
            for kind in GRANTABLE:
                cases = await tx.grants.cases(kind, workspace=policy.workspace)
                found = standing(kind, earning(kind, cases), await tx.grants.answers(kind, workspace=policy.workspace))
                kinds.append(
                    {
                        "kind": kind,
                        "level": policy.autonomy.level_of(kind),
                        "shadow": policy.autonomy.shadowed(kind),
                        "cases": found.cases,
                        "agreed": found.agreed,
                        "agreement_at_least": None if found.agreement is None else round(found.agreement, 4),
                        "outcomes": found.outcomes,
                        "below_expectation": found.below,
                    }
                )
            grants = await tx.grants.list(workspace=policy.workspace)
            summary = await tx.outcomes.summary(workspace=policy.workspace)
        return {
            "kinds": kinds,
            "grants": [
                {
                    "id": g.id,
                    "kind": g.action_kind,
                    "state": g.state(now),
                    "used": g.used,
                    "count": g.max_count,
                    "max_amount": str(g.max_amount),
                    "max_change": None if g.max_change is None else str(g.max_change),
                    "expires_at": g.expires_at.isoformat(),
                    "granted_by": g.granted_by,
                    "revoked_by": g.revoked_by,
                    "reason": None if g.revoke_reason is None else render(g.revoke_reason, locale, policy.time_zone),
                }
                for g in grants
            ],
            "expectations": render(summary.message, locale, policy.time_zone),
        }

    return _run(settings, errand)


def revoke(settings: Settings, grant_id: str, reason: str) -> dict[str, Any]:
    """A person at the terminal takes a grant back. Raises ConfigError for what is no id."""
    from runtime.cli_gate import known_id

    wanted = known_id(grant_id, "`ceo autonomy list`")

    async def errand(here: Counter) -> dict[str, Any]:
        from knowledge.domain.message import Message
        from prompts.messages import render
        from runtime.db.gate_books import PgGateBooks
        from runtime.jobs.autonomy import revoke as end

        async with here.db.transaction() as tx:
            grant = await tx.grants.get(wanted)
        why = Message(id="autonomy.lost.person", params={"reason": reason.strip() or "-"})
        ok = grant is not None and await end(PgGateBooks(here.db.engine), grant, str(await here.person()), why, here.clock.now())
        said = Message(id="autonomy.revoked" if ok else "autonomy.not_living")
        return {"ok": ok, "grant_id": grant_id, "message": render(said, settings.operator.locale)}

    return _run(settings, errand)


def _run(settings: Settings, errand: Callable[[Counter], Awaitable[T]]) -> T:
    from runtime.cli_database import database
    from runtime.cli_gate import counter

    async def run(url: str) -> T:
        async with counter(settings, url, vendors=False) as here:
            return await errand(here)

    with database(settings.secrets) as url:
        return asyncio.run(run(url))


def _show(found: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    table = Table("kind", "level", "agreed", "at least", "outcomes", "below", box=None)
    for row in found["kinds"]:
        bound = row["agreement_at_least"]
        level = f"{row['level']}{' shadow' if row['shadow'] else ''}"
        agreed = f"{row['agreed']}/{row['cases']}"
        table.add_row(
            row["kind"],
            level,
            agreed,
            "–" if bound is None else f"{bound:.0%}",
            str(row["outcomes"]),
            str(row["below_expectation"]),
        )
    console.print(table)
    for row in found["grants"]:
        bounds = f"up to {row['max_amount']}" + (f", changes of {float(row['max_change']):.0%}" if row["max_change"] else "")
        head = f"[bold]{row['id']}[/]  {row['kind']}  {row['state']}  {row['used']}/{row['count']} used  {bounds}  until {row['expires_at']}"
        console.print(head + (f"\n  {escape(row['reason'])}" if row["reason"] else ""), highlight=False)
    console.print(escape(found["expectations"]))
