"""Alerts, live events and schedule ticks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import RowMapping

from knowledge.domain.chain import Spelled
from knowledge.domain.message import Message
from runtime.db import wire
from runtime.db.repository import DEFAULT_WORKSPACE, Repository, as_json, as_text, is_id, new_id

Severity = Literal["info", "warning", "critical"]


@dataclass(frozen=True)
class AlertRecord:
    """An alert. One is open per cause; a cause that comes back after it was resolved opens a new one."""

    id: str
    workspace: str
    cause_key: str
    kind: str
    severity: Severity
    message: Message
    opened_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    resolved_at: datetime | None


@dataclass(frozen=True)
class LiveEvent:
    """Something that open cockpit pages want to know. Ids rise in the order in which errands committed."""

    id: int
    at: datetime
    kind: str
    payload: dict[str, Any]


class Alerts(Repository):
    """Table alerts."""

    async def open(
        self, cause_key: str, kind: str, severity: Severity, message: Message, *, at: datetime, workspace: str = DEFAULT_WORKSPACE
    ) -> AlertRecord | None:
        """Opens an alert and returns it; None when one is open for this cause already (nobody is told twice)."""
        row = await self.one(
            """insert into alerts (id, workspace, cause_key, kind, severity, message, opened_at)
               values (:id, :workspace, :cause, :kind, :severity, :message, :at)
               on conflict (workspace, cause_key) where resolved_at is null do nothing returning *""",
            id=new_id(), workspace=workspace, cause=cause_key, kind=kind, severity=severity, message=as_json(message), at=at,
        )  # fmt: skip
        return None if row is None else _alert(row)

    async def acknowledge(self, alert_id: str, by: str, *, at: datetime) -> bool:
        """Marks an open alert as seen by a person. False when it is not open or was seen already."""
        if not is_id(alert_id):
            return False
        return await self.once(
            """update alerts set acknowledged_at = :at, acknowledged_by = :by
               where id = :id and acknowledged_at is null and resolved_at is null""",
            id=alert_id, by=by, at=at,
        )  # fmt: skip

    async def resolve(self, cause_key: str, *, at: datetime, workspace: str = DEFAULT_WORKSPACE) -> bool:
        """Closes the open alert of a cause, if there is one."""
        return await self.once(
            "update alerts set resolved_at = :at where workspace = :workspace and cause_key = :cause and resolved_at is null",
            workspace=workspace, cause=cause_key, at=at,
        )  # fmt: skip

    async def list(self, *, only_open: bool = True, workspace: str = DEFAULT_WORKSPACE, limit: int = 200) -> list[AlertRecord]:
        """Newest first."""
        rows = await self.all(
            """select * from alerts where workspace = :workspace and (not cast(:only_open as boolean) or resolved_at is null)
               order by opened_at desc, id limit :limit""",
            workspace=workspace, only_open=only_open, limit=limit,
        )  # fmt: skip
        return [_alert(row) for row in rows]


class LiveEvents(Repository):
    """Table live_events. Events are numbered at commit (by a trigger), so that a page resuming after a number misses none;
    listeners are woken by NOTIFY on the channel `live_events` with the event's kind."""

    def __init__(self, connection: wire.Errand) -> None:
        super().__init__(connection)
        self._held: list[tuple[str, Any, datetime]] = []

    def publish(self, kind: str, payload: dict[str, Any] | Spelled, *, at: datetime) -> None:
        """Tells open pages, once and only if the errand commits. Costs no round trip here: `flush` writes. A payload may come as the
        text it has in the record."""
        self._held.append((kind, payload, at))

    async def add(self, kind: str, payload: dict[str, Any], *, at: datetime) -> None:
        """Like `publish`, written at once."""
        await self.run(
            "insert into live_events (at, kind, payload) values (:at, :kind, :payload)", at=at, kind=kind, payload=as_json(payload)
        )

    async def flush(self) -> None:
        """Writes what was published; the unit of work calls it last."""
        for kind, payload, at in self._held:
            values = {"at": at, "kind": kind, "payload": as_text(payload)}
            await wire.later(self.connection, "insert into live_events (at, kind, payload) values (:at, :kind, :payload)", values)
        self._held.clear()

    async def after(self, last_id: int, *, limit: int = 500) -> list[LiveEvent]:
        """What came after an event, in order."""
        rows = await self.all("select * from live_events where id > :id order by id limit :limit", id=last_id, limit=limit)
        return [LiveEvent(row["id"], row["at"], row["kind"], row["payload"]) for row in rows]

    async def last_id(self) -> int:
        """The newest event's id; 0 when there has been none."""
        row = await self.one("select coalesce(max(id), 0) as id from live_events")
        return 0 if row is None else row["id"]

    async def purge(self, before: datetime) -> int:
        return await self.run("delete from live_events where at < :before", before=before)


class ScheduleTicks(Repository):
    """Table schedule_ticks: one runner per tick."""

    async def claim(self, schedule: str, slot: datetime, workflow_id: str, *, at: datetime) -> bool:
        """True for the one caller that may run this tick."""
        return await self.once(
            """insert into schedule_ticks (schedule, slot, workflow_id, enqueued_at) values (:schedule, :slot, :workflow, :at)
               on conflict (schedule, slot) do nothing""",
            schedule=schedule, slot=slot, workflow=workflow_id, at=at,
        )  # fmt: skip

    async def finish(self, schedule: str, slot: datetime, result: Any, *, at: datetime) -> bool:
        """Closes a tick with what came of it."""
        return await self.once(
            "update schedule_ticks set finished_at = :at, result = :result where schedule = :schedule and slot = :slot",
            schedule=schedule, slot=slot, at=at, result=as_json(result),
        )  # fmt: skip

    async def last_finished(self, schedule: str) -> datetime | None:
        """When a schedule's newest tick was closed; None when none ever was."""
        row = await self.one("select max(finished_at) as at from schedule_ticks where schedule = :schedule", schedule=schedule)
        return None if row is None else row["at"]

    async def last_slots(self) -> dict[str, datetime]:
        """The newest tick of every schedule."""
        rows = await self.all("select schedule, max(slot) as slot from schedule_ticks group by schedule")
        return {row["schedule"]: row["slot"] for row in rows}


def _alert(row: RowMapping) -> AlertRecord:
    return AlertRecord(
        str(row["id"]), row["workspace"], row["cause_key"], row["kind"], row["severity"], Message.model_validate(row["message"]),
        row["opened_at"], row["acknowledged_at"], row["acknowledged_by"], row["resolved_at"],
    )  # fmt: skip
