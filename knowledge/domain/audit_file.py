"""The audit log as a file that another party can check without our database: one JSON object a line, each line checkable by itself.

    head   {"audit":"agente-ceo/1", "from":{seq,prev_hash}, "to":{seq,hash}, "kind":null|beginning, "until":…, "written_at":…, "sha256":…}
    row    {"seq","at","kind","actor","action_id","payload","prev_hash","hash"}     payload is the text that was hashed
    seal   {"seal":{"head":sha256 of the head line, "rows":n, "hashes":sha256 over the rows' hashes, one a line}, "sha256":…}

Every line is canonical JSON (sorted keys, no spaces, UTF-8), so that a line that says the same in another spelling is a changed line.
A row's hash is sha256 over canonical [prev_hash, seq, at, kind, actor, action_id] followed by payload; `sha256` of head and seal is
over their canonical JSON without that key. Without a `kind` the rows are the unbroken chain from `from` to `to`; with one they are
a selection, of which each row is checked by itself. Whoever rewrites a whole file can make it whole again: compare its
`to` with an anchor that you have from elsewhere (`ceo audit anchor`, the house's log, an earlier export).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256 as hasher
from typing import Any, cast

from knowledge.domain.chain import Anchor, Break, Chain, Row, canonical, sha256

FORMAT = "agente-ceo/1"
MOST = 64 * 1024 * 1024
"""Bytes in one line beyond which it cannot be one of ours."""


@dataclass(frozen=True)
class Head:
    """What a file says that it holds. `kind` None: every row from `first` to `last`."""

    first: int
    prev_hash: str
    last: int
    last_hash: str
    written_at: datetime
    kind: str | None = None
    until: datetime | None = None

    @property
    def anchor(self) -> Anchor:
        """The newest row of the file, to be written down elsewhere."""
        return Anchor(self.written_at, self.last, self.last_hash)


@dataclass
class Checked:
    """What a check of a file found: the rows that fit, and the first line that does not."""

    rows: int = 0
    broken: Break | None = None
    head: Head | None = None
    kinds: dict[str, int] = field(default_factory=dict[str, int])


def lines(head: Head, rows: Iterable[Row]) -> Iterator[str]:
    """The file's lines, each ending in a line feed."""
    first = head_line(head)
    yield first + "\n"
    seal = Seal(first)
    for row in rows:
        yield seal.add(row) + "\n"
    yield seal.line() + "\n"


class Seal:
    """Sums up the rows as they are written, for the last line."""

    def __init__(self, head: str) -> None:
        self._head, self._count, self._hashes = sha256(head), 0, hasher()

    def add(self, row: Row) -> str:
        """The row's line; counts it."""
        self.count(row)
        return row_line(row)

    def count(self, row: Row) -> None:
        self._count += 1
        self._hashes.update(f"{row.hash}\n".encode())

    def line(self) -> str:
        """The seal's line."""
        return _signed({"seal": {"head": self._head, "rows": self._count, "hashes": self._hashes.hexdigest()}})


def head_line(head: Head) -> str:
    """A head as its line."""
    return _signed(
        {
            "audit": FORMAT,
            "from": {"seq": head.first, "prev_hash": head.prev_hash},
            "to": {"seq": head.last, "hash": head.last_hash},
            "kind": head.kind,
            "until": head.until.astimezone(UTC).isoformat() if head.until else None,
            "written_at": head.written_at.astimezone(UTC).isoformat(),
        }
    )


def row_line(row: Row) -> str:
    """A row as its line."""
    return canonical(
        {
            "seq": row.seq,
            "at": row.at.astimezone(UTC).isoformat(),
            "kind": row.kind,
            "actor": row.actor,
            "action_id": row.action_id,
            "payload": row.payload_text,
            "prev_hash": row.prev_hash,
            "hash": row.hash,
        }
    )


