"""The answer of a backtest, for people (rich tables) and for machines (one JSON object)."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from runtime.backtest.reading import Export, Unusable, read_export
from runtime.backtest.walk import Walk, walk

OK, UNUSABLE = 0, 2
SHOWN_BAD = 20


def run(
    path: Path,
    *,
    as_json: bool,
    strategy: str = "bayes",
    policy: dict[str, Any] | None = None,
    console: Console | None = None,
    margin: float = 0.4,
    currency: str | None = None,
) -> int:
    """Backtests one exported file and prints the result to `console` (with `as_json`: one JSON object to standard output).

    `policy` holds guardrails as `tools.optimizer.decide` knows them (None: the house's shares, the account's own spend as
    cap); `margin` is the contribution share of revenue (0-1]; `currency` an ISO code that overrides the file's.
    Returns 0, or 2 when the input cannot be used (the message says what is missing).
    """
    console = console or Console()
    try:
        if not 0 < margin <= 1:
            raise Unusable(f"margin {margin:g}: expected a share of revenue above 0 and up to 1, for example 0.4.")
        export = read_export(path)
        if currency:
            export.currency = currency.upper()
        result = walk(export, strategy=strategy, policy=policy, margin=margin)
    except (OSError, ValueError) as error:
        message = f"{path}: {error.strerror or error}" if isinstance(error, OSError) else str(error)
        if as_json:
            _print_json({"file": path.name, "error": message})
        else:
            console.print(f"[bold red]Backtest not possible.[/] {escape(message)}", soft_wrap=True)
        return UNUSABLE
    document = report(path, export, result, strategy)
    if as_json:
        _print_json(document)
    else:
        _show(console, document)
    return OK


def report(path: Path, export: Export, result: Walk, strategy: str) -> dict[str, Any]:
    """The whole answer as one JSON-ready object."""
    return {
        "file": path.name,
        "rows": {"read": export.read, "used": len(export.rows), "bad": [asdict(bad) for bad in export.bad]},
        "columns": export.columns.mapping,
        "currency": export.currency,
        "strategy": strategy,
        "policy": result.policy,
        "days": result.days,
        "decisions": result.decisions,
        "totals": result.totals,
        "caveats": result.caveats,
    }


def _print_json(document: dict[str, Any]) -> None:
    # Plain standard output: a console would wrap and colour what a program is going to parse.
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False) + "\n")
    sys.stdout.flush()


def _amount(value: float | None) -> str:
    return "unknown" if value is None else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.2f}"


def _show(console: Console, document: dict[str, Any]) -> None:
    rows, days, totals = document["rows"], document["days"], document["totals"]
    unit = document["currency"] or "file units"
    console.print(
        f"[bold]{escape(document['file'])}[/]: {rows['used']} of {rows['read']} rows used, {days['campaigns']} campaigns, "
        f"{days['count']} days ({days['first']} to {days['last']}), strategy {document['strategy']}, amounts in {unit}"
    )
    console.print("Columns: " + escape(", ".join(f"{name} = {header}" for name, header in document["columns"].items())))
    if rows["bad"]:
        bad = Table(title=f"Rows left out ({len(rows['bad'])})", title_justify="left")
        for heading in ("line", "column", "value", "reason"):
            bad.add_column(heading)
        for entry in rows["bad"][:SHOWN_BAD]:
            bad.add_row(str(entry["line"]), *(escape(str(entry[k] or "")) for k in ("column", "value", "reason")))
        console.print(bad)
        if len(rows["bad"]) > SHOWN_BAD:
            console.print(f"... and {len(rows['bad']) - SHOWN_BAD} more; --json lists every one.")
    table = Table(title=f"Decisions ({len(document['decisions'])})", title_justify="left", show_lines=False)
    for heading in ("day", "campaign", "action", "reason"):
        table.add_column(heading, overflow="fold")
    for heading in ("sure", f"worth later ({unit})", "90 % interval"):
        table.add_column(heading, justify="right")
    for decision in document["decisions"]:
        effect = decision["effect"]
        worth = _amount(effect["estimate"])
        colour = "" if effect["estimate"] is None else "green" if effect["estimate"] > 0 else "red"
        table.add_row(
            decision["day"],
            escape(decision["campaign"]),
            decision["action"] + ("\n(approval)" if decision["needs_approval"] else ""),
            escape(decision["reason"]),
            f"{100 * decision['confidence']:.0f} %",
            f"[{colour}]{worth}[/]" if colour else worth,
            "" if effect["low"] is None else f"{_amount(effect['low'])} to {_amount(effect['high'])}",
        )
    console.print(table)
    effect = totals["effect"]
    console.print(
        f"[bold]All together[/]: {_amount(effect['estimate'])} {unit} more profit than the budgets as they were "
        f"(90 % interval {_amount(effect['low'])} to {_amount(effect['high'])}); observed profit "
        f"{_amount(totals['observed']['profit'])}, spend {_amount(totals['observed']['spend'])} → "
        f"{_amount(totals['with_decisions']['spend'])}. {totals['decisions_that_would_have_paid']} of "
        f"{totals['decisions_valued']} valued decisions would have paid."
    )
    console.print(f"Counterfactual: {escape(effect['basis'])}.")
    for caveat in document["caveats"]:
        console.print(f"- {escape(caveat)}", style="dim")
