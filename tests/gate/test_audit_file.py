"""An export is checked without a database: any one byte that was flipped, any line that was cut, put in or moved, is found there."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowledge.domain.audit_file import Head, check, lines
from knowledge.domain.chain import Anchor, Row, canonical, chain_hash

START = datetime(2026, 11, 23, 11, 0, tzinfo=UTC)
KINDS = ("action.authorised", "action.done", "approval.approved", "kill.set")


def rows(count: int, *, begin: int = 1, prev: str = "") -> list[Row]:
    made: list[Row] = []
    for seq in range(begin, begin + count):
        at = START + timedelta(minutes=seq, microseconds=seq % 3)
        action = f"00000000-0000-0000-0000-{seq:012d}" if seq % 4 else None
        payload = canonical({"n": seq, "why": f"Orçamento “{seq}” → R$ {seq},00\n", "numbers": [1.5, None, True]})
        digest = chain_hash(prev, seq, at, KINDS[seq % 4], "user:ana@example.com", action, payload)
        made.append(Row(seq, at, KINDS[seq % 4], "user:ana@example.com", action, payload, prev, digest))
        prev = digest
    return made


def export(of: list[Row], **more: object) -> list[bytes]:
    head = Head(of[0].seq, of[0].prev_hash, of[-1].seq, of[-1].hash, START + timedelta(days=1), **more)  # type: ignore[arg-type]
    chosen = [r for r in of if r.kind.startswith(str(more.get("kind") or ""))]
    return [line.encode() for line in lines(head, chosen)]


WHOLE = rows(9)
FILE = b"".join(export(WHOLE))


def checked(data: bytes, *anchors: Anchor):  # type: ignore[no-untyped-def]
    return check(data.splitlines(keepends=True), anchors)


def test_a_whole_export_is_whole() -> None:
    found = checked(FILE, Anchor(START, 4, WHOLE[3].hash), Anchor(START, 9, WHOLE[8].hash))
    assert (found.rows, found.broken) == (9, None)
    part = rows(4, begin=5, prev=WHOLE[3].hash)
    assert checked(b"".join(export(part))).broken is None
    some = checked(b"".join(export(WHOLE, kind="action.")))
    assert (some.rows, some.broken) == (sum(r.kind.startswith("action.") for r in WHOLE), None)


@settings(max_examples=600, deadline=None)
@given(st.integers(0, len(FILE) - 1), st.integers(1, 255), st.booleans())
def test_one_flipped_byte_anywhere_is_found_in_its_line(place: int, flip: int, selection: bool) -> None:
    data = bytearray(b"".join(export(WHOLE, kind="a")) if selection else FILE)
    place %= len(data)
    data[place] ^= flip
    line = bytes(data[:place]).count(b"\n") + 1
    found = check(_lines(bytes(data)))
    assert found.broken is not None
    # A flipped line feed joins two lines; the first of them is named. A flip that makes one leaves a torn line, which is named.
    assert found.broken.line == line


def _lines(data: bytes) -> list[bytes]:
    """As a file opened in binary gives them: split at line feeds only."""
    parts = data.split(b"\n")
    return [p + b"\n" for p in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_line_taken_out_put_in_doubled_or_moved_is_found(data: st.DataObject) -> None:
    file = export(WHOLE)
    how = data.draw(st.sampled_from(["out", "double", "swap", "tail", "foreign"]))
    n = data.draw(st.integers(0, len(file) - 2))
    if how == "out":
        del file[n]
    elif how == "double":
        file.insert(n, file[n])
    elif how == "swap":
        file[n], file[n + 1] = file[n + 1], file[n]
    elif how == "tail":
        del file[n + 1 :]
    else:
        file.insert(n, b'{"note":"harmless"}\n')
    broken = check(file).broken
    assert broken is not None and broken.line is not None and n <= broken.line <= n + 2


def resealed(of: list[Row]) -> bytes:
    return b"".join(export(of))


def test_a_file_rewritten_from_end_to_end_is_betrayed_by_an_anchor_alone() -> None:
    """Whoever can write the file can make it whole again; an anchor kept elsewhere says where it stopped being the old one."""
    forged = [*rows(5), *rows(4, begin=6, prev=hashlib.sha256(b"another past").hexdigest())]
    chained: list[Row] = []
    for row in forged:
        prev = chained[-1].hash if chained else ""
        digest = chain_hash(
            prev, row.seq, row.at, row.kind, "user:eve" if row.seq == 6 else row.actor, row.action_id, row.payload_text
        )
        actor = "user:eve" if row.seq == 6 else row.actor
        chained.append(Row(row.seq, row.at, row.kind, actor, row.action_id, row.payload_text, prev, digest))
    assert checked(resealed(chained)).broken is None
    anchors = [Anchor(START, n, WHOLE[n - 1].hash) for n in (2, 5, 8)]
    broken = checked(resealed(chained), *anchors).broken
    assert broken is not None and (broken.seq, broken.fault) == (8, "anchor")


@pytest.mark.parametrize("left", [0, 1, 5, 8])
def test_a_tail_cut_off_and_sealed_again_is_found_by_the_anchor(left: int) -> None:
    anchor = Anchor(START + timedelta(hours=1), 9, WHOLE[8].hash)
    short = WHOLE[:left]
    last = (short[-1].seq, short[-1].hash) if short else (0, "")
    head = Head(1, "", last[0], last[1], START + timedelta(days=1))
    data = "".join(lines(head, short)).encode()
    assert checked(data).broken is None
    broken = checked(data, anchor).broken
    assert broken is not None and (broken.fault, broken.seq) == ("cut", left + 1)


def test_an_anchor_of_after_the_export_is_none_of_its_business() -> None:
    later = Anchor(START + timedelta(days=2), 40, "f" * 64)
    assert checked(FILE, later).broken is None
    assert checked(b"".join(export(WHOLE, until=START)), Anchor(START, 40, "f" * 64)).broken is None


@pytest.mark.parametrize(
    "data", [b"", b"\n", b"{}\n", b"not json", b"\xff\xfe\n", b'{"audit":"agente-ceo/2"}\n', b"[" * 5000 + b"\n"]
)
def test_what_is_no_export_is_said_to_be_none(data: bytes) -> None:
    broken = checked(data).broken
    assert broken is not None and broken.line == 1
