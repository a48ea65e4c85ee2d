"""`ceo blacklist …`: what may not be advertised again, as a person rules it. Every change is in the record, with who and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, cast, get_args

import typer

from runtime.cli_rates import with_database
from runtime.cli_talk import NO, OK, File, Json, cleaned, load_settings, plainly, print_json, reasoned

if TYPE_CHECKING:
    from knowledge.domain.clock import Clock
    from runtime.db.records import BlacklistKind
    from runtime.db.uow import Transaction
    from runtime.settings import Settings

blacklist_app = typer.Typer(no_args_is_help=True, help="Products, creatives, words and brands that are not advertised again.")
Kind = Annotated[str, typer.Argument(metavar="KIND", help="product, creative, term or brand.", callback=cleaned)]
Value = Annotated[str, typer.Argument(metavar="VALUE", help="Which one; capitals do not matter.", callback=cleaned)]
MAX_VALUE = 500


@blacklist_app.command("list")
def list_(as_json: Json = False, config: File = None) -> None:
    """Everything on the list, by kind, with the reason."""
    with plainly(as_json):
        rows = listed(load_settings(config))
        if as_json:
            print_json({"blacklist": rows})
            return
        for row in rows:
            typer.echo(f"{row['kind']}  {row['value']}  ({row['reason']})")
        if not rows:
            typer.echo("nothing is listed; add something with `ceo blacklist add KIND VALUE --reason …`")


@blacklist_app.command("add")
def add_(
    kind: Kind,
    value: Value,
    reason: Annotated[str, typer.Option("--reason", help="Why; a refusal repeats it.", callback=reasoned)],
    as_json: Json = False,
    config: File = None,
) -> None:
    """Puts one on the list: from now on the rules refuse to publish it. 1 when it is listed already."""
    with plainly(as_json):
        from runtime.cli_gate import SystemClock

        _tell(add(load_settings(config), kind, value, reason, SystemClock()), as_json)


@blacklist_app.command("remove")
def remove_(kind: Kind, value: Value, as_json: Json = False, config: File = None) -> None:
    """Takes one off the list. 1 when it is not listed."""
    with plainly(as_json):
        from runtime.cli_gate import SystemClock

        _tell(remove(load_settings(config), kind, value, SystemClock()), as_json)


def _tell(found: dict[str, Any], as_json: bool) -> None:
    print_json(found) if as_json else typer.echo(found["message"], err=not found["ok"])
    raise typer.Exit(OK if found["ok"] else NO)


def listed(settings: Settings) -> list[dict[str, Any]]:
    """Every entry with its reason, by kind and value."""
    from runtime.db.records import BlacklistKind

    async def run(tx: Transaction) -> list[dict[str, Any]]:
        return [
            {"kind": kind, "value": value, "reason": await tx.blacklist.reason(kind, value)}
            for kind in get_args(BlacklistKind)
            for value in sorted(await tx.blacklist.values(kind))
        ]

    return with_database(settings, run)


def add(settings: Settings, kind: str, value: str, reason: str, clock: Clock) -> dict[str, Any]:
    """Lists one value, in lower case as the rules compare it. Raises ConfigError naming what is wrong."""
    known, entry, who = _kind(kind), _value(value), _who()

    async def run(tx: Transaction) -> dict[str, Any]:
        told: dict[str, Any] = {"kind": known, "value": entry, "reason": reason}
        if not await tx.blacklist.add(known, entry, reason=reason, by=who, at=clock.now()):
            before = await tx.blacklist.reason(known, entry)
            return {"ok": False, **told, "message": f"{known} {entry!r} is listed already: {before}"}
        await _recorded(tx, "blacklist.added", who, clock, told)
        return {"ok": True, **told, "message": f"{known} {entry!r} is not advertised again"}

    return with_database(settings, run)


def remove(settings: Settings, kind: str, value: str, clock: Clock) -> dict[str, Any]:
    """Takes one value off the list; the record keeps why it was on it. Raises ConfigError naming what is wrong."""
    known, entry, who = _kind(kind), _value(value), _who()

    async def run(tx: Transaction) -> dict[str, Any]:
        told: dict[str, Any] = {"kind": known, "value": entry}
        before = await tx.blacklist.reason(known, entry)
        if not await tx.blacklist.remove(known, entry):
            return {"ok": False, **told, "message": f"{known} {entry!r} is not listed; see `ceo blacklist list`"}
        await _recorded(tx, "blacklist.removed", who, clock, told | {"was": before})
        return {"ok": True, **told, "message": f"{known} {entry!r} may be advertised again, as far as the other rules allow"}

    return with_database(settings, run)


def _kind(kind: str) -> BlacklistKind:
    from runtime.db.records import BlacklistKind
    from runtime.settings import ConfigError

    if kind.lower() not in get_args(BlacklistKind):
        raise ConfigError([f"kind: {kind!r} is unknown; one of {', '.join(get_args(BlacklistKind))}"])
    return cast("BlacklistKind", kind.lower())


def _value(value: str) -> str:
    from runtime.settings import ConfigError

    entry = value.strip().lower()
    if not entry or len(entry) > MAX_VALUE:
        raise ConfigError([f"value: write what is meant, in 1 to {MAX_VALUE} characters"])
    return entry


def _who() -> str:
    from runtime.cli_gate import person

    return str(person())


async def _recorded(tx: Transaction, kind: str, who: str, clock: Clock, told: dict[str, Any]) -> None:
    from runtime.db.audit_write import append

    await append(tx.conn, kind, who, clock.now(), told)
