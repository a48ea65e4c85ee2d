"""Looks into the gate's own ledger after every step: statuses move as they may, room is held exactly while it must be, the chain holds."""

from __future__ import annotations

from knowledge.domain.action import SPENDING
from knowledge.domain.books import FINAL, ActionRecord, Status
from knowledge.domain.chain import Chain
from runtime.proof.judge import Judge
from runtime.proof.memory_books import MemoryBooks

MAY_BECOME: dict[Status | None, frozenset[Status]] = {
    None: frozenset({"refused", "suggested", "waiting", "authorised", "scheduled"}),
    "waiting": frozenset({"waiting", "authorised", "refused", "rejected", "expired", "cancelled", "replaced"}),
    "scheduled": frozenset({"scheduled", "authorised", "waiting", "cancelled"}),
    "authorised": frozenset({"authorised", "executing", "cancelled", "waiting"}),
    "executing": frozenset({"done", "failed", "unknown", "cancelled"}),
    "unknown": frozenset({"unknown", "executing", "done", "failed"}),
}
OPEN: frozenset[Status] = frozenset({"authorised", "scheduled", "executing", "unknown"})


class Auditor:
    """Reads only what is new since the last look."""

    def __init__(self, books: MemoryBooks, judge: Judge) -> None:
        self._books, self._judge = books, judge
        self._read, self._chain = 0, Chain()

    def look(self) -> None:
        journal = self._books.journal
        changed: dict[str, None] = {}
        for action_id, before, after in journal[self._read :]:
            changed[action_id] = None
            if after == "waiting":
                self._judge.asked.add(action_id)
                self._judge.until.setdefault(action_id, self._judge.moment() + self._judge.policy.approval_time)
            if after not in MAY_BECOME.get(before, frozenset()):
                self._judge.breach(f"action {action_id} went from {before} to {after}")
        self._read = len(journal)
        for action_id in changed:
            record: ActionRecord | None = self._books.one("actions", action_id)
            if record is not None:
                self._consistent(record)
        audit = self._books.store.rows("audit")
        while (row := audit.get(self._chain.seq + 1)) is not None:
            fault = self._chain.take(row)
            if fault is not None:
                self._judge.breach(f"the audit chain breaks at {fault.seq}: {fault.fault}")
                return

    def _consistent(self, record: ActionRecord) -> None:
        held = self._books.one("reservations", record.id)
        ticket = self._books.one("tickets", record.id)
        if record.status in FINAL and held is not None and held["status"] == "held":
            self._judge.breach(f"action {record.id} is {record.status} and still holds room")
        if record.status in OPEN and isinstance(record.action, SPENDING) and (held is None or held["status"] != "held"):
            self._judge.breach(f"action {record.id} is {record.status} and holds no room")
        if (record.status == "waiting") != (ticket is not None and ticket.status == "pending"):
            self._judge.breach(f"action {record.id} is {record.status} and its ticket {ticket.status if ticket else 'missing'}")
        if record.error is not None and record.error.id == "gate.given_up":
            self._judge.given_up.add(record.id)
        if record.status in FINAL:
            self._judge.told(record.id, record.status)

    def at_rest(self) -> None:
        """When nothing is left to do: whatever is open is a text whose answer was lost, and ledger and platforms agree."""
        for record in self._books.rows("actions"):
            if record.status in OPEN and not (record.status == "unknown" and record.action.kind == "message.send"):
                self._judge.breach(f"action {record.id} ({record.action.kind}) is left {record.status}")
        for row in self._books.rows("campaigns"):
            unit = self._judge.units.get((row["platform"], row["external_id"]))
            spoken_for = unit is not None and (unit.hand_at is not None or unit.writer in self._judge.given_up)
            if unit is not None and not spoken_for and unit.budget != row["daily_budget_minor"]:
                self._judge.breach(f"campaign {row['id']}: ledger {row['daily_budget_minor']}, platform {unit.budget}")
        if self._chain.rows != len(self._books.store.rows("audit")):
            self._judge.breach("the audit chain is shorter than its table")