def check(file: Iterable[bytes], anchors: Iterable[Anchor] = ()) -> Checked:
    """Reads a file line by line (an open binary file will do) and names the first line that is not what was written.

    `anchors` that the file should contain are compared: those between its first and last row, and, when it was written without an
    end in time, those of before it was written. Keeps one line in memory.
    """
    found = Checked()
    source = iter(file)
    first = next(source, b"")
    head = _head(first)
    if head is None:
        found.broken = Break(0, "unreadable", "head", line=1)
        return found
    found.head = head
    known = [a for a in anchors if head.first <= a.seq <= head.last or (a.seq > head.last and _should_hold(head, a))]
    chain = Chain((head.first - 1, head.prev_hash), known if head.kind is None else ())
    marks = {a.seq: a for a in known}
    seal = Seal(first.decode().rstrip("\n"))
    number, before = 1, None
    sealed = False
    for number, raw in enumerate(source, 2):
        if sealed:
            found.broken = Break(chain.seq, "unreadable", "after the seal", line=number)
            return found
        parsed = _parse(raw)
        if parsed is None:
            found.broken = Break((before.seq if before else head.first - 1) + 1, "unreadable", line=number)
            return found
        if "seal" in parsed:
            if raw.decode() != seal.line() + "\n":
                found.broken = Break(before.seq if before else head.first, "changed", "seal", line=number)
                return found
            sealed = True
            continue
        row = _row(parsed, raw)
        if row is None:
            found.broken = Break((before.seq if before else head.first - 1) + 1, "changed", line=number)
            return found
        broken = chain.take(row) if head.kind is None else _alone(row, before, head, marks)
        if broken is not None:
            found.broken = Break(broken.seq, broken.fault, broken.detail, line=number)
            return found
        seal.count(row)
        before, found.rows = row, found.rows + 1
        found.kinds[row.kind] = found.kinds.get(row.kind, 0) + 1
    found.broken = _ending(head, chain, before, sealed, number)
    return found


def _ending(head: Head, chain: Chain, last: Row | None, sealed: bool, number: int) -> Break | None:
    if not sealed:
        return Break((last.seq if last else head.first - 1) + 1, "cut", "no seal", line=number + 1)
    if head.kind is None:
        if (chain.seq, chain.hash) != (head.last, head.last_hash):
            return Break(chain.seq + 1, "cut", f"{head.last}", line=number)
        if (broken := chain.end()) is not None:
            return Break(broken.seq, broken.fault, broken.detail, line=number)
    return None


def _should_hold(head: Head, anchor: Anchor) -> bool:
    return head.until is None and anchor.at <= head.written_at


def _alone(row: Row, before: Row | None, head: Head, marks: dict[int, Anchor]) -> Break | None:
    """A row of a selection: whole in itself, of the kind, in its order, and linked to its neighbour where that is there too."""
    if row.hash != row.own_hash():
        return Break(row.seq, "changed")
    if (before is not None and row.seq <= before.seq) or not head.first <= row.seq <= head.last:
        return Break(row.seq, "reordered")
    if not row.kind.startswith(head.kind or ""):
        return Break(row.seq, "reordered", row.kind)
    if before is not None and row.seq == before.seq + 1 and row.prev_hash != before.hash:
        return Break(row.seq, "link")
    if row.seq in marks and marks[row.seq].hash != row.hash:
        return Break(row.seq, "anchor", marks[row.seq].at.isoformat())
    return None


def _parse(raw: bytes) -> dict[str, Any] | None:
    """A line's object, if the line is spelled as we spell it."""
    if len(raw) > MOST or not raw.endswith(b"\n"):
        return None
    try:
        value = json.loads(raw)
        same = isinstance(value, dict) and (canonical(value) + "\n").encode() == raw
    except (ValueError, RecursionError):  # UnicodeError and JSONDecodeError are ValueErrors
        return None
    return cast(dict[str, Any], value) if same else None


def _head(raw: bytes) -> Head | None:
    value = _parse(raw)
    if value is None or value.get("audit") != FORMAT:
        return None
    try:
        until = value["until"]
        head = Head(
            first=int(value["from"]["seq"]),
            prev_hash=str(value["from"]["prev_hash"]),
            last=int(value["to"]["seq"]),
            last_hash=str(value["to"]["hash"]),
            written_at=_moment(value["written_at"]),
            kind=value["kind"],
            until=None if until is None else _moment(until),
        )
    except (KeyError, TypeError, ValueError):
        return None
    return head if (head_line(head) + "\n").encode() == raw else None


def _row(value: dict[str, Any], raw: bytes) -> Row | None:
    try:
        row = Row(
            seq=int(value["seq"]),
            at=_moment(value["at"]),
            kind=str(value["kind"]),
            actor=str(value["actor"]),
            action_id=value["action_id"],
            payload_text=str(value["payload"]),
            prev_hash=str(value["prev_hash"]),
            hash=str(value["hash"]),
        )
    except (KeyError, TypeError, ValueError):
        return None
    return row if (row_line(row) + "\n").encode() == raw else None


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a moment without a zone")
    return moment


def _signed(value: dict[str, Any]) -> str:
    return canonical(value | {"sha256": sha256(canonical(value))})
