"""`ceo …`: every command of the house. Only Typer and the standard library are imported here, so that `--help` answers at once.

Exit codes: 0 done · 1 done, but the answer is no (a failed check, a refusal, a broken chain) · 2 bad input or configuration ·
3 something needed is unavailable (database, vendor, port) · 4 an unexpected fault of ours · 130 interrupted.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runtime import cli_approvals, cli_autonomy, cli_blacklist, cli_rates, cli_record
from runtime.cli_talk import (
    BAD_INPUT,
    NO,
    OK,
    File,
    Json,
    bad,
    busy,
    cleaned,
    fail,
    finish,
    hush,
    load_for_stop,
    load_secrets,
    load_settings,
    now,
    plainly,
    print_json,
    say,
    set_up_logging,
    show_traces,
)  # fmt: skip

if TYPE_CHECKING:
    from runtime.check_cache import Answer

EXITS = (
    "Exit codes: 0 done, 1 the answer is no, 2 bad input or configuration, 3 something needed is unavailable, "
    "4 an unexpected fault."
)
STOPPED = "stopped from the terminal"


class _Ceo(typer.Typer):
    """The commands; a question that was answered before and whose answer still holds is answered without loading anything."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if args or "args" in kwargs or sys.argv[1:3] != ["config", "check"]:
            return super().__call__(*args, **kwargs)
        from runtime.check_cache import code_stamp

        code = code_stamp()  # of the code as it lies before it is loaded
        if (ended := _answered(sys.argv[3:], code)) is not None:
            raise SystemExit(ended)
        return super().__call__(obj=code, **kwargs)


app = _Ceo(
    # Plain help: Typer's rich one loads a Markdown parser and takes longer than everything else together.
    name="ceo", no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None,
    help="Agente-CEO: a CEO agent for paid media and WhatsApp sales. Every effect on the world passes one gate.", epilog=EXITS,
)  # fmt: skip
config_app = typer.Typer(no_args_is_help=True, help="The operator's file and the environment.")
db_app = typer.Typer(no_args_is_help=True, help="The embedded database.")
user_app = typer.Typer(no_args_is_help=True, help="Accounts of the cockpit.")
dead_app = typer.Typer(no_args_is_help=True, help="Webhooks that could not be processed.")
for name, sub in (
    ("config", config_app), ("db", db_app), ("approvals", cli_approvals.approvals_app), ("audit", cli_record.audit_app), ("dead-letters", dead_app),
    ("user", user_app), ("policy", cli_record.policy_app), ("autonomy", cli_autonomy.autonomy_app),
    ("rates", cli_rates.rates_app), ("blacklist", cli_blacklist.blacklist_app),
):  # fmt: skip
    app.add_typer(sub, name=name)


@app.callback()
def options(debug: Annotated[bool, typer.Option("--debug", help="Show the whole trace of an unexpected error.")] = False) -> None:
    show_traces(debug)


# -- running ------------------------------------------------------------------------------------------------------------------


@app.command()
def demo(
    days: Annotated[float | None, typer.Option(min=0.1, help="Simulated days to run through; default 3, then live.")] = None,
    exit_: Annotated[bool, typer.Option("--exit", help="End by itself after the days, with the figures.")] = False,
    as_json: Json = False,
    seed: Annotated[int, typer.Option(help="The same seed tells the same story.")] = 7,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Cockpit's port; 0 takes a free one.")] = 8000,
    speed: Annotated[float, typer.Option(min=1, help="Simulated seconds per real second once it runs live.")] = 120.0,
    keep: Annotated[Path | None, typer.Option(help="Leave database and files in this new folder when it ends.")] = None,
    config: File = None,
) -> None:
    """The whole product against a local sandbox, in simulated time, without any account or key."""
    with plainly(as_json):
        if as_json and not exit_:
            raise bad("--json prints one object at the end; use it together with --exit")
        from runtime import demo as house_demo

        file = config or load_secrets().ceo_config
        code = house_demo.run(
            days=days, exit_=exit_, as_json=as_json, seed=seed, port=port, config=file, speed=speed, keep=keep
        )  # fmt: skip
        if keep is not None and not as_json:
            say(f"Kept in {keep}. Look into it with, for example: CEO_DATA_DIR={keep} ceo replay --all")
        raise typer.Exit(code)


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on. Behind a proxy: 127.0.0.1.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = 8000,
    config: File = None,
) -> None:
    """Web application (cockpit, webhooks, AgentOS) and durable engine in one process. Ctrl-C stops it cleanly."""
    with plainly():
        settings = load_settings(config)
        set_up_logging(settings)
        settings.secrets.need("ceo_secret_key")
        import asyncio

        from runtime import main

        asyncio.run(main.serve(settings, host=host, port=port))


