"""The record's arithmetic: one spelling of a JSON value, the hash of a row, and what makes a chain of rows whole. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from json.encoder import encode_basestring
from typing import Any, Literal, cast

from pydantic import BaseModel


@dataclass(frozen=True)
class Spelled:
    """A value of which only the canonical text is at hand: what several rows tell of is spelled once."""

    text: str


def canonical(value: Any) -> str:
    """The one spelling of a JSON value that is hashed and kept. Values of a top-level object may be Spelled."""
    if type(value) is dict:
        parts = cast(dict[str, Any], value)
        if Spelled in map(type, parts.values()):
            members = sorted(parts.items())
            return "{" + ",".join([f"{encode_basestring(k)}:{_spell(v)}" for k, v in members]) + "}"
    return _ENCODE(value)


def _spell(value: Any) -> str:
    if type(value) is Spelled:
        return value.text
    return encode_basestring(value) if type(value) is str else "null" if value is None else _ENCODE(value)


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no canonical JSON form")


def _encoder() -> Callable[[Any], str]:
    """The standard library's encoder, its C half built once: `JSONEncoder.encode` builds it anew for every value, which takes most
    of the time of a small one. Where there is no C half, the encoder as it is."""
    made = getattr(json.encoder, "c_make_encoder", None)
    if made is None:
        return json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_plain).encode
    parts = made(None, _plain, encode_basestring, None, ":", ",", True, False, True)
    return lambda value: "".join(parts(value, 0))


_ENCODE = _encoder()


def sha256(text: str) -> str:
    """Hexadecimal sha256 of a text's UTF-8 bytes."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def chain_hash(prev: str, seq: int, at: datetime, kind: str, actor: str, action_id: str | None, payload_text: str) -> str:
    """The hash of one audit row: any changed byte of it, or of a row before it, changes every later hash."""
    return sha256(canonical([prev, seq, at.astimezone(UTC).isoformat(), kind, actor, action_id]) + payload_text)


def judgement_hash(
    action_id: str, policy_version: str, policy_hash: str, law: str, facts_text: str, verdict_text: str
) -> str:  # fmt: skip
    """What the audit row of a judgement says of it: facts, verdict and law cannot be changed afterwards without breaking the chain."""
    return sha256(canonical([action_id, policy_version, policy_hash, law, sha256(facts_text), sha256(verdict_text)]))


def is_judgement_hash(
    digest: str, action_id: str, policy_version: str, policy_hash: str, law: str, facts_text: str, verdict_text: str
) -> bool:
    """Whether a digest is of these texts: as they are hashed today, or whole inside the list, as rows from before 28 November 2026 have
    it (spelling some ten thousand characters anew took a tenth of a judgement)."""
    parts = action_id, policy_version, policy_hash, law, facts_text, verdict_text
    return digest in (judgement_hash(*parts), sha256(canonical(parts)))


@dataclass(frozen=True)
class Row:
    """One row of the audit log. `payload_text` is the canonical JSON that was hashed."""

    seq: int
    at: datetime
    kind: str
    actor: str
    action_id: str | None
    payload_text: str
    prev_hash: str
    hash: str

    def own_hash(self) -> str:
        """What `hash` must be."""
        return chain_hash(self.prev_hash, self.seq, self.at, self.kind, self.actor, self.action_id, self.payload_text)


@dataclass(frozen=True)
class Anchor:
    """The head of the chain at a moment, written down outside the database: rows up to it can no longer be changed or cut off
    without it showing. `seq` 0 with an empty hash is the empty log."""

    at: datetime
    seq: int
    hash: str


Fault = Literal["changed", "missing", "reordered", "link", "payload", "cut", "anchor", "unreadable"]


@dataclass(frozen=True)
class Break:
    """The first place where a record is not what was written: the row, and what is wrong there."""

    seq: int
    fault: Fault
    detail: str = ""
    line: int | None = None


class Chain:
    """Walks rows in their order and names the first that does not fit. Keeps nothing but the last row's hash.

    `start` is (seq, hash) of the row before the first, (0, "") for the whole log. Anchors are compared as their rows come by.
    """

    def __init__(self, start: tuple[int, str] = (0, ""), anchors: Iterable[Anchor] = ()) -> None:
        self.seq: int = start[0]
        self.hash: str = start[1]
        self.rows = 0
        self._anchors: dict[int, list[Anchor]] = {}
        for anchor in anchors:
            self._anchors.setdefault(anchor.seq, []).append(anchor)

    def take(self, row: Row, copy: str | None = None) -> Break | None:
        """None when the row continues the chain. `copy`: the payload as queries see it, which must say the same as the hashed text."""
        expected = self.seq + 1
        if row.seq != expected:
            return Break(expected if row.seq > expected else row.seq, "missing" if row.seq > expected else "reordered")
        if row.hash != row.own_hash():
            return Break(row.seq, "changed")
        if row.prev_hash != self.hash:
            return Break(row.seq, "link")
        if copy is not None and json.loads(copy, parse_float=Decimal) != json.loads(row.payload_text, parse_float=Decimal):
            return Break(row.seq, "payload")
        for anchor in self._anchors.get(row.seq, ()):
            if anchor.hash != row.hash:
                return Break(row.seq, "anchor", anchor.at.isoformat())
        self.seq, self.hash = row.seq, row.hash
        self.rows += 1
        return None

    def end(self) -> Break | None:
        """What is missing behind the last row that came by: an anchor names a row that is not there any more."""
        beyond = [anchor for seq, anchors in self._anchors.items() if seq > self.seq for anchor in anchors]
        if not beyond:
            return None
        latest = max(beyond, key=lambda anchor: anchor.seq)
        return Break(self.seq + 1, "cut", f"{latest.seq} {latest.at.isoformat()}")


def first_difference(recorded: Any, replayed: Any, path: str = "") -> tuple[str, Any, Any] | None:
    """(path, recorded, replayed) of the first place in which two JSON values differ; None when they are the same to the letter."""
    if isinstance(recorded, dict) and isinstance(replayed, dict):
        one, other = cast(dict[str, Any], recorded), cast(dict[str, Any], replayed)
        for key in sorted({*one, *other}):
            place = f"{path}.{key}" if path else key
            if key not in one or key not in other:
                return place, one.get(key, "(absent)"), other.get(key, "(absent)")
            if (found := first_difference(one[key], other[key], place)) is not None:
                return found
        return None
    if isinstance(recorded, list) and isinstance(replayed, list):
        left, right = cast(list[Any], recorded), cast(list[Any], replayed)
        for index, (one, other) in enumerate(zip(left, right, strict=False)):
            if (found := first_difference(one, other, f"{path}[{index}]")) is not None:
                return found
        return None if len(left) == len(right) else (f"{path}.length", len(left), len(right))
    return _leaf(recorded, replayed, path)


def _leaf(recorded: Any, replayed: Any, path: str) -> tuple[str, Any, Any] | None:
    return None if type(recorded) is type(replayed) and recorded == replayed else (path, recorded, replayed)
