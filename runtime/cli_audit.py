"""The record from the terminal: is it whole, take it elsewhere, make every decision again, ask what another policy would have said.

Reads only (but for the file it is told to write), in one snapshot of the database, row by row.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from knowledge.domain.chain import Anchor, Break
from knowledge.domain.message import Message
from prompts.messages import render
from runtime import anchors
from runtime.cli_database import database
from runtime.settings import ConfigError, Settings

if TYPE_CHECKING:
    from knowledge.domain.action import Action
    from knowledge.domain.facts import Facts
    from knowledge.domain.policy import Policy
    from runtime.db.audit_reads import Snapshot
    from tools.replay import Changed, Replayed

SHOWN = 50
"""Differences that are kept and shown; all of them are counted."""
T = TypeVar("T")


def _run(settings: Settings, errand: Callable[[Snapshot], Awaitable[T]]) -> T:
    """Raises ConfigError when migrations are pending."""
    from runtime.db.audit_reads import snapshot
    from runtime.db.migrate import pending

    async def run(url: str) -> T:
        if waiting := await asyncio.to_thread(pending, url):
            raise ConfigError([f"the database lacks {len(waiting)} migrations (first: {waiting[0]}); run `ceo migrate`"])
        async with snapshot(url) as conn:
            return await errand(conn)

    with database(settings.secrets) as url:
        return asyncio.run(run(url))


def say(settings: Settings, message_id: str, **params: Any) -> str:
    """A sentence in the operator's language."""
    return render(Message(id=message_id, params=params), settings.operator.locale, settings.operator.time_zone)


# -- the chain --------------------------------------------------------------------------------------------------------------------


def verify(settings: Settings, *, against: Path | None, anchor: str | None) -> dict[str, Any]:
    """Recomputes the chain and compares it with the anchors of the data folder (or of another file), and with one given; then
    compares what is kept beside it (facts, verdicts, policies, decisions) with what the chain says of it."""
    from runtime.db import audit_reads
    from tools.replay import decision_problem, problem_of

    known = _anchors(settings, against, anchor)

    async def errand(conn: Snapshot) -> dict[str, Any]:
        rows, broken = await audit_reads.walk(conn, known)
        gaps = await audit_reads.gaps(conn)
        seq, digest = await audit_reads.head(conn)
        untold = gaps.judgements_untold + gaps.decisions_untold
        if broken is None and untold:
            broken = Break(seq + 1, "cut", "untold")
        missing = None
        if broken is None and gaps.decisions_missing:
            missing = say(settings, "audit.decisions_missing", count=gaps.decisions_missing)
        beside: str | None = None
        if broken is None:
            async for kept in audit_reads.judgements(conn):
                if (found := problem_of(kept)) is not None:
                    broken, beside = Break(kept.seq, "payload"), say(settings, f"replay.problem.{found}")
                    break
        if broken is None:
            async for decision in audit_reads.decisions(conn):
                if (found := decision_problem(decision)) is not None:
                    broken, beside = Break(decision.seq or 0, "payload", decision.id), say(settings, f"replay.problem.{found}")
                    break
        if broken is None:
            problem = missing
        elif beside is None:
            problem = _problem(settings, broken, untold)
        else:
            problem = say(settings, "audit.beside", seq=broken.seq, what=beside)
        return {
            "ok": problem is None,
            "rows": rows,
            "head": {"seq": seq, "hash": digest},
            "anchors": len(known),
            "first_bad_seq": broken.seq if broken else None,
            "untold": untold,
            "problem": problem,
        }

    return _run(settings, errand)


def verify_file(settings: Settings, file: Path, *, against: Path | None, anchor: str | None) -> dict[str, Any]:
    """Checks an export without any database."""
    from knowledge.domain.audit_file import check

    known = _anchors(settings, against, anchor)
    try:
        with file.open("rb") as source:
            found = check(source, known)
    except OSError as error:
        raise ConfigError([f"{file}: {error.strerror or error}; name a file written by `ceo audit export`"]) from None
    return {
        "ok": found.broken is None,
        "file": str(file),
        "rows": found.rows,
        "kinds": found.kinds,
        "complete": found.head is not None and found.head.kind is None,
        "head": {"seq": found.head.last, "hash": found.head.last_hash} if found.head else None,
        "anchors": len(known),
        "first_bad_line": found.broken.line if found.broken else None,
        "first_bad_seq": found.broken.seq if found.broken else None,
        "problem": _problem(settings, found.broken, 0) if found.broken else None,
    }


def _anchors(settings: Settings, against: Path | None, given: str | None) -> list[Anchor]:
    if against is not None and not against.exists():
        raise ConfigError([f"{against}: no such file; `ceo audit anchor` writes one into the data folder"])
    file = against or anchors.place(settings.secrets.ceo_data_dir)
    try:
        known = anchors.read(file)
    except OSError as error:
        raise ConfigError([f"--anchors {file}: cannot be read: {error.strerror}; name a file of `ceo audit anchor`"]) from None
    if given is not None:
        seq, digest = anchors.parse(given)
        known.append(Anchor(datetime.min.replace(tzinfo=UTC), seq, digest))
    return known