@app.command()
def worker(config: File = None) -> None:
    """Durable engine only: run as many as wanted, on any machine that reaches the database."""
    with plainly():
        settings = load_settings(config)
        set_up_logging(settings)
        import asyncio

        from runtime import main

        asyncio.run(main.worker(settings))


@app.command()
def sandbox(
    host: Annotated[str, typer.Option()] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 0,
    seed: Annotated[int, typer.Option()] = 7,
    personas: Annotated[bool, typer.Option(help="Leads that write by themselves.")] = True,
) -> None:
    """Local twins of the outside services on a port of their own; prints {"port", "url"} once they answer."""
    with plainly():
        import asyncio

        from runtime.sandbox.app import create_sandbox
        from runtime.sandbox.serve import serve_process

        asyncio.run(serve_process(create_sandbox(seed, personas=personas), host, port, announce=True))


@app.command()
def backtest(
    file: Annotated[Path, typer.Argument(help="CSV of daily figures, as exported from Meta, Google, TikTok or a spreadsheet.")],
    as_json: Json = False,
    strategy: Annotated[str, typer.Option(help="thresholds, framework or bayes.")] = "bayes",
    margin: Annotated[float, typer.Option(help="Contribution share of revenue, above 0 and up to 1.")] = 0.4,
    currency: Annotated[str | None, typer.Option(help="ISO code, when the file does not name it.")] = None,
) -> None:
    """What the engine would have decided on your own past figures, day by day, and what that would have been worth."""
    with plainly(as_json):
        from runtime.backtest import run

        if not as_json:
            say("reading the file and walking through its days …")
        raise typer.Exit(run(file, as_json=as_json, strategy=strategy, margin=margin, currency=currency))


# -- database -----------------------------------------------------------------------------------------------------------------


@app.command()
def migrate(
    as_json: Json = False,
    check: Annotated[bool, typer.Option("--check", help="Only say what is pending; 1 when something is.")] = False,
) -> None:
    """Brings the database's schema up to date (embedded one, or DATABASE_URL)."""
    with plainly(as_json):
        from runtime import cli_database

        with busy("looking at the database", as_json):
            files = cli_database.migrate(load_secrets(), check=check)
        if as_json:
            print_json({"pending" if check else "applied": files})
        else:
            word = "pending" if check else "applied"
            typer.echo("\n".join([f"{word}: {name}" for name in files]) if files else "The schema is up to date.")
        raise typer.Exit(NO if check and files else OK)


@db_app.command("stop")
def db_stop(as_json: Json = False) -> None:
    """Stops the embedded Postgres of CEO_DATA_DIR, whoever uses it."""
    with plainly(as_json):
        from runtime.db.embedded import stop

        stopped = stop(load_secrets().ceo_data_dir / "postgres")
        if as_json:
            print_json({"stopped": stopped})
        else:
            typer.echo("Stopped." if stopped else "It was not running.")


# -- checking -----------------------------------------------------------------------------------------------------------------


@config_app.command("check")
def config_check(
    context: typer.Context,
    as_json: Json = False,
    locale: Annotated[str | None, typer.Option(help="pt-BR or en; default: the file's.")] = None,
    dials: Annotated[bool, typer.Option(help="List every dial with its meaning.")] = True,
    config: File = None,
    cache: Annotated[bool, typer.Option(help="Answer from the last check when nothing it depends on has changed.")] = True,
) -> None:
    """Reads the configuration strictly, explains every dial and prints the policy in sentences."""
    with plainly(as_json):
        from runtime import config_check as checking

        answer = checking.answer(config, locale, now=now(), keep=cache, code=context.obj)
        raise typer.Exit(_tell(answer, as_json=as_json, dials=dials))


def _answered(options: list[str], code: str) -> int | None:
    """Exit code of `ceo config check` told from its cache; None when it must be worked out, or something else was asked.

    Typer itself parses options with models that cost more than everything else here, so that the few of this command are read
    by hand; anything unusual is left to Typer.
    """
    given: dict[str, str | None] = {"--config": None, "--locale": None}
    flags = {"--json": False, "--dials": True}
    rest = iter(options)
    for word in rest:
        name, equals, value = word.partition("=")
        if name in given:
            value = value if equals else next(rest, "")
            if not value or value.startswith("-"):
                return None
            given[name] = str(Path(value)) if name == "--config" else value
        elif word in flags:
            flags[word] = True
        elif word == "--no-dials":
            flags["--dials"] = False
        else:
            return None
    from runtime import check_cache

    answer = check_cache.load(check_cache.Ask(given["--config"], given["--locale"]), now(), code)
    if answer is None:
        return None
    try:
        return _tell(answer, as_json=flags["--json"], dials=flags["--dials"])
    except typer.Exit as ended:
        return ended.exit_code
    except BrokenPipeError:  # as in plainly(): the reader has seen enough
        return OK


