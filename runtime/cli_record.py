"""`ceo audit …`, `ceo replay`, `ceo policy …`: the commands and how their answers look. What they do is in runtime.cli_audit."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runtime.cli_talk import NO, OK, File, Json, bad, busy, load_settings, now, plainly, print_json

if TYPE_CHECKING:
    from runtime.settings import Settings

audit_app = typer.Typer(no_args_is_help=True, help="The append-only record of every action.")
policy_app = typer.Typer(no_args_is_help=True, help="The law, and what another one would have said.")
LISTED = 40
Against = Annotated[Path | None, typer.Option("--anchors", help="Anchors to compare with; default: those of the data folder.")]
OneAnchor = Annotated[str | None, typer.Option("--anchor", metavar="SEQ:HASH", help="An anchor that you have from elsewhere.")]
Moment = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"])]


@audit_app.command("verify")
def verify(
    as_json: Json = False,
    file: Annotated[Path | None, typer.Option("--file", help="Check an export instead; needs no database.")] = None,
    against: Against = None,
    anchor: OneAnchor = None,
    config: File = None,
) -> None:
    """Recomputes the hash chain over the whole record and compares it with the anchors; 1 when a row was changed, removed or put in."""
    with plainly(as_json):
        from runtime import cli_audit

        settings = load_settings(config)
        with busy("recomputing the chain", as_json):
            if file is not None:
                found = cli_audit.verify_file(settings, file, against=against, anchor=anchor)
            else:
                found = cli_audit.verify(settings, against=against, anchor=anchor)
        if as_json:
            print_json(found)
        else:
            _show_verified(settings, found)
        raise typer.Exit(OK if found["ok"] else NO)


def _show_verified(settings: Settings, found: dict[str, Any]) -> None:
    from runtime.cli_audit import say

    if not found["ok"]:
        typer.echo(found["problem"], err=True)
        return
    head = f"{found['head']['seq']}:{found['head']['hash']}"
    name = "audit.whole_file" if "file" in found else "audit.whole"
    typer.echo(say(settings, name, rows=found["rows"], anchors=found["anchors"], head=head))
    if not found.get("complete", True):
        typer.echo(say(settings, "audit.selection"))
    if not found["anchors"]:
        typer.echo(say(settings, "audit.no_anchor"))


@audit_app.command("anchor")
def anchor_(as_json: Json = False, config: File = None) -> None:
    """Writes the head of the whole chain into the data folder and prints it, to be kept elsewhere; 1 when the chain is broken."""
    with plainly(as_json):
        from runtime import cli_audit

        settings = load_settings(config)
        with busy("recomputing the chain", as_json):
            found = cli_audit.write_anchor(settings, now())
        if as_json:
            print_json(found)
        elif found["ok"]:
            typer.echo(cli_audit.say(settings, "audit.anchored", anchor=found["anchor"], file=found["file"]))
        else:
            typer.echo(found["problem"], err=True)
        raise typer.Exit(OK if found["ok"] else NO)


@audit_app.command("export")
def export(
    file: Annotated[Path, typer.Argument(help="JSON lines; another party checks it with `ceo audit verify --file`.")],
    since: Moment = None,
    until: Moment = None,
    kind: Annotated[str | None, typer.Option(help="A kind or its beginning, like approval. or kill.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
    as_json: Json = False,
    config: File = None,
) -> None:
    """Writes the record as a file that can be checked without this installation. Moments are in the workspace's time zone."""
    with plainly(as_json):
        from zoneinfo import ZoneInfo

        from runtime import cli_audit

        settings = load_settings(config)
        zone = ZoneInfo(settings.operator.time_zone)
        begin, end = (moment.replace(tzinfo=zone) if moment else None for moment in (since, until))
        if begin and end and begin >= end:
            raise bad("--since must be before --until")
        with busy("writing the record", as_json):
            done = cli_audit.export(settings, file, since=begin, until=end, kind=kind, force=force, now=now())
        if as_json:
            print_json(done)
        else:
            values = {name: done[name] for name in ("rows", "file", "anchor")}
            typer.echo(cli_audit.say(settings, "audit.exported", first=done["from"], last=done["to"], **values))


def replay(
    wanted: Annotated[str | None, typer.Argument(metavar="[ID]", help="An action, or a decision of the engine.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Everything on record.")] = False,
    as_json: Json = False,
    config: File = None,
) -> None:
    """Makes decisions again from their record alone and compares them to the letter; 1 when one comes out otherwise."""
    with plainly(as_json):
        from runtime import cli_audit

        if (wanted is None) != everything:
            raise bad("name an action or a decision, or say --all for everything on record")
        settings = load_settings(config)
        with busy("judging again", as_json):
            found = cli_audit.replay(settings, wanted)
        if as_json:
            print_json(found)
        else:
            _show_replayed(settings, found)
        raise typer.Exit(OK if found["ok"] else NO)


