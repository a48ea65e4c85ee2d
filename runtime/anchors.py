"""Anchors of the audit log: its head, written down outside the database, in the data folder and in the house's log.

The chain alone cannot show that its last rows were cut off, nor that somebody rewrote all of it: an anchor does. One line of JSON
each, appended; copy the file to where the database's owner cannot write, and `ceo audit verify` compares with that copy.
"""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path

from knowledge.domain.chain import Anchor, canonical
from runtime.settings import ConfigError

NAME = "audit-anchors.jsonl"


def place(data: Path) -> Path:
    """The file in a data folder."""
    return data / NAME


def line(anchor: Anchor) -> str:
    """An anchor as its line."""
    return canonical({"at": anchor.at.isoformat(), "seq": anchor.seq, "hash": anchor.hash})


def add(file: Path, anchor: Anchor) -> None:
    """Appends an anchor and sees it onto the disk."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as out:
        out.write(line(anchor) + "\n")
        out.flush()
        os.fsync(out.fileno())


def read(file: Path) -> list[Anchor]:
    """Every anchor of a file; none when there is no file. Raises ConfigError naming the line that cannot be read."""
    if not file.exists():
        return []
    rows = enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
    return [_anchor(file, number, raw) for number, raw in rows if raw.strip()]


def latest(file: Path) -> Anchor | None:
    """The last anchor of a file, read from its end; None when there is none. Raises ConfigError when it cannot be read."""
    if not file.exists():
        return None
    with file.open("rb") as source:
        source.seek(max(0, file.stat().st_size - 1000))
        rows = [row for row in source.read().decode(errors="replace").splitlines() if row.strip()]
    return _anchor(file, "last", rows[-1]) if rows else None


def _anchor(file: Path, number: int | str, raw: str) -> Anchor:
    try:
        value = json.loads(raw)
        at = datetime.fromisoformat(value["at"])
        if at.tzinfo is None:
            raise ValueError("a moment without a zone")
        return Anchor(at, int(value["seq"]), str(value["hash"]))
    except (ValueError, KeyError, TypeError):
        raise ConfigError([f"{file}:{number}: is no anchor; each line is {{at, seq, hash}} as JSON"]) from None


def parse(text: str) -> tuple[int, str]:
    """SEQ:HASH as it was printed. Raises ConfigError."""
    seq, colon, digest = text.partition(":")
    if not colon or not seq.isdecimal() or len(digest) != 64:
        raise ConfigError([f"--anchor: {text!r} is not SEQ:HASH, as `ceo audit anchor` prints it"])
    return int(seq), digest