def _tell(answer: Answer, *, as_json: bool, dials: bool) -> int:
    """Prints the answer of `ceo config check`; its exit code."""
    report = answer.report
    if report is None:
        fail(BAD_INPUT, answer.problems, as_json)
    if as_json:
        print_json(report.as_dict())
    else:
        from runtime.check_report import show

        show(report, with_dials=dials)
    return BAD_INPUT if report.problems else OK


@config_app.command("env-example")
def config_env_example() -> None:
    """Every environment variable with its purpose: the text of .env.example."""
    with plainly():
        from runtime.settings import env_example

        typer.echo(env_example(), nl=False)


@app.command()
def doctor(as_json: Json = False, config: File = None) -> None:
    """Checks configuration, database, models and every configured vendor, and says how to mend what is broken."""
    with plainly(as_json):
        from runtime import cli_doctor

        hush()
        with busy("checking", as_json):
            checks = cli_doctor.examine(lambda: load_settings(config), load_secrets())
        if as_json:
            print_json({"ok": all(c.ok for c in checks), "checks": [c.as_dict() for c in checks]})
        else:
            cli_doctor.show(checks)
        raise typer.Exit(cli_doctor.exit_code(checks))


# -- the gate, from the terminal ----------------------------------------------------------------------------------------------


app.command("undo")(cli_approvals.undo)


@app.command()
def kill(
    scope: Annotated[str, typer.Argument(help="all, platform, campaign, agent or conversation.")] = "all",
    target: Annotated[str | None, typer.Argument(help="Which one; not for all.", callback=cleaned)] = None,
    reason: Annotated[str, typer.Option("--reason", callback=cleaned)] = STOPPED,
    as_json: Json = False,
    config: File = None,
) -> None:
    """Stops every write in a scope, at once, even when the configuration is broken. Pausing campaigns stays possible."""
    with plainly(as_json):
        from runtime import cli_gate

        if scope not in cli_gate.SCOPES:
            raise bad(f"scope {scope!r} is unknown; one of {', '.join(cli_gate.SCOPES)}")
        if (scope == "all") != (target is None):
            raise bad("`all` takes no target" if scope == "all" else f"name the {scope}: ceo kill {scope} TARGET")
        finish(cli_gate.kill(load_for_stop(config), scope, target, reason.strip() or STOPPED), as_json)


@app.command()
def resume(
    kill_id: Annotated[str | None, typer.Argument(help="One stop (see `ceo resume` without it when there are several).")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Lift every stop.")] = False,
    as_json: Json = False,
    config: File = None,
) -> None:
    """Lifts a stop set by `ceo kill` or in the cockpit. What it cancelled must be proposed anew."""
    with plainly(as_json):
        from runtime import cli_gate

        finish(cli_gate.resume(load_for_stop(config), kill_id, everything=everything), as_json)


user_app.command("token")(cli_approvals.user_token)


@user_app.command("add")
def user_add(
    email: Annotated[str, typer.Argument(help="Signs in with this address.")],
    role: Annotated[str, typer.Option(help="viewer sees, manager decides, admin too.")] = "manager",
    password: Annotated[str, typer.Option(prompt=True, confirmation_prompt=True, hide_input=True)] = "",
    as_json: Json = False,
    config: File = None,
) -> None:
    """Makes an account of the cockpit, or gives an existing one a new password and role."""
    with plainly(as_json):
        from runtime import cli_users
        from runtime.cli_gate import SystemClock

        cli_users.put(load_settings(config), email.strip().lower(), role, password, SystemClock())
        print_json({"email": email, "role": role}) if as_json else typer.echo(f"{email} may sign in as {role}")


app.command()(cli_record.replay)


@dead_app.command("list")
def dead_letters_list(as_json: Json = False, config: File = None) -> None:
    """Deliveries that failed for good, newest first, with the reason."""
    with plainly(as_json):
        from runtime import cli_gate

        rows = cli_gate.dead_letters(load_settings(config))
        print_json({"dead_letters": rows}) if as_json else cli_gate.show_dead(rows)


@dead_app.command("replay")
def dead_letters_replay(event_id: str, as_json: Json = False, config: File = None) -> None:
    """Puts one back in line; a running `ceo serve` or `ceo worker` takes it from there."""
    with plainly(as_json):
        from runtime import cli_gate

        queued = cli_gate.replay(load_settings(config), event_id)
        if as_json:
            print_json({"event_id": event_id, "queued": queued})
        else:
            typer.echo("Back in line." if queued else "There is no dead letter with this id.", err=not queued)
        raise typer.Exit(OK if queued else NO)


if __name__ == "__main__":
    app(prog_name="ceo")
