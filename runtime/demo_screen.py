"""What `ceo demo` shows on a terminal."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text


def narrator() -> Any:
    """A function say(event, **facts) that prints the story as it happens."""
    console = Console(highlight=False)

    def say(event: str, **facts: Any) -> None:
        match event:
            case "start":
                console.print("[bold]Agente-CEO[/] demo: everything against a local sandbox, no credential needed")
                console.print("  starting Postgres, the sandbox, the house …")
            case "up":
                on = facts["on"]
                console.print(f"  up: {on.url}/cockpit/   {_who(on)}")
                console.print("  simulated days go by; a simulated director approves what the rules let her\n")
                console.print(f"[dim]{HEAD}[/]")
            case "hour":
                console.print(_line(facts))
            case "live":
                console.print(_live(facts["on"], facts["speed"]))
            case "end":
                console.print(_end(facts["figures"]))
            case "stop":
                console.print("\nstopping everything that was started …")
            case _:
                raise ValueError(f"the narrator knows no event {event!r}")

    return say


def _who(on: Any) -> str:
    return f"gestor@demo.local / {on.password}"


_COLUMNS = "  {:16} {:>8} {:>6} {:>10} {:>8} {:>6} {:>5} {:>6} {:>5}"
"""One line of a terminal of eighty columns."""
HEAD = _COLUMNS.format("when", "spent R$", "ROAS", "campaigns", "decided", "asked", "done", "leads", "talk")


def _line(facts: dict[str, Any]) -> str:
    f = facts["figures"]
    moment = facts["on"].clock.now().astimezone(ZoneInfo(facts["on"].house.policy().time_zone))
    roas = "—" if f["roas"] is None else f"{f['roas']:.2f}"
    asked, done = f["actions"]["asked"], f["actions"]["executed"]
    return _COLUMNS.format(
        f"{moment:%a %d %b %H:%M}", f"{f['spend']:.2f}", roas, f["campaigns"], f["decisions"], asked, done, f["leads"],
        f["messages_in"] + f["messages_out"],
    )  # fmt: skip


def _live(on: Any, speed: float) -> Group:
    from runtime.main import dev_token

    words = (
        f"Cockpit   [bold]{on.url}/cockpit/[/]\n"
        f"Sign in   [bold]gestor@demo.local[/] (manager)  diretora@demo.local (admin)\n"
        f"Password  [bold]{on.password}[/]\n"
        f"AgentOS   {on.url}/teams   Authorization: Bearer (token below)\n"
        f"Sandbox   {on.sandbox_url}/_sandbox/book   what really happened\n\n"
        f"From now on you are the manager: requests wait for you.\n"
        f"Time runs {speed:.0f}x. Ctrl-C stops everything that was started."
    )
    token = Text(dev_token(on.house), style="dim", no_wrap=False, overflow="fold")
    return Group(Panel(words, title="running", expand=False), Text("development token:", style="dim"), token)


def _end(figures: dict[str, Any]) -> Table:
    table = Table(title="What happened", show_header=False)
    for name, value in figures.items():
        shown = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else str(value)
        table.add_row(name, shown)
    return table