def _problem(settings: Settings, broken: Break, untold: int) -> str:
    if broken.detail == "untold":
        return say(settings, "audit.untold", count=untold, seq=broken.seq)
    where = say(settings, f"audit.fault.{broken.fault}", seq=broken.seq, detail=broken.detail)
    return where if broken.line is None else say(settings, "audit.line", line=broken.line, what=where)


def write_anchor(settings: Settings, now: datetime) -> dict[str, Any]:
    """Writes the head of the chain into the data folder, once the whole chain up to it was found in order."""
    from runtime.db import audit_reads

    file = anchors.place(settings.secrets.ceo_data_dir)
    known = anchors.read(file)

    async def errand(conn: Snapshot) -> dict[str, Any]:
        _, broken = await audit_reads.walk(conn, known)
        if broken is not None:  # an anchor of a broken chain would make the break the new truth
            return {"ok": False, "first_bad_seq": broken.seq, "problem": _problem(settings, broken, 0)}
        seq, digest = await audit_reads.head(conn)
        anchors.add(file, Anchor(now, seq, digest))
        return {"ok": True, "seq": seq, "hash": digest, "anchor": f"{seq}:{digest}", "file": str(file)}

    return _run(settings, errand)


def export(
    settings: Settings,
    file: Path,
    *,
    since: datetime | None,
    until: datetime | None,
    kind: str | None,
    force: bool,
    now: datetime,
) -> dict[str, Any]:
    """Writes rows as JSON lines. A window is the unbroken stretch from its first row to its last; `kind` picks rows of it."""
    from knowledge.domain.audit_file import Head, Seal, head_line
    from runtime.db import audit_reads

    if file.exists() and not force:
        raise ConfigError([f"{file}: exists already; choose another name, or overwrite it with --force"])

    async def errand(conn: Snapshot) -> dict[str, Any]:
        first, prev, last, digest = await audit_reads.stretch(conn, since=since, until=until)
        head = Head(first, prev, last, digest, now, kind=kind, until=until)
        beginning = head_line(head)
        seal, count = Seal(beginning), 0
        part = file.with_name(file.name + ".part")
        with part.open("w", encoding="utf-8", newline="\n") as out:
            out.write(beginning + "\n")
            async for row in audit_reads.rows(conn, first=first, last=last, kind=kind):
                out.write(seal.add(row) + "\n")
                count += 1
            out.write(seal.line() + "\n")
            out.flush()
            os.fsync(out.fileno())
        os.replace(part, file)
        return {"file": str(file), "rows": count, "from": first, "to": last, "anchor": f"{last}:{digest}", "complete": kind is None}

    try:
        return _run(settings, errand)
    except OSError as error:
        if error.filename is None or Path(error.filename).parent != file.parent:
            raise
        remedy = "name a file in a folder that exists and may be written to"
        raise ConfigError([f"{file}: cannot be written: {error.strerror}; {remedy}"]) from None


# -- replay -----------------------------------------------------------------------------------------------------------------------


@dataclass
class Tally:
    """What a replay of many found; differences beyond the first few are only counted."""

    judged: int = 0
    decided: int = 0
    identical: int = 0
    problems: Counter[str] = field(default_factory=Counter[str])
    different: int = 0
    older_law: int = 0
    shown: list[Replayed] = field(default_factory=list["Replayed"])

    def take(self, one: Replayed) -> None:
        self.identical += one.identical
        self.older_law += one.identical and one.other_law
        if one.identical:
            return
        if one.problem:
            self.problems[one.problem] += 1
        else:
            self.different += 1
        if len(self.shown) < SHOWN:
            self.shown.append(one)

    def as_dict(self) -> dict[str, Any]:
        return {
            "ok": self.identical == self.judged + self.decided,
            "judgements": self.judged,
            "decisions": self.decided,
            "identical": self.identical,
            "by_older_law": self.older_law,
            "different": self.different,
            "not_replayable": dict(self.problems),
            "differences": [one.as_dict() for one in self.shown],
        }


def replay(settings: Settings, wanted: str | None) -> dict[str, Any]:
    """Makes one decision again (an action's judgements, or a decision of the optimizer), or all of them."""
    from runtime.db import audit_reads
    from runtime.db.judgements import law
    from tools.replay import replay_decision, replay_judgement

    one = None if wanted is None else _id(wanted)

    async def errand(conn: Snapshot) -> dict[str, Any]:
        tally, edition = Tally(), law()
        async for kept in audit_reads.judgements(conn, action_id=one):
            tally.judged += 1
            tally.take(replay_judgement(kept, law=edition))
        async for decision in audit_reads.decisions(conn, decision_id=one):
            tally.decided += 1
            tally.take(replay_decision(decision))
        if one is not None:
            if tally.judged + tally.decided == 0:
                where = "copy one from the cockpit or from `ceo audit export`, or say --all"
                raise ConfigError([f"{one} is neither an action nor a decision of the record; {where}"])
            return tally.as_dict() | {"id": one}
        gaps = await audit_reads.gaps(conn)
        found = tally.as_dict()
        return found | {
            "ok": found["ok"] and not gaps.any,
            "without_record": {
                "actions": gaps.actions_without_judgement,
                "judgements": gaps.judgements_untold,
                "decisions": gaps.decisions_untold + gaps.decisions_missing,
            },
        }

    return _run(settings, errand)


