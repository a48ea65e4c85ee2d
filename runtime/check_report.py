"""What `ceo config check` says, as facts, and how a terminal or a machine gets to see it. Imports nothing heavy: an answer from
the cache passes through here as well."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Report:
    """Everything that `ceo config check` says. `problems` is empty when the configuration can run."""

    file: str
    locale: str
    title: str
    policy_version: str
    policy: list[dict[str, Any]]
    dials: list[dict[str, str]]
    vendors: list[dict[str, Any]]
    models: list[dict[str, Any]]
    schedules: list[dict[str, Any]]
    problems: list[str] = field(default_factory=list[str])
    notes: list[str] = field(default_factory=list[str])
    headings: dict[str, str] = field(default_factory=dict[str, str])

    def as_dict(self) -> dict[str, Any]:
        """For machines: the same facts without the headings."""
        found = asdict(self)
        del found["headings"], found["title"]
        return {"ok": not self.problems} | found

    def at(self, now: datetime, fires: dict[str, list[tuple[str, str]]]) -> Report:
        """The same report told at another moment; `fires` holds (moment in ISO 8601, words) of each schedule's coming runs, in
        order. Raises LookupError when they do not reach beyond `now`."""
        rows: list[dict[str, Any]] = []
        for row in self.schedules:
            if row["next"] is None:
                rows.append(row)
                continue
            following = [fire for fire in fires[row["schedule"]] if datetime.fromisoformat(fire[0]) > now]
            if not following:
                raise LookupError(row["schedule"])
            rows.append({**row, "next": following[0][0], "words": following[0][1]})
        return replace(self, schedules=rows)


def show(report: Report, *, with_dials: bool) -> None:
    """The report on a terminal, in aligned columns that fold. Written without rich: loading it would double the command's time."""
    from shutil import get_terminal_size
    from textwrap import wrap

    from typer import echo, style

    width = max(60, min(get_terminal_size().columns, 160))

    def table(heading: str, rows: list[list[str]]) -> None:
        echo("\n" + style(report.headings[heading], bold=True))
        if not rows:
            return
        last = len(rows[0]) - 1
        widths = [min(max(len(row[n]) for row in rows), 52 if n == 0 else 34) for n in range(last)]
        rest = width - sum(widths) - 2 * last - 2
        if rest < 30:  # no room beside each other: what it means goes below what it is
            for row in rows:
                echo("  " + "  ".join(row[:-1]).rstrip())
                for line in wrap(row[last], width - 6):
                    echo("      " + line)
            return
        for row in rows:
            cells = [wrap(row[n], (*widths, rest)[n]) or [""] for n in range(last + 1)]
            for line in range(max(map(len, cells))):
                parts = [cells[n][line] if line < len(cells[n]) else "" for n in range(last + 1)]
                echo("  " + "  ".join([part.ljust(widths[n]) for n, part in enumerate(parts[:-1])] + parts[-1:]).rstrip())

    echo(style(report.title, fg="green", bold=True))
    table("policy", [["•", line["sentence"]] for line in report.policy])
    if with_dials:
        table("dials", [[d["dial"], d["value"], d["meaning"]] for d in report.dials])
    table("vendors", [[v["vendor"], v["words"]] for v in report.vendors])
    table("models", [[m["agent"], m["model"], m["words"]] for m in report.models])
    table("schedules", [[s["schedule"], s["cron"] or "–", s["words"], s["does"]] for s in report.schedules])
    for note in report.notes:
        echo("\n" + style(note, fg="yellow"))
    for problem in report.problems:
        echo(style("✗ ", fg="red", bold=True) + problem, err=True)