def _show_replayed(settings: Settings, found: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.markup import escape

    from runtime.cli_audit import say

    console = Console(highlight=False)
    all_ = found["judgements"] + found["decisions"]
    counts = {"judgements": found["judgements"], "decisions": found["decisions"]}
    console.print(escape(say(settings, "replay.identical", identical=found["identical"], all=all_, **counts)))
    if found["by_older_law"]:
        console.print(f"[dim]{escape(say(settings, 'replay.older_law', count=found['by_older_law']))}[/]")
    broken = sum(found["not_replayable"].values())
    if found["different"] or broken:
        console.print(f"[bold red]{escape(say(settings, 'replay.different', different=found['different'], broken=broken))}[/]")
    for one in found["differences"][:LISTED]:
        console.print(f"[bold]{one['id']}[/]  {escape(one['what'])}  {one['at']}", soft_wrap=True)
        if "problem" in one:
            console.print(f"  {escape(say(settings, 'replay.problem.' + one['problem']))}")
            continue
        console.print(
            f"  {escape(str(one['path']))}: {escape(_short(one['recorded']))} → {escape(_short(one['replayed']))}", soft_wrap=True
        )
        if one["other_law"]:
            console.print(f"  [dim]{escape(say(settings, 'replay.other_law'))}[/]")
    if any(found.get("without_record", {}).values()):
        console.print(f"[bold red]{escape(say(settings, 'replay.gaps', **found['without_record']))}[/]")


def _short(value: Any) -> str:
    import json

    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 100 else text[:99] + "…"


@policy_app.command("diff")
def policy_diff(
    file: Annotated[Path, typer.Argument(metavar="NEW.yaml", help="An operator's file with the other dials.")],
    days: Annotated[float, typer.Option(min=0.01, help="How far back from the newest row.")] = 30,
    as_json: Json = False,
    config: File = None,
) -> None:
    """Judges everything on record again under another policy: which decisions would have changed, and which rule and number did it."""
    with plainly(as_json):
        from runtime import cli_audit
        from runtime.settings import load_operator

        settings, new = load_settings(config), load_operator(file).policy()
        with busy("judging again under the other policy", as_json):
            found = cli_audit.policy_diff(settings, new, days, now())
        if as_json:
            print_json(found | {"file": str(file)})
        else:
            _show_diff(settings, found, str(file))


def _show_diff(settings: Settings, found: dict[str, Any], file: str) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from prompts.messages import format_value
    from runtime.cli_audit import say

    operator = settings.operator

    def when(moment: str) -> str:
        return format_value(moment, operator.locale, "datetime", operator.time_zone)

    console = Console(highlight=False)
    title = say(
        settings,
        "policy_diff.title",
        file=file,
        version=found["policy_version"],
        changed=found["changed"],
        actions=found["actions"],
    )
    console.print(f"[bold]{escape(title)}[/]")
    window = {"since": found["since"], "until": found["until"], "judgements": found["judgements"]}
    console.print(f"[dim]{escape(say(settings, 'policy_diff.window', **window))}[/]")
    if found["decisions"]:
        table = Table(box=None, pad_edge=False)
        for column in ("when", "action", "change", "because"):
            table.add_column(say(settings, f"policy_diff.column.{column}"), no_wrap=column == "when")
        for one in found["decisions"][:LISTED]:
            colour = "red" if one["stricter"] else "green"
            change = f"{say(settings, 'answer.' + one['old'])} → [{colour}]{say(settings, 'answer.' + one['new'])}[/]"
            because = "\n".join(f"{reason['words']} [{reason['rule']}]" for reason in one["because"])
            table.add_row(when(one["at"]), escape(one["action"]), change, escape(because))
        console.print(table)
        if len(found["decisions"]) > LISTED:
            console.print(escape(say(settings, "policy_diff.more", count=len(found["decisions"]) - LISTED)))
    else:
        console.print(escape(say(settings, "policy_diff.none")))
    engine = found["optimizer"]
    console.print(escape(say(settings, "policy_diff.optimizer", changed=engine["changed"], rounds=engine["rounds"])))
    if found["unreadable"]:
        console.print(escape(say(settings, "policy_diff.unreadable", count=found["unreadable"])))
    for note in found["notes"]:
        console.print(f"[dim]{escape(note)}[/]")