def _id(value: str) -> str:
    import uuid

    try:
        return str(uuid.UUID(value))
    except ValueError:
        raise ConfigError([f"{value!r} is not an id; copy it from the cockpit or from `ceo audit export`"]) from None


# -- another policy ---------------------------------------------------------------------------------------------------------------


def policy_diff(settings: Settings, new: Policy, days: float, now: datetime) -> dict[str, Any]:
    """What another policy would have answered to what was judged in the last days, on the facts as they were then.

    The days are counted back from the newest row, so that the books of a demo, whose clock runs by itself, are found too.
    """
    from pydantic import ValidationError

    from runtime.db import audit_reads
    from runtime.jobs.history import optimizer_policy
    from tools.replay import FACT_DIALS, ROOM_DIALS, dials_apart, moves_changed, under

    async def errand(conn: Snapshot) -> dict[str, Any]:
        end = await audit_reads.newest(conn) or now
        since = end - timedelta(days=days)
        judged = changed_judgements = unreadable = 0
        actions = set[str]()
        policies = set[str]()
        first: dict[str, Changed] = {}
        async for kept in audit_reads.judgements(conn, since=since):
            judged += 1
            try:
                changed = under(kept, new)
            except (ValueError, KeyError, ValidationError):
                unreadable += 1
                continue
            actions.add(kept.action_id or "")
            policies.add(kept.policy_text or "")
            if changed is not None:
                changed_judgements += 1
                first.setdefault(changed.action_id, changed)
        rounds = rounds_changed = 0
        dials = optimizer_policy(new)
        moved: list[dict[str, Any]] = []
        async for decision in audit_reads.decisions(conn, since=since):
            rounds += 1
            policies.add(decision.policy_text or "")
            try:
                differing = moves_changed(decision, new, dials)
            except (ValueError, KeyError, ValidationError):
                unreadable += 1
                continue
            if differing:
                rounds_changed += 1
                if len(moved) < SHOWN:
                    moved.append({"decision_id": decision.id, "at": decision.at.isoformat(), "moves": differing})
        apart = {
            note: sorted({dial for kept in policies if kept for dial in dials_apart(kept, new, dials)})
            for note, dials in (("facts", FACT_DIALS), ("rooms", ROOM_DIALS if rounds else ()))
        }
        ways = Counter(f"{c.old}->{c.new}" for c in first.values())
        return {
            "policy_version": new.version,
            "since": since.isoformat(),
            "until": end.isoformat(),
            "judgements": judged,
            "actions": len(actions),
            "changed": len(first),
            "changed_judgements": changed_judgements,
            "ways": dict(sorted(ways.items())),
            "decisions": [_changed(settings, c) for c in first.values()],
            "optimizer": {"rounds": rounds, "changed": rounds_changed, "differences": moved},
            "unreadable": unreadable,
            "notes": [
                say(settings, "policy_diff.note.each_alone"),
                *(say(settings, f"policy_diff.note.{n}", dials=", ".join(found)) for n, found in apart.items() if found),
            ],
        }

    return _run(settings, errand)


def _changed(settings: Settings, changed: Changed) -> dict[str, Any]:
    return {
        "action_id": changed.action_id,
        "seq": changed.seq,
        "at": changed.at.isoformat(),
        "action": action_in_words(settings, changed.action, changed.facts),
        "kind": changed.action.kind,
        "old": changed.old,
        "new": changed.new,
        "stricter": changed.stricter,
        "because": [
            {
                "rule": f.rule,
                "words": render(f.message, settings.operator.locale, settings.operator.time_zone),
                "numbers": _plain(f.numbers),
            }
            for f in changed.because
        ],
    }


def _plain(numbers: dict[str, Any]) -> Any:
    import json

    from knowledge.domain.chain import canonical

    return json.loads(canonical(numbers))


def action_in_words(settings: Settings, action: Action, facts: Facts) -> str:
    """What an action does, for a person who reads a list of them."""
    from knowledge.domain.action import CAMPAIGN

    if not isinstance(action, CAMPAIGN):
        return say(settings, "act.message.send" if action.kind == "message.send" else "act.other", kind=action.kind)
    campaign = facts.campaign
    platform = say(settings, f"platform.{action.platform}")
    suffix = f" · {platform}"  # the house's own campaigns carry it in their name
    name: str = getattr(action, "name", None) or (campaign.name if campaign else action.campaign_id)
    return say(
        settings,
        f"act.{action.kind}",
        name=name[: -len(suffix)] if name.casefold().endswith(suffix.casefold()) else name,
        platform=platform,
        before=campaign.budget_at_platform if campaign else None,
        after=getattr(action, "daily_budget", None),
    )
