"""What `ceo demo` shows on a terminal."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.table import Table


def narrator() -> Any:
    """A function say(event, **facts) that prints the story as it happens."""
    console = Console()

    def say(event: str, **facts: Any) -> None:
        match event:
            case "start":
                console.print("[bold]Agente-CEO[/] · demo: the whole product against a local sandbox, no credential needed")
                console.print("  starting Postgres, the sandbox, the house …")
            case "up":
                on = facts["on"]
                console.print(f"  up. Cockpit: [link={on.url}/cockpit/]{on.url}/cockpit/[/]  ({_who(on)})")
                console.print("  fast-forward: simulated days go by; a simulated director approves what the rules let her\n")
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


def _line(facts: dict[str, Any]) -> str:
    f = facts["figures"]
    moment = facts["on"].clock.now() - timedelta(hours=3)
    roas = "—" if f["roas"] is None else f"{f['roas']:.2f}"
    return (
        f"  {moment:%a %d %b %H:%M}  campaigns {f['campaigns']:>2} · spend R$ {f['spend']:>8.2f} · ROAS {roas:>5} · "
        f"decisions {f['decisions']:>2} · actions {f['actions']['executed']:>3} done, {f['actions']['asked']} asked, "
        f"{f['actions']['refused']} refused · leads {f['leads']:>2} · messages {f['messages_in']}/{f['messages_out']} · "
        f"handovers {f['takeovers']}"
    )


def _live(on: Any, speed: float) -> Panel:
    from runtime.main import dev_token

    token = dev_token(on.house)
    return Panel(
        f"Cockpit    [bold]{on.url}/cockpit/[/]\n"
        f"Sign in    [bold]gestor@demo.local[/] (manager) or [bold]diretora@demo.local[/] (admin), password [bold]{on.password}[/]\n"
        f"AgentOS    {on.url}/teams  with  Authorization: Bearer <token>\n"
        f"Sandbox    {on.sandbox_url}/_sandbox/book   what really happened there\n\n"
        f"From now on you are the manager: requests wait for you. Time runs {speed:.0f}x. Ctrl-C stops everything.\n\n"
        f"[dim]development token[/]\n[dim]{token}[/]",
        title="running",
    )


def _end(figures: dict[str, Any]) -> Table:
    table = Table(title="What happened", show_header=False)
    for name, value in figures.items():
        shown = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else str(value)
        table.add_row(name, shown)
    return table
